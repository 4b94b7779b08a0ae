"""`mlv study`: a list of jobs as one file; what it comes to, what it costs, running it, and what is left."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.compute.models import fetch_model
from mlv.cli.driver import ACTIVE, Driver, say_problems, say_states, worker_command
from mlv.cli.edge import DEFAULT_STORE, Store, jobs_folder, say
from mlv.cli.execution import with_execution
from mlv.cli.group import Group
from mlv.cli.output import Format, Limit, Output, put
from mlv.cli.work import make_work, split_revision
from mlv.compute.machine.options import DIFFERS, MOST_THREADS, ExecuteOptions
from mlv.schema.errors import MlvError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from mlv.cli.work import Work
    from mlv.compute.running.local import Launcher
    from mlv.ingest.studies.status import Model, StudyStatus
    from mlv.ingest.studies.study import Study
    from mlv.schema.jobs.spec import ModelRef

app = typer.Typer(help="Plan, run and follow a study: a list of jobs in one file.", no_args_is_help=True, cls=Group)


class LauncherKind(StrEnum):
    """Where jobs run."""

    LOCAL = "local"
    SLURM = "slurm"


StudyFile = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study file, or the name of one that comes with mlv: echoes, sharing, modularity, selfalign, demo, "
        "sharing-demo, modularity-demo or selfalign-demo.",
    ),
]
LauncherName = Annotated[
    LauncherKind, typer.Option("--launcher", help="Where jobs run: on this machine, or on a Slurm cluster.")
]
SlurmFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What jobs are given on the cluster; slurm.toml beside the store.")
]
SlurmKeys = Annotated[
    list[str] | None,
    typer.Option("--slurm", metavar="KEY=VALUE", help="Changes a key of that file: partition=gpu, probe.time=0:30:00."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST_THREADS, help="Jobs at a time on this machine; as many as there are GPUs, or 1, if not given."
    ),
]
WorkerThreads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=MOST_THREADS,
        help=f"CPU threads of a worker on this machine, an equal share if not given; {DIFFERS}.",
    ),
]


@app.command()
def show(study: StudyFile) -> None:
    """Print a study file, e.g. to make one's own of it: mlv study show echoes > study.toml"""
    from mlv.ingest.studies.study import study_text

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
    from mlv.ingest.studies.study import read_study

    read = read_study(study)
    status = status_of(read, db, fetch=jobs)
    if jobs:
        _plan_jobs(status, db)
    _put(read, status.frame(), output_format, output, limit)
    say_states(status)


