"""What a rule is, and what checking it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 3
"""Offending rows that a result shows."""


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

    parts: str = ""
    """``table.column`` by ranges of which the query finds them, from ``{first}`` to ``{last}``, so that what needs
    memory for every row needs it for some at a time. Empty for a query that finds them all at once."""

    commit: bool = False
    """Whether a run is refused whose own rows break it; a query without parts then tells their ``run_id``."""

    expectation: str = ""
    """Class in ``great_expectations.expectations``, e.g. ``ExpectColumnValuesToBeUnique``; empty for a query alone."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the expectation."""

    gate: bool = False
    """Whether rows have to keep it before they enter the store."""

    origin: str = ""
    """File that declares it."""

    replaces: str = ""
    """Generated rule that is left out, since this one finds what it would."""


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
