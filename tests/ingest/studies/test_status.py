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

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.studies.cells import Cell
from mlv.ingest.studies.cost import estimate, totals
from mlv.ingest.studies.status import Model, StudyStatus
from mlv.ingest.studies.study import read_study
from mlv.schema.errors import NotFoundError
from mlv.schema.store.opening import connect

STUDY = """
[defaults.probe]
languages = ["fa", "ko"]
[defaults.finetune]
source = "lines"
epochs = 2
[[job]]
name = "base"
kind = "probe"
model = "nano"
[[job]]
name = "single"
kind = "finetune"
model = "@base"
languages = [["fa"], ["ko"]]
sentences = 20
[[job]]
name = "both"
kind = "finetune"
model = "@base"
languages = ["fa", "ko"]
sentences = 40
[[job]]
name = "single-probed"
kind = "probe"
model = "@single"
[[job]]
name = "both-probed"
kind = "probe"
model = "@both"
[[job]]
kind = "influence"
run = "@both-probed"
top_k = 3
"""
"""Cells: the base (0), Farsi, Korean and both (1 to 3), their probing (4 to 6), the tracing of both (7)."""

BASE, FARSI, KOREAN, BOTH, FARSI_PROBED, _, BOTH_PROBED, TRACED = range(8)


class Place:
    """A store, its jobs, and studies on them."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.folder, self.store, self.jobs, self.connection = (
            folder,
            folder / "store.duckdb",
            folder / "jobs",
            connection,
        )

    def status(self, model: Model = MODEL, running: bool = False, text: str = STUDY) -> StudyStatus:
        """Where a study stands."""
        file = self.folder / "study.toml"
        file.write_text(text)
        study = read_study(str(file))
        models = dict.fromkeys(study.models, model)
        status = StudyStatus(study, self.store, self.jobs, {}, models, lambda _: ("running", "") if running else None)
        status.refresh(self.connection)
        return status

    def do(self, status: StudyStatus, *cells: Cell) -> None:
        """Plan, play and commit cells."""
        for cell in cells:
            job = status.plan(self.connection, cell)
            play(job)
            commit_job(self.connection, job, self.store)
            status.refresh(self.connection)

    def run_name(self, kind: str) -> str:
        row = self.connection.execute("SELECT name FROM run WHERE kind = ?", [kind]).fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def place(study_store: Path, tmp_path: Path) -> Iterator[Place]:
    shutil.copyfile(study_store, tmp_path / "store.duckdb")
    with connect(tmp_path / "store.duckdb", read_only=False) as connection:
        yield Place(tmp_path, connection)


def _states(status: StudyStatus) -> dict[str, int]:
    return dict(Counter(found.state for found in status.statuses.values()))


def test_looking_writes_nothing_and_knows_the_jobs_to_come(place: Place) -> None:
    before = place.store.read_bytes()
    status = place.status()
    base, farsi, *_ = status.cells
    assert _states(status) == {"missing": 8}
    assert [cell for cell in status.cells if status.ready(cell)] == [base]
    assert not place.jobs.exists()
    assert place.store.read_bytes() == before
    trained = status.statuses[farsi].job
    place.do(status, base)
    assert status.plan(place.connection, farsi).path.name == trained


def test_cells_become_ready_as_what_they_need_is_committed(place: Place) -> None:
    status = place.status()
    order = []
    while ready := [c for c in status.cells if status.ready(c) and status.statuses[c].state == "missing"]:
        order.append(ready[0])
        place.do(status, ready[0])
    assert order == list(status.cells)
    assert _states(status) == {"committed": 8}
    assert place.connection.execute("SELECT count(*), count(DISTINCT spec_hash) FROM run").fetchone() == (8, 8)
    assert _states(place.status()) == {"committed": 8}
    # more seeds are more runs, and what is there stays: 3 runs are trained and probed, 1 traced
    seeds = STUDY.replace("epochs = 2", "epochs = 2\nseed = [1, 2]")
    assert _states(place.status(text=seeds)) == {"committed": 8, "missing": 7}


def test_a_run_that_is_committed_is_known_whoever_planned_it(place: Place) -> None:
    status = place.status()
    place.do(status, status.cells[FARSI])
    again = place.status()
    found = again.statuses[again.cells[FARSI]]
    assert (found.state, found.job) == ("committed", place.run_name("finetune"))
    # other settings are another run
    other = place.status(text=STUDY.replace("epochs = 2", "epochs = 3"))
    assert other.statuses[other.cells[FARSI]].state == "missing"


def test_job_directories_tell_what_is_not_in_the_store(place: Place) -> None:
    status = place.status()
    cell = status.cells[BASE]
    job = status.plan(place.connection, cell)
    assert place.status().statuses[cell].state == "missing"
    job.set_state("running")
    assert place.status().statuses[cell].state == "interrupted"
    assert place.status(running=True).statuses[cell].state == "running"
    job.set_state("failed", reason="no space")
    found = place.status().statuses[cell]
    assert (found.state, found.job, found.note) == ("failed", job.path.name, "no space")
    play(job)
    assert place.status().statuses[cell].state == "finished"


def test_what_the_store_lacks_blocks_what_needs_it_alone(place: Place) -> None:
    text = """
