"""Settings for jobs on a cluster: ``slurm.toml`` beside the store, changed by options of a command.

    partition = "gpu"
    time = "8:00:00"
    setup = ["module load cuda/12.4"]

    [finetune]            # for one kind of job: probe, finetune or influence
    time = "1-00:00:00"

    [sbatch]              # other options of sbatch
    mail-type = "FAIL"

None of it is part of a study or of a job's identity: a study is the same wherever it runs.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mlv.schema.errors import DataError, NotFoundError, at_key, format_validation_errors, listed
from mlv.schema.jobs.kinds import KINDS

FILE: Final = "slurm.toml"
"""Name of the file, beside the store."""

OWN: Final = ("array", "error", "job-name", "open-mode", "output", "requeue", "signal")
"""Parameters of sbatch that the launcher sets."""

_TIME: Final = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


def _minutes(given: object) -> object:
    """Minutes of a time as Slurm writes it: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS."""
    if isinstance(given, int):
        return given
    found = _TIME.fullmatch(str(given))
    if not found:
        raise ValueError('Write it as minutes, or as "8:00:00" or "1-12:00:00" (days-hours:minutes:seconds).')
    first, second, third = (int(found[name] or 0) for name in ("first", "second", "third"))
    if found["days"]:
        return int(found["days"]) * 1440 + first * 60 + second + -(-third // 60)
    if found["third"]:
        return first * 60 + second + -(-third // 60)
    return first + -(-second // 60)


def _as_tuple(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


Word = Annotated[str, Field(pattern=r"^\S+$")]
"""One word, as sbatch reads it."""

Line = Annotated[str, Field(pattern=r"^[^\n]+$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Resources(_Table):
    """Resources of jobs of a kind."""

    partition: Word | None = None
    """The cluster's default if not given, likewise account and qos."""

    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    """Features that a node must have, e.g. ``a100|h100``."""

    time: Annotated[int, Field(ge=1), BeforeValidator(_minutes)] = 240
    """Longest run, minutes. A job that needs longer is requeued and resumes, so the default suits any job."""

    gpus: Annotated[str, Field(pattern=r"^([\w.-]+:)?\d+$")] | None = None
    """GPUs of a job, or ``TYPE:NUMBER``; 1, and none with ``--device cpu``, if not given. A job uses one."""

    cpus: Annotated[int, Field(ge=1)] = 2
    """CPUs of a job, and its threads."""

    memory: Annotated[str, Field(pattern=r"^\d+[KMGT]?$")] | None = None
    """Main memory of a job, e.g. ``32G``; the partition's default if not given."""

    at_once: Annotated[int, Field(ge=1)] = 64
    """Tasks of an array that run at a time."""

    warning: Annotated[int, Field(ge=1)] = 120
    """Seconds before the end of its time at which a job is signalled to save; Slurm is up to a minute early."""

    requeues: Annotated[int, Field(ge=0)] = 20
    """How often a job may start again, for any reason, before it counts as failed."""

    setup: Annotated[tuple[Line, ...], BeforeValidator(_as_tuple)] = ()
    """Lines of shell before the worker, e.g. ``module load cuda``."""

    sbatch: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], bool | Line] = {}
    """Further parameters of sbatch by their long names, e.g. ``{mail-type = "FAIL", exclusive = true}``."""

    @model_validator(mode="after")
    def _leaves_the_launcher_its_own(self) -> Self:
        taken = sorted(set(self.sbatch) & set(OWN))
        if taken:
            raise ValueError(f"sbatch: {', '.join(taken)} is set by mlv: leave it out.")
        return self

    @model_validator(mode="after")
    def _warns_after_the_start(self) -> Self:
        if self.warning >= self.time * 60:
            raise ValueError(f"warning: {self.warning} s before the end is before the start: time is {self.time} min.")
        return self


class Settings(Resources):
    """All of the file."""

    queued: Annotated[int, Field(ge=1)] = 1000
    """Jobs that are in the queue at a time, running ones included; clusters have limits for users and for arrays."""

    poll: Annotated[float, Field(gt=0)] = 15
    """Seconds between two looks at the queue."""

    kinds: dict[str, dict[str, Any]] = {}
    """What a kind of job is given instead, by the same keys: in the file, tables named after the kinds."""

    @model_validator(mode="before")
    @classmethod
    def _gather_kinds(cls, given: dict[str, Any]) -> dict[str, Any]:
        kinds = {name: table for name, table in given.items() if name in KINDS}
        return {name: value for name, value in given.items() if name not in KINDS} | ({"kinds": kinds} if kinds else {})

    def of(self, kind: str) -> Resources:
        """What jobs of a kind are given."""
        common = {name: getattr(self, name) for name in Resources.model_fields}
        return Resources.model_validate(common | self.kinds.get(kind, {}))

    @model_validator(mode="after")
    def _kinds_fit(self) -> Self:
        for kind in self.kinds:
            try:
                self.of(kind)
            except ValidationError as error:
                problems = format_validation_errors(error, Resources)
                raise ValueError("; ".join(f"{kind}.{problem}" for problem in problems)) from error
        return self


def read_settings(path: Path, given: Sequence[str] = ()) -> Settings:
    """The settings of a file, changed by ``KEY=VALUE``. A file that is not there says nothing.

    A key may be ``TABLE.KEY``, e.g. ``finetune.time=12:00:00`` or ``sbatch.mail-type=FAIL``; a value may be JSON.
    Raises DataError that says everything that is wrong.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", "Correct that line; https://toml.io has the syntax."
        ) from error
    for pair in given:
        _change(settings, pair)
    try:
        return Settings.model_validate(settings)
    except ValidationError as error:
        problems = format_validation_errors(error, Settings, _place)
        raise DataError(
            f"The settings for Slurm have problems ({path} and --slurm):{listed(problems)}",
            "docs/studies.md explains the keys.",
        ) from error


def named_file(path: Path) -> Path:
    """The path of a settings file. Raises NotFoundError if it does not exist."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.", f"Name one, or leave it out for {FILE} beside the store.")
    return path


def _place(location: Sequence[int | str]) -> str:
    """A place in the file, where the tables of kinds are not gathered in one."""
    return at_key(location[1:] if location[:1] == ("kinds",) else location)


def _change(settings: dict[str, Any], pair: str) -> None:
    key, equals, text = pair.partition("=")
    if not equals:
        raise DataError(f"--slurm {pair} has no value.", "Write it as --slurm partition=gpu")
    *tables, name = key.split(".", 1)
    for table in tables:
        settings = settings.setdefault(table, {})
        if not isinstance(settings, dict):
            raise DataError(f"--slurm {pair}: {table} has no keys.", "Write it as --slurm finetune.time=8:00:00")
    try:
        settings[name] = json.loads(text)
    except ValueError:
        settings[name] = text
