"""The figures of D5: which columns of which query are drawn, and how."""

from typing import Final

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures import bars, heatmaps, lines, scatter
from mlv.queries.figures.bars import Scale
from mlv.queries.figures.heatmaps import Grid
from mlv.queries.figures.lines import Lines
from mlv.queries.figures.scatter import Scatter
from mlv.queries.figures.style import Orders

ORDERS: Orders = {
    "language": (),
    "ft_language": (),
    "language_a": (),
    "language_b": (),
}
"""All in alphabetical order, as the paper has them."""

_CLASSIFIER: Final = ("model", "task", "source", "ft_languages", "sentences", "seed")
_TRACED: Final = (*_CLASSIFIER, "attribution", "quantity", "trained", "under", "training_side", "direction", "run")
_PRUNED: Final = (*_CLASSIFIER, "settings", "pruning")


def _in_words(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with what masks there were in words, in training, of targets and of training examples."""
    masks, training = pl.col("masks"), pl.col("training")
    return rows.with_columns(
        under=pl.when(masks == "noise")
        .then(pl.lit("other random directions"))
        .when(masks == "none")
        .then(pl.lit("no masks"))
        .otherwise(pl.format("{} masks", masks.str.replace_all("_", " "))),
        trained=pl.when(training == "full")
        .then(pl.lit("fully fine-tuned"))
        .otherwise(pl.format("fine-tuned under {} masks", training.str.replace_all("_", " "))),
        training_side=pl.when(pl.col("training_masks") != "test").then(
            pl.format("training examples under {} masks", "training_masks")
        ),
    )


def contribution_change(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Figures 5.2, 5.3, 5.4, 5.6 and 5.12: change of contributions under masks, and what is noise."""
    grid = Grid("change", "change (points)", "language", "ft_language", _TRACED, ORDERS, "diverging", signed=True)
    return heatmaps.draw(_in_words(rows), grid, caption)


def specialization(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Figures 5.10, 5.11 and C.7 where epochs are traced, else bars for all epochs together."""
    rows = _in_words(rows)
    by_epoch = rows.drop_nulls("epoch")
    if by_epoch.is_empty():
        own = Scale("own_share", "own examples (%)", "language", None, _TRACED, ORDERS, "bar")
        return bars.along(rows, own, caption)
    over_epochs = Lines("own_share", "own examples (%)", "language", _TRACED, ORDERS)
    return lines.draw(by_epoch, over_epochs, caption)


def specialization_performance(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Figure 5.7: accuracy by the share of own examples, a point for a language and epoch."""
    points = rows.drop_nulls("accuracy")
    labels = ("own examples (%)", "accuracy (%)")
    return scatter.draw(
        _in_words(points), Scatter("own_share", "accuracy", labels, "language", _TRACED, ORDERS), caption
    )


def mask_overlap(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Figures C.2 to C.4 (left): attention heads that two subnetworks share; on the diagonal those of one."""
    whole = rows.filter(pl.col("layer").is_null())
    cells = pl.concat(
        [
            whole,
            whole.with_columns(language_a="language_b", language_b="language_a"),
            whole.with_columns(language_b="language_a", shared="enabled_a"),
            whole.with_columns(language_a="language_b", shared="enabled_b"),
        ]
    ).unique([*_PRUNED, "language_a", "language_b"], maintain_order=True)
    grid = Grid("shared", "attention heads", "language_a", "language_b", _PRUNED, ORDERS, "similarity", 0)
    return heatmaps.draw(cells, grid, caption)


def head_sharing(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Figure C.1: how many languages' subnetworks enable each attention head, a picture of the model."""
    grid = Grid("n", "languages that enable the head", "layer", "attention_head", _PRUNED, {}, "similarity", 0)
    return heatmaps.draw(rows.with_columns(pl.col("layer", "attention_head").cast(pl.String)), grid, caption)


def overlap_influence(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Figure 5.8 (right) and C.6 with points, else Figure 5.9: correlation by layer."""
    points, rows = rows.drop_nulls("cosine"), _in_words(rows)
    if points.is_empty():
        layers = rows.with_columns(layer=pl.col("layer").cast(pl.String).fill_null("all"))
        scale = Scale("spearman", "Spearman's correlation", "layer", "direction", _TRACED[:-2], {}, "bar")
        return bars.along(layers, scale, caption)
    labels = ("cosine of the masks", "contribution (%)")
    return scatter.draw(
        _in_words(points), Scatter("cosine", "contribution", labels, "language", _TRACED, ORDERS), caption
    )


def subnetwork_accuracy(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D5 Table C.2: accuracy under the masks of each language, by how the classifier was trained."""
    rows = _in_words(rows.with_columns(training_masks=pl.lit(None, pl.String)))
    setup = (*_CLASSIFIER, "epoch", "split", "under", "run")
    return bars.along(rows, Scale("accuracy", "accuracy (%)", "language", "trained", setup, ORDERS, "bar"), caption)
