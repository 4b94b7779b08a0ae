"""What happens during a job: a type for every event that its log and the store keep.

A line of ``log.jsonl`` is a time, the name of the event and its fields. Whoever reads events takes those of the type
that it means; one that this version does not know, by its name or by its fields, is kept as text.
"""

import json
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """Base of all events: immutable, and refusing fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str
    """The name, by which it is read again."""


class _OnMachine(Event):
    """A beginning, with what Slurm says of where: nothing outside of a cluster."""

    cluster: str | None = None
    partition: str | None = None
    node: str | None = None
    job: str | None = None
    array_job: str | None = None
    array_task: str | None = None
    restarts: str | None = None


class Started(_OnMachine):
    """A worker took the job up for the first time."""

    event: Literal["started"] = "started"


class Resumed(_OnMachine):
    """A worker took up a job that had been broken off."""

    event: Literal["resumed"] = "resumed"


class Continued(Event):
    """A training goes on from a state that was saved."""

    event: Literal["continued"] = "continued"
    step: int
    """Optimizer steps done."""


class SentencesCut(Event):
    """Sentences of a training are longer than the longest input: what is beyond it was left out."""

    event: Literal["sentences_cut"] = "sentences_cut"
    sentences: int
    """How many."""

    of: int
    """Sentences of the job, training and development together."""

    max_tokens: int
    """Length at which they were cut off."""


class CheckpointWritten(Event):
    """A training left a model state."""

    event: Literal["checkpoint"] = "checkpoint"
    epoch: int
    """Epochs done."""

    merged: bool = False
    """Whether an adapter was trained, and is part of its weights."""


class EndedEarly(Event):
    """A training ended before its last planned epoch, since the development loss no longer fell."""

    event: Literal["ended_early"] = "ended_early"
    epoch: int
    """Epochs done."""

    best: int
    """The epoch of the lowest development loss: the run's final checkpoint."""


class LanguagePredicted(Event):
    """A classifier was asked all texts in a language."""

    event: Literal["predicted"] = "predicted"
    language: str
    texts: int
    """How many."""


class CategoryCompleted(Event):
    """A masked model completed all sentences about the groups of a category."""

    event: Literal["completed"] = "completed"
    category: str
    sentences: int
    """How many."""


class HeadsDisabled(Event):
    """An iteration of pruning disabled the least important attention heads, and measured the others."""

    event: Literal["heads_disabled"] = "heads_disabled"
    iteration: int
    """Its number, from 1."""

    enabled: int
    """Heads that are left."""

    score: float
    """Accuracy on the development examples with these."""

    kept: bool
    """Whether that is at or above the threshold."""


class LanguageProbed(Event):
    """All probes in a language were asked."""

    event: Literal["language"] = "language"
    language: str
    probes: int
    """How many."""


class Answered(Event):
    """A worker asked prompts, until there were none left or it was interrupted."""

    event: Literal["answered"] = "answered"
    prompts: int
    """How many were answered, at least in part."""

    answers: int
    """Sampled answers and scored options."""


class Waited(Event):
    """An endpoint could not answer a request, which was put again after a wait."""

    event: Literal["waited"] = "waited"
    reason: str
    seconds: float
    retries: int
    """Times that the request was put again, this one included."""


class FewerAnswers(Event):
    """An endpoint gave fewer answers than a request asked for: from then on each is asked for by itself."""

    event: Literal["fewer_answers"] = "fewer_answers"
    asked: int
    given: int


class ParameterRefused(Event):
    """An endpoint does not know a parameter that answers can do without: from then on it is left out."""

    event: Literal["parameter_refused"] = "parameter_refused"
    name: str
    reason: str
    """What the endpoint said."""


class SkippedProbe(BaseModel):
    """A probe that cannot be asked."""

    model_config = Event.model_config

    question: str
    language: str
    reason: str


class SkippedProbes(Event):
    """Probes were left out, since their answers tokenise alike: they need not be planned again for this model."""

    event: Literal["skipped_probes"] = "skipped_probes"
    probes: tuple[SkippedProbe, ...]


