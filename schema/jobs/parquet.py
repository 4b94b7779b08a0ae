"""Tables of a job directory: read with a clear error, and never more of them than their size can hold."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.files import written_aside

if TYPE_CHECKING:
    import polars
    from pyarrow.parquet import ParquetFile


def read_table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """The named columns of a parquet file. Raises JobError where it is missing, corrupt, short of a column or empty."""
    frame = read_parquet(path)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise JobError(f"{path} lacks the columns {', '.join(missing)}", PLAN_AGAIN)
    if frame.is_empty():
        raise JobError(f"{path} has no rows", PLAN_AGAIN)
    return frame.select(columns)


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a parquet file aside and rename it into place."""
    with written_aside(path) as aside:
        frame.write_parquet(aside)


SHOWN = 500
"""Characters that an error quotes of what is wrong with a file."""

MAX_VALUES_A_BYTE = 20
"""Values (rows by columns) that a byte of a parquet file may hold. Large rankings have 0.9, tables that repeat
themselves up to 5; a column of one repeated value has millions."""

FREE_VALUES = 10_000_000
"""Values up to which that does not matter."""

MAX_RATIO = 200
"""Bytes that a byte of a parquet file may unpack to. Tables of jobs unpack to five times their size."""

FREE_BYTES = 64 << 20
"""Unpacked size up to which the ratio does not matter."""


def read_parquet(path: Path) -> "polars.DataFrame":
    """All of a parquet file. Raises JobError where it is missing or damaged, or unpacks to far more than it holds.

    By pyarrow, which tells damage as errors: polars ends the process at some, and takes a path for a pattern.
    """
    import polars

    with _parquet(path, PLAN_AGAIN) as file:
        # without the schema's metadata, which polars takes for UTF-8
        table = file.read().replace_schema_metadata(None)
        table.validate(full=True)
    return polars.DataFrame(table)


def check_decompressed_size(path: Path, hint: str = PLAN_AGAIN) -> None:
    """Raise JobError, with a hint, where a parquet file is missing or damaged, or unpacks to far more than it holds."""
    with _parquet(path, hint):
        pass


@contextlib.contextmanager
def _parquet(path: Path, hint: str) -> Iterator["ParquetFile"]:
    """Open a parquet file that is no bomb; what goes wrong with it in the block is told as JobError."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            _check_size(path, file, hint)
            yield file
    except FileNotFoundError as error:
        raise JobError(f"{path} is missing", hint) from error
    except (OSError, ValueError, MemoryError, pyarrow.ArrowException) as error:
        raise JobError(f"{path} is not a readable parquet file: {str(error)[:SHOWN]}", hint) from error


def _check_size(path: Path, file: "ParquetFile", hint: str) -> None:
    """Raise JobError where the footer promises more values or bytes than a file of that size holds in earnest."""
    footer, size = file.metadata, path.stat().st_size
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [(group.num_rows, group.column(number)) for group in groups for number in range(group.num_columns)]
    values = sum(max(rows, chunk.num_values) for rows, chunk in chunks)
    unpacked = sum(chunk.total_uncompressed_size for _, chunk in chunks)
    if values > max(FREE_VALUES, MAX_VALUES_A_BYTE * size) or unpacked > max(FREE_BYTES, MAX_RATIO * size):
        raise JobError(
            f"{path} is refused: its {size:,} bytes would unpack to {values:,} values, {unpacked:,} bytes, "
            "which no job writes.",
            hint,
        )
