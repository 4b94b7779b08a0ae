"""Figures of query results: each is drawn from its query's rows alone, the same bytes from the same rows.

``draw`` makes a figure of a result, ``write`` its PNG (300 dpi), SVG or PDF. What does not fit on a page is refused
with the parameters that would restrict it: no row is ever left out.
"""

import contextlib
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure

from mlv.queries.catalogue import find, near
from mlv.queries.figures import arrows, bars, epochs, heatmaps
from mlv.queries.figures.sheet import DoesNotFitError
from mlv.queries.figures.style import SETTINGS
from mlv.queries.result import QueryResult
from mlv.schema.errors import NotFoundError, UsageError

Draw = Callable[[pl.DataFrame, str], Figure]
"""A figure of a query's rows, with a caption below."""

FIGURES: Final[Mapping[str, Draw]] = MappingProxyType(
    {
        "agreement": heatmaps.agreement,
        "agreement_by_category": bars.agreement_by_category,
        "agreement_by_language": bars.agreement_by_language,
        "alignment": heatmaps.alignment,
        "alignment_change": heatmaps.alignment_change,
        "domain_correlation": heatmaps.domain_correlation,
        "ground_truth_similarity": heatmaps.ground_truth_similarity,
        "influence_by_epoch": epochs.influence_by_epoch,
        "influence_consistency": heatmaps.influence_consistency,
        "language_contribution": bars.language_contribution,
        "parallel_overlap": heatmaps.parallel_overlap,
        "profile_projection": arrows.profile_projection,
        "seed_robustness": heatmaps.seed_robustness,
        "shift_overlap_test_languages": heatmaps.shift_overlap_test_languages,
        "shift_uniqueness": bars.shift_uniqueness,
        "similarity_structure": bars.similarity_structure,
        "size_effect": heatmaps.size_effect,
        "unchanged": heatmaps.unchanged,
        "unchanged_by_category": heatmaps.unchanged_by_category,
        "unchanged_multilingual": bars.unchanged_multilingual,
    }
)
"""By query."""

ENDINGS: Final = ("png", "svg", "pdf")

_LISTS: Final = {"countries": "country", "languages": "language", "metrics": "metric", "strategies": "strategy"}
"""The columns that parameters with several values restrict."""

_AGREEMENT = ("Probe a second pretrained model, to compare the first with", "mlv compute probe --help")
_RETRAINING = ("Train a run again on parts of its examples", "mlv compute validate-influence RUN")
_FILLED_BY: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "agreement": _AGREEMENT,
        "agreement_by_category": _AGREEMENT,
        "agreement_by_language": _AGREEMENT,
        "coverage": ("The texts that were ingested suffice for no run of the grid", "mlv ingest corpus --help"),
        "ground_truth_similarity": ("Ingest a survey", "mlv ingest survey --help"),
        "influence": ("Trace a run's examples", "mlv compute influence RUN"),
        "influence_by_epoch": ("Trace a run's examples by epoch", "mlv compute influence RUN --checkpoints all"),
        "influence_quality": _RETRAINING,
        "profile_projection": ("Project the profiles", "mlv compute project"),
        "removal_effect": _RETRAINING,
        "runs": ("See which runs are missing, and the commands for them", "mlv query run coverage"),
    }
)
"""What gives a query rows, in words, and the command; under ``influence`` and ``runs`` for all others."""

_METADATA: Final[dict[str, dict[str, None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What a file would say about when and by what it was made, which would make its bytes differ."""


def draw(result: QueryResult) -> Figure:
    """The figure of a result.

    Raises UsageError where its query has none or the rows do not fit on a page, NotFoundError where there is no row.
    """
    if result.name not in FIGURES:
        raise UsageError(
            f"There is no figure of {result.name}.", near(result.name, list(FIGURES), "List them: mlv plot --list")
        )
    if result.frame.is_empty():
        raise NotFoundError(f"{result.title} has no rows to draw.", ": ".join(filled_by(result.name)))
    try:
        with _settings():
            return FIGURES[result.name](result.frame, result.title)
    except DoesNotFitError as error:
        error.hint = _restriction(result)
        raise


def filled_by(name: str) -> tuple[str, str]:
    """What would give a query rows, in words, and the command."""
    if name in _FILLED_BY:
        return _FILLED_BY[name]
    columns = find(name).columns
    return _FILLED_BY["influence" if "quantity" in columns or "attribution" in columns else "runs"]


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
    """A figure as PNG, SVG or PDF. Raises UsageError where ``ending`` is none of these."""
    if ending not in ENDINGS:
        raise UsageError(f"There are no figures of the format {ending!r}.", f"There are: {', '.join(ENDINGS)}.")
    buffer = io.BytesIO()
    with _settings():
        figure.savefig(buffer, format=ending, metadata=_METADATA[ending])
    return buffer.getvalue()
