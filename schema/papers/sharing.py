"""Constants of "How do languages influence each other?" (Choenni, Garrette and Shutova 2023), H in docstrings.

Where the paper leaves one open, what is taken in its place.
"""

from typing import Final, NamedTuple

MODEL: Final = "xlm-roberta-base"
"""The paper's model (H section 4.1). A store may have it under a path that ends alike."""

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


class Task(NamedTuple):
    """A task of the paper (H section 3)."""

    code: str
    source: str
    learning_rate: float

    @property
    def languages(self) -> tuple[str, ...]:
        """Of training and test."""
        return LANGUAGES[self.code]


TASKS: Final = {
    "XNLI": Task("xnli-entailment", "xnli", LEARNING_RATE),
    "PAWS-X": Task("pawsx-paraphrase", "pawsx", LEARNING_RATE_PAWSX),
    "MARC": Task("marc-polarity", "marc", LEARNING_RATE),
}
"""By the paper's name for it."""

LEFT_OPEN: Final = (
    "batch_size",
    "gradient_accumulation",
    "schedule",
    "warmup",
    "weight_decay",
    "max_tokens",
    "precision",
    "draw",
    "balanced",
    "draw_seed",
    "classes",
)
"""Settings that the paper does not give, or that a task implies: any will do."""
