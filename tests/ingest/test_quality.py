"""Quality gates: each on rows that meet it and rows that do not."""

import subprocess
import sys

import polars as pl
import pytest

from mlv.ingest.quality import Gate, between, check_corpus, filled, increasing, matching, one_of, unique, validate
from mlv.schema.errors import DataError

ROWS = pl.DataFrame({"number": [1, 2, 4], "name": ["a", "b", "b"], "gap": ["x", None, "y"]})


@pytest.mark.parametrize(
    ("gate", "found"),
    [
        (filled("gap"), "gap is never missing: 1 of 3 rows do not"),
        (unique("name"), "name is unique: 2 of 3 rows do not, e.g. 'b', 'b'"),
        (between("number", 2, 4), "number is at least 2 and at most 4: 1 of 3 rows do not, e.g. 1"),
        (between("number", None, 3), "number is at most 3: 1 of 3 rows do not, e.g. 4"),
        (one_of("name", ("a", "c")), "name is one of a, c: 2 of 3 rows do not, e.g. 'b', 'b'"),
        (matching("name", "a", "is an a"), "name is an a: 2 of 3 rows do not, e.g. 'b', 'b'"),
    ],
)
def test_a_gate_that_does_not_hold_is_named_with_examples(gate: Gate, found: str) -> None:
    with pytest.raises(DataError) as caught:
        validate(ROWS, "x/y", [gate])
    assert caught.value.message.startswith("x/y does not pass the quality gates (1 of 1 fail):\n  - ")
    assert found in caught.value.message


def test_gates_that_hold_pass() -> None:
    gates = [
        filled("name"),
        unique("number"),
        unique("number", "name"),
        between("number", 1, None),
        increasing("number"),
        one_of("name", ("a", "b")),
        matching("name", "[ab]", "is a letter"),
    ]
    validate(ROWS, "x/y", gates)


def test_columns_are_unique_together() -> None:
    twice = pl.concat([ROWS, ROWS.head(1)])
    with pytest.raises(DataError, match=r"number, name together are unique: 2 of 4 rows"):
        validate(twice, "x/y", [unique("number", "name")])


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
        validate(ROWS.clear(), "x/y", [filled("name")])


def test_a_gate_for_another_frame_is_a_mistake_in_the_program() -> None:
    with pytest.raises(ValueError, match="does not fit the frame"):
        validate(ROWS, "x/y", [filled("absent")])


def test_the_library_is_not_imported_before_a_gate_is_checked() -> None:
    code = "import sys, mlv.ingest.corpora; print('great_expectations' in sys.modules, 'pycountry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
