"""Task blocks: the jobs that they come to, and how those are planned against a store."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from finished_jobs import MODEL
from played_study import play
from tiny_encoder import TASK, labelled_rows, write_table

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.studies.cells import Cell
from mlv.ingest.studies.cost import estimate
from mlv.ingest.studies.status import StudyStatus
from mlv.ingest.studies.study import Study, read_study
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.reference import ensure_reference
from mlv.ingest.writing.tasks import ingest_task
from mlv.queries.published import cells
from mlv.queries.sharing.numbers import NUMBERS
from mlv.queries.sharing.setups import Job, Setup
from mlv.schema.errors import DataError
from mlv.schema.papers import sharing
from mlv.schema.papers.sharing import TASKS
from mlv.schema.store.opening import connect, transaction

BLOCK = """
[[task]]
name = "words"
model = "nano"
task = "praise"
languages = ["de", "en", "fr"]
examples = 20
epochs = 2
leave_out = ["fr"]
added = { de = [50, 100] }
influence = { per_language = 3, top_k = 4, preset = "languages" }
removal = { halves = 2 }
"""


def _read(folder: Path, text: str) -> Study:
    file = folder / "study.toml"
    file.write_text(text)
    return read_study(str(file))


def _changed(cell: Cell, full: Cell) -> dict[str, object]:
    """The settings in which a cell differs from another one of its kind."""
    others = dict(full.settings)
    return {name: value for name, value in cell.settings if value != others[name]}


def test_a_block_comes_to_classifiers_that_are_asked_and_traced_alike(tmp_path: Path) -> None:
    study = _read(tmp_path, BLOCK)
    assert [cell.block for cell in study.cells] == [
        *("words-full", "words-full-predicted", "words-full-traced", "words-full-removal"),
        *("words-zero-shot", "words-zero-shot-predicted", "words-zero-shot-traced"),
        *("words-imbalanced", "words-imbalanced-predicted", "words-imbalanced-traced") * 2,
    ]
    full, asked, traced, removal = study.cells[:4]
    assert (asked.needs, traced.needs, removal.needs) == ((full,), (asked,), (asked,))
    assert (removal.setting("halves"), traced.setting("per_language"), full.setting("epochs")) == (2, 3, 2)
    compositions = []
    for place in (4, 7, 10):
        classifier, again, same = study.cells[place : place + 3]
        compositions.append(_changed(classifier, full))
        assert _changed(again, asked) == {"model": classifier}
        assert _changed(same, traced) == {"run": again, "items_of": traced, "per_language": None}
    assert compositions == [{"left_out": ("fr",)}, {"added": (("de", 50),)}, {"added": (("de", 100),)}]
    assert study.models == ("nano",)
    assert str(study.cells[-1]) == (
        "influence languages nano praise de,en,fr examples=20 added=de:100 epochs=2 top_k=4 items_of=@words-full-traced"
    )


def test_what_is_not_asked_for_is_not_done(tmp_path: Path) -> None:
    lines = [line for line in BLOCK.splitlines() if not line.startswith(("leave_out", "added", "influence", "removal"))]
    assert [cell.kind for cell in _read(tmp_path, "\n".join(lines)).cells] == ["classify", "predict"]


def test_with_several_seeds_texts_are_those_of_the_same_seed(tmp_path: Path) -> None:
    study = _read(
        tmp_path, BLOCK.replace("epochs = 2", "epochs = 2\nseed = [1, 2]") + "[defaults.classify]\nbatch_size = [8, 16]"
    )
    assert Counter(cell.kind for cell in study.cells) == {"classify": 16, "predict": 16, "influence": 16, "validate": 4}
    place = {cell: number for number, cell in enumerate(study.cells)}
    assert all(place[needed] < place[cell] for cell in study.cells for needed in cell.needs)
    for cell in study.cells:
        assert cell.kind == "classify" or len({*cell.chain("seed")} - {0}) == len({*cell.chain("batch_size")}) == 1


def test_a_block_traces_the_split_that_it_asks(tmp_path: Path) -> None:
    study = _read(tmp_path, BLOCK.replace("epochs", 'predict = "dev"\nepochs'))
    assert {cell.setting("split") for cell in study.cells if cell.kind != "classify"} == {"dev"}


def test_jobs_stand_before_and_behind_tasks(tmp_path: Path) -> None:
    text = """
