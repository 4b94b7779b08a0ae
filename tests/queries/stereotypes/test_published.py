"""The published numbers of the study: what was copied from the paper, rows in which it is found, and an empty store."""

import csv
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlv.queries.published import Cell, Found, PublishedNumbers, cells
from mlv.queries.reproduction import reproduce
from mlv.queries.stereotypes import STUDY
from mlv.queries.stereotypes.published import CLAIMS, FIGURE_65, NUMBERS, QUOTED, RECALLS, TABLE_D2, TABLES
from mlv.queries.stereotypes.setups import COLLECTION, MODELS, OUTLETS, SETTINGS, SHARES, Setup, setup_of
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers.stereotypes import ARTICLES, BATCH_SIZE, CATEGORIES, EPOCHS, LEARNING_RATE
from mlv.schema.store.opening import open_store

SIZES = {
    "Table 6.2": 9,
    "Figure D.1": 4,
    "Table D.1": 18,
    "Figure 6.1": 2_952,
    "Figure 6.4": 252,
    "Figure D.3": 36,
    "Figure 6.3": 30,
    "Table D.2": 225,
    "Figure 6.5": 40,
}


def _file(name: str) -> list[dict[str, str]]:
    text = files("mlv.queries").joinpath(f"stereotypes/published/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()[1:]))


def _published(numbers: PublishedNumbers) -> dict[Cell, float]:
    return {one.cell: one.number for one in cells(STUDY.code, numbers)}


def test_tables_are_whole() -> None:
    assert {numbers.place: len(_published(numbers)) for numbers in TABLES} == SIZES
    assert set(_published(TABLE_D2)) == {
        Cell(f"{model} {outlet}", category)
        for model in ("BERT-B", "RoBERTa-B", "BART-B", "mBERT", "XLMR-B")
        for outlet in OUTLETS
        for category in CATEGORIES
    }
    by_category = {cell.row: number for cell, number in _published(TABLES[0]).items()}
    assert by_category.pop("all") == sum(by_category.values()) == 2_099


def test_every_number_of_the_text_and_every_claim_is_read_once() -> None:
    keys = [numbers.key for numbers in NUMBERS]
    assert len(set(keys)) == len(keys)
    facts = [(row["place"], row["row"], row["column"]) for row in _file("text") + _file("claims")]
    read = [(numbers.place, *one.cell) for numbers in (*QUOTED, *CLAIMS) for one in cells(STUDY.code, numbers)]
    assert sorted(read) == sorted(facts)
    assert len(set(facts)) == len(facts)
    assert sorted(one.key for one in STUDY.published) == sorted(keys)


def test_every_remark_is_of_a_cell() -> None:
    published = {(numbers.place, *one.cell): one for numbers in TABLES for one in cells(STUDY.code, numbers)}
    assert len(_file("remarks")) == 27
    for row in _file("remarks"):
        assert published[row["place"], row["row"], row["column"]].remark.endswith(row["remark"])


def _row(setup: Setup, **values: Any) -> dict[str, Any]:
    """A row of a model that was fine-tuned as in the paper, or of one as it is."""
    tuned = {
        "source": f"news-{OUTLETS[setup.outlet]}" if setup.outlet else None,
        "share": setup.share if setup.outlet else None,
        "settings": " ".join([*SETTINGS, "max_tokens=512"]) if setup.outlet else None,
    }
    return {"model": f"owner/{MODELS[setup.model]}", **tuned, **values}


@pytest.mark.parametrize(
    "setup", [Setup("mBERT"), Setup("BERT-B", "FOX news", 0.25), Setup("XLMR-B", "NewYorker"), Setup("BERT-L")], ids=str
)
def test_a_setup_is_known_by_its_names(setup: Setup) -> None:
    assert setup_of(_row(setup)) == setup


@pytest.mark.parametrize(
    "other",
    [
        {"model": "bert-base-cased"},
        {"source": "news-cnn"},
        {"share": 0.3},
        {"settings": " ".join(word.replace("epochs=1", "epochs=3") for word in SETTINGS)},
    ],
)
def test_what_is_not_the_papers_is_none_of_its_setups(other: dict[str, Any]) -> None:
    assert setup_of({**_row(Setup("BERT-B", "Reuters")), **other}) is None


def test_settings_are_the_words_of_a_specification() -> None:
    spec = FinetuneSpec(
        inputs_digest="",
        model=ModelRef(name="m", digest="d"),
        source="news-fox",
        languages=("en",),
        corpora=(),
        sentences=1,
        articles=ARTICLES,
        objective="masked_words",
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
    )
    assert set(SETTINGS) <= set(words(spec.settings()))


def _found(numbers: PublishedNumbers, *rows: dict[str, Any], checkpoints: pl.DataFrame | None = None) -> list[Found]:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return list(numbers.find(frame, pl.DataFrame() if checkpoints is None else checkpoints))


def test_shifts_are_found_in_their_rows() -> None:
    rows = [
        _row(Setup("BART-B", "Guardian"), category="age", change=-0.25),
        _row(Setup("BERT-B", "Guardian", 0.5), category="age", change=-0.5),
        _row(Setup("BART-B", "Guardian"), category="race", change=None),
    ]
    assert _found(TABLE_D2, *rows) == [Found(Cell("BART-B Guardian", "age"), -0.25)]


def test_means_over_categories_are_of_all_of_them() -> None:
    setup = Setup("BERT-B", "Reuters", 0.5)
    rows = [
        _row(setup, category=category, change=-number / 10)
        for number, category in enumerate(CATEGORIES)
        if category != "country"
    ]
    found = {one.cell: one for one in _found(FIGURE_65, *rows) if one.cell.row == "Reuters 0.5"}
    changes = [-0.0, -0.1, -0.2, -0.3, -0.5, -0.6, -0.7, -0.8]
    assert found[Cell("Reuters 0.5", "mean change in rho")].value == pytest.approx(sum(changes) / 8)
    lacking = [one for one in _found(FIGURE_65, *rows[1:]) if one.cell == Cell("Reuters 0.5", "mean change in rho")]
    assert [(one.value, one.lacking) for one in lacking] == [(None, f"{setup}, age")]


def test_recalls_are_found_by_the_names_of_checkpoints() -> None:
    setups = {"bert": Setup("BERT-B"), "tuned": Setup("BERT-B", "BreitBart", 0.1)}
    rows = [{**_row(setup), "run": name if setup.outlet else None, "epoch": 1} for name, setup in setups.items()]
    checkpoints = pl.DataFrame(rows, infer_schema_length=None)
    names = {"bert": f"owner/{MODELS['BERT-B']}", "tuned": "tuned/epoch-1", "other": "elsewhere"}
    answers = [
        {"checkpoint": name, "category": category, "k": 5, "recall": 25.0}
        for name in names.values()
        for category in ("age", "mean")
    ]
    by_model, by_outlet = (
        {one.cell: one.value for one in _found(numbers, *answers, checkpoints=checkpoints)} for numbers in RECALLS[:2]
    )
    assert by_model == {Cell("BERT-B age", "recall@5"): 0.25}
    assert by_outlet == {
        Cell("BERT-B pretrained", "recall@5"): 0.25,
        Cell("BERT-B BreitBart 0.1", "recall@5"): 0.25,
    }


def _claim(row: str) -> PublishedNumbers:
    (found,) = [numbers for numbers in CLAIMS if numbers.rows == (row,)]
    return found


def _of_models(**values: float) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """Rows of the pretrained models, of all groups, and the checkpoints."""
    rows = [_row(Setup(name), run=None, epoch=0) for name in MODELS]
    answers = [
        {"checkpoint": row["model"], "category": "all", "balance": values.get(name, -1.0)}
        for row, name in zip(rows, MODELS, strict=True)
    ]
    return answers, pl.DataFrame(rows, schema_overrides={"run": pl.String}, infer_schema_length=None)


def test_a_claim_says_what_is_against_it() -> None:
    claim = _claim("multilingual models are more positive")
    answers, checkpoints = _of_models(**{"mBERT": 3, "XLMR-B": 2, "XLMR-L": 1, "BART-B": 0})
    assert _found(claim, *answers, checkpoints=checkpoints)[0].value == 1
    answers, checkpoints = _of_models(**{"mBERT": 3, "XLMR-B": 2, "XLMR-L": 1, "BART-B": 1})
    assert _found(claim, *answers, checkpoints=checkpoints) == [
        Found(Cell(claim.rows[0], "all"), 0.0, "", "against it: XLMR-L 1")
    ]
    assert _found(claim, *answers[1:], checkpoints=checkpoints)[0].value is None


def test_an_empty_store_has_none_and_lacks_all(empty_store: Path) -> None:
    with open_store(empty_store) as connection:
        frame = reproduce(connection, STUDY).result.frame
    assert frame["status"].unique().to_list() == ["not yet run"]
    assert frame["missing"].null_count() == 0
    assert frame.height == sum(SIZES.values()) + 2_952 + 252 + len(_file("text")) + len(_file("claims"))
    missing = {(row["place"], row["row"]): row["missing"] for row in frame.iter_rows(named=True)}
    assert missing["Table 6.2", "race"] == f"stereotypes of {COLLECTION}"
    assert missing["Table D.2", "mBERT FOX news"] == (
        "lexicon of emotions; bert-base-multilingual-uncased, completed; "
        "bert-base-multilingual-uncased on 100% of FOX news, completed"
    )
    assert SHARES[0] == 1
