"""Loading the results of jobs that trace a run: in bulk, straight from their files."""

from collections.abc import Mapping

from mlv.ingest.jobs.outputs import again, count_in, output
from mlv.ingest.jobs.runs import NewRun
from mlv.schema.errors import JobError
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.tracing import TracingSpec
from mlv.schema.store.rows import number


def traced_run_id(run: NewRun, spec: TracingSpec) -> int:
    """Key of the traced run. Raises JobError if it is not committed."""
    found = run.connection.execute(
        "SELECT run_id FROM run WHERE spec_hash = ? AND status = 'committed'", [spec_hash(spec.training)]
    ).fetchone()
    if found is None:
        raise JobError(
            f"{run.job.path.name} traces {job_name(spec.training)}, which is not in the store.",
            f"Commit that job first: mlv runs resume {job_name(spec.training)}",
        )
    return int(found[0])


def scored_examples(run: NewRun) -> int:
    """Training examples that a job scored. Raises JobError if its output does not say."""
    output(run.job, "run.json")
    return count_in(run.job, "run.json", "examples")


def load(run: NewRun, name: str, statement: str, values: Mapping[str, int | str]) -> int:
    """Enter the rows of an output by an INSERT, in which rows whose natural keys the store lacks stay out.

    ``values`` are parameters of the statement, beside ``$path``. Returns the number of rows. Raises JobError if some
    stayed out.
    """
    path = str(output(run.job, f"{name}.parquet"))
    given = number(run.connection, "SELECT count(*) FROM read_parquet(?)", [path])
    lost = given - number(run.connection, statement, {**values, "path": path})
    if not lost:
        return given
    if "collection" in values:
        lacking, hint = "probes", f"Ingest the probe collection {values['collection']}, then commit again."
    else:
        lacking, hint = "targets, training examples or languages", again(run.job)
    raise JobError(f"{lost:,} rows of {path} belong to {lacking} that the store lacks.", hint)