[[job]]
name = "base"
kind = "probe"
model = "nano"
[[job]]
name = "trained"
kind = "finetune"
model = "@base"
source = ["lines", "pbc"]
languages = ["fa"]
sentences = [20, 9000]
[[job]]
kind = "probe"
model = "@trained"
"""
    for model in (MODEL, None):
        status = place.status(model, text=text)
        assert _states(status) == {"missing": 6, "blocked": 3}
        notes = [found.note for found in status.statuses.values() if found.state == "blocked"]
        assert "lines has 240 sentences in fa; 9,000 are needed." in notes[0]
        assert all("no corpus of pbc in fa" in note for note in notes[1:])
    unknown = place.status(text=STUDY.replace("[defaults.probe]", '[defaults.probe]\nprobe_set = "none-such"'))
    assert "no probe set none-such" in unknown.statuses[unknown.cells[BASE]].note
    gone = place.status(NotFoundError("There is no model nano.", "Look elsewhere."))
    blocked = {found.note for found in gone.statuses.values() if found.state == "blocked"}
    assert blocked == {"There is no model nano. Look elsewhere."}
    assert {gone.statuses[cell].state for cell in gone.cells[:4]} == {"blocked"}


def test_a_model_that_is_not_here_is_fetched_before_its_jobs_are_known(place: Place) -> None:
    status = place.status(None)
    assert _states(status) == {"missing": 8}
    assert {status.statuses[cell].note for cell in status.cells[:4]} == {"model not fetched"}


def test_if_no_value_shifts_there_is_nothing_to_trace(place: Place) -> None:
    status = place.status()
    asked, traced = status.cells[BOTH_PROBED], status.cells[TRACED]
    place.do(status, status.cells[BASE], status.cells[BOTH])
    job = status.plan(place.connection, asked)
    play(job)
    before = place.jobs / place.run_name("probe") / "outputs"
    shutil.copyfile(before / "probe_logits.parquet", job.outputs / "probe_logits.parquet")
    commit_job(place.connection, job, place.store)
    status.refresh(place.connection)
    assert status.statuses[traced].state == "committed"
    assert "shifted none of its 48 values in fa, ko" in status.statuses[traced].note


def test_rows_number_the_cells_and_name_what_they_need(place: Place) -> None:
    frame = place.status().frame()
    assert frame["cell"].to_list() == list(range(1, 9))
    assert frame["needs"].to_list() == ["", "1", "1", "1", "2", "3", "4", "7"]
    assert frame.row(7)[1:5] == ("influence", "influence", "nano", "nano fa,ko sentences=40 top_k=3")
    assert frame["block"].to_list()[:2] == ["base", "single"]


def test_needing_finds_all_that_follows(place: Place) -> None:
    status = place.status()
    found = status.needing([status.cells[BOTH]])
    assert [cell.kind for cell in found] == ["finetune", "probe", "influence"]
    assert status.needing([status.cells[BASE]]) == list(status.cells)


def test_validation_and_components_are_cells_like_others(place: Place) -> None:
    more = """
