"""What the studies that are computed by hand are asked, as asked.toml beside a study's golden files has it."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from mlv.queries import Query, find

QUERIES = Path(__file__).parents[1] / "queries"


class Asked(NamedTuple):
    """Of a query."""

    store: str
    """Name of the fixture of a store: hand_store, unless said otherwise."""

    parameters: dict[str, str]
    """Where they are not the defaults."""

    figure: dict[str, str]
    """Those under which the rows have one figure."""


def golden(study: str) -> Path:
    """The folder of a study's golden files."""
    return QUERIES / study / "golden"


def asked(query: str | Query) -> Asked:
    """What a query is asked with."""
    query = find(query) if isinstance(query, str) else query
    path = golden(query.study) / "asked.toml"
    entry = tomllib.loads(path.read_text(encoding="utf-8")).get(query.name, {})
    parameters = entry.get("parameters", {})
    return Asked(f"{entry.get('store', 'hand')}_store", parameters, {**parameters, **entry.get("figure", {})})
