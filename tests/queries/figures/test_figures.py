"""Figures: that their marks are their rows, that everything can be read, and that bytes repeat."""

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from asked import asked
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from mlv.queries import QueryResult, run
from mlv.queries.echoes.figures import ORDERS
from mlv.queries.figures import series, style
from mlv.queries.figures.drawing import ENDINGS, restrictions, write
from mlv.queries.figures.sheet import DoesNotFitError
from mlv.queries.studies import draw, drawn_queries
from mlv.schema.errors import NotFoundError, UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import open_store

SETTINGS = "epochs=5 batch_size=8"
TESTS = ["vi", "bn", "xx", "de"]
"""Test languages, not in the papers' order, and one that they do not have."""


def _result(name: str, rows: pl.DataFrame) -> QueryResult:
    return QueryResult(rows, name, 1, "0" * 64, {"score": "mean"})


def _unchanged(tests: list[str] = TESTS, **bounds: float) -> pl.DataFrame:
    rows = [
        {
            "run": f"finetune-{source}-{languages}",
            "model": "nano",
            "source": source,
            "ft_languages": languages,
            "strategy": "monolingual",
            "sentences": 2000,
            "seed": 1,
            "epoch": 5,
            "settings": SETTINGS,
            "language": test,
            "unchanged": 50.0 + 7 * place + 3 * len(source) + column,
            "probes": 237,
        }
        for source in ("pbc", "tanzil")
        for place, languages in enumerate(("fa,ko", "ru", "fa"))
        for column, test in enumerate(tests)
    ]
    frame = pl.DataFrame(rows)
    return frame.with_columns((pl.col("unchanged") + by).alias(f"unchanged_{end}") for end, by in bounds.items())


def _contribution(**bounds: float) -> pl.DataFrame:
    shares = {"bn": (10.0, 20.0, 30.0, 40.0), "de": (70.0, 0.0, 5.0, 25.0)}
    rows = [
        {
            "run": "influence-1",
            "traced_run": "finetune-1",
            "model": "nano",
            "source": "pbc",
            "ft_languages": "fa,hi,ko,ru",
            "sentences": 10000,
            "seed": 1,
            "attribution": "trak",
            "quantity": "answer",
            "direction": "positive",
            "language": test,
            "ft_language": language,
            "contribution": share,
            "examples_share": 25.0,
            "lift": share / 25,
            "targets": 9,
        }
        for test, by_language in shares.items()
        for language, share in zip(("fa", "hi", "ko", "ru"), by_language, strict=True)
    ]
    frame = pl.DataFrame(rows)
    return frame.with_columns((pl.col("contribution") + by).alias(f"contribution_{end}") for end, by in bounds.items())


def _texts(figure: Figure | Axes, gid: str) -> list[str]:
    """Texts of a kind, as they were before lines were broken."""
    found = (text for text in figure.findobj(Text) if isinstance(text, Text))
    return [text.get_text().replace("\n", " ") for text in found if text.get_gid() == gid]


def _ticks(axes: Axes) -> tuple[list[str], list[str]]:
    return tuple([label.get_text() for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis))  # type: ignore[return-value]


def _panels(figure: Figure) -> list[Axes]:
    """The axes that hold cells or marks, without the colour bar's."""
    return [axes for axes in figure.axes if axes.get_gid() != "key"]


def _cells(axes: Axes) -> dict[tuple[str, str], str]:
    """Written values by the labels of their row and column."""
    columns, rows = _ticks(axes)
    return {
        (rows[round(text.get_position()[1])], columns[round(text.get_position()[0])]): text.get_text()
        for text in axes.texts
        if text.get_gid() == "cell"
    }


def test_a_cell_says_its_rows_value_and_panels_are_setups() -> None:
    rows = _unchanged()
    figure = draw(_result("unchanged", rows))
    assert _texts(figure, "title") == ["pbc", "tanzil"]
    assert _texts(figure, "heading") == ["nano, 2,000 sentences, seed 1, epoch 5"]
    for axes, source in zip(_panels(figure), ("pbc", "tanzil"), strict=True):
        expected = {
            (languages.replace(",", ", "), test): f"{value:.1f}"
            for languages, test, value in rows.filter(source=source)
            .select("ft_languages", "language", "unchanged")
            .iter_rows()
        }
        assert _cells(axes) == expected


