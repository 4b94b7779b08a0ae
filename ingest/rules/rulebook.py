"""Rules: what must hold of rows before they enter the store, and of the store ever after; one list, in words and SQL.

The rules of mlv are the TOML files in ``rules/``; a researcher's own are files of the same form. ``docs/checks.md``
says how they are written. A rule is an expectation of Great Expectations on the columns of a table or view, or a query
that finds what must not be. Great Expectations checks expectations on frames, at the gates of ingest
(``mlv.ingest.rules.gates``). In the store DuckDB checks the same expectations, each as the query of the rows that do
not
meet it: Great Expectations takes seconds to import, cannot read a DuckDB file by itself, and would need its tables as
frames in memory, where a store may have 60 million rows.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mlv.schema.errors import DataError, format_validation_errors, listed
from mlv.schema.store.rows import number
from mlv.schema.store.sql import literal, quoted

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

EXAMPLES = 3
"""Offending rows that a result shows."""

_WHITE_SPACE = r"\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
"""What Python's ``\\s`` matches, for RE2, whose own is ASCII."""


@dataclass(frozen=True)
class Rule:
    """Something that must hold."""

    name: str
    says: str
    """What holds where the rule is kept, in words."""

    broken: str
    """What there is where it is not kept: goes after a number."""

    table: str
    """Table or view that it is about: whose rows are counted as checked."""

    query: str = ""
    """Finds the rows that break it; empty for an expectation that is checked at ingest alone."""

    counts: bool = False
    """Whether the query answers the number of rows that break it instead."""

    parts: str = ""
    """Query of the pairs of keys that ``{floor}`` and ``{ceiling}`` in a query that counts stand for, one after
    another: what needs memory for every row then needs it for some at a time."""

    expectation: str = ""
    """Class in ``great_expectations.expectations``, e.g. ``ExpectColumnValuesToBeUnique``; empty for a query alone."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the expectation."""

    gate: bool = False
    """Whether rows have to keep it before they enter the store."""

    origin: str = ""
    """File that declares it."""

    parent: str = ""
    """Table that a reference leads to; empty for other rules."""


@dataclass(frozen=True)
class Outcome:
    """What checking a rule in a store gave."""

    rule: Rule
    checked: int
    """Rows of the rule's table."""

    violations: int
    examples: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    """Why the rule could not be checked; empty where it was."""

    @property
    def ok(self) -> bool:
        """Whether the rule is kept."""
        return not self.violations and not self.error

    @property
    def sentence(self) -> str:
        """What is wrong."""
        if self.error:
            return f"the rule {self.rule.name} cannot be checked: {self.error}"
        return f"{self.violations:,} {self.rule.broken}"

    @property
    def shown_examples(self) -> list[str]:
        """Offending rows as text."""
        return [_as_text(row) for row in self.examples]

    def record(self) -> dict[str, Any]:
        """The outcome for a script."""
        return {
            "name": self.rule.name,
            "says": self.rule.says,
            "table": self.rule.table,
            "ok": self.ok,
            "checked": self.checked,
            "violations": self.violations,
            "examples": self.examples,
            "error": self.error,
        }


def _as_text(row: Mapping[str, Any]) -> str:
    if len(row) == 1:
        return str(next(iter(row.values())))
    return ", ".join(f"{name}={value}" for name, value in row.items())


