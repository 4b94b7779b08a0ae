"""Results as papers print them: which columns, languages as columns, and what all rows have alike."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlv.queries import QueryResult, render
from mlv.queries.engine.shaping import Shape, shaped, sheet
from mlv.schema.errors import UsageError

ROWS = pl.DataFrame(
    {
        "run": ["b", "b", "a", None],
        "model": ["nano"] * 4,
        "settings": ["epochs=5 size=1", "epochs=5 size=1", "size=2 epochs=5", None],
        "language": ["fa", "de", "de", "fa"],
        "unchanged": [71.5, 80.25, None, 0.0],
        "unchanged_low": [60.0, 70.5, None, 0.0],
        "unchanged_high": [79.0, 90.0, None, 0.0],
        "p": [0.5, 0.25, 0.125, None],
        "probes": [24, 23, 24, 24],
    }
)


def result(frame: pl.DataFrame = ROWS, **parameters: str) -> QueryResult:
    return QueryResult(frame, "unchanged", 1, "00", parameters, None, "What stayed?")


def test_columns_are_kept_in_the_order_asked_for_each_with_its_interval() -> None:
    found = shaped(result(), Shape(["language", "unchanged", "run"])).frame
    assert found.columns == ["language", "unchanged", "unchanged_low", "unchanged_high", "run"]
    assert_frame_equal(found, ROWS.select(found.columns))


def test_a_column_that_there_is_not_is_named_with_near_ones() -> None:
    for shape in (Shape(["langauge"]), Shape(pivot="langauge"), Shape(pivot="run", values="langauge")):
        with pytest.raises(UsageError, match="no column 'langauge'") as caught:
            shaped(result(), shape)
        assert "Did you mean language" in caught.value.hint


def test_values_of_a_column_become_columns() -> None:
    """Rows are what stands before the first real number; the cells are that number, with its interval."""
    found = shaped(result(), Shape(pivot="language")).frame
    expected = pl.DataFrame(
        {
            "run": ["b", "a", None],
            "model": ["nano"] * 3,
            "settings": ["epochs=5 size=1", "size=2 epochs=5", None],
            "fa": [71.5, None, 0.0],
            "fa_low": [60.0, None, 0.0],
            "fa_high": [79.0, None, 0.0],
            "de": [80.25, None, None],
            "de_low": [70.5, None, None],
            "de_high": [90.0, None, None],
        }
    )
    assert_frame_equal(found, expected)


def test_what_fills_the_cells_and_what_tells_rows_apart_can_be_said() -> None:
    found = shaped(result(), Shape(["run"], "language", "probes")).frame
    assert found.rows(named=True) == [
        {"run": "b", "fa": 24, "de": 23},
        {"run": "a", "fa": None, "de": 24},
        {"run": None, "fa": 24, "de": None},
    ]
    only = shaped(result(ROWS.head(2)), Shape(["p"], "language")).frame
    assert only.rows(named=True) == [{"fa": 0.5, "de": 0.25}]


def test_a_value_that_is_the_name_of_another_column_is_told_from_it() -> None:
    frame = pl.DataFrame({"run": ["x", "y"], "metric": ["run", None], "value": [1.0, 2.0]})
    assert shaped(result(frame), Shape(pivot="metric")).frame.columns == ["run", "metric run", "NULL"]


def test_two_rows_that_would_be_one_cell_are_refused() -> None:
    with pytest.raises(UsageError, match="Several rows have the same model, language") as caught:
        shaped(result(), Shape(["model"], "language", "unchanged"))
    assert "--columns" in caught.value.hint


def test_cells_need_something_to_hold() -> None:
    with pytest.raises(UsageError, match="no column of real numbers"):
        shaped(result(ROWS.select("run", "language", "probes")), Shape(pivot="language"))
    with pytest.raises(UsageError, match="--pivot"):
        shaped(result(), Shape(values="p"))


def test_what_all_rows_have_alike_is_said_once() -> None:
    made = sheet(result(ci="questions"))
    assert made.frame.columns == [name for name in ROWS.columns if name != "model"]
    assert made.frame["settings"].to_list() == ["size=1", "size=1", "size=2", None]
    assert made.caption == (
        "What stayed? In all rows: model nano; settings epochs=5. "
        "In brackets: 95% intervals over questions, by battery."
    )


def test_an_interval_goes_and_stays_with_its_value() -> None:
    alike_ends = ROWS.with_columns(unchanged_low=pl.lit(0.0), p=pl.lit(None, pl.Float64))
    assert sheet(result(alike_ends)).frame.columns == [name for name in ROWS.columns if name not in ("model", "p")]
    alike = ROWS.with_columns(unchanged=pl.lit(1.0), unchanged_low=pl.lit(0.5), unchanged_high=pl.lit(1.0))
    made = sheet(result(alike))
    assert made.frame.columns == ["run", "settings", "language", "p", "probes"]
    assert "unchanged 1.000; unchanged_low 0.500; unchanged_high 1.000" in made.caption


def test_columns_that_were_asked_for_stay() -> None:
    kept = shaped(result(), Shape(["model", "run", "settings"]))
    assert sheet(kept).frame.equals(kept.frame)
    assert sheet(kept).caption == "What stayed?"


def test_a_single_row_stays_but_for_words_of_settings() -> None:
    made = sheet(result(ROWS.head(1)))
    assert made.frame.columns == [name for name in ROWS.columns if name != "settings"]
    assert "settings epochs=5 size=1" in made.caption
    assert sheet(result(ROWS.head(0))).frame.columns == ROWS.columns


@pytest.mark.parametrize(
    ("format_name", "cell", "missing"),
    [
        ("markdown", "| 71.500 [60.000, 79.000] |", "|                    NULL |"),
        ("html", ">71.500 [60.000, 79.000]<", ">\N{EN DASH}<"),
        ("latex", "& 71.500 {[}60.000, 79.000] &", "& -- &"),
    ],
)
def test_intervals_stand_in_brackets(format_name: str, cell: str, missing: str) -> None:
    text = render(result(ci="questions"), format_name).decode()
    assert cell in text
    assert missing in text
    assert "unchanged_low" not in text
    assert "unchanged low" not in text
    assert "unchanged_low" in render(result(ci="questions"), "csv").decode()


def test_what_looks_like_tags_is_text_in_html() -> None:
    frame = pl.DataFrame({"a": ["<script>alert('&\"')</script>", "b"]})
    text = render(QueryResult(frame, "<b>", None, "00", question="<i>?"), "html").decode()
    assert "<td>&lt;script&gt;alert(&#x27;&amp;&quot;&#x27;)&lt;/script&gt;</td>" in text
    assert "<title>&lt;b&gt;</title>" in text
    assert "<caption>&lt;i&gt;?</caption>" in text
