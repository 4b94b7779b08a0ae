"""Deleting what was ingested: the store is then as if it had never been there."""

import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
from traced_study import Runs, add_runs

from mlv.ingest.journal import Removal, journal_path, note_ingest, read_journal, standing_ingests
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import delete_run, plan_deletion
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.ingest.upkeep.ingests import delete_ingest, plan_ingest_deletion, sweep
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.reference import ensure_reference
from mlv.ingest.writing.surveys import ingest_survey
from mlv.schema.errors import DataError, NotFoundError, UsageError
from mlv.schema.store.opening import connect, transaction

DEMO = Path(str(files("mlv.ingest") / "demo"))
Ingested = Callable[[duckdb.DuckDBPyConnection], object]


def _swahili(connection: duckdb.DuckDBPyConnection) -> object:
    """A text in a language that nothing else is in, from a source of its own, with a line that is rejected."""
    path = Path(str(connection.execute("PRAGMA database_list").fetchall()[0][2])).with_name("sw.txt")
    path.write_text("moja\nmbili\n...\n", encoding="utf-8")
    return ingest_corpus(connection, "lines", [path], language="sw", publication="own")


def _probes(connection: duckdb.DuckDBPyConnection) -> object:
    return ingest_probes(connection, DEMO / "probes", collection="again", citation="own")


def _survey(connection: duckdb.DuckDBPyConnection) -> object:
    return ingest_survey(connection, DEMO / "survey.csv", name="illustrative", illustrative=True)


EACH = pytest.mark.parametrize(
    ("name", "ingest"), [("lines-own/sw/sw", _swahili), ("again", _probes), ("illustrative", _survey)]
)


@pytest.fixture
def bare(empty_store: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A store that was made and nothing ingested into."""
    path = Path(shutil.copyfile(empty_store, tmp_path / "store.duckdb"))
    with connect(path, read_only=False) as connection:
        with transaction(connection):
            ensure_reference(connection)
        yield connection


def _delete(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    delete_ingest(connection, plan_ingest_deletion(connection, name))


@EACH
def test_a_store_is_as_if_it_had_never_been_there(bare: duckdb.DuckDBPyConnection, name: str, ingest: Ingested) -> None:
    before = fingerprints(bare)
    ingest(bare)
    assert fingerprints(bare) != before
    _delete(bare, name)
    assert fingerprints(bare) == before


@EACH
def test_what_others_need_stays_and_it_can_be_ingested_again(
    study: duckdb.DuckDBPyConnection, name: str, ingest: Ingested
) -> None:
    before = fingerprints(study)
    ingest(study)
    there = fingerprints(study)
    _delete(study, name)
    assert fingerprints(study) == before
    assert violations(study) == []
    ingest(study)
    assert fingerprints(study) == there


def test_a_plan_counts_what_goes(study: duckdb.DuckDBPyConnection) -> None:
    _swahili(study)
    going = plan_ingest_deletion(study, "lines-own/sw/sw")
    assert (going.kind, going.dependants) == ("corpus", [])
    assert going.rows == {"reject": 1, "ingest_file": 1, "segment": 2, "corpus": 1}


def test_a_name_of_two_things_needs_its_kind(study: duckdb.DuckDBPyConnection) -> None:
    ingest_survey(study, DEMO / "survey.csv", name="demo", illustrative=True)
    with pytest.raises(NotFoundError, match="demo is 2 things: probes, survey") as caught:
        plan_ingest_deletion(study, "demo")
    assert caught.value.hint == "Say which: --kind probes"
    assert plan_ingest_deletion(study, "demo", "survey").kind == "survey"
    with pytest.raises(NotFoundError, match="Nothing was ingested as lines/fa"):
        plan_ingest_deletion(study, "lines/fa")


def test_a_collection_has_no_slash_since_its_files_are_known_by_what_follows_one(
    store: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(UsageError, match="'a/b' is not a valid name"):
        ingest_probes(store, DEMO / "probes", collection="a/b")


class Used:
    """A store with runs on its texts and probes."""

    def __init__(self, store: Path) -> None:
        self.store, self.jobs = store, store.parent / "jobs"
        self.runs: Runs = add_runs(store)


@pytest.fixture
def used(study_store: Path, tmp_path: Path) -> Used:
    return Used(Path(shutil.copyfile(study_store, tmp_path / "store.duckdb")))


@pytest.mark.parametrize("name", ["lines/fa/fa", "lines/ko/ko", "demo"])
def test_what_runs_need_goes_after_them_in_the_order_that_is_named(used: Used, name: str) -> None:
    with connect(used.store, read_only=False) as connection:
        before = fingerprints(connection)
        going = plan_ingest_deletion(connection, name)
        with pytest.raises(DataError, match=f"{name} cannot be deleted") as caught:
            delete_ingest(connection, going)
        assert caught.value.hint == f"mlv runs delete {going.dependants[0]} --yes"
        assert fingerprints(connection) == before
        trained = {used.runs.traced, used.runs.other_seed, *([used.runs.farsi] if "fa" in name else [])}
        assert trained <= set(going.dependants) if name != "demo" else not trained & set(going.dependants)
        while runs := plan_ingest_deletion(connection, name).dependants:
            row = plan_deletion(connection, runs[0], used.jobs)
            for dependant in row.dependants:
                inner = plan_deletion(connection, dependant, used.jobs)
                delete_run(connection, inner.run_id, inner.run, used.jobs)
            delete_run(connection, row.run_id, row.run, used.jobs)
        _delete(connection, name)
        assert violations(connection) == []


def test_a_sweep_takes_what_a_killed_deletion_left(study: duckdb.DuckDBPyConnection) -> None:
    before = fingerprints(study)
    _swahili(study)
    # as far as the first transaction of a deletion comes
    study.execute("DELETE FROM corpus WHERE edition = 'sw'")
    study.execute("DELETE FROM segment WHERE corpus_id NOT IN (SELECT corpus_id FROM corpus)")
    study.execute("DELETE FROM reject WHERE content = '...'")
    study.execute("DELETE FROM ingest_file WHERE target = 'lines-own/sw/sw'")
    assert fingerprints(study) != before
    sweep(study)
    assert fingerprints(study) == before


def test_the_journal_knows_what_stands(study: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = journal_path(tmp_path / "store.duckdb")
    both = [tmp_path / "tr.txt", tmp_path / "de.txt"]
    for text in both:
        text.write_text("eins\nzwei\n", encoding="utf-8")
    ingest_corpus(study, "lines", both, publication="own")
    _delete(study, "lines-own/tr/tr")
    entries, damaged = read_journal(path)
    assert damaged == []
    assert [(e.kind, e.name) for e in entries if isinstance(e, Removal)] == [("corpus", "lines-own/tr/tr")]
    (left,) = standing_ingests(entries)
    assert [file.target for file in left.files] == ["lines-own/de/de"]
    ingest_corpus(study, "lines", both, publication="own")
    ingest_corpus(study, "lines", both, publication="own")
    assert [len(e.files) for e in standing_ingests(read_journal(path)[0])] == [1, 2]
    for name in ("lines-own/tr/tr", "lines-own/de/de"):
        _delete(study, name)
    assert standing_ingests(read_journal(path)[0]) == []
    note_ingest(study, "corpus", {}, [])
    assert len(read_journal(path)[0]) == 6
