"""Where a job stands that is not in the store, by its directory and by what works on it.

A process that is killed cannot write that it was: a directory that says ``running`` is believed only as long as
something runs the job.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from mlv.schema.jobs.directory import JobDirectory

JobStanding = Literal["planned", "submitted", "running", "interrupted", "failed", "finished"]
"""submitted: in the queue of a cluster. interrupted: begun, and nothing runs it. finished: to be committed."""

Active = Callable[[JobDirectory], tuple[Literal["running", "submitted"], str] | None]
"""Tells whether a job runs or waits in a queue, and what there is to say of it; None if it does neither."""


class Standing(NamedTuple):
    """Where a job stands."""

    state: JobStanding
    note: str = ""
    """Why it failed, or where it runs."""


def standing(job: JobDirectory, active: Active) -> Standing:
    """Where a job stands. Raises JobError where its directory is damaged."""
    state = job.state()
    found = None if state == "finished" else active(job)
    if found:
        return Standing(*found)
    if state == "running":
        return Standing("interrupted")
    return Standing(state, str(job.read_json("status.json").get("reason", "")) if state == "failed" else "")
