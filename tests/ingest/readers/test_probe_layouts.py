"""Probes of one's own: tables with named columns."""

from pathlib import Path

import pytest

from mlv.ingest.readers.probe_layouts import COLUMNS, template
from mlv.ingest.readers.probes import ReadProbes, read_archive
from mlv.schema.errors import DataError

ROWS = [
    ["question", "template", "answer_first", "answer_second"],
    ["own-1", "Family is [MASK] to me.", "important", "unimportant"],
    ["own-2", "Politics is [MASK].", "good", "bad"],
]


def _read(folder: Path, text: str, name: str = "en.csv", language: str | None = None) -> list[ReadProbes]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_archive(folder / name, language)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("before", ["", "# a remark, with commas; and more\n\n", "\ufeff"])
def test_columns_are_separated_as_the_header_is(tmp_path: Path, separator: str, before: str) -> None:
    (read,) = _read(tmp_path, before + "".join(f"{separator.join(row)}\n" for row in ROWS))
    assert [[p.question, p.template, p.answer_first, p.answer_second] for p in read.probes] == ROWS[1:]
    assert (read.language, read.rows_read, read.rejected, read.remarks) == ("en", 2, [], [])
    assert read.probes[0].line == 2 + before.count("\n")


def test_excels_sep_line_and_its_commas_in_the_published_layout_are_read(tmp_path: Path) -> None:
    (read,) = _read(tmp_path, "sep=;\n" + "".join(f"{';'.join(row)}\n" for row in ROWS))
    assert len(read.probes) == 2
    (read,) = _read(tmp_path, ',0,1,2,3\n0,H1,"Well, it is [MASK].",good,bad\n')
    assert (read.probes[0].template, read.named) == ("Well, it is [MASK].", False)


def test_columns_may_come_in_any_order_and_what_is_not_read_is_named(tmp_path: Path) -> None:
    text = (
        "Answer_Second,note,battery,question,template,answer_first,polarity,category,baterry\n"
        "bad,hm,b,q-1,It is [MASK].,good,Reversed,own theme,x\n"
        "bad,hm,,7,It is [MASK].,good,,,x\n"
    )
    (read,) = _read(tmp_path, text)
    first, second = read.probes
    assert (first.battery, first.category, first.polarity, first.answer_second) == ("b", "own theme", "reversed", "bad")
    assert (second.battery, second.category, second.polarity) == ("", "", "")
    assert read.remarks == [
        "columns that are not read: note, baterry",
        "taken as questions of World Values Survey wave 7, by their identifiers: 7",
    ]


def test_a_column_of_languages_makes_a_file_of_several(tmp_path: Path) -> None:
    text = (
        "language,question,template,answer_first,answer_second\n"
        "sw,1,Familia ni [MASK].,muhimu,si muhimu\n"
        "Swahili,1,Familia [MASK].,muhimu,si muhimu\n"
        "en,1,Family is [MASK].,important,unimportant\n"
        "Klingonese,1,Family is [MASK].,important,unimportant\n"
    )
    read = {file.language: file for file in _read(tmp_path, text, "own.csv")}
    assert {code: (file.rows_read, len(file.probes)) for code, file in read.items()} == {
        "sw": (2, 1),
        "en": (1, 1),
        "": (1, 0),
    }
    assert [row.reason for file in read.values() for row in file.rejected] == [
        "question 1 is already on line 2",
        "there is no language 'Klingonese'",
    ]
    assert len({file.sha256 for file in read.values()}) == 1
    with pytest.raises(DataError, match="has probes in en, by its column language: leave --language out"):
        _read(tmp_path, text, "own.csv", "sw")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("question,template,answer_first", "it lacks answer_second, and is not"),
        ("question,sentence,a,b", "it lacks template, answer_first, answer_second, and is not"),
        (
            "question,template,answer_first,answer_second,answer_third",
            "a probe has two answers, and the header has answer_third as well",
        ),
        ("question,question,template,answer_first,answer_second", "the header has question more than once"),
    ],
)
def test_a_header_that_does_not_say_all_is_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        _read(tmp_path, f"{header}\n1,x [MASK],a,b,c\n")
    assert message in caught.value.message and "--template FILE" in caught.value.hint


@pytest.mark.parametrize(
    ("polarity", "category", "question", "reason"),
    [
        ("left", "", "own", "polarity 'left' is none of canonical, reversed, undefined"),
        ("", "happiness", "1", "question 1 is of World Values Survey wave 7, where its category is social_values, not"),
        ("", "social_values", "1", ""),
        ("", "happiness", "own", ""),
    ],
)
def test_what_a_column_may_say(tmp_path: Path, polarity: str, category: str, question: str, reason: str) -> None:
    header = "question,template,answer_first,answer_second,polarity,category"
    (read,) = _read(tmp_path, f"{header}\nok,It is [MASK].,a,b,,\n{question},It is [MASK].,a,b,{polarity},{category}\n")
    assert [row.reason.startswith(reason) for row in read.rejected] == ([True] if reason else [])


def test_the_template_is_read_and_explains_every_column(tmp_path: Path) -> None:
    text = template()
    (read,) = _read(tmp_path, text, "own.csv")
    assert (read.language, len(read.probes), read.rejected, read.remarks) == ("en", 2, [], [])
    assert {probe.polarity for probe in read.probes} == {"", "reversed"}
    for name in COLUMNS:
        assert f"# {name}: " in text
