"""Survey files of SPSS and Stata: shares like those of the CSV, and missing values as codes of the codebook."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyreadstat
import pytest

from mlv.ingest.readers.surveys import microdata, read_survey
from mlv.schema.errors import DataError


def _frame(rows: int = 300) -> pd.DataFrame:
    """Invented interviewees, in capitals as in the official files."""
    rng = np.random.default_rng(5)
    country = rng.choice([276.0, 586.0, 8.0], rows)
    return pd.DataFrame(
        {
            "version": "6-0-0",
            "B_COUNTRY": country,
            "B_COUNTRY_ALPHA": pd.Series(country).map({276.0: "DEU", 586.0: "PAK", 8.0: "ALB"}),
            "W_WEIGHT": rng.gamma(4.0, 0.25, rows).round(6),
            "Q1": rng.choice([1.0, 2.0, 3.0, -1.0, -2.0], rows, p=[0.7, 0.2, 0.05, 0.03, 0.02]),
            "Q57": rng.choice([1.0, 2.0, -5.0], rows),
            "X003R": 1.0,
        }
    )


def _shares(folder: Path, frame: pd.DataFrame, name: str = "w.csv") -> pl.DataFrame:
    frame.to_csv(folder / name, index=False)
    return read_survey(folder / name).responses


@pytest.mark.parametrize("name", ["WVS.sav", "WVS.zsav", "wvs.dta", "WVS.SAV"])
@pytest.mark.parametrize("without", ["version", "B_COUNTRY_ALPHA"])
def test_shares_are_those_of_the_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, without: str) -> None:
    monkeypatch.setattr(microdata, "ROWS_AT_ONCE", 70)
    frame = _frame().drop(columns=without)
    if name.endswith("dta"):
        pyreadstat.write_dta(frame, tmp_path / name)
    else:
        missing = {"Q1": [{"lo": -5, "hi": -1}], "Q57": [-5]}
        compress = name.endswith("zsav")
        pyreadstat.write_sav(frame, tmp_path / name, missing_ranges=missing, compress=compress)
    read = read_survey(tmp_path / name)
    assert (read.layout, read.rows_read, read.rows_kept) == ("respondents", 300, 300)
    assert read.responses.equals(_shares(tmp_path, frame))


def test_missing_values_of_stata_are_codes_by_their_labels(tmp_path: Path) -> None:
    frame = _frame()
    letters = {"Q1": {-1.0: "a", -2.0: "b"}, "Q57": {-5.0: "c"}}
    stata = frame.assign(**{name: frame[name].astype(object).replace(codes) for name, codes in letters.items()})
    labels = {"Q1": {"a": "Don't know", "b": "No answer"}, "Q57": {"c": "Missing; unknown"}}
    pyreadstat.write_dta(
        stata,
        tmp_path / "w.dta",
        missing_user_values={"Q1": ["a", "b"], "Q57": ["c"]},
        variable_value_labels=labels,
    )
    assert read_survey(tmp_path / "w.dta").responses.equals(_shares(tmp_path, frame))


@pytest.mark.parametrize(
    ("letter", "label", "code"),
    [
        ("a", "", -1),
        ("e", "", -5),
        ("z", "", -5),
        ("b", "Don´t know", -1),
        ("a", "No answer/refused", -2),
        ("a", "Not applicable", -3),
        ("a", "Not asked in survey", -4),
        ("a", "Missing; Unknown", -5),
    ],
)
def test_codes_of_missing_values(letter: str, label: str, code: int) -> None:
    assert microdata._code(letter, label) == code


def test_a_file_in_an_archive_and_small_letters(tmp_path: Path) -> None:
    frame = _frame()
    pyreadstat.write_sav(frame.rename(columns=str.lower), tmp_path / "w.sav")
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.write(tmp_path / "w.sav", "WVS/w.sav")
    assert read_survey(tmp_path / "w.zip").responses.equals(_shares(tmp_path, frame))


@pytest.mark.parametrize("name", ["w.sav", "w.dta"])
def test_another_file_a_damaged_one_and_the_inverted_release(tmp_path: Path, name: str) -> None:
    write = pyreadstat.write_dta if name.endswith("dta") else pyreadstat.write_sav
    write(pd.DataFrame({"age": [1.0]}), tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} has none of the codebook's columns: its variables are age"):
        read_survey(tmp_path / name)
    write(_frame(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 3])
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_survey(tmp_path / name)
    write(_frame(), tmp_path / f"Inverted_{name}")
    with pytest.raises(DataError, match="its name says so"):
        read_survey(tmp_path / f"Inverted_{name}")
