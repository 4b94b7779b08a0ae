"""Values from texts and from Python, defaults from the store, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlv.queries import Query, find, install_macros, parse_assignments
from mlv.queries.engine.catalogue import Parameter
from mlv.queries.engine.parameters import bind
from mlv.schema.errors import UsageError
from mlv.schema.store.opening import open_store


@pytest.fixture(scope="module")
def connection(hand_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(hand_store) as connection:
        install_macros(connection)
        yield connection


def _query(**parameters: dict[str, Any]) -> Query:
    return Query(
        name="few",
        version=1,
        question="?",
        grain="",
        paper="",
        reason="",
        columns={},
        text="",
        sha256="",
        parameters={name: Parameter(about="", **fields) for name, fields in parameters.items()},
    )


@pytest.mark.parametrize(
    ("type_name", "given", "value"),
    [
        ("text", "a, b=c", "a, b=c"),
        ("text", "12", "12"),
        ("integer", " 12 ", 12),
        ("integer", 12, 12),
        ("real", "1e-3", 0.001),
        ("real", 2, 2.0),
        ("boolean", "True", True),
        ("boolean", False, False),
        ("text[]", "a,b", ["a", "b"]),
        ("text[]", ("a", "b"), ["a", "b"]),
        ("text[]", "", []),
        ("integer[]", "1,2", [1, 2]),
        ("integer[]", [1, 2], [1, 2]),
        ("integer[]", [], []),
    ],
)
def test_values_take_their_type(connection: duckdb.DuckDBPyConnection, type_name: str, given: Any, value: Any) -> None:
    bound = bind(connection, _query(x={"type": type_name}), {"x": given})["x"]
    assert bound == value
    assert type(bound) is type(value)


@pytest.mark.parametrize(
    ("type_name", "given"),
    [
        ("integer", "1.5"),
        ("integer", True),
        ("integer", "x"),
        ("real", "nan"),
        ("real", True),
        ("boolean", "yes"),
        ("boolean", 1),
        ("text", 1),
        ("text[]", 1),
        ("integer[]", "1,x"),
    ],
)
def test_wrong_types_are_refused(connection: duckdb.DuckDBPyConnection, type_name: str, given: Any) -> None:
    with pytest.raises(UsageError, match="x takes") as caught:
        bind(connection, _query(x={"type": type_name}), {"x": given})
    assert "--param x=" in caught.value.hint


def test_assignments_are_split_at_the_first_equals_sign() -> None:
    assert parse_assignments(["a=1", " b =x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize(
    ("given", "complaint"), [(["a"], "not a parameter"), (["=1"], "not a parameter"), (["a=1", "a=2"], "twice")]
)
def test_bad_assignments_are_refused(given: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_assignments(given)


def test_unknown_parameter_names_near_ones(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match="no parameter 'probeset'") as caught:
        bind(connection, find("agreement"), {"probeset": "wvs7-all"})
    assert "Did you mean probe_set" in caught.value.hint
    assert "mlv query show agreement" in caught.value.hint


@pytest.mark.parametrize(
    ("query", "name", "value", "hint"),
    [
        ("agreement", "score", "means", "mean"),
        ("agreement", "probe_set", "echoes", "echoes-2024, wvs7-all"),
        ("agreement", "strategies", "pretrained,monolingal", "monolingual"),
        ("unchanged", "source", "pcb", "pbc"),
        ("unchanged", "epoch", "7", "0, 1, 2"),
        ("alignment", "countries", "DE,FR", "DE, IR, KR, US"),
    ],
)
def test_values_that_match_nothing_are_refused(
    connection: duckdb.DuckDBPyConnection, query: str, name: str, value: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=f"There is no {name}") as caught:
        bind(connection, find(query), {name: value})
    assert hint in caught.value.hint


def test_defaults_come_from_the_store(connection: duckdb.DuckDBPyConnection) -> None:
    """Neither the illustrative survey nor the larger probe set, and all countries of the probed languages."""
    values = bind(connection, find("alignment"), {})
    assert values == {
        "score": "mean",
        "probe_set": "echoes-2024",
        "survey": "wvs7",
        "weighting": "weighted",
        "countries": ["DE", "IR", "KR"],
        "strategies": ["pretrained", "monolingual", "multilingual", "continued"],
        "model": None,
        "source": None,
        "sentences": None,
        "seed": None,
        "epoch": None,
        "own_country_only": None,
        "ci": None,
    }


def test_a_default_follows_what_is_given_before_it(connection: duckdb.DuckDBPyConnection) -> None:
    values = bind(connection, find("ground_truth_similarity"), {"survey": "zz-demo"})
    assert values["weighting"] == "unweighted"


def test_none_stands_for_the_default(connection: duckdb.DuckDBPyConnection) -> None:
    assert bind(connection, find("agreement"), {"score": None, "epoch": None})["score"] == "mean"


def test_defaults_of_an_empty_store(empty_store: Path) -> None:
    with open_store(empty_store) as connection:
        install_macros(connection)
        bound = bind(connection, find("alignment"), {})
    assert (bound["probe_set"], bound["survey"], bound["weighting"], bound["countries"]) == (None,) * 4
    assert bound["score"] == "mean"
