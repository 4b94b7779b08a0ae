"""Formats of texts: what plainly is none of plain lines, TMX, USFM, and the Bibles of Mayer and Cysouw."""

from pathlib import Path

import pytest

from mlv.ingest.readers import lines, paralleltext, tmx, usfm
from mlv.schema.errors import DataError

TMX = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu tuid="first"><tuv xml:lang="en-GB"><seg>One &amp; <bpt i="1">&lt;b&gt;</bpt>two<ept i="1">x</ept>.</seg></tuv>
<tuv xml:lang="de"><seg>Eins <hi>und</hi> zwei.</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Three.</seg></tuv><tuv xml:lang="de"><seg> </seg></tuv></tu>
</body></tmx>
"""

USFM = r"""\id MAT A translation
\h Matthew
\toc1 The Gospel of Matthew
\mt1 Matthew
\c 1
\s1 The line of Jesus
\r (Luke 3:23-38)
\p
\v 1 The book\f + \fr 1:1 \ft Or \fqa scroll\fqa* of\f* of \w Jesus|lemma="x"\w* \nd Christ\nd*,
\q1 son of David.
\v 2-3 Abraham\x - \xo 1:2 \xt Gen 21:3\x* and Isaac
\s2 Another heading
\p and Jacob.
\v 4a Aram
\v 4b and Amon.
\c 2
\d A title
\v 1 \zaln-s |strong="1"\*Now\zaln-e\* Jesus
\v 2
"""

PARALLEL = (
    "# language_name: English\n# closest ISO 639-3: eng\n\n"
    "40001001\tA first verse .\n40001002\t\n67001001\tTobit .\nx\n"
)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_translation_memory_is_a_text_for_each_language(tmp_path: Path) -> None:
    english, german = tmx.read(_write(tmp_path / "m.tmx", TMX))
    assert (english.language, english.segments.rows()) == ("en", [(4, 0, "first", "One & two."), (6, 1, "2", "Three.")])
    assert (german.language, german.segments.rows()) == ("de", [(5, 0, "first", "Eins und zwei.")])
    assert [(row.line, row.item, row.reason) for row in german.rejected] == [(6, "2", "the sentence is empty")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<tmx/>", "has no tu with a tuv and a seg"),
        ("<tmx><tu>", "is not well-formed XML"),
        ('<!DOCTYPE tmx [<!ENTITY a "b">]><tmx/>', "declares the entity 'a' in line 1"),
        (
            "<tmx><tu><tuv xml:lang='xx-none'><seg>a</seg></tuv></tu></tmx>",
            "has a tuv in 'xx-none', which is no language",
        ),
    ],
)
def test_what_is_no_translation_memory_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tmx.read(_write(tmp_path / "m.tmx", text))


def test_verses_of_usfm_without_notes_headings_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    text = usfm.read(_write(tmp_path / "own" / "41MAT.usfm", USFM))
    assert (text.language, text.edition) == (None, "own")
    assert text.segments.rows() == [
        (9, 0, "MAT 1:1", "The book of Jesus Christ, son of David."),
        (11, 1, "MAT 1:2", "Abraham and Isaac and Jacob."),
        (14, 2, "MAT 1:4", "Aram and Amon."),
        (18, 3, "MAT 2:1", "Now Jesus"),
    ]
    assert [(row.line, row.item, row.reason) for row in text.rejected] == [
        (11, "MAT 1:3", "it is translated together with MAT 1:2"),
        (19, "MAT 2:2", "the verse is empty"),
    ]


@pytest.mark.parametrize(("text", "message"), [("Text\n", r"does not begin with \\id"), ("\\id MAT\n", "has no verse")])
def test_what_is_no_usfm_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        usfm.read(_write(tmp_path / "a.usfm", text))


def test_verses_by_number(tmp_path: Path) -> None:
    text = paralleltext.read(_write(tmp_path / "eng-x-bible-own.txt", PARALLEL))
    assert (text.language, text.edition) == ("en", "eng-x-bible-own")
    assert text.segments.rows() == [(4, 0, "MAT 1:1", "A first verse ."), (6, 1, "67001001", "Tobit .")]
    assert [(row.line, row.reason) for row in text.rejected] == [
        (5, "the verse has no text of its own"),
        (7, "its form is not BBCCCVVV<tab>text"),
    ]
    with pytest.raises(DataError, match="has no line with a verse"):
        paralleltext.read(_write(tmp_path / "plain.txt", "a\nb\n"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (TMX, "--source tmx"),
        ('<?xml version="1.0"?><TEI xmlns="http://www.tei-c.org/ns/1.0"><text/></TEI>', "--source pbc"),
        ('<?xml version="1.0" encoding="utf-8"?>\n<cesDoc version="4">\n', "--source pbc"),
        ("<!DOCTYPE html>\n<html>\n", "sentences out"),
        (USFM, "--source usfm"),
        (PARALLEL.removesuffix("x\n"), "--source paralleltext"),
        ("1|1|In the name\n1|2|Praise\n\n# Language: English\n", "--source tanzil"),
        ('{"text": "a"}\n{"text": "b"}\n', "--source table"),
        ('[\n {\n  "text": "a"\n }\n]\n', "--source table"),
        ("key\ttext\n1\ta\n2\tb\n", "--source table"),
        ("# text = A dog .\n1\tA\ta\tDET\t_\t_\t2\tdet\t_\t_\n2-3\tdog\t_\t_\t_\t_\t_\t_\t_\t_\n\n", "# text = "),
        ("MAT 5:3 Blessed\nMAT 5:4 are\n1JN 1:1 That\n", "--columns key=1,text=2"),
    ],
    ids=["tmx", "tei", "ces", "html", "usfm", "numbers", "quran", "jsonl", "json", "tsv", "conllu", "names"],
)
def test_lines_refuse_what_is_plainly_something_else(tmp_path: Path, text: str, advice: str) -> None:
    path = _write(tmp_path / "a.txt", text)
    with pytest.raises(DataError, match="not plain text with a sentence a line") as caught:
        lines.read(path)
    assert advice in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "<i>He</i> said.\nAnd then.\n",
        "One\twith a tab.\nTwo.\nThree.\n",
        "[laughs]\nShe went on.\n",
        "40001001 people\nlived there.\n",
        "# A heading\n# and another\n",
        "I 1:1 saw\nit.\n",
    ],
)
def test_lines_take_what_is_odd_but_text(tmp_path: Path, text: str) -> None:
    assert lines.read(_write(tmp_path / "a.en.txt", text)).rows_read == text.count("\n")


def test_a_pair_of_moses_is_two_texts_by_line(tmp_path: Path) -> None:
    pair = {"de": "ja\n", "sw": "ndiyo\n"}
    german, swahili = (lines.read(_write(tmp_path / f"corpus.{code}", text)) for code, text in pair.items())
    assert (german.language, swahili.language) == ("de", "sw")
    assert german.segments["parallel_key"].to_list() == swahili.segments["parallel_key"].to_list() == ["1"]
