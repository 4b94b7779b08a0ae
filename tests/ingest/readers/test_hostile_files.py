"""Every reader, on files that are damaged, wrongly encoded, or made to harm: rows that pass the gates, or a refusal."""

import csv
import gzip
import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from xml.sax.saxutils import escape

import duckdb
import pytest
from finished_jobs import dump
from fuzzing import damaged, examples, outcome
from hypothesis import given
from hypothesis import strategies as st

from mlv.ingest.readers import ebible, flores, lines, marc, news, paralleltext, pawsx, pbc, table, tanzil, tmx, usfm
from mlv.ingest.readers import text as text_module
from mlv.ingest.readers.probes import read_archive
from mlv.ingest.readers.surveys import read_survey
from mlv.ingest.readers.text import ReadCorpus, clean
from mlv.ingest.studies.study import read_study
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.surveys import ingest_survey
from mlv.schema.errors import DataError, MlvError, UsageError

PBC = """<?xml version="1.0" encoding="utf-8"?>
<cesDoc version="4"><cesHeader><profileDesc><langUsage><language id="fa" iso639="pes">Farsi</language></langUsage>
</profileDesc></cesHeader><text><body lang="fa" id="Bible">
<div id="b.MAR" type="book"><div id="b.MAR.1" type="chapter">
<seg id="b.MAR.1.1" type="verse">آغاز انجیل</seg>
<seg id="b.MAR.1.2" type="verse">دوم &amp; <note>سوم</note></seg>
</div></div></body></text></cesDoc>
""".encode()
TMX = b'<tmx version="1.4"><body><tu><tuv xml:lang="en"><seg>One &amp; <ph>x</ph></seg></tuv></tu></body></tmx>'
USFM = b"\\id MAT\n\\c 1\n\\p\n\\v 1 The \\w book|l\\w*\\f + \\ft Or\\f*\n\\v 2-3 of\n"
VREF = b"GEN 1:1\nGEN 1:2\nMAT 5:3\n"
EBIBLE = "در آغاز\n\n<range>\n".encode()
TANZIL = "1|1|به نام خداوند\n1|2|ستایش\n2|255|خدا\n\n# Language: Persian\n# ID: fa.makarem\n".encode()
NEWS = (
    b'date,title,publication,article\n2019,a,Fox News,"One. Two is here.\nThree ""said"" so."\n2020,b,Reuters,Other.\n'
)
OWN_PROBES = (
    b"# mine\nquestion,language,template,answer_first,answer_second,battery,category,polarity\n"
    b'own-1,de,"Gut, [MASK].",ja,nein,b,c,reversed\n'
)
PROBES = "\t0\t1\t2\t3\n0\t1\tFamily is [MASK].\tgood\tbad\n1\t106a\tGeld&#39;s [MASK].\tgut,\tböse\n".encode()
SHARES = (
    b"# own\nquestion,country,response_code,percent,n\nQ1,IRN,1,60,6\nQ1,IRN,2,40,4\nQ2,DEU,1,50,1\nQ2,DEU,-1,50,1\n"
)
WVS = b'B_COUNTRY_ALPHA;W_WEIGHT;Q1;Q2;Q33\nIRN;1.5;1;2;-1\n"DEU";0.5;2;1;3\nDEU;1;1;1;2\n'
STUDY = b"""[defaults.finetune]
learning_rate = 5e-5
epochs = 2
editions = {fa = "x"}
[[job]]
name = "base"
kind = "probe"
model = ["nano", "google/mt5-small@abc"]
[[job]]
name = "trained"
kind = "finetune"
model = "@base"
source = "lines"
languages = [["fa"], ["ko", "fa"]]
sentences = [20]
seed = [1, 2]
[[job]]
kind = "influence"
run = ["@trained"]
only = {model = "nano"}
method = "tracin"
"""


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def news_of_fox(path: Path) -> ReadCorpus:
    """The news reader, as others are called."""
    return news.read(path, "fox")


def _sound(corpus: ReadCorpus | None) -> None:
    """What a corpus promises: keys once, positions without gaps, clean text, and every row read accounted for."""
    if corpus is None:
        return
    frame = corpus.segments
    assert frame["parallel_key"].n_unique() == frame.height
    assert frame["position"].to_list() == list(range(frame.height))
    assert all(key.strip() for key in frame["parallel_key"])
    assert all(text and clean(text) == (text, False) for text in frame["text"])
    assert corpus.rows_read >= frame.height


