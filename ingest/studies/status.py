"""A study against a store: which cells are committed, which can be run now, and the job of each.

A cell is committed if the store has the run of its specification, or if there is nothing to do for it. Of what is not
in the store its job directory tells. The specification of a cell is known once the runs are that it refers to.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import polars as pl

from mlv.ingest.jobs.committing import committed
from mlv.ingest.jobs.kinds import kind as find_kind
from mlv.ingest.jobs.lookup import find_model
from mlv.ingest.jobs.planning import Context, NothingToDoError, NotYetError, Plan, write
from mlv.ingest.jobs.request import Request
from mlv.ingest.jobs.standing import Active, standing
from mlv.ingest.studies.cells import Cell
from mlv.ingest.studies.study import Study
from mlv.schema.errors import MlvError, NotFoundError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.kinds import KINDS
from mlv.schema.jobs.spec import ModelRef, Spec

CellState = Literal["committed", "finished", "running", "submitted", "interrupted", "failed", "missing", "blocked"]
"""committed: in the store. finished: to be committed. submitted: in the queue of a cluster. blocked: it cannot be
planned, since something is not there."""

STATES: Final[tuple[CellState, ...]] = (
    "committed",
    "finished",
    "running",
    "submitted",
    "interrupted",
    "failed",
    "missing",
    "blocked",
)

Model = ModelRef | MlvError | None
"""A model that a study names; why it cannot be had; or None if it has to be fetched and is not known until then."""


@dataclass(frozen=True)
class CellStatus:
    """Where a cell stands."""

    state: CellState
    job: str = ""
    """Name of its run or job directory, if that is known."""

    note: str = ""
    """Why it failed or is blocked, or where it runs."""


class UnknownYetError(NotYetError):
    """A reference to a run that is not committed yet."""


class StudyStatus:
    """The cells of a study and where they stand."""

    def __init__(
        self,
        study: Study,
        store: Path,
        jobs: Path,
        provenance: dict[str, Any],
        models: Mapping[str, Model],
        active: Active,
    ) -> None:
        """``models`` are those that the study names."""
        self.study, self.cells = study, study.cells
        self.statuses: dict[Cell, CellStatus] = {}
        self.jobs = jobs
        self._store, self._provenance, self._models, self._active = store, provenance, models, active
        self._remembered: dict[Hashable, Any] = {}

    def refresh(self, connection: duckdb.DuckDBPyConnection, cells: Iterable[Cell] | None = None) -> None:
        """See where cells stand now, all of them if none are given."""
        context = self.context(connection)
        for cell in self.cells if cells is None else cells:
            self.statuses[cell] = self._status(context, cell)

    def context(self, connection: duckdb.DuckDBPyConnection) -> Context:
        """The store, as the planning of the study's jobs sees it."""

        def find(name: str) -> ModelRef:
            if name in self._models:
                return self.model(name) or ModelRef(name=name, digest="")
            model = find_model(connection, self._store, name)
            if model is None:
                raise NotFoundError(f"{name} has no checkpoint in the store.", "See what is there: mlv runs list")
            return model

        return Context(connection, self._store, self.jobs, self._provenance, find, self._remembered)

    def model(self, name: str) -> ModelRef | None:
        """A model that the study names, if it is known. Raises MlvError if it cannot be had."""
        model = self._models.get(name)
        if isinstance(model, MlvError):
            raise model
        return model

    def needed(self) -> list[Cell]:
        """Cells that have to be run yet."""
        return [cell for cell in self.cells if self.statuses[cell].state not in ("committed", "finished")]

    def needing(self, needed: Iterable[Cell]) -> list[Cell]:
        """Cells that need some of these, directly or not, and these themselves."""
        found = set(needed)
        for cell in self.cells:
            if found.intersection(cell.needs):
                found.add(cell)
        return [cell for cell in self.cells if cell in found]

    def ready(self, cell: Cell) -> bool:
        """Whether all that the cell needs is committed."""
        return all(self.statuses[needed].state == "committed" for needed in cell.needs)

    def request(self, cell: Cell) -> Request:
        """What is asked of a cell's job. Raises UnknownYetError if it refers to a run that is not committed."""
        jobs = find_kind(cell.kind).Request.job_names()
        return cell.request(lambda name, needed: (self._run if name in jobs else self._meaning)(needed))

    def plan(self, connection: duckdb.DuckDBPyConnection, cell: Cell) -> JobDirectory:
        """Make the job directory of a cell that is ready, or find it. Raises MlvError if it cannot be planned."""
        context = self.context(connection)
        return write(context, self._plan(context, cell))

    def directory(self, cell: Cell) -> JobDirectory:
        """The job directory of a cell whose job is known."""
        return JobDirectory(self.jobs / self.statuses[cell].job)

    def frame(self) -> pl.DataFrame:
        """One row per cell, numbered in the order of the study; ``needs`` are numbers of cells."""
        number = {cell: place for place, cell in enumerate(self.cells, start=1)}
        rows = []
        for cell in self.cells:
            status, needs = self.statuses[cell], ",".join(str(number[needed]) for needed in cell.needs)
            about = (number[cell], cell.block, cell.kind, cell.model or None, cell.describe(), needs)
            rows.append((*about, status.state, status.job or None, status.note or None))
        schema = {"cell": pl.Int64, "block": pl.String, "kind": pl.String, "model": pl.String, "settings": pl.String}
        schema |= dict.fromkeys(("needs", "state", "job", "note"), pl.String)
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _plan(self, context: Context, cell: Cell) -> Plan:
        return find_kind(cell.kind).plan(context, self.request(cell))

    def _meaning(self, cell: Cell) -> str:
        """What a reference to a cell stands for: the run that made checkpoints, itself or behind it, or the model."""
        if KINDS[cell.kind].MAKES_CHECKPOINTS:
            return self._run(cell)
        if cell.about:
            return self._meaning(cell.about[0])
        return str(cell.setting("model") or cell.setting("run"))

    def _run(self, cell: Cell) -> str:
        """The run of a cell."""
        status = self.statuses.get(cell)
        if status is None or status.state != "committed" or not status.job:
            raise UnknownYetError(f"{cell} is not committed yet.")
        return status.job

    def _status(self, context: Context, cell: Cell) -> CellStatus:
        try:
            spec = self._plan(context, cell).spec
        except NothingToDoError as error:
            return CellStatus("committed", note=error.message)
        except NotYetError as error:
            return CellStatus("blocked", note=error.line) if self.ready(cell) else CellStatus("missing")
        except MlvError as error:
            return CellStatus("blocked", note=error.line)
        if any(not model.digest for model in spec.models()):
            return CellStatus("missing", note="model not fetched")
        return self._status_of(context, spec)

    def _status_of(self, context: Context, spec: Spec) -> CellStatus:
        known = committed(context.connection, spec)
        if known is not None:
            return CellStatus("committed", known.run)
        name = job_name(spec)
        found = standing(JobDirectory(self.jobs / name), self._active)
        return CellStatus("missing" if found.state == "planned" else found.state, name, found.note)
