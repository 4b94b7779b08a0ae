"""Views of corpora: their segments, what training examples are made of, and what ingest did not take."""

from mlv.schema.views.view import View

CORPORA = (
    View(
        "v_segment",
        "Segments of corpora with the names behind their keys.",
        {
            "segment_id": "Key of the segment.",
            "source": "Source, e.g. pbc.",
            "language": "Language of the text.",
            "edition": "Edition of the text.",
            "position": "Place in the corpus, from 0.",
            "parallel_key": "Key shared by translations.",
            "text": "The text.",
            "text_pair": "Second text of a pair; NULL if there is none.",
            "label": "Label as in the file; NULL for text that is not labelled.",
        },
        """
        SELECT g.segment_id, s.code AS source, l.code AS language, c.edition, g.position, g.parallel_key, g.text,
               g.text_pair, g.label
        FROM segment g
        JOIN corpus c USING (corpus_id)
        JOIN source s USING (source_id)
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_example",
        "Training examples and what they are made of, whatever that is, by keys: one SELECT for each kind of example.",
        {
            "training_example_id": "Key of the example.",
            "run_id": "Key of its run.",
            "position": "Number of the example in its run.",
            "split": "train, development or test.",
            "source_id": "Key of the text's source.",
            "language_id": "Key of the text's language.",
            "parallel_key": "Key shared by translations.",
            "text": "The text.",
            "text_pair": "Second text of a pair; NULL if there is none.",
            "label": "Label as in the file; NULL for text that is not labelled.",
        },
        """
        SELECT e.training_example_id, e.run_id, e.position, e.split, c.source_id, c.language_id, g.parallel_key, g.text,
               g.text_pair, g.label
        FROM training_example e
        JOIN segment g USING (segment_id)
        JOIN corpus c USING (corpus_id)
        """,
    ),
    View(
        "v_training_example",
        "Training examples with their text.",
        {
            "training_example_id": "Key of the example.",
            "run": "Name of the run.",
            "position": "Number of the example in its run.",
            "split": "train, development or test.",
            "source": "Source of the text.",
            "language": "Language of the text.",
            "parallel_key": "Key shared by translations.",
            "text": "The text.",
            "text_pair": "Second text of a pair; NULL if there is none.",
            "label": "Label as in the file; NULL for text that is not labelled.",
        },
        """
        SELECT e.training_example_id, r.name AS run, e.position, e.split, s.code AS source, l.code AS language,
               e.parallel_key, e.text, e.text_pair, e.label
        FROM v_example e
        JOIN run r USING (run_id)
        JOIN source s USING (source_id)
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_task",
        "Tasks: the labels of a labelled source, and the class that each stands for.",
        {
            "task": "Name of the task, e.g. xnli-entailment.",
            "source": "Source of the labelled texts.",
            "description": "What is told apart.",
            "label": "Label as in the files.",
            "class_number": "Class, from 1, in the order of a classifier's outputs; NULL: left out.",
            "class_name": "Name of the class; NULL: left out.",
        },
        """
        SELECT t.code AS task, s.code AS source, t.description, b.label, b.class_number, b.class_name
        FROM task t
        JOIN source s USING (source_id)
        JOIN task_label b USING (task_id)
        """,
    ),
    View(
        "v_reject",
        "Rows that ingest did not take.",
        {
            "kind": "probes, survey, corpus or task.",
            "target": "What the file was read into.",
            "file": "File name.",
            "line": "Line in the file, from 1.",
            "item": "What the row is about.",
            "reason": "Why it was not taken.",
            "content": "The row as it was, at most 500 characters.",
        },
        """
        SELECT f.kind, f.target, f.name AS file, j.line, j.item, j.reason, j.content
        FROM reject j JOIN ingest_file f USING (ingest_file_id)
        """,
    ),
)
