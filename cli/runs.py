"""`mlv runs`: what was computed, how two runs differ, deleting, exchange, and going on with what was interrupted."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlv.cli import completion, jobs
from mlv.cli.deleting import make_smaller, say_deletion
from mlv.cli.edge import DEFAULT_STORE, Store, explain, jobs_folder, megabytes, say
from mlv.cli.execution import with_execution
from mlv.cli.group import Group
from mlv.cli.jobs import Name
from mlv.cli.output import Format, Json, Limit, Output, put
from mlv.cli.publish import publish
from mlv.cli.work import Work, activity, make_work, say_committed, say_next
from mlv.compute.machine.interrupts import raise_if_received
from mlv.compute.machine.options import ExecuteOptions
from mlv.schema.dotted import dotted
from mlv.schema.errors import JobError, StoreLockedError, joined

if TYPE_CHECKING:
    import polars as pl

    from mlv.ingest.upkeep.deletion import Deletion
    from mlv.schema.jobs.directory import JobDirectory

app = typer.Typer(
    help="List, show, compare, delete, resume, export, import and publish runs.", no_args_is_help=True, cls=Group
)

_RUNS = """
SELECT
    r.run,
    r.kind,
    'committed' AS state,
    coalesce(start.model, made.model) AS model,
    r.source,
    r.ft_languages,
    r.sentences,
    r.seed,
    measured.metrics,
    r.started_at AT TIME ZONE 'UTC' AS started_at,
    r.finished_at AT TIME ZONE 'UTC' AS finished_at
FROM v_run r
LEFT JOIN (
    SELECT checkpoint_id, name AS model FROM checkpoint JOIN base_model USING (base_model_id)
) start ON start.checkpoint_id = r.start_checkpoint_id
LEFT JOIN (
    SELECT run_id, any_value(name) AS model FROM checkpoint JOIN base_model USING (base_model_id) GROUP BY run_id
) made ON made.run_id = r.run_id
LEFT JOIN (
    SELECT run, string_agg(name || ' ' || round(last, 4), '; ' ORDER BY name) AS metrics
    FROM (
        SELECT run, name, arg_max(value, coalesce(epoch, 0) * 1e12 + coalesce(step, 0)) AS last
        FROM v_metric
        WHERE name LIKE '%loss'
        GROUP BY run, name
    )
    GROUP BY run
) measured ON measured.run = r.run
ORDER BY r.run_id
"""


@app.command(name="list")
def list_runs(
    kind: Annotated[str | None, typer.Option(help="Only those of this kind, e.g. finetune.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state, e.g. committed or failed.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Only those of this pretrained model.", autocompletion=completion.models)
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only those on this source.", autocompletion=completion.sources)
    ] = None,
    study: Annotated[str | None, typer.Option(help="Only those of this study: a file, or the name of one.")] = None,
    as_json: Json = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the committed runs with their last losses, and the jobs that are not committed yet. Times are UTC."""
    from dataclasses import replace

    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        result = execute_sql(connection, _RUNS, sealed=True)
    left, damaged = jobs.unfinished(db)
    frame = jobs.add_rows(result.frame, left)
    for column, value in {"kind": kind, "state": state, "model": model, "source": source}.items():
        frame = _only(frame, column, value)
    if study is not None:
        frame = frame.filter(frame["run"].is_in(_runs_of(study, db)))
    put(replace(result, frame=frame), "json" if as_json else output_format, output, limit)
    shown = set(frame["run"])
    for job in left:
        if job.name in shown:
            say(f"not committed: {job.name} ({job.standing.state})")
    _raise_failed(damaged)


def _only(rows: "pl.DataFrame", column: str, value: str | None) -> "pl.DataFrame":
    """Rows with a value in a column, all if it is None; it is said which values there are if none has it."""
    if value is None:
        return rows
    found = rows.filter(rows[column] == value)
    if found.is_empty():
        there = ", ".join(rows[column].drop_nulls().unique().sort())
        say(f"no run has {column} {value}" + (f"; there are: {there}" if there else ""))
    return found


