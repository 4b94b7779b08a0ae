"""Quality gates: what must hold of rows before they enter the store, as expectations of Great Expectations.

A gate is a rule with an expectation (``mlv.ingest.rules.rulebook``). Great Expectations takes seconds to import, so
DuckDB looks first, with the queries by which it checks the same expectations in a store; that both find the same is
tested. Where it finds a row, Great Expectations has the last word: all gates are checked, and all that fail are
reported in one error. What a reader can mend or reject it does before; a gate that fails means that the file as a whole
is not what it claims.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import duckdb
import polars as pl
from polars import selectors

from mlv.ingest.rules.evaluation import count
from mlv.ingest.rules.expectations import unmet
from mlv.ingest.rules.rule import EXAMPLES, Rule
from mlv.ingest.rules.rulebook import gates
from mlv.schema.errors import DataError
from mlv.schema.fetching import registered


def check_corpus(frame: pl.DataFrame, what: str) -> None:
    """Check segments ``[position, parallel_key, text]``. Raises DataError, see ``validate``."""
    validate(frame, what, gates("segment"))


def validate(frame: pl.DataFrame, what: str, rules: Sequence[Rule]) -> None:
    """Check rules with expectations on a frame; ``what`` names it in the error, e.g. ``pbc/fa/Farsi``.

    Raises DataError that lists every rule that is not kept, with the number of rows and examples.
    """
    problems = list(_problems(frame, rules))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(
            f"{what} does not pass the quality gates ({len(problems)} of {len(rules)} fail):{listed}",
            "Nothing was written. Correct the file, or fetch it again, and ingest it once more.",
        )


def _problems(frame: pl.DataFrame, rules: Sequence[Rule]) -> Iterator[str]:
    """One sentence for each rule that is not kept."""
    if frame.is_empty():
        yield "there is at least one row: it has none"
        return
    if _kept(frame, rules):
        return
    for place, outcome in sorted(outcomes(frame, rules).items()):
        if not outcome.success:
            yield f"{rules[place].says}: {_found(rules[place], outcome.result)}"


def _kept(frame: pl.DataFrame, rules: Sequence[Rule]) -> bool:
    """Whether DuckDB finds that all rules are kept; not where one does not fit the frame."""
    with duckdb.connect() as connection:
        with registered(connection, "given", frame):
            connection.execute("CREATE TABLE gated AS FROM given")
        try:
            return not any(count(connection, unmet("gated", rule.expectation, rule.arguments)) for rule in rules)
        except duckdb.Error:
            return False


def outcomes(frame: pl.DataFrame, rules: Sequence[Rule]) -> dict[int, Any]:
    """What Great Expectations says of each rule, by its place; its own order is another."""
    batches = _batches()
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as known

    suite = ExpectationSuite(
        name="gates",
        expectations=[
            getattr(known, rule.expectation)(**rule.arguments, meta={"place": place})
            for place, rule in enumerate(rules)
        ],
    )
    # NaN is a missing value to pandas, which would meet any range; to DuckDB it is above all numbers
    rows = frame.with_columns(selectors.float().fill_nan(float("inf"))).to_pandas()
    found = batches.get_batch({"dataframe": rows}).validate(suite)
    return {outcome.expectation_config.meta["place"]: outcome for outcome in found.results}


def _found(rule: Rule, result: dict[str, Any]) -> str:
    """What was found where a rule is not kept. One that cannot be checked is a mistake in the program."""
    if "unexpected_count" not in result:
        raise ValueError(f"the rule {rule.name} does not fit the frame")
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
