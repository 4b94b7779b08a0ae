"""How H's numbers are looked up in the rows of queries, and what is concluded from several of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from mlv.queries.published import Cell, Found
from mlv.queries.sharing.setups import ATTRIBUTION, QUANTITY, Kind, Setup
from mlv.schema.papers import sharing

Find = Callable[[pl.DataFrame, pl.DataFrame], Iterator[Found]]

Values = Mapping[tuple[Any, ...], float]
"""Values of rows by setup and the columns that a row is known by. What a setup lacks is a KeyError, so that nothing is
concluded from rows that are not there."""

_AS_IN_PAPER: Final = {"attribution": ATTRIBUTION, "scores": ATTRIBUTION, "quantity": QUANTITY}
"""Of rows about influence."""


class Rows(NamedTuple):
    """What is read of a query."""

    query: str
    """With its version."""

    kind: Kind
    """The job that they are of."""

    keys: tuple[str, ...]
    """Columns that a row of a run is known by."""

    value: str | pl.Expr
    only: tuple[tuple[str, str], ...] = ()
    """Values of columns, as far as the query has them, that the other rows do not have."""


def _parts(rows: Rows, setup: Setup, frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[tuple[str, Values]]:
    """The values of each run about a setup, with what the run lacks of the paper's test examples."""
    trained = "traced_run" if "traced_run" in frame.columns else "run"
    wanted = {column: value for column, value in {**_AS_IN_PAPER, **dict(rows.only)}.items() if column in frame.columns}
    found = frame.filter(pl.col(trained).is_in(setup.runs(checkpoints))).filter(**wanted)
    for _, part in found.group_by("run", maintain_order=True):
        targets = int(part["targets"].max() or 0) if "targets" in part.columns else sharing.TARGETS  # type: ignore[arg-type]
        fewer = f"{sharing.TARGETS - targets} of {sharing.TARGETS} test examples" if targets < sharing.TARGETS else ""
        values = part.select(*rows.keys, value=rows.value).drop_nulls()
        yield fewer, {(setup, *key): value for *key, value in values.rows()}


def each(rows: Rows, setups: Sequence[Setup], cell: Callable[..., Cell]) -> Find:
    """A number for every row of every run; the cell is found by the setup and the keys."""

    def find(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        for setup in setups:
            for lacking, values in _parts(rows, setup, frame, checkpoints):
                yield from (Found(cell(*key), value, lacking) for key, value in values.items())

    return find


def concluded(rows: Rows, setups: Sequence[Setup], cell: Cell, conclude: Callable[[Values], tuple[float, str]]) -> Find:
    """A number, with a remark, that takes several rows: of each setup those of its first run that is as the paper's."""

    def find(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        lacking, together = [], dict[tuple[Any, ...], float]()
        for setup in setups:
            fewer, values = min(
                _parts(rows, setup, frame, checkpoints), key=lambda part: bool(part[0]), default=("", {})
            )
            lacking.append(fewer)
            together |= values
        if not together:
            return
        try:
            value, remark = conclude(together)
        except KeyError as missing:
            yield Found(cell, None, _said(*missing.args[0]))
        else:
            yield Found(cell, value, ", ".join(dict.fromkeys(filter(None, lacking))), remark)

    return find


def _said(setup: Setup, *keys: object) -> str:
    return f"{' '.join(map(str, keys))} of {setup}"


CONTRIBUTION: Final = Rows(
    "language_contribution@1", "influence", ("direction", "language", "ft_language"), "contribution"
)
MEAN: Final = Rows("influence_mean@1", "influence", ("language", "train_language"), "influence")
TRANSLATIONS: Final = Rows("translation_share@1", "influence", ("direction", "language"), "translations")
BY_EPOCH: Final = Rows(
    "influence_by_epoch@1", "influence", ("direction", "epoch", "language", "ft_language"), "contribution"
)
REMOVAL: Final = Rows("removal_effect@1", "validate", ("direction", "k"), "change", (("language", "avg."),))
DEVELOPMENT: Final = Rows("accuracy@1", "predict", ("language",), "accuracy", (("split", "dev"),))
TEST: Final = DEVELOPMENT._replace(only=(("split", "test"),))
CONVERGED: Final = DEVELOPMENT._replace(value="epoch")

# Of queries that the study does not have yet: their numbers are compared as soon as a topic takes them
EXAMPLES: Final = Rows("influence_examples@1", "influence", ("language", "key", "direction", "rank"), "score")
ZERO_SHOT: Final = Rows(
    "zero_shot_recovery@1", "influence", ("language",), "translated_share", (("direction", "positive"),)
)
RECURRING: Final = ZERO_SHOT._replace(value="recurring_share")
SCRIPTS: Final = Rows(
    "script_share@1", "influence", ("train_language",), "fully_in_script", (("direction", "positive"),)
)
EPOCH_TESTS: Final = Rows(
    "influence_epoch_test@1",
    "influence",
    ("language", "epoch_a", "epoch_b"),
    pl.col("significant") / pl.col("targets"),
)
IMBALANCE: Final = Rows("data_imbalance@1", "influence", ("direction", "language"), "own_contribution")
CLASSES: Final = Rows("label_agreement@1", "influence", ("direction", "language"), "same_class")