class SkippedSentence(BaseModel):
    """A sentence about a group that cannot be completed."""

    model_config = Event.model_config

    category: str
    group_name: str
    language: str
    form: str
    text: str
    reason: str


class SkippedSentences(Event):
    """Sentences were left out, since the tokenizer loses their mask or group: they need not be planned again for this
    model and prior."""

    event: Literal["skipped_sentences"] = "skipped_sentences"
    sentences: tuple[SkippedSentence, ...]


class SkippedRemoval(Event):
    """A validation does without the removal of k examples, since a run of so few would have none left."""

    event: Literal["skipped_removal"] = "skipped_removal"
    k: int
    examples: int
    """Training examples of the run."""


class ScoresMade(Event):
    """An attribution scored all training examples for all targets of a validation."""

    event: Literal["scores"] = "scores"
    name: str
    """What the attribution is called in tables."""

    quantity: str


class Retrained(Event):
    """A validation trained the run again on a part of its examples."""

    event: Literal["retraining"] = "retraining"
    id: str
    kind: str
    seed: int
    left_out: int
    """Training examples that it did without."""


class UndefinedCorrelations(Event):
    """Rank correlations that are not defined, since a side is constant, have no row in the results."""

    event: Literal["undefined"] = "undefined"
    quantity: str
    scores: str
    seeds: str
    rows: int
    """How many."""


class Reproduced(Event):
    """A validation trained the run again on all of its examples."""

    event: Literal["reproduced"] = "reproduced"
    largest_difference_of_margins: float
    """Between the run's last checkpoint and the model trained again, nats: 0 where it is the same."""


class Stopped(Event):
    """The worker was told to stop, and saved what it had."""

    event: Literal["stopped"] = "stopped"
    reason: str


class Failed(Event):
    """The worker could not go on."""

    event: Literal["failed"] = "failed"
    reason: str


class Finished(Event):
    """All outputs are there."""

    event: Literal["finished"] = "finished"


class UnknownEvent(NamedTuple):
    """An event that this version does not know, by its name or by its fields."""

    event: str
    detail: str
    """Its other fields as JSON."""


class Logged(NamedTuple):
    """An event in a log."""

    at: datetime
    """UTC, without a time zone."""

    event: Event | UnknownEvent


EVENTS: Final[tuple[type[Event], ...]] = (
    Started,
    Resumed,
    Continued,
    SentencesCut,
    CheckpointWritten,
    EndedEarly,
    LanguagePredicted,
    CategoryCompleted,
    HeadsDisabled,
    LanguageProbed,
    Answered,
    Waited,
    FewerAnswers,
    ParameterRefused,
    SkippedProbes,
    SkippedSentences,
    SkippedRemoval,
    ScoresMade,
    Retrained,
    UndefinedCorrelations,
    Reproduced,
    Stopped,
    Failed,
    Finished,
)
"""Every type of event."""


def name_of(kind: type[Event]) -> str:
    """The name under which events of a type are kept."""
    return str(kind.model_fields["event"].default)


_BY_NAME: Final = {name_of(kind): kind for kind in EVENTS}


def fields_of(event: Event) -> dict[str, Any]:
    """The fields of an event but for its name; those without a value are left out."""
    return event.model_dump(exclude={"event"}, exclude_none=True)


def detail_of(event: Event | UnknownEvent) -> str:
    """The fields of an event but for its name, as JSON."""
    return event.detail if isinstance(event, UnknownEvent) else json.dumps(fields_of(event), ensure_ascii=False)


def read_event(name: str, detail: str) -> Event | UnknownEvent:
    """The event of a name and its other fields, as JSON."""
    kind = _BY_NAME.get(name)
    try:
        return UnknownEvent(name, detail) if kind is None else kind.model_validate_json(detail, strict=True)
    # what is no JSON at all, too
    except ValueError:
        return UnknownEvent(name, detail)
