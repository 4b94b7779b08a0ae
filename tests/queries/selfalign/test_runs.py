"""Which runs are compared, what counts as right, and profiles of chat models, on the study that is computed by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asked_study
import duckdb
import polars as pl
import pytest

from mlv.queries import run
from mlv.schema.errors import UsageError
from mlv.schema.store.opening import connect, open_store

Rows = Callable[..., pl.DataFrame]


@pytest.fixture
def rows(asked_store: Path) -> Iterator[Rows]:
    """Runs a query."""
    with open_store(asked_store) as connection:
        yield lambda name, **parameters: run(connection, name, parameters=parameters).frame


@pytest.fixture
def changed(asked_store: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the store that can be written to."""
    path = tmp_path / "asked.duckdb"
    path.write_bytes(asked_store.read_bytes())
    with connect(path, read_only=False) as connection:
        yield connection


def _change(frame: pl.DataFrame, *columns: str) -> tuple[Any, ...]:
    (row,) = frame.select(*columns).rows()
    return row


def test_the_lowest_draw_says_what_is_misaligned_and_the_next_is_the_control(rows: Rows) -> None:
    frame = rows("self_alignment", model="alpha", language="de")
    assert set(frame.select("zero_shot", "control").rows()) == {("alpha-de-zero-1", "alpha-de-zero-2")}


def test_another_zero_shot_run_can_be_named(rows: Rows) -> None:
    """By the second draw all are misaligned: 9, 1, 5, 3, 7 right of ten, then 9, 2, 10, 5, 8; first 10, 0, 5, 5, 6."""
    frame = rows("self_alignment", zero_shot="alpha-de-zero-2", run="alpha-de-chrf")
    columns = (
        "control",
        "misaligned",
        "improved",
        "same",
        "worse",
        "control_improved",
        "control_same",
        "control_worse",
    )
    assert _change(frame, *columns) == ("alpha-de-zero-1", 5, 80, 20, 0, 40, 20, 40)
    assert rows("self_alignment", zero_shot="beta-de-zero-1", model="alpha").is_empty()
    with pytest.raises(UsageError, match="no zero_shot 'nobody'"):
        rows("self_alignment", zero_shot="nobody")


def test_without_a_second_zero_shot_run_there_is_no_control(rows: Rows) -> None:
    """And a run that was asked the misaligned questions alone says nothing of the others."""
    frame = rows("self_alignment", model="beta", language="de")
    without = [name for name in frame.columns if name.startswith("control") or name.startswith("sign")]
    lacking = [*without, "difference", "probes", "right_before", "right_after", "improved_of_all", "worse_of_all"]
    assert _change(frame, *lacking) == (None,) * len(lacking)
    # of 8 and 0 right of ten 9 and 5 became
    assert _change(frame, "misaligned", "improved", "same", "worse") == (2, 100, 0, 0)


def test_a_run_that_was_asked_the_misaligned_alone_is_compared_with_where_these_are_from(
    changed: duckdb.DuckDBPyConnection,
) -> None:
    spec = 'spec = json_merge_patch(spec, \'{"only_of": "alpha-de-zero-2"}\')'
    changed.execute(f"UPDATE run SET {spec} WHERE name = 'alpha-de-chrf'")
    frame = run(changed, "self_alignment", parameters={"run": "alpha-de-chrf"}).frame
    assert _change(frame, "zero_shot", "control", "probes") == ("alpha-de-zero-2", "alpha-de-zero-1", None)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET seed = 1 WHERE name LIKE '%zero%'",
        "UPDATE run SET spec = json_merge_patch(spec, '{\"samples\": 20}') WHERE name LIKE '%zero%'",
        "UPDATE run SET spec = replace(spec, '\"temperature\":1.0', '\"temperature\":0.5') WHERE name LIKE '%zero%'",
    ],
)
def test_runs_with_other_settings_or_seeds_are_not_compared(changed: duckdb.DuckDBPyConnection, change: str) -> None:
    changed.execute(change)
    frame = run(changed, "self_alignment").frame
    assert frame.filter(pl.col("run") != "beta-de-chrf").is_empty()
    by_name = run(changed, "self_alignment", parameters={"zero_shot": "alpha-de-zero-1"}).frame
    assert by_name.is_empty() == ("seed" not in change)


def test_answers_that_name_no_option_count_against_or_not_at_all(rows: Rows) -> None:
    """Of question 165 5 of 10, or 5 of 8, were right; with demonstrations 5 of 10, or 5 of 9."""
    alike = {"run": "alpha-de-chrf", "answers": "majority"}
    assert _change(rows("self_alignment", **alike), "same", "worse") == (25, 0)
    assert _change(rows("self_alignment", unparsed="excluded", **alike), "same", "worse") == (0, 25)


def test_scores_in_place_of_samples(rows: Rows) -> None:
    """.25, .5, .5 and .75 are below .95; the first two of them rise by .5 and .25. A repetition scores the same."""
    frame = rows("self_alignment", method="scored", run="alpha-de-chrf")
    columns = ("misaligned", "improved", "same", "worse", "control_improved", "control_same", "difference")
    assert _change(frame, *columns) == (4, 50, 50, 0, 0, 100, 50)
    assert _change(frame, "right_before", "right_after") == pytest.approx((59.2, 74.2))
    assert rows("misalignment", method="scored", run="alpha-de-zero-1")["unparsed_share"].to_list() == [None]
    assert rows("self_alignment", method="scored", model="beta").is_empty()


