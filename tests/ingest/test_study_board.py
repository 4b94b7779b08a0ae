"""A study against a store in which some of its runs are, and what the rest of it will cost."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from finished_jobs import MODEL
from played_study import play

from mlv.ingest.commit import commit_job
from mlv.ingest.plan import Jobs
from mlv.ingest.study import Cell, Run, Study, cells
from mlv.ingest.study_board import Board, Model
from mlv.ingest.study_cost import estimate, totals
from mlv.schema.errors import NotFoundError
from mlv.schema.store import connect

STUDY = {
    "models": ["nano"],
    "finetuning": {"epochs": 2},
    "probing": {"languages": ["fa", "ko"]},
    "grid": [{"sources": ["lines"], "languages": ["fa", "ko"], "sentences": [20], "multilingual": [40]}],
    "influence": {"top_k": 3},
}
FARSI = Run("lines", ("fa",), 20, 1)
BOTH = Run("lines", ("fa", "ko"), 40, 1)


class Place:
    """A store, its jobs, and boards on them."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.folder, self.store, self.connection = folder, folder / "store.duckdb", connection
        self.jobs = Jobs(folder / "jobs", {})

    def board(self, model: Model = MODEL, running: bool = False, **changes: object) -> Board:
        """A board of the study, with changes, that was looked at."""
        study = Study.model_validate(STUDY | changes)
        models = dict.fromkeys((cell.model for cell in cells(study)), model)
        board = Board(study, self.store, self.jobs, models, lambda _: ("running", "") if running else None)
        board.look(self.connection)
        return board

    def do(self, board: Board, *done: Cell) -> None:
        """Plan, play and commit cells."""
        for cell in done:
            job = board.plan(self.connection, cell)
            play(job)
            commit_job(self.connection, job, self.store)
            board.look(self.connection)

    def run_name(self, kind: str) -> str:
        row = self.connection.execute("SELECT name FROM run WHERE kind = ?", [kind]).fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def place(study_store: Path, tmp_path: Path) -> Iterator[Place]:
    shutil.copyfile(study_store, tmp_path / "store.duckdb")
    with connect(tmp_path / "store.duckdb", read_only=False) as connection:
        yield Place(tmp_path, connection)


def _states(board: Board) -> dict[str, int]:
    return dict(Counter(seen.state for seen in board.seen.values()))


def test_looking_writes_nothing_and_knows_the_jobs_to_come(place: Place) -> None:
    before = place.store.read_bytes()
    board = place.board()
    assert _states(board) == {"missing": 8}
    assert [cell for cell in board.cells if board.ready(cell)] == [Cell("probe", "nano")]
    assert not place.jobs.folder.exists()
    assert place.store.read_bytes() == before
    trained = board.seen[Cell("finetune", "nano", FARSI)].job
    place.do(board, Cell("probe", "nano"))
    assert board.plan(place.connection, Cell("finetune", "nano", FARSI)).path.name == trained


def test_cells_become_ready_as_what_they_need_is_done(place: Place) -> None:
    board = place.board()
    order = []
    while ready := [cell for cell in board.cells if board.ready(cell) and board.seen[cell].state == "missing"]:
        order.append(ready[0])
        place.do(board, ready[0])
    assert order == board.cells
    assert _states(board) == {"done": 8}
    assert place.connection.execute("SELECT count(*), count(DISTINCT spec_hash) FROM run").fetchone() == (8, 8)
    assert _states(place.board()) == {"done": 8}
    # more seeds are more runs, and what is there stays done: 3 runs are trained and asked, 1 traced
    assert _states(place.board(seeds=[1, 2])) == {"done": 8, "missing": 7}


def test_a_run_that_is_committed_is_done_whoever_planned_it(place: Place) -> None:
    board = place.board()
    trained = Cell("finetune", "nano", FARSI)
    place.do(board, trained)
    board = place.board(seeds=[1])
    assert board.seen[trained].job == place.run_name("finetune")
    assert board.seen[trained].state == "done"
    # other settings are another run
    assert place.board(finetuning={"epochs": 3}).seen[trained].state == "missing"


