"""Rules of keys: columns that are unique together, and columns whose values are another's."""

from collections.abc import Collection, Sequence

from mlv.ingest.rules.rule import Rule
from mlv.schema.store.sql import quoted


def unique_rule(
    table: str,
    columns: Sequence[str],
    origin: str,
    *,
    nullable: Collection[str] = (),
    by: str = "",
    commit: bool = False,
) -> Rule:
    """The rule that no two rows of a table have the same values in some columns.

    Args:
        table: Table or view.
        columns: The columns. A missing value is like no other, but in those that are ``nullable``.
        origin: What declares the rule.
        nullable: Columns in which missing values are the same.
        by: One of the columns, by ranges of which the rows are looked at.
        commit: Whether a run is refused whose own rows break the rule.
    """
    key = ", ".join(columns)
    rows = f"(FROM {quoted(table)} WHERE {quoted(by)} BETWEEN {{first}} AND {{last}})" if by else quoted(table)
    return Rule(
        name=unique_name(table, columns),
        says=f"no two rows of {table} have the same ({key})",
        broken=f"rows whose ({key}) occur more than once in {table}",
        table=table,
        query=repeated(rows, columns, nullable),
        parts=f"{table}.{by}" if by else "",
        commit=commit,
        origin=origin,
    )


def unique_name(table: str, columns: Sequence[str]) -> str:
    """Name of the rule of unique columns."""
    return f"{table}-unique-{'-'.join(columns)}"


def repeated(rows: str, columns: Sequence[str], nullable: Collection[str] = ()) -> str:
    """The query of the rows, of a table or a subquery, that are not the only ones with their values."""
    keys = ", ".join(map(quoted, columns))
    own = ", ".join(f"t.{quoted(column)}" for column in columns)
    same = " AND ".join(
        f"t.{quoted(column)} {'IS NOT DISTINCT FROM' if column in nullable else '='} d.{quoted(column)}"
        for column in columns
    )
    return (
        f"SELECT {own} FROM {rows} t "
        f"SEMI JOIN (SELECT {keys} FROM {rows} GROUP BY {keys} HAVING count(*) > 1) d ON {same}"
    )


def reference_rule(table: str, column: str, parent: str, key: str, origin: str) -> Rule:
    """The rule that each value in a column of a table is in the column ``key`` of ``parent``."""
    return Rule(
        name=f"{table}-{column}",
        says=f"every {column} of {table} is in {parent}",
        broken=f"rows of {table} have a {column} that {parent} lacks",
        table=table,
        query=f"SELECT * FROM {quoted(table)} t WHERE t.{quoted(column)} IS NOT NULL "
        f"AND t.{quoted(column)} NOT IN (SELECT {quoted(key)} FROM {quoted(parent)})",
        origin=origin,
    )