def test_languages_are_in_the_papers_order_and_others_after() -> None:
    columns, rows = _ticks(_panels(draw(_result("unchanged", _unchanged())))[0])
    assert columns == ["bn", "de", "vi", "xx"]
    assert rows == ["fa", "ru", "fa, ko"]
    tests = echoes.TEST_LANGUAGES
    assert style.ordered("language", ["avg.", *reversed(tests)], ORDERS) == [*tests, "avg."]


def test_a_missing_cell_is_marked_and_two_rows_in_one_are_refused() -> None:
    rows = _unchanged()
    gap = (pl.col("language") == "de") & (pl.col("ft_languages") == "ru")
    assert _cells(_panels(draw(_result("unchanged", rows.filter(~gap))))[0])["ru", "de"] == style.MISSING
    with pytest.raises(UsageError, match="ru and de"):
        draw(_result("unchanged", pl.concat([rows, rows.filter(gap).with_columns(run=pl.lit("again"))])))


def test_intervals_stand_below_values() -> None:
    figure = draw(_result("unchanged", _unchanged(low=-5, high=3)))
    lowest = _cells(_panels(figure)[0])["fa, ko", "vi"]
    assert lowest == "59.0\n54\N{EN DASH}62"
    nulls = _unchanged(low=-5, high=3).with_columns(unchanged_low=None, unchanged_high=None)
    assert _cells(_panels(draw(_result("unchanged", nulls)))[0])["fa, ko", "vi"] == "59.0"


def test_differences_have_signs_and_opposite_colours() -> None:
    rows = pl.DataFrame(
        {
            "model": "nano",
            "base": "nano",
            "source": "pbc",
            "sentences": 2000,
            "strategy": "monolingual",
            "epoch": 5,
            "settings": SETTINGS,
            "language": ["de", "de", "ko", "ko"],
            "country": ["DE", "PK", "DE", "PK"],
            "change": [0.25, -0.25, 0.001, None],
            "ft_languages": "fa;ko",
        }
    )
    figure = draw(_result("alignment_change", rows))
    axes = _panels(figure)[0]
    cells = _cells(axes)
    assert cells["DE", "de"] == "+0.25"
    assert cells["PK", "de"] == "\N{MINUS SIGN}0.25"
    assert cells["DE", "ko"] == "0.00"
    assert cells["PK", "ko"] == style.MISSING
    up, down = (axes.patches[place].get_facecolor() for place in (0, 2))
    assert np.abs(np.subtract(up, down)).max() > 0.2


def test_written_values_stand_out_from_their_cells() -> None:
    """At least 4.5 to 1, WCAG's contrast for text."""
    for name, rows in {"unchanged": _unchanged()}.items():
        for axes in _panels(draw(_result(name, rows))):
            for patch, text in zip(axes.patches, axes.texts, strict=True):
                light = sorted([style.luminance(patch.get_facecolor()), style.luminance(text.get_color())])
                assert (light[1] + 0.05) / (light[0] + 0.05) >= 4.5


def test_pairs_are_below_the_diagonal_and_their_mean_in_the_title() -> None:
    pairs = [("bn", "de", 10.0), ("bn", "ko", 20.0), ("de", "ko", None), ("avg.", "avg.", 15.0)]
    rows = (
        _contribution()
        .head(1)
        .drop("language", "contribution")
        .join(
            pl.DataFrame(pairs, schema=["language_a", "language_b", "consistency"], orient="row").with_columns(
                chance=6.25
            ),
            how="cross",
        )
    )
    figure = draw(_result("influence_consistency", rows))
    assert _cells(_panels(figure)[0]) == {("de", "bn"): "10.0", ("ko", "bn"): "20.0", ("ko", "de"): style.MISSING}
    assert _texts(figure, "title") == ["mean 15.0, by chance 6.2"]


def test_stacked_bars_are_the_shares_and_add_up() -> None:
    rows = _contribution()
    axes = _panels(draw(_result("language_contribution", rows)))[0]
    tests = _ticks(axes)[0]
    assert tests == ["bn", "de"]
    heights = {
        (test, language): bars[place].get_height()
        for language, bars in zip(("fa", "ko", "hi", "ru"), axes.containers, strict=True)
        for place, test in enumerate(tests)
    }
    assert heights == {
        (test, language): share
        for test, language, share in rows.select("language", "ft_language", "contribution").iter_rows()
    }
    for bars in zip(*axes.containers, strict=True):
        tops = [bar.get_y() + bar.get_height() for bar in bars]
        assert [bar.get_y() for bar in bars] == [0, *tops[:-1]]
        assert tops[-1] == pytest.approx(100)
    # over each bar
    assert [np.asarray(line.get_ydata())[0] for line in axes.lines] == [25, 50, 75] * len(tests)


