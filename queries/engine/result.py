"""What a query answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mlv.queries.engine.state import StoreState


@dataclass(frozen=True)
class QueryResult:
    """Rows, and what made them."""

    frame: pl.DataFrame
    name: str
    """Name of the query; ``sql`` for SQL by hand."""

    version: int | None
    """Version of the query; None for SQL by hand."""

    sql_sha256: str
    """SHA-256 of the query's file, or of the SQL."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The values that were bound, defaults included."""

    store: StoreState | None = None
    """The state of the store; None if the result is not of one."""

    question: str = ""
    """What it answers; empty for SQL by hand."""

    kept: tuple[str, ...] = ()
    """Columns that were asked for by name, which tables have even if all rows are the same in them."""

    @property
    def title(self) -> str:
        """One line that says how to get the same result again."""
        reference = self.name if self.version is None else f"{self.name}@{self.version}"
        bound = [f"{name}={_as_text(value)}" for name, value in self.parameters.items() if value is not None]
        return " ".join([reference, *bound, f"(SHA-256 {self.sql_sha256[:12]})"])


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark.isspace() for mark in text) else text
