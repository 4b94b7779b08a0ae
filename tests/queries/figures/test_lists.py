"""Words in two columns."""

import polars as pl
import pytest
from matplotlib.figure import Figure

from mlv.queries.figures import lines, lists
from mlv.queries.figures.lines import Lines
from mlv.queries.figures.lists import MOST, Lists
from mlv.queries.figures.sheet import DoesNotFitError

LISTS = Lists("attribute", "change", ("removed", "added"), ("model", "group_name"))


def _rows(*words: tuple[str, str, str]) -> pl.DataFrame:
    rows = [("m", group, change, word) for group, change, word in words]
    return pl.DataFrame(rows, schema=["model", "group_name", "change", "attribute"], orient="row")


def _texts(figure: Figure, gid: str) -> list[list[str]]:
    """By panel, in their order."""
    return [[text.get_text() for text in axes.texts if text.get_gid() == gid] for axes in figure.axes]


def test_words_stand_on_their_sides_as_they_come() -> None:
    rows = _rows(
        ("bakers", "removed", "warm"),
        ("bakers", "kept", "tall"),
        ("bakers", "added", "$x_1$"),
        ("bakers", "removed", "glad"),
        ("cooks", "kept", "tall"),
    )
    figure = lists.draw(rows, LISTS, "caption")
    assert _texts(figure, "word") == [["warm", "glad", "$x_1$"], []]
    assert _texts(figure, "side") == [["removed", "added"]] * 2
    left, right = (
        {text.get_position()[0] for text in figure.axes[0].texts if text.get_text() in of}
        for of in (("warm", "glad", "removed"), ("$x_1$", "added"))
    )
    assert len(left) == len(right) == 1
    assert left != right
    assert not any(text.get_parse_math() for text in figure.axes[0].texts if text.get_gid() == "word")
    assert [text.get_text() for text in figure.texts if text.get_gid() == "title"] == ["bakers", "cooks"]


def test_what_is_left_out_is_counted() -> None:
    rows = _rows(*(("bakers", "added", f"word{number}") for number in range(MOST + 3)))
    ((*words, last),) = _texts(lists.draw(rows, LISTS, ""), "word")
    assert words == [f"word{number}" for number in range(MOST)]
    assert last == "and 3 more"


def test_many_groups_are_refused() -> None:
    rows = _rows(*((f"group{number}", "added", "warm") for number in range(200)))
    with pytest.raises(DoesNotFitError):
        lists.draw(rows, LISTS, "")


def test_lines_of_many_values_have_few_ticks() -> None:
    along = Lines("value", "value", "series", ("setup",), {}, "k")
    for values, ticks in ((range(1, 6), [1, 2, 3, 4, 5]), (range(1, 42), [1, 21, 41])):
        rows = pl.DataFrame({"setup": "a", "series": "b", "k": values, "value": [50.0] * len(values)})
        assert lines.draw(rows, along, "").axes[0].get_xticks().tolist() == ticks
