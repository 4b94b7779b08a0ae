"""The figures of E: which columns of which query are drawn, and how."""

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures import arrows, bars, heatmaps
from mlv.queries.figures.arrows import View
from mlv.queries.figures.bars import Scale, Stack
from mlv.queries.figures.heatmaps import Grid
from mlv.queries.figures.series import check_once
from mlv.queries.figures.style import AVERAGE, TRACED, Orders, labelled, panels, with_continued
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes

ORDERS: Orders = {
    **dict.fromkeys(("language", "language_a", "language_b"), echoes.TEST_LANGUAGES),
    **dict.fromkeys(
        ("ft_language", "ft_language_a", "ft_language_b", "ft_languages", "train_language"),
        echoes.FINETUNING_LANGUAGES,
    ),
    "category": [category.code for category in echoes.CATEGORIES],
    **dict.fromkeys(("country", "country_a", "country_b"), ()),
}
"""Test languages as in E Table 1, fine-tuning languages as in section 4.1, themes as in WVS, countries by name."""

_SETUP = ("model", "base", "source", "sentences", "seed", "epoch", "settings")
_PLANES = ("run", "probe_set", "score", "model", "source", "sentences", "seed", "epoch", "settings")


def unchanged(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 2 and 9: percentage of unchanged values by fine-tuning and test language."""
    setup = ("continued", *_SETUP)
    grid = Grid("unchanged", "unchanged values (%)", "ft_languages", "language", setup, ORDERS)
    return heatmaps.draw(with_continued(rows), grid, caption)


def unchanged_by_category(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 8: percentage of unchanged values by theme and test language."""
    return heatmaps.draw(
        rows, Grid("unchanged", "unchanged values (%)", "category", "language", _SETUP, ORDERS), caption
    )


def seed_robustness(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 9: a metric's mean over the seeds, and below it the standard deviation."""
    metrics = rows["metric"].unique(maintain_order=True).to_list()
    if len(metrics) > 1:
        raise UsageError("A figure shows one metric.", f"Add --param metrics={metrics[0]}, or {metrics[1]}.")
    setup = ("model", "source", "sentences", "settings", "attribution", "tracing", "direction", "seeds")
    if metrics[0] == "unchanged":
        label = "unchanged values (%), mean ± SD of the seeds"
        grid = Grid("mean", label, "ft_languages", "language", setup, ORDERS, beneath="sd")
    else:
        label = "contribution (%), mean ± SD of the seeds"
        grid = Grid("mean", label, "ft_language", "language", ("ft_languages", *setup), ORDERS, beneath="sd")
    return heatmaps.draw(rows.with_columns(seeds=pl.format("seeds: {}", "seeds")), grid, caption)


def size_effect(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 5.2.1: percentage points that more sentences change."""
    sized = rows.with_columns(sizes=pl.format("{} to {} sentences", "few", "many"))
    setup = ("model", "source", "sizes", "epoch", "settings")
    label = "change of unchanged values (percentage points)"
    grid = Grid("change", label, "ft_languages", "language", setup, ORDERS, "diverging", signed=True)
    return heatmaps.draw(sized, grid, caption)


def domain_correlation(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 3: Pearson's correlation of two sources' percentages of unchanged values, by theme."""
    compared = rows.with_columns(pair=pl.format("{}\n{}", "source_a", "source_b"))
    setup = ("model", "sentences", "epoch", "settings")
    grid = Grid("correlation", "Pearson's r", "category", "pair", setup, ORDERS, "diverging", 2)
    return heatmaps.draw(compared, grid, caption)


def shift_overlap_test_languages(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 5.2.1: Jaccard index of the questions that shift in two test languages."""
    setup = ("model", "source", "ft_languages", "sentences", "epoch", "settings")
    label = "Jaccard index of shifted questions"
    grid = Grid("jaccard", label, "language_b", "language_a", setup, ORDERS, "similarity", 2, pairs=True)
    return heatmaps.draw(rows, grid, caption)


def ground_truth_similarity(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 13 left: cosine of countries' profiles."""
    grid = Grid("cosine", "cosine of profiles", "country_b", "country_a", (), ORDERS, "similarity", 2, pairs=True)
    return heatmaps.draw(rows, grid, caption)


def agreement(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Table 1: percentage of equal answers of two checkpoints."""
    compared = rows.with_columns(pair=pl.format("{}\n{}", "checkpoint_a", "checkpoint_b"))
    return heatmaps.draw(compared, Grid("agreement", "equal answers (%)", "pair", "language", (), ORDERS), caption)


def alignment(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 5.1: Spearman's rho of a checkpoint's profile and a country's."""
    checkpoints = labelled(
        with_continued(rows), ("model", "continued", "source", "ft_languages", "sentences", "seed", "epoch")
    )
    label = "Spearman's rho with the country's profile"
    grid = Grid("rho", label, "label", "language", ("country",), ORDERS, "diverging", 2)
    return heatmaps.draw(checkpoints, grid, caption)


def alignment_change(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Table 3: change in Spearman's rho between a model's profile and a country's."""
    setup = ("model", "base", "source", "sentences", "strategy", "ft_languages", "epoch", "settings")
    label = "change in Spearman's rho (positive: nearer to the country)"
    grid = Grid("change", label, "country", "language", setup, ORDERS, "diverging", 2, signed=True)
    return heatmaps.draw(rows, grid, caption)


def influence_consistency(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 7: percentage of influential examples that two test languages share."""
    label = "influential examples in common (%)"
    grid = Grid("consistency", label, "language_b", "language_a", TRACED, ORDERS, pairs=True)
    return heatmaps.draw(rows, grid, caption)


def parallel_overlap(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 7: percentage of influential examples whose translation is influential in another run."""
    pair = pl.when(pl.col("ft_language_a") != AVERAGE).then(pl.format("{}-{}", "ft_language_a", "ft_language_b"))
    setup = ("model", "source", "sentences", "seed", "settings", "attribution", "tracing", "direction")
    compared = rows.with_columns(pair=pair.otherwise(pl.lit(AVERAGE)))
    grid = Grid("overlap", "influential translations (%)", "pair", "language", setup, ORDERS)
    return heatmaps.draw(compared, grid, caption)


def agreement_by_category(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 7 top: percentage of equal answers by theme."""
    scale = Scale("agreement", "equal answers (%)", "category", "pair", (), ORDERS)
    return bars.along(_paired(rows), scale, caption)


def agreement_by_language(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 7 bottom: percentage of equal answers by test language, each theme counting alike."""
    scale = Scale("agreement", "equal answers (%)", "language", "pair", (), ORDERS)
    return bars.along(_paired(rows), scale, caption)


def _paired(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pair=pl.format("{} and\n{}", "checkpoint_a", "checkpoint_b"))


def shift_uniqueness(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 5.2.1: percentage of the shifting questions that shift under one fine-tuning language alone."""
    setup = ("model", "source", "sentences", "epoch", "settings")
    label = "shifting under one language alone (%)"
    return bars.along(rows, Scale("uniqueness", label, "language", None, setup, ORDERS), caption)


def unchanged_multilingual(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Table 2 and Figure 10: percentage of unchanged values after fine-tuning on several languages, and on one."""
    setup = ("model", "source", "sentences", "epoch", "settings", "mixture")
    rows = rows.filter(pl.col("strategy") != "difference")
    scale = Scale("unchanged", "unchanged values (%)", "language", "strategy", setup, ORDERS)
    return bars.along(rows, scale, caption)


def structure_correlation(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 5 and 12: Spearman's rho of dissimilarities of languages' profiles, every two of people and models."""
    named = [
        pl.when(pl.col(f"checkpoint_{side}") == "people")
        .then(pl.col(f"checkpoint_{side}"))
        .otherwise(pl.col(f"ft_languages_{side}").str.replace_all(",", ", ").fill_null("pretrained"))
        .alias(f"member_{side}")
        for side in ("a", "b")
    ]
    setup = ("model", "source", "sentences", "seed", "epoch", "settings")
    grid = Grid(
        "rho", "Spearman's rho of dissimilarities", "member_b", "member_a", setup, ORDERS, "diverging", 2, pairs=True
    )
    return heatmaps.draw(rows.with_columns(named), grid, caption)


def similarity_structure(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 6: Spearman's rho of the dissimilarities of languages' and countries' profiles."""
    checkpoints = labelled(
        with_continued(rows), ("continued", "source", "ft_languages", "sentences", "seed", "epoch", "settings")
    )
    scale = Scale("rho", "Spearman's rho with countries", "label", None, ("model",), ORDERS, "bar")
    return bars.along(checkpoints, scale, caption)


def language_contribution(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 6 and 14: where a test language's influential examples are from; dashes are the shares by chance.

    A run in one language, which has all of them, is drawn only if there is no other.
    """
    several = rows.filter(pl.col("ft_language").n_unique().over("run") > 1)
    alone = rows["run"].n_unique() - several["run"].n_unique()
    if alone and not several.is_empty():
        rows, caption = several, f"{caption}\nWithout {alone:,} runs in one language, which have all examples from it."
    stack = Stack("contribution", "examples (%)", "language", "ft_language", "examples_share", TRACED, ORDERS)
    return bars.stacked(rows, stack, caption)


def profile_pca(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 4, 11 and 13 right: test languages' profiles before and after fine-tuning, and countries' profiles."""
    heading, views = _views(rows)
    explained = rows.row(0, named=True)
    axes = (
        f"first component ({100 * explained['explained_x']:.0f}% of the variance)",
        f"second component ({100 * explained['explained_y']:.0f}%)",
    )
    return arrows.draw(rows, arrows.Plane(axes, "ft_languages", ORDERS), heading, views, caption)


def _views(rows: pl.DataFrame) -> tuple[str, list[View]]:
    """A view per fine-tuning setup with the profiles before it, else of these alone; and one of the countries."""
    countries = rows.drop_nulls("country")
    before = rows.filter(pl.col("country").is_null() & pl.col("source").is_null())
    moved = rows.drop_nulls("source")
    heading, groups = panels(moved if len(moved) else before, _PLANES) if len(moved) + len(before) else ("", [])
    views = []
    for title, group in groups:
        first = group.row(0, named=True)
        same = [pl.col(column) == first[column] for column in ("run", "model", "score")]
        moves = group.drop_nulls("source")
        check_once(moves, "language", "ft_languages")
        bases = moves.drop_nulls("base_x").select("language", x="base_x", y="base_y")
        known = arrows.points(before.filter(same), "language") | arrows.points(bases, "language")
        views.append(View(title, moves, known))
    for title, group in panels(countries, ("run", "survey", "weighting"))[1] if len(countries) else []:
        views.append(View(f"countries {title}".strip(), moved.clear(), arrows.points(group, "country")))
    return heading, views
