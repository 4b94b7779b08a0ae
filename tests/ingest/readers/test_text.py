"""Bytes to lines, and lines to clean segments."""

import gzip
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlv.ingest.readers.text import Segments, clean, read_lines, slug, stem
from mlv.schema.errors import DataError


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_gzip_is_recognised_by_its_bytes_not_by_its_name(tmp_path: Path, name: str) -> None:
    plain = "سلام\nдва\n".encode()
    assert read_lines(_write(tmp_path / name, plain)) == ["سلام", "два"]
    assert read_lines(_write(tmp_path / name, gzip.compress(plain))) == ["سلام", "два"]


@pytest.mark.parametrize("data", [b"a\nb\n", b"a\nb", b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n"])
def test_line_ends_and_byte_order_marks_are_not_text(tmp_path: Path, data: bytes) -> None:
    assert read_lines(_write(tmp_path / "a.txt", data)) == ["a", "b"]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    line = "a\u2028b\u0085c\u000bd\u000ce\u001cf\u2029g\rh"
    assert read_lines(_write(tmp_path / "a.txt", f"{line}\nnext\n".encode())) == [line, "next"]
    assert clean(line) == ("a b c d e f g h", False)


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    data = "один\nдва\n".encode() + "три коровы\n".encode("koi8-r")
    with pytest.raises(DataError, match=r"line 3, byte 16; most likely an older encoding") as caught:
        read_lines(_write(tmp_path / "a.txt", data))
    assert data[16:17] == b"\xd4" and "iconv -f ENCODING -t UTF-8 a.txt" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "encoding", "named"),
    [
        ("drei Kühe auf der Weide", "cp1252", "Windows-1252"),
        ("“señor”, dijo él", "cp1252", "Windows-1252"),
        ("три коровы", "cp1251", "ENCODING"),
        ("سه گاو در چراگاه", "cp1256", "ENCODING"),
        ("žluťoučký kůň", "mac_latin2", "ENCODING"),
    ],
)
def test_an_older_encoding_is_named_only_where_it_is_likely(
    tmp_path: Path, line: str, encoding: str, named: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_lines(_write(tmp_path / "a.txt", line.encode(encoding, "ignore")))
    assert f"iconv -f {named} -t UTF-8" in caught.value.hint


@pytest.mark.parametrize("end", [b"", b"\r"])
def test_a_carriage_return_ends_lines_where_there_is_no_line_feed(tmp_path: Path, end: bytes) -> None:
    assert read_lines(_write(tmp_path / "a.txt", b"eins\rzwei\r\rvier" + end)) == ["eins", "zwei", "", "vier"]


def test_utf16_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="looks like UTF-16") as caught:
        read_lines(_write(tmp_path / "a.txt.gz", gzip.compress("متن".encode("utf-16"))))
    assert "iconv -f UTF-16 -t UTF-8 a.txt " in caught.value.hint


@pytest.mark.parametrize("data", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_lines(_write(tmp_path / "a.txt", data))


@pytest.mark.parametrize("cut", [5, 15, 40, -4])
def test_a_cut_off_gzip_file_is_refused(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress("\n".join(map(str, range(1000))).encode())
    with pytest.raises(DataError, match=r"not a complete gzip file .* interrupted"):
        read_lines(_write(tmp_path / "a.gz", whole[:cut]))


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"some text\n" * 100))
    whole[-8] ^= 1
    with pytest.raises(DataError, match="not a complete gzip file"):
        read_lines(_write(tmp_path / "a.gz", bytes(whole)))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt cannot be read: No such file"):
        read_lines(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("raw", "text", "repaired"),
    [
        ("  two \t words\u00a0here\u3000", "two words here", False),
        ("e\u0301", "é", False),
        ("می\u200cشود", "می\u200cشود", False),
        ("क्\u200dष", "क्\u200dष", False),
        ("\ufeffword", "word", True),
        ("dev\uf020anagari \uf0ac", "devanagari", True),
        ("한\u0098제라", "한제라", True),
        ("a\x00b", "ab", True),
        ("\u202bاین\u202c \u200f", "این", True),
        ("\u2067א\u2069 \u061cب\u200e", "א ب", True),
        ("R&amp;D&#39;s caf&eacute;&#x2026;", "R&D's café…", True),
        ("AIDS&amp;#39;li &amp;lt;b&amp;gt;", "AIDS'li <b>", True),
        ("AT&T; &notanentity; &lt", "AT&T; &notanentity; &lt", False),
        ("", "", False),
    ],
)
def test_cleaning(raw: str, text: str, repaired: bool) -> None:
    assert clean(raw) == (text, repaired)


@given(st.text())
def test_clean_text_stays_as_it_is(raw: str) -> None:
    text, _ = clean(raw)
    assert clean(text) == (text, False)
    assert unicodedata.is_normalized("NFC", text) and text == " ".join(text.split())


def test_a_row_that_is_not_a_segment_is_rejected_with_its_reason() -> None:
    segments = Segments()
    segments.add(1, "MAT 1:1", "first")
    segments.add(2, "MAT 1:2", " \uf020 ", empty="the verse is empty")
    segments.add(3, "MAT 1:3", "«…»")
    segments.add(4, "MAT 1:1", "again")
    segments.add(5, "MAT 1:5", "5")
    corpus = segments.finish("fa", "edition")
    assert corpus.segments.rows() == [(1, 0, "MAT 1:1", "first"), (5, 1, "MAT 1:5", "5")]
    assert [(row.line, row.item, row.reason, row.content) for row in corpus.rejected] == [
        (2, "MAT 1:2", "the verse is empty", "\uf020"),
        (3, "MAT 1:3", "it has no letter and no digit", "«…»"),
        (4, "MAT 1:1", "its key occurs before, in line 1", "again"),
    ]
    assert (corpus.rows_read, corpus.rows_repaired) == (5, 0)


def test_names() -> None:
    assert stem(Path("x/pes-opv.txt.gz")) == stem(Path("pes-opv.txt")) == "pes-opv"
    assert slug("The New York Times") == "the-new-york-times"