[[job]]
name = "asked"
kind = "predict"
model = ["@words-full", "@words-zero-shot"]
split = "dev"
[[job]]
kind = "influence"
run = "@asked"
split = "dev"
[[job]]
kind = "predict"
model = "@words"
split = "dev"
[[job]]
name = "made"
kind = "pretrain"
"""
    study = _read(tmp_path, BLOCK.replace('"nano"', '"@made"') + text)
    assert [cell.block for cell in study.cells[:2]] == ["made", "words-full"]
    assert study.cells[1].needs == study.cells[:1]
    assert {cell.model for cell in study.cells[1:]} == {"made"}
    later = study.cells[14:]
    assert [cell.block for cell in later] == ["asked", "asked", "influence", "influence", "predict", "predict"]
    assert [cell.needs[0].needs[0].setting("left_out") for cell in later[2:4]] == [(), ("fr",)]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("epochs = 2", "epoch = 2", r"task #1\.epoch: there is no such key\. Known here: model, task, languages"),
        ('model = "nano"', "", r"task #1\.model: it is missing"),
        ('["fr"]', '["ko"]', r"task #1: ko is left out, and is none of the languages de, en, fr"),
        ("[50, 100]", "[50, 0]", r"task #1\.added\.de #2: should be greater than or equal to 1, not 0"),
        ("top_k = 4", "top_k = 0", r"task #1\.influence\.top_k: should be greater than or equal to 1, not 0"),
        ("halves = 2", "halves = 1", r"task #1\.removal\.halves: A rank correlation needs 2 models or more"),
        ('name = "words"', "", r"task #1\.name: it is missing"),
        (
            BLOCK,
            f'{BLOCK}[[job]]\nname = "words-full"\nkind = "pca"',
            r"task #1\.name: 'words-full' is not a name of its",
        ),
        (BLOCK, BLOCK + BLOCK, r"task #2\.name: 'words' is not a name of its own"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    with pytest.raises(DataError, match=f"has 1 problem:\n  - {said}"):
        _read(tmp_path, BLOCK.replace(right, wrong))


# Against a store ---------------------------------------------------------------------------------------------------

SMALL = BLOCK.replace("removal", "# removal").replace("de = [50, 100]", "de = [50]")


class Place:
    """A store with labelled texts, its jobs, and a study on them."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.store = connection, folder / "store.duckdb"
        study = _read(folder, SMALL)
        self.status = StudyStatus(study, self.store, folder / "jobs", {}, {"nano": MODEL}, lambda _: None)
        self.status.refresh(connection)

    def do(self, *cells: Cell) -> None:
        """Plan, play and commit cells."""
        for cell in cells:
            job = self.status.plan(self.connection, cell)
            play(job)
            commit_job(self.connection, job, self.store)
            self.status.refresh(self.connection)


@pytest.fixture
def place(empty_store: Path, tmp_path: Path) -> Iterator[Place]:
    shutil.copyfile(empty_store, tmp_path / "store.duckdb")
    table = write_table(tmp_path / "words.csv", labelled_rows({"train": 60, "dev": 5, "test": 20}))
    (tmp_path / "task.toml").write_text(TASK)
    with connect(tmp_path / "store.duckdb", read_only=False) as connection:
        with transaction(connection):
            ensure_reference(connection)
        columns = "key=id,language=lang,split=split,text=text,label=label"
        ingest_corpus(connection, "table", [table], publication="words", columns=columns)
        ingest_task(connection, tmp_path / "task.toml")
        yield Place(tmp_path, connection)


def test_cells_of_a_task_become_ready_as_what_they_need_is_committed(place: Place) -> None:
    status, order = place.status, []
    while ready := [c for c in status.cells if status.ready(c) and status.statuses[c].state == "missing"]:
        order.append(ready[0])
        place.do(ready[0])
    assert order == list(status.cells)
    assert {found.state for found in status.statuses.values()} == {"committed"}
    rows = place.connection.execute("SELECT kind, count(*) FROM run GROUP BY ALL ORDER BY ALL").fetchall()
    assert rows == [("classify", 3), ("influence", 3), ("predict", 3)]


