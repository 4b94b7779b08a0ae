"""Views of counts of words."""

from mlv.schema.views.view import View

WORDCOUNTS = (
    View(
        "v_word_count",
        "How many words a corpus has.",
        {
            "run": "Name of the run that counted.",
            "source": "Source, e.g. pbc.",
            "language": "Language of the text.",
            "edition": "Edition of the text.",
            "segments": "Segments.",
            "words": "Words in them.",
        },
        """
        SELECT r.name AS run, s.code AS source, l.code AS language, c.edition, w.segments, w.words
        FROM word_count w
        JOIN run r ON r.run_id = w.run_id AND r.status = 'committed'
        JOIN corpus c USING (corpus_id)
        JOIN source s USING (source_id)
        JOIN "language" l USING (language_id)
        """,
    ),
)
