"""XNLI: whether a premise entails a hypothesis, contradicts it, or neither; professionally translated from English.

Layouts: XTREME's without a header, of which the test file has no labels; the original ones with all languages
(``xnli.dev.tsv``, ``xnli.test.jsonl``); its machine-translated training files, in which a label is spelt
``contradictory``; that of the Hugging Face hub, whose labels are 0, 1 and 2; and tables with columns by language.
"""

from typing import Final

from mlv.ingest.readers.columns import Labels
from mlv.ingest.readers.labelled import Layout, reader
from mlv.ingest.readers.sources import Source

LABELS: Final = Labels(("entailment", "neutral", "contradiction", "contradictory", "0", "1", "2"))

LAYOUTS: Final = (
    Layout(text="1", pair="2", label="3"),
    Layout(text="sentence1", pair="sentence2", label="gold_label", key="pairID", language="language"),
    Layout(text="premise", pair="hypo", label="label"),
    Layout(text="premise", pair="hypothesis", label="label", language="language"),
    Layout(text="sentence1_{}", pair="sentence2_{}", label="label"),
)

SOURCE: Final = Source(
    code="xnli",
    name="XNLI",
    domain="other",
    citation="Alexis Conneau et al. (2018): XNLI: Evaluating Cross-lingual Sentence Representations. EMNLP 2018.",
    licence="CC BY-NC 4.0",
    read=reader(LAYOUTS, LABELS),
    patterns=("train-??.tsv", "dev-??.tsv", "test-??.tsv", "xnli.*.tsv", "xnli.*.jsonl", "multinli.train.??.tsv"),
    multilingual=True,
    labelled=True,
    from_hub=True,
)
