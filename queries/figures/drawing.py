"""Figures as files: each is drawn from its query's rows alone, the same bytes from the same rows.

``draw`` makes a figure of a result, ``write`` its PNG (300 dpi), SVG or PDF. What does not fit on a page is refused
with the parameters that would restrict it: no row is ever left out.
"""

import contextlib
import io
from collections.abc import Callable
from typing import Any, Final

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure

from mlv.queries.engine.catalogue import find
from mlv.queries.engine.result import QueryResult
from mlv.queries.figures.sheet import DoesNotFitError
from mlv.queries.figures.style import SETTINGS
from mlv.schema.errors import UsageError

Draw = Callable[[pl.DataFrame, str], Figure]
"""A figure of a query's rows, with a caption below."""

ENDINGS: Final = ("png", "svg", "pdf")

_LISTS: Final = {"countries": "country", "languages": "language", "metrics": "metric", "strategies": "strategy"}
"""The columns that parameters with several values restrict."""

_METADATA: Final[dict[str, dict[str, None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What a file would say about when and by what it was made, which would make its bytes differ."""


def draw(result: QueryResult, figure: Draw) -> Figure:
    """The figure of a result that has rows.

    Raises DoesNotFitError if they take more than a page, UsageError if two would be drawn in one place.
    """
    try:
        with _settings():
            return figure(result.frame, result.title)
    except DoesNotFitError as error:
        error.hint = _restriction(result)
        raise


def _settings() -> contextlib.AbstractContextManager[None]:
    """The package's own settings, whatever those of the machine are; both come back after."""
    settings: Any = {**mpl.rcParamsDefault, **SETTINGS}
    return mpl.rc_context(settings)


def column_of(parameter: str) -> str:
    """The column that a parameter restricts."""
    return _LISTS.get(parameter, parameter)


def restrictions(result: QueryResult) -> dict[str, list[str]]:
    """Parameters that would leave fewer rows, with the values that the rows have."""
    values: dict[str, list[str]] = {}
    for name in find(f"{result.name}@{result.version}").parameters:
        column = column_of(name)
        if column in result.frame.columns:
            there = result.frame[column].drop_nulls().unique(maintain_order=True)
            if there.len() > 1:
                values[name] = [str(value) for value in there]
    return values


def _restriction(result: QueryResult) -> str:
    values = restrictions(result)
    if not values:
        return f"Restrict it with --param; see: mlv query show {result.name}"
    options = [f"--param {name}=... ({', '.join(there[:8])})" for name, there in values.items()]
    return f"Restrict it with {' or '.join(options)}."


def write(figure: Figure, ending: str) -> bytes:
    """A figure as PNG, SVG or PDF. Raises UsageError if ``ending`` is none of these."""
    if ending not in ENDINGS:
        raise UsageError(f"There are no figures of the format {ending!r}.", f"There are: {', '.join(ENDINGS)}.")
    buffer = io.BytesIO()
    with _settings():
        figure.savefig(buffer, format=ending, metadata=_METADATA[ending])
    return buffer.getvalue()
