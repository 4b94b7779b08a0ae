"""Constants of "Self-alignment: improving alignment of cultural values in LLMs via in-context learning" (Choenni and
Shutova 2024; dissertation chapter 8), S in docstrings.

Where the paper leaves one open, what is taken in its place.
"""

from typing import Final, Literal

DEMONSTRATIONS: Final = 5
"""Completed sentences before the question (S section 8.4.3)."""

SAMPLES: Final = 10
"""Sampled answers of a prompt (S section 8.4.4)."""

TEMPERATURE: Final = 1.0
"""The library's default, for models whose makers propose no other (S appendix F.1)."""

TOP_P: Final = 1.0
"""Not given; nothing is cut off."""

TOP_K: Final = 50
"""Not given; transformers' default in 2024, when the models were asked. Servers have others."""

MAX_TOKENS: Final = 16
"""Not given; labels are a few tokens."""

STOP: Final = ("\n",)
"""Not given; the answer is the first line."""

FORM: Final = "gap"
"""The instruction names two options for a gap (S Figure 8.1); its wording is lost."""

LANGUAGES: Final = {
    "Llama3-8B": ("en", "de", "ro"),
    "Mistral": ("en", "de", "ro"),
    "CommandR": ("en", "de", "ro", "ko", "id", "vi", "fa", "el", "tr"),
    "Gemini-pro": ("en", "de", "ro", "ko", "id", "vi", "el", "tr", "bn", "sr"),
    "BLOOMz": ("en", "de", "ro", "ur", "id", "vi", "el", "tr", "bn", "sr", "ms", "tl"),
}
"""Languages that each model was asked in, by its name in Table 8.1."""

Strategy = Literal["random", "random_category", "chrf_category", "chrf"]
"""How demonstrations are chosen (S section 8.4.3): among all other questions or those of the same category, by chance
or by chrF++ with the question."""

Ordering = Literal["similar_last", "similar_first", "shuffled"]
"""In which order they stand; shuffled: anew for every sample (S section 8.5.2)."""

OptionOrder = Literal["drawn", "listed", "balanced"]
"""Which option is shown first. drawn: by chance for each question, alike in all runs. listed: the first answer.
balanced: each option first in as many samples."""