@examples(30)
@given(content=damaged([PBC]))
def test_pbc(tmp_path: Path, content: bytes) -> None:
    _sound(outcome(lambda: pbc.read(_file(tmp_path, "pes-x.xml", content))))


@examples(20)
@given(content=damaged([EBIBLE]), verses=st.one_of(st.just(VREF), damaged([VREF])))
def test_ebible(tmp_path: Path, content: bytes, verses: bytes) -> None:
    _file(tmp_path, "vref.txt", verses)
    _sound(outcome(lambda: ebible.read(_file(tmp_path, "pes-opv.txt", content))))


@examples(20)
@given(content=damaged([TANZIL]))
def test_tanzil(tmp_path: Path, content: bytes) -> None:
    _sound(outcome(lambda: tanzil.read(_file(tmp_path, "fa.x.txt", content))))


@examples(30)
@given(content=damaged([b"eins\nzwei\n"]))
def test_lines_and_flores(tmp_path: Path, content: bytes) -> None:
    _sound(outcome(lambda: lines.read(_file(tmp_path, "x.de.txt", content))))
    _sound(outcome(lambda: flores.read(_file(tmp_path, "deu_Latn.dev", content))))


@examples(30)
@given(content=damaged([b"key\tlanguage\ttext\n1\tde\teins\n", b'key,text\n1,"eins"\n', b'{"text": "eins"}\n']))
def test_tables(tmp_path: Path, content: bytes) -> None:
    for corpus in outcome(lambda: table.read(_file(tmp_path, "own.tsv", content))) or ():
        _sound(corpus)


@examples(30)
@given(
    content=damaged(
        [b'"a ""b"""\tb a\t1\nNS\tb\t0\n', b"id\tsentence1\tsentence2\tlabel\n7\ta\tb\t\n", b'7,"Gut, ja",5\n']
    )
)
@pytest.mark.parametrize(("module", "name"), [(pawsx, "dev-de.tsv"), (marc, "de-dev.csv")])
def test_labelled_data(tmp_path: Path, module: ModuleType, name: str, content: bytes) -> None:
    for corpus in outcome(lambda: module.SOURCE.texts(_file(tmp_path, name, content))) or ():
        _sound(corpus)
        labels = set(corpus.segments["label"]) if "label" in corpus.segments.columns else set()
        assert labels <= {*module.LABELS.known, None}


@examples(30)
@given(content=damaged([TMX, USFM, b"# closest ISO 639-3: eng\n40001001\tA verse .\n40001002\t\n"]))
def test_tmx_usfm_and_numbered_verses(tmp_path: Path, content: bytes) -> None:
    for corpus in outcome(lambda: tmx.read(_file(tmp_path, "own.tmx", content))) or ():
        _sound(corpus)
    _sound(outcome(lambda: usfm.read(_file(tmp_path, "MAT.usfm", content))))
    _sound(outcome(lambda: paralleltext.read(_file(tmp_path, "eng-x-bible.txt", content))))


@examples(30)
@given(content=damaged([NEWS]))
def test_news(tmp_path: Path, content: bytes) -> None:
    _sound(outcome(lambda: news.read(_file(tmp_path, "news.csv", content), "fox")))


@examples(30)
@given(content=damaged([PROBES, OWN_PROBES], gzipped=False))
def test_probes(tmp_path: Path, content: bytes) -> None:
    read = outcome(lambda: read_archive(_file(tmp_path, "de.csv", content)))
    for probe in read[0].probes if read else ():
        assert probe.template.count("[MASK]") == 1 and probe.answer_first.strip() and probe.answer_second.strip()


@examples(30)
@given(content=damaged([SHARES, WVS]))
def test_surveys(tmp_path: Path, content: bytes) -> None:
    read = outcome(lambda: read_survey(_file(tmp_path, "survey.csv", content)))
    if read is not None:
        shares = read.responses["share"]
        assert shares.is_between(0, 1).all() and shares.is_not_nan().all()
        assert not read.responses.select("country", "variable", "response_code").is_duplicated().any()
        assert read.rows_kept <= read.rows_read


