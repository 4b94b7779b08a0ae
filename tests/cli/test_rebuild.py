"""`mlv db rebuild`: a store made by the commands, with a model that is really trained, is made again row for row.

Compared are: every table's rows after integer keys are replaced by natural ones and the times of ingest and commit are
left out (``mlv.ingest.upkeep.fingerprint``); and, where no run was deleted, every row of every table as it is, integer
keys
included, but for the time of an ingest, and that of a commit where the store was lost.
"""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from answered import API, ask_played
from command_line import Mlv
from finished_jobs import dump
from tiny_model import smaller_presets

from mlv.cli import edge
from mlv.ingest.journal import Ingest, RunEvent, journal_path, read_journal, write_journal
from mlv.ingest.upkeep.fingerprint import differing, fingerprints, shape
from mlv.schema.store.opening import SCHEMA_REVISION, connect

DEMO = Path(str(files("mlv.ingest") / "demo"))
ON_CPU = ("--threads", "1", "--device", "cpu")
FINETUNE = (
    "compute",
    "finetune",
    "--model",
    "nano",
    "--source",
    "lines",
    "--sentences",
    "40",
    "--epochs",
    "1",
    *ON_CPU,
)


def _done(mlv: Mlv, *arguments: str) -> None:
    done = mlv(*arguments)
    assert done.code == 0, done.err