def _runs_of(study: str, store: Path) -> list[str]:
    """Names of the runs and jobs of a study's cells."""
    from mlv.cli.study import status_of
    from mlv.ingest.studies.study import read_study

    return [cell.job for cell in status_of(read_study(study), store).statuses.values() if cell.job]


@app.command()
def show(name: Name, db: Store = DEFAULT_STORE) -> None:
    """Print specification, provenance and events of a run as JSON, or of a job that is not in the store."""
    found = jobs.find(db, name)
    shown = _committed(db, found.name) if found.is_run else jobs.described(found.job)
    typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))


def _committed(store: Path, name: str) -> dict[str, Any]:
    """What the store says of a run."""
    from mlv.schema.store.opening import open_store

    with open_store(store) as connection:
        row = connection.execute(
            "SELECT name, kind, status, seed, started_at, finished_at, committed_at, spec, provenance "
            "FROM run WHERE name = ?",
            [name],
        )
        fields = dict(zip([column[0] for column in row.description], row.fetchone() or (), strict=True))
        events = connection.execute(
            "SELECT happened_at, event, detail FROM run_event JOIN run USING (run_id) WHERE name = ? ORDER BY position",
            [name],
        ).fetchall()
    shown: dict[str, Any] = {key: _as_json(value) for key, value in fields.items() if key not in ("spec", "provenance")}
    shown |= {key: json.loads(fields[key]) for key in ("spec", "provenance")}
    shown["events"] = [{"at": _as_json(at), "event": event, **json.loads(detail)} for at, event, detail in events]
    return shown


def _as_json(value: object) -> object:
    """A field of a run as JSON has it; times are UTC, which they say."""
    return f"{value.isoformat()}+00:00" if isinstance(value, datetime) else value


@app.command()
def diff(first: Name, second: Name, db: Store = DEFAULT_STORE) -> None:
    """Print what differs between two runs or jobs: specification and provenance, one field a line."""
    found = [jobs.find(db, name) for name in (first, second)]
    sides = [_fields(_committed(db, one.name) if one.is_run else jobs.described(one.job)) for one in found]
    for key in sorted(sides[0].keys() | sides[1].keys()):
        left, right = (side.get(key, "") for side in sides)
        if left != right:
            typer.echo(f"{key}: {left} -> {right}")


