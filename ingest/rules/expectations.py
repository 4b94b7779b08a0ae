"""Expectations of Great Expectations, in words and as the queries that DuckDB checks the same by."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlv.ingest.rules.keys import repeated
from mlv.ingest.rules.rule import Rule
from mlv.schema.store.sql import literal, quoted

_WHITE_SPACE = r"\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
"""What Python's ``\\s`` matches, for RE2, whose own is ASCII."""


EXPECTATIONS: dict[str, set[str]] = {
    "ExpectColumnValuesToNotBeNull": {"column"},
    "ExpectColumnValuesToBeUnique": {"column"},
    "ExpectCompoundColumnsToBeUnique": {"column_list"},
    "ExpectColumnValuesToBeBetween": {"column"},
    "ExpectColumnValuesToBeInSet": {"column", "value_set"},
    "ExpectColumnValuesToMatchRegex": {"column", "regex"},
    "ExpectColumnValuesToNotMatchRegex": {"column", "regex"},
    "ExpectColumnValuesToBeIncreasing": {"column"},
}
"""Expectations that a rule can name, and the arguments that each needs."""


OPTIONS: dict[str, set[str]] = {
    "ExpectColumnValuesToBeBetween": {"min_value", "max_value"},
    "ExpectColumnValuesToBeIncreasing": {"strictly"},
}
"""Further arguments: those that DuckDB checks the same way. Great Expectations has more."""


def expected(
    table: str,
    expectation: str,
    arguments: Mapping[str, Any],
    *,
    name: str = "",
    says: str = "",
    within: Sequence[str] = (),
    where: str = "both",
    origin: str = "",
) -> Rule:
    """The rule that an expectation is met by a table, among rows that agree in the columns ``within``."""
    if where != "ingest" and expectation == "ExpectColumnValuesToBeIncreasing":
        raise ValueError("rows in a store have no order: check it at ingest")
    words = says or _in_words(expectation, arguments)
    return Rule(
        name=name or f"{table}-{expectation}",
        says=words,
        broken=f"rows of {table} do not keep this rule: {words}",
        table=table,
        query="" if where == "ingest" else unmet(table, expectation, arguments, within),
        expectation=expectation,
        arguments=arguments,
        gate=where != "store",
        origin=origin,
    )


def _in_words(expectation: str, arguments: Mapping[str, Any]) -> str:
    """An expectation as a sentence."""
    column = arguments.get("column", "")
    low, high = arguments.get("min_value"), arguments.get("max_value")
    ends = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    return {
        "ExpectColumnValuesToNotBeNull": f"{column} is never missing",
        "ExpectColumnValuesToBeUnique": f"{column} is unique",
        "ExpectCompoundColumnsToBeUnique": f"{', '.join(arguments.get('column_list', ()))} together are unique",
        "ExpectColumnValuesToBeBetween": f"{column} is {' and '.join(ends)}",
        "ExpectColumnValuesToBeInSet": f"{column} is one of {', '.join(map(str, arguments.get('value_set', ())))}",
        "ExpectColumnValuesToMatchRegex": f"{column} matches {arguments.get('regex')}",
        "ExpectColumnValuesToNotMatchRegex": f"{column} does not match {arguments.get('regex')}",
        "ExpectColumnValuesToBeIncreasing": f"{column} increases from row to row",
    }[expectation]


def unmet(table: str, expectation: str, arguments: Mapping[str, Any], within: Sequence[str] = ()) -> str:
    """The query of the rows that do not meet an expectation. As in Great Expectations, a missing value meets all."""
    if expectation.endswith("ToBeUnique"):
        return repeated(quoted(table), arguments.get("column_list") or [arguments["column"]], within)
    column = quoted(arguments["column"])
    if expectation == "ExpectColumnValuesToBeIncreasing":
        falls = "<=" if arguments.get("strictly") else "<"
        before = f"lag({column} IGNORE NULLS) OVER (ORDER BY rowid)"
        return f"SELECT * FROM {quoted(table)} QUALIFY {column} {falls} {before}"
    low, high = arguments.get("min_value"), arguments.get("max_value")
    ends = [f"{column} < {_literal(low)}"] * (low is not None) + [f"{column} > {_literal(high)}"] * (high is not None)
    condition = {
        "ExpectColumnValuesToNotBeNull": f"{column} IS NULL",
        "ExpectColumnValuesToBeBetween": " OR ".join(ends) or "false",
        "ExpectColumnValuesToBeInSet": f"{column} NOT IN ({', '.join(map(_literal, arguments.get('value_set', ())))})",
        "ExpectColumnValuesToMatchRegex": f"NOT regexp_matches({column}, {_pattern(arguments)})",
        "ExpectColumnValuesToNotMatchRegex": f"regexp_matches({column}, {_pattern(arguments)})",
    }[expectation]
    return f"SELECT * FROM {quoted(table)} WHERE {condition}"


def _literal(value: object) -> str:
    """A number or text as SQL."""
    return literal(value) if isinstance(value, str) else str(value)


def _pattern(arguments: Mapping[str, Any]) -> str:
    """A regular expression of Python for DuckDB's RE2."""
    regex = str(arguments.get("regex", ""))
    return _literal(regex.replace(r"\S", f"[^{_WHITE_SPACE}]").replace(r"\Z", r"\z"))