def test_error_bars_reach_from_low_to_high() -> None:
    axes = _panels(draw(_result("language_contribution", _contribution(low=-4, high=6))))[0]
    errors = [part for part in axes.collections if hasattr(part, "get_segments")]
    reaches = [sorted(end[1] for end in segment) for part in errors for segment in part.get_segments()]
    # middles of the segments of fa, ko, hi and ru, for bn and de
    assert reaches == [[middle - 4, middle + 6] for middle in (5, 35, 25, 72.5, 50, 75, 80, 87.5)]


def test_a_run_in_one_language_is_not_drawn_beside_others_and_that_is_said() -> None:
    alone = _contribution().filter(pl.col("ft_language") == "fa")
    alone = alone.with_columns(run=pl.lit("influence-2"), ft_languages=pl.lit("fa"), contribution=pl.lit(100.0))
    both = draw(_result("language_contribution", pl.concat([_contribution(), alone])))
    assert len(_panels(both)) == 1
    assert any("Without 1 runs in one language" in text.get_text() for text in both.findobj(Text))
    assert len(_panels(draw(_result("language_contribution", alone)))) == 1


def test_points_are_their_rows_and_undefined_ones_are_named() -> None:
    rows = pl.DataFrame(
        {
            "model": "nano",
            "strategy": ["pretrained", "monolingual", "monolingual"],
            "source": [None, "pbc", "pbc"],
            "ft_languages": [None, "fa", "ko"],
            "sentences": [None, 2000, 2000],
            "seed": [None, 1, 1],
            "epoch": [0, 5, 5],
            "settings": [None, SETTINGS, SETTINGS],
            "rho": [0.25, -0.125, None],
            "rho_low": [0.0, -0.5, None],
            "rho_high": [0.5, 0.25, None],
        }
    )
    axes = _panels(draw(_result("similarity_structure", rows)))[0]
    assert _ticks(axes)[1][0] == "pretrained"
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [0.25, -0.125]
    assert [text.get_text() for text in axes.texts] == [f"{style.MISSING} undefined"]
    reaches = [[end[0] for end in segment] for segment in axes.collections[0].get_segments()]  # type: ignore[attr-defined]
    assert reaches == [[0.0, 0.5], [-0.5, 0.25]]


def test_people_and_models_are_a_triangle_in_their_order() -> None:
    pairs = {
        ("people", None): ("m", None),
        ("people", "p"): ("m/epoch-5", "fa,ko"),
        ("m", None): ("m/epoch-5", "fa,ko"),
    }
    rows = pl.DataFrame(
        {
            "model": "m",
            "source": "pbc",
            "sentences": 10_000,
            "seed": 1,
            "epoch": 5,
            "settings": SETTINGS,
            "checkpoint_a": [one for one, _ in pairs],
            "ft_languages_a": pl.Series([None, None, None], dtype=pl.String),
            "checkpoint_b": [other for other, _ in pairs.values()],
            "ft_languages_b": [languages for _, languages in pairs.values()],
            "rho": [0.25, -0.5, None],
        }
    )
    axes = _panels(draw(_result("structure_correlation", rows)))[0]
    assert _ticks(axes) == (["people", "pretrained"], ["pretrained", "fa, ko"])
    assert _cells(axes) == {
        ("pretrained", "people"): "0.25",
        ("fa, ko", "people"): "\N{MINUS SIGN}0.50",
        ("fa, ko", "pretrained"): style.MISSING,
    }


def test_marks_never_hide_each_other() -> None:
    twice = pl.concat([_contribution(), _contribution()])
    with pytest.raises(UsageError, match="bn and fa"):
        draw(_result("language_contribution", twice))
    pair = {"checkpoint_a": "a", "checkpoint_b": "b", "category": "security", "agreement": 50.0}
    with pytest.raises(UsageError, match="security and a and\\nb"):
        draw(_result("agreement_by_category", pl.DataFrame([pair, pair])))
    moves = pl.concat([_projection(), _projection()])
    with pytest.raises(UsageError, match="de and fa"):
        draw(_result("profile_pca", moves))


