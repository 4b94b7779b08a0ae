"""What the jobs of a kind take: how their size is told before they run, and of a committed run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlv.ingest.jobs.planning import Context
from mlv.ingest.jobs.request import Request
from mlv.schema.jobs.spec import Spec


def _no_checkpoints(_: Any) -> int:
    return 0


def _always(*_: Any) -> bool:
    return True


@dataclass(frozen=True)
class Tokens:
    """Tokens that a job puts to a chat model, and gets of it."""

    prompt: int
    completion: int
    counted: str
    """measured, by those of committed runs, or estimated."""


@dataclass(frozen=True)
class Cost:
    """What the jobs of a kind take. Seconds and rows are proportional to ``units``."""

    unit: str
    """What is counted, e.g. probes."""

    units: Callable[[Context, Any, Request | None], int]
    """Units of the job of a request, given the request of the run that it is about if that is not in the store yet."""

    measured: str
    """SQL: units of committed runs, ``[run_id, units]``."""

    checkpoints: Callable[[Any], int] = _no_checkpoints
    """Model states that the job of a request writes."""

    kept_bytes: Callable[[Path, Any], int] | None = None
    """Bytes that a job with a specification left in the folder of jobs beside its own directory; None if it leaves
    nothing there."""

    alike: Callable[[Spec, Any], bool] = _always
    """Whether a committed run takes as long, per unit, as the job of a request."""

    tokens: Callable[[Context, Any], Tokens] | None = None
    """Tokens of the job of a request, of kinds that are charged by them. Raises MlvError if its prompts cannot be made
    yet."""
