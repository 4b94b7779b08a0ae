"""MARC, the Multilingual Amazon Reviews Corpus: reviews with one to five stars, not parallel; withdrawn since.

Layouts: the original JSON lines, of which the body is read and not the title; and tables without a header: number,
body, stars. Numbers agree between languages although nothing is a translation.
"""

from typing import Final

from mlv.ingest.readers.columns import Labels
from mlv.ingest.readers.labelled import Layout, reader
from mlv.ingest.readers.sources import Source

LABELS: Final = Labels(("1", "2", "3", "4", "5"))

LAYOUTS: Final = (
    Layout(key="1", text="2", label="3"),
    Layout(key="review_id", text="review_body", label="stars", language="language", unique_keys=True),
)

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
)
