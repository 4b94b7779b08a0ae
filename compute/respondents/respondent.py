"""What is asked, what comes back, and what all respondents have in common."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from mlv.compute.machine.options import Progress
from mlv.compute.machine.streams import Purpose, Stream
from mlv.schema.jobs.identity import canonical
from mlv.schema.jobs.spec import SpecPart

Finish = Literal["stop", "length", "content_filter"]


class Prompt(NamedTuple):
    """A text that is put, and the options whose scores may be asked for."""

    number: int
    question: str
    variant: int
    text: str
    options: tuple[str, ...]


class Wanted(NamedTuple):
    """What is still to be asked of a prompt."""

    prompt: Prompt
    samples: tuple[int, ...]
    """Numbers of the sampled answers, from 0."""

    scores: bool

    @property
    def answers(self) -> int:
        """Sampled answers and scored options."""
        return len(self.samples) + len(self.prompt.options) * self.scores


class Answer(SpecPart):
    """A sampled answer."""

    sample: int
    text: str
    finish: Finish | None
    """Why it ended; None where that is not known."""

    refused: bool = False
    """Whether the protocol says that it is a refusal."""

    tokens: int | None
    """The tokens that its text is of; None where that is not known."""

    logprob: float | None
    """Their log-probability at temperature 1 over the whole vocabulary, nats; None where that is not known."""


class Score(SpecPart):
    """How an option is scored by teacher forcing."""

    number: int
    tokens: int
    logprob_sum: float
    """Of its tokens, over the whole vocabulary, nats."""

    logprob_first: float


class Usage(SpecPart):
    """What answers took. Tokens that an endpoint does not report are not counted."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    """Time that passed since the answers before."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})


class Reply(SpecPart):
    """What came back for a prompt: all that was wanted, or a part of it."""

    prompt: int
    tokens: int | None
    """Tokens of the prompt as it was put; None where that is not known."""

    answers: tuple[Answer, ...] = ()
    scores: tuple[Score, ...] = ()
    usage: Usage = Usage()
    reported: Mapping[str, str] = {}
    """What an endpoint says of the model that answered."""


Keep = Callable[[Sequence[Reply]], None]
"""Puts replies on disk before it returns. May be called in several threads."""


class Respondent(Protocol):
    """A model that answers."""

    def ask(self, wanted: Sequence[Wanted], keep: Keep, progress: Progress) -> None:
        """Ask all that is wanted, and hand replies over as they come; progress counts answers.

        Raises MlvError if it cannot be asked so.
        """

    def describe(self) -> dict[str, object]:
        """What is known of it."""


def random_numbers(seed: int, draw: int, prompt: Prompt, sample: int) -> Stream:
    """The random numbers of an answer, whatever else is asked beside or before it.

    The counter is made of the draw and of what the prompt is, not of its number: the same prompt gets the same answers
    if others are left out.
    """
    digest = hashlib.sha256(canonical([draw, prompt.question, prompt.variant, prompt.text]).encode()).digest()
    return Stream(seed, Purpose.ANSWERS, int.from_bytes(digest[:8]) >> 1, sample)


def cut(text: str, stop: Sequence[str]) -> str | None:
    """What is before the first of the texts that end an answer; None if there is none of them."""
    places = [place for mark in stop if (place := text.find(mark)) >= 0]
    return text[: min(places)] if places else None