class _Declared(BaseModel):
    """A rule as a file has it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    table: str
    never: str = ""
    query: str = ""
    expectation: str = ""
    arguments: dict[str, Any] = {}
    says: str = ""
    within: list[str] = []
    where: Literal["ingest", "store", "both"] = "store"

    @model_validator(mode="after")
    def _one_kind(self) -> "_Declared":
        if bool(self.query) == bool(self.expectation) or bool(self.query) != bool(self.never):
            raise ValueError("a rule has either `query` and `never`, or `expectation` and `arguments`")
        if self.expectation and self.expectation not in _EXPECTATIONS:
            raise ValueError(f"there is no expectation {self.expectation!r}; there are {', '.join(_EXPECTATIONS)}")
        needed = _EXPECTATIONS.get(self.expectation, set())
        if missing := needed - self.arguments.keys():
            raise ValueError(f"{self.expectation} needs the arguments {', '.join(sorted(missing))}")
        if unknown := self.arguments.keys() - needed - _OPTIONS.get(self.expectation, set()):
            raise ValueError(f"{self.expectation} cannot have the arguments {', '.join(sorted(unknown))} here")
        return self

    def rule(self, origin: str) -> Rule:
        """The rule that is meant."""
        if self.query:
            return Rule(self.name, f"no {self.never}", self.never, self.table, self.query.strip(), origin=origin)
        return expected(
            self.table,
            self.expectation,
            self.arguments,
            name=self.name,
            says=self.says,
            within=self.within,
            where=self.where,
            origin=origin,
        )


class _RuleFile(BaseModel):
    """A file of rules."""

    model_config = ConfigDict(extra="forbid")

    rule: list[_Declared] = []
    unique: dict[str, list[list[str]]] = {}
    """Table: lists of columns that are unique together."""

    references: dict[str, str] = {}
    """``table.column`` = ``parent.column`` that has each of its values."""


_EXPECTATIONS: dict[str, set[str]] = {
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

_OPTIONS: dict[str, set[str]] = {
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
    words = says or _in_words(expectation, arguments)
    return Rule(
        name=name or f"{table}-{expectation}",
        says=words,
        broken=f"rows of {table} do not keep this rule: {words}",
        table=table,
        query="" if where == "ingest" else _unmet(table, expectation, arguments, within),
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


def _unmet(table: str, expectation: str, arguments: Mapping[str, Any], within: Sequence[str]) -> str:
    """The query of the rows that do not meet an expectation. As in Great Expectations, a missing value meets all."""
    if expectation == "ExpectColumnValuesToBeIncreasing":
        raise ValueError("rows in a store have no order: check it at ingest")
    if expectation.endswith("ToBeUnique"):
        return _repeated(table, arguments.get("column_list") or [arguments["column"]], within)
    column = quoted(arguments["column"])
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


def _repeated(table: str, columns: Sequence[str], within: Sequence[str] = ()) -> str:
    """The query of the rows that are not the only ones with their values, unless all of ``columns`` are missing."""
    keys = [quoted(name) for name in (*within, *columns)]
    present = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in columns)
    same = " AND ".join(f"t.{key} IS NOT DISTINCT FROM r.{key}" for key in keys)
    listed = ", ".join(keys)
    return (
        f"SELECT {', '.join(f't.{key}' for key in keys)} FROM {quoted(table)} t SEMI JOIN ("
        f"SELECT {listed} FROM {quoted(table)} WHERE {present} GROUP BY {listed} HAVING count(*) > 1) r ON {same}"
    )


def _literal(value: object) -> str:
    """A number or text as SQL."""
    return literal(value) if isinstance(value, str) else str(value)


def _pattern(arguments: Mapping[str, Any]) -> str:
    """A regular expression of Python for DuckDB's RE2."""
    regex = str(arguments.get("regex", ""))
    return _literal(regex.replace(r"\S", f"[^{_WHITE_SPACE}]").replace(r"\Z", r"\z"))


def _unique_rule(table: str, columns: Sequence[str], origin: str) -> Rule:
    key = ", ".join(columns)
    return Rule(
        name=f"{table}-unique-{'-'.join(columns)}",
        says=f"no two rows of {table} have the same ({key})",
        broken=f"rows whose ({key}) occur more than once in {table}",
        table=table,
        query=_repeated(table, columns),
        origin=origin,
    )


def _reference_rule(child: str, parent: str, origin: str) -> Rule:
    (table, column), (owner, key) = child.split("."), parent.split(".")
    return Rule(
        name=f"{table}-{column}",
        says=f"every {column} of {table} is in {owner}",
        broken=f"rows of {table} have a {column} that {owner} lacks",
        table=table,
        query=f"SELECT * FROM {quoted(table)} t WHERE t.{quoted(column)} IS NOT NULL "
        f"AND t.{quoted(column)} NOT IN (SELECT {quoted(key)} FROM {quoted(owner)})",
        origin=origin,
        parent=owner,
    )


