"""What a store and its jobs are after SIGKILL, at some 130 moments spread over the length of what is done to them.

Everything is real: tiny models are trained, asked and traced, and their jobs committed and deleted as commands do it.
The moments are drawn with a seed and in proportion to how long an unbroken run takes here; some lie after its end.
Whatever was announced before the kill has to be there afterwards, what was not is there whole or not at all, and the
same operation, asked for again, ends like an unbroken one.
"""

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import next_revision
import polars as pl
import pytest
from command_line import Mlv
from groups import enter_groups, enter_lexicon
from killing import Killed, Killer
from tiny_encoder import TASK, labelled_rows, save_encoder, write_table
from tiny_model import DEMO, save_model

from mlv import migrations
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import execute
from mlv.ingest.journal import ingested_as, journal_path, read_journal, standing_ingests
from mlv.ingest.upkeep.check import check as check_rules
from mlv.ingest.upkeep.check import named_files
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.migrations.copying import read_all
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import content_digest
from mlv.schema.store.opening import connect, open_store

TIMES = int(os.environ.get("MLV_KILLS", "1"))
"""How many times as many kills as in every run of the tests; 3 before a release."""

COMMITS = {
    "finetune": 12 * TIMES,
    "probe": 5 * TIMES,
    "influence": 8 * TIMES,
    "classify": 5 * TIMES,
    "predict": 5 * TIMES,
    "complete": 5 * TIMES,
}
UPGRADES, BACKUPS, COMPACTIONS = 10 * TIMES, 10 * TIMES, 5 * TIMES
DELETIONS, INGEST_DELETIONS, EXECUTIONS = 5 * TIMES, 5 * TIMES, 5 * TIMES
"""Kills; of deletions and executions for each of what is deleted and executed."""

WRITING = ("finetune", "probe", "influence", "classify", "complete")
"""Kinds that are deleted and executed: predicting does what probing does."""

ON_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
HERE = ("--threads", "1", "--device", "cpu")
METRICS = 150_000
"""Rows added to the training job: enough for DuckDB to write some of them to the file before they are committed."""

Contents = dict[str, tuple[int, int]]


