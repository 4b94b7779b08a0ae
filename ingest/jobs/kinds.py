"""Kinds of job by name: what ``ingest.jobs.<kind>`` has to offer to generic code."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Request
from mlv.ingest.jobs.runs import NewRun


class Kind(Protocol):
    """A module of ``mlv.ingest.jobs``."""

    Request: type[Request]
    """What can be asked."""

    COST: Cost
    """What its jobs take."""

    def plan(self, context: Context, request: Any) -> Plan:
        """The job that a request comes to.

        Raises NothingToDoError if all of it is there, NotYetError if a job that it builds on has to run first, and
        other MlvErrors if the request does not fit the store.
        """

    def commit(self, run: NewRun, spec: Any) -> Mapping[str, int]:
        """Write what a finished job found; return the rows written, by table. Raises JobError."""


def kind(name: str) -> Kind:
    """The kind of a name of :data:`mlv.schema.jobs.kinds.KINDS`."""
    return cast(Kind, import_module(f"mlv.ingest.jobs.{name}"))


def in_study(name: str, jobs: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The settings of all jobs of a kind in a study, with those whose default hangs on the others: ``in_study`` of the
    kind's module, if it has one."""
    settle = getattr(kind(name), "in_study", None)
    return cast(Sequence[Mapping[str, Any]], settle(jobs)) if settle else jobs
