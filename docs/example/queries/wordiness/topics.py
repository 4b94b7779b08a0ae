"""The study as rows: its queries, and what is made of what they find."""

from mlv.queries.sentences import spanning
from mlv.queries.study import Need, Section, Study, Topic

COUNTED = Need("Count the words of a source", "mlv compute wordcount --source SOURCE")

STUDY = Study(
    "wordiness",
    "How many words it takes",
    "An example",
    (
        Section(
            "Words",
            (
                Topic(
                    "words_per_segment",
                    "Table 1",
                    COUNTED,
                    sentence=spanning("A segment has", "words_per_segment", "segments", "segments", "", 1),
                ),
            ),
        ),
    ),
)
