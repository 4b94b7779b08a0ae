"""`mlv study`: driving a study with played workers, and a tiny one with real workers."""

import fcntl
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from command_line import Mlv
from played_study import PlayedLauncher, play
from tiny_study import STUDY, found
from typer.testing import CliRunner

from mlv.cli import edge
from mlv.cli.app import app
from mlv.cli.work import Work
from mlv.compute.running.local import Ended, LocalLauncher
from mlv.ingest.studies.study import read_study
from mlv.schema.jobs.directory import JobDirectory


@pytest.fixture(scope="module")
def _base(nano_study: Path) -> Path:
    """A store with the demo's data and a model pretrained for a moment, and a study file."""
    return nano_study


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> PlayedLauncher:
    """The launcher of all studies of a test."""
    launcher = PlayedLauncher()
    monkeypatch.setattr("mlv.compute.running.local.LocalLauncher", lambda *_: launcher)
    monkeypatch.setattr("mlv.compute.running.local.available_gpus", lambda _: [])
    return launcher


def _file(mlv: Mlv) -> str:
    return str(mlv.folder / "study.toml")


def _states(mlv: Mlv) -> dict[str, int]:
    done = mlv("study", "status", _file(mlv), "--format", "csv")
    assert done.code == 0
    row = pl.read_csv(done.out.encode()).filter(kind="all").drop("kind").row(0, named=True)
    return {state: count for state, count in row.items() if count}


def test_a_study_is_planned_run_and_not_run_again(mlv: Mlv, played: PlayedLauncher) -> None:
    planned = mlv("study", "plan", _file(mlv), "--format", "csv")
    assert pl.read_csv(planned.out.encode())["state"].to_list() == ["missing"] * 7
    assert [path.name[:8] for path in (mlv.folder / "jobs").iterdir()] == ["pretrain"]
    assert _states(mlv) == {"cells": 7, "missing": 7}

    done = mlv("study", "run", _file(mlv))
    assert done.code == 0, done.err
    assert done.out == ""
    assert "[7/7] influence nano lines ko sentences=20 epochs=2 learning_rate=0.001 top_k=3: done" in done.err
    assert (len(played.started), played.most, played.stopped) == (7, 2, True)
    assert _states(mlv) == {"cells": 7, "committed": 7}
    assert mlv.rows("SELECT kind, count(*) FROM v_run GROUP BY ALL ORDER BY ALL") == [
        ("finetune", 2),
        ("influence", 2),
        ("pretrain", 1),
        ("probe", 3),
    ]
    assert mlv("study", "run", _file(mlv)).code == 0
    assert len(played.started) == 7


def test_a_failing_worker_keeps_nothing_from_running_but_what_needs_it(mlv: Mlv, played: PlayedLauncher) -> None:
    def ends(job: JobDirectory) -> int:
        spec: Any = job.spec()
        return 1 if spec.kind == "finetune" and spec.languages == ("fa",) else 0

    played.ends = ends
    done = mlv("study", "run", _file(mlv))
    assert done.code == edge.ExitCode.JOB
    assert "error: 1 of 7 cells failed." in done.err
    assert f"mlv study retry {_file(mlv)} --db {mlv.store}" in done.err
    assert (
        "failed: finetune nano lines fa sentences=20 epochs=2 learning_rate=0.001: the disk of the play is full"
        in done.err
    )
    failed = next(name for name in played.started if name in done.err.rpartition("log: ")[2])
    assert (mlv.folder / "jobs" / failed / "worker.log").exists()
    assert _states(mlv) == {"cells": 7, "committed": 4, "failed": 1, "missing": 2}

    # what failed is left as it is until it is asked for
    started = len(played.started)
    assert mlv("study", "run", _file(mlv)).code == edge.ExitCode.JOB
    assert len(played.started) == started
    played.ends = lambda _: 0
    again = mlv("study", "retry", _file(mlv))
    assert again.code == 0, again.err
    assert played.started[started] == failed
    assert len(played.started) == started + 3
    assert _states(mlv) == {"cells": 7, "committed": 7}
    assert "nothing failed" in mlv("study", "retry", _file(mlv)).err


def test_retry_leaves_what_is_missing_for_other_reasons(mlv: Mlv, played: PlayedLauncher) -> None:
    played.ends = lambda job: int("finetune" in job.path.name)
    assert mlv("study", "run", _file(mlv)).code == edge.ExitCode.JOB
    for job in (mlv.folder / "jobs").glob("finetune-*"):
        (job / "status.json").unlink()
        break
    assert _states(mlv) == {"cells": 7, "committed": 1, "failed": 1, "missing": 5}
    played.ends = lambda _: 0
    assert mlv("study", "retry", _file(mlv)).code == 0
    assert _states(mlv) == {"cells": 7, "committed": 4, "missing": 3}