def test_job_directories_tell_what_is_not_in_the_store(place: Place) -> None:
    cell = Cell("probe", "nano")
    job = place.board().plan(place.connection, cell)
    assert place.board().seen[cell].state == "missing"
    job.set_state("running")
    assert place.board().seen[cell].state == "interrupted"
    assert place.board(running=True).seen[cell].state == "running"
    job.set_state("failed", reason="no space")
    seen = place.board().seen[cell]
    assert (seen.state, seen.job, seen.note) == ("failed", job.path.name, "no space")
    play(job)
    assert place.board().seen[cell].state == "finished"


def test_what_the_store_lacks_is_said_and_blocks_what_needs_it_alone(place: Place) -> None:
    grids = [
        {"sources": ["lines"], "languages": ["fa"], "sentences": [20, 9000]},
        {"sources": ["pbc"], "languages": ["fa"], "sentences": [20]},
    ]
    for model in (MODEL, None):
        board = place.board(model, grid=grids, influence=None)
        assert _states(board) == {"missing": 5, "blocked": 2}
        notes = [seen.note for seen in board.seen.values() if seen.state == "blocked"]
        assert "lines has 240 sentences in fa; 9,000 are needed." in notes[0]
        assert "no corpus of pbc in fa" in notes[1]
    unknown = place.board(probing={"probe_set": "none-such"})
    assert "no probe set none-such" in unknown.seen[Cell("probe", "nano")].note
    gone = place.board(NotFoundError("There is no model nano.", "Look elsewhere."))
    assert {seen.note for seen in gone.seen.values()} == {"There is no model nano. Look elsewhere."}


def test_where_no_value_shifts_there_is_nothing_to_trace(place: Place) -> None:
    board = place.board()
    asked, traced = Cell("probe", "nano", BOTH), Cell("influence", "nano", BOTH)
    place.do(board, Cell("probe", "nano"), Cell("finetune", "nano", BOTH))
    job = board.plan(place.connection, asked)
    play(job)
    before = place.jobs.folder / place.run_name("probe") / "outputs"
    shutil.copyfile(before / "probe_logits.parquet", job.outputs / "probe_logits.parquet")
    commit_job(place.connection, job, place.store)
    board.look(place.connection)
    assert (board.seen[traced].state, board.seen[traced].note) == ("done", "no value shifted")


def test_rows_number_the_cells_and_name_what_they_need(place: Place) -> None:
    board = place.board()
    frame = board.frame()
    assert frame["cell"].to_list() == list(range(1, 9))
    assert frame["needs"].to_list() == ["", "1", "2", "1", "4", "1", "6", "1,7"]
    assert frame.row(7)[1:7] == ("influence", "nano", "lines", "fa,ko", 40, 1)


def test_needing_finds_all_that_follows(place: Place) -> None:
    board = place.board()
    found = board.needing([Cell("finetune", "nano", BOTH)])
    assert [cell.kind for cell in found] == ["finetune", "probe", "influence"]
    assert board.needing([Cell("probe", "nano")]) == board.cells


def _took(place: Place, kind: str, seconds: float, threads: int = 1) -> None:
    """Say how long the runs of a kind took, and on what."""
    hardware = {"environment": {"hardware": {"device": "cpu", "gpu": None, "threads": threads}}}
    place.connection.execute(
        "UPDATE run SET finished_at = started_at + to_seconds(?), provenance = ? WHERE kind = ?",
        [seconds, json.dumps(hardware), kind],
    )