@cache
def packaged() -> tuple[Rule, ...]:
    """The rules of mlv."""
    tables = [entry for entry in files("mlv.ingest.rules").iterdir() if entry.name.endswith(".toml")]
    return tuple(_read_all(sorted(tables, key=lambda file: file.name)))


def gates(table: str) -> list[Rule]:
    """What rows of a table have to keep before they enter the store."""
    return [rule for rule in packaged() if rule.gate and rule.table == table]


def own_rules(paths: Iterable[Path]) -> list[Rule]:
    """The rules of a researcher's files and of the TOML files in folders.

    Raises DataError that lists all that is wrong with them, or with their names beside those of mlv.
    """
    found: list[Traversable] = []
    for path in paths:
        found += sorted(path.glob("*.toml")) if path.is_dir() else [path]
    rules = _read_all(found)
    names = [rule.name for rule in (*packaged(), *rules)]
    if twice := sorted({rule.name for rule in rules if names.count(rule.name) > 1}):
        raise DataError(f"These names of rules are taken: {', '.join(twice)}.", "Give each rule a name of its own.")
    return rules


def _read_all(found: Iterable["Traversable"]) -> list[Rule]:
    """The rules of all files. Raises DataError that lists what is wrong."""
    rules: list[Rule] = []
    problems: list[str] = []
    for file in found:
        try:
            rules += _read(file)
        except ValidationError as error:
            problems += [f"{file}: {line}" for line in format_validation_errors(error, _RuleFile)]
        except (OSError, ValueError) as error:
            problems.append(f"{file}: {error}")
    if problems:
        raise DataError(
            f"These rules cannot be read:{listed(problems)}", "See docs/checks.md for how a rule is written."
        )
    return rules


def _read(file: "Traversable") -> Iterator[Rule]:
    declared = _RuleFile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    for text in declared.rule:
        yield text.rule(file.name)
    for table, keys in declared.unique.items():
        yield from (_unique_rule(table, columns, file.name) for columns in keys)
    for child, parent in declared.references.items():
        if child.count(".") != 1 or parent.count(".") != 1:
            raise ValueError(f'references: "table.column" = "parent.column" is meant, not "{child}" = "{parent}"')
        yield _reference_rule(child, parent, file.name)


def evaluate(connection: duckdb.DuckDBPyConnection, rules: Iterable[Rule]) -> list[Outcome]:
    """Check rules in a store; those for ingest alone are left out."""
    sizes: dict[str, int] = {}
    return [_outcome(connection, rule, sizes) for rule in rules if rule.query]


def _outcome(connection: duckdb.DuckDBPyConnection, rule: Rule, sizes: dict[str, int]) -> Outcome:
    try:
        if rule.table not in sizes:
            sizes[rule.table] = number(connection, f"SELECT count(*) FROM {quoted(rule.table)}")
        violations = sum(number(connection, statement) for statement in _statements(connection, rule))
        return Outcome(rule, sizes[rule.table], violations, _examples(connection, rule) if violations else [])
    except duckdb.Error as error:
        return Outcome(rule, sizes.get(rule.table, 0), 0, error=str(error).splitlines()[0])


def _statements(connection: duckdb.DuckDBPyConnection, rule: Rule) -> list[str]:
    """What counts the rows that break a rule, in parts."""
    if rule.parts:
        ranges = connection.execute(rule.parts).fetchall()
        return [rule.query.format(floor=floor, ceiling=ceiling) for floor, ceiling in ranges]
    return [rule.query if rule.counts else f"SELECT count(*) FROM ({rule.query})"]


def _examples(connection: duckdb.DuckDBPyConnection, rule: Rule) -> list[dict[str, Any]]:
    """The first rows that break a rule."""
    if rule.counts:
        return []
    rows = connection.execute(f"SELECT * FROM ({rule.query}) ORDER BY ALL LIMIT {EXAMPLES}")
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
