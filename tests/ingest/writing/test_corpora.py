"""Writing corpora: files become texts of the store, all or none, and whatever is wrong is reported at once."""

import gzip
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlv.ingest.jobs.segments import select_segments
from mlv.ingest.readers.report import FileReport
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.schema.errors import DataError, NotFoundError, UsageError
from mlv.schema.fetching import frame_of

TABLES = ("source", "language", "corpus", "segment", "ingest_file", "reject")


def _lines(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _content(store: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables that ingest writes."""
    return {table: store.execute(f'SELECT * FROM "{table}" ORDER BY ALL').fetchall() for table in TABLES}


def test_a_folder_becomes_corpora(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    _lines(parallel / ".hidden.txt", "no")
    _lines(parallel / "notes.md", "no")
    reports = ingest_corpus(store, "lines", [parallel])
    assert [(report.target, report.rows_read, report.rows_kept, len(report.rejected)) for report in reports] == [
        ("lines/fa/fa", 6, 5, 1),
        ("lines/ko/ko", 6, 5, 1),
        ("lines/ru/ru", 6, 6, 0),
    ]
    rows = frame_of(store, "SELECT source, language, position, parallel_key, text FROM v_segment ORDER BY ALL")
    assert rows.filter(language="fa").rows() == [
        ("lines", "fa", 0, "1", "یک"),
        ("lines", "fa", 1, "3", "سه"),
        ("lines", "fa", 2, "4", "چهار"),
        ("lines", "fa", 3, "5", "پنج"),
        ("lines", "fa", 4, "6", "شش"),
    ]
    ids = store.execute("SELECT list(segment_id ORDER BY segment_id) FROM segment").fetchone()
    assert ids == (list(range(1, 17)),)
    rejects = store.execute(
        "SELECT f.name, r.line, r.item, r.reason FROM reject r JOIN ingest_file f USING (ingest_file_id) ORDER BY ALL"
    ).fetchall()
    assert rejects == [("fa.txt", 2, "2", "the line is empty"), ("ko.txt", 5, "5", "the line is empty")]


def test_the_same_content_again_changes_nothing(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    first = ingest_corpus(store, "lines", [parallel])
    before = _content(store)
    packed = parallel / "packed" / "fa.txt"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress((parallel / "fa.txt").read_bytes()))
    again = [*ingest_corpus(store, "lines", [parallel, parallel / "fa.txt"]), *ingest_corpus(store, "lines", [packed])]
    assert not any(report.already_there for report in first) and all(report.already_there for report in again)
    assert [report.rows_kept for report in again] == [5, 5, 6, 5]
    assert _content(store) == before


def test_other_content_of_an_edition_is_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_corpus(store, "lines", [_lines(tmp_path / "fa.txt", "یک", "دو")])
    before = _content(store)
    other = _lines(tmp_path / "other" / "fa.txt", "یک", "سه")
    with pytest.raises(DataError, match="The store has lines/fa/fa with other content") as caught:
        ingest_corpus(store, "lines", [other])
    assert "--edition" in caught.value.hint and _content(store) == before
    (report,) = ingest_corpus(store, "lines", [other], edition="second")
    assert report.target == "lines/fa/second" and len(_content(store)["corpus"]) == 2


def test_one_bad_file_keeps_all_out_and_all_problems_are_listed(
    store: duckdb.DuckDBPyConnection, parallel: Path
) -> None:
    before = _content(store)
    (parallel / "de.txt").write_bytes(b"K\xfche\n")
    (parallel / "en.txt").write_bytes(b"")
    _lines(parallel / "story.txt", *"abcdef")
    with pytest.raises(DataError, match="3 problems, and nothing was written") as caught:
        ingest_corpus(store, "lines", [parallel])
    for part in ("de.txt is not UTF-8", "en.txt is empty", "story.txt is unknown", "--language fa"):
        assert part in caught.value.message
    assert _content(store) == before


def test_a_single_problem_is_raised_as_it_is(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"The language of .* is unknown") as caught:
        ingest_corpus(store, "lines", [_lines(tmp_path / "story.txt", "a")])
    assert caught.value.hint == "Give it, e.g. --language fa"


def test_a_failure_while_writing_leaves_the_store_as_it_was(
    store: duckdb.DuckDBPyConnection, parallel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    before = _content(store)
    monkeypatch.setattr("mlv.ingest.writing.corpora.record", fail)
    with pytest.raises(OSError, match="disk full"):
        ingest_corpus(store, "lines", [parallel])
    assert _content(store) == before


def test_a_language_is_given_if_the_file_does_not_name_one(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = _lines(tmp_path / "story.txt", "salom")
    (report,) = ingest_corpus(store, "lines", [text], language="tgk", licence="CC0")
    assert report.target == "lines/tg/story"
    assert store.execute("SELECT licence, origin FROM corpus").fetchall() == [("CC0", "story.txt")]


def test_a_language_that_contradicts_the_file_is_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = _lines(tmp_path / "fa.txt", "یک")
    with pytest.raises(UsageError, match=r"fa\.txt is in 'fa' .* --language is 'ko'"):
        ingest_corpus(store, "lines", [file], language="Korean")
    assert _content(store)["corpus"] == []
    (report,) = ingest_corpus(store, "lines", [file], language="Persian")
    assert report.target == "lines/fa/fa"


def test_a_bible_with_unreliable_headers_takes_the_language_given(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    verse = '<seg id="b.MAT.1.1">Habari</seg>'
    path = tmp_path / "Bible.xml"
    path.write_text(f'<cesDoc><language id="ss">Swati</language><body lang="sw">{verse}</body></cesDoc>')
    (report,) = ingest_corpus(store, "pbc", [path], language="sw")
    assert report.target == "pbc/sw/Bible"
    assert [(row.item, row.reason) for row in report.rejected] == [
        ("language", "the file gives its language as 'ss'; it is taken as 'sw', as --language says")
    ]


def test_one_language_is_not_given_to_several_texts(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = [_lines(tmp_path / name, "one") for name in ("first.txt", "second.txt", "en.txt")]
    with pytest.raises(UsageError, match=r"--language en stands for one text.*first\.txt, .*second\.txt\.") as caught:
        ingest_corpus(store, "lines", files, language="en")
    assert "en.txt" not in caught.value.message
    assert _content(store)["corpus"] == []


def test_only_translations_of_each_other_share_line_numbers(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    ingest_corpus(store, "lines", [parallel])
    other = _lines(parallel.parent / "hi.txt", "एक", "दो")
    with pytest.raises(DataError, match=r"6 lines: lines/fa/fa, lines/ko/ko, lines/ru/ru; 2 lines: .*hi\.txt"):
        ingest_corpus(store, "lines", [other])
    (report,) = ingest_corpus(store, "lines", [other], publication="My Text")
    assert report.target == "lines-my-text/hi/hi"


def test_two_files_of_one_edition_are_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = [_lines(tmp_path / folder / "fa.txt", "یک") for folder in "ab"]
    with pytest.raises(DataError, match="Several files are the same text lines/fa/fa"):
        ingest_corpus(store, "lines", files)


def test_a_text_without_a_segment_is_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is at least one row"):
        ingest_corpus(store, "lines", [_lines(tmp_path / "fa.txt", "", "...")])


def test_paths_that_are_nothing_are_named_together(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"There is no file of pbc at .*/none\.xml, .*test_paths") as caught:
        ingest_corpus(store, "pbc", [tmp_path / "none.xml", tmp_path])
    assert "*.xml" in caught.value.hint


def test_files_beside_the_texts_are_not_texts(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    _lines(tmp_path / "vref.txt", "GEN 1:1", "GEN 1:2")
    _lines(tmp_path / "eng-web.txt", "one", "two")
    for paths in ([tmp_path], sorted(tmp_path.glob("*.txt"))):
        assert [report.target for report in ingest_corpus(store, "ebible", paths)] == ["ebible/en/eng-web"]


def test_the_splits_of_flores_are_one_corpus(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    _lines(tmp_path / "dev" / "kor_Hang.dev", *(f"dev {number}" for number in range(997)))
    _lines(tmp_path / "devtest" / "kor_Hang.devtest", *(f"test {number}" for number in range(1012)))
    reports = ingest_corpus(store, "flores", [tmp_path])
    assert [(report.target, report.rows_kept) for report in reports] == [
        ("flores/ko/kor_Hang", 997),
        ("flores/ko/kor_Hang", 1012),
    ]
    chosen = select_segments(store, "flores", ["ko"], 2000)
    assert chosen["position"].to_list() == list(range(2000))
    assert chosen["parallel_key"].to_list()[996:998] == ["dev:997", "devtest:1"]


def test_an_outlet_is_a_source_and_releases_in_parts_are_joined(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    _lines(tmp_path / "articles1.csv", "publication,content", "Fox News,One. Two.", "Reuters,Three.")
    _lines(tmp_path / "articles2.csv", "publication,content", "Fox News,Four.", "Fox News,One. Two.")
    first, second = ingest_corpus(store, "news", [tmp_path], publication="fox")
    assert first.target == second.target == "news-fox/en/all-the-news-1"
    assert (first.rows_kept, second.rows_read, second.rows_kept) == (2, 3, 1)
    assert [(row.line, row.reason) for row in second.rejected] == [(3, "its key occurs in a file before")] * 2
    assert select_segments(store, "news-fox", ["en"], 3)["text"].to_list() == ["One.", "Two.", "Four."]
    assert store.execute("SELECT name, domain FROM source").fetchall() == [("All-The-News: Fox News", "news")]


@pytest.mark.parametrize(
    ("source", "publication", "message"),
    [
        ("bible", None, "There is no source 'bible'"),
        ("news", None, "one outlet at a time"),
        ("pbc", "fox", "--publication does not go with pbc"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    store: duckdb.DuckDBPyConnection, tmp_path: Path, source: str, publication: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ingest_corpus(store, source, [tmp_path], publication=publication)


@pytest.mark.real
def test_the_real_corpora_are_ingested_with_every_reject_explained(
    store: duckdb.DuckDBPyConnection, real_data: Path
) -> None:
    reports = [
        *ingest_corpus(store, "ebible", [real_data / "bible" / "aligned"]),
        *ingest_corpus(store, "pbc", [real_data / "bible" / "christos-c", real_data / "bible" / "ces-derived"]),
        *ingest_corpus(store, "tanzil", [real_data / "quran"]),
        *ingest_corpus(store, "flores", [real_data / "flores" / "devtest"]),
        *ingest_corpus(store, "lines", [real_data / "ntrex"], publication="ntrex"),
    ]
    _check_reports(store, reports)
    _check_parallel_keys(store)


def _check_reports(store: duckdb.DuckDBPyConnection, reports: list[FileReport]) -> None:
    """What was kept of each source, and each row that was not."""
    kept = pl.DataFrame([(r.target.split("/")[0], r.rows_kept) for r in reports], orient="row", schema=["source", "n"])
    assert dict(kept.group_by("source").agg(pl.col("n").sum()).rows()) == {
        "ebible": 13869 + 13874 + 13862 + 13870 + 7956 + 4 * 3779 + 3722 + 3778,
        "pbc": 7853 + 677 + 4 * 678 + 674,
        "tanzil": 5 * 6236 + 6235,
        "flores": 13 * 1012,
        "lines-ntrex": 5 * 1997,
    }
    assert [(r.name, row.line, row.item) for r in reports for row in r.rejected] == [
        ("pes-opv.txt.gz", 11659, "2CO 5:7"),
        ("Gaelic-PART.xml.gz", 519, "MRK 4:41"),
        ("Swahili-NT.xml.gz", 56, "language"),
        ("ko.korean.txt.gz", 4214, "40:81"),
    ]
    stored = store.execute("SELECT count(*), count(DISTINCT segment_id) FROM segment").fetchone()
    assert stored == (kept["n"].sum(), kept["n"].sum())


def _check_parallel_keys(store: duckdb.DuckDBPyConnection) -> None:
    """How many verses and ayas the study's languages share."""
    # 13,856 and 7,937 verses are not empty in all of them; one of each is the Farsi verse that is a full stop.
    for source, languages, count in (
        ("ebible", ["en", "fa", "ko", "ru"], 13856 - 1),
        ("ebible", ["en", "fa", "hi", "ko", "ru"], 7937 - 1),
        ("tanzil", ["fa", "ko", "hi", "ru"], 6235),
    ):
        keys = select_segments(store, source, languages, count * len(languages))["parallel_key"]
        assert keys.n_unique() == count
        with pytest.raises(DataError, match=f"{source} has {count:,} sentences that"):
            select_segments(store, source, languages, (count + 1) * len(languages))
    chosen = select_segments(store, "ebible", ["fa", "ko", "hi", "ru"], 10_000)
    assert chosen.group_by("parallel_key").len()["len"].to_list() == [4] * 2500
    assert chosen["parallel_key"][0] == "MAT 1:1"
    _check_runs_in_one_language(store)


def _check_runs_in_one_language(store: duckdb.DuckDBPyConnection) -> None:
    """Runs in one language each are on the same verses; by themselves, the Hindi one would share none."""
    study = ["fa", "hi", "ko", "ru"]
    for source in ("ebible", "tanzil"):
        shared = {tuple(select_segments(store, source, [code], 2000, None, study)["parallel_key"]) for code in study}
        assert len(shared) == 1
    alone = {code: set(select_segments(store, "ebible", [code], 2000)["parallel_key"]) for code in study}
    assert alone["fa"].isdisjoint(alone["hi"])
    assert alone["fa"] == alone["ko"] == alone["ru"]


def test_a_file_of_several_languages_becomes_a_corpus_of_each(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _lines(tmp_path / "own.tsv", "id\tlang\ttext", "a\tde\tja", "a\tsw\tndiyo", "b\tsw\thapana", "c\tfa\tنه")
    said = "text=text,key=id,language=lang"
    reports = ingest_corpus(store, "table", [path], language="de,Swahili", columns=said, publication="Own")
    assert [(report.target, report.rows_kept) for report in reports] == [
        ("table-own/de/own", 1),
        ("table-own/sw/own", 2),
    ]
    assert store.execute("SELECT DISTINCT columns FROM corpus").fetchall() == [(said,)]
    with pytest.raises(UsageError, match="has no text in ru; it has de, fa, sw"):
        ingest_corpus(store, "table", [path], language="ru", columns=said)
    assert ingest_corpus(store, "table", [path], columns=said, publication="Own")[2].target == "table-own/fa/own"


def test_tables_whose_keys_are_rows_have_to_agree_in_their_number(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    ingest_corpus(store, "table", [_lines(tmp_path / "a.csv", "text,x", "eins,1", "zwei,2")], language="de")
    other = _lines(tmp_path / "b.csv", "text,x", "moja,1")
    with pytest.raises(DataError, match="aligned by line, but differ in their number of lines"):
        ingest_corpus(store, "table", [other], language="sw")
    keyed = _lines(tmp_path / "c.csv", "text,key", "moja,1")
    assert ingest_corpus(store, "table", [keyed], language="sw")[0].rows_kept == 1
