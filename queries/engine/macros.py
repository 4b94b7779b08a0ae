"""Macros, the statistics and selections that queries share: SQL files by subject, and one for each study.

They are temporary objects of a connection, so a read-only store has them too.
"""

import functools
import re
from importlib.resources import files

import duckdb

from mlv.schema.errors import StoreError, joined

SUBJECTS = ("statistics", "jackknife", "seeds", "checkpoints", "influence", "profiles")
"""Files of ``queries/macros`` in the order in which they are loaded: a macro may use those before it."""

_INSTALLED = "mlv_macros"
"""Variable of a connection that has the macros: to look for them among all functions would take 15 ms a query."""


@functools.cache
def macros_sql() -> str:
    """All macros in the order in which they are loaded: those by subject, then those of every study."""
    folders = sorted(files("mlv.queries").iterdir(), key=lambda folder: folder.name)
    of_studies = [file.read_text(encoding="utf-8") for folder in folders if (file := folder / "macros.sql").is_file()]
    return "\n".join([*map(subject_sql, SUBJECTS), *of_studies])


def subject_sql(subject: str) -> str:
    """The macros of a subject; those of statistics need no store."""
    return files("mlv.queries").joinpath("macros", f"{subject}.sql").read_text(encoding="utf-8")


@functools.cache
def macro_bodies() -> dict[str, str]:
    """Name and definition of every macro, without the comments before it and the semicolon after it."""
    bodies = {}
    with duckdb.connect() as connection:
        for statement in connection.extract_statements(macros_sql()):
            definition = re.search(r"^CREATE .*", statement.query, re.DOTALL | re.MULTILINE)
            name = re.search(r"MACRO (\w+)", statement.query)
            if definition and name:
                bodies[name[1]] = definition[0].rstrip("; \n")
    return bodies


def install_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the macros that queries use; once more does nothing.

    Raises StoreError if macros in the store replace functions of DuckDB, which would change every result, or if its
    views are not those of mlv.
    """
    if connection.execute(f"SELECT getvariable('{_INSTALLED}')").fetchone() == (True,):
        return
    made = connection.execute(
        "SELECT function_name FROM system.main.duckdb_functions() WHERE NOT internal AND database_name <> 'temp'"
    ).fetchall()
    if made:
        _refuse_shadows(connection, {name for (name,) in made})
    try:
        connection.execute(macros_sql())
        connection.execute(f"SET VARIABLE {_INSTALLED} = TRUE")
    except duckdb.Error as error:
        raise StoreError(
            f"The views of the store are not those that mlv made: {str(error).splitlines()[0]}",
            "If it is yours, restore a backup; if it came from somebody else, ask them for another.",
        ) from error


def _refuse_shadows(connection: duckdb.DuckDBPyConnection, macros: set[str]) -> None:
    functions = connection.execute("SELECT function_name FROM system.main.duckdb_functions() WHERE internal").fetchall()
    shadows = sorted(macros & {name for (name,) in functions})
    if shadows:
        raise StoreError(
            f"The store has macros that replace functions of DuckDB: {joined(shadows)}. "
            "Queries would give other results.",
            f'If you made them, rename them: mlv sql --write "DROP MACRO {shadows[0]}"',
        )
