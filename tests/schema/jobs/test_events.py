"""Events are written and read as their types; what is not known stays as it is and stops nobody."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlv.compute.machine.runtime import SLURM
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import (
    EVENTS,
    Answered,
    CategoryCompleted,
    CheckpointWritten,
    Continued,
    EndedEarly,
    Event,
    Failed,
    FewerAnswers,
    Finished,
    HeadsDisabled,
    LanguagePredicted,
    LanguageProbed,
    ParameterRefused,
    Reproduced,
    Resumed,
    Retrained,
    ScoresMade,
    SentencesCut,
    SkippedProbe,
    SkippedProbes,
    SkippedRemoval,
    SkippedSentence,
    SkippedSentences,
    Started,
    Stopped,
    UndefinedCorrelations,
    UnknownEvent,
    Waited,
    detail_of,
    name_of,
    read_event,
)
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.spec import ModelRef

EXAMPLES: tuple[Event, ...] = (
    Started(cluster="c", node="n", job="7"),
    Resumed(restarts="2"),
    Continued(step=5),
    SentencesCut(sentences=3, of=200, max_tokens=256),
    CheckpointWritten(epoch=2),
    EndedEarly(epoch=4, best=2),
    LanguagePredicted(language="fa", texts=204),
    CategoryCompleted(category="craft", sentences=12),
    HeadsDisabled(iteration=1, enabled=29, score=0.9, kept=True),
    LanguageProbed(language="fa", probes=24),
    Answered(prompts=237, answers=2370),
    Waited(reason="429", seconds=12.5, retries=3),
    FewerAnswers(asked=10, given=1),
    ParameterRefused(name="logprobs", reason="Unsupported parameter"),
    SkippedProbes(probes=(SkippedProbe(question="1", language="fa", reason="both answers tokenise to «é»"),)),
    SkippedSentences(
        sentences=(
            SkippedSentence(
                **{"category": "craft", "group_name": "bakers", "language": "en", "form": "why-are-so"},
                **{"text": "why are bakers so", "reason": "the tokenizer finds 0 masks where there is to be 1"},
            ),
        )
    ),
    SkippedRemoval(k=250, examples=160),
    ScoresMade(name="trak-principal-16 corruptions=epoch", quantity="shift"),
    Retrained(id="same-1", kind="half", seed=5, left_out=21),
    UndefinedCorrelations(quantity="shift", scores="bm25", seeds="same", rows=3),
    Reproduced(largest_difference_of_margins=0.25),
    Stopped(reason="told to stop (SIGTERM)"),
    Failed(reason="no space"),
    Finished(),
)


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    model = ModelRef(name="nano", digest="d")
    spec = ProbeSpec(model=model, collection="c", probe_set="s", languages=("fa",), inputs_digest="i")
    return JobDirectory.create(tmp_path, spec, {})


def _declared(kind: type[Event]) -> Iterator[type[Event]]:
    """Types of events that have a name."""
    for one in kind.__subclasses__():
        yield from [one] if not one.model_fields["event"].is_required() else _declared(one)


def test_every_type_is_known_by_a_name_of_its_own() -> None:
    assert {type(event) for event in EXAMPLES} == set(EVENTS) == set(_declared(Event))
    assert len({name_of(kind) for kind in EVENTS}) == len(EVENTS)
    assert all(kind.__doc__ for kind in EVENTS)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.event)
def test_an_event_is_read_as_it_was_written(job: JobDirectory, event: Event) -> None:
    job.log(Finished())
    job.log(event)
    assert job.events()[1].event == event
    assert job.logged(type(event))[-1:] == [event]
    assert read_event(name_of(type(event)), detail_of(event)) == event


def test_a_beginning_takes_all_that_slurm_says() -> None:
    assert Started.model_fields.keys() - {"event"} == SLURM.keys()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("skipped", {"test": "removal", "k": 250, "examples": 160}),
        ("skipped_probes", {"k": 250, "examples": 160}),
        ("skipped_probes", {"probes": [{"language": "fa"}]}),
        ("continued", {"step": "5"}),
        ("continued", {"step": 5, "loss": 0.5}),
        ("finished", {"seconds": 3}),
        ("of later", {"é": [None, {"deep": []}]}),
        ("", {}),
    ],
)
def test_an_event_that_is_not_known_is_kept_as_text(job: JobDirectory, name: str, fields: dict[str, object]) -> None:
    line = json.dumps({"at": "2026-01-01T00:00:00", "event": name, **fields})
    (job.path / "log.jsonl").write_text(line + "\n")
    job.log(Finished())
    unknown = job.events()[0].event
    assert isinstance(unknown, UnknownEvent)
    assert (unknown.event, json.loads(unknown.detail)) == (name, fields)
    assert detail_of(unknown) == unknown.detail
    assert [job.logged(kind) for kind in EVENTS if kind is not Finished] == [[]] * (len(EVENTS) - 1)


@pytest.mark.parametrize("detail", ["", "nonsense", "[]", "null", "[" * 100_000, '{"probes": "\\ud800"}'])
def test_a_detail_that_is_damaged_stops_nobody(detail: str) -> None:
    assert read_event("skipped_probes", detail) == UnknownEvent("skipped_probes", detail)


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        '"text"',
        "5",
        "{}",
        '{"at": 5, "event": "finished"}',
        '{"at": "2026-01-01T00:00:00+02:00", "event": "finished"}',
        '{"at": "2026-01-01T00:00:00", "event": 5}',
        '{"at": "yesterday", "event": "finished"}',
    ],
)
def test_a_line_that_is_no_event_is_left_out(job: JobDirectory, line: str) -> None:
    (job.path / "log.jsonl").write_text(line + "\n")
    assert job.events() == []
