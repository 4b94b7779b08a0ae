"""Quality gates: each on rows that meet it and rows that do not; and that the store is checked for the same."""

import re
import subprocess
import sys
from typing import Any

import duckdb
import polars as pl
import pytest

from mlv.ingest.rules.evaluation import evaluate
from mlv.ingest.rules.expectations import expected
from mlv.ingest.rules.gates import check_corpus, outcomes, validate
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


def test_the_library_is_not_imported_before_a_gate_is_checked() -> None:
    code = (
        "import sys, mlv.ingest.writing.corpora; print('great_expectations' in sys.modules, 'pycountry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


NASTY = pl.DataFrame(
    {
        "text": ["a", "a b", " a", "a ", "a\n", "", None, "a\u3000b", "\u200a", "it's", "[MASK]\n[MASK]", "a"],
        "number": [1.0, 0.0, -0.5, None, 1.0, 2.0, 1e300, 0.5, 0.25, 3.0, 3.0, 1.5],
    }
)


@pytest.mark.parametrize(
    ("expectation", "arguments"),
    [
        ("ExpectColumnValuesToNotBeNull", {"column": "text"}),
        ("ExpectColumnValuesToBeUnique", {"column": "text"}),
        ("ExpectColumnValuesToBeUnique", {"column": "number"}),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["text", "number"]}),
        ("ExpectColumnValuesToBeBetween", {"column": "number", "min_value": 0, "max_value": 1}),
        ("ExpectColumnValuesToBeBetween", {"column": "number", "min_value": 0.5}),
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
    with duckdb.connect() as connection:
        connection.register("frame", NASTY)
        connection.execute("CREATE TABLE rows AS FROM frame")
        (in_store,) = evaluate(connection, [rule])
    at_ingest = outcomes(NASTY, [rule])[0]
    assert in_store.error == ""
    assert (in_store.ok, in_store.violations) == (at_ingest.success, at_ingest.result["unexpected_count"])


def test_white_space_is_the_same_to_duckdb_as_to_python() -> None:
    rule = expected("characters", "ExpectColumnValuesToMatchRegex", {"column": "character", "regex": r"\A\S\Z"})
    with duckdb.connect() as connection:
        connection.register("frame", pl.DataFrame({"character": CHARACTERS}))
        connection.execute("CREATE TABLE characters AS FROM frame")
        spaces = {row[0] for row in connection.execute(rule.query).fetchall()}
    assert spaces == {character for character in CHARACTERS if not re.search(r"\A\S\Z", character)}