def _fields(shown: dict[str, Any]) -> dict[str, str]:
    """Specification and provenance as dotted names and values."""
    told = {name: shown[name] for name in ("spec", "provenance")}
    return {name: json.dumps(value, ensure_ascii=False) for name, value in dotted(told)}


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would go.")] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Delete a run's rows, its job directory, and indexes of gradients that no other job uses; or a mere job.

    Runs that depend on it have to go first. The store's file is written anew where that makes it much smaller.
    """
    found = jobs.find(db, name)
    if found.is_run:
        _delete_run(db, found.name, yes)
    else:
        _delete_job(db, found, yes)


def _delete_run(store: Path, name: str, yes: bool) -> None:
    from mlv.ingest.upkeep.deletion import delete_run, plan_deletion
    from mlv.migrations.copying import space
    from mlv.schema.store.opening import open_store

    with open_store(store, read_only=not yes) as connection:
        going = plan_deletion(connection, name, jobs_folder(store))
        if not yes:
            say_deletion(going.run, going.rows, going.dependants, going.folders)
            return
        delete_run(connection, going.run_id, going.run, jobs_folder(store))
        size, free = space(connection, store)
    _say_deleted(going, store)
    make_smaller(store, size, free)


def _delete_job(store: Path, found: jobs.Found, yes: bool) -> None:
    from mlv.ingest.upkeep.deletion import delete_job, plan_job_deletion

    going = plan_job_deletion(found.job, activity())
    if not yes:
        say_deletion(going.run, going.rows, going.dependants, going.folders)
        return
    delete_job(going)
    _say_deleted(going, store)


def _say_deleted(going: "Deletion", store: Path) -> None:
    freed = sum(going.folders.values())
    say(f"deleted {going.run}" + (f" and {megabytes(freed)} in {jobs_folder(store)}" if freed else ""))


@app.command()
@with_execution()
def resume(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of a job; all that are planned, interrupted or not committed if not given.",
            autocompletion=completion.runs,
        ),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also those that failed.")] = False,
    *,
    options: ExecuteOptions,
    db: Store = DEFAULT_STORE,
) -> None:
    """Go on with jobs that were planned or interrupted, and commit them. One that fails does not keep others from it.

    What failed before is left as it is, unless it is named or --failed is given; mlv runs delete gives it up for good.
    """
    work = make_work(db, options)
    if name is None:
        _resume_all(work, failed=failed)
    else:
        _resume_one(work, name)


def _resume_one(work: Work, name: str) -> None:
    """Finish the one job, or find it committed, whose name is or begins with ``name``. Raises NotFoundError."""
    found = jobs.find(work.store, name)
    if found.folder is None:
        say(f"{found.name}: already committed")
    else:
        _finish(work, found.job)


def _resume_all(work: Work, *, failed: bool) -> None:
    """Finish the jobs that are not committed, but for those that something works on, and, unless asked, failed ones.

    Raises JobError at the end where some could not be finished, and StoreLockedError at once.
    """
    left, problems = jobs.unfinished(work.store)
    ready = [job for job in left if _is_ready(job, failed=failed)]
    for job in ready:
        problems += _failing_alone(work, job)
    if not ready and not problems:
        say("nothing to resume")
    if not failed and any(job.standing.state == "failed" for job in left):
        say("what failed is run again by mlv runs resume --failed, and given up by mlv runs delete NAME --yes")
    _raise_failed(problems)


def _is_ready(job: jobs.Job, *, failed: bool) -> bool:
    """Whether a job is to be gone on with; if not it is said why."""
    state, note = job.standing
    if state in ("running", "submitted"):
        say(f"left alone: {job.name} is {state}")
    elif state == "failed" and not failed:
        say(f"left as it failed: {job.name}: {note}")
    else:
        return True
    return False


def _failing_alone(work: Work, job: jobs.Job) -> list[str]:
    """Finish a job; its name if that failed, which is said. Raises StoreLockedError."""
    from mlv.compute.running.execute import JobRunningError

    try:
        _finish(work, job.directory)
    except JobRunningError as error:
        say(f"left alone: {error.message}")
    except StoreLockedError:
        raise
    except Exception as error:
        raise_if_received()
        say(f"{job.name} failed")
        explain(error)
        return [job.name]
    return []


@app.command()
def export(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names of runs, or their beginnings.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The zip archive to write.")],
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="With model states: to probe or trace them elsewhere, too.")
    ] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Write runs, and those that they build on, to a zip archive that mlv runs import reads into another store."""
    from mlv.ingest.upkeep.exchange import export_runs
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        runs = export_runs(connection, names, jobs_folder(db), output, checkpoints=checkpoints)
    say(f"{len(runs)} runs, {megabytes(output.stat().st_size)}: {joined(runs)}")
    typer.echo(output)


@app.command(name="import")
def import_archive(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What mlv runs export wrote.")],
    db: Store = DEFAULT_STORE,
) -> None:
    """Commit the runs of an archive that the store does not have, once it has the texts and probes that they read.

    What is missing, or is another text or probe here, is named before anything is written.
    """
    from mlv.ingest.upkeep.exchange import import_runs
    from mlv.schema.store.opening import open_store

    with open_store(db, read_only=False) as connection:
        for done in import_runs(connection, db, archive, jobs_folder(db)):
            say_committed(done)


app.command()(publish)


def _finish(work: Work, job: "JobDirectory") -> None:
    """Run and commit a job, and say what is left to do with a model that it made."""
    done = work.finish(job)
    if not done.already_there:
        say_next(job.spec(), done.run, work.store)


def _raise_failed(names: list[str]) -> None:
    """Raise JobError where there are names of jobs, whose problems have been said."""
    if names:
        raise JobError(
            f"There are problems with {', '.join(names)}.",
            "Put right what is said above, then: mlv runs resume --failed",
        )