[[job]]
kind = "validate"
run = "@both-probed"
halves = 2
other_seed_halves = 0
removal_targets = 0
[[job]]
kind = "pca"
source = "lines"
"""
    status = place.status(text=STUDY + more)
    validated, compared = status.cells[8:]
    assert (status.statuses[validated].state, status.statuses[compared].state) == ("missing", "blocked")
    place.do(status, *status.cells[:7])
    assert status.statuses[compared].state == "missing"
    assert status.plan(place.connection, compared).path.name == status.statuses[compared].job
    # the model that its run started from has no folder here
    assert "cannot be trained again" in status.statuses[validated].note
    costs = estimate(place.connection, status)
    units = dict(costs.select("kind", "units").iter_rows())
    # 32 training examples, 2 epochs; the run itself, 2 halves, and 8 without each of 2 languages
    assert (units["validate"], units["pca"]) == (32 * 2 * (3 + 16), 1)


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
    status = place.status(text=STUDY.replace('run = "@both-probed"', 'run = ["@single-probed", "@both-probed"]'))
    traced = next(cell for cell in status.cells if cell.kind == "influence" and "single-probed" in cell.needs[0].block)
    place.do(status, *(status.cells[cell] for cell in (BASE, FARSI, FARSI_PROBED)), traced)
    for kind, seconds in (("finetune", 8.0), ("probe", 12.0), ("influence", 16.0)):
        _took(place, kind, seconds)
    costs = estimate(place.connection, status)
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
    # a probe is two logits, three answers, three values of profiles; 48 of them are a run with two events
    rows = place.connection.execute("SELECT sum(estimated_size) FROM duckdb_tables()").fetchone()
    assert rows is not None
    size = place.store.stat().st_size / rows[0]
    assert found["probe"]["store_mb"] == pytest.approx(96 * (8 + 3 / 48) * size / 1e6)
    assert totals(costs).startswith("0.0 hours of one worker")
    assert "not in these sums: disk_gb of 2 influence jobs of nano" in totals(costs)


def test_cells_whose_settings_take_otherwise_have_a_rate_of_their_own(place: Place) -> None:
    other = '[[job]]\nkind = "influence"\nrun = "@both-probed"\ntop_k = 3\npreset = "echoes"\n'
    status = place.status(text=STUDY.replace('"@both-probed"\n', '["@single-probed", "@both-probed"]\n') + other)
    traced = [cell for cell in status.cells if cell.kind == "influence"]
    place.do(status, *(status.cells[cell] for cell in (BASE, FARSI, FARSI_PROBED)), traced[0])
    _took(place, "influence", 16.0)
    costs = estimate(place.connection, status).filter(kind="influence")
    # gradients of the corruptions of 2 epochs: Korean and both, (16 + 32) x 2; with echoes those of the last alone
    assert costs.select("cells", "units", "hours", "measured").rows() == [
        (2, 96, 96 * 16.0 / 32 / 3600, "1 runs, cpu, 1 thread"),
        (1, 32, None, "nothing measured"),
    ]


def test_rates_are_those_of_the_newest_hardware_and_of_unbroken_runs(place: Place) -> None:
    text = STUDY.replace('[["fa"], ["ko"]]', '["fa"]').replace("sentences = 20", "sentences = 20\nseed = {}")
    status = place.status(text=text.format([1, 2, 3]))
    trained = [cell for cell in status.cells if cell.block == "single"]
    place.do(status, status.cells[BASE], *trained)
    _took(place, "finetune", 32.0, threads=4)
    status = place.status(text=text.format([1, 2, 3, 4]))
    assert _rate(place, status) == (1.0, "3 runs, cpu, 4 threads")
    newest, broken = (status.statuses[trained[place]].job for place in (1, 2))
    place.connection.execute(
        "UPDATE run SET started_at = started_at + INTERVAL 1 DAY, finished_at = finished_at + INTERVAL '1 day 32 s', "
        "provenance = replace(provenance, '\"threads\": 4', '\"threads\": 1') WHERE name = ?",
        [newest],
    )
    assert _rate(place, status) == (2.0, "1 runs, cpu, 1 thread")
    place.connection.execute(
        "INSERT INTO run_event SELECT run_id, 99, started_at, 'resumed', '{}' FROM run WHERE name IN (?, ?)",
        [newest, broken],
    )
    assert _rate(place, status) == (1.0, "1 runs, cpu, 4 threads")


def test_a_training_that_ended_early_is_measured_by_the_epochs_that_it_had(place: Place) -> None:
    status = place.status()
    place.do(status, status.cells[BASE], status.cells[FARSI])
    _took(place, "finetune", 8.0)
    assert _rate(place, status) == (8 / 32, "1 runs, cpu, 1 thread")
    place.connection.execute("DELETE FROM checkpoint WHERE epoch = 2")
    assert _rate(place, status) == (8 / 16, "1 runs, cpu, 1 thread")


def _rate(place: Place, status: StudyStatus) -> tuple[float, str]:
    row = estimate(place.connection, status).filter(kind="finetune").row(0, named=True)
    return row["seconds_per_unit"], row["measured"]


def test_what_was_never_measured_has_no_rate(place: Place) -> None:
    costs = estimate(place.connection, place.status(None))
    assert costs["hours"].to_list() == [None] * 3
    assert set(costs["measured"]) == {"nothing measured"}
    assert "not in these sums: hours, disk_gb, store_mb of 3 finetune jobs of nano" in totals(costs)