def test_a_killed_worker_is_told_and_its_job_goes_on_when_the_study_does(mlv: Mlv, played: PlayedLauncher) -> None:
    played.ends = lambda job: -9 if "finetune" in job.path.name else 0
    done = mlv("study", "run", _file(mlv))
    assert done.code == edge.ExitCode.JOB
    assert "its worker was killed (SIGKILL)" in done.err
    assert _states(mlv) == {"cells": 7, "committed": 1, "interrupted": 2, "missing": 4}
    played.ends = lambda _: 0
    assert mlv("study", "run", _file(mlv)).code == 0
    assert _states(mlv) == {"cells": 7, "committed": 7}


@pytest.mark.parametrize("fault", [None, ValueError("a fault of mlv")])
def test_what_cannot_be_committed_fails_alone(
    mlv: Mlv, played: PlayedLauncher, monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    """Outputs that are missing, and a fault that nobody thought of."""
    commit = Work.commit

    def spoilt(work: Work, job: JobDirectory) -> Any:
        if fault and "finetune" in job.path.name:
            raise fault
        return commit(work, job)

    def play_in_part(job: JobDirectory) -> None:
        play(job)
        if not fault and "finetune" in job.path.name:
            (job.outputs / "metrics.parquet").unlink()

    played.play = play_in_part
    monkeypatch.setattr(Work, "commit", spoilt)
    done = mlv("study", "run", _file(mlv))
    assert done.code == edge.ExitCode.JOB
    assert "error: 2 of 7 cells failed." in done.err
    assert ("ValueError: a fault of mlv" if fault else "metrics.parquet") in done.err
    assert _states(mlv) == {"cells": 7, "committed": 1, "finished": 2, "missing": 4}


def test_ctrl_c_stops_the_workers_and_says_how_to_go_on(mlv: Mlv, played: PlayedLauncher) -> None:
    def ends(job: JobDirectory) -> int:
        if "finetune" in job.path.name:
            raise KeyboardInterrupt
        return 0

    played.ends = ends
    done = mlv("study", "run", _file(mlv))
    assert done.code == edge.ExitCode.INTERRUPTED
    assert f"go on with: mlv study run {_file(mlv)}" in done.err
    assert played.stopped
    assert _states(mlv) == {"cells": 7, "committed": 1, "missing": 6}


def test_jobs_that_were_run_elsewhere_are_committed(mlv: Mlv, played: PlayedLauncher) -> None:
    planned = mlv("study", "plan", _file(mlv), "--jobs")
    assert planned.code == 0
    assert planned.err.count("planned: ") == 1
    (probe,) = (mlv.folder / "jobs").glob("probe-*")
    play(JobDirectory(probe))
    assert _states(mlv) == {"cells": 7, "finished": 1, "missing": 6}
    assert mlv("study", "run", _file(mlv)).code == 0
    assert probe.name not in played.started
    assert _states(mlv) == {"cells": 7, "committed": 7}


def test_what_cannot_be_planned_is_said_and_the_rest_is_run(mlv: Mlv, played: PlayedLauncher) -> None:
    more = """
[[job]]
kind = "finetune"
model = "@pretrained"
source = "pbc"
languages = ["fa"]
[[job]]
kind = "probe"
model = "/no/model"
"""
    (mlv.folder / "study.toml").write_text(STUDY + more)
    done = mlv("study", "run", _file(mlv))
    assert done.code == edge.ExitCode.JOB
    assert "cells cannot be planned" in done.err
    assert "no corpus of pbc in fa" in done.err
    assert "There is no folder /no/model" in done.err
    assert _states(mlv)["committed"] == 7


def test_while_another_process_holds_the_store_the_study_waits(
    mlv: Mlv, played: PlayedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import duckdb, time; c = duckdb.connect({str(mlv.store)!r}); print('held', flush=True); time.sleep(3)"
    holders: list[subprocess.Popen[bytes]] = []

    def ends(_: JobDirectory) -> int:
        if not holders:
            holders.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE))
            assert holders[0].stdout is not None
            assert holders[0].stdout.readline() == b"held\n"
        return 0

    played.ends = ends
    monkeypatch.delenv("MLV_WAIT")
    done = mlv("study", "run", _file(mlv))
    holders[0].communicate()
    assert done.code == 0, done.err
    assert done.err.count("waiting: ") == 1
    assert _states(mlv) == {"cells": 7, "committed": 7}


