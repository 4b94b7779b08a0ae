"""Quality gates: what must hold of rows before they enter the store, checked with Great Expectations.

A gate is declared as data (``unique("parallel_key")``) and turned into an expectation when it is checked, because
Great Expectations takes seconds to import. All gates are checked, and all that fail are reported in one error. What
a reader can mend or reject it does before; a gate that fails means that the file as a whole is not what it claims.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from mlv.schema.errors import DataError

EXAMPLES = 3
"""Offending values that an error shows."""


@dataclass(frozen=True)
class Gate:
    """An expectation by name."""

    expectation: str
    """Class in ``great_expectations.expectations``, e.g. ``ExpectColumnValuesToBeUnique``."""

    says: str
    """What must hold, in words: the line of the error where it does not."""

    arguments: dict[str, Any]
    """Keyword arguments of the expectation."""


def filled(column: str) -> Gate:
    """No value is null."""
    return Gate("ExpectColumnValuesToNotBeNull", f"{column} is never missing", {"column": column})


def unique(*columns: str) -> Gate:
    """No two rows agree in all of ``columns``."""
    if len(columns) == 1:
        return Gate("ExpectColumnValuesToBeUnique", f"{columns[0]} is unique", {"column": columns[0]})
    says = f"{', '.join(columns)} together are unique"
    return Gate("ExpectCompoundColumnsToBeUnique", says, {"column_list": list(columns)})


def between(column: str, low: float | None, high: float | None) -> Gate:
    """Every value lies in the closed interval; ``None`` leaves an end open."""
    ends = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    arguments = {"column": column, "min_value": low, "max_value": high}
    return Gate("ExpectColumnValuesToBeBetween", f"{column} is {' and '.join(ends)}", arguments)


def one_of(column: str, values: Sequence[object]) -> Gate:
    """Every value is one of ``values``."""
    says = f"{column} is one of {', '.join(map(str, values))}"
    return Gate("ExpectColumnValuesToBeInSet", says, {"column": column, "value_set": list(values)})


def matching(column: str, pattern: str, says: str) -> Gate:
    r"""A regular expression is found in every value (``\A`` and ``\Z`` bind it); ``says`` is the pattern in words."""
    return Gate("ExpectColumnValuesToMatchRegex", f"{column} {says}", {"column": column, "regex": pattern})


def increasing(column: str) -> Gate:
    """Every value is above the one before it."""
    says = f"{column} increases from row to row"
    return Gate("ExpectColumnValuesToBeIncreasing", says, {"column": column, "strictly": True})


SEGMENT_GATES = (
    filled("parallel_key"),
    unique("parallel_key"),
    matching("parallel_key", r"\S", "is not empty"),
    filled("text"),
    matching("text", r"\A\S+(?: \S+)*\Z", "is not empty and has no stray white space"),
    increasing("position"),
)
"""What holds of a corpus's segments."""


def check_corpus(frame: pl.DataFrame, what: str) -> None:
    """Check segments ``[position, parallel_key, text]``. Raises DataError, see ``validate``."""
    validate(frame, what, SEGMENT_GATES)


def validate(frame: pl.DataFrame, what: str, expectations: Sequence[Gate]) -> None:
    """Check all gates on a frame; ``what`` names it in the error, e.g. ``pbc/fa/Farsi``.

    Raises DataError that lists every gate that does not hold, with the number of rows and examples.
    """
    problems = list(_problems(frame, expectations))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(
            f"{what} does not pass the quality gates ({len(problems)} of {len(expectations)} fail):{listed}",
            "Nothing was written. Correct the file, or fetch it again, and ingest it once more.",
        )


def _problems(frame: pl.DataFrame, gates: Sequence[Gate]) -> Iterator[str]:
    """One sentence for each gate that does not hold."""
    if frame.is_empty():
        yield "there is at least one row: it has none"
        return
    for place, outcome in sorted(_outcomes(frame, gates).items()):
        if not outcome.success:
            yield f"{gates[place].says}: {_found(gates[place], outcome.result)}"


def _outcomes(frame: pl.DataFrame, gates: Sequence[Gate]) -> dict[int, Any]:
    """What Great Expectations says of each gate, by its place; its own order is another."""
    batches = _batches()
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as known

    suite = ExpectationSuite(
        name="gates",
        expectations=[
            getattr(known, gate.expectation)(**gate.arguments, meta={"place": place})
            for place, gate in enumerate(gates)
        ],
    )
    outcomes = batches.get_batch({"dataframe": frame.to_pandas()}).validate(suite)
    return {outcome.expectation_config.meta["place"]: outcome for outcome in outcomes.results}


def _found(gate: Gate, result: dict[str, Any]) -> str:
    """What was found where a gate does not hold. A gate that cannot be checked is a mistake in the program."""
    if "unexpected_count" not in result:
        raise ValueError(f"the gate {gate} does not fit the frame")
    examples = ", ".join(repr(value) for value in result["partial_unexpected_list"][:EXAMPLES])
    return f"{result['unexpected_count']} of {result['element_count']} rows do not, e.g. {examples}"


@cache
def _batches() -> Any:
    """The batch definition of a data frame, in a context that lives in memory and reports to nobody."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")
