"""The local launcher, with workers that are a few lines of Python."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.local import LOG, Ended, LocalLauncher, available_gpus, worker_arguments

TELL = """
import json, os, sys
names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
with open(os.path.join(sys.argv[1], "told.json"), "w") as file:
    json.dump({"arguments": sys.argv[2:], **{name: os.environ.get(name) for name in names}}, file)
print("to the log")
sys.exit(int(os.path.basename(sys.argv[1])))
"""
SLEEP = "import time; time.sleep(60)"


def _launcher(code: str, options: ExecuteOptions | None = None, **settings: object) -> LocalLauncher:
    given = {"workers": 2, "gpus": ()} | settings
    return LocalLauncher([sys.executable, "-S", "-c", code], options or ExecuteOptions(), **given)  # type: ignore[arg-type]


def _jobs(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).mkdir()
    return [folder / name for name in names]


def _all(launcher: LocalLauncher, count: int) -> dict[str, Ended]:
    ended: list[Ended] = []
    while len(ended) < count:
        ended += launcher.wait(10)
    return {one.job.name: one for one in ended}


def test_workers_get_their_job_their_share_and_a_gpu_each(tmp_path: Path) -> None:
    options = ExecuteOptions("cuda", 3, skip_ambiguous=True, batch_tokens=7, memory=2**20)
    launcher = _launcher(TELL, options, gpus=("5", "6"))
    for job in _jobs(tmp_path, "0", "7"):
        launcher.start([job])
    assert launcher.free == 0
    ended = _all(launcher, 2)
    assert {name: one.code for name, one in ended.items()} == {"0": 0, "7": 7}
    assert ended["7"].how == "its worker ended with exit code 7"
    assert launcher.free == 2
    told = [json.loads((tmp_path / name / "told.json").read_text()) for name in ("0", "7")]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in told] == ["5", "6"]
    arguments = ["--device", "cuda", "--threads", "3", "--skip-ambiguous", "--batch-tokens", "7", "--memory", "1024K"]
    arguments += ["--key-env", "OPENAI_API_KEY", "--concurrency", "16"]
    assert all(one["OMP_NUM_THREADS"] == "3" and one["arguments"] == arguments for one in told)
    assert (tmp_path / "7" / LOG).read_text() == "to the log\n"


def test_threads_are_shared_fairly_and_a_place_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlv.compute.running.local.available_cpus", lambda: 7)
    launcher = _launcher(TELL, workers=3, gpus=("0", "1"))
    assert [launcher.environment(place)["OMP_NUM_THREADS"] for place in range(3)] == ["2", "2", "2"]
    assert [launcher.environment(place)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["0", "1", "0"]
    assert _launcher(TELL, workers=9).environment(8) == {"OMP_NUM_THREADS": "1"}
    # the only worker chooses by its model
    assert _launcher(TELL, workers=1).environment(0) == {}
    assert "--threads" not in worker_arguments(ExecuteOptions("cpu"), None)
    for job in _jobs(tmp_path, "0", "1"):
        launcher.start([job])
        _all(launcher, 1)
    assert launcher.free == 3


def test_waiting_ends_at_its_limit_and_when_nothing_runs(tmp_path: Path) -> None:
    launcher = _launcher(SLEEP)
    began = time.monotonic()
    assert launcher.wait(30) == []
    (job,) = _jobs(tmp_path, "0")
    launcher.start([job])
    assert launcher.wait(0.2) == []
    assert 0.2 <= time.monotonic() - began < 10
    launcher.stop()


def test_stopping_ends_all_workers_and_one_that_was_killed_is_told(tmp_path: Path) -> None:
    launcher = _launcher(SLEEP)
    jobs = _jobs(tmp_path, "0", "1")
    for job in jobs:
        launcher.start([job])
    processes = [worker.process for worker in launcher._running]
    processes[0].send_signal(signal.SIGKILL)
    (ended,) = launcher.wait(10)
    assert (ended.job, ended.how) == (jobs[0], "its worker was killed (SIGKILL)")
    launcher.stop()
    assert [process.poll() for process in processes] == [-signal.SIGKILL, -signal.SIGTERM]
    assert launcher.free == 2
    assert launcher.wait(0) == []


def test_gpus_are_those_that_cuda_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-8f")
    assert available_gpus("auto") == available_gpus("cuda") == ["2", "GPU-8f"]
    assert available_gpus("cpu") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert available_gpus("auto") == []