@examples(30)
@given(content=damaged([STUDY], gzipped=False))
def test_study_files(tmp_path: Path, content: bytes) -> None:
    study = outcome(lambda: read_study(str(_file(tmp_path, "study.toml", content))))
    if study is not None:
        assert study.cells


@examples(20)
@given(data=st.data())
def test_damaged_zip_archives(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probes/de.csv", PROBES)
        archive.writestr("survey.csv", SHARES)
    content = data.draw(damaged([path.read_bytes()], gzipped=False))
    outcome(lambda: read_archive(_file(tmp_path, "b.zip", content)))
    outcome(lambda: read_survey(_file(tmp_path, "b.zip", content)))


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "x.de.txt", gzip.compress(b"a\n" * (8 << 20)))
    with pytest.raises(DataError, match=r"unpacks [\d,]+ bytes to more than"):
        lines.read(path)


def test_a_gzip_bomb_in_an_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("survey.csv.gz", gzip.compress(SHARES + b"#\n" * (8 << 20)))
    with pytest.raises(DataError, match=r"unpacks [\d,]+ bytes to more than"):
        read_survey(tmp_path / "a.zip")


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "LONGEST_LINE", 1000)
    assert lines.read(_file(tmp_path, "x.de.txt", b"a" * 999 + b"\n")).rows_read == 1
    with pytest.raises(DataError, match="has a line of more than"):
        lines.read(_file(tmp_path, "x.de.txt", b"a" * 1001))


ENTITIES = (
    "<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;'>",
    "<!ENTITY c SYSTEM 'file:///etc/passwd'>",
    "<!ENTITY % p SYSTEM 'http://127.0.0.1:9/x.dtd'>%p;",
)


@pytest.mark.parametrize("entity", ENTITIES)
def test_entities_are_refused(tmp_path: Path, entity: str) -> None:
    content = PBC.replace(b"<cesDoc", f"<!DOCTYPE cesDoc [{entity}]><cesDoc".encode()).replace(b"&amp;", b"&c;")
    with pytest.raises(DataError, match="declares the entity"):
        pbc.read(_file(tmp_path, "pes-x.xml", content))


def test_a_document_type_elsewhere_is_not_fetched(tmp_path: Path) -> None:
    elsewhere = _file(tmp_path, "x.dtd", b"<!ENTITY c 'secret'>")
    content = PBC.replace(b"<cesDoc", f"<!DOCTYPE cesDoc SYSTEM '{elsewhere}'><cesDoc".encode())
    assert pbc.read(_file(tmp_path, "pes-x.xml", content)).segments.height == 2
    with pytest.raises(DataError, match="undeclared entity"):
        pbc.read(_file(tmp_path, "pes-x.xml", content.replace(b"&amp;", b"&c;")))