def test_a_job_that_another_process_runs_is_left_alone(mlv: Mlv, played: PlayedLauncher) -> None:
    """A worker that finds its job taken ends; the lock that the other holds tells that it did not fail."""
    locks = []

    def ends(job: JobDirectory) -> int:
        lock = (job.path / "lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX)
        locks.append(lock)
        return -1

    played.ends = ends
    done = mlv("study", "run", _file(mlv))
    assert done.code == 0, done.err
    assert "probe nano: is being run by another process: left alone" in done.err
    assert _states(mlv) == {"cells": 7, "running": 1, "missing": 6}
    locks[0].close()
    assert _states(mlv) == {"cells": 7, "interrupted": 1, "missing": 6}


def test_a_study_that_comes_with_mlv_is_printed_as_a_file_to_start_from(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["study", "show", "echoes"])
    (tmp_path / "study.toml").write_text(shown.stdout)
    assert read_study(str(tmp_path / "study.toml")) == read_study("echoes")


def test_costs_are_printed_and_summed(mlv: Mlv, played: PlayedLauncher) -> None:
    assert mlv("study", "run", _file(mlv)).code == 0
    (mlv.folder / "study.toml").write_text(STUDY + "seed = 1\n")
    done = mlv("study", "cost", _file(mlv), "--format", "csv")
    costs = {row["kind"]: row for row in pl.read_csv(done.out.encode()).iter_rows(named=True)}
    # traced with another seed, both runs are to be traced again: 16 examples each, 2 epochs' corruptions
    assert {kind: (row["cells"], row["units"]) for kind, row in costs.items()} == {"influence": (2, 64)}
    assert "hours of one worker" in done.err


class KillsOne(LocalLauncher):
    """Kills the first worker that has trained for an epoch."""

    killed = False

    def wait(self, seconds: float) -> list[Ended]:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and not any(worker.process.poll() is not None for worker in self._running):
            for worker in self._running:
                if not KillsOne.killed and (worker.job / "checkpoints" / "epoch-1").exists():
                    worker.process.send_signal(signal.SIGKILL)
                    KillsOne.killed = True
            time.sleep(0.01)
        return super().wait(0)


def test_two_workers_of_which_one_was_killed_find_what_the_commands_do(
    mlv: Mlv, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 cells beside the asking of the model, which is done before: two runs are trained and asked, one is traced."""
    here = ("--threads", "1", "--device", "cpu")
    assert mlv("compute", "probe", "--model", "nano", "--language", "fa,ko", *here).code == 0
    alone = Mlv(Path(shutil.copytree(mlv.folder, tmp_path_factory.mktemp("alone"), dirs_exist_ok=True)))
    block = STUDY[STUDY.index('name = "trained"') : STUDY.index('name = "probed"')]
    single = block.replace('"trained"', '"single"').replace('[["fa"], ["ko"]]', '["fa"]')
    both = STUDY.replace('[["fa"], ["ko"]]', '["fa", "ko"]')
    asked = 'name = "single-probed"\nkind = "probe"\nmodel = "@single"\n'
    (mlv.folder / "study.toml").write_text(f"{both}[[job]]\n{single}{asked}")

    monkeypatch.setattr("mlv.compute.running.local.LocalLauncher", KillsOne)
    killed = mlv("study", "run", _file(mlv), "--workers", "2", *here)
    assert killed.code == edge.ExitCode.JOB
    assert "its worker was killed (SIGKILL)" in killed.err
    assert _states(mlv)["interrupted"] == 1
    assert mlv("study", "retry", _file(mlv), "--workers", "2", *here).code == 0
    assert _states(mlv) == {"cells": 6, "committed": 6}

    settings = ("--sentences", "20", "--epochs", "2", "--learning-rate", "1e-3", "--test-language", "fa,ko", *here)
    for languages in ("fa", "fa,ko"):
        trained = ("compute", "finetune", "--model", "nano", "--source", "lines", "--language", languages)
        assert alone(*trained, *settings).code == 0
    [(run,)] = alone.rows("SELECT run FROM v_run WHERE strategy = 'multilingual' AND kind = 'finetune'")
    # in a process whose linear algebra has one thread, as a worker's has: directions differ in the last digits else
    tracing = alone.process("compute", "influence", run, "--language", "fa,ko", "--top-k", "3", *here)
    said = tracing.communicate()
    assert tracing.returncode == 0, said
    results, expected = found(mlv), found(alone)
    assert all(expected.values())
    for what, rows in expected.items():
        assert results[what] == rows, what
    assert mlv("db", "check").code == 0
