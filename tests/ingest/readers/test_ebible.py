"""The eBible corpus: verses by the lines of vref.txt."""

import gzip
from pathlib import Path

import pytest

from mlv.ingest.readers import ebible
from mlv.schema.errors import DataError

NAMES = ["GEN 1:1", "GEN 1:2", "GEN 1:3", "GEN 1:4", "1CO 2:3"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the verse names."""
    (tmp_path / "vref.txt").write_text("\n".join(NAMES) + "\n")
    return tmp_path


def _bible(path: Path, lines: list[str]) -> Path:
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_a_line_is_the_verse_of_its_name(folder: Path) -> None:
    corpus = ebible.read(_bible(folder / "pes-opv.txt.gz", ["یک", "دو", "", "چهار", "پنج"]))
    assert (corpus.language, corpus.edition) == ("fa", "pes-opv")
    assert corpus.segments.rows() == [
        (1, 0, "GEN 1:1", "یک"),
        (2, 1, "GEN 1:2", "دو"),
        (4, 2, "GEN 1:4", "چهار"),
        (5, 3, "1CO 2:3", "پنج"),
    ]


def test_an_absent_verse_is_neither_a_row_nor_a_reject(folder: Path) -> None:
    corpus = ebible.read(_bible(folder / "eng-web.txt", ["one", "", " ", "four", ""]))
    assert (corpus.rows_read, corpus.rejected) == (2, [])


def test_verses_translated_together_stay_under_the_first(folder: Path) -> None:
    corpus = ebible.read(_bible(folder / "eng-web.txt", ["one", "two to four", "<range>", "<range>", "five"]))
    assert corpus.segments["parallel_key"].to_list() == ["GEN 1:1", "GEN 1:2", "1CO 2:3"]
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [
        (3, "GEN 1:3", "it is translated together with GEN 1:2"),
        (4, "GEN 1:4", "it is translated together with GEN 1:2"),
    ]
    assert corpus.rows_read == 5


def test_a_verse_without_a_letter_is_rejected(folder: Path) -> None:
    corpus = ebible.read(_bible(folder / "pes-opv.txt", [".", "دو", "", "", ""]))
    assert [(row.line, row.item, row.reason, row.content) for row in corpus.rejected] == [
        (1, "GEN 1:1", "it has no letter and no digit", ".")
    ]


def test_footnote_marks_are_removed_and_joiners_stay(folder: Path) -> None:
    corpus = ebible.read(_bible(folder / "hin-ulb.txt", ["परमेश्\u200dवर\uf020 ने", "”और", "", "", ""]))
    assert corpus.segments["text"].to_list() == ["परमेश्\u200dवर ने", "”और"]
    assert corpus.rows_repaired == 1


@pytest.mark.parametrize("lines", [["one"] * 4, ["one"] * 6])
def test_a_file_with_other_lines_than_names_is_refused(folder: Path, lines: list[str]) -> None:
    with pytest.raises(DataError, match=rf"has {len(lines)} lines, vref.txt beside it 5"):
        ebible.read(_bible(folder / "eng-web.txt", lines))


def test_without_names_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no vref\.txt beside"):
        ebible.read(_bible(tmp_path / "eng-web.txt", ["one"]))


def test_names_that_are_not_verses_are_refused(folder: Path) -> None:
    (folder / "vref.txt").write_text("GEN 1:1\nGenesis 1:2\n")
    with pytest.raises(DataError, match=r"line 2 does not name a verse .* 'Genesis 1:2'"):
        ebible.read(_bible(folder / "eng-web.txt", ["one", "two"]))


def test_a_name_without_a_language_gives_none(folder: Path) -> None:
    assert ebible.read(_bible(folder / "bible.txt", ["one", "", "", "", ""])).language is None


@pytest.mark.real
@pytest.mark.parametrize(
    ("edition", "language", "verses", "repaired"),
    [
        ("eng-web", "en", 13869, 0),
        ("kor-krv", "ko", 13862, 0),
        ("rus-synodal", "ru", 13870, 0),
        ("hin-ulb-nt", "hi", 7956, 19),
        ("deu-luth1912", "de", 3779, 0),
        ("vie-1934", "vi", 3779, 0),
        ("ron-vdc-cyrl", "ro", 3722, 0),
        ("ell-vamvas", "el", 3779, 0),
        ("tgl-angbiblia", "tl", 3779, 0),
        ("srp-dk-ekavski", "sr", 3778, 0),
    ],
)
def test_real_files_are_read_completely(
    real_data: Path, edition: str, language: str, verses: int, repaired: int
) -> None:
    corpus = ebible.read(real_data / "bible" / "aligned" / f"{edition}.txt.gz")
    assert (corpus.language, corpus.edition, corpus.rows_read, corpus.rejected) == (language, edition, verses, [])
    assert (corpus.segments.height, corpus.rows_repaired) == (verses, repaired)


@pytest.mark.real
def test_the_real_farsi_has_one_verse_that_is_a_full_stop(real_data: Path) -> None:
    corpus = ebible.read(real_data / "bible" / "aligned" / "pes-opv.txt.gz")
    assert (corpus.language, corpus.rows_read, corpus.segments.height) == ("fa", 13875, 13874)
    assert [(row.line, row.item, row.content) for row in corpus.rejected] == [(11659, "2CO 5:7", ".")]
    assert corpus.segments["text"].str.contains("\u200c").sum() > 6000
