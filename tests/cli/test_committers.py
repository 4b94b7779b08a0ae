"""Several processes that commit to one store at once: they wait for each other, and all that they found is there."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from command_line import Mlv
from finished_jobs import FARSI, finetuned
from planned import Jobs

from mlv.ingest.upkeep.check import violations
from mlv.schema.store.opening import connect, open_store

DEMO = Path(str(files("mlv.ingest") / "demo"))
PROCESSES, JOBS = 4, 5

COMMITTER = """
import sys
from pathlib import Path
from mlv.cli.edge import wait_limits
from mlv.cli.work import make_work
from mlv.compute.machine.options import ExecuteOptions
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.store.waiting import waiting
with waiting(wait_limits(None)):
    for job in sys.argv[2:]:
        make_work(Path(sys.argv[1]), ExecuteOptions("cpu", 1)).commit(JobDirectory(Path(job)))
        print(Path(job).name, flush=True)
"""

HOLDER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def mlv(tmp_path: Path) -> Mlv:
    """A store with sentences to train on."""
    made = Mlv(tmp_path)
    made("db", "upgrade")
    assert made("ingest", "corpus", str(DEMO / "corpus" / "fa.txt"), "--source", "lines", "--language", "fa").code == 0
    return made


def test_processes_that_commit_at_once_all_finish(mlv: Mlv) -> None:
    with connect(mlv.store) as connection:
        jobs = Jobs(mlv.folder / "jobs")
        paths = [finetuned(connection, jobs, FARSI, seed=seed).path for seed in range(PROCESSES * JOBS)]
    command = [sys.executable, "-c", COMMITTER, str(mlv.store)]
    # the first job of every process is also the last of another: whoever comes second finds it committed
    shares = [
        [*map(str, paths[number::PROCESSES]), str(paths[(number + 1) % PROCESSES])] for number in range(PROCESSES)
    ]
    processes = [
        subprocess.Popen([*command, *share], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for share in shares
    ]
    for process, share in zip(processes, shares, strict=True):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert out.split() == [Path(path).name for path in share]
    with open_store(mlv.store) as connection:
        runs = connection.execute(
            "SELECT name, count(DISTINCT position) FROM run JOIN training_example USING (run_id) "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        assert runs == sorted((path.name, 20) for path in paths)
        assert violations(connection) == []


def test_a_command_waits_for_a_commit_as_it_is_told_to(mlv: Mlv, capfd: pytest.CaptureFixture[str]) -> None:
    def held(seconds: float) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLDER, str(mlv.store), str(seconds)]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        holder.stdout.readline()
        return holder

    with held(60) as holder:
        assert mlv("--wait", "0.1", "sql", "SELECT 1").code == 6
        holder.kill()
    assert f"process {holder.pid} (" in capfd.readouterr().err
    with held(1.5):
        assert mlv("--wait", "60", "sql", "SELECT 1").code == 0
    assert "waiting up to" in capfd.readouterr().err
