"""Probes, probe sets and tables of a user's own are made again by the journal, and by the store alone."""

from pathlib import Path

import pytest

from mlv.ingest.journal import journal_path
from mlv.ingest.upkeep.rebuild import plan_rebuild, rebuild
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.probe_sets import make_probe_set
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.reference import ensure_reference
from mlv.ingest.writing.tasks import ingest_task
from mlv.migrations import upgrade
from mlv.schema.store.opening import connect, transaction

PROBES = (
    "language,question,template,answer_first,answer_second,category,polarity\n"
    "sw,own-1,Familia ni [MASK].,muhimu,si muhimu,home,\n"
    "en,own-1,Family is [MASK].,important,unimportant,home,reversed\n"
    "en,own-2,Noise is [MASK].,bad,good,,\n"
)


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "store alone"])
def test_the_store_is_made_again_as_it_was(tmp_path: Path, journal: bool) -> None:
    store = tmp_path / "mlv.duckdb"
    (tmp_path / "own.csv").write_text(PROBES, encoding="utf-8")
    (tmp_path / "texts.tsv").write_text("id\tlang\ts\na\tde\tja\na\tsw\tndiyo\n", encoding="utf-8")
    upgrade(store)
    with connect(store, read_only=False) as connection:
        ingest_probes(connection, tmp_path / "own.csv", collection="ours", countries={"sw": ["KE", "TZ"]})
        make_probe_set(connection, "one", collection="ours", questions=["own-2"], description="Only noise.")
        ingest_corpus(connection, "table", [tmp_path / "texts.tsv"], columns="text=s,key=id,language=lang")
    if not journal:
        journal_path(store).unlink()
    plan = plan_rebuild(store, tmp_path / "jobs", [tmp_path])
    done = rebuild(plan, tmp_path / "again.duckdb")
    assert (done.differing, done.left_out, done.remarks) == ({}, [], [])
    with connect(tmp_path / "again.duckdb") as connection:
        pairs = connection.execute("SELECT country FROM v_language_country WHERE language = 'sw' ORDER BY 1").fetchall()
        assert pairs == [("KE",), ("TZ",)]
        sets = connection.execute(
            "SELECT question, description FROM v_probe_set JOIN probe_set ON code = probe_set WHERE probe_set = 'one'"
        ).fetchall()
        assert sets == [("own-2", "Only noise.")]
    assert plan_rebuild(tmp_path / "again.duckdb", tmp_path / "jobs").steps


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "store alone"])
def test_labelled_data_and_tasks_are_made_again(tmp_path: Path, journal: bool) -> None:
    store = tmp_path / "mlv.duckdb"
    (tmp_path / "own.csv").write_text("id,t,c,split,lang\n1,ja,y,train,de\n1,nein,n,test,de\n1,ndiyo,y,test,sw\n")
    (tmp_path / "mine.toml").write_text(
        'code = "mine"\nsource = "table-own"\nclasses = ["no", "yes"]\n[labels]\nn = "no"\ny = "yes"\n'
    )
    (tmp_path / "xnli.dev.tsv").write_text(
        "language\tgold_label\tsentence1\tsentence2\tpairID\nde\tneutral\ta\tb\t7\nfr\tneutral\tu\tv\t7\n"
    )
    (tmp_path / "pairs.tsv").write_text("a\tb\t1\n")
    upgrade(store)
    columns = "key=id,text=t,label=c,split=split,language=lang"
    with connect(store, read_only=False) as connection:
        with transaction(connection):
            ensure_reference(connection)
        ingest_corpus(connection, "table", [tmp_path / "own.csv"], publication="own", columns=columns)
        ingest_corpus(connection, "xnli", [tmp_path / "xnli.dev.tsv"])
        ingest_corpus(connection, "pawsx", [tmp_path / "pairs.tsv"], language="de", edition="dev")
        ingest_task(connection, tmp_path / "mine.toml")
    if not journal:
        journal_path(store).unlink()
    done = rebuild(plan_rebuild(store, tmp_path / "jobs", [tmp_path]), tmp_path / "again.duckdb")
    assert (done.differing, done.left_out, done.remarks) == ({}, [], [])
    with connect(tmp_path / "again.duckdb") as connection:
        tasks = connection.execute("SELECT DISTINCT task FROM v_task ORDER BY ALL").fetchall()
        keys = connection.execute("SELECT language, parallel_key, label FROM v_segment ORDER BY ALL").fetchall()
    assert tasks == [("mine",), ("pawsx-paraphrase",), ("xnli",), ("xnli-entailment",)]
    assert keys == [
        ("de", "dev:1", "1"),
        ("de", "dev:7", "neutral"),
        ("de", "test:1", "n"),
        ("de", "train:1", "y"),
        ("fr", "dev:7", "neutral"),
        ("sw", "test:1", "y"),
    ]
