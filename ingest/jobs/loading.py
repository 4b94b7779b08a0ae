"""Loading the results of jobs that trace a run: in bulk, straight from their files."""

from collections.abc import Mapping
from typing import Final

from mlv.ingest.jobs.outputs import again, count_in, output
from mlv.ingest.jobs.runs import NewRun
from mlv.schema.errors import JobError
from mlv.schema.fetching import frame_of, registered
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.tracing import TracingSpec
from mlv.schema.store.rows import number

_PROBES: Final = "SELECT language, question, probe_id, NULL AS segment_id FROM v_probe WHERE collection = ?"

_TEXTS: Final = """
SELECT language, parallel_key AS question, NULL AS probe_id, segment_id
FROM v_segment WHERE source = ? AND edition = ?
"""


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


def load(run: NewRun, name: str, statement: str, values: Mapping[str, int | str], hint: str = "") -> int:
    """Enter the rows of an output by an INSERT, in which rows whose natural keys the store lacks stay out.

    ``values`` are parameters of the statement, beside ``$path``. Returns the number of rows. Raises JobError if some
    stayed out, with what to do (``hint``).
    """
    path = str(output(run.job, f"{name}.parquet"))
    given = number(run.connection, "SELECT count(*) FROM read_parquet(?)", [path])
    lost = given - number(run.connection, statement, {**values, "path": path})
    if lost:
        lacking = "probes or texts" if hint else "targets, training examples or languages"
        raise JobError(f"{lost:,} rows of {path} belong to {lacking} that the store lacks.", hint or again(run.job))
    return given


def load_of_targets(run: NewRun, spec: TracingSpec, name: str, statement: str, values: Mapping[str, int | str]) -> int:
    """:func:`load` an output whose rows are of what the job traces: the statement reads their keys from ``_items``
    ``[language, question, probe_id, segment_id]``."""
    if spec.corpora:
        found, what = frame_of(run.connection, _TEXTS, [spec.collection, spec.probe_set]), "texts of"
    else:
        found, what = frame_of(run.connection, _PROBES, [spec.collection]), "probe collection"
    with registered(run.connection, "_items", found):
        return load(run, name, statement, values, f"Ingest the {what} {spec.collection}, then commit again.")
