"""Columns that carry their own documentation: the one way a table of the store declares a field."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Field


def column(
    comment: str,
    *,
    key: bool = False,
    references: str | None = None,
    unique: bool = False,
    sql_type: Any = None,
) -> Any:
    """Declare a column with the text of its ``COMMENT ON``.

    A field whose type admits ``None`` is nullable, every other is NOT NULL. Keys are plain integers that the
    writer assigns (DuckDB's sequences would tie every insert to the catalogue).
    """
    settings: dict[str, Any] = {"comment": comment}
    if key:
        settings["autoincrement"] = False
    arguments: dict[str, Any] = {"sa_column_kwargs": settings}
    if sql_type is not None:
        arguments["sa_type"] = sql_type
    if key:
        arguments["primary_key"] = True
    if references is not None:
        arguments["foreign_key"] = references
    if unique:
        arguments["unique"] = True
    return Field(**arguments)


def table(comment: str, *constraints: sa.Constraint) -> Any:
    """Table arguments: its constraints, and the text of its ``COMMENT ON``."""
    return (*constraints, {"comment": comment})


def unique(*columns: str) -> sa.UniqueConstraint:
    """A natural key."""
    return sa.UniqueConstraint(*columns)


def check(condition: str) -> sa.CheckConstraint:
    """A condition that every row meets."""
    return sa.CheckConstraint(condition)


def fact(*key: str) -> dict[str, Any]:
    """Mapper arguments of a fact table: a key for the ORM that the database does not enforce.

    Fact tables have NOT NULL and CHECK alone. With a primary and a foreign key a bulk load is 10 to 30 times
    slower and the file 7 times larger; ``mlv.ingest`` checks their keys inside the committing transaction.
    """
    return {"primary_key": list(key)}
