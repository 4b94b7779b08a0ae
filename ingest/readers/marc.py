"""MARC, the Multilingual Amazon Reviews Corpus: reviews with one to five stars, not parallel; withdrawn since.

Layouts: the original JSON lines, of which the body is read, or with ``text=review_title+review_body`` the title and the
body; and tables without a header: number, body, stars. Numbers agree between languages although nothing is a
translation.
"""

from dataclasses import replace
from typing import Final

from mlv.ingest.readers.columns import Labels
from mlv.ingest.readers.labelled import Layout, reader
from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.table import columns_of
from mlv.schema.errors import UsageError

LABELS: Final = Labels(("1", "2", "3", "4", "5"))

LAYOUTS: Final = (
    Layout(key="1", text="2", label="3"),
    Layout(key="review_id", text="review_body", label="stars", language="language", unique_keys=True),
)


def _of_columns(source: Source, said: str) -> Source:
    """The source whose JSON lines have their text elsewhere. Raises UsageError if more than that is said."""
    columns = columns_of(said)
    if columns.names != [columns.texts.get(None)]:
        raise UsageError(
            f"--columns {said} says more than the text, and the other columns of MARC are known.",
            "Write e.g. --columns text=review_title+review_body",
        )
    layout = replace(LAYOUTS[1], text=columns.names[0])
    return replace(source, read=reader((layout,), LABELS, translated=False))


SOURCE: Final = Source(
    code="marc",
    name="Multilingual Amazon Reviews Corpus",
    domain="other",
    citation="Phillip Keung et al. (2020): The Multilingual Amazon Reviews Corpus. EMNLP 2020.",
    licence="academic research only",
    read=reader(LAYOUTS, LABELS, translated=False),
    patterns=("dataset_??_*.json", "*.jsonl", "*.csv"),
    multilingual=True,
    labelled=True,
    from_hub=True,
    translated=False,
    of_columns=_of_columns,
)
