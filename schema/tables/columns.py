"""How a table of the store is declared: its comment, what tells its rows apart, what they belong to and refer to.

Each is said once, here. ``mlv.schema.tables.relations`` derives from it what is deleted with a row, how two stores are
compared, which keys and references are checked, and the picture of the tables.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel


class Row(SQLModel):
    """Base of all tables: a row of one, known to the ORM by its identity."""

    __table_args__: Any

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"primary_key": list(cls.__table_args__[-1]["info"]["identity"])}


def column(
    comment: str,
    *,
    key: bool = False,
    refers: str | None = None,
    enforced: bool = False,
    unique: bool = False,
    sql_type: Any = None,
) -> Any:
    """Declare a column with the text of its ``COMMENT ON``.

    A field whose type admits ``None`` is nullable, every other is NOT NULL. Keys are plain integers that the
    writer assigns (DuckDB's sequences would tie every insert to the catalogue).

    Args:
        comment: What the column holds.
        key: Whether it is the primary key.
        refers: ``table.column`` that has each of its values.
        enforced: Whether DuckDB looks after the reference (a foreign key); if not, ``mlv db check`` does.
        unique: Whether no two rows may have the same value.
        sql_type: Type in the database, where that of the field does not say it.
    """
    settings: dict[str, Any] = {"comment": comment}
    if key:
        settings["autoincrement"] = False
    if refers is not None:
        settings["info"] = {"refers": refers}
    arguments: dict[str, Any] = {"sa_column_kwargs": settings}
    if sql_type is not None:
        arguments["sa_type"] = sql_type
    if key:
        arguments["primary_key"] = True
    if enforced:
        arguments["foreign_key"] = refers
    if unique:
        arguments["unique"] = True
    return Field(**arguments)


def table(
    comment: str,
    *constraints: sa.Constraint,
    identity: Sequence[str],
    enforced: bool = False,
    owner: str | Sequence[str] = (),
) -> Any:
    """Table arguments.

    A fact table has NOT NULL and CHECK alone, and its keys are not enforced: with a primary and a foreign key a bulk
    load is 10 to 30 times slower and the file 7 times larger. ``mlv.ingest`` checks them in the committing transaction.

    Args:
        comment: Text of its ``COMMENT ON``.
        *constraints: What else DuckDB is to enforce.
        identity: Columns that tell a row from every other, whatever the integer keys: its natural key.
        enforced: Whether DuckDB looks after the identity (UNIQUE); if not, ``mlv db check`` does.
        owner: Column that refers to what a row belongs to, and is deleted with; several where it belongs to each of
            them; none for a table whose rows stand on their own.
    """
    if enforced:
        constraints = (*constraints, unique(*identity))
    info = {"identity": tuple(identity), "owner": (owner,) if isinstance(owner, str) else tuple(owner)}
    return (*constraints, {"comment": comment, "info": info})


def unique(*columns: str) -> sa.UniqueConstraint:
    """Columns that no two rows have the same values in."""
    return sa.UniqueConstraint(*columns)


def check(condition: str) -> sa.CheckConstraint:
    """A condition that every row meets."""
    return sa.CheckConstraint(condition)