@app.command(name="status")
def show_status(
    study: StudyFile,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print how many cells are committed, running, failed or missing, and say which failed and why."""
    from mlv.ingest.studies.study import read_study

    read = read_study(study)
    status = status_of(read, db)
    _put(read, _counts(status), output_format, output, limit)
    say_problems(status)
    say_states(status)


@app.command()
def cost(
    study: StudyFile,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Instead: the tokens that chat models will be asked with and answer.")
    ] = False,
    prices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The same, with what they cost by a TOML file of yours: its currency, and by model the prices of a "
            "million tokens of prompts and of completions.",
        ),
    ] = None,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Estimate hours, disk and store of what is missing, from rates of the store's own runs of the same models.

    Or its tokens and their price, where chat models are asked. Nothing is sent to any of them.
    """
    from mlv.ingest.studies.cost import estimate, totals
    from mlv.ingest.studies.prices import count_tokens, read_prices, total
    from mlv.ingest.studies.study import read_study
    from mlv.schema.store.opening import open_store

    known = read_prices(prices) if prices else None
    read = read_study(study)
    status = status_of(read, db)
    with open_store(db) as connection:
        if tokens or known:
            costs = count_tokens(connection, status, known)
            said = total(costs, known)
        else:
            costs = estimate(connection, status)
            said = totals(costs)
    _put(read, costs, output_format, output, limit)
    say(said)


@app.command()
@with_execution(threads=WorkerThreads)
def run(
    study: StudyFile,
    launcher: LauncherName = LauncherKind.LOCAL,
    workers: Workers = None,
    slurm_file: SlurmFile = None,
    slurm: SlurmKeys = None,
    *,
    options: ExecuteOptions,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run what is missing of a study, and commit it as it comes. What failed before is left as it is.

    Ctrl-C stops it, and its workers on this machine; jobs of a cluster go on. Run again, it goes on from there.
    """
    work = make_work(db, options)
    _drive(study, work, _launcher(work, launcher, workers, slurm_file, slurm), failed=False)


@app.command()
@with_execution(threads=WorkerThreads)
def retry(
    study: StudyFile,
    launcher: LauncherName = LauncherKind.LOCAL,
    workers: Workers = None,
    slurm_file: SlurmFile = None,
    slurm: SlurmKeys = None,
    *,
    options: ExecuteOptions,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run the cells of a study that failed or were killed again, and those that wait for them."""
    work = make_work(db, options)
    _drive(study, work, _launcher(work, launcher, workers, slurm_file, slurm), failed=True)


@app.command()
def prefetch(study: StudyFile, db: Store = DEFAULT_STORE) -> None:
    """Fetch the models that a study needs of the hub to HF_HOME, where there is network, for jobs where there is none.

    Prints each with the commit that was fetched: NAME@REVISION, as the study file may name it.
    """
    from mlv.ingest.studies.study import read_study

    for model in read_study(study).models:
        name, revision = split_revision(model)
        if _is_here(db, name):
            say(f"{model}: here already")
        else:
            fetch_model(name, revision)


@app.command()
def cancel(study: StudyFile, db: Store = DEFAULT_STORE) -> None:
    """Take what a study has on a Slurm cluster out of its queue, and end what runs there. Finished work is kept."""
    from mlv.compute.running.slurm import cancel as cancel_jobs
    from mlv.ingest.studies.study import read_study

    status = status_of(read_study(study), db)
    cells = [cell for cell, found in status.statuses.items() if found.state in ACTIVE]
    numbers = cancel_jobs(status.directory(cell) for cell in cells)
    say(f"cancelled: {', '.join(numbers) or 'nothing was in the queue'}")


def _launcher(
    work: "Work", kind: LauncherKind, workers: int | None, slurm_file: Path | None, slurm: list[str] | None
) -> "Launcher":
    """The launcher that the options ask for. Raises UsageError where they do not fit each other or the cluster."""
    if kind == LauncherKind.SLURM:
        _refuse({"--workers": workers, "--threads": work.options.threads}, "Say it with --slurm at_once=N or cpus=N.")
        return _slurm_launcher(work, slurm_file, slurm or [])
    from mlv.compute.running.local import LocalLauncher, available_gpus

    _refuse({"--slurm": slurm, "--slurm-file": slurm_file}, "Add --launcher slurm, or leave it out.")
    work.check_machine()
    gpus = available_gpus(work.options.device)
    return LocalLauncher(worker_command(), work.options, workers or len(gpus) or 1, gpus)


def _refuse(given: dict[str, object], hint: str) -> None:
    names = [name for name, value in given.items() if value]
    if names:
        raise UsageError(f"{' and '.join(names)} says nothing to this launcher.", hint)


def _slurm_launcher(work: "Work", file: Path | None, keys: list[str]) -> "Launcher":
    from mlv.compute.running.slurm import SlurmLauncher
    from mlv.compute.running.slurm_settings import FILE, named_file, read_settings

    settings = read_settings(named_file(file) if file else work.store.parent / FILE, keys)
    return SlurmLauncher(worker_command(), work.options, settings, jobs_folder(work.store))


def _drive(study: str, work: "Work", launcher: "Launcher", *, failed: bool) -> None:
    from mlv.ingest.studies.study import read_study

    status = status_of(read_study(study), work.store, fetch=True)
    driver = Driver(work, status, launcher, study)
    if failed:
        driver.retry()
    else:
        driver.run()


def status_of(study: "Study", store: Path, *, fetch: bool = False) -> "StudyStatus":
    """Where the study stands; with ``fetch`` models are downloaded that are not here."""
    import sys

    from mlv.cli.work import activity
    from mlv.ingest.studies.status import StudyStatus
    from mlv.schema.store.opening import open_store

    models = {name: _model(store, name, fetch=fetch) for name in study.models}
    status = StudyStatus(study, store, jobs_folder(store), {"arguments": sys.argv[1:]}, models, activity())
    with open_store(store) as connection:
        status.refresh(connection)
    return status


def _model(store: Path, text: str, *, fetch: bool) -> "Model":
    """The model that a study names; why there is none; or None where it is to be fetched."""
    from mlv.schema.errors import StoreError

    name, revision = split_revision(text)
    try:
        if fetch or _is_here(store, name):
            return make_work(store).model(text)
        return _pretrained(store, name, revision)
    except StoreError:
        raise
    except MlvError as error:
        return error


def _is_here(store: Path, name: str) -> bool:
    """Whether a model is in the store or a folder, and not on the hub."""
    from mlv.ingest.jobs.lookup import find_model
    from mlv.schema.store.opening import open_store

    with open_store(store) as connection:
        return find_model(connection, store, name) is not None or Path(name).expanduser().is_dir()


def _pretrained(store: Path, name: str, revision: str | None) -> "ModelRef | None":
    """A model of the hub as the store knows it, where runs have used it."""
    from mlv.schema.jobs.spec import ModelRef
    from mlv.schema.store.opening import open_store

    with open_store(store) as connection:
        rows = connection.execute(
            "SELECT name, revision, digest FROM base_model "
            "WHERE name = $name AND revision = coalesce($revision, revision)",
            {"name": name, "revision": revision},
        ).fetchall()
    return ModelRef(name=rows[0][0], revision=rows[0][1], digest=rows[0][2]) if len(rows) == 1 else None


def _plan_jobs(status: "StudyStatus", store: Path) -> None:
    """Make the directories of what can be run now."""
    from mlv.schema.store.opening import open_store

    with open_store(store) as connection:
        for cell in status.cells:
            if status.statuses[cell].state == "missing" and status.ready(cell):
                say(f"planned: {status.plan(connection, cell).path}")


def _put(
    study: "Study", frame: "pl.DataFrame", output_format: str | None, output: Path | None, limit: int | None
) -> None:
    from mlv.queries import QueryResult

    put(QueryResult(frame, "study", None, study.sha256), output_format, output, limit)


def _counts(status: "StudyStatus") -> "pl.DataFrame":
    """Cells by kind and state, one row per kind and one for all."""
    import polars as pl

    from mlv.ingest.studies.status import STATES

    kinds = list(dict.fromkeys(cell.kind for cell in status.cells))
    rows = []
    for kind in (*kinds, "all"):
        states = [status.statuses[cell].state for cell in status.cells if kind in (cell.kind, "all")]
        rows.append({"kind": kind, "cells": len(states)} | {state: states.count(state) for state in STATES})
    return pl.DataFrame(rows)
