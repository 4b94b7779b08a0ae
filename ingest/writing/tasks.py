"""Writing tasks: what a classifier is to tell apart in a labelled source, and the class of each label.

A task that comes with mlv enters the store with the first texts of its source, and goes with the last; one of a user's
own enters when its file is ingested, and stays until it is deleted. A code stands for one content.
"""

from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.report import FileReport, document_report
from mlv.ingest.reference.task import Task, packaged
from mlv.ingest.writing.reports import record
from mlv.schema.errors import DataError, NotFoundError, joined
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import ensure

_OTHER_CODE: Final = "Nothing was written. Give it another code in its first line."


def ingest_task(connection: duckdb.DuckDBPyConnection, path: Path) -> list[FileReport]:
    """Read a task and write it.

    Raises:
        NotFoundError: There is no such file, or the store has no text of the task's source.
        DataError: The file is no task, or its code stands for another.
    """
    task = Task.read(path)
    other = next((known for known in packaged() if known.code == task.code and known.sha256 != task.sha256), None)
    if other is not None:
        raise DataError(f"The code {task.code} is that of a task of mlv that says something else.", _OTHER_CODE)
    with transaction(connection):
        new = _ensure_task(connection, task)
        rows = len(task.rows)
        report = document_report("task", task.code, path, rows, rows, already_there=not new)
        if new:
            record(connection, report)
    note_ingest(connection, "task", {}, [report])
    return [report]


def ensure_packaged_tasks(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Add the tasks that come with mlv of a source that the store has. Within the caller's transaction."""
    known = {code for (code,) in connection.execute("SELECT code FROM task").fetchall()}
    for task in packaged():
        if task.source == source and task.code not in known:
            _write(connection, task)


def _ensure_task(connection: duckdb.DuckDBPyConnection, task: Task) -> bool:
    """Add a task; whether it is new. Raises NotFoundError, DataError as ``ingest_task``."""
    known = connection.execute("SELECT sha256 FROM task WHERE code = ?", [task.code]).fetchone()
    if known is not None and known[0] != task.sha256:
        raise DataError(f"The store has a task {task.code} that says something else.", _OTHER_CODE)
    if known is None:
        _write(connection, task)
    return known is None


def _write(connection: duckdb.DuckDBPyConnection, task: Task) -> None:
    row = {"code": task.code, "source_id": _source(connection, task), "description": task.description}
    row |= {"sha256": task.sha256, "content": task.content}
    key = int(ensure(connection, "task", pl.DataFrame([row]), ["code"])["task_id"][0])
    schema = {"label": pl.String, "class_number": pl.Int64, "class_name": pl.String}
    labels = pl.DataFrame(task.rows, schema, orient="row").with_columns(task_id=pl.lit(key))
    ensure(connection, "task_label", labels, ["task_id", "label"])


def _source(connection: duckdb.DuckDBPyConnection, task: Task) -> int:
    """Key of the source of a task. Raises NotFoundError if the store has none of its texts."""
    rows = connection.execute("SELECT code, source_id FROM source ORDER BY code").fetchall()
    known = dict(rows)
    if task.source not in known:
        raise NotFoundError(
            f"The task {task.code} is about {task.source}, and the store has no text of this source.",
            f"Ingest its texts first; there are {joined(known)}.",
        )
    return int(known[task.source])
