"""Surveys by a codebook of one's own: microdata, wide tables, labels and JSON lines, and templates made of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mlv.ingest.readers.surveys import ReadSurvey, read_survey
from mlv.ingest.readers.surveys.template import template, template_of
from mlv.ingest.reference.codebook import Codebook, wvs7
from mlv.schema.errors import DataError

BOOK = Codebook.parse(
    "ess.toml",
    """
name = "ess9"
country_columns = ["cntry"]
weight_column = "pspwght"
only.essround = [9]
[missing]
77 = "Refusal"
88 = "Don't know"
[countries]
1 = "DE"
[variables.ppltrst]
text = "Would you say that most people can be trusted?"
questions.57 = {first = [6, 7, 8, 9, 10], second = [0, 1, 2, 3, 4, 5]}
labels.0 = "You can't be too careful"
labels.10 = "Most people can be trusted"
[variables.polintr]
text = "How interested are you in politics?"
questions.199 = {first = [1, 2], second = [3, 4]}
missing = [7]
labels.1 = "Very interested"
labels.2 = "Quite interested"
labels.3 = "Hardly interested"
labels.4 = "Not at all interested"
labels.7 = "Refusal to say"
[variables.happy]
labels.0 = "Extremely unhappy"
""",
)


def _frame(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "essround": rng.choice([8, 9], rows),
            "cntry": rng.choice(["1", "FR"], rows),
            "pspwght": rng.gamma(4.0, 0.25, rows).round(6),
            "ppltrst": rng.choice([*range(11), 77, 88], rows),
            "polintr": rng.choice([1, 2, 3, 4, 7, 88], rows),
            "happy": rng.choice(range(11), rows),
        }
    )


def _read(folder: Path, text: str, name: str = "survey.csv") -> ReadSurvey:
    (folder / name).write_text(text)
    return read_survey(folder / name, BOOK)


def test_microdata_of_another_study_agree_with_pandas(tmp_path: Path) -> None:
    frame = _frame()
    read = _read(tmp_path, frame.to_csv(index=False))
    taken = frame[frame["essround"] == 9].assign(country=lambda rows: rows["cntry"].map({"1": "DE", "FR": "FR"}))
    assert (read.rows_read, read.rows_kept) == (300, len(taken))
    for variable in ("polintr", "ppltrst"):
        weights = taken.groupby(["country", variable])["pspwght"].sum()
        expected = weights / weights.groupby("country").transform("sum")
        found = read.responses.filter(variable=variable).select("country", "response_code", "weighted_share").rows()
        assert {row[:2]: row[2] for row in found} == pytest.approx(expected.to_dict())
    said = {row.reason: row.content for row in read.rejected}
    assert said[f"{300 - len(taken)} respondents are not of those that the codebook takes"] == "essround = 9"
    assert said["not read, the codebook has no question for them"] == "HAPPY"


def test_a_file_without_the_column_that_rows_are_taken_by(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column essround, by which the codebook ess9 takes rows"):
        _read(tmp_path, _frame().drop(columns="essround").to_csv(index=False))


def test_answers_that_are_labels_and_one_country_for_all(tmp_path: Path) -> None:
    book = BOOK.model_copy(
        update={"country_columns": (), "country": "Korea, Republic of", "only": {}, "weight_column": ""}
    )
    frame = _frame()
    words = {code: label.upper() for code, label in BOOK.labels("polintr").items()}
    labelled = frame.assign(polintr=frame["polintr"].map(words))
    frame.to_csv(tmp_path / "codes.csv", index=False)
    labelled.to_csv(tmp_path / "labels.csv", index=False)
    read = read_survey(tmp_path / "labels.csv", book)
    assert read.responses.equals(read_survey(tmp_path / "codes.csv", book).responses)
    assert set(read.responses["country"]) == {"KR"}


LONG = [("FR", 1, 40.0), ("FR", 3, 60.0), ("DE", 2, 25.0), ("DE", 3, 75.0)]
LABELS = {1: "Very interested", 2: "quite interested", 3: "Hardly  interested."}
PEOPLE = {("FR", 1): 4, ("FR", 3): 6, ("DE", 2): 10, ("DE", 3): 30}


def _shares(read: ReadSurvey) -> list[tuple[str, int, float]]:
    assert set(read.responses["variable"]) == {"polintr"}
    return [tuple(row) for row in read.responses.select("country", "response_code", 100 * pl.col("share")).rows()]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("question,response_code,France,DE,id\nPOLINTR,1,40,,7\npolintr,2,,25,7\n199,3,60,75,7\n", "countries"),
        (
            "variable;response_label;FR;DEU\n199;Very interested;40%;\n199;quite interested;;25%\n"
            "199;hardly interested;60%;75%\n",
            "countries",
        ),
        ("question,country,1,2,3\npolintr,FR,.4,,.6\npolintr,DE,,.25,.75\n", "answers"),
        (
            "question,country,Very interested,Quite interested,hardly interested\npolintr,FR,4,,6\npolintr,DE,,10,30\n",
            "answers",
        ),
        ("country,response_code,polintr\nFR,1,40\nFR,3,60\nDE,2,25\nDE,3,75\n", "questions"),
    ],
)
def test_wide_tables_are_what_the_long_one_is(tmp_path: Path, text: str, kind: str) -> None:
    read = _read(tmp_path, text)
    assert _shares(read) == [pytest.approx(row) for row in sorted(LONG)]
    assert f"columns are taken for {kind}, their cells for " in read.remarks[0]
    assert [row.reason for row in read.rejected] == (
        ["not read, their headings are no countries"] if ",id" in text else []
    )


def test_counts_of_a_wide_table_are_kept(tmp_path: Path) -> None:
    read = _read(tmp_path, "question,country,1,2,3\npolintr,FR,4,,6\npolintr,DE,,10,30\n")
    assert {row[:2]: row[2] for row in read.responses.select("country", "response_code", "n").rows()} == PEOPLE


def test_a_wide_table_whose_cells_can_be_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"add up to 37\.5 where percentages would give 100 and shares 1"):
        _read(tmp_path, "question,country,1,2,3\npolintr,FR,14.5,,23\npolintr,DE,,12.5,25\n")


def test_a_long_table_of_labels_and_one_that_the_codebook_does_not_have(tmp_path: Path) -> None:
    rows = "".join(f"199,{country},{LABELS[code]},{share}\n" for country, code, share in LONG)
    read = _read(tmp_path, f"question,country,answer,percent\n{rows}199,IT,Slightly,100\n")
    assert _shares(read) == [pytest.approx(row) for row in sorted(LONG)]
    assert [(row.line, row.reason) for row in read.rejected] == [(6, "the codebook has no answer of this label")]


def _opinion(**line: object) -> str:
    return json.dumps({"question": "How interested are you in politics?", **line}) + "\n"


OPTIONS = ["Very interested", "Quite interested", "Hardly interested", "Nobody says this", "Don't know"]


def test_json_lines_by_country_and_by_selections(tmp_path: Path) -> None:
    lines = [
        _opinion(country="France", options=OPTIONS, distribution=[0.4, 0, 0.55, 0, 0.05]),
        _opinion(options=[1, "2", 3.0], selections={"Germany": [0.25, 0.25, 0.5], "Atlantis": [1, 0, 0]}, source="WVS"),
        _opinion(country="Italy", options=["a"], distribution=[0.5, 0.5]),
        '{"question": "What else?", "country": "Spain", "options": ["Yes"], "distribution": [1.0]}\n',
        "{}\n",
        "{\n",
    ]
    read = _read(tmp_path, "".join(lines), "opinions.jsonl")
    assert _shares(read) == [
        pytest.approx(row)
        for row in [
            ("DE", 1, 25),
            ("DE", 2, 25),
            ("DE", 3, 50),
            ("FR", 1, 40),
            ("FR", 2, 0),
            ("FR", 3, 55),
            ("FR", 88, 5),
        ]
    ]
    assert [(row.line, row.reason) for row in read.rejected] == [
        (3, "it has not one share for each option"),
        (4, "the codebook ess9 has no variable with this text"),
        (5, "it is no JSON with question, options and either country and distribution or selections"),
        (6, "it is no JSON with question, options and either country and distribution or selections"),
        *[(2, "the country is not in ISO 3166-1")] * 3,
    ]
    assert read.rows_read == len(read.rejected) + read.rows_kept


def test_the_template_is_a_codebook_that_works(tmp_path: Path) -> None:
    book = Codebook.parse("t.toml", template())
    (tmp_path / "w.csv").write_text("V2,V258,V4,V240\n276,1.0,1,5\n276,0.5,3,1\n276,0.5,-1,4\n")
    read = read_survey(tmp_path / "w.csv", book)
    found = {row[:2]: row[2] for row in read.responses.select("variable", "response_code", "weighted_share").rows()}
    assert found == {
        ("V4", 1): 0.5,
        ("V4", 3): 0.25,
        ("V4", -1): 0.25,
        ("V240", 5): 0.5,
        ("V240", 1): 0.25,
        ("V240", 4): 0.25,
    }


def _completed(text: str, variable: str, line: str) -> str:
    """A template in which the line of a variable is written."""
    before, after = text.split(f"[variables.{variable}]\n")
    rest = after.split("\n")
    place = next(number for number, old in enumerate(rest) if old.startswith("# questions.QUESTION"))
    return f"{before}[variables.{variable}]\n" + "\n".join([*rest[:place], line, *rest[place + 1 :]])


def test_a_template_of_a_csv_has_its_columns_and_refuses_to_be_read_as_it_is(tmp_path: Path) -> None:
    frame = _frame().assign(who=range(300), version="1")
    frame.to_csv(tmp_path / "ESS 9.csv", index=False)
    text = template_of(tmp_path / "ESS 9.csv")
    assert 'name = "ESS-9"' in text and 'country_columns = ["cntry"]' in text and 'weight_column = "pspwght"' in text
    assert '# 1 = "??"' in text and "[variables.who]" not in text and "[variables.version]" not in text
    assert "# questions.QUESTION = {first = [1, 2, 3, 4, 7, 88], second = []}" in text
    with pytest.raises(DataError, match="none of them has a question"):
        Codebook.parse("t.toml", text)
    line = "questions.199 = {first = [1, 2], second = [3, 4]}\nmissing = [7, 88]"
    book = Codebook.parse("t.toml", _completed(text.replace('# 1 = "??"', '1 = "DE"'), "polintr", line))
    own = BOOK.model_copy(update={"only": {}})
    expected = read_survey(tmp_path / "ESS 9.csv", own).responses.filter(variable="polintr")
    assert read_survey(tmp_path / "ESS 9.csv", book).responses.equals(expected)


def test_a_template_of_spss_has_labels_texts_missing_values_and_countries(tmp_path: Path) -> None:
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = _frame().assign(cntry=lambda rows: rows["cntry"].map({"1": 1.0, "FR": 2.0}))
    labels = {
        "cntry": {1.0: "Germany", 2.0: "France"},
        "polintr": {1.0: "very", 4.0: "not", 7.0: "Refusal", 88.0: "Don't know"},
    }
    pyreadstat.write_sav(
        frame,
        tmp_path / "ess.sav",
        column_labels={"polintr": 'How "interested"?'},
        variable_value_labels=labels,
        missing_ranges={"polintr": [{"lo": 77, "hi": 99}]},
    )
    text = template_of(tmp_path / "ess.sav")
    assert '1 = "DE"\n2 = "FR"\n' in text
    asked = "# questions.QUESTION = {first = [1, 2, 3, 4], second = []}\nmissing = [7, 88]\n"
    assert f'text = "How \\"interested\\"?"\n{asked}' in text
    line = "questions.199 = {first = [1, 2], second = [3, 4]}"
    read = read_survey(tmp_path / "ess.sav", Codebook.parse("t.toml", _completed(text, "polintr", line)))
    assert set(read.responses["country"]) == {"DE", "FR"} and set(read.responses["response_code"]) == {
        1,
        2,
        3,
        4,
        7,
        88,
    }


def test_templates_of_tables_and_of_json_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "question,country,response_code,label,percent\ntrust,DE,1,Yes,60\ntrust,DE,2,No,40\n"
    )
    assert '[variables.trust]\n# questions.QUESTION = {first = [1, 2], second = []}\nlabels.1 = "Yes"\n' in template_of(
        tmp_path / "t.csv"
    )
    line = _opinion(country="France", options=OPTIONS, distribution=[0.4, 0, 0.55, 0, 0.05])
    (tmp_path / "o.jsonl").write_text(line)
    text = template_of(tmp_path / "o.jsonl")
    book = Codebook.parse("t.toml", _completed(text, "V1", "questions.199 = {first = [1, 2], second = [3, 4]}"))
    responses = read_survey(tmp_path / "o.jsonl", book).responses
    assert responses.select("response_code", "share").rows() == [(1, 0.4), (2, 0.0), (3, 0.55), (4, 0.0), (5, 0.05)]
    assert dict(book.sides.filter(question="199").select("response_code", "side").rows())[5] == "missing"


def test_a_file_without_variables_gives_no_template(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no variable with at most 20 codes"):
        template_of(tmp_path / "x.csv")


@pytest.mark.real
def test_real_opinions_by_a_completed_template_are_the_published_percentages(real_data: Path) -> None:
    """GlobalOpinionQA on the world that is better off because of science (Q163), in a country that both have alike."""
    opinions = real_data / "wvs" / "goqa_wvs_weighted.jsonl.gz"
    text = template_of(opinions)
    assert text.count("[variables.V") == 220
    assert "because of science" in text.split("[variables.V2]")[0].split("[variables.V1]")[1]
    line = "questions.163 = {first = [6, 7, 8, 9, 10], second = [1, 2, 3, 4, 5]}"
    book = Codebook.parse("goqa.toml", _completed(text, "V1", line))
    percent = real_data / "wvs" / "wvs7_percent_unweighted_46countries.csv.gz"

    def sides(read: ReadSurvey, by: Codebook) -> dict[str, float]:
        rows = read.responses.filter(country="BR").join(by.sides, on=["variable", "response_code"])
        summed = rows.filter(pl.col("question") == "163").group_by("side").agg(pl.col("share").sum())
        return dict(
            summed.filter(pl.col("side") != "missing").with_columns(pl.col("share") / pl.col("share").sum()).rows()
        )

    assert sides(read_survey(opinions, book), book) == pytest.approx(sides(read_survey(percent), wvs7()), abs=0.005)
