"""The Parallel Bible Corpus: verses, keys, languages, and what is refused."""

import gzip
from pathlib import Path

import pytest

from mlv.ingest.readers import pbc
from mlv.schema.errors import DataError

HEADER = """<?xml version="1.0" ?>
<cesDoc version="4"><cesHeader version="2"><profileDesc><langUsage>
<language id="{id}" iso639="{iso639}">
	{name}
</language></langUsage></profileDesc></cesHeader>
<text><body id="Bible" lang="{id}"><div id="b.MAR" type="book"><div id="b.MAR.1" type="chapter">
"""
FOOTER = "</div></div></body></text></cesDoc>\n"


def _bible(path: Path, verses: str, code: str = "fa", iso639: str = "pes", name: str = "Farsi") -> Path:
    text = HEADER.format(id=code, iso639=iso639, name=name) + verses + FOOTER
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def _seg(identifier: str, text: str) -> str:
    return f'<seg id="{identifier}" type="verse">\n\t\t{text}\n\t</seg>\n'


def test_verses_have_keys_of_usfm_and_lines_of_the_file(tmp_path: Path) -> None:
    verses = _seg("b.MAR.1.1", "ابتدای  انجیل") + _seg("b.1JO.5.14", "دو")
    corpus = pbc.read(_bible(tmp_path / "Farsi.xml.gz", verses))
    assert (corpus.language, corpus.edition) == ("fa", "Farsi")
    assert corpus.segments.rows() == [(7, 0, "MRK 1:1", "ابتدای انجیل"), (10, 1, "1JN 5:14", "دو")]
    assert (corpus.rows_read, corpus.rejected) == (2, [])


TEI = """<?xml version="1.0"?><TEI xmlns="http://www.tei-c.org/ns/1.0" xml:lang="en"><text><body><div>
<ab xml:id="b.MAT.1.1">The <hi>book</hi></ab><ab>no verse</ab>
<ab xml:id="b.MAT.1.2"> </ab></div></body></text></TEI>
"""


