"""A run as a model card of the Hugging Face hub: a header in YAML, and what a reader has to know of the model."""

import math
from importlib import resources
from itertools import groupby
from typing import Any, Final

import jinja2
import polars as pl

from mlv.queries.publishing.record import Record

_FEW: Final = 10
"""Rows of losses of a run that trains for one epoch or less."""


def card(record: Record) -> str:
    """The card of a run's final checkpoint, ``README.md``: Markdown with the header that the hub reads.

    The header names what the store knows: not the model's licence, which whoever publishes it states, and no results,
    which the hub would rank beside others.
    """
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701 it is Markdown, and the hub cleans its HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    text = resources.files("mlv.queries.publishing").joinpath("card.md.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(_context(record))


def files(record: Record) -> dict[str, str]:
    """What goes along with a run, by file name: the card, and the record's tables."""
    return {"README.md": card(record), **{f"{name}.csv": table.write_csv() for name, table in record.tables().items()}}


def _cell(value: object) -> str:
    """What stands in a cell of a table of Markdown."""
    text = f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def _context(record: Record) -> dict[str, Any]:
    corpora = record.corpora.rows(named=True)
    left = ("corpora", "kind", "inputs_digest")
    return {
        "header": _header(record),
        "record": record,
        "corpora": corpora,
        "citations": sorted({row["citation"] for row in corpora} | set(record.probes)),
        "languages": sorted({row["language"] for row in corpora}),
        "titles": sorted({row["title"] for row in corpora}),
        "settings": {name: text for name, text in record.parameters().items() if name not in left},
        "losses": _losses(record),
        "shares": _at(record.shares, record.model.epoch).rows(named=True),
    }


def _header(record: Record) -> str:
    from huggingface_hub import ModelCardData

    found = ModelCardData(
        base_model=record.model.name if record.model.revision else None,
        language=sorted(set(record.corpora["language"])) or None,
        library_name="transformers",
        tags=["mlv", record.model.architecture, str(record.spec["objective"]).replace("_", "-")],
    )
    return str(found.to_yaml())


def _losses(record: Record) -> list[dict[str, float | None]]:
    """Losses by epoch, by tenths of one where there is no more: the mean in training, the last in development."""
    share = 1 if max((one.epoch for one in record.losses), default=0) > 1 else _FEW
    rows = []
    for place, group in groupby(record.losses, key=lambda one: math.ceil(round(one.epoch * share, 6))):
        at = list(group)
        training = [one.value for one in at if one.name == "loss"]
        development = [one.value for one in at if one.name == "eval_loss"]
        mean = sum(training) / len(training) if training else None
        rows.append({"epoch": place / share, "loss": mean, "eval_loss": development[-1] if development else None})
    return rows


def _at(shares: pl.DataFrame, epoch: int) -> pl.DataFrame:
    return shares.filter(pl.col("epoch") == epoch) if shares.height else shares
