"""`mlv study`: a grid of runs as one file; what it comes to, what it costs, running it, and what is left."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.compute import BatchTokens, Device, SkipAmbiguous
from mlv.cli.driver import Driver, say_problems, say_states, worker_command
from mlv.cli.edge import DEFAULT_STORE, Store, jobs_folder, say
from mlv.cli.output import Format, Limit, Output, put
from mlv.compute.options import BATCH_TOKENS
from mlv.schema.errors import MlvError

if TYPE_CHECKING:
    import polars as pl

    from mlv.cli.work import Work
    from mlv.ingest.study import Study
    from mlv.ingest.study_board import Board, Model
    from mlv.schema.jobs import ModelRef

app = typer.Typer(help="Plan, run and follow a study: a grid of runs in one file.", no_args_is_help=True)

StudyFile = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file, or the name of one that comes with mlv: echoes or demo.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Jobs at a time; as many as there are GPUs, or 1, if not given.")
]
WorkerThreads = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads of a worker; an equal share if not given.")
]


@app.command()
def show(study: StudyFile) -> None:
    """Print a study file, e.g. to make one's own of it: mlv study show echoes > study.toml"""
    from mlv.ingest.study import study_text

    typer.echo(study_text(study), nl=False)


@app.command()
def plan(
    study: StudyFile,
    jobs: Annotated[
        bool,
        typer.Option(
            "--jobs", help="Make the job directories of the cells that can be run now: for workers elsewhere."
        ),
    ] = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the cells of a study: what each is, which cells it needs, and where it stands. Writes nothing else."""
    from mlv.ingest.study import read_study

    read = read_study(study)
    board = _board(read, db, fetch=jobs)
    if jobs:
        _plan_jobs(board, db)
    _put(read, board.frame(), output_format, output, limit)
    say_states(board)


@app.command()
def status(
    study: StudyFile,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print how many cells are done, running, failed or missing, and say which failed and why."""
    from mlv.ingest.study import read_study

    read = read_study(study)
    board = _board(read, db)
    _put(read, _counts(board), output_format, output, limit)
    say_problems(board)
    say_states(board)


@app.command()
def cost(
    study: StudyFile,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Estimate hours, disk and store of what is missing, from rates of the store's own runs of the same models."""
    from mlv.ingest.study import read_study
    from mlv.ingest.study_cost import estimate, totals
    from mlv.schema.store import open_store

    read = read_study(study)
    board = _board(read, db)
    with open_store(db) as connection:
        costs = estimate(connection, board, db)
    _put(read, costs, output_format, output, limit)
    say(totals(costs))


@app.command()
def run(
    study: StudyFile,
    workers: Workers = None,
    device: Device = "auto",
    threads: WorkerThreads = None,
    skip_ambiguous: SkipAmbiguous = False,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run what is missing of a study on this machine, and commit it as it comes. What failed before is left as it is.

    Ctrl-C stops it; run again, it goes on from there.
    """
    _drive(study, _work(db, device, threads, skip_ambiguous, batch_tokens), workers, failed=False)


@app.command()
def retry(
    study: StudyFile,
    workers: Workers = None,
    device: Device = "auto",
    threads: WorkerThreads = None,
    skip_ambiguous: SkipAmbiguous = False,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run the cells of a study that failed or were killed again, and those that wait for them."""
    _drive(study, _work(db, device, threads, skip_ambiguous, batch_tokens), workers, failed=True)


def _work(store: Path, device: str, threads: int | None, skip_ambiguous: bool, batch_tokens: int) -> "Work":
    from mlv.cli.work import make_work

    return make_work(store, device, threads, skip_ambiguous, batch_tokens=batch_tokens)


def _drive(study: str, work: "Work", workers: int | None, *, failed: bool) -> None:
    from mlv.compute.launchers import LocalLauncher, available_gpus
    from mlv.ingest.study import read_study

    board = _board(read_study(study), work.store, fetch=True)
    gpus = available_gpus(work.options.device)
    launcher = LocalLauncher(worker_command(), work.options, workers or len(gpus) or 1, gpus)
    driver = Driver(work, board, launcher, study)
    if failed:
        driver.retry()
    else:
        driver.run()


def _board(study: "Study", store: Path, *, fetch: bool = False) -> "Board":
    """The study against the store; with ``fetch`` models are downloaded that are not here."""
    import sys

    from mlv.compute.jobs import is_running
    from mlv.ingest.plan import Jobs
    from mlv.ingest.study import cells
    from mlv.ingest.study_board import Board
    from mlv.schema.store import open_store

    names = dict.fromkeys(cell.model for cell in cells(study))
    models = {name: _model(store, name, fetch=fetch) for name in names}
    board = Board(study, store, Jobs(jobs_folder(store), {"arguments": sys.argv[1:]}), models, is_running)
    with open_store(store) as connection:
        board.look(connection)
    return board


def _model(store: Path, text: str, *, fetch: bool) -> "Model":
    """The model that a study names; why there is none; or None where it is to be fetched."""
    from mlv.cli.work import make_work
    from mlv.ingest.models import find_model
    from mlv.schema.errors import StoreError
    from mlv.schema.store import open_store

    name, revision = _revision(text)
    try:
        with open_store(store) as connection:
            here = find_model(connection, store, name) is not None or Path(name).expanduser().is_dir()
        if fetch or here:
            return make_work(store, "auto", None).model(name, revision)
        return _pretrained(store, name, revision)
    except StoreError:
        raise
    except MlvError as error:
        return error


def _revision(text: str) -> tuple[str, str | None]:
    name, _, revision = text.rpartition("@")
    return (name, revision) if name and not Path(text).is_dir() else (text, None)


def _pretrained(store: Path, name: str, revision: str | None) -> "ModelRef | None":
    """A model of the hub as the store knows it, where runs have used it."""
    from mlv.schema.jobs import ModelRef
    from mlv.schema.store import open_store

    with open_store(store) as connection:
        rows = connection.execute(
            "SELECT name, revision, digest FROM base_model "
            "WHERE name = $name AND revision = coalesce($revision, revision)",
            {"name": name, "revision": revision},
        ).fetchall()
    return ModelRef(name=rows[0][0], revision=rows[0][1], digest=rows[0][2]) if len(rows) == 1 else None


def _plan_jobs(board: "Board", store: Path) -> None:
    """Make the directories of what can be run now."""
    from mlv.schema.store import open_store

    with open_store(store) as connection:
        for cell in board.cells:
            if board.seen[cell].state == "missing" and board.ready(cell):
                say(f"planned: {board.plan(connection, cell).path}")


def _put(
    study: "Study", frame: "pl.DataFrame", output_format: str | None, output: Path | None, limit: int | None
) -> None:
    from mlv.queries import QueryResult

    put(QueryResult(frame, "study", None, study.sha256), output_format, output, limit)


def _counts(board: "Board") -> "pl.DataFrame":
    """Cells by kind and state, one row per kind and one for all."""
    import polars as pl

    from mlv.ingest.study_board import STATES

    kinds = list(dict.fromkeys(cell.kind for cell in board.cells))
    rows = []
    for kind in (*kinds, "all"):
        states = [board.seen[cell].state for cell in board.cells if kind in (cell.kind, "all")]
        rows.append({"kind": kind, "cells": len(states)} | {state: states.count(state) for state in STATES})
    return pl.DataFrame(rows)
