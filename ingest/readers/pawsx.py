"""PAWS-X: whether two sentences that share most words are paraphrases; development and test sets translated by people.

Layouts: the original one with ids, and XTREME's without ids and header. Where the translator wrote no sentence there is
``NS``, and the label is 0 whatever the pair's true label is: such rows are rejected.
"""

from typing import Final

from mlv.ingest.readers.columns import Labels
from mlv.ingest.readers.labelled import Layout, reader
from mlv.ingest.readers.sources import Source

LABELS: Final = Labels(("0", "1"), no_text="NS")

LAYOUTS: Final = (
    Layout(text="1", pair="2", label="3"),
    Layout(text="sentence1", pair="sentence2", label="label", key="id"),
)

SOURCE: Final = Source(
    code="pawsx",
    name="PAWS-X",
    domain="encyclopedic",
    citation="Yinfei Yang et al. (2019): PAWS-X: A Cross-lingual Adversarial Dataset for Paraphrase Identification. "
    "EMNLP 2019.",
    licence="free for any purpose",
    read=reader(LAYOUTS, LABELS),
    patterns=(
        *("train-??.tsv", "dev-??.tsv", "test-??.tsv"),
        *("??/train.tsv", "??/translated_train.tsv", "??/dev_2k.tsv", "??/test_2k.tsv"),
    ),
    multilingual=True,
    labelled=True,
    from_hub=True,
)
