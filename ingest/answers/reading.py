"""What was asked, what came, and how it was read: what all versions of the parser share."""

from typing import Literal, NamedTuple

Outcome = Literal["answer", "refusal", "none", "both", "truncated", "filtered", "empty"]
"""How an answer was read.

========= ======================================================
answer    it names one option
refusal   the model or its service declined
none      it names no option, or one off the scale
both      it names several and chooses none
truncated it was cut off before it named one
filtered  the service kept it back
empty     nothing but white space and punctuation
========= ======================================================
"""


class Asked(NamedTuple):
    """A question with its options."""

    options: tuple[str, ...]
    """Texts of the options by their number, two or more; steps of a scale, too."""

    language: str
    """Code of the language of sentence and options."""

    sentence: str = ""
    """The sentence with ``_`` where the answer goes, affixes glued to it included; empty if there is no gap."""

    shown: tuple[int, ...] = ()
    """Numbers of the options in the order shown, where the form numbers them: ``2.`` is ``shown[1]``. Else empty."""

    english: tuple[str, ...] = ()
    """English texts of the options, where an answer in English counts as well; else empty."""


class Answered(NamedTuple):
    """An answer as it came."""

    text: str
    finish: str | None = None
    """Why it ended: ``stop``, ``length``, ``content_filter``; None if that is not known."""

    refused: bool = False
    """Whether the service itself called it a refusal."""


class Reading(NamedTuple):
    """How an answer was read."""

    outcome: Outcome
    answer: int | None = None
    """Number of the option, from 1; None exactly where ``outcome`` is not ``answer``."""
