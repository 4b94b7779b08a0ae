"""Job directories: the unit of work and the unit of exchange.

A job directory holds everything a worker needs and everything it found, so that a worker needs no database and the
store can be rebuilt from job directories:

    job.json             the specification; its hash is the identity of the job
    status.json          planned, running, finished or failed, and since when
    provenance.json      versions, hardware, arguments; does not enter the identity
    log.jsonl            events, see mlv.schema.jobs.events
    inputs/*.parquet     what the job reads
    outputs/*.parquet    what it found
    checkpoints/epoch-N  model states in the transformers format
    work/                half-finished work that a resumed job goes on from

Rows in a job directory carry natural keys alone (source, language, position, question), never keys of a store.
Files are written aside and renamed into place: one that is there is whole. A directory may have come from another
machine: what cannot be used of it raises JobError, and nothing outside it is reached through it.
"""

import contextlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast, get_args

from mlv.schema.errors import PLAN_AGAIN, JobError, excerpt, joined
from mlv.schema.files import now, write_json
from mlv.schema.jobs.events import Event, Logged, fields_of, read_event
from mlv.schema.jobs.identity import canonical_json, job_name
from mlv.schema.jobs.kinds import parse_spec
from mlv.schema.jobs.parquet import SHOWN
from mlv.schema.jobs.spec import Spec

AnyEvent = TypeVar("AnyEvent", bound=Event)
JobState = Literal["planned", "running", "finished", "failed"]


class JobDirectory:
    """A job directory on disk. Raises JobError where it is damaged."""

    LEFT_OUT: ClassVar = "checkpoints_left_out"
    """Key of ``status.json`` that is true of a directory that came from elsewhere without its checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def inputs(self) -> Path:
        """Folder of what the job reads."""
        return self.path / "inputs"

    @property
    def outputs(self) -> Path:
        """Folder of what the job found."""
        return self.path / "outputs"

    @property
    def checkpoints(self) -> Path:
        """Folder of model states."""
        return self.path / "checkpoints"

    @property
    def work(self) -> Path:
        """Folder of half-finished work; may be deleted once the job is finished."""
        return self.path / "work"

    @classmethod
    def create(cls, jobs: Path, spec: Spec, provenance: dict[str, Any]) -> "JobDirectory":
        """Make the directory for ``spec`` below ``jobs``; one that is there already is left as it is."""
        job = cls(jobs / job_name(spec))
        if not (job.path / "job.json").exists():
            job.inputs.mkdir(parents=True, exist_ok=True)
            write_json(job.path / "provenance.json", provenance)
            write_json(job.path / "job.json", json.loads(canonical_json(spec)))
            job.set_state("planned")
        return job

    def spec(self) -> Spec:
        """The specification. Raises JobError where ``job.json`` is missing or invalid."""
        if not (self.path / "job.json").is_file():
            raise JobError(
                f"{self.path} is not a job directory: it has no job.json.",
                "Name a folder that `mlv compute ... --plan-only` made.",
            )
        try:
            return parse_spec(self.read_json("job.json"))
        except ValueError as error:
            raise self._damaged("job.json", error) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the directory; empty where it is not there. Raises JobError where it holds no JSON object."""
        path = self.path / name
        if not path.exists():
            return {}
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(name, error) from error
        if not isinstance(value, dict):
            raise self._damaged(name, TypeError("it holds no JSON object"))
        return value

    def _damaged(self, name: str, error: Exception) -> JobError:
        return JobError(
            f"{self.path / name} is damaged: {excerpt(str(error), SHOWN)}",
            PLAN_AGAIN,
        )

    def state(self) -> JobState:
        """Where the job stands. Raises JobError where ``status.json`` does not say it."""
        state = self.read_json("status.json").get("state", "planned")
        if state not in get_args(JobState):
            raise self._damaged("status.json", ValueError(f"there is no state {state!r}"))
        return cast(JobState, state)

    def came_without_checkpoints(self) -> bool:
        """Whether its checkpoints were left out when it was brought here. Raises JobError where that cannot be told."""
        return self.read_json("status.json").get(self.LEFT_OUT) is True

    def refuse_links(self) -> None:
        """Raise JobError where links lead out of the directory: what is read, written or deleted then lies elsewhere.
        Likewise where they lead nowhere.

        The directory itself may be reached by a link.
        """
        home = Path(os.path.realpath(self.path))
        out = sorted(
            str(entry.relative_to(self.path))
            for folder, folders, files in os.walk(self.path)
            for entry in (Path(folder, name) for name in (*folders, *files))
            if entry.is_symlink() and not (entry.exists() and Path(os.path.realpath(entry)).is_relative_to(home))
        )
        if out:
            raise JobError(
                f"{self.path} has links that lead out of it: {joined(out)}.",
                "Put what they lead to in their place, if the job comes from somebody you trust.",
            )

    def set_state(self, state: JobState, **detail: Any) -> None:
        """Record where the job stands."""
        write_json(self.path / "status.json", {"state": state, "at": now().isoformat(), **detail})

    def update_provenance(self, **detail: Any) -> None:
        """Add what the worker knows: hardware, versions, where the model was loaded from."""
        write_json(self.path / "provenance.json", {**self.read_json("provenance.json"), **detail})

    def log(self, event: Event) -> None:
        """Append an event to ``log.jsonl``."""
        line = json.dumps({"at": now().isoformat(), "event": event.event, **fields_of(event)}, ensure_ascii=False)
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def events(self) -> list[Logged]:
        """The log. Lines that are no event with its time are left out: a kill may have cut one off."""
        path = self.path / "log.jsonl"
        if not path.is_file():
            return []
        events = []
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                events.append(_logged(json.loads(line)))
        return events

    def logged(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        """The events of a type in the log."""
        return [happened.event for happened in self.events() if isinstance(happened.event, kind)]


def _logged(line: dict[str, Any]) -> Logged:
    """The event of a line. Raises ValueError, TypeError or KeyError if it is not one."""
    at, name = datetime.fromisoformat(line["at"]), line["event"]
    if at.tzinfo is not None or not isinstance(name, str):
        raise ValueError("an event has a name, and its time in UTC without a time zone")
    fields = {field: value for field, value in line.items() if field not in ("at", "event")}
    return Logged(at, read_event(name, json.dumps(fields, ensure_ascii=False)))