def test_pretrained_models_are_told_apart() -> None:
    rows = pl.DataFrame({"model": ["a", "b"], "strategy": "pretrained", "epoch": 0, "language": "de", "country": "DE"})
    none = dict.fromkeys(["source", "ft_languages", "sentences", "seed"])
    figure = draw(_result("alignment", rows.with_columns(**{name: pl.lit(None) for name in none}, rho=0.5)))
    assert _ticks(_panels(figure)[0])[1] == ["a, pretrained", "b, pretrained"]


def _projection() -> pl.DataFrame:
    setup: dict[str, Any] = dict.fromkeys(
        ["source", "ft_languages", "sentences", "seed", "settings", "survey", "country", "weighting", "language"]
    )
    shared = {"run": "project-1", "probe_set": "p", "explained_x": 0.5, "explained_y": 0.2, **setup}
    before = {"model": "nano", "score": "mean", "epoch": 0}
    after = {**before, "source": "pbc", "sentences": 2000, "seed": 1, "epoch": 5, "settings": SETTINGS}
    rows = [
        {**shared, **before, "language": "de", "x": 0.0, "y": 1.0, "base_x": 0.0, "base_y": 1.0},
        {**shared, **before, "language": "ko", "x": 1.0, "y": 0.0, "base_x": 1.0, "base_y": 0.0},
        {**shared, **after, "ft_languages": "fa", "language": "de", "x": 2.0, "y": 3.0, "base_x": 0.0, "base_y": 1.0},
        {**shared, **after, "ft_languages": "ru", "language": "ko", "x": -1.0, "y": 0.5, "base_x": 1.0, "base_y": 0.0},
        {**shared, "country": "DE", "survey": "s", "weighting": "w", "x": 5.0, "y": 6.0},
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_arrows_lead_from_before_to_after() -> None:
    figure = draw(_result("profile_pca", _projection()))
    moved, countries = _panels(figure)
    ends = [tuple(map(tuple, arrow._posA_posB)) for arrow in moved.patches]  # type: ignore[attr-defined]
    assert ends == [((0.0, 1.0), (2.0, 3.0)), ((1.0, 0.0), (-1.0, 0.5))]
    assert sorted(_texts(moved, "name")) == ["de", "ko"]
    (points,) = [line for line in countries.lines if line.get_gid() == "before"]
    assert np.asarray(points.get_xydata()).tolist() == [[5.0, 6.0]]
    assert _texts(figure, "title") == ["countries"]


def test_histograms_have_negative_scores_on_the_left_and_no_share_where_there_is_no_bin() -> None:
    setup = {"run": "influence-1", "model": "nano", "source": "xnli", "ft_languages": "de,en", "targets": 25}
    bins = {"de": [(-0.5, 1, 20.0), (0.25, 3, 60.0), (0.5, 1, 20.0)], "en": [(0.0, 1000, 100.0)]}
    rows = [
        {**setup, "language": test, "train_language": train, "low": low, "high": low + 0.25, "n": n, "share": share}
        for test in ("de", "en")
        for train, some in bins.items()
        for low, n, share in some
    ]
    figure = draw(_result("influence_distribution", pl.DataFrame(rows)))
    assert _texts(figure, "title") == ["de", "en"]
    for axes in _panels(figure):
        german, english = (patch.get_data() for patch in axes.patches)  # type: ignore[attr-defined]
        assert german.values.tolist() == [20.0, 0, 0, 60.0, 20.0]
        assert german.edges.tolist() == [-0.5, -0.25, 0, 0.25, 0.5, 0.75]
        assert (english.values.tolist(), english.edges.tolist()) == ([100.0], [0, 0.25])
        # two of 2,010 pairs at either end are no reason for a wider panel
        assert axes.get_xlim() == (0.0, 0.5)
    with pytest.raises(UsageError, match=r"0.0 and en with the same setup"):
        draw(_result("influence_distribution", pl.DataFrame([rows[3], rows[3]])))


def _tick_labels(axis: Axis) -> tuple[list[Text], list[Text]]:
    """Labels of an axis that show, and those outside its view, which do not."""
    low, high = sorted(axis.get_view_interval())
    shown: tuple[list[Text], list[Text]] = ([], [])
    for tick in axis.get_major_ticks():
        shown[0 if low - 1e-9 <= tick.get_loc() <= high + 1e-9 else 1].append(tick.label1)
    return shown


def _assert_legible(figure: Figure) -> None:
    """All text lies on the page and is large enough, and no label of an axis covers another."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert (width <= style.PAGE_WIDTH + 1e-6, height <= style.PAGE_HEIGHT + 1e-6) == (True, True)
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels, outside = _tick_labels(axis)
            hidden.update(outside)
            boxes = [(label.get_text(), label.get_window_extent()) for label in labels if label.get_text()]
            for (one, box), (other, its) in itertools.combinations(boxes, 2):
                assert not box.overlaps(its), f"{one} covers {other}"
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text() and text.get_visible() and text not in hidden:
            box = text.get_window_extent()
            assert box.x0 >= -0.5 and box.y0 >= -0.5, text
            assert box.x1 <= figure.bbox.x1 + 0.5 and box.y1 <= figure.bbox.y1 + 0.5, text
            assert float(text.get_fontsize()) >= style.SMALL, text


@pytest.mark.parametrize("name", drawn_queries())
def test_every_figure_of_the_small_stores_is_legible(request: pytest.FixtureRequest, name: str) -> None:
    store, _, parameters = asked(name)
    with open_store(request.getfixturevalue(store)) as connection:
        figure = draw(run(connection, name, parameters=parameters))
    assert f"{name}@1" in _texts(figure, "caption")[0]
    _assert_legible(figure)


def test_what_does_not_fit_on_a_page_is_refused_with_the_parameters_that_help() -> None:
    many = pl.concat([_unchanged().with_columns(seed=pl.lit(seed)) for seed in range(20)])
    result = _result("unchanged", many)
    with pytest.raises(DoesNotFitError, match="40 panels") as caught:
        draw(result)
    assert "--param source=... (pbc, tanzil)" in caught.value.hint
    assert "--param seed=... (0, 1" in caught.value.hint
    assert set(restrictions(result)) == {"source", "seed"}


def test_no_rows_and_no_figure_are_said() -> None:
    with pytest.raises(NotFoundError, match="no rows") as caught:
        draw(_result("unchanged", _unchanged().clear()))
    assert "mlv study status echoes" in caught.value.hint
    with pytest.raises(UsageError, match="no figure of coverage"):
        draw(_result("coverage", _unchanged()))
    with pytest.raises(UsageError, match="gif"):
        write(Figure(), "gif")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_rows_give_the_same_bytes(ending: str) -> None:
    result = _result("language_contribution", _contribution())
    first, second = (write(draw(result), ending) for _ in range(2))
    assert first == second
    assert {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending] == first[: 5 if ending == "svg" else 4]


def test_text_stays_text_in_svg() -> None:
    svg = write(draw(_result("unchanged", _unchanged())), "svg").decode()
    assert ">59.0</text>" in svg
    assert ">nano, 2,000 sentences, seed 1, epoch 5</text>" in svg


def test_settings_of_the_machine_do_not_count() -> None:
    import matplotlib as mpl

    result = _result("unchanged", _unchanged())
    expected = write(draw(result), "svg")
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "svg.hashsalt": "other"}):
        assert write(draw(result), "svg") == expected
        assert mpl.rcParams["font.size"] == 20


def test_series_are_told_apart_in_grey() -> None:
    """Bars by hatch, points by marker, lines by dashes, whatever the colours."""
    several = range(len(series.COLOURS))
    assert len({series.bar_style(n)["hatch"] for n in several}) == len(several)
    assert len({series.marker_style(n)["marker"] for n in several}) == len(several)
    assert len({str(series.line_style(n)["linestyle"]) for n in several}) == len(several)


def test_heat_maps_go_from_dark_to_light() -> None:
    """So that they read in grey: of cells with higher values none is darker."""
    axes = _panels(draw(_result("unchanged", _unchanged())))[0]
    pairs = [
        (float(text.get_text()), style.luminance(patch.get_facecolor()))
        for patch, text in zip(axes.patches, axes.texts, strict=True)
    ]
    lights = [light for _, light in sorted(pairs)]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(lights))
    assert lights[-1] - lights[0] > 0.2