@pytest.mark.parametrize(
    ("content", "name"), [(b"PK\x03\x04..", "zip"), (b"BZh9", "bzip2"), (bytes(257) + b"ustar", "tar")]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_archive_is_not_read_as_text(
    tmp_path: Path, content: bytes, name: str, pack: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(DataError, match=f"is a {name} archive"):
        lines.read(_file(tmp_path, "x.de.txt", pack(content)))


@pytest.mark.parametrize("read", [lines.read, news_of_fox, read_archive, read_survey], ids=lambda read: read.__name__)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(DataError, match="not a file but a pipe"):
        read(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x" * 300, "x\udcff.csv"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    for read in (lines.read, read_archive, read_survey):
        with pytest.raises(MlvError):
            read(tmp_path / name)


WORDS = st.text(st.characters(categories=["L", "N", "Zs", "P"]), min_size=1).map(lambda text: clean(text)[0])
SENTENCES = WORDS.filter(lambda text: any(map(str.isalnum, text)))


@examples(30)
@given(verses=st.lists(SENTENCES, min_size=1, max_size=8))
def test_what_was_written_is_read(tmp_path: Path, verses: list[str]) -> None:
    plain = _file(tmp_path, "x.de.txt", "\n".join(verses).encode())
    assert lines.read(plain).segments["text"].to_list() == verses
    numbered = [f"2|{number}|{verse}" for number, verse in enumerate(verses, 1)]
    quran = _file(tmp_path, "de.x.txt", gzip.compress("\r\n".join(numbered).encode()))
    assert tanzil.read(quran).segments["text"].to_list() == verses
    segments = "".join(f'<seg id="b.MAR.1.{n}">{escape(verse)}</seg>' for n, verse in enumerate(verses, 1))
    bible = _file(tmp_path, "pes-x.xml", f"<a>{segments}</a>".encode())
    assert pbc.read(bible).segments["text"].to_list() == verses
    assert pbc.read(bible).segments["parallel_key"].to_list() == [f"MRK 1:{n}" for n in range(1, len(verses) + 1)]


@examples(30)
@given(articles=st.lists(st.tuples(SENTENCES, st.sampled_from(["Fox News", "Reuters"])), min_size=1, unique=True))
def test_articles_that_were_written_are_read(tmp_path: Path, articles: list[tuple[str, str]]) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([("publication", "article"), *((outlet, f"{text}\n") for text, outlet in articles)])
    read = outcome(lambda: news.read(_file(tmp_path, "a.csv", table.getvalue().encode()), "fox"))
    wanted = {text for text, outlet in articles if outlet == "Fox News"}
    assert bool(wanted) == (read is not None)
    if read is not None and len(wanted) == 1:
        assert "".join(read.segments["text"]).replace(" ", "") == wanted.pop().replace(" ", "")


@examples(30)
@given(people=st.lists(st.tuples(st.sampled_from(["IRN", "DEU"]), st.sampled_from([1, 2])), min_size=1))
def test_respondents_that_were_written_are_counted(tmp_path: Path, people: list[tuple[str, int]]) -> None:
    rows = "".join(f"{place};1;{answer};x;y\n" for place, answer in people)
    # further columns are called as the reader calls its own
    path = _file(tmp_path, "wvs.csv", f"B_COUNTRY_ALPHA;W_WEIGHT;Q1;weight;country\n{rows}".encode())
    counted = Counter(({"IRN": "IR", "DEU": "DE"}[place], answer) for place, answer in people)
    read = read_survey(path).responses
    assert {(row["country"], row["response_code"]): row["n"] for row in read.iter_rows(named=True)} == counted


def test_a_refused_file_leaves_the_store_as_it_was(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    before = dump(store)
    _file(tmp_path, "good.de.txt", b"one\ntwo\n")
    _file(tmp_path, "bad.fa.txt", gzip.compress(b"one\ntwo\n")[:-5])
    with pytest.raises(MlvError):
        ingest_corpus(store, "lines", [tmp_path / "good.de.txt", tmp_path / "bad.fa.txt"])
    with pytest.raises(MlvError):
        ingest_probes(store, _file(tmp_path, "de.csv", PROBES.replace(b"Family", b'"Family')), collection="x")
    with pytest.raises(MlvError):
        ingest_survey(store, _file(tmp_path, "s.csv", SHARES.replace(b"response_code", b"response")), name="x")
    assert dump(store) == before


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "a ", "x" * 201])
def test_names_that_cannot_be_typed_are_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path, name: str) -> None:
    path = _file(tmp_path, "x.de.txt", b"one\n")
    with pytest.raises(UsageError, match="is not a valid name of"):
        ingest_survey(store, path, name=name)
    with pytest.raises(UsageError, match="is not a valid name of"):
        ingest_probes(store, path, collection=name)
    if name:
        with pytest.raises(UsageError, match="is not a valid name of an edition"):
            ingest_corpus(store, "lines", [path], edition=name)


def test_names_that_are_sql_are_names(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    name = "x'; DROP TABLE run; --"
    ingest_corpus(store, "lines", [_file(tmp_path, "x.de.txt", b"one\n")], edition=name)
    ingest_survey(store, _file(tmp_path, "s.csv", SHARES), name=name)
    ingest_probes(store, _file(tmp_path, "de.csv", PROBES), collection=name)
    for where, column in (("corpus", "edition"), ("survey", "code"), ("probe_collection", "code")):
        assert store.execute(f"SELECT {column} FROM {where}").fetchall() == [(name,)]
    assert store.execute("SELECT count(*) FROM run").fetchone() == (0,)
