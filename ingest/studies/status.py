"""A study against a store: which cells are done, which can be run now, and the job of each.

A cell is done when the store has the run of its specification, or, where models are asked, all the answers. What is not
in the store is told by its job directory. The specification of a cell is known once the cells that it needs are done:
the probes of a run hold the digest of its checkpoint, and what is traced are its answers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import polars as pl

from mlv.ingest.jobs.committing import committed
from mlv.ingest.jobs.planning import (
    Jobs,
    Training,
    default_probe_set,
    finetune_spec,
    plan_finetune,
    plan_probe,
    probe_spec,
)
from mlv.ingest.jobs.tracing import InfluenceRequest, NothingShiftedError, influence_spec, plan_influence
from mlv.ingest.studies.grid import Cell, Run, Study, cells
from mlv.schema.errors import MlvError, NotFoundError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.kinds import JobSpec
from mlv.schema.jobs.spec import ModelRef

CellState = Literal["done", "finished", "running", "submitted", "interrupted", "failed", "missing", "blocked"]
"""done: in the store. finished: to be committed. submitted: in the queue of a cluster. blocked: it cannot be planned,
since something is not there."""

STATES: Final[tuple[CellState, ...]] = (
    "done",
    "finished",
    "running",
    "submitted",
    "interrupted",
    "failed",
    "missing",
    "blocked",
)

Active = Callable[[JobDirectory], tuple[Literal["running", "submitted"], str] | None]
"""Tells whether a job runs or waits in a queue, and what there is to say of it; None where it does neither."""

Model = ModelRef | MlvError | None
"""A pretrained model; why it cannot be had; or None where it is to be fetched and not known until then."""


@dataclass(frozen=True)
class Seen:
    """Where a cell stands."""

    state: CellState
    job: str = ""
    """Name of its run or job directory, where it is known."""

    note: str = ""
    """Why it failed or is blocked, or where it runs."""


class Board:
    """The cells of a study and where they stand."""

    def __init__(
        self,
        study: Study,
        store: Path,
        jobs: Jobs,
        models: Mapping[str, Model],
        active: Active,
    ) -> None:
        self.study, self.cells = study, cells(study)
        self.seen: dict[Cell, Seen] = {}
        self._store, self._jobs, self._models, self._active = store, jobs, models, active
        self._trainings: dict[Run, FinetuneSpec] = {}

    def look(self, connection: duckdb.DuckDBPyConnection, at: Iterable[Cell] | None = None) -> None:
        """See where cells stand now, all of them if none are given."""
        for cell in self.cells if at is None else at:
            self.seen[cell] = self._look(connection, cell)

    def needing(self, needed: Iterable[Cell]) -> list[Cell]:
        """Cells that need some of these, directly or not, and these themselves."""
        found = set(needed)
        for cell in self.cells:
            if found.intersection(cell.needs):
                found.add(cell)
        return [cell for cell in self.cells if cell in found]

    def model(self, name: str) -> ModelRef | None:
        """A pretrained model that the study names, where it is known."""
        found = self._models[name]
        return found if isinstance(found, ModelRef) else None

    def ready(self, cell: Cell) -> bool:
        """Whether all that the cell needs is done."""
        return all(self.seen[needed].state == "done" for needed in cell.needs)

    def plan(self, connection: duckdb.DuckDBPyConnection, cell: Cell) -> JobDirectory:
        """Make the job directory of a cell that is ready, or find it. Raises MlvError where it cannot be planned."""
        if cell.kind == "influence":
            return plan_influence(connection, self._jobs, self._store, self._request(cell))
        model = self._model(connection, cell)
        if cell.kind == "finetune":
            training, settings = self._training(cell.run)
            return plan_finetune(connection, self._jobs, model, training, **settings)
        job = plan_probe(connection, self._jobs, model, **self._probing(connection))
        if job is None:
            raise NotFoundError(f"{model.name} has answered all probes.")
        return job

    def directory(self, cell: Cell) -> JobDirectory:
        """The job directory of a cell whose job is known."""
        return JobDirectory(self._jobs.folder / self.seen[cell].job)

    def frame(self) -> pl.DataFrame:
        """One row per cell, numbered in the order of the study; ``needs`` are numbers of cells."""
        number = {cell: place for place, cell in enumerate(self.cells, start=1)}
        rows = [self._row(number, cell) for cell in self.cells]
        schema = {"cell": pl.Int64, "kind": pl.String, "model": pl.String, "source": pl.String}
        schema |= {"ft_languages": pl.String, "sentences": pl.Int64, "seed": pl.Int64, "needs": pl.String}
        schema |= {"state": pl.String, "job": pl.String, "note": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _row(self, number: Mapping[Cell, int], cell: Cell) -> tuple[Any, ...]:
        run, seen = cell.run, self.seen[cell]
        grid = (run.source, ",".join(run.languages), run.sentences, run.seed) if run else (None,) * 4
        needs = ",".join(str(number[needed]) for needed in cell.needs)
        return (number[cell], cell.kind, cell.model, *grid, needs, seen.state, seen.job or None, seen.note or None)

    def _look(self, connection: duckdb.DuckDBPyConnection, cell: Cell) -> Seen:
        model = self._models[cell.model]
        if isinstance(model, MlvError):
            return Seen("blocked", note=model.line)
        # what a run is trained on does not hang on the answers that it waits for
        if cell.kind != "finetune" and not self.ready(cell):
            return Seen("missing")
        try:
            spec = self._spec(connection, cell)
            return Seen("missing", note="model not fetched") if model is None else self._look_for(connection, spec)
        except NothingShiftedError:
            return Seen("done", note="no value shifted")
        except MlvError as error:
            return Seen("blocked", note=error.line)

    def _look_for(self, connection: duckdb.DuckDBPyConnection, spec: JobSpec | None) -> Seen:
        known = None if spec is None else committed(connection, spec)
        if spec is None or known is not None:
            return Seen("done", known.run if known else "")
        return self._look_at_directory(job_name(spec))

    def _look_at_directory(self, name: str) -> Seen:
        job = JobDirectory(self._jobs.folder / name)
        state = job.state()
        active = None if state == "done" else self._active(job)
        if active:
            return Seen(active[0], name, active[1])
        if state == "running":
            return Seen("interrupted", name)
        if state == "failed":
            return Seen("failed", name, str(job.read_json("status.json").get("reason", "")))
        return Seen("finished" if state == "done" else "missing", name)

    def _spec(self, connection: duckdb.DuckDBPyConnection, cell: Cell) -> JobSpec | None:
        """The specification of a cell that is ready; None where a model has answered everything."""
        if cell.kind == "influence":
            return influence_spec(connection, self._jobs, self._store, self._request(cell))
        model = self._model(connection, cell)
        if cell.kind == "probe":
            planned = probe_spec(connection, model, **self._probing(connection))
            return planned[0] if planned else None
        return self._finetuning(connection, cell.run, model)

    def _finetuning(self, connection: duckdb.DuckDBPyConnection, run: Run | None, model: ModelRef) -> FinetuneSpec:
        """The specification of a run. Its examples, which take a while to choose, are the same for every model."""
        training, settings = self._training(run)
        if run is not None and run not in self._trainings:
            self._trainings[run], _ = finetune_spec(connection, model, training, **settings)
        assert run is not None
        return self._trainings[run].model_copy(update={"model": model})

    def _training(self, run: Run | None) -> tuple[Training, dict[str, Any]]:
        assert run is not None
        training = Training(run.source, run.languages, run.sentences, dict(run.editions))
        return training, self.study.finetuning.model_dump() | {"seed": run.seed}

    def _probing(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        probing = self.study.probing
        return {"probe_set": probing.probe_set or default_probe_set(connection), "languages": probing.languages}

    def _request(self, cell: Cell) -> InfluenceRequest:
        traced, probing = self.study.influence, self.study.probing
        assert traced is not None
        return InfluenceRequest(
            self.seen[Cell("finetune", cell.model, cell.run)].job,
            traced.choices(),
            probe_set=probing.probe_set,
            languages=traced.languages or probing.languages,
            targets=traced.targets,
            quantity=traced.trace,
            checkpoints=traced.checkpoints,
            top_k=traced.top_k,
        )

    def _model(self, connection: duckdb.DuckDBPyConnection, cell: Cell) -> ModelRef:
        """The model state that a cell starts from or asks: pretrained, or the last checkpoint of its run."""
        if cell.kind == "finetune" or cell.run is None:
            # what a model that is not here yet would be given can be looked for all the same
            return self.model(cell.model) or ModelRef(name=cell.model, digest="")
        return _last_checkpoint(connection, self._store, self.seen[cell.needs[0]].job)


def _last_checkpoint(connection: duckdb.DuckDBPyConnection, store: Path, run: str) -> ModelRef:
    row = connection.execute(
        "SELECT epoch, digest, path FROM v_checkpoint WHERE run = ? AND is_final", [run]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{run} has no checkpoint in the store.", "See what is there: mlv runs list")
    return ModelRef(name=f"{run}/epoch-{row[0]}", digest=row[1], path=str(store.resolve().parent / row[2]))
