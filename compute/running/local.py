"""Launchers: where job directories are executed. A launcher is independent of studies and stores.

It is given job directories, and returns how their workers ended; whether a job is done is in its directory. A launcher
for another scheduler needs what :class:`Launcher` has; that for Slurm is in ``mlv.compute.running.slurm``.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from mlv.compute.machine.options import ExecuteOptions, declared_options

LOG: Final = "worker.log"
"""File in a job directory with the output of its workers."""

POLL_INTERVAL: Final = 0.05
"""Seconds between two looks at the workers."""

STOP_TIMEOUT: Final = 10.0
"""Seconds that a worker has to end after SIGTERM."""


@dataclass(frozen=True)
class Ended:
    """A worker that ended."""

    job: Path
    code: int
    """Exit status; the negative number of the signal that killed it."""

    reason: str = ""
    """Why it failed, if more is known than the code."""

    @property
    def how(self) -> str:
        """In words."""
        if self.reason:
            return self.reason
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"its worker was killed ({signal.Signals(-self.code).name})"
        return f"its worker ended with exit code {self.code}"


class Launcher(Protocol):
    """Executes job directories, several at a time."""

    on_this_machine: bool
    """Whether jobs run where the launcher does, so that what a job needs of a machine can be looked at before."""

    problem: str
    """What keeps it from working at the moment; empty if nothing does."""

    @property
    def free(self) -> int:
        """How many more jobs could be started now."""

    def start(self, jobs: Sequence[Path]) -> None:
        """Have jobs executed, no more than there are free places."""

    def adopt(self, job: Path) -> bool:
        """Watch a job as if it had been started here; False if it does not run on this kind of launcher."""

    def wait(self, seconds: float) -> list[Ended]:
        """Workers that ended since the last call; waits for the first for so long at most."""

    def stop(self) -> int:
        """Stop watching all workers; return how many continue without this launcher and can be adopted by another.

        The others are ended: their jobs resume from their last finished unit of work when they are started again.
        """


class _Worker(NamedTuple):
    job: Path
    process: "subprocess.Popen[bytes]"
    place: int


class LocalLauncher:
    """Workers on this machine: one process for each job, with a share of its CPU threads, and a GPU each.

    Workers that are stopped have :data:`STOP_TIMEOUT` to save what they have, then they are killed: all files are
    written aside and renamed, so a killed job resumes from what it finished. They run in sessions of their own, so that
    Ctrl-C reaches them only through the launcher.
    """

    on_this_machine = True

    def __init__(self, worker: Sequence[str], options: ExecuteOptions, workers: int, gpus: Sequence[str] = ()) -> None:
        """``worker`` is the command that executes the job directory appended to it; ``gpus`` as CUDA names them."""
        self._command, self._options, self._gpus = list(worker), options, list(gpus)
        # a worker that has all of them chooses by its model
        self._threads = options.threads or (max(1, available_cpus() // workers) if workers > 1 else None)
        self._places = list(range(workers))
        self._running: list[_Worker] = []
        self._unstarted: list[Ended] = []
        self.problem = ""

    @property
    def free(self) -> int:
        """Workers that could be started now."""
        return len(self._places)

    def start(self, jobs: Sequence[Path]) -> None:
        """Start a worker process for each job. One that cannot be started is among the next that ended."""
        for job in jobs:
            try:
                self._start(job)
            except OSError as error:
                self._unstarted.append(Ended(job, 1, f"its worker could not be started: {error}"))

    def adopt(self, _job: Path) -> bool:
        """False: workers on this machine end with the launcher that started them."""
        return False

    def _start(self, job: Path) -> None:
        place = self._places.pop(0)
        try:
            with (job / LOG).open("ab") as log:
                process = subprocess.Popen(
                    [*self._command, str(job.resolve()), *worker_arguments(self._options, self._threads)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=os.environ | self.environment(place),
                    start_new_session=True,
                )
        except OSError:
            self._places.append(place)
            raise
        self._running.append(_Worker(job, process, place))

    def environment(self, place: int) -> dict[str, str]:
        """Environment variables of the worker at a place, counted from 0."""
        own = {"OMP_NUM_THREADS": str(self._threads)} if self._threads else {}
        if self._gpus:
            own["CUDA_VISIBLE_DEVICES"] = self._gpus[place % len(self._gpus)]
        return own

    def wait(self, seconds: float) -> list[Ended]:
        """Workers that ended since the last call; waits for the first at most so long."""
        limit = time.monotonic() + seconds
        while True:
            ended = [worker for worker in self._running if worker.process.poll() is not None]
            if ended or self._unstarted or not self._running or time.monotonic() >= limit:
                break
            time.sleep(POLL_INTERVAL)
        for worker in ended:
            self._running.remove(worker)
            self._places.append(worker.place)
        unstarted, self._unstarted = self._unstarted, []
        return unstarted + [Ended(worker.job, worker.process.returncode) for worker in ended]

    def stop(self) -> int:
        """End all workers, those that do not save in time by force; none runs on."""
        for worker in self._running:
            worker.process.terminate()
        limit = time.monotonic() + STOP_TIMEOUT
        for worker in self._running:
            try:
                worker.process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            self._places.append(worker.place)
        self._running.clear()
        return 0


def worker_arguments(options: ExecuteOptions, threads: int | None) -> list[str]:
    """Options of the command that executes a job directory."""
    own = replace(options, threads=threads)
    return [word for option in declared_options() for word in option.words(getattr(own, option.name))]


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_gpus(device: str) -> list[str]:
    """GPUs that workers on ``device`` can have, as CUDA_VISIBLE_DEVICES names them."""
    if device not in ("auto", "cuda"):
        return []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [gpu.strip() for gpu in given.split(",") if gpu.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
