"""Tasks of the store, for jobs that are about labelled texts."""

from typing import NamedTuple

import duckdb

from mlv.ingest.jobs.runs import NewRun
from mlv.schema.errors import JobError, NotFoundError, joined


class StoredTask(NamedTuple):
    """A task."""

    code: str
    source: str
    classes: tuple[str, ...]
    """In the order of a classifier's outputs."""


def find_task(connection: duckdb.DuckDBPyConnection, code: str) -> StoredTask:
    """The task of a name. Raises NotFoundError that says which there are."""
    rows = connection.execute(
        "SELECT DISTINCT source, class_number, class_name FROM v_task "
        "WHERE task = ? AND class_number IS NOT NULL ORDER BY class_number",
        [code],
    ).fetchall()
    if rows:
        return StoredTask(code, rows[0][0], tuple(name for _, _, name in rows))
    known = [name for (name,) in connection.execute("SELECT code FROM task ORDER BY code").fetchall()]
    raise NotFoundError(
        f"The store has no task {code}; it has {joined(known) or 'none'}.",
        "Ingest the texts of the task (mlv ingest corpus --source NAME FILES), or a task of your own: mlv ingest task "
        "FILE",
    )


def splits_of(connection: duckdb.DuckDBPyConnection, task: StoredTask) -> str:
    """The splits that the store has of a task's texts, with their languages, in words."""
    rows = connection.execute(
        "SELECT c.edition, string_agg(l.code, ',' ORDER BY l.code) FROM corpus c JOIN source s USING (source_id) "
        'JOIN "language" l USING (language_id) WHERE s.code = ? GROUP BY ALL ORDER BY ALL',
        [task.source],
    ).fetchall()
    return joined(f"{edition} ({languages})" for edition, languages in rows) or "none of its texts"


def task_id(run: NewRun, code: str) -> int:
    """Key of a task. Raises JobError if the store lacks it."""
    found = run.connection.execute("SELECT task_id FROM task WHERE code = ?", [code]).fetchone()
    if found is None:
        raise JobError(
            f"{run.job.path.name} is about the task {code}, which the store does not have.",
            "Ingest it, then commit again: mlv ingest task FILE",
        )
    return int(found[0])
