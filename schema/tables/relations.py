"""What follows from the identities, owners and references that tables declare: nothing here names a table.

The rows that belong to a row of another table (what is deleted with a run), the rows that depend on it (which runs have
to go first), and the keys and references that have to hold.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import sqlalchemy as sa

from mlv.schema.tables.metadata import metadata


class Reference(NamedTuple):
    """A column that names rows of another table, or of its own."""

    table: str
    column: str
    parent: str
    key: str
    """Column of ``parent`` that has each of its values."""

    enforced: bool
    """Whether DuckDB looks after it."""

    optional: bool
    """Whether it may be NULL."""


def identity(table: str) -> tuple[str, ...]:
    """The columns that tell a row of a table from every other: its natural key."""
    columns: tuple[str, ...] = metadata.tables[table].info["identity"]
    return columns


def own_key(table: str) -> str | None:
    """The column of a table's own integer keys, ``<table>_id``; None if it has none."""
    name = f"{table}_id"
    return name if name in metadata.tables[table].columns else None


def is_enforced(table: str, columns: tuple[str, ...]) -> bool:
    """Whether DuckDB itself sees to it that no two rows have the same values in these columns."""
    constraints = metadata.tables[table].constraints
    keys = [c for c in constraints if isinstance(c, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    return any(set(key.columns.keys()) == set(columns) for key in keys)


def references(table: str) -> dict[str, Reference]:
    """The columns of a table that refer to another, and where to."""
    columns = metadata.tables[table].columns
    return {column.name: _reference(table, column) for column in columns if "refers" in column.info}


def _reference(table: str, column: "sa.Column[object]") -> Reference:
    parent, key = column.info["refers"].split(".")
    return Reference(table, column.name, parent, key, bool(column.foreign_keys), bool(column.nullable))


def owners(table: str) -> list[Reference]:
    """The references to what a row of a table belongs to; none for a table whose rows stand on their own."""
    return [references(table)[column] for column in metadata.tables[table].info["owner"]]


@cache
def rows_of(root: str) -> dict[str, str]:
    """By table, the condition that a row belongs to the row of ``root`` whose key is the parameter ``$key``.

    A row belongs to its owners, and to whatever these belong to. In an order in which rows can be deleted: what belongs
    to a row comes before it, ``root`` last.
    """
    found = {table: condition for table in metadata.tables if (condition := _belongs(root, table))}
    return {table: found[table] for table in sorted(found, key=lambda table: (-_depth(table), table))}


def _belongs(root: str, table: str) -> str:
    """The condition that a row of a table belongs to the row of ``root``; empty if none can."""
    if table == root:
        return f"{own_key(root)} = $key"
    return " OR ".join(filter(None, (_leads(root, owner) for owner in owners(table))))


def _leads(root: str, reference: Reference) -> str:
    """The condition that a reference leads to a row that belongs to the row of ``root``; empty if none does."""
    condition = _belongs(root, reference.parent)
    if condition in ("", f"{reference.key} = $key"):
        return condition and f"{reference.column} = $key"
    return _in(reference, condition)


def _in(reference: Reference, condition: str) -> str:
    """The condition that a reference leads to a row that meets one; empty if that is."""
    return condition and f"{reference.column} IN (SELECT {reference.key} FROM {reference.parent} WHERE {condition})"


def _depth(table: str) -> int:
    """How many rows a row belongs to, one above the other."""
    return max((1 + _depth(owner.parent) for owner in owners(table)), default=0)


def depending_on(root: str, changed: Mapping[str, str], dependents: str = "") -> str:
    """The query of the keys of rows of ``dependents`` whose rows refer to a row that goes with ``$key``'s of ``root``.

    Args:
        root: Table whose row ``$key`` goes.
        changed: By table whose rows are made of others', the condition that a row is made of what goes, and would be
            another without it; empty if none is. No reference says so, and none of its own counts.
        dependents: Table of what may depend on it: other rows of ``root`` unless given.
    """
    table_of = dependents or root
    queries = [
        query
        for table in rows_of(table_of)
        for reference in references(table).values()
        if table not in changed and reference not in owners(table)
        for condition in (_leads(root, reference), _in(reference, changed.get(reference.parent, "")))
        if condition
        for query in _roots(table_of, table, condition)
    ]
    key = own_key(table_of)
    others = f" WHERE {key} <> $key" if table_of == root else ""
    found = " UNION ".join(queries) or "SELECT $key WHERE false"
    return f"SELECT {key} FROM ({found}) t({key}){others}"


def _roots(root: str, table: str, condition: str) -> Iterator[str]:
    """The queries of the keys of the rows of ``root`` to which rows of a table that meet a condition belong."""
    if table == root:
        yield f"SELECT {own_key(root)} FROM {root} WHERE {condition}"
    for owner in owners(table):
        inner = f"SELECT {owner.column} FROM {table} WHERE {condition}"
        if owner.parent == root:
            yield inner
        elif owner.parent in rows_of(root):
            yield from _roots(root, owner.parent, f"{owner.key} IN ({inner})")


def references_to(table: str) -> list[Reference]:
    """The columns of all tables that refer to one."""
    return [found for name in metadata.tables for found in references(name).values() if found.parent == table]
