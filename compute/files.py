"""Tables and folders of a job directory: read with a clear error, written aside and renamed into place."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from mlv.schema.errors import JobError
from mlv.schema.jobs import aside_path, read_parquet, written_aside


def read_table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """The named columns of a parquet file. Raises JobError where it is missing, corrupt, short of a column or empty."""
    hint = "Delete the job directory and plan the job again."
    frame = read_parquet(path)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise JobError(f"{path} lacks the columns {', '.join(missing)}", hint)
    if frame.is_empty():
        raise JobError(f"{path} has no rows", hint)
    return frame.select(columns)


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a parquet file aside and rename it into place."""
    with written_aside(path) as aside:
        frame.write_parquet(aside)


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path``; when the block ends without an error it takes the place of ``path``."""
    aside = aside_path(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
