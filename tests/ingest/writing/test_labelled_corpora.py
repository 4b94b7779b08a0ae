"""Labelled data in the store: splits as editions, keys that mean one text, and what is refused or said."""

import hashlib
import shutil
from pathlib import Path

import duckdb
import pytest

from mlv.ingest.upkeep.check import violations
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.schema.errors import DataError, UsageError

WITH_IDS = "id\tsentence1\tsentence2\tlabel\n"


def _write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _segments(store: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return store.execute(
        "SELECT language, edition, parallel_key, text, text_pair, label FROM v_segment ORDER BY ALL"
    ).fetchall()


def test_splits_are_editions_and_keys_begin_with_them(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    _write(tmp_path / "dev-de.tsv", "a\tb\t1", "NS\tb\t0", "c\td\t0")
    _write(tmp_path / "dev-fr.tsv", "u\tv\t1", "w\tx\t1", "y\tz\t0")
    _write(tmp_path / "test-de.tsv", "e\tf\t1")
    _write(tmp_path / "test-de.unlabelled.tsv", "e\tf")
    reports = ingest_corpus(store, "pawsx", [tmp_path])
    assert [(report.target, report.rows_kept, len(report.rejected)) for report in reports] == [
        ("pawsx/de/dev", 2, 1),
        ("pawsx/fr/dev", 3, 0),
        ("pawsx/de/test", 1, 0),
    ]
    assert _segments(store) == [
        ("de", "dev", "dev:1", "a", "b", "1"),
        ("de", "dev", "dev:3", "c", "d", "0"),
        ("de", "test", "test:1", "e", "f", "1"),
        ("fr", "dev", "dev:1", "u", "v", "1"),
        ("fr", "dev", "dev:2", "w", "x", "1"),
        ("fr", "dev", "dev:3", "y", "z", "0"),
    ]
    assert store.execute("SELECT DISTINCT columns FROM corpus").fetchall() == [("text=1,pair=2,label=3",)]
    assert violations(store) == []


def test_keys_of_what_is_not_parallel_are_of_one_language(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for language in ("hau", "swa"):
        _write(
            tmp_path / f"{language}.train.tsv", "tweet\tlabel", "na\tpositive", *["wa\tneutral"] * (language == "swa")
        )
    ingest_corpus(store, "afrisenti", [tmp_path])
    assert _segments(store) == [
        ("ha", "train", "ha:train:1", "na", None, "positive"),
        ("sw", "train", "sw:train:1", "na", None, "positive"),
        ("sw", "train", "sw:train:2", "wa", None, "neutral"),
    ]


def test_a_pair_or_label_enters_the_checksum_only_where_there_is_one(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    ingest_corpus(store, "lines", [_write(tmp_path / "de.txt", "eins", "zwei")])
    ingest_corpus(store, "table", [_write(tmp_path / "own.csv", "text,pair", "a,b")], language="de")
    ingest_corpus(store, "xnli", [_write(tmp_path / "test-de.tsv", "a\tb")])
    ingest_corpus(store, "pawsx", [_write(tmp_path / "test-de.tsv", "a\tb\t1")])
    found = dict(store.execute("SELECT s.code, sha256 FROM corpus JOIN source s USING (source_id)").fetchall())
    expected = {
        "lines": "1\teins\n2\tzwei\n",
        "table": "1\ta\tb\n",
        "xnli": "test:1\ta\tb\n",
        "pawsx": "test:1\ta\tb\t1\n",
    }
    assert found == {code: hashlib.sha256(content.encode()).hexdigest() for code, content in expected.items()}
    assert violations(store) == []


def test_a_label_that_was_changed_in_the_store_is_found(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_corpus(store, "pawsx", [_write(tmp_path / "test-de.tsv", "a\tb\t1")])
    store.execute("UPDATE segment SET label = '0'")
    assert violations(store) == ["1 corpora whose keys and texts are not those that were ingested (SHA-256)"]
    store.execute("UPDATE segment SET label = '', text_pair = ' b'")
    found = "\n".join(violations(store))
    for column in ("label", "text_pair"):
        assert f"1 rows of segment do not keep this rule: {column} is not empty and has no stray white space" in found


def test_labels_that_differ_between_languages_are_said_and_kept(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = ingest_corpus(store, "pawsx", [_write(tmp_path / "dev-de.tsv", "a\tb\t1", "c\td\t0", "e\tf\t0")])
    assert first[0].remarks == []
    paths = [
        _write(tmp_path / f"dev-{code}.tsv", f"a\tb\t{label}", "c\td\t0", "e\tf\t0")
        for code, label in (("fr", 0), ("ko", 1))
    ]
    second = ingest_corpus(store, "pawsx", paths)
    assert second[0].remarks == ["keys whose labels differ between languages: 1, kept: dev:1 (de 1, fr 0, ko 1)"]
    assert len(_segments(store)) == 9
    assert ingest_corpus(store, "pawsx", paths)[0].remarks == []


@pytest.mark.parametrize("in_the_store", [True, False])
def test_ids_and_numbers_of_rows_do_not_mix_in_a_split(
    store: duckdb.DuckDBPyConnection, tmp_path: Path, in_the_store: bool
) -> None:
    numbered = _write(tmp_path / "dev-de.tsv", "a\tb\t1")
    with_ids = _write(tmp_path / "fr" / "dev_2k.tsv", WITH_IDS.strip(), "1\tu\tv\t1")
    if in_the_store:
        ingest_corpus(store, "pawsx", [numbered])
    with pytest.raises(DataError, match=r"Keys of pawsx dev would be of two kinds") as caught:
        ingest_corpus(store, "pawsx", [with_ids] if in_the_store else [numbered, with_ids])
    assert "key=id" in caught.value.message and "rows with text=1,pair=2,label=3" in caught.value.message
    assert "mlv ingest delete pawsx/LANGUAGE/dev" in caught.value.hint
    test = _write(tmp_path / "fr" / "test_2k.tsv", WITH_IDS.strip(), "1\tother\ttexts\t0")
    assert ingest_corpus(store, "pawsx", [test])[0].target == "pawsx/fr/test"


def test_an_id_of_another_split_is_another_key(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for split in ("dev_2k", "test_2k", "translated_train"):
        _write(tmp_path / "ko" / f"{split}.tsv", WITH_IDS.strip(), f"1\t{split}\tb\t1")
    ingest_corpus(store, "pawsx", [tmp_path])
    assert [row[1:4] for row in _segments(store)] == [
        ("dev", "dev:1", "dev_2k"),
        ("test", "test:1", "test_2k"),
        ("train", "train:1", "translated_train"),
    ]


def test_a_split_has_as_many_rows_in_all_languages(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_corpus(store, "xnli", [_write(tmp_path / "dev-de.tsv", "a\tb\tneutral", "c\td\tneutral")])
    ingest_corpus(store, "xnli", [_write(tmp_path / "test-de.tsv", "a\tb\tneutral")])
    with pytest.raises(DataError, match=r"differ in their number of lines \(2 lines: xnli/de/dev; 1 lines: ") as caught:
        ingest_corpus(store, "xnli", [_write(tmp_path / "dev-fr.tsv", "a\tb\tneutral")])
    assert caught.value.hint == "Fetch the files again that are not whole."


def test_the_split_is_given_if_nothing_says_it(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _write(tmp_path / "de.tsv", "a\tb\tneutral")
    with pytest.raises(UsageError, match=r"Nothing says which split .*de\.tsv is") as caught:
        ingest_corpus(store, "xnli", [path])
    assert "--edition train, dev or test" in caught.value.hint
    assert ingest_corpus(store, "xnli", [path], edition="dev")[0].target == "xnli/de/dev"
    assert [row[1:3] for row in _segments(store)] == [("dev", "dev:1")]


def test_an_edition_that_contradicts_the_split_is_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _write(tmp_path / "dev-de.tsv", "a\tb\tneutral")
    with pytest.raises(UsageError, match="is of the split 'dev' by its name or content, but --edition is 'test'"):
        ingest_corpus(store, "xnli", [path], edition="test")
    with pytest.raises(UsageError, match="has no text in fr; it has de"):
        ingest_corpus(store, "xnli", [path], language="fr")
    assert _segments(store) == []


def test_a_table_of_ones_own_has_splits_of_which_one_is_taken(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _write(tmp_path / "own.csv", "id,text,class,split", "1,ja,x,train", "1,nein,y,test", "2,doch,x,train")
    columns = "key=id,text=text,label=class,split=split"
    with pytest.raises(UsageError, match=r"has no split 'dev'; it has test, train"):
        ingest_corpus(store, "table", [path], columns=columns, language="de", edition="dev")
    (report,) = ingest_corpus(store, "table", [path], columns=columns, language="de", edition="test")
    assert report.target == "table/de/test"
    ingest_corpus(store, "table", [path], columns=columns, language="de")
    assert _segments(store) == [
        ("de", "test", "test:1", "nein", None, "y"),
        ("de", "train", "train:1", "ja", None, "x"),
        ("de", "train", "train:2", "doch", None, "x"),
    ]
    assert store.execute("SELECT DISTINCT columns FROM corpus").fetchall() == [(columns,)]


@pytest.mark.real
def test_the_real_folders_enter_the_store(store: duckdb.DuckDBPyConnection, tmp_path: Path, real_data: Path) -> None:
    for code in ("xnli", "pawsx"):
        shutil.copytree(real_data / "classification" / code, tmp_path / code)
        reports = ingest_corpus(store, code, [tmp_path / code])
        assert not any("labels differ" in remark for report in reports for remark in report.remarks)
    counted = store.execute(
        "SELECT source, edition, count(DISTINCT language), count(*) FROM v_segment GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert counted == [
        ("pawsx", "dev", 5, 5 * 2000 - 68 - 38 - 8 - 35),
        ("pawsx", "test", 5, 5 * 2000 - 32 - 1 - 14 - 28 - (6 + 6 + 4 + 3)),
        ("xnli", "dev", 6, 6 * 2490),
        ("xnli", "test", 5, 5 * 5010),
    ]
    assert violations(store) == []
