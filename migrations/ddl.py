"""The declared tables as SQL: what a revision that makes them all is written from.

``python -m mlv.migrations.ddl > FILE``
"""

import sys

import sqlalchemy as sa
from duckdb_sqlalchemy import Dialect
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, SetColumnComment, SetTableComment

from mlv.schema.tables.metadata import metadata


def ddl() -> str:
    """Statements that make all tables, parents before children, each with its comments."""
    return "\n".join(_table(table) for table in metadata.sorted_tables)


def _table(table: sa.Table) -> str:
    comments: list[ExecutableDDLElement] = [SetTableComment(table), *map(SetColumnComment, table.columns)]
    lines = str(CreateTable(table).compile(dialect=Dialect())).strip().splitlines()
    create = "\n".join(line.replace("\t", "    ").rstrip() for line in lines)
    return f"{create};\n" + "".join(f"{comment.compile(dialect=Dialect())};\n" for comment in comments)


if __name__ == "__main__":
    sys.stdout.write(ddl())
