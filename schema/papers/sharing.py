"""Constants of "How do languages influence each other?" (Choenni, Garrette and Shutova 2023), H in docstrings.

Where the paper leaves one open, what is taken in its place.
"""

from typing import Final

LANGUAGES: Final = {
    "xnli-entailment": ("de", "en", "es", "fr", "ru"),
    "pawsx-paraphrase": ("de", "en", "es", "fr", "ko"),
    "marc-polarity": ("de", "en", "es", "fr", "zh"),
}
"""Training and test languages of each task (H section 3)."""

EXAMPLES: Final = 2_000
"""Training examples of a language (H section 4.1)."""

EPOCHS: Final = 10
"""Most epochs (H section 4.1)."""

PATIENCE: Final = 3
"""Epochs without a better result after which training ends (H section 4.1)."""

LEARNING_RATE: Final = 2e-5
"""For XNLI and MARC (H section 4.1)."""

LEARNING_RATE_PAWSX: Final = 9e-6
"""For PAWS-X (H section 4.1)."""

BATCH_SIZE: Final = 32
"""Not given; that of the examples that transformers had for XNLI."""

MAX_TOKENS: Final = 128
"""Not given; that of XTREME, by whose authors' code such models are trained."""

TARGETS: Final = 25
"""Test examples that are traced in each language (H section 5)."""

TOP_K: Final = 100
"""Examples that count as influential in each direction (H section 6)."""

REMOVAL_K: Final = (50, 100, 150, 200, 250)
"""Examples that are left out (H section 6)."""