def _runs(mlv: Mlv, kind: str) -> list[str]:
    return [run for (run,) in mlv.rows(f"SELECT name FROM run WHERE kind = '{kind}' ORDER BY run_id")]


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of every kind of ingest and job but validation; its sources are in ``sources/``."""
    folder = tmp_path_factory.mktemp("base")
    mlv = Mlv(folder)
    data = shutil.copytree(DEMO, folder / "sources")
    for language in ("fa", "ko"):
        with (data / "corpus" / f"{language}.txt").open("a") as text:
            text.write("...\n")
    _done(mlv, "db", "upgrade")
    _done(mlv, "ingest", "probes", str(data / "probes"), "--collection", "demo", "--citation", "own")
    _done(mlv, "ingest", "corpus", str(data / "corpus" / "fa.txt"), "--source", "lines", "--language", "fa")
    pretrain = ("compute", "pretrain", "--name", "nano", "--steps", "3", "--batch-size", "8", "--vocabulary", "900")
    with smaller_presets():
        _done(mlv, *pretrain, *ON_CPU)
    _done(mlv, *FINETUNE, "--language", "fa")
    _done(mlv, "ingest", "survey", str(data / "survey.csv"), "--name", "illustrative", "--illustrative")
    korean = ("ingest", "corpus", str(data / "corpus" / "ko.txt"), "--source", "lines", "--language", "ko")
    _done(mlv, *korean, "--licence", "CC0-1.0")
    (run,) = _runs(mlv, "finetune")
    _done(mlv, "compute", "influence", run, "--targets", "all", "--language", "fa", "--top-k", "5", *ON_CPU)
    _done(mlv, "compute", "pca", "--language", "fa,ko")
    ask_played(mlv, *API, "--language", "fa", "--samples", "2", "--scored")
    return folder


def _everything(store: Path) -> dict[str, list[tuple[object, ...]]]:
    with connect(store) as connection:
        return dump(connection)


def _prints(store: Path) -> dict[str, tuple[int, int]]:
    with connect(store) as connection:
        return fingerprints(connection)


def _forget(mlv: Mlv, told: Callable[[dict[str, str]], bool]) -> None:
    """Take lines out of the journal."""
    path = journal_path(mlv.store)
    kept = [line for line in path.read_text(encoding="utf-8").splitlines(True) if not told(json.loads(line))]
    path.write_text("".join(kept), encoding="utf-8")


def test_all_rows_are_made_again_with_their_keys_and_times(mlv: Mlv) -> None:
    before, journal = _everything(mlv.store), read_journal(journal_path(mlv.store))
    # tasks, classifiers, demonstrations and subnetworks have stores of their own (test_rebuild_own_data.py,
    # test_classifiers.py, test_responses.py, test_masks.py, test_groups.py)
    elsewhere = (
        "influence_overlap",
        "influence_epoch_test",
        "validation_",
        "task",
        "class",
        "prediction_",
        "demonstration",
        "mask",
        "subnetwork",
        "pruning_",
        "head_importance",
        "run_mask",
        "group_list",
        "social_group",
        "cloze",
        "stereotype",
        "lexicon",
        "completion",
        "emotion_score",
    )
    assert all(before[table] for table in before if not table.startswith(elsewhere))
    done = mlv("db", "rebuild")
    assert done.code == 0, done.err
    assert done.out == f"{mlv.store}\n"
    assert "it has the same rows as the old store in every table" in done.err
    after = _everything(mlv.store)
    assert _timeless(after) == _timeless(before)
    assert after["run"] == before["run"]
    (kept,) = mlv.folder.glob("*.before-rebuild.duckdb")
    assert str(kept) in done.err
    assert _everything(kept) == before
    assert read_journal(journal_path(mlv.store)) == journal
    assert mlv("db", "check", "--files").code == 0
    assert not list(mlv.folder.glob(".*"))


def _timeless(everything: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """All rows without ``ingested_at`` and ``committed_at``: a journal tells of a commit the moment after it."""
    times = {"run": 11, "ingest_file": 9}
    return {
        table: [row[: times[table]] + row[times[table] + 1 :] if table in times else row for row in rows]
        for table, rows in everything.items()
    }


def test_a_deleted_run_stays_deleted_and_a_repeated_ingest_changes_nothing(mlv: Mlv) -> None:
    _done(mlv, "runs", "delete", *_runs(mlv, "influence"), "--yes")
    assert mlv.rows("SELECT run_id FROM run WHERE kind = 'pca'") == [(6,)]
    lines = len(read_journal(journal_path(mlv.store))[0])
    fa = mlv.folder / "sources" / "corpus" / "fa.txt"
    _done(mlv, "ingest", "corpus", str(fa), "--source", "lines", "--language", "fa")
    _done(mlv, "ingest", "corpus", str(fa), "--source", "lines", "--language", "fa")
    assert len(read_journal(journal_path(mlv.store))[0]) == lines + 1
    before = _prints(mlv.store)
    output = mlv.folder / "again.duckdb"
    done = mlv("db", "rebuild", "--output", str(output))
    assert done.code == 0, done.err
    assert "it has the same rows as the old store in every table" in done.err
    assert _prints(output) == before
    assert Mlv(mlv.folder).rows("SELECT max(run_id), count(*) FROM run") == [(7, 6)]
    assert mlv("db", "rebuild", "--output", str(output)).code == edge.ExitCode.USAGE


def test_what_differs_from_the_old_store_is_told_but_not_that_it_lies_elsewhere(mlv: Mlv) -> None:
    elsewhere = mlv.folder / "elsewhere" / "mlv.duckdb"
    done = mlv("db", "rebuild", "--output", str(elsewhere))
    assert "it has the same rows as the old store in every table" in done.err
    with connect(mlv.store) as old, connect(elsewhere) as new:
        assert set(differing(old, new)) == {"checkpoint"}
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE metric SET value = value + 1e-9 WHERE value = (SELECT max(value) FROM metric)")
    done = mlv("db", "rebuild", "--output", str(mlv.folder / "again.duckdb"))
    assert done.code == edge.ExitCode.DIFFERENT
    assert "metric differs from the old store's" in done.err
    assert "same rows" not in done.err


def test_a_lost_store_is_made_again_from_the_journal_and_one_without_from_itself(mlv: Mlv) -> None:
    before = _everything(mlv.store)
    store = mlv.store.read_bytes()
    mlv.store.unlink()
    assert "make that again: mlv db rebuild" in mlv("db", "upgrade").err
    mlv.store.unlink()
    _done(mlv, "db", "rebuild")
    assert _timeless(_everything(mlv.store)) == _timeless(before)
    mlv.store.write_bytes(b"no database" * 999)
    damaged = mlv("db", "rebuild")
    assert damaged.code == 0, damaged.err
    assert "the old store cannot be read, its journal is all there is" in damaged.err
    (kept,) = mlv.folder.glob("*.before-rebuild.duckdb")
    assert kept.read_bytes().startswith(b"no database")
    mlv.store.write_bytes(store)
    journal_path(mlv.store).unlink()
    lost = mlv("db", "rebuild")
    assert lost.code == edge.ExitCode.DATA
    assert "the source fa.txt is gone" in lost.err
    _done(mlv, "db", "rebuild", "--sources", str(mlv.folder / "sources"))
    assert _timeless(_everything(mlv.store)) == _timeless(before)


def test_what_neither_store_nor_journal_tells_is_said(mlv: Mlv) -> None:
    mlv.store.unlink()
    journal_path(mlv.store).unlink()
    done = mlv("db", "rebuild")
    assert done.code == edge.ExitCode.STORE
    assert "Nothing says what" in done.err
    assert "mlv runs resume" in done.err


def test_sources_that_moved_or_were_renamed_are_found_by_their_content(mlv: Mlv, _base: Path) -> None:
    sources = mlv.folder / "sources"
    moved = mlv.folder / "elsewhere"
    text = journal_path(mlv.store).read_text(encoding="utf-8")
    journal_path(mlv.store).write_text(text.replace(str(_base), str(mlv.folder)), encoding="utf-8")
    sources.rename(moved)
    (moved / "corpus" / "ko.txt").rename(moved / "corpus" / "unnamed")
    before = _prints(mlv.store)
    refused = mlv("db", "rebuild")
    assert refused.code == edge.ExitCode.DATA
    assert "4 things are missing" in refused.err
    _done(mlv, "db", "rebuild", "--sources", str(moved))
    assert _prints(mlv.store) == before
    _done(mlv, "db", "rebuild", "--dry-run")


def test_all_that_is_missing_is_named_before_anything_is_written(mlv: Mlv, _base: Path) -> None:
    text = journal_path(mlv.store).read_text(encoding="utf-8")
    journal_path(mlv.store).write_text(text.replace(str(_base), str(mlv.folder)), encoding="utf-8")
    (mlv.folder / "sources" / "survey.csv").unlink()
    (mlv.folder / "sources" / "corpus" / "fa.txt").write_text("something else\n")
    (mlv.folder / "sources" / "probes" / "wvs" / "ru.csv").unlink()
    (trained, probe) = (*_runs(mlv, "finetune"), _runs(mlv, "probe")[0])
    shutil.rmtree(mlv.folder / "jobs" / trained)
    (mlv.folder / "jobs" / probe / "status.json").write_text('{"state": "failed"}')
    there = {path: path.stat().st_mtime_ns for path in mlv.folder.rglob("*")}
    done = mlv("db", "rebuild")
    assert done.code == edge.ExitCode.DATA
    assert "5 things are missing; nothing was written" in done.err
    problems = re.findall(r"^  - (.+)$", done.err, re.MULTILINE)
    (sha256,) = (sha for (sha,) in mlv.rows("SELECT sha256 FROM ingest_file WHERE kind = 'survey'"))
    for part in (
        f"survey.csv is gone (SHA-256 {sha256}, read into illustrative)",
        "fa.txt has changed",
        "probes has changed, of which these were read",
        f"{trained} is not a job directory",
        f"{probe} is failed: mlv runs resume {probe}",
    ):
        assert any(part in problem for problem in problems), (part, problems)
    assert {path: path.stat().st_mtime_ns for path in mlv.folder.rglob("*")} == there


def test_a_kill_between_a_transaction_and_its_line_loses_nothing(mlv: Mlv) -> None:
    """The store may be there or lost; an ingest that was not reported done is repeated by whoever asked for it."""
    before = _prints(mlv.store)
    (projection,) = _runs(mlv, "pca")
    _forget(mlv, lambda line: line.get("run") == projection or line.get("kind") == "survey")
    with journal_path(mlv.store).open("a") as journal:
        journal.write('{"at": "2026-01-01T00:00:00", "event": "comm')
    survey = str(mlv.folder / "sources" / "survey.csv")
    done = mlv("db", "rebuild", "--dry-run", "--sources", str(mlv.folder / "sources"))
    assert "ingest survey illustrative" in done.out.splitlines()
    assert f"commit {projection}" in done.out.splitlines()
    assert "is damaged and left out" in done.err
    _done(mlv, "ingest", "survey", survey, "--name", "illustrative", "--illustrative")
    mlv.store.unlink()
    assert mlv("db", "rebuild").code == edge.ExitCode.INCOMPLETE
    assert _prints(mlv.store) == before


def test_a_finished_job_that_cannot_be_committed_is_left_out_if_it_never_was(mlv: Mlv) -> None:
    before = _prints(mlv.store)
    job = shutil.copytree(mlv.folder / "jobs" / _runs(mlv, "probe")[0], mlv.folder / "jobs" / "probe-000000000000")
    spec = json.loads((job / "job.json").read_text())
    (job / "job.json").write_text(json.dumps({**spec, "collection": "another"}))
    done = mlv("db", "rebuild")
    assert done.code == edge.ExitCode.INCOMPLETE, done.err
    assert "left out, 1:\n  - commit probe-000000000000: " in done.err
    assert _prints(mlv.store) == before


def test_a_dry_run_does_not_say_that_all_is_there_for_jobs_that_nobody_knows(mlv: Mlv) -> None:
    job = shutil.copytree(mlv.folder / "jobs" / _runs(mlv, "probe")[0], mlv.folder / "jobs" / "probe-000000000000")
    spec = json.loads((job / "job.json").read_text())
    (job / "job.json").write_text(json.dumps({**spec, "collection": "another"}))
    done = mlv("db", "rebuild", "--dry-run")
    steps = len(done.out.splitlines())
    assert f"{steps - 1} steps, and everything that they need is there" in done.err
    assert "1 more: finished jobs that were never committed, each left out if it cannot be" in done.err


def test_a_new_empty_store_in_its_place_does_not_turn_missing_jobs_into_deleted_ones(mlv: Mlv) -> None:
    mlv.store.unlink()
    _done(mlv, "db", "upgrade")
    (mlv.folder / "jobs").rename(mlv.folder / "moved")
    for dry_run in ([], ["--dry-run"]):
        done = mlv("db", "rebuild", *dry_run)
        assert done.code == edge.ExitCode.DATA
        assert "7 things are missing; nothing was written" in done.err
    _done(mlv, "db", "rebuild", "--jobs", str(mlv.folder / "moved"))


def test_a_run_that_an_older_copy_lacks_and_whose_job_is_gone_is_named(mlv: Mlv) -> None:
    entries, _ = read_journal(journal_path(mlv.store))
    later = RunEvent("committed", "finetune-abcdefabcdef", entries[-1].at)
    write_journal(journal_path(mlv.store), [*entries, later])
    for dry_run in (["--dry-run"], []):
        done = mlv("db", "rebuild", *dry_run)
        assert done.code == edge.ExitCode.INCOMPLETE
        assert "left out, 1:\n  - finetune-abcdefabcdef: only the journal has it" in done.err


def test_damaged_lines_of_a_lost_stores_journal_are_left_out_and_that_is_no_success(mlv: Mlv) -> None:
    lines = journal_path(mlv.store).read_bytes().splitlines(keepends=True)
    journal_path(mlv.store).write_bytes(lines[0] + b"damaged\n" * (len(lines) - 1))
    with_store = mlv("db", "rebuild", "--dry-run")
    mlv.store.unlink()
    shutil.rmtree(mlv.folder / "jobs")
    done = mlv("db", "rebuild")
    assert (with_store.code, done.code) == (edge.ExitCode.DATA, edge.ExitCode.INCOMPLETE)
    assert f"left out, {len(lines) - 1}:" in done.err
    assert f"line 2 of {journal_path(mlv.store)} is damaged" in done.err


def test_an_ingest_of_an_unknown_kind_is_an_error_at_once(mlv: Mlv) -> None:
    entries, _ = read_journal(journal_path(mlv.store))
    (survey,) = [entry for entry in entries if isinstance(entry, Ingest) and entry.kind == "survey"]
    write_journal(journal_path(mlv.store), [*entries, replace(survey, kind="treebank")])
    before = mlv.store.read_bytes()
    done = mlv("db", "rebuild")
    assert done.code == edge.ExitCode.DATA
    assert "an ingest of a kind that this mlv does not know: treebank" in done.err
    assert mlv.store.read_bytes() == before


def test_a_store_from_before_the_first_release_is_made_again_from_its_journal_alone(mlv: Mlv) -> None:
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("ALTER TABLE schema_revision RENAME TO alembic_version")
    refused = mlv("db", "check")
    assert refused.code == edge.ExitCode.STORE
    assert "was made by an mlv from before the first release; it cannot be upgraded" in refused.err
    done = mlv("db", "rebuild")
    assert done.code == 0, done.err
    assert "the old store cannot be read, its journal is all there is" in done.err
    assert mlv("db", "check").code == 0


def test_a_store_of_an_older_schema_is_made_again_in_the_newest(mlv: Mlv) -> None:
    with connect(mlv.store, read_only=False) as connection:
        for view in ("v_influence", "v_influence_language", "v_influence_overlap"):
            connection.execute(f"DROP VIEW IF EXISTS {view}")
        for table in ("influence_language", "influence_overlap"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE schema_revision SET version_num = '0000'")
    done = mlv("db", "rebuild")
    assert done.code == 0, done.err
    assert "it has the same rows as the old store in every table" in done.err
    assert mlv("db", "current").out == f"{SCHEMA_REVISION}\n"
    with connect(mlv.store) as connection:
        assert "influence_language" in shape(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segment SET text = 'x' WHERE segment_id = 3",
        "UPDATE training_example SET segment_id = segment_id + 1 WHERE position = 3",
        "UPDATE metric SET value = nextafter(value, 99) WHERE step = 1",
        "DELETE FROM run_event WHERE position = 0",
        "INSERT INTO profile_value SELECT * FROM profile_value LIMIT 1",
        "UPDATE probe_logit SET answer = 3 - answer WHERE probe_id = 2",
    ],
)
def test_a_fingerprint_tells_stores_apart(mlv: Mlv, statement: str) -> None:
    before = _prints(mlv.store)
    with connect(mlv.store, read_only=False) as connection:
        connection.execute(statement)
    after = _prints(mlv.store)
    (table,) = re.findall(r"(?:UPDATE|FROM|INTO) (\w+)", statement)[:1]
    assert [name for name in after if after[name] != before[name]] == [table]
