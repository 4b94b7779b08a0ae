"""The survey of docs/your-own-data.md goes from an SPSS file through a codebook to intervals, as the page says."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from battery_study import random_study
from command_line import Mlv
from study_store import fill

from mlv.migrations import upgrade
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.store.opening import connect

PAGE = (Path(__file__).parent.parent.parent / "docs" / "your-own-data.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## A survey\n")[2].partition("\n### ")[0]
ASKED = {f"worry{place}": str(number) for place, number in enumerate(range(131, 152), 1)} | {
    f"tech{place}": str(number) for place, number in enumerate(range(158, 164), 1)
}
"""Questions by the variable that asks them."""

SECURE = {1: "Very secure", 2: "Quite secure", 3: "Not very secure", 4: "Not at all secure", 9: "No answer"}


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", SECTION, flags=re.DOTALL)


def _people() -> pd.DataFrame:
    """Invented people of the two countries."""
    rng = np.random.default_rng(11)
    answers = {name: rng.choice([1, 2, 3, 4, 9], 500, p=rng.dirichlet([1] * 5)) for name in ASKED}
    country = rng.choice([276.0, 364.0], 500)
    return pd.DataFrame({"country": country, "weight": rng.gamma(4, 0.25, 500).round(4), **answers}).astype(float)


def _write(people: pd.DataFrame, folder: Path) -> str:
    """A file of SPSS, or a CSV where pyreadstat is not installed; return its name."""
    try:
        import pyreadstat
    except ImportError:
        people.to_csv(folder / "values.csv", index=False)
        return "values.csv"
    pyreadstat.write_sav(
        people,
        folder / "values.sav",
        column_labels={"worry1": "How secure do you feel these days in your neighbourhood?"},
        variable_value_labels=dict.fromkeys(ASKED, SECURE),
        missing_ranges={name: [9] for name in ASKED},
    )
    return "values.sav"


def _complete(text: str, line: str) -> str:
    """A template with the page's line below every variable, its question in place of the page's."""
    for name, question in ASKED.items():
        before, header, after = text.partition(f"[variables.{name}]\n")
        own = re.sub(r"questions\.\d+", f"questions.{question}", line.strip())
        after = re.sub(r"# questions\.QUESTION = .*", own, after, count=1)
        text = before + header + after
    return text


@pytest.fixture
def mlv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """A store with answers of a model, in the folder that the page's commands run in."""
    monkeypatch.chdir(tmp_path)
    upgrade(tmp_path / "mlv.duckdb")
    with connect(tmp_path / "mlv.duckdb", read_only=False) as connection:
        fill(connection, random_study([]))
        draw_resamples(connection, 1)
    return Mlv(tmp_path, capsys)


@pytest.mark.parametrize("spss", [True, False])
def test_from_a_file_to_intervals(mlv: Mlv, monkeypatch: pytest.MonkeyPatch, spss: bool) -> None:
    if not spss:
        monkeypatch.setitem(sys.modules, "pyreadstat", None)
    people = _people()
    file = _write(people, mlv.folder)
    template, survey, query = [line for block in _blocks("sh") for line in block.splitlines()]
    before, line = _blocks("toml")
    done = mlv.bare(*shlex.split(template.replace("values.sav", file))[1:])
    assert done.code == 0, done.err
    codebook = mlv.folder / "values.toml"
    text = codebook.read_text(encoding="utf-8")
    assert before in text if file.endswith(".sav") else "[variables.worry1]" in text
    codebook.write_text(
        _complete(text, line if file.endswith(".sav") else line.strip() + "\nmissing = [9]"), encoding="utf-8"
    )
    assert (done := mlv(*shlex.split(survey.replace("values.sav", file))[1:])).code == 0, done.err
    assert "values.toml -> values: 27 read, 27 rows kept" in done.err
    profile = dict(
        mlv.rows(
            "SELECT question, p_first FROM v_country_profile "
            "WHERE survey = 'values' AND country = 'IR' AND weighting = 'weighted'"
        )
    )
    own = people[people["country"] == 364.0]
    for name, question in ASKED.items():
        sides = own[name].map({1: True, 2: True, 3: False, 4: False}).dropna().astype(bool)
        weights = own["weight"][sides.index]
        assert profile[question] == pytest.approx(weights[sides].sum() / weights.sum())
    done = mlv(*shlex.split(query)[1:], "--format", "csv")
    assert done.code == 0, done.err
    rows = pl.read_csv(done.out.encode()).filter(country="IR")
    assert (rows["n"] <= len(ASKED)).all()
    assert (rows["rho_low"] < rows["rho"]).all() and (rows["rho"] < rows["rho_high"]).all() and rows.height == 3
