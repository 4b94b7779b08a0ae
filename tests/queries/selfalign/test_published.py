"""The published numbers of the study: what was copied from the paper, and rows in which they are found."""

import csv
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlv.queries.published import Cell, Found, PublishedNumbers, cells
from mlv.queries.reproduction import reproduce
from mlv.queries.selfalign import STUDY
from mlv.queries.selfalign.published import ABOVE_ENGLISH, FIGURE_84, SHUFFLED, TABLE_81
from mlv.queries.selfalign.setups import MODELS, Asked
from mlv.schema.papers import selfalign
from mlv.schema.papers.echoes import LANGUAGE_COUNTRY
from mlv.schema.store.opening import open_store

CELLS = 3 * 37 + 5 + 2 + 18
NONE = pl.DataFrame()


def _published(numbers: PublishedNumbers) -> dict[Cell, float]:
    return {one.cell: one.number for one in cells(STUDY.code, numbers)}


def _claim(row: str) -> PublishedNumbers:
    (found,) = [numbers for numbers in STUDY.published if numbers.rows == (row,)]
    return found


def _row(model: str, language: str, **values: Any) -> dict[str, Any]:
    """A row of a run that is as in the paper."""
    decoding = f"options=probe samples=10 temperature={MODELS[model].temperature}"
    of_run = {
        "model": f"owner/{MODELS[model].name}",
        "language": language,
        "settings": decoding,
        "draw": 1,
        "probes": 237,
    }
    shown = {"strategy": "chrf", "demonstrations": 5, "ordering": "similar_last", "answers": "majority"}
    return {**of_run, **shown, "demonstrated": LANGUAGE_COUNTRY[language], **values}


def _found(numbers: PublishedNumbers, *rows: dict[str, Any]) -> list[Found]:
    return list(numbers.find(pl.DataFrame(rows, infer_schema_length=None), NONE))


def test_table_8_1_is_whole() -> None:
    published = _published(TABLE_81)
    grid = [(model, language) for model, languages in selfalign.LANGUAGES.items() for language in languages]
    assert set(published) == {
        Cell(f"{model} {change}", language)
        for model, language in grid
        for change in ("increased", "constant", "decreased")
    }
    sums = {
        (model, language): sum(
            published[Cell(f"{model} {change}", language)] for change in ("increased", "constant", "decreased")
        )
        for model, language in grid
    }
    beyond_rounding = {cell: total for cell, total in sums.items() if abs(total - 100) > 1}
    assert beyond_rounding == {("BLOOMz", "en"): 95}
    remarks = {one.cell: one.remark for one in cells(STUDY.code, TABLE_81)}
    assert all("95" in remarks[Cell(f"BLOOMz {change}", "en")] for change in ("increased", "constant", "decreased"))


def test_every_number_of_the_text_and_every_claim_is_read_once() -> None:
    keys = [numbers.key for numbers in STUDY.published]
    assert len(set(keys)) == len(keys)
    read = sum(len(cells(STUDY.code, numbers)) for numbers in STUDY.published)
    assert read == CELLS
    folder = files("mlv.queries").joinpath("selfalign/published")
    for name in ("text", "claims"):
        lines = folder.joinpath(f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]
        for row in csv.DictReader(lines):
            assert Cell(row["row"], row["column"]) in _published(_claim(row["row"]))


def test_rows_of_the_paper_become_cells() -> None:
    changes = {"improved": 70.0, "same": 20.0, "worse": 10.0}
    rows = [
        _row("CommandR", "ko", **changes),
        _row("CommandR", "vi", **changes, ordering="shuffled"),
        _row("CommandR", "id", **changes, answers="minority"),
        _row("CommandR", "fa", **changes, demonstrated="US"),
        _row("CommandR", "el", **changes, demonstrations=3),
        _row("CommandR", "tr", **changes, strategy="random"),
        _row("CommandR", "de", **changes, settings="options=probe samples=10 temperature=1.0"),
        {**_row("CommandR", "ro", **changes), "model": "another"},
    ]
    assert [(found.cell, found.value) for found in _found(TABLE_81, *rows)] == [
        (Cell("CommandR increased", "ko"), 70.0),
        (Cell("CommandR constant", "ko"), 20.0),
        (Cell("CommandR decreased", "ko"), 10.0),
    ]
    (shuffled,) = _found(SHUFFLED, _row("Llama3-8B", "en", **changes, ordering="shuffled"), *rows)
    assert shuffled.value == 70.0


def test_a_number_over_fewer_questions_says_so() -> None:
    zero_shot = {"strategy": None, "demonstrations": None, "ordering": None, "answers": None, "demonstrated": None}
    (found,) = _found(FIGURE_84, {**_row("Mistral", "en", misaligned=80, probes=165), **zero_shot})
    assert (found.cell, found.value, found.remark) == (Cell("Mistral", "misaligned"), 80.0, "over 165 of 237 questions")


def _improved(**by_language: float) -> list[dict[str, Any]]:
    return [
        _row("BLOOMz", language, improved=by_language.get(language, 50.0)) for language in selfalign.LANGUAGES["BLOOMz"]
    ]


def test_a_claim_holds_or_says_what_is_against_it_or_waits() -> None:
    claim = _claim("improved most in Greek")
    assert _found(claim, *_improved(el=60.0))[0].value == 1.0
    (against,) = _found(claim, *_improved(el=60.0, tr=61.0))
    assert against.value == 0.0
    assert against.remark.startswith("against it: 60.0 of bloomz-7b1 in el with demonstrations by chrf and 61.0 of")
    (waits,) = _found(claim, *_improved(el=60.0)[1:])
    assert (waits.value, waits.lacking) == (None, "bloomz-7b1 in en with demonstrations by chrf")
    assert not _found(claim, {**_row("Mistral", "en", improved=1.0), "model": "another"})


def test_languages_above_english_are_counted() -> None:
    (found,) = _found(ABOVE_ENGLISH, *_improved(en=50.0, el=60.0, tr=51.0, id=49.0))
    assert found.value == 2


@pytest.mark.parametrize("most", ["80-100", "60-80"])
def test_the_bin_of_most_reductions(most: str) -> None:
    rows = [
        _row(model, "en", reduction=bin_of, share=60.0 if bin_of == most else 10.0)
        for model in MODELS
        for bin_of in ("0-20", "20-40", "40-60", "60-80", "80-100")
    ]
    (found,) = _found(_claim("most reductions are of 80 to 100%"), *rows)
    assert found.value == (most == "80-100")


def test_a_cell_needs_both_runs_probes_and_people() -> None:
    needs = TABLE_81.needs(Cell("BLOOMz increased", "en"))
    assert [str(need.what) for need in needs[:2]] == ["en", "US"]
    assert [need.what for need in needs[2:]] == [Asked("BLOOMz", "en"), Asked("BLOOMz", "en", "chrf")]


def test_nothing_of_the_small_store_is_the_papers(asked_store: Path) -> None:
    """And what lacks is named: all 37 cells, three more strategies and one that is shuffled."""
    with open_store(asked_store) as connection:
        found = reproduce(connection, STUDY)
    assert found.result.frame.height == CELLS
    assert set(found.result.frame["status"]) == {"not yet run"}
    runs = {need.what for missing in found.missing for need in missing.needs if isinstance(need.what, Asked)}
    assert len(runs) == 37 + 37 + 3 + 1
    countries = {str(need.what) for missing in found.missing for need in missing.needs if str(need.what).isupper()}
    assert countries == set(LANGUAGE_COUNTRY.values()) - {"DE", "KR"}