def test_what_is_left_out_or_added_traces_the_texts_of_the_full_run(place: Place) -> None:
    """The first of each language that are told right: all are."""
    place.do(*place.status.cells)
    rows = place.connection.execute(
        "SELECT left_out, added_percent, list_sort(list(concat_ws(' ', t.language, t.question))) "
        "FROM v_influence_target t JOIN run r ON r.name = t.run "
        "JOIN classification_run c ON c.run_id = r.parent_run_id GROUP BY run, left_out, added_percent"
    ).fetchall()
    assert {(left_out, added) for left_out, added, _ in rows} == {(None, None), (None, 50), ("fr", None)}
    assert {len(texts) for *_, texts in rows} == {3 * 3}
    assert rows[0][2] == rows[1][2] == rows[2][2]


def test_an_untraced_full_run_is_waited_for(place: Place) -> None:
    full, asked, traced, other, again, same = place.status.cells[:6]
    place.do(full, asked, other, again)
    assert not place.status.ready(same)
    assert place.status.statuses[same].state == "missing"
    place.do(traced)
    assert place.status.ready(same)
    assert place.status.request(same).model_dump()["items_of"] == place.status.statuses[traced].job


def test_a_classifiers_rate_is_that_of_others_of_its_task(place: Place) -> None:
    """20 examples in each of 3 languages for 2 epochs took 12 s: 0.1 s each. Left are 40 and 70, twice."""
    place.do(*place.status.cells[:3])
    place.connection.execute("UPDATE run SET finished_at = started_at + to_seconds(12)")
    costs = estimate(place.connection, place.status)
    assert costs.select("kind", "model", "cells", "units", pl.col("hours").mul(3600).round(3)).rows() == [
        ("classify", "nano", 2, 220, 22.0),
        ("influence", "nano", 2, 220, 22.0),
        ("predict", "nano", 2, 120, 24.0),
    ]


# The studies that come with mlv ------------------------------------------------------------------------------------


def _job(cell: Cell) -> Job:
    """What a cell is about, as published numbers name it."""
    classifier = next(one for one in _behind(cell) if one.kind == "classify")
    own = dict(classifier.settings)
    (task,) = [name for name, task in TASKS.items() if task.code == own["task"]]
    ((language, percent),) = own["added"] or ((None, None),)
    setup = Setup(task, next(iter(own["left_out"]), None), language, percent)
    assert cell.model.endswith(f"/{sharing.MODEL}")
    assert own["languages"] == setup.tested
    assert own["learning_rate"] == TASKS[task].learning_rate
    assert (own["examples"], own["epochs"], own["patience"]) == (sharing.EXAMPLES, sharing.EPOCHS, sharing.PATIENCE)
    return Job(setup, cell.kind)  # type: ignore[arg-type]


def _behind(cell: Cell) -> Iterator[Cell]:
    """A cell and those that it needs."""
    yield cell
    for needed in cell.needs:
        yield from _behind(needed)


def test_the_papers_study_has_as_many_cells_as_counted_by_hand() -> None:
    """Three tasks, without Korean and Spanish, and a quarter to twice as much of one of five languages; each is asked
    its test split, and five are asked the development split that the text has accuracies of."""
    found = read_study("sharing").cells
    trained = 3 + 2 + 4 * 5
    assert Counter(cell.kind for cell in found) == {
        "classify": trained,
        "predict": trained + 3 + 2,
        "influence": trained,
        "validate": 2,
    }


def test_the_papers_study_has_every_job_that_its_published_numbers_rest_on() -> None:
    found = read_study("sharing").cells
    jobs = Counter(_job(cell) for cell in found if cell.setting("split") != "dev")
    assert set(jobs.values()) == {1}
    wanted = {
        need.what
        for numbers in NUMBERS
        for one in cells("sharing", numbers)
        for need in numbers.needs(one.cell)
        if isinstance(need.what, Job)
    }
    assert wanted <= jobs.keys()
    traced = [cell for cell in found if cell.kind == "influence" and not cell.setting("items_of")]
    assert {cell.setting("per_language") for cell in traced if cell.setting("per_language")} == {sharing.TARGETS}
    assert {cell.setting("top_k") for cell in traced} == {sharing.TOP_K}
    assert {cell.setting("removal_k") for cell in found if cell.kind == "validate"} == {sharing.REMOVAL_K}