class Study:
    """A folder with a store, jobs that are committed, and one of each of several kinds that is done."""

    def __init__(self, folder: Path, finished: list[str]) -> None:
        self.folder, self.store, self.finished = folder, folder / "mlv.duckdb", finished

    def copy(self, folder: Path) -> "Study":
        """The same in another folder."""
        shutil.copytree(self.folder, folder)
        return Study(folder, self.finished)

    def job(self, kind: str) -> Path:
        """Directory of the job of a kind that is done."""
        (name,) = [name for name in self.finished if name.startswith(kind)]
        return self.folder / "jobs" / name


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Made by the commands that a researcher types."""
    folder = tmp_path_factory.mktemp("study")
    mlv = Mlv(folder)

    def do(*command: str) -> None:
        done = mlv(*command)
        assert done.code == 0, (command, done.err)

    do("db", "upgrade")
    do("ingest", "probes", str(DEMO / "probes"), "--collection", "demo", "--citation", "own")
    for language in ("fa", "ko"):
        do("ingest", "corpus", str(DEMO / "corpus" / f"{language}.txt"), "--source", "lines", "--language", language)
    save_model(folder / "tiny")
    train = ("compute", "finetune", "--model", str(folder / "tiny"), "--source", "lines", "--language", "fa,ko")
    settings = ("--sentences", "40", "--epochs", "2", "--learning-rate", "2e-2", "--test-language", "fa,ko", *HERE)
    do(*train, *settings)
    ((run,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'finetune'")
    committed = {path.name for path in (folder / "jobs").iterdir()}
    do(*train, *settings, "--seed", "2", "--plan-only")
    do("compute", "probe", "--model", f"{run}/epoch-1", "--language", "fa,ko", *HERE, "--plan-only")
    some = ("--language", "fa", "--item", "2", "--item", "46", "--top-k", "5")
    do("compute", "influence", str(run), *some, *HERE, "--plan-only")
    committed |= _classify(mlv, do)
    with connect(mlv.store, read_only=False) as connection:
        enter_groups(connection)
        enter_lexicon(connection, {"gut": (1, 0), "good": (1, 1), "mal": (0, 0)})
    encoder = ("--model", str(folder / "encoder"), "--groups", "own", "--top-k", "15")
    do("compute", "complete", *encoder, *HERE, "--plan-only")
    finished = sorted({path.name for path in (folder / "jobs").iterdir()} - committed)
    for name in finished:
        execute(folder / "jobs" / name, ExecuteOptions("cpu", 1))
    made = Study(folder, finished)
    _lengthen(made.job("finetune"))
    return made


def _classify(mlv: Mlv, do: Callable[..., None]) -> set[str]:
    """Train a classifier, and plan another training and predictions; names of the jobs that are committed."""
    (mlv.folder / "task.toml").write_text(TASK)
    table = write_table(mlv.folder / "words.csv", labelled_rows({"train": 40, "dev": 10, "test": 30}))
    columns = ("--columns", "key=id,language=lang,split=split,text=text,label=label")
    do("ingest", "corpus", "--source", "table", "--publication", "words", *columns, str(table))
    do("ingest", "task", str(mlv.folder / "task.toml"))
    encoder = str(save_encoder(mlv.folder / "encoder"))
    train = ("compute", "classify", "--model", encoder, "--task", "praise", "--language", "de,en,fr")
    few = ("--examples", "30", "--epochs", "2", *HERE)
    do(*train, *few)
    ((run,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'classify'")
    do(*train, *few, "--seed", "2", "--plan-only")
    do("compute", "predict", str(run), *HERE, "--plan-only")
    return {str(run)}


def _lengthen(job: Path) -> None:
    """Give a training job many metrics."""
    path = job / "outputs" / "metrics.parquet"
    found = pl.read_parquet(path)
    steps = pl.int_range(METRICS, eager=True).cast(found.schema["step"])
    more = pl.DataFrame({"name": "made_up", "epoch": 0.5, "step": steps, "value": steps * 0.1}).cast(found.schema)
    pl.concat([found, more.select(found.columns)]).write_parquet(path)


@pytest.fixture(scope="module")
def kill() -> Iterator[Killer]:
    killer = Killer(ON_ONE_THREAD)
    yield killer
    killer.close()


class Tally:
    """The moments at which a test kills: one in each of as many parts of the operation, every fifth after it was
    announced."""

    def __init__(self, kills: int, unbroken: float) -> None:
        self._random, self._kills, self._length = random.Random(kills), kills, unbroken
        self._drawn = self.before = self.announced = self.ended = 0

    def moment(self) -> tuple[str, float]:
        """When to kill next: a word of the operation, and seconds after it."""
        self._drawn += 1
        if self._drawn % 5 == 0:
            return "announced", self._random.choice([0.0, self._random.uniform(0, 0.05)])
        part, parts = self._drawn - self._drawn // 5 - 1, self._kills - self._kills // 5
        return "begun", self._length * (part + self._random.random()) / parts

    def count(self, killed: Killed) -> None:
        """Note where a kill fell; an operation that had ended by then takes no longer."""
        if killed.ended:
            self._length = min(self._length, killed.seconds)
        self.before += killed.announced is None
        self.announced += killed.announced is not None and not killed.ended
        self.ended += killed.ended

    def check(self, name: str, kills: int) -> None:
        """See that there were as many as there should be, on either side of the announcement; print where they fell."""
        print(  # noqa: T201
            f"{name}: {kills} kills in {self._length:.2f} s: {self.before} before it was announced, {self.announced} "
            f"then and before its end, {self.ended} after it"
        )
        assert self.before + self.announced + self.ended == kills
        assert self.before >= kills // 3
        assert self.announced + self.ended >= kills // 5


def contents(store: Path) -> Contents:
    """Rows of each table and the sum of their hashes; of when runs were committed that they were."""
    with connect(store) as connection:
        found = read_all(connection, store)
        run = connection.execute(
            "SELECT count(*), coalesce(sum(hash(r)::HUGEINT), 0) "
            "FROM (SELECT * REPLACE (committed_at IS NULL AS committed_at) FROM run) r"
        ).fetchone()
    assert run is not None
    return {**found, "run": run}


def problems(store: Path) -> list[str]:
    """What `mlv db check` finds in rows and files; in those that were looked at before it finds the same."""
    seen = frozenset(contents(store).items()), frozenset(tree(store.parent / "jobs"))
    if seen not in _FOUND:
        with open_store(store) as connection:
            outcomes = check_rules(connection, [], named_files(connection, store, store.parent / "jobs"))
        _FOUND[seen] = [outcome.sentence for outcome in outcomes if not outcome.ok]
    return _FOUND[seen]


_FOUND: dict[object, list[str]] = {}


def hidden(folder: Path) -> list[str]:
    """Names of half-finished files."""
    return [path.name for path in folder.rglob(".*.part*")]


def tried(kill: Killer, tally: Tally, check: Callable[[Killed], None], operation: str, *arguments: object) -> None:
    """Kill an operation at the next moment, and check what is left; a failure says when it was killed."""
    word, seconds = tally.moment()
    killed = kill(operation, *arguments, word=word, seconds=seconds)
    tally.count(killed)
    try:
        check(killed)
    except BaseException as error:
        error.add_note(f"{operation} {arguments} killed {seconds:.4f} s after it had {word}: {killed}")
        raise


@pytest.mark.parametrize(("kind", "kills"), COMMITS.items())
def test_a_commit_is_whole_or_absent_and_what_was_announced_is_there(
    study: Study, kill: Killer, tmp_path: Path, kind: str, kills: int
) -> None:
    before = contents(study.store)
    unbroken = study.copy(tmp_path / "unbroken")
    tally = Tally(kills, kill("commit", unbroken.store, unbroken.job(kind)).seconds)
    after = contents(unbroken.store)
    assert before != after

    def check(killed: Killed) -> None:
        left = contents(here.store)
        assert left == after if killed.announced else left in (before, after)
        assert problems(here.store) == []
        if left == before:
            kill("commit", here.store, here.job(kind))
            assert contents(here.store) == after

    for number in range(kills):
        here = study.copy(tmp_path / f"{number}")
        tried(kill, tally, check, "commit", here.store, here.job(kind))
        shutil.rmtree(here.folder)
    tally.check(f"commit of {kind}", kills)


def test_an_upgrade_is_whole_or_undone_and_can_be_repeated(kill: Killer, tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    migrations.upgrade(old)
    with duckdb.connect(str(old)) as connection:
        _fill(connection)
    before = contents(old)

    def copy(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        return Path(shutil.copyfile(old, folder / "mlv.duckdb"))

    unbroken = copy("unbroken")
    tally = Tally(UPGRADES, kill("upgrade", unbroken).seconds)
    after = contents(unbroken)
    assert before.keys() < after.keys()

    def check(killed: Killed) -> None:
        revision = migrations.current(store)
        left = contents(store)
        if killed.announced:
            assert left == after
        elif revision == next_revision.REVISION:
            # languages, countries and categories are entered after the upgrade, in a transaction of their own
            assert {name for name in left if left[name] != after[name]} <= REFERENCE
        else:
            assert left == before
        for path in store.parent.glob("*.backup.duckdb"):
            assert contents(path) == before
        if not killed.announced:
            kill("upgrade", store)
        assert contents(store) == after
        assert hidden(store.parent) == []

    for number in range(UPGRADES):
        store = copy(f"{number}")
        tried(kill, tally, check, "upgrade", store)
        shutil.rmtree(store.parent)
    assert all("Table('note'" in line for line in migrations.differences(unbroken))
    tally.check("upgrade", UPGRADES)


REFERENCE = {"category", "language", "country", "language_country"}


def _fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Runs with training examples, and a probe set."""
    connection.execute("INSERT INTO base_model VALUES (1, 'nano', '', 'd0', 'mt5', 5, 7, '')")
    connection.execute(
        "INSERT INTO run SELECT i, 'finetune', 'finetune-' || i, 'hash' || i, '{}', NULL, 1, 3, 'committed', "
        "TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', TIMESTAMP '2026-01-03', '{}' FROM range(100) AS r(i)"
    )
    connection.execute(
        "INSERT INTO training_example SELECT i, i % 100, i // 100, 'train', i FROM range(50_000) AS r(i)"
    )
    connection.execute("INSERT INTO category VALUES (1, 'c', 'C', 1, 45, true)")
    connection.execute("INSERT INTO question SELECT i, 'q' || i, 1, 1 FROM range(25) AS r(i)")
    connection.execute("INSERT INTO probe_collection VALUES (1, 'own', 'nobody', 'x')")
    connection.execute("INSERT INTO probe_set VALUES (1, 'all', 1, 'all')")
    connection.execute("INSERT INTO probe_set_member SELECT 1, i, i::VARCHAR FROM range(25) AS r(i)")


