"""Quality gates: each on rows that meet it and rows that do not; and that the store is checked for the same."""

import math
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import duckdb
import polars as pl
import pytest

from mlv.ingest.rules.evaluation import evaluate
from mlv.ingest.rules.expectations import expected, unmet
from mlv.ingest.rules.gates import _batches, check_corpus, outcomes, validate
from mlv.ingest.rules.rule import Rule
from mlv.ingest.rules.rulebook import packaged
from mlv.schema.errors import DataError

ROWS = pl.DataFrame({"number": [1, 2, 4], "name": ["a", "b", "b"], "gap": ["x", None, "y"]})
CHARACTERS = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def _rule(expectation: str, **arguments: Any) -> Rule:
    return expected("rows", expectation, arguments, where="ingest")


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (_rule("ExpectColumnValuesToNotBeNull", column="gap"), "gap is never missing: 1 of 3 rows do not"),
        (_rule("ExpectColumnValuesToBeUnique", column="name"), "name is unique: 2 of 3 rows do not, e.g. 'b', 'b'"),
        (
            _rule("ExpectColumnValuesToBeBetween", column="number", min_value=2, max_value=4),
            "number is at least 2 and at most 4: 1 of 3 rows do not, e.g. 1",
        ),
        (
            _rule("ExpectColumnValuesToBeBetween", column="number", max_value=3),
            "number is at most 3: 1 of 3 rows do not, e.g. 4",
        ),
        (
            _rule("ExpectColumnValuesToBeInSet", column="name", value_set=["a", "c"]),
            "name is one of a, c: 2 of 3 rows do not, e.g. 'b', 'b'",
        ),
        (
            _rule("ExpectColumnValuesToMatchRegex", column="name", regex="a"),
            "name matches a: 2 of 3 rows do not, e.g. 'b', 'b'",
        ),
        (
            _rule("ExpectColumnValuesToNotMatchRegex", column="name", regex="a"),
            "name does not match a: 1 of 3 rows do not, e.g. 'a'",
        ),
    ],
)
def test_a_gate_that_does_not_hold_is_named_with_examples(rule: Rule, found: str) -> None:
    with pytest.raises(DataError) as caught:
        validate(ROWS, "x/y", [rule])
    assert caught.value.message.startswith("x/y does not pass the quality gates (1 of 1 fail):\n  - ")
    assert found in caught.value.message


def test_gates_that_hold_pass() -> None:
    rules = [
        _rule("ExpectColumnValuesToNotBeNull", column="name"),
        _rule("ExpectColumnValuesToBeUnique", column="number"),
        _rule("ExpectCompoundColumnsToBeUnique", column_list=["number", "name"]),
        _rule("ExpectColumnValuesToBeBetween", column="number", min_value=1),
        _rule("ExpectColumnValuesToBeIncreasing", column="number", strictly=True),
        _rule("ExpectColumnValuesToBeInSet", column="name", value_set=["a", "b"]),
        _rule("ExpectColumnValuesToMatchRegex", column="name", regex="[ab]"),
        _rule("ExpectColumnValuesToNotMatchRegex", column="name", regex="c"),
    ]
    validate(ROWS, "x/y", rules)


def test_columns_are_unique_together() -> None:
    twice = pl.concat([ROWS, ROWS.head(1)])
    with pytest.raises(DataError, match=r"number, name together are unique: 2 of 4 rows"):
        validate(twice, "x/y", [_rule("ExpectCompoundColumnsToBeUnique", column_list=["number", "name"])])


def test_every_gate_that_fails_is_reported() -> None:
    bad = pl.DataFrame(
        {"position": [0, 2, 2], "parallel_key": ["a", "a", ""], "text": ["fine", " a", "b  c"]},
    )
    with pytest.raises(DataError) as caught:
        check_corpus(bad, "pbc/fa/x")
    assert [line.split(":")[0] for line in caught.value.message.splitlines()[1:]] == [
        "  - parallel_key is unique",
        "  - parallel_key is not empty",
        "  - text is not empty and has no stray white space",
        "  - position increases from row to row",
    ]
    assert "Nothing was written" in caught.value.hint


def test_segments_as_readers_make_them_pass() -> None:
    check_corpus(pl.DataFrame({"position": [0, 1], "parallel_key": ["a", "b"], "text": ["a b", "به نام"]}), "x")


def test_rows_there_must_be() -> None:
    with pytest.raises(DataError, match="there is at least one row"):
        validate(ROWS.clear(), "x/y", [_rule("ExpectColumnValuesToNotBeNull", column="name")])


