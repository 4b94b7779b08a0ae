"""A card's header is one that the hub reads, and its tables have what the record has."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from huggingface_hub import ModelCard

from mlv.queries.publishing.card import card
from mlv.queries.publishing.record import Made, Measured, Record

from .conftest import SECRETS


def _rows(text: str, section: str) -> list[list[str]]:
    """The cells of a section's table, without its header."""
    part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.replace("\\|", "\0").strip("|").split("|")] for line in lines[2:]]


def _data(text: str) -> Any:
    """The header, as the hub's own library reads it."""
    return ModelCard(text).data


def test_the_header_is_read_by_the_hubs_own_library(published: Record) -> None:
    assert _data(card(published)).to_dict() == {
        "base_model": "alpha",
        "language": ["fa"],
        "library_name": "transformers",
        "tags": ["mlv", "mt5", "span-corruption"],
    }


def test_a_model_of_this_machine_is_no_base_model_of_the_hub(published: Record) -> None:
    local = replace(published, model=Made("nano", "", "mt5", 1, 2))
    assert _data(card(local)).base_model is None


def test_training_data_is_named_with_its_licence(published: Record) -> None:
    text = card(published)
    assert _rows(text, "Training data") == [["Parallel Bible Corpus", "fa", "<new>", "CC BY 4.0 \0 or other", "2000"]]
    assert "fine-tuned on 2000 sentences of Parallel Bible Corpus in fa" in text
    assert "- Mayer and Cysouw (2014)\n" in text
    assert not [secret for secret in SECRETS if secret in text]


def test_losses_are_means_by_epoch(published: Record) -> None:
    assert _rows(card(published), "Losses") == [["1", "3", "2.5"], ["2", "1", "1.25"]]


def test_losses_of_one_epoch_are_by_tenths_of_it(published: Record) -> None:
    losses = tuple(Measured("loss", step / 100, step, float(step)) for step in range(1, 101))
    rows = _rows(card(replace(published, losses=losses)), "Losses")
    assert [row[0] for row in rows] == [f"{tenth / 10:.4g}" for tenth in range(1, 11)]
    assert [float(row[1]) for row in rows] == [sum(range(at - 9, at + 1)) / 10 for at in range(10, 101, 10)]


def test_values_are_those_of_the_final_checkpoint(published: Record) -> None:
    later = published.shares.with_columns(epoch=pl.col("epoch") + published.model.epoch, share=pl.lit(0.0))
    rows = _rows(card(replace(published, shares=pl.concat([published.shares, later]))), "Values")
    assert [(row[0], row[1], row[3]) for row in rows] == [("de", "80", "5"), ("fa", "80", "5"), ("ko", "75", "4")]
    assert {row[2] for row in rows} == {"–"}, "five questions are too few for an interval"


def test_an_interval_is_written_with_both_ends(published: Record) -> None:
    ends = published.shares.with_columns(low=pl.lit(50.0), high=pl.lit(90.25))
    rows = _rows(card(replace(published, shares=ends)), "Values")
    assert {row[2] for row in rows} == {"50 to 90.25"}


@pytest.mark.parametrize(("kind", "word"), [("finetune", "fine-tuned"), ("pretrain", "trained from scratch")])
def test_without_answers_there_is_no_section_on_them(published: Record, kind: str, word: str) -> None:
    text = card(replace(published, kind=kind, shares=pl.DataFrame()))
    assert "## Values" not in text
    assert word in text
    assert ("the model that it was trained from" in text) == (kind == "finetune")