def test_a_copy_is_whole_or_absent(study: Study, kill: Killer, tmp_path: Path) -> None:
    here = study.copy(tmp_path / "here")
    earlier, copy = tmp_path / "earlier.duckdb", tmp_path / "copy.duckdb"
    migrations.backup(here.store, earlier)
    before = contents(here.store)
    kill("commit", here.store, here.job("finetune"))
    after = contents(here.store)
    tally = Tally(BACKUPS, kill("backup", here.store, tmp_path / "unbroken.duckdb").seconds)

    def check(killed: Killed) -> None:
        assert contents(here.store) == after
        if copy.exists():
            left = contents(copy)
            assert left == after if killed.announced else left in (before, after)
        else:
            assert not number % 2
            assert killed.announced is None
        migrations.snapshot(here.store, copy)
        assert contents(copy) == after
        assert hidden(tmp_path) == []

    for number in range(BACKUPS):
        copy.unlink(missing_ok=True)
        if number % 2:
            shutil.copyfile(earlier, copy)
        tried(kill, tally, check, "backup", here.store, copy)
    tally.check("backup", BACKUPS)


@pytest.fixture(scope="module")
def full(study: Study, kill: Killer, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study with all of its jobs committed."""
    here = study.copy(tmp_path_factory.mktemp("full") / "study")
    for kind in COMMITS:
        kill("commit", here.store, here.job(kind))
    return here


@pytest.mark.parametrize("kind", WRITING)
def test_a_deletion_is_finished_when_it_is_asked_for_again(
    full: Study, kill: Killer, tmp_path: Path, kind: str
) -> None:
    kills = DELETIONS
    before, files = contents(full.store), tree(full.folder / "jobs")
    unbroken = full.copy(tmp_path / "unbroken")
    run = full.job(kind).name
    tally = Tally(kills, kill("delete", unbroken.store, run).seconds)
    after, left_files = contents(unbroken.store), tree(unbroken.folder / "jobs")
    assert not unbroken.job(kind).exists()

    def check(killed: Killed) -> None:
        with open_store(here.store) as connection:
            row = connection.execute("SELECT status FROM run WHERE name = ?", [run]).fetchone()
            shown = connection.execute("FROM v_run WHERE run = ?", [run]).fetchone()
        if row == ("committed",):
            assert killed.announced is None
            assert (contents(here.store), tree(here.folder / "jobs")) == (before, files)
        elif row == ("deleting",):
            assert shown is None
            assert killed.announced is None
            assert [found for found in problems(here.store) if "deletion" not in found] == []
        else:
            assert (contents(here.store), tree(here.folder / "jobs")) == (after, left_files)
        if row:
            kill("delete", here.store, run)
        assert (contents(here.store), tree(here.folder / "jobs")) == (after, left_files)
        assert problems(here.store) == []

    for number in range(kills):
        here = full.copy(tmp_path / f"{number}")
        tried(kill, tally, check, "delete", here.store, run)
        shutil.rmtree(here.folder)
    tally.check(f"deletion of {kind}", kills)


@pytest.mark.parametrize("name", ["lines/ru/ru", "ours", "illustrative"])
def test_a_deletion_of_an_ingest_leaves_it_whole_or_takes_it_and_can_be_repeated(
    study: Study, kill: Killer, tmp_path: Path, name: str
) -> None:
    kills = INGEST_DELETIONS
    there = study.copy(tmp_path / "there")
    mlv = Mlv(there.folder)
    for ingest in (
        ("corpus", str(DEMO / "corpus" / "ru.txt"), "--source", "lines", "--language", "ru"),
        ("probes", str(DEMO / "probes"), "--collection", "ours", "--citation", "own"),
        ("survey", str(DEMO / "survey.csv"), "--name", "illustrative", "--illustrative"),
    ):
        assert mlv("ingest", *ingest).code == 0
    before = prints(there.store)
    unbroken = there.copy(tmp_path / "unbroken")
    tally = Tally(kills, kill("delete_ingest", unbroken.store, name).seconds)
    after = prints(unbroken.store)
    assert before != after

    def check(killed: Killed) -> None:
        left = prints(here.store)
        assert problems(here.store) == []
        # what is left of a collection, or of languages and questions, is nothing that a result could be made of
        gone = {table for table in left if left[table] != before[table]}
        assert not gone or {table for table in left if left[table] != after[table]} <= {"probe_collection", *NAMED}
        assert not killed.announced or left == after
        kill("delete_ingest", here.store, name)
        assert prints(here.store) == after
        entries, _ = read_journal(journal_path(here.store))
        assert all(ingested_as(e.kind, f.target) != name for e in standing_ingests(entries) for f in e.files)

    for number in range(kills):
        here = there.copy(tmp_path / f"{number}")
        tried(kill, tally, check, "delete_ingest", here.store, name)
        shutil.rmtree(here.folder)
    tally.check(f"deletion of {name}", kills)


NAMED = {"codebook", "answer_side", "response_option", "question", "country", "language", "source"}


def prints(store: Path) -> Contents:
    """What a store holds, whatever its keys."""
    with connect(store) as connection:
        return fingerprints(connection)


def tree(folder: Path) -> set[str]:
    """Files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_store_that_is_written_anew_is_the_old_or_the_new_one(full: Study, kill: Killer, tmp_path: Path) -> None:
    kept = contents(full.store)
    unbroken = full.copy(tmp_path / "unbroken")
    tally = Tally(COMPACTIONS, kill("compact", unbroken.store).seconds)
    small = unbroken.store.stat().st_size

    def check(killed: Killed) -> None:
        assert contents(here.store) == kept
        assert problems(here.store) == []
        assert not killed.announced or here.store.stat().st_size == small
        kill("compact", here.store)
        assert contents(here.store) == kept
        assert hidden(here.folder) == []

    for number in range(COMPACTIONS):
        here = full.copy(tmp_path / f"{number}")
        tried(kill, tally, check, "compact", here.store)
        shutil.rmtree(here.folder)
    tally.check("compaction", COMPACTIONS)


@pytest.mark.parametrize("kind", WRITING)
def test_a_job_that_is_killed_again_and_again_ends_like_an_unbroken_one(
    study: Study, kill: Killer, tmp_path: Path, kind: str
) -> None:
    """A job goes on where the last kill left it; when it is done, the next one starts."""
    kills = EXECUTIONS
    planned = study.copy(tmp_path / "planned")
    _forget(planned.job(kind))
    for folder in (planned.folder / "jobs").glob("index-*"):
        shutil.rmtree(folder)
    unbroken = planned.copy(tmp_path / "unbroken")
    tally = Tally(kills, kill("execute", unbroken.job(kind)).seconds)
    found = results(unbroken.job(kind))
    here = planned.copy(tmp_path / "0")

    def check(killed: Killed) -> None:
        assert not killed.announced or results(here.job(kind)) == found

    for number in range(1, kills + 1):
        tried(kill, tally, check, "execute", here.job(kind))
        if JobDirectory(here.job(kind)).state() == "finished":
            assert results(here.job(kind)) == found
            here = planned.copy(tmp_path / f"{number}")
    kill("execute", here.job(kind))
    assert results(here.job(kind)) == found
    tally.check(f"execution of {kind}", kills)


def _forget(job: Path) -> None:
    """Leave a job as it was planned."""
    for name in ("outputs", "checkpoints", "work"):
        shutil.rmtree(job / name, ignore_errors=True)
    (job / "log.jsonl").unlink()
    JobDirectory(job).set_state("planned")


def results(job: Path) -> dict[str, str]:
    """Digests of what a job found, but for how fast it was."""
    files = [path for name in ("outputs", "checkpoints") for path in (job / name).rglob("[!.]*") if path.is_file()]
    found = {str(path.relative_to(job)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    metrics = job / "outputs" / "metrics.parquet"
    if metrics.exists():
        timeless = pl.read_parquet(metrics).filter(pl.col("name") != "examples_per_second")
        found["outputs/metrics.parquet"] = content_digest(timeless)
    return found
