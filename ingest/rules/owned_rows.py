"""Checking rules over the rows that one row of a store owns, such as those that a run brought in."""

from collections.abc import Iterable, Iterator

import duckdb

from mlv.ingest.rules.evaluation import count, within
from mlv.ingest.rules.rule import Rule
from mlv.schema.tables.relations import own_key, references, rows_of


def broken_by(connection: duckdb.DuckDBPyConnection, rules: Iterable[Rule], root: str, key: int) -> list[str]:
    """What is wrong with the rows that belong to a row of the table ``root``, by the rules for commits, counted.

    Only these rows are looked at, however many others a store has.
    """
    owned = _OwnedRows(connection, root, key)
    counted = [
        (sum(count(connection, query) for query in owned.queries(rule)), rule.broken) for rule in rules if rule.commit
    ]
    return [f"{number:,} {broken}" for number, broken in counted if number]


class _OwnedRows:
    """The rows that belong to a row of a table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, root: str, key: int) -> None:
        self._connection = connection
        self._root, self._key = root, key
        self._ranges: dict[tuple[str, str], tuple[int | None, int | None]] = {}

    def queries(self, rule: Rule) -> Iterator[str]:
        """What finds those of them that break a rule."""
        if not rule.parts:
            # a number, which DuckDB takes into the query, as it does not take a parameter
            yield f"SELECT * FROM ({rule.query}) WHERE {own_key(self._root)} = {self._key}"
            return
        table, column = rule.parts.split(".")
        first, last = self._range(table, column)
        if first is not None and last is not None:
            yield within(rule, first, last)

    def _range(self, table: str, column: str) -> tuple[int | None, int | None]:
        """The first and the last value of a column in them; of a reference, in the rows that it leads to: they are few.

        The keys of what a commit enters follow each other, so that no others lie between.
        """
        if refers := references(table).get(column):
            return self._range(refers.parent, refers.key)
        if (table, column) not in self._ranges:
            ((first, last),) = self._connection.execute(
                f"SELECT min({column}), max({column}) FROM {table} WHERE {rows_of(self._root)[table]}",
                {"key": self._key},
            ).fetchall()
            self._ranges[table, column] = first, last
        return self._ranges[table, column]
