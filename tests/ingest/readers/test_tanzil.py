"""Tanzil: both layouts, their footer, and the table of suras."""

import csv
from pathlib import Path

import pytest

from mlv.ingest.readers import tanzil
from mlv.schema.errors import DataError

FOOTER = """

#=====================================================================
#
#  Quran Translation
#  Name: x
#  Language: {language}
#  ID: {edition}
#
#=====================================================================
"""


def _plain(path: Path, ayas: list[str], language: str = "Persian", edition: str = "fa.test") -> Path:
    path.write_text("\n".join(ayas) + "\n" + FOOTER.format(language=language, edition=edition), encoding="utf-8")
    return path


def test_the_table_has_6236_ayas_in_114_suras() -> None:
    assert (len(tanzil.AYAS), sum(tanzil.AYAS)) == (114, 6236)
    assert [tanzil.KEYS[line - 1] for line in (1, 7, 8, 293, 4214, 6236)] == [
        "1:1", "1:7", "2:1", "2:286", "40:81", "114:6",
    ]  # fmt: skip


def test_lines_are_numbered_by_the_table(tmp_path: Path) -> None:
    corpus = tanzil.read(_plain(tmp_path / "any.txt", [f"آیه {number}" for number in range(1, 6237)]))
    assert (corpus.language, corpus.edition) == ("fa", "fa.test")
    assert corpus.segments.row(292) == (293, 292, "2:286", "آیه 293")
    assert (corpus.segments.height, corpus.rejected) == (6236, [])


def test_a_blank_aya_is_rejected_and_shifts_nothing(tmp_path: Path) -> None:
    ayas = [f"aya {number}" for number in range(1, 6237)]
    ayas[4213] = " "
    corpus = tanzil.read(_plain(tmp_path / "a.txt", ayas, "Korean", "ko.test"))
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [(4214, "40:81", "the aya is blank")]
    assert corpus.segments.row(4213) == (4215, 4213, "40:82", "aya 4215")
    assert corpus.rows_read == 6236


@pytest.mark.parametrize("count", [6235, 6237, 1])
def test_another_number_of_lines_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(DataError, match=r"lines of text; the Quran has 6,236 ayas"):
        tanzil.read(_plain(tmp_path / "a.txt", ["aya"] * count))


def test_the_footer_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "de.bubenheim.txt"
    path.write_text("\n".join(f"Vers {number}" for number in range(6236)), encoding="utf-8")
    corpus = tanzil.read(path)
    assert (corpus.language, corpus.edition, corpus.segments.height) == ("de", "de.bubenheim", 6236)


def test_numbered_lines_carry_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    lines = ["2|255|Allah|God", "1|1|In the name", "1|2|", "115|1|none", "1|8|none", "no numbers", "1|1|again"]
    path.write_text("\n".join(lines) + FOOTER.format(language="English", edition="en.x"), encoding="utf-8")
    corpus = tanzil.read(path)
    assert (corpus.language, corpus.edition) == ("en", "en.x")
    assert corpus.segments.rows() == [(1, 0, "2:255", "Allah|God"), (2, 1, "1:1", "In the name")]
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [
        (3, "1:2", "the aya is blank"),
        (4, "115:1", "there is no such aya"),
        (5, "1:8", "there is no such aya"),
        (6, "", "its form is not sura|aya|text"),
        (7, "1:1", "its key occurs before, in line 2"),
    ]


@pytest.mark.real
@pytest.mark.parametrize("edition", ["fa.makarem", "hi.farooq", "ru.kuliev", "en.sahih", "id.indonesian"])
def test_real_files_are_read_completely(real_data: Path, edition: str) -> None:
    corpus = tanzil.read(real_data / "quran" / f"{edition}.txt.gz")
    assert (corpus.language, corpus.edition) == (edition[:2], edition)
    assert (corpus.rows_read, corpus.segments.height, corpus.rejected) == (6236, 6236, [])
    assert corpus.segments["parallel_key"].to_list() == list(tanzil.KEYS)


@pytest.mark.real
def test_the_real_korean_lacks_one_aya(real_data: Path) -> None:
    corpus = tanzil.read(real_data / "quran" / "ko.korean.txt.gz")
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [(4214, "40:81", "the aya is blank")]
    assert (corpus.language, corpus.segments.height, corpus.rows_repaired) == ("ko", 6235, 1)


@pytest.mark.real
def test_both_real_layouts_have_the_same_content(real_data: Path) -> None:
    whole = tanzil.read(real_data / "quran" / "en.sahih.txt.gz")
    part = tanzil.read(real_data / "quran" / "derived" / "en.sahih.numbered.first5suras.txt")
    assert part.segments.rows() == whole.segments.head(789).rows()
    assert (part.language, part.edition) == (whole.language, whole.edition)


@pytest.mark.real
def test_the_table_of_suras_is_that_of_the_real_data(real_data: Path) -> None:
    with (real_data / "quran" / "sura_counts.csv").open() as file:
        assert [int(row["ayas"]) for row in csv.DictReader(file)] == list(tanzil.AYAS)
