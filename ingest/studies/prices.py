"""What a study's chat models will be asked and answer, in tokens and, by prices that a user writes, in money.

Prices are a TOML file: ``currency = "EUR"``, and for each model ``[models."NAME"]`` with ``prompt`` and ``completion``,
the price of a million tokens of either. Names are those of the study file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import duckdb
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlv.ingest.jobs.cost import Tokens
from mlv.ingest.jobs.kinds import kind as find_kind
from mlv.ingest.jobs.planning import Context
from mlv.ingest.studies.cells import Cell
from mlv.ingest.studies.status import StudyStatus
from mlv.schema.errors import DataError, MlvError, NotFoundError, format_validation_errors, joined, listed
from mlv.schema.toml import parse_toml

MILLION = 1_000_000
"""Tokens that a price is of."""


class Price(BaseModel):
    """Of a million tokens of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]


class Prices(BaseModel):
    """A price file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Annotated[str, Field(min_length=1)]
    models: Mapping[str, Price]


def read_prices(path: Path) -> Prices:
    """The prices of a file. Raises NotFoundError or DataError that says all that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error.reason}.", "Save it as UTF-8.") from error
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}.", "Name a file of prices.") from error
    try:
        return Prices.model_validate(parse_toml(str(path), text))
    except ValidationError as error:
        raise DataError(
            f"{path} is no file of prices:{listed(format_validation_errors(error, Prices))}",
            'Write currency = "EUR", then by model [models."NAME"] with prompt and completion, for a million tokens.',
        ) from error


_SCHEMA: Final = {
    "kind": pl.String,
    "model": pl.String,
    "cells": pl.Int64,
    "not_counted": pl.Int64,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "counted": pl.String,
    "price": pl.Float64,
    "currency": pl.String,
}


def count_tokens(connection: duckdb.DuckDBPyConnection, status: StudyStatus, prices: Prices | None) -> pl.DataFrame:
    """One row per kind and model whose jobs take tokens, over the cells that are not committed.

    ``[kind, model, cells, not_counted, prompt_tokens, completion_tokens, counted, price, currency]``: ``not_counted``
    are cells whose prompts cannot be made yet; the price of the others is NULL where the model has none.
    """
    context = status.context(connection)
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in status.needed():
        if find_kind(cell.kind).COST.tokens:
            groups.setdefault((cell.kind, cell.model), []).append(cell)
    rows = [_row(context, kind, model, cells, prices) for (kind, model), cells in sorted(groups.items())]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _row(context: Context, kind: str, model: str, cells: list[Cell], prices: Prices | None) -> dict[str, Any]:
    found = [tokens for cell in cells if (tokens := _tokens(context, cell))]
    ways = sorted({one.counted for one in found})
    prompt, completion = sum(one.prompt for one in found), sum(one.completion for one in found)
    known = prices.models.get(model) if prices else None
    return {
        "kind": kind,
        "model": model,
        "cells": len(cells),
        "not_counted": len(cells) - len(found),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "counted": " and ".join(ways) or None,
        "price": known and (prompt * known.prompt + completion * known.completion) / MILLION,
        "currency": prices.currency if prices and known else None,
    }


def _tokens(context: Context, cell: Cell) -> Tokens | None:
    """Tokens of a cell; None if its prompts cannot be made yet."""
    count = find_kind(cell.kind).COST.tokens
    try:
        return count(context, cell.asked()) if count else None
    except MlvError:
        return None


def total(tokens: pl.DataFrame, prices: Prices | None) -> str:
    """What a study takes in tokens and money, in a sentence; models without a price are named."""
    prompt, completion = (tokens[name].sum() for name in ("prompt_tokens", "completion_tokens"))
    said = f"{prompt:,} tokens of prompts and {completion:,} of answers"
    if prices:
        said += f", {tokens['price'].sum():,.2f} {prices.currency}"
        if unpriced := tokens.filter(pl.col("price").is_null())["model"].to_list():
            said += f"; without a price, and not in this sum: {joined(unpriced)}"
    if left := tokens["not_counted"].sum():
        cells = "is 1 cell" if left == 1 else f"are {left} cells"
        said += f"; not counted {cells} whose prompts cannot be made yet: mlv study plan says why"
    return said
