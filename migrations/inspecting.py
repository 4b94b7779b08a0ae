"""What schema a store has: its revision, the history of revisions, and how it differs from what this mlv declares."""

import contextlib
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from mlv.migrations.engine import config, engine_connection, is_ours
from mlv.schema.store.ledger import LEDGER, revision
from mlv.schema.store.opening import connect


@dataclass(frozen=True)
class Revision:
    """A step of the schema's history."""

    revision: str
    description: str
    is_current: bool


def current(path: Path) -> str | None:
    """Revision of the file; None where it has no tables of mlv."""
    with contextlib.closing(connect(path)) as connection:
        return revision(connection)


def history(path: Path | None = None) -> list[Revision]:
    """All revisions, oldest first; the one that ``path`` is at is marked."""
    from alembic.script import ScriptDirectory

    at = current(path) if path is not None and path.exists() else None
    steps = ScriptDirectory.from_config(config()).walk_revisions()
    return [Revision(step.revision, step.doc, step.revision == at) for step in reversed(list(steps))]


def differences(path: Path) -> list[str]:
    """How the file's tables and views differ from those this mlv declares; empty where they do not."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from mlv.schema.tables.metadata import metadata

    connect(path).close()
    with engine_connection(path, read_only=True) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": LEDGER, "include_object": is_ours, "compare_type": True}
        )
        found = [str(difference) for difference in compare_metadata(context, metadata)]
    return found + _view_differences(path)


def _view_differences(path: Path) -> list[str]:
    with contextlib.closing(connect(path)) as connection:
        columns, made = _views(connection)
    wanted_columns, wanted = _declared_views()
    different = [name for name in wanted if name in made and made[name] != wanted[name]]
    return [
        *(f"view column {'.'.join(column)} differs" for column in sorted(columns ^ wanted_columns)),
        *(f"the SQL of view {name} differs" for name in different),
    ]


@cache
def _declared_views() -> tuple[set[tuple[str, str]], dict[str, str]]:
    """What :func:`_views` finds where the views are as this mlv declares them."""
    from mlv.migrations.ddl import ddl
    from mlv.schema.views.declared import VIEWS

    # in a file that is opened again: DuckDB writes a lambda in another way after it has read it
    with tempfile.TemporaryDirectory() as folder:
        declared = Path(folder) / "declared.duckdb"
        views = "".join(f"CREATE VIEW {view.name} AS {view.sql};\n" for view in VIEWS)
        with duckdb.connect(declared) as fresh:
            # in one transaction: the disk is waited for once
            fresh.execute(f"BEGIN;\n{ddl()}{views}COMMIT")
        with duckdb.connect(declared, read_only=True) as fresh:
            return _views(fresh)


def _views(connection: duckdb.DuckDBPyConnection) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """The columns of the views that a database has, and their SQL as DuckDB writes it."""
    made = dict(connection.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall())
    rows = connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    return {(name, column) for name, column in rows if name in made}, made