def test_costs_are_units_times_the_rates_of_the_stores_runs(place: Place) -> None:
    """One Farsi run of 20 sentences was done, traced: 16 training examples for 2 epochs.

    Fine-tuning took 8 s, 8 / 32 s for an example and epoch. Missing are a Korean run (32 of them) and one in both
    languages (64): 96 / 4 = 24 s. Its checkpoints have 1,000 bytes: 2 runs x 2 epochs x 1,000.
    Asking took 12 s for 48 probes, twice; missing are the two runs': 96 probes, 24 s.
    Tracing took 16 s for 16 examples, whose gradients were taken for the corruptions of 2 epochs: 1/2 s each. Missing
    are Korean and both: (16 + 32) x 2 gradients, 48 s.
    """
    board = place.board(influence={"runs": "all", "top_k": 3})
    traced = [Cell("finetune", "nano", FARSI), Cell("probe", "nano", FARSI), Cell("influence", "nano", FARSI)]
    place.do(board, Cell("probe", "nano"), *traced)
    for kind, seconds in (("finetune", 8.0), ("probe", 12.0), ("influence", 16.0)):
        _took(place, kind, seconds)
    costs = estimate(place.connection, board, place.store)
    found = {row["kind"]: row for row in costs.iter_rows(named=True)}
    assert {kind: (row["cells"], row["units"]) for kind, row in found.items()} == {
        "finetune": (2, 96),
        "probe": (2, 96),
        "influence": (2, 96),
    }
    assert found["finetune"]["seconds_per_unit"] == pytest.approx(8 / 32)
    assert {kind: row["hours"] * 3600 for kind, row in found.items()} == pytest.approx(
        {"finetune": 24.0, "probe": 24.0, "influence": 48.0}
    )
    assert found["finetune"]["disk_gb"] == pytest.approx(4e-6)
    assert found["influence"]["disk_gb"] is None
    assert found["finetune"]["measured"] == "1 runs, cpu, 1 thread"
    # a probe is two logits, three answers, three values of profiles
    rows = place.connection.execute("SELECT sum(estimated_size) FROM duckdb_tables()").fetchone()
    assert rows is not None
    size = place.store.stat().st_size / rows[0]
    assert found["probe"]["store_mb"] == pytest.approx(96 * 8 * size / 1e6)
    assert totals(costs).startswith("0.0 hours of one worker")
    assert "not in these sums: disk_gb of 2 influence cells of nano" in totals(costs)


def test_rates_are_those_of_the_newest_hardware_and_of_unbroken_runs(place: Place) -> None:
    board = place.board(seeds=[1, 2, 3])
    trained = [Cell("finetune", "nano", Run("lines", ("fa",), 20, seed)) for seed in (1, 2, 3)]
    place.do(board, Cell("probe", "nano"), *trained)
    _took(place, "finetune", 32.0, threads=4)
    board = place.board(seeds=[1, 2, 3, 4])
    assert _rate(place, board) == (1.0, "3 runs, cpu, 4 threads")
    newest, broken = (board.seen[trained[place]].job for place in (1, 2))
    place.connection.execute(
        "UPDATE run SET started_at = started_at + INTERVAL 1 DAY, finished_at = finished_at + INTERVAL '1 day 32 s', "
        "provenance = replace(provenance, '\"threads\": 4', '\"threads\": 1') WHERE name = ?",
        [newest],
    )
    assert _rate(place, board) == (2.0, "1 runs, cpu, 1 thread")
    place.connection.execute(
        "INSERT INTO run_event SELECT run_id, 99, started_at, 'resumed', '{}' FROM run WHERE name IN (?, ?)",
        [newest, broken],
    )
    assert _rate(place, board) == (1.0, "1 runs, cpu, 4 threads")


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ({"epochs": 7, "learning_rate": 0.1}, "1 runs, cpu, 1 thread"),
        ({"batch_size": 2}, "nothing measured"),
        ({"max_tokens": 9}, "nothing measured"),
        ({"precision": "bf16"}, "nothing measured"),
    ],
)
def test_the_rate_of_training_is_that_of_runs_with_the_studys_settings(
    place: Place, changes: dict[str, object], measured: str
) -> None:
    place.do(place.board(), Cell("finetune", "nano", FARSI))
    _took(place, "finetune", 8.0)
    assert _rate(place, place.board(finetuning=changes))[1] == measured


def _rate(place: Place, board: Board) -> tuple[float, str]:
    row = estimate(place.connection, board, place.store).filter(kind="finetune").row(0, named=True)
    return row["seconds_per_unit"], row["measured"]


def test_what_was_never_measured_has_no_rate(place: Place) -> None:
    costs = estimate(place.connection, place.board(None), place.store)
    assert costs["hours"].to_list() == [None] * 3
    assert set(costs["measured"]) == {"nothing measured"}
    assert "not in these sums: hours, disk_gb, store_mb of 3 finetune cells of nano" in totals(costs)