def test_a_scale_has_its_options_on_two_sides(rows: Rows) -> None:
    """Right in Korea are the first two options, the first two and the last two: 9, 5 and 9, then 10, 8 and 8."""
    frame = rows("self_alignment", options="scale")
    assert _change(frame, "misaligned", "improved", "same", "worse", "right_before", "right_after") == pytest.approx(
        (3, 200 / 3, 0, 100 / 3, 230 / 3, 260 / 3)
    )


def test_a_probe_that_is_reversed_can_be_left_out(rows: Rows) -> None:
    of_all, canonical = (
        rows("misalignment", run="beta-ko-zero-1", polarity=polarity) for polarity in ("all", "canonical")
    )
    # 10, 5, 9 (of 164, by its first answer), 1 and 9 right
    assert _change(of_all, "probes", "right_share") == (5, 68)
    assert _change(canonical, "probes", "right_share") == (4, 62.5)


def test_another_country_may_say_what_is_right(rows: Rows) -> None:
    """In Korea the majority is on the first side of 131, 132 and 166, in Germany of 131, 164 and 165."""
    frame = rows("misalignment", run="alpha-de-zero-1", country="KR")
    assert _change(frame, "country", "probes", "right_share") == ("KR", 5, 64)


def test_a_probe_set_restricts_the_questions(changed: duckdb.DuckDBPyConnection) -> None:
    changed.execute("INSERT INTO probe_set VALUES (2, 'small', 1, '')")
    changed.execute(
        "INSERT INTO probe_set_member SELECT 2, question_id, code FROM question WHERE code IN ('131', '164')"
    )
    small = {"probe_set": "small"}
    assert set(run(changed, "misalignment", parameters=small).frame["probes"]) == {2}
    assert run(changed, "majority_answers", parameters={**small, "country": "DE"}).frame["question"].to_list() == [
        "131",
        "164",
    ]
    for name in (
        "option_order",
        "response_outcomes",
        "sampled_and_scored",
        "demonstration_vote",
        "demonstration_similarity",
    ):
        assert run(changed, name, parameters={**small, "language": "de"}).frame["probes"].max() == 2


def test_answers_that_are_missing_are_counted(changed: duckdb.DuckDBPyConnection) -> None:
    changed.execute(
        "DELETE FROM response WHERE run_id = (SELECT run_id FROM run WHERE name = 'beta-de-chrf') AND sample < 5"
    )
    frame = run(changed, "response_outcomes", parameters={"run": "beta-de-chrf"}).frame
    assert _change(frame, "responses", "missing", "answered") == (10, 50, 100)


def test_what_was_shown_to_nobody_is_voted_on_and_nothing_else(rows: Rows) -> None:
    assert rows("demonstration_vote", strategy="chrf_category").height == 1
    for name in ("self_alignment", "option_order", "response_outcomes", "error_distribution"):
        assert "nobody-ko-category" not in rows(name)["run"].to_list()


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("sampled", {("alpha", "de"), ("alpha", "ko"), ("beta", "de"), ("beta", "ko")}),
        ("sampled_chrf", {("alpha", "de"), ("alpha", "ko"), ("beta", "ko")}),
        ("sampled_random", {("alpha", "de")}),
        ("scored", {("alpha", "de")}),
        ("scored_chrf_category", set()),
        ("mean", set()),
    ],
)
def test_chat_models_are_aligned_by_one_profile_a_language(
    rows: Rows, score: str, expected: set[tuple[str, str]]
) -> None:
    """Demonstrations of another country or minority answers, shuffled ones, and a part of the questions make none."""
    frame = rows("alignment", score=score, own_country_only="true")
    assert sorted(frame.select("checkpoint", "language").rows()) == sorted(expected)


def test_a_profile_is_of_the_first_draw(rows: Rows) -> None:
    """First answers of alpha 1, 1, .5, .625 and .4 at first; ranks with .8, .3, .9, .5 and .1 by hand."""
    (rho,) = rows("alignment", score="sampled", own_country_only="true", model="alpha").filter(language="de")["rho"]
    # ranks 4.5 4.5 2 3 1 and 4 2 5 3 1, less 3: 1.5 - 1.5 - 2 + 0 + 4 = 2, squares 9.5 and 10
    assert rho == pytest.approx(2 / 95**0.5)
    structure = rows("similarity_structure", score="sampled", permutations="9", ci="questions")
    assert dict(structure.select("checkpoint", "languages").rows()) == {"alpha": 2, "beta": 2}


def test_rows_do_not_depend_on_how_they_are_stored(asked_store: Path, shuffled: Callable[[Path], Path]) -> None:
    names = {
        entry.name
        for entry in (Path(asked_study.__file__).parents[2] / "queries/selfalign").iterdir()
        if entry.is_dir()
    }
    with open_store(asked_store) as first, open_store(shuffled(asked_store)) as second:
        for name in sorted(names - {"published", "__pycache__"}):
            assert run(first, name).frame.equals(run(second, name).frame), name
