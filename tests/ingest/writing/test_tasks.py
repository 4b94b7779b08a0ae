"""Tasks in the store: they enter with texts or by a file, and a code stands for one content."""

from pathlib import Path

import duckdb
import pytest

from mlv.ingest.reference.task import packaged
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.ingest.upkeep.ingests import INGESTS, delete_ingest, plan_ingest_deletion
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.tasks import ingest_task
from mlv.schema.errors import DataError, NotFoundError

TASK = """
code = "mine"
source = "table-own"
description = "Yes or no."
classes = ["no", "yes"]
left_out = ["maybe"]
[labels]
n = "no"
y = "yes"
"""


@pytest.fixture
def own(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A store with labelled texts of one's own, and a file of a task about them."""
    (tmp_path / "texts.csv").write_text("text,label\nja,y\nnein,n\n")
    (tmp_path / "mine.toml").write_text(TASK)
    ingest_corpus(store, "table", [tmp_path / "texts.csv"], language="de", publication="own")
    return store


def _tasks(store: duckdb.DuckDBPyConnection) -> list[str]:
    return [code for (code,) in store.execute("SELECT code FROM task ORDER BY code").fetchall()]


def _delete(store: duckdb.DuckDBPyConnection, name: str) -> None:
    delete_ingest(store, plan_ingest_deletion(store, name))


def test_a_task_of_ones_own(own: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (report,) = ingest_task(own, tmp_path / "mine.toml")
    assert (report.kind, report.target, report.rows_kept, report.already_there) == ("task", "mine", 3, False)
    assert own.execute("FROM v_task ORDER BY label").fetchall() == [
        ("mine", "table-own", "Yes or no.", "maybe", None, None),
        ("mine", "table-own", "Yes or no.", "n", 1, "no"),
        ("mine", "table-own", "Yes or no.", "y", 2, "yes"),
    ]
    assert [row[:2] for row in own.execute(INGESTS).fetchall()] == [("corpus", "table-own/de/texts"), ("task", "mine")]
    before = fingerprints(own)
    (again,) = ingest_task(own, tmp_path / "mine.toml")
    assert again.already_there and fingerprints(own) == before
    assert violations(own) == []


def test_another_content_needs_another_code(own: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_task(own, tmp_path / "mine.toml")
    (tmp_path / "other.toml").write_text(TASK.replace('y = "yes"', 'y = "yes"\nj = "yes"'))
    with pytest.raises(DataError, match="has a task mine that says something else"):
        ingest_task(own, tmp_path / "other.toml")
    (tmp_path / "other.toml").write_text(TASK.replace('"mine"', '"xnli"'))
    with pytest.raises(DataError, match="The code xnli is that of a task of mlv"):
        ingest_task(own, tmp_path / "other.toml")
    (tmp_path / "other.toml").write_text(TASK.replace("table-own", "table-other").replace('"mine"', '"mine-2"'))
    with pytest.raises(NotFoundError, match="is about table-other, and the store has no text of this source") as caught:
        ingest_task(own, tmp_path / "other.toml")
    assert "table-own" in caught.value.hint
    assert _tasks(own) == ["mine"]


def test_a_task_of_mlv_comes_with_the_first_texts_and_goes_with_the_last(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "other-fr.txt").write_text("oui\n")
    ingest_corpus(store, "lines", [tmp_path / "other-fr.txt"], language="fr")
    for name in ("dev-de.tsv", "test-de.tsv"):
        (tmp_path / name).write_text("a\tb\tneutral\n")
        ingest_corpus(store, "xnli", [tmp_path / name])
    of_source = [task.code for task in packaged() if task.source == "xnli"]
    assert _tasks(store) == of_source == ["xnli", "xnli-entailment"]
    with pytest.raises(NotFoundError, match="Nothing was ingested as xnli-entailment"):
        plan_ingest_deletion(store, "xnli-entailment")
    _delete(store, "xnli/de/dev")
    assert _tasks(store) == of_source
    _delete(store, "xnli/de/test")
    assert _tasks(store) == []
    assert store.execute("SELECT code FROM source").fetchall() == [("lines",)]


def test_a_task_of_ones_own_stays_until_it_is_deleted(own: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_task(own, tmp_path / "mine.toml")
    _delete(own, "table-own/de/texts")
    assert _tasks(own) == ["mine"]
    going = plan_ingest_deletion(own, "mine", "task")
    assert (going.rows, going.dependants) == ({"ingest_file": 1, "task": 1, "task_label": 3}, [])
    _delete(own, "mine")
    assert _tasks(own) == [] and own.execute("SELECT count(*) FROM source").fetchall() == [(0,)]
    assert violations(own) == []


def test_classes_with_a_gap_are_found(own: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_task(own, tmp_path / "mine.toml")
    own.execute("UPDATE task_label SET class_number = 3 WHERE label = 'y'")
    assert violations(own) == [
        "1 tasks whose classes do not count from 1 without a gap, are fewer than two, or have not one name each"
    ]
