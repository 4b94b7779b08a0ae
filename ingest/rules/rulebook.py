"""Rules: what must hold of rows before they enter the store, and of the store ever after; one list, in words and SQL.

The rules of mlv are the TOML files in ``rules/`` and those that follow from declarations elsewhere
(``mlv.ingest.rules.generated``); a researcher's own are files of the same form. ``docs/checks.md`` says how they are
written. A rule is an expectation of Great Expectations on the columns of a table or view, or a query that finds what
must not be. DuckDB checks expectations, each as the query of the rows that do not meet it, in the store and first at
the gates of ingest (``mlv.ingest.rules.gates``), where Great Expectations has the last word. That takes seconds to
import, cannot read a DuckDB file by itself, and would need its tables as frames in memory, where a store may have 60
million rows.
"""

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlv.ingest.rules.expectations import EXPECTATIONS, OPTIONS, expected
from mlv.ingest.rules.keys import reference_rule, unique_rule
from mlv.ingest.rules.rule import Rule
from mlv.schema.errors import DataError, format_validation_errors, listed

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


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
    parts: Annotated[str, Field(pattern=r"^(\w+\.\w+)?$")] = ""
    commit: bool = False
    replaces: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> "_Declared":
        if bool(self.query) == bool(self.expectation) or bool(self.query) != bool(self.never):
            raise ValueError("a rule has either `query` and `never`, or `expectation` and `arguments`")
        if self.expectation and self.expectation not in EXPECTATIONS:
            raise ValueError(f"there is no expectation {self.expectation!r}; there are {', '.join(EXPECTATIONS)}")
        needed = EXPECTATIONS.get(self.expectation, set())
        if missing := needed - self.arguments.keys():
            raise ValueError(f"{self.expectation} needs the arguments {', '.join(sorted(missing))}")
        if unknown := self.arguments.keys() - needed - OPTIONS.get(self.expectation, set()):
            raise ValueError(f"{self.expectation} cannot have the arguments {', '.join(sorted(unknown))} here")
        if bool(self.parts) != ("{first}" in self.query and "{last}" in self.query):
            raise ValueError("a rule that is checked in parts has `parts`, and {first} and {last} in its query")
        return self

    def rule(self, origin: str) -> Rule:
        """The rule that is meant."""
        if self.query:
            return Rule(
                name=self.name,
                says=f"no {self.never}",
                broken=self.never,
                table=self.table,
                query=self.query.strip(),
                parts=self.parts,
                commit=self.commit,
                replaces=self.replaces,
                origin=origin,
            )
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


@cache
def packaged() -> tuple[Rule, ...]:
    """The rules of mlv."""
    # the tables' declarations take a while to import, and whoever only reads files does not need them
    from mlv.ingest.rules.generated import generated

    replaced = {rule.replaces for rule in _written()}
    return (*_written(), *(rule for rule in generated() if rule.name not in replaced))


@cache
def _written() -> tuple[Rule, ...]:
    """The rules of mlv's own files."""
    tables = [entry for entry in files("mlv.ingest.rules").iterdir() if entry.name.endswith(".toml")]
    return tuple(_read_all(sorted(tables, key=lambda file: file.name)))


def gates(table: str) -> list[Rule]:
    """What rows of a table have to keep before they enter the store."""
    return [rule for rule in _written() if rule.gate and rule.table == table]


def own_rules(paths: Iterable[Path]) -> list[Rule]:
    """The rules of a researcher's files and of the TOML files in folders.

    Raises DataError that lists all that is wrong with them, or with their names beside those of mlv.
    """
    found: list[Traversable] = []
    for path in paths:
        found += sorted(path.glob("*.toml")) if path.is_dir() else [path]
    rules = _read_all(found)
    if refused := [rule.name for rule in rules if rule.commit or rule.replaces]:
        raise DataError(
            f"`commit` and `replaces` are for the rules of mlv: {', '.join(refused)}.",
            "Leave them out: rules of your own are checked by mlv db check, not at commits.",
        )
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
        yield from (unique_rule(table, columns, file.name) for columns in keys)
    for child, parent in declared.references.items():
        if child.count(".") != 1 or parent.count(".") != 1:
            raise ValueError(f'references: "table.column" = "parent.column" is meant, not "{child}" = "{parent}"')
        (table, column), (owner, key) = child.split("."), parent.split(".")
        yield reference_rule(table, column, owner, key, file.name)
