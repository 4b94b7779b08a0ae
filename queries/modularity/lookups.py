"""How D5's numbers are looked up in the rows of queries, and what is concluded from several of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from mlv.queries.modularity.setups import ATTRIBUTION, PRUNING, QUANTITY, Setup
from mlv.queries.published import Cell, Found
from mlv.schema.papers import modularity
from mlv.schema.papers.sharing import TASKS

Find = Callable[[pl.DataFrame, pl.DataFrame], Iterator[Found]]

_AS_IN_PAPER: Final = {"attribution": ATTRIBUTION, "quantity": QUANTITY, "pruning": PRUNING, "split": "test"}


class Values:
    """Rows of setups, looked up by the values of columns. What is not there is a KeyError, so that nothing is concluded
    from rows that are lacking."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def each(self, setup: Setup, column: str, **keys: Any) -> list[Any]:
        """The values of a column in all rows of a setup that have others. Raises KeyError if there are none."""
        wanted = {"task": TASKS[setup.task].code, "training": setup.training, **keys}
        conditions = [
            pl.col(name).is_null() if value is None else pl.col(name) == value
            for name, value in wanted.items()
            if name in self._frame.columns
        ]
        found = self._frame.filter(conditions)[column].drop_nulls().to_list()
        if not found:
            raise KeyError((setup, *keys.values()))
        return found

    def __call__(self, setup: Setup, column: str, **keys: Any) -> float:
        """The first of them."""
        return float(self.each(setup, column, **keys)[0])


def rows_of(setup: Setup, frame: pl.DataFrame, checkpoints: pl.DataFrame) -> pl.DataFrame:
    """The rows of a query that are of a setup and as in the paper."""
    wanted = {name: value for name, value in _AS_IN_PAPER.items() if name in frame.columns}
    wanted |= {"task": TASKS[setup.task].code}
    if "training" in frame.columns:
        wanted |= {"training": setup.training}
    found = frame.filter(**wanted)
    if "pruning" in frame.columns:
        return found.filter(setup.is_trained_alike(), pl.col("ft_languages").is_null())
    runs = setup.runs(checkpoints)
    found = found.filter(pl.col("traced_run" if "traced_run" in frame.columns else "run").is_in(runs))
    # what was trained under masks is compared with the full model
    if setup.training != "full" and "full_traced_run" in frame.columns:
        found = found.filter(pl.col("full_traced_run") != pl.col("traced_run"))
    return found


def each(
    query_column: str, keys: Sequence[str], setups: Sequence[Setup], cell: Callable[..., Cell | None], **only: Any
) -> Find:
    """A number for every row that has certain values; the cell is found by the setup and the keys, None for a row that
    is none of the paper's."""

    def find(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        for setup in setups:
            found = (
                rows_of(setup, frame, checkpoints)
                .filter(
                    [pl.col(name).is_null() if value is None else pl.col(name) == value for name, value in only.items()]
                )
                .drop_nulls(query_column)
            )
            for row in found.to_dicts():
                if place := cell(setup, *(row[key] for key in keys)):
                    yield Found(place, float(row[query_column]), "", _over(row))

    return find


def _over(row: dict[str, Any]) -> str:
    """That it is over fewer texts, if it is."""
    fewer = row.get("targets", modularity.TEST_EXAMPLES)
    return f"over {fewer} of {modularity.TEST_EXAMPLES} texts" if fewer < modularity.TEST_EXAMPLES else ""


class Conclusion(NamedTuple):
    """A number that takes several rows."""

    cell: Cell
    setups: Sequence[Setup]
    conclude: Callable[[Values], tuple[float, str]]
    """The number, and a remark. Raises KeyError if a row lacks."""

    def find(self, frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        """The number; what lacks if rows do."""
        found = pl.concat([rows_of(setup, frame, checkpoints) for setup in self.setups]).unique(maintain_order=True)
        if found.is_empty():
            return
        try:
            value, remark = self.conclude(Values(found))
        except KeyError as missing:
            setup, *keys = missing.args[0]
            yield Found(self.cell, None, f"{' '.join(str(key) for key in keys if key is not None)} of {setup}")
        else:
            yield Found(self.cell, value, "", remark)


class Tables(NamedTuple):
    """Queries that numbers are looked up in, with their versions."""

    sparsity: str = "mask_sparsity@1"
    overlap: str = "mask_overlap@1"
    sharing: str = "head_sharing@1"
    accuracy: str = "subnetwork_accuracy@1"
    change: str = "contribution_change@1"
    specialization: str = "specialization@1"
    performance: str = "specialization_performance@1"
    influence: str = "overlap_influence@1"


TABLES: Final = Tables()
