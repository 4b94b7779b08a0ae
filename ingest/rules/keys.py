"""Rules of keys: columns that are unique together, and columns whose values are another's."""

from collections.abc import Sequence

from mlv.ingest.rules.rule import Rule
from mlv.schema.store.sql import quoted


def unique_rule(table: str, columns: Sequence[str], origin: str, *, by: str = "", commit: bool = False) -> Rule:
    """The rule that no two rows of a table have the same values in some columns.

    Args:
        table: Table or view.
        columns: The columns. Missing values are the same, unless a row has no others.
        origin: What declares the rule.
        by: One of the columns, by ranges of which the rows are looked at.
        commit: Whether a run is refused whose own rows break the rule.
    """
    key = ", ".join(columns)
    rows = f"(FROM {quoted(table)} WHERE {quoted(by)} BETWEEN {{first}} AND {{last}})" if by else quoted(table)
    return Rule(
        name=f"{table}-unique-{'-'.join(columns)}",
        says=f"no two rows of {table} have the same ({key})",
        broken=f"rows whose ({key}) occur more than once in {table}",
        table=table,
        query=repeated(rows, columns),
        parts=f"{table}.{by}" if by else "",
        commit=commit,
        origin=origin,
    )


def repeated(rows: str, columns: Sequence[str], within: Sequence[str] = ()) -> str:
    """The query of the rows, of a table or a subquery, that are not the only ones with their values among those that
    agree in the columns ``within``, unless all of ``columns`` are missing.
    """
    keys = [quoted(name) for name in (*within, *columns)]
    present = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in columns)
    same = " AND ".join(f"t.{key} IS NOT DISTINCT FROM r.{key}" for key in keys)
    listed = ", ".join(keys)
    return (
        f"SELECT {', '.join(f't.{key}' for key in keys)} FROM {rows} t SEMI JOIN ("
        f"SELECT {listed} FROM {rows} WHERE {present} GROUP BY {listed} HAVING count(*) > 1) r ON {same}"
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