def test_verses_of_tei(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_text(TEI, encoding="utf-8")
    corpus = pbc.read(tmp_path / "own.xml")
    assert (corpus.language, corpus.segments.rows()) == ("en", [(2, 0, "MAT 1:1", "The book")])
    assert [(row.line, row.item) for row in corpus.rejected] == [(3, "MAT 1:2")]


def test_a_file_without_a_verse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_text("<doc><p>text</p></doc>", encoding="utf-8")
    with pytest.raises(DataError, match="has no verse: no seg or ab element"):
        pbc.read(tmp_path / "own.xml")


CORPUS_BOOKS = (
    "GEN EXO LEV NUM DEU JOS JDG RUT 1SA 2SA 1KI 2KI 1CH 2CH EZR NEH EST JOB PSA PRO ECC SON ISA JER LAM EZE DAN "
    "HOS JOE AMO OBA JON MIC NAH HAB ZEP HAG ZEC MAL MAT MAR LUK JOH ACT ROM 1CO 2CO GAL EPH PHI COL 1TH 2TH 1TI "
    "2TI TIT PHM HEB JAM 1PE 2PE 1JO 2JO 3JO JUD REV"
)
USFM_BOOKS = (
    "GEN EXO LEV NUM DEU JOS JDG RUT 1SA 2SA 1KI 2KI 1CH 2CH EZR NEH EST JOB PSA PRO ECC SNG ISA JER LAM EZK DAN "
    "HOS JOL AMO OBA JON MIC NAM HAB ZEP HAG ZEC MAL MAT MRK LUK JHN ACT ROM 1CO 2CO GAL EPH PHP COL 1TH 2TH 1TI "
    "2TI TIT PHM HEB JAS 1PE 2PE 1JN 2JN 3JN JUD REV"
)


def test_the_books_are_those_of_usfm() -> None:
    assert " ".join(pbc.USFM.get(code, code) for code in CORPUS_BOOKS.split()) == USFM_BOOKS


def test_elements_inside_a_verse_keep_their_text(tmp_path: Path) -> None:
    nested = "<hi>Herren</hi> sade:<note/> <q>ett <sparr>o</sparr>rd</q> &amp; &#243;"
    corpus = pbc.read(_bible(tmp_path / "Swedish.xml", _seg("b.MAT.1.1", nested), "sv", "swe", "Swedish"))
    assert corpus.segments["text"].to_list() == ["Herren sade: ett ord & ó"]


def test_namespaces_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "English.xml"
    path.write_text(
        '<c:cesDoc xmlns:c="urn:ces"><c:text><c:body lang="en"><c:seg id="b.MAT.1.1">One</c:seg></c:body></c:text>'
        "</c:cesDoc>"
    )
    corpus = pbc.read(path)
    assert (corpus.language, corpus.segments.rows()) == ("en", [(1, 0, "MAT 1:1", "One")])


def test_empty_repeated_and_nameless_verses_are_rejected(tmp_path: Path) -> None:
    verses = (
        '<seg id="b.MAR.4.41" type="verse"/>\n'
        + _seg("b.MAR.4.42", "ett")
        + _seg("b.MAR.4.42", "två")
        + _seg("MAR.5", "tre")
        + "<seg>fyra</seg>\n"
        + _seg("b.MAR.5.1", ".")
    )
    corpus = pbc.read(_bible(tmp_path / "Swedish-PART.xml", verses, "sv", "swe", "Swedish"))
    assert [(row.line, row.item, row.reason, row.content) for row in corpus.rejected] == [
        (7, "MRK 4:41", "the verse is empty", ""),
        (11, "MRK 4:42", "its key occurs before, in line 8", "två"),
        (14, "MAR.5", "its id does not name a verse as b.MAT.5.3 does", "tre"),
        (17, "", "its id does not name a verse as b.MAT.5.3 does", "fyra"),
        (18, "MRK 5:1", "it has no letter and no digit", "."),
    ]
    assert (corpus.rows_read, corpus.segments.height) == (6, 1)


def test_a_verse_number_beyond_the_chapter_stays(tmp_path: Path) -> None:
    corpus = pbc.read(_bible(tmp_path / "Zulu-NT.xml", _seg("b.ROM.12.36", "a"), "zu", "zul", "Zulu"))
    assert corpus.segments["parallel_key"].to_list() == ["ROM 12:36"]


@pytest.mark.parametrize(
    ("file", "code", "iso639", "name", "language"),
    [
        ("Swahili-NT.xml", "ss", "ssw", "Swahili", "sw"),
        ("Swahili-NT.xml", "ss", "ssw", "?", "sw"),
        ("Ukranian-NT.xml", "uk", "ukr", "Ukranian", "uk"),
        ("unnamed.xml", "xx", "quc", "", "quc"),
        ("unnamed.xml", "xx", "xxx", "", None),
    ],
)
def test_names_give_the_language_before_codes(
    tmp_path: Path, file: str, code: str, iso639: str, name: str, language: str | None
) -> None:
    corpus = pbc.read(_bible(tmp_path / file, _seg("b.MAT.1.1", "a"), code, iso639, name))
    assert corpus.language == language


def test_a_code_that_contradicts_the_name_is_reported_but_not_as_a_row(tmp_path: Path) -> None:
    corpus = pbc.read(_bible(tmp_path / "Swahili-NT.xml", _seg("b.MAT.1.1", "a"), "ss", "ssw", "Swahili"))
    (claim,) = corpus.rejected
    assert (claim.line, claim.item, claim.content) == (3, "language", "ss, ssw")
    assert "taken as 'sw'" in claim.reason
    assert corpus.rows_read == corpus.segments.height == 1


BOMB = """<?xml version="1.0"?>
<!DOCTYPE cesDoc [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<cesDoc><text><body lang="en"><seg id="b.MAT.1.1">&b;</seg></body></text></cesDoc>"""
OUTSIDE = """<!DOCTYPE cesDoc [<!ENTITY secret SYSTEM "file:///etc/hostname">]>
<cesDoc><seg id="b.MAT.1.1">&secret;</seg></cesDoc>"""
UNDECLARED = """<!DOCTYPE cesDoc SYSTEM "cesDoc.dtd">
<cesDoc><seg id="b.MAT.1.1">caf&eacute;</seg></cesDoc>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"declares the entity 'a' in line 2"),
        (OUTSIDE, r"declares the entity 'secret' in line 1"),
        (UNDECLARED, r"uses the undeclared entity 'eacute' in line 2"),
        ("<cesDoc><seg id='b.MAT.1.1'>a <seg>b</seg></seg></cesDoc>", "has a verse inside a verse in line 1"),
        ("<cesDoc>\n<seg>a</cesDoc>", r"not well-formed XML: mismatched tag in line 2"),
        ("<cesDoc>\n<seg id='b.MAT.1.1'>a", "not well-formed XML"),
        ("A sentence a line.\n", "not well-formed XML: syntax error in line 1"),
    ],
)
def test_a_file_that_is_not_of_the_corpus_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "English.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        pbc.read(path)


def test_a_document_type_without_entities_is_read(tmp_path: Path) -> None:
    path = tmp_path / "English.xml"
    path.write_text('<!DOCTYPE cesDoc SYSTEM "cesDoc.dtd">\n<cesDoc><seg id="b.MAT.1.1">a</seg></cesDoc>')
    assert pbc.read(path).segments["text"].to_list() == ["a"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "language", "verses", "rejected"),
    [
        ("christos-c/Swahili-NT.xml.gz", "sw", 7853, [(56, "language")]),
        ("christos-c/Gaelic-PART.xml.gz", "gd", 677, [(519, "MRK 4:41")]),
        ("ces-derived/English-MARK.xml.gz", "en", 678, []),
        ("ces-derived/Farsi-MARK.xml.gz", "fa", 678, []),
        ("ces-derived/Hindi-MARK.xml.gz", "hi", 678, []),
        ("ces-derived/Korean-MARK.xml.gz", "ko", 674, []),
        ("ces-derived/Russian-MARK.xml.gz", "ru", 678, []),
    ],
)
def test_real_files(real_data: Path, file: str, language: str, verses: int, rejected: list[tuple[int, str]]) -> None:
    corpus = pbc.read(real_data / "bible" / file)
    assert (corpus.language, corpus.segments.height) == (language, verses)
    assert [(row.line, row.item) for row in corpus.rejected] == rejected


@pytest.mark.real
def test_the_real_swahili_has_26_books_whose_codes_are_those_of_ebible(real_data: Path) -> None:
    keys = pbc.read(real_data / "bible" / "christos-c" / "Swahili-NT.xml.gz").segments["parallel_key"]
    names = (real_data / "bible" / "aligned" / "vref.txt").read_text().split("\n")
    books = {key[:3] for key in keys}
    assert len(books) == 26 and books <= {name[:3] for name in names}
    assert len(set(keys) - set(names)) < 10