def test_a_gate_for_another_frame_is_a_mistake_in_the_program() -> None:
    with pytest.raises(ValueError, match="does not fit the frame"):
        validate(ROWS, "x/y", [_rule("ExpectColumnValuesToNotBeNull", column="absent")])


@pytest.mark.parametrize(("text", "imported"), [("fine", False), (" not fine", True)])
def test_the_library_is_imported_where_a_gate_is_not_kept(text: str, imported: bool) -> None:
    code = f"""
import sys, polars as pl
from mlv.ingest.writing.corpora import check_corpus
from mlv.schema.errors import DataError
try:
    check_corpus(pl.DataFrame({{"position": [0], "parallel_key": ["a"], "text": [{text!r}]}}), "x")
except DataError as error:
    print(error.message)
print("great_expectations" in sys.modules, "pycountry" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{imported} False"
    assert ("no stray white space: 1 of 1 rows do not" in done.stdout) == imported


def test_great_expectations_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlv.ingest.rules.gates.unmet", lambda *_: "SELECT 1")
    validate(ROWS, "x/y", [_rule("ExpectColumnValuesToNotBeNull", column="name")])


NASTY = pl.DataFrame(
    {
        "text": [
            "a",
            "a b",
            " a",
            "a ",
            "a\n",
            "",
            None,
            "a\u3000b",
            "\u200a",
            "it's",
            "[MASK]\n[MASK]",
            "a",
            None,
            "é",
        ],
        "number": [1.0, 0.0, -0.5, None, 1.0, 2.0, 1e300, 0.5, 0.25, 3.0, 3.0, 1.5, None, float("nan")],
        "also": [1, 2, 3, None, 5, 6, None, 8, 9, 10, 10, 1, None, 14],
    }
)

FILES = {
    "segment": pl.DataFrame(
        {
            "position": [0, 1, 2, 2, 4, 5],
            "parallel_key": ["a", "b", "b", "", None, "\u2003"],
            "text": ["a b", "به نام", " a", "a  b", None, "a\u3000b"],
        }
    ),
    "v_probe": pl.DataFrame(
        {
            "collection": ["demo"] * 6,
            "language": ["fa", "ko", "fa", "hi", "hi", "ru"],
            "question": [1, 1, 1, 2, 3, 3],
            "template": ["x [MASK]", "[MASK].", "x", "[MASK] [MASK]", "[MASK]\n[MASK]", "[mask]"],
            "answer_first": ["a", "b c", "", " ", "\n", "a"],
            "answer_second": ["b", "d", "a", "\u200a", "\x85", ""],
            "polarity": ["canonical", "reversed", "Canonical", "", "undefined", "no"],
        }
    ),
    "survey_response": pl.DataFrame(
        {
            "country": ["KR", "KR", "IR", "KR", "IR", "IR"],
            "variable": ["Q1", "Q2", "Q1", "Q1", "Q1", "Q1"],
            "response_code": [1, 1, 1, 1, 1, 2],
            "share": [0.0, 1.0, -1e-9, 1.0000001, None, float("nan")],
            "weighted_share": [0.5, None, 1.5, -0.5, float("inf"), float("nan")],
            "n": [0, None, -1, 5, 6, 7],
        }
    ),
}
"""Files of each kind that has gates: two rows that keep them all, then rows that break each."""

GATES = [rule for rule in packaged() if rule.gate]


def _found_by_duckdb(rule: Rule, frame: pl.DataFrame) -> tuple[bool, list[str]]:
    """Verdict and failing values, of the rule's own query or, where the store has the rule as a key, of the same."""
    rule = rule if rule.query else replace(rule, query=unmet(rule.table, rule.expectation, rule.arguments))
    columns = ", ".join(_columns(rule))
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"CREATE TABLE {rule.table} AS FROM frame")
        (outcome,) = evaluate(connection, [rule])
        rows = connection.execute(f"SELECT {columns} FROM ({rule.query})").fetchall()
    assert outcome.error == ""
    assert outcome.violations == len(rows)
    return outcome.ok, sorted(_plain(row, nan=math.inf) for row in rows)


def _found_by_great_expectations(rule: Rule, frame: pl.DataFrame) -> tuple[bool, list[str]]:
    outcome = outcomes(frame, [rule])[0]
    found = outcome.result["partial_unexpected_list"]
    assert outcome.result["unexpected_count"] == len(found)
    rows = (value.values() if isinstance(value, dict) else [value] for value in found)
    return outcome.success, sorted(_plain(row, nan=None) for row in rows)


def _columns(rule: Rule) -> list[str]:
    return list(rule.arguments.get("column_list") or [rule.arguments["column"]])


