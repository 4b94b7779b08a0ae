"""SIB-200: the topic of sentences of FLORES-200, parallel by the ids that these have in FLORES."""

from typing import Final

from mlv.ingest.readers.columns import Labels
from mlv.ingest.readers.labelled import Layout, reader
from mlv.ingest.readers.sources import Source

LABELS: Final = Labels(
    ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"),
)

LAYOUTS: Final = (Layout(key="index_id", text="text", label="category", unique_keys=True),)

SOURCE: Final = Source(
    code="sib200",
    name="SIB-200",
    domain="encyclopedic",
    citation="David Ifeoluwa Adelani et al. (2024): SIB-200: A Simple, Inclusive, and Big Evaluation Dataset for Topic "
    "Classification in 200+ Languages and Dialects. EACL 2024.",
    licence="CC BY-SA 4.0",
    read=reader(LAYOUTS, LABELS),
    patterns=("*.train.tsv", "*.dev.tsv", "*.test.tsv", "*/train.tsv", "*/dev.tsv", "*/test.tsv"),
    multilingual=True,
    labelled=True,
    from_hub=True,
)
