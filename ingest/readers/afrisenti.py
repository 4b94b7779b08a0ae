"""AfriSenti: the sentiment of tweets in African languages; not parallel, and of unequal sizes and classes."""

from typing import Final

from mlv.ingest.readers.columns import Labels
from mlv.ingest.readers.labelled import Layout, reader
from mlv.ingest.readers.sources import Source

LABELS: Final = Labels(("positive", "neutral", "negative"))

LAYOUTS: Final = (
    Layout(text="tweet", label="label"),
    Layout(key="ID", text="text", label="label", unique_keys=True),
)

SOURCE: Final = Source(
    code="afrisenti",
    name="AfriSenti",
    domain="other",
    citation="Shamsuddeen Hassan Muhammad et al. (2023): AfriSenti: A Twitter Sentiment Analysis Benchmark for African "
    "Languages. EMNLP 2023.",
    licence="CC BY 4.0",
    read=reader(LAYOUTS, LABELS, translated=False),
    patterns=("*.train.tsv", "*.dev.tsv", "*.test.tsv"),
    multilingual=True,
    labelled=True,
    from_hub=True,
    translated=False,
)
