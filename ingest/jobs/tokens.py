"""Tokens that asking a chat model takes: counted by what committed runs of the model took, else estimated."""

from collections.abc import Mapping
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.jobs.cost import Tokens

BYTES_PER_TOKEN: Final = 3
"""Of a prompt in UTF-8 where none was counted. English has about 4, many languages fewer: rather too many tokens than
too few."""

_PROMPTS: Final = """
SELECT sum(m.tokens) / sum(strlen(m.text))
FROM v_response_run n
JOIN v_prompt m USING (run_id)
WHERE n.model = $model AND n.language = $language AND m.tokens IS NOT NULL
"""

_ANSWERS: Final = """
SELECT avg(e.tokens)
FROM v_response_run n
JOIN response_run d USING (run_id)
JOIN response e USING (run_id)
WHERE n.model = $model AND n.language = $language AND d.max_tokens = $max_tokens
"""


def tokens_of(
    connection: duckdb.DuckDBPyConnection,
    prompts: pl.DataFrame,
    *,
    model: str | None,
    language: str,
    max_tokens: int,
    scored: bool,
) -> Tokens:
    """Tokens of the prompts of a job (``inputs/prompts.parquet``), and of its answers, these at most.

    A prompt counts once for all of its samples, and once for each option that is scored: a service that gives one
    answer a request counts it for each sample.
    """
    about = {"model": model, "language": language}
    per_byte = _measured(connection, _PROMPTS, about)
    per_answer = _measured(connection, _ANSWERS, about | {"max_tokens": max_tokens})
    times = (pl.col("samples") > 0).cast(pl.Int64) + pl.col("options").list.len() * scored
    size = int(prompts.select((pl.col("text").str.len_bytes() * times).sum()).item())
    answers = int(prompts["samples"].sum())
    return Tokens(
        prompt=round(size * (per_byte or 1 / BYTES_PER_TOKEN)),
        completion=round(answers * (per_answer or max_tokens)),
        counted="measured" if per_byte and (per_answer or not answers) else "estimated",
    )


def _measured(connection: duckdb.DuckDBPyConnection, query: str, about: Mapping[str, object]) -> float | None:
    """A figure of committed runs; None if there are none."""
    row = connection.execute(query, about).fetchone()
    return row[0] if row else None
