"""Checking rules in a store."""

from collections.abc import Iterable
from typing import Any

import duckdb

from mlv.ingest.rules.rule import EXAMPLES, Outcome, Rule
from mlv.schema.store.ranges import ROWS_AT_ONCE, ranges
from mlv.schema.store.rows import number
from mlv.schema.store.sql import quoted


def evaluate(
    connection: duckdb.DuckDBPyConnection, rules: Iterable[Rule], at_once: int = ROWS_AT_ONCE
) -> list[Outcome]:
    """Check rules in a store; those for ingest alone are left out. Parts have about ``at_once`` rows each."""
    store = _Store(connection, at_once)
    return [store.outcome(rule) for rule in rules if rule.query]


class _Store:
    """A store under check; what several rules need to know of it is looked up once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, at_once: int) -> None:
        self._connection = connection
        self._at_once = at_once
        self._sizes: dict[str, int] = {}
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def outcome(self, rule: Rule) -> Outcome:
        try:
            if rule.table not in self._sizes:
                self._sizes[rule.table] = count(self._connection, f"FROM {quoted(rule.table)}")
            found = {query: count(self._connection, query) for query in self._queries(rule)}
            examples = next((_examples(self._connection, query) for query, count in found.items() if count), [])
            return Outcome(rule, self._sizes[rule.table], sum(found.values()), examples)
        except duckdb.Error as error:
            return Outcome(rule, self._sizes.get(rule.table, 0), 0, error=str(error).splitlines()[0])

    def _queries(self, rule: Rule) -> list[str]:
        """What finds the rows that break a rule, one query for each of its parts."""
        if not rule.parts:
            return [rule.query]
        if rule.parts not in self._ranges:
            self._ranges[rule.parts] = self._connection.execute(ranges(rule.parts, rows=self._at_once)).fetchall()
        return [within(rule, first, last) for first, last in self._ranges[rule.parts]]


def within(rule: Rule, first: int, last: int) -> str:
    """What finds the rows that break a rule in a range of the column that its parts are ranges of."""
    return rule.query.replace("{first}", str(first)).replace("{last}", str(last))


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """How many rows a query finds."""
    return number(connection, f"SELECT count(*) FROM ({query})")


def _examples(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """The first of the rows that a query finds."""
    rows = connection.execute(f"SELECT * FROM ({query}) ORDER BY ALL LIMIT {EXAMPLES}")
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
