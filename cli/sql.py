"""`mlv sql`: any SQL over the store, read-only unless asked otherwise."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store
from mlv.cli.output import Format, Limit, Output, chosen_format, put
from mlv.schema.errors import DataError, NotFoundError, UsageError


def sql(
    text: Annotated[
        str | None, typer.Argument(help="The statement. Views to start from: v_run, v_answer, v_shift.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the statement from a file; - for standard input.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Open the store for writing.")] = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run SQL over the store and print the result."""
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    if (text is None) == (file is None):
        raise UsageError("Give one statement: as an argument, or with -f.", 'mlv sql "FROM v_run"')
    if file is not None:
        text = _read(file)
    # before the statement runs, for with --write it changes the store
    chosen_format(output_format, output)
    with open_store(db, read_only=not write) as connection:
        result = execute_sql(connection, text or "", sealed=not write)
    put(result, output_format, output, limit)


def _read(file: Path) -> str:
    """The text of a file; ``-`` is standard input. Raises NotFoundError or DataError if it cannot be read."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {file}.", "Name the file that has the statement with -f.") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.", "Check its name and permissions.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8: byte {error.start}.", "Save it as UTF-8.") from error