def _plain(values: Iterable[Any], nan: float | None) -> str:
    """Values as text, numbers as floats as pandas has integers with gaps, and what NaN stands for in its place."""
    numbers = (float(value) if isinstance(value, int) else value for value in values)
    return repr([nan if isinstance(value, float) and math.isnan(value) else value for value in numbers])


@pytest.mark.parametrize("rule", GATES, ids=lambda rule: rule.name)
def test_a_gate_finds_what_the_same_rule_finds_in_a_store(rule: Rule) -> None:
    frame = FILES[rule.table]
    at_ingest = _found_by_great_expectations(rule, frame)
    assert at_ingest == _found_by_duckdb(rule, frame)
    assert not at_ingest[0]
    assert 0 < len(at_ingest[1]) < frame.height
    kept = frame.head(2)
    assert _found_by_great_expectations(rule, kept) == _found_by_duckdb(rule, kept) == (True, [])


@pytest.mark.parametrize(
    ("expectation", "arguments"),
    [
        ("ExpectColumnValuesToNotBeNull", {"column": "text"}),
        ("ExpectColumnValuesToNotBeNull", {"column": "number"}),
        ("ExpectColumnValuesToBeUnique", {"column": "text"}),
        ("ExpectColumnValuesToBeUnique", {"column": "number"}),
        ("ExpectColumnValuesToBeUnique", {"column": "also"}),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["text", "number"]}),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["text", "also"]}),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["number", "also"]}),
        ("ExpectColumnValuesToBeBetween", {"column": "number", "min_value": 0, "max_value": 1}),
        ("ExpectColumnValuesToBeBetween", {"column": "number", "min_value": 0.5}),
        ("ExpectColumnValuesToBeBetween", {"column": "also", "max_value": 9}),
        ("ExpectColumnValuesToBeInSet", {"column": "text", "value_set": ["a", "it's"]}),
        ("ExpectColumnValuesToBeInSet", {"column": "number", "value_set": [1, 3, 0.5]}),
        *(
            (rule.expectation, {**rule.arguments, "column": "text"})
            for rule in packaged()
            if rule.expectation.endswith("Regex")
        ),
    ],
)
def test_duckdb_and_great_expectations_find_the_same(expectation: str, arguments: dict[str, Any]) -> None:
    rule = expected("rows", expectation, arguments)
    assert _found_by_great_expectations(rule, NASTY) == _found_by_duckdb(rule, NASTY)


@pytest.mark.parametrize("strictly", [True, False])
def test_an_order_of_rows_is_checked_at_ingest_alone(strictly: bool) -> None:
    arguments = {"column": "number", "strictly": strictly}
    rule = expected("rows", "ExpectColumnValuesToBeIncreasing", arguments, where="ingest")
    assert rule.query == ""
    rows = pl.DataFrame({"number": [1, 3, None, 3, 2, 2, 5]})
    assert _found_by_great_expectations(rule, rows) == _found_by_duckdb(rule, rows)
    with pytest.raises(ValueError, match="check it at ingest"):
        expected("rows", rule.expectation, arguments)


def test_a_missing_value_is_alike_to_none_within_others() -> None:
    rows = pl.DataFrame({"edition": ["a", "a", "b", None, None], "text": [None, None, "x", "y", "y"]})
    rule = expected("rows", "ExpectColumnValuesToBeUnique", {"column": "text"}, within=["edition"])
    assert _found_by_duckdb(rule, rows) == (False, ["['y']"] * 2)


def test_a_range_is_not_kept_by_what_is_no_number() -> None:
    with pytest.raises(DataError, match="number is at most 3: 1 of 2 rows do not"):
        validate(
            pl.DataFrame({"number": [1.0, float("nan")]}),
            "x/y",
            [_rule("ExpectColumnValuesToBeBetween", column="number", max_value=3)],
        )


def test_many_files_start_great_expectations_once() -> None:
    batches = _batches()
    for _ in range(2):
        with pytest.raises(DataError):
            check_corpus(FILES["segment"], "x")
    assert _batches() is batches
    assert len(batches.data_asset.batch_definitions) == 1


def test_white_space_is_the_same_to_duckdb_as_to_python() -> None:
    rule = expected("characters", "ExpectColumnValuesToMatchRegex", {"column": "character", "regex": r"\A\S\Z"})
    with duckdb.connect() as connection:
        connection.register("frame", pl.DataFrame({"character": CHARACTERS}))
        connection.execute("CREATE TABLE characters AS FROM frame")
        spaces = {row[0] for row in connection.execute(rule.query).fetchall()}
    assert spaces == {character for character in CHARACTERS if not re.search(r"\A\S\Z", character)}
