"""Reading surveys: both layouts, what is refused, what is rejected, and shares against an independent computation."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mlv.ingest.readers.surveys import ReadSurvey, read_survey
from mlv.schema.errors import DataError, NotFoundError

OFFICIAL = "WVS_Cross-National_Wave_7_csv_v6_0.csv"


def _respondents(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Invented interviewees in the layout of the official file, with its direction (Q1: 1 is very important)."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "version": "6-0-0",
            "doi": "doi.org/10.14281/18241.24",
            "B_COUNTRY": rng.choice([276, 586, 704], rows),
            "B_COUNTRY_ALPHA": "",
            "D_INTERVIEW": np.arange(rows) + 1,
            "W_WEIGHT": rng.gamma(4.0, 0.25, rows).round(6),
            "Q1": rng.choice([1, 2, 3, 4, -1, -2], rows, p=[0.7, 0.2, 0.04, 0.02, 0.03, 0.01]),
            "Q57": rng.choice([1, 2, -1], rows, p=[0.4, 0.5, 0.1]),
            "Q82_EU": rng.choice([1, 2, 3, 4, -4], rows),
            "Q106": rng.choice([*range(1, 11), -1], rows),
            "Q223": rng.choice([276001, 276002], rows),
            "Q260": rng.choice([1, 2], rows),
        }
    ).assign(B_COUNTRY_ALPHA=lambda frame: frame["B_COUNTRY"].map({276: "DEU", 586: "PAK", 704: "VNM"}))


def _written(folder: Path, frame: pd.DataFrame, name: str = OFFICIAL) -> Path:
    path = folder / name
    frame.to_csv(path, index=False)
    return path


def _by_pandas(frame: pd.DataFrame, variables: tuple[str, ...] = ("Q1", "Q57", "Q106")) -> pd.DataFrame:
    """Counts and shares by country, variable and code, computed without mlv."""
    country = frame["B_COUNTRY"].map({276: "DE", 586: "PK", 704: "VN"}).rename("country")
    parts = []
    for variable in variables:
        grouped = frame.groupby([country, frame[variable].rename("response_code")])["W_WEIGHT"]
        part = grouped.agg(n="size", weighted_n="sum").reset_index().assign(variable=variable)
        totals = part.groupby("country")[["n", "weighted_n"]].transform("sum")
        parts.append(
            part.assign(share=part["n"] / totals["n"], weighted_share=part["weighted_n"] / totals["weighted_n"])
        )
    return pd.concat(parts).sort_values(["country", "variable", "response_code"]).reset_index(drop=True)


def _assert_like_pandas(read: ReadSurvey, frame: pd.DataFrame) -> None:
    expected = _by_pandas(frame)[read.responses.columns]
    pd.testing.assert_frame_equal(read.responses.to_pandas(), expected, check_dtype=False, rtol=1e-12)


def test_shares_of_respondents_agree_with_pandas(tmp_path: Path) -> None:
    frame = _respondents(2000)
    read = read_survey(_written(tmp_path, frame))
    assert (read.layout, read.rows_read, read.rows_kept) == ("respondents", 2000, 2000)
    _assert_like_pandas(read, frame)
    sums = read.responses.group_by("country", "variable").agg(pl.col("share", "weighted_share").sum())
    assert sums["share"].to_list() == pytest.approx([1.0] * 9)
    assert sums["weighted_share"].to_list() == pytest.approx([1.0] * 9)


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    frame = _respondents(500)
    shuffled = frame.sample(frac=1, random_state=1)[frame.columns[::-1]]
    first = read_survey(_written(tmp_path, frame)).responses
    assert read_survey(_written(tmp_path, shuffled)).responses.equals(first)


def test_plain_gzipped_and_zipped_files_read_alike(tmp_path: Path) -> None:
    path = _written(tmp_path, _respondents())
    plain = read_survey(path)
    packed = tmp_path / f"{OFFICIAL}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "wvs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, f"folder/{OFFICIAL}")
        archive.writestr("__MACOSX/._x.csv", "junk")
        archive.writestr("readme.txt", "text")
    for other in (packed, tmp_path / "wvs.zip"):
        read = read_survey(other)
        assert read.responses.equals(plain.responses)
        assert read.content_sha256 == plain.content_sha256


def test_line_ends_byte_order_mark_and_missing_final_newline(tmp_path: Path) -> None:
    frame = _respondents()
    text = "\ufeff" + frame.to_csv(index=False, lineterminator="\r\n").rstrip()
    (tmp_path / "w.csv").write_bytes(text.encode())
    _assert_like_pandas(read_survey(tmp_path / "w.csv"), frame)


def test_semicolons_quotes_and_numeric_countries(tmp_path: Path) -> None:
    frame = _respondents()
    (tmp_path / "w.csv").write_text(frame.drop(columns="B_COUNTRY_ALPHA").to_csv(index=False, sep=";", quoting=1))
    _assert_like_pandas(read_survey(tmp_path / "w.csv"), frame)


def test_respondents_without_a_weight_or_a_country_are_rejected_with_their_line(tmp_path: Path) -> None:
    frame = _respondents().astype({"W_WEIGHT": object})
    for place, weight in {0: "", 5: "0", 6: "-1.5", 9: "nan", 11: "x"}.items():
        frame.loc[place, "W_WEIGHT"] = weight
    frame.loc[20, "B_COUNTRY_ALPHA"] = "NIR"
    frame.loc[21, "B_COUNTRY_ALPHA"] = ""
    read = read_survey(_written(tmp_path, frame))
    rejected = {row.line: row.reason for row in read.rejected if row.line}
    unweighted = "W_WEIGHT is missing, not above zero, or beyond 1,000"
    assert rejected == {
        **dict.fromkeys((2, 7, 8, 11, 13), unweighted),
        22: "'NIR' is not a country of ISO 3166-1",
        23: "'' is not a country of ISO 3166-1",
    }
    assert (read.rows_read, read.rows_kept) == (400, 393)
    kept = frame.drop(index=[0, 5, 6, 9, 11, 20, 21])
    _assert_like_pandas(read, kept.astype({"W_WEIGHT": float}))


def test_answers_without_a_known_code_are_left_out_and_summed_up(tmp_path: Path) -> None:
    frame = _respondents().astype({"Q57": object})
    for place, answer in {0: "", 1: "yes", 2: "1.5", 3: "99", 4: "99", 5: "1.0", 6: " 2"}.items():
        frame.loc[place, "Q57"] = answer
    read = read_survey(_written(tmp_path, frame))
    assert {(row.item, row.reason) for row in read.rejected if row.item != "columns"} == {
        ("Q57", "3 answers are empty or not a whole number"),
        ("Q57", "2 answers have the code 99, not in the codebook"),
    }
    assert read.rows_kept == 400
    trust = read.responses.filter(pl.col("variable") == "Q57")
    assert trust["n"].sum() == 395
    assert trust.group_by("country").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1.0] * 3)


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    read = read_survey(_written(tmp_path, _respondents()))
    said = {row.reason: row.content for row in read.rejected}
    assert said["not read, they are not in the codebook"] == "Q82_EU, Q223, Q260"
    assert said["not in the file"].startswith("Q2, Q3, ")
    assert set(read.responses["variable"]) == {"Q1", "Q57", "Q106"}


def test_the_inverted_release_is_refused_by_its_name(tmp_path: Path) -> None:
    path = _written(tmp_path, _respondents(), "WVS_Cross-National_Wave_7_inverted_csv_v6_0.csv")
    with pytest.raises(DataError, match=r"inverted release of the survey.*its name says so") as caught:
        read_survey(path)
    assert "plain cross-national file" in caught.value.hint


def test_the_inverted_release_is_refused_by_the_name_of_the_archive_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "download.zip", "w") as archive:
        archive.writestr("WVS_Inverted.csv", _respondents().to_csv(index=False))
    with pytest.raises(DataError, match="its name says so"):
        read_survey(tmp_path / "download.zip")


def test_the_inverted_release_is_refused_by_its_variables(tmp_path: Path) -> None:
    path = _written(tmp_path, _respondents().rename(columns={"Q1": "Q1P"}))
    with pytest.raises(DataError, match="it has the variables Q1P"):
        read_survey(path)


def test_the_inverted_release_is_refused_by_its_answers(tmp_path: Path) -> None:
    frame = _respondents()
    frame["Q1"] = frame["Q1"].where(frame["Q1"] < 0, 5 - frame["Q1"])
    with pytest.raises(DataError, match="most answers to Q1 are on the second side"):
        read_survey(_written(tmp_path, frame))


def test_small_letters_comments_and_decimal_commas_in_the_official_layout(tmp_path: Path) -> None:
    frame = _respondents()
    text = frame.rename(columns=str.lower).to_csv(index=False, sep=";", decimal=",")
    (tmp_path / "w.csv").write_text(f"sep=;\n# made by haven\n{text}999;;XXX;1;1;1;1;1;1;1;1;1\n")
    read = read_survey(tmp_path / "w.csv")
    _assert_like_pandas(read, frame)
    assert [row.line for row in read.rejected if row.line] == [404]


def test_without_a_weight_shares_are_unweighted_and_that_is_said_first(tmp_path: Path) -> None:
    frame = _respondents()
    read = read_survey(_written(tmp_path, frame.drop(columns="W_WEIGHT")))
    assert (read.rejected[0].item, read.rejected[0].reason) == ("W_WEIGHT", "not in the file: shares are unweighted")
    expected = read_survey(_written(tmp_path, frame)).responses
    assert read.responses.drop("weighted_n", "weighted_share").equals(expected.drop("weighted_n", "weighted_share"))
    assert read.responses["weighted_n"].null_count() == read.responses["weighted_share"].null_count() == expected.height


def test_the_inverted_release_is_refused_by_variables_in_small_letters(tmp_path: Path) -> None:
    path = _written(tmp_path, _respondents().rename(columns={"Q1": "q1p"}))
    with pytest.raises(DataError, match="it has the variables Q1P"):
        read_survey(path)


@pytest.mark.parametrize("seed", range(5))
def test_small_samples_in_the_plain_direction_pass(tmp_path: Path, seed: int) -> None:
    assert read_survey(_written(tmp_path, _respondents(30, seed))).rows_kept == 30


TABLE = """# A comment.
question_id,country_alpha3,response_code,response_label,percent
Q57,DEU,1,can be trusted,40.5
Q57,DEU,2,careful,59.5
Q57,PAK,1,can be trusted,25
# Another comment.
Q57,PAK,2,careful,75
"""


def _table(folder: Path, text: str) -> ReadSurvey:
    (folder / "shares.csv").write_text(text)
    return read_survey(folder / "shares.csv")


def test_a_table_of_shares(tmp_path: Path) -> None:
    read = _table(tmp_path, TABLE)
    assert (read.layout, read.rows_read, read.rows_kept, read.rejected) == ("percentages", 4, 4, [])
    assert read.responses.rows() == [
        ("DE", "Q57", 1, None, 0.405, None, None),
        ("DE", "Q57", 2, None, 0.595, None, None),
        ("PK", "Q57", 1, None, 0.25, None, None),
        ("PK", "Q57", 2, None, 0.75, None, None),
    ]


def test_other_names_weights_counts_and_missing_codes(tmp_path: Path) -> None:
    read = _table(
        tmp_path,
        "question;country;response_code;percent;weighted_percent;n\n"
        "57;Germany;1;40;30;400\n"
        "57;276;2;50;65;500\n"
        "57;DE;-1;10;5;100\n",
    )
    assert read.rejected == []
    assert read.responses.rows() == [
        ("DE", "Q57", -1, 100, 0.1, None, 0.05),
        ("DE", "Q57", 1, 400, 0.4, None, 0.3),
        ("DE", "Q57", 2, 500, 0.5, None, 0.65),
    ]


GOOD_ROWS = "Q1,DEU,1,60\nQ1,DEU,2,40\n"


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        ("Q91,DEU,1,100\n", ["no probe is about this question"]),
        ("106a,DEU,1,100\n", ["no probe is about this question"]),
        (",DEU,1,100\n", ["no probe is about this question"]),
        ("Q57,ATL,1,100\n", ["the country is not in ISO 3166-1"]),
        ("Q57,DEU,7,100\n", ["the codebook does not have this response code"]),
        ("Q57,DEU,1.5,100\n", ["the response code is not a whole number"]),
        ("Q57,DEU,1,120\n", ["the percentage is not between 0 and 100"]),
        ("Q57,DEU,1,many\n", ["the percentage is not between 0 and 100"]),
        ("Q57,DEU,1\n", ["it has neither a percentage nor a count"]),
        (
            "Q57,DEU,1,40\nQ57,DEU,2,59.4\n",
            ["the percentages of this question and country add up to 99.4, not 100"] * 2,
        ),
        (
            "Q57,DEU,1,40\nQ57,DEU,2,60\nQ57,DEU,2,60\n",
            ["the response code occurs twice for this question and country"],
        ),
        (
            "Q57,DEU,1,40\nQ57,DEU,7,60\n",
            [
                "the percentages of this question and country add up to 40.0, not 100",
                "the codebook does not have this response code",
            ],
        ),
    ],
)
def test_rows_of_a_table_that_cannot_be_used(tmp_path: Path, rows: str, reasons: list[str]) -> None:
    read = _table(tmp_path, "question,country,response_code,percent\n" + GOOD_ROWS + rows)
    assert [row.reason for row in read.rejected] == reasons
    assert read.rows_read == read.rows_kept + len(read.rejected)
    assert read.responses.filter(pl.col("variable") == "Q1").height == 2


def test_rejected_rows_keep_line_item_and_content(tmp_path: Path) -> None:
    (rejected,) = _table(tmp_path, TABLE + "Q57,ATL,1,can be trusted,100\n").rejected
    assert (rejected.line, rejected.item, rejected.content) == (8, "Q57 ATL", "Q57,ATL,1,can be trusted,100")


def test_published_rounding_is_tolerated(tmp_path: Path) -> None:
    read = _table(tmp_path, "question,country,response_code,percent\nQ57,DEU,1,40.0\nQ57,DEU,2,59.6\n")
    assert read.rows_kept == 2


def test_weighted_percentages_have_to_add_up_too(tmp_path: Path) -> None:
    head = "question,country,response_code,percent,weighted_percent\nQ1,DEU,1,100,\n"
    read = _table(tmp_path, head + "Q57,DEU,1,40,40\nQ57,DEU,2,60,\n")
    assert {row.reason for row in read.rejected} == {
        "the weighted percentages of this question and country add up to 40.0, not 100"
    }
    assert read.responses["variable"].to_list() == ["Q1"]


def test_names_of_countries_are_said_to_be_taken_for_others_and_unknown_ones_are_not_guessed(tmp_path: Path) -> None:
    names = ("UK", "Turkiye", "Kosovo", "Korea South", "North Macedonia", "Northern Ireland")
    rows = "".join(f"Q1,{name},1,100\n" for name in names)
    read = _table(tmp_path, f"question,country,response_code,percent\n{rows}")
    assert read.responses["country"].to_list() == ["GB", "KR", "MK", "TR"]
    assert [row.item for row in read.rejected] == ["Q1 Kosovo", "Q1 Northern Ireland"]
    assert read.remarks == [
        "'Korea South' is taken for South Korea (KR)",
        "'Turkiye' is taken for Türkiye (TR)",
        "'UK' is taken for United Kingdom (GB)",
    ]


def test_names_of_countries_in_the_official_layout(tmp_path: Path) -> None:
    frame = _respondents().assign(
        B_COUNTRY_ALPHA=lambda frame: frame["B_COUNTRY"].map({276: "DE", 586: "PK", 704: "Viet-Nam"})
    )
    read = read_survey(_written(tmp_path, frame))
    _assert_like_pandas(read, frame)
    assert read.remarks == ["'Viet-Nam' is taken for Vietnam (VN)"]


def test_json_lines_are_refused_for_what_they_lack(tmp_path: Path) -> None:
    line = (
        '{"question": "How important is family?", "country": "Germany", "options": ["Very"], "distribution": [1.0]}\n'
    )
    (tmp_path / "opinions.jsonl").write_text(line)
    with pytest.raises(DataError, match="the codebook wvs7 has no text of any variable") as caught:
        read_survey(tmp_path / "opinions.jsonl")
    assert "mlv ingest codebook --template FILE --from opinions.jsonl" in caught.value.hint


COUNTED = "question,country,response_code,percent,n\nQ1,DEU,1,60,600\nQ1,DEU,2,40,400\n"


def test_shares_come_from_counts_where_there_are_some(tmp_path: Path) -> None:
    read = _table(tmp_path, COUNTED + "Q57,DEU,1,33,1\nQ57,DEU,2,67,2\n")
    assert read.rejected == []
    assert read.responses.filter(variable="Q57")["share"].to_list() == [1 / 3, 2 / 3]


def test_counts_alone_are_enough(tmp_path: Path) -> None:
    read = _table(tmp_path, "question,country,response_code,n\nQ57,DEU,1,300\nQ57,DEU,2,500\nQ57,DEU,-1,200\n")
    assert read.rejected == []
    assert read.responses.rows() == [
        ("DE", "Q57", -1, 200, 0.2, None, None),
        ("DE", "Q57", 1, 300, 0.3, None, None),
        ("DE", "Q57", 2, 500, 0.5, None, None),
    ]


def test_weighted_percentages_alone_are_enough_and_stay_weighted(tmp_path: Path) -> None:
    read = _table(tmp_path, "question,country,response_code,weighted_percent\nQ57,DEU,1,25\nQ57,DEU,2,75\n")
    assert read.rejected == []
    assert read.responses.rows() == [("DE", "Q57", 1, None, None, None, 0.25), ("DE", "Q57", 2, None, None, None, 0.75)]


def test_an_inverted_table_of_weighted_percentages_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="most answers to Q27 are on the second side"):
        _table(tmp_path, "question,country,response_code,weighted_percent\nQ27,DEU,1,10\nQ27,DEU,4,90\n")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("Q57,DEU,1,90,100\nQ57,DEU,2,10,900\n", "contradict each other: 100 of 1000 people are 10.0%, not 90.0%"),
        ("Q57,DEU,1,40,1000\nQ57,DEU,2,60,1000\n", "contradict each other: 1000 of 2000 people are 50.0%, not 40.0%"),
        ("Q57,DEU,1,40,400\nQ57,DEU,2,60,\n", "n is given for only some of the response codes"),
        ("Q57,DEU,1,,400\nQ57,DEU,2,100,0\n", "percent is given for only some of the response codes"),
        ("Q57,DEU,1,,0\nQ57,DEU,2,,0\n", "n is 0 for all response codes"),
    ],
)
def test_a_cell_whose_numbers_do_not_fit_together_is_refused(tmp_path: Path, rows: str, reason: str) -> None:
    read = _table(tmp_path, COUNTED + rows)
    assert [row.line for row in read.rejected] == [4, 5]
    assert reason in read.rejected[0].reason
    assert set(read.responses["variable"]) == {"Q1"}


@pytest.mark.parametrize("n", ["many", "<5", "12.5", "-3", "60%", "1e30"])
def test_a_count_that_is_none_is_refused_and_nothing_is_left_of_its_cell(tmp_path: Path, n: str) -> None:
    read = _table(tmp_path, f"question,country,response_code,n\nQ1,DEU,1,9\nQ57,DEU,1,{n}\nQ57,DEU,2,4\n")
    assert [row.reason for row in read.rejected] == [
        "n is not a whole number of people",
        "n gives no shares: other response codes of this question and country cannot be used",
    ]


@pytest.mark.parametrize("off", [0.4, 0.6])
def test_percentages_may_differ_from_counts_by_rounding_alone(tmp_path: Path, off: float) -> None:
    read = _table(tmp_path, COUNTED + f"Q57,DEU,1,{40 + off},400\nQ57,DEU,2,{60 - off},600\n")
    assert len(read.rejected) == (0 if off < 0.5 else 2)


NUMBERS = "question;country;response_code;percent\nQ57;DE;1;{}\nQ57;DE;2;{}\n"


@pytest.mark.parametrize("written", [("40,5", "59,5"), ("40.5%", "59.5 %"), ("40,5%", "59,5%"), (" 40.5", "59.50")])
def test_decimal_commas_and_percent_signs(tmp_path: Path, written: tuple[str, str]) -> None:
    assert _table(tmp_path, NUMBERS.format(*written)).responses["share"].to_list() == [0.405, 0.595]


def test_a_decimal_comma_in_quotes(tmp_path: Path) -> None:
    text = NUMBERS.format('"40,5"', '"59,5"').replace(";", ",")
    assert _table(tmp_path, text).responses["share"].to_list() == [0.405, 0.595]


@pytest.mark.parametrize(("mark", "delimiter"), [("sep=;", ";"), ("SEP=,", ","), ("sep=\t", "\t"), ("sep=|", "|")])
def test_the_line_that_tells_excel_the_delimiter(tmp_path: Path, mark: str, delimiter: str) -> None:
    text = f"{mark}\n" + NUMBERS.format("40", "60").replace(";", delimiter)
    read = _table(tmp_path, text + f"Q57{delimiter}ATL{delimiter}1{delimiter}100\n")
    assert (read.rows_kept, [row.line for row in read.rejected]) == (2, [5])


def test_a_label_with_line_breaks_a_comment_in_it_and_the_lines_after_it(tmp_path: Path) -> None:
    text = (
        "question,country,response_code,label,percent\n"
        'Q1,DE,1,"very\n# no comment\n\nimportant",60\n'
        '# a comment with a " quote\n'
        "Q1,DE,2,rather,40\n"
        "Q57,ATL,2,rather,40\n"
    )
    read = _table(tmp_path, text)
    assert (read.rows_kept, [row.line for row in read.rejected]) == (2, [8])


def test_a_quote_that_does_not_end_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3 is not a valid row of a CSV file: unexpected end of data"):
        _table(tmp_path, 'question,country,response_code,percent\nQ1,DE,1,60\nQ1,DE,"2,40\nQ57,DE,1,40\n')


def test_columns_that_differ_in_capitals_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several columns 'percent, Percent', whatever their capitals"):
        _table(tmp_path, "question,country,response_code,percent,Percent\nQ1,DE,1,100,10\n")


def test_an_inverted_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="most answers to Q27 are on the second side"):
        _table(tmp_path, "question,country,response_code,percent\nQ27,DEU,1,10\nQ27,DEU,4,90\n")


def test_another_table_is_refused_with_its_columns_and_the_two_layouts(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"shares\.csv is not a survey that mlv can read: its columns are a, b, c\."
    ) as caught:
        _table(tmp_path, "a,b,c\n1,2,3\n")
    assert "B_COUNTRY_ALPHA" in caught.value.hint
    assert "question, country, response_code and one or more of percent, weighted_percent and n" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "nothing but comments"),
        (b"question,country,response_code,percent\n", "none of its 0 rows can be used"),
        (b"question,country,response_code,percent\nQ57,ATL,1,100\n", "First reason: the country is not in ISO 3166-1"),
        (b"question,country,response_code,percent\nQ57,T\xfcrkei,1,100\n", "not UTF-8"),
        (b"B_COUNTRY,W_WEIGHT,age\n276,1.0,30\n", "none of the variables Q1, Q2, ..."),
        (b"B_COUNTRY,W_WEIGHT,Q1\n276,1.0,1\n276,1.0,1,5,7\n", "cannot be read as CSV"),
        (b"B_COUNTRY,W_WEIGHT,Q1,note\n276,1.0,1,T\xfcr\n", "not UTF-8"),
        (
            gzip.compress(b"question,country,response_code,percent\nQ57,DEU,1,100\n" * 90, mtime=0)[:-20],
            "not a complete gzip file",
        ),
        (gzip.compress(b"B_COUNTRY,W_WEIGHT,Q1\n" + b"276,1.0,1\n" * 9000, mtime=0)[:-20], "not a complete gzip file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "survey.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_survey(tmp_path / "survey.csv")


def test_an_archive_with_more_than_one_table(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("a.csv", TABLE)
        archive.writestr("b.csv", TABLE)
    with pytest.raises(DataError, match=r"has to hold one \.csv, .* file; it holds a\.csv, b\.csv"):
        read_survey(tmp_path / "s.zip")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_survey(tmp_path / "absent.csv")
