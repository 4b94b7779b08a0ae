"""What runs on a node of a Slurm cluster: the worker's command, and the requeueing of a job that Slurm ends.

Slurm warns a job before its time is up (``SIGUSR2``), and sends ``SIGTERM`` when it takes the node away. The worker
then saves what it has and ends, and the job is requeued under its own number and resumes later. A job that was
cancelled, or whose time is up already, is not requeued.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

import submitit

from mlv.compute.machine.stopping import SIGNALS
from mlv.compute.running.local import LOG
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Failed

STOPPED: Final = 130
"""Exit code of a worker that was stopped by a signal and has saved."""


class SlurmWorker:
    """Runs a job directory; submitit calls it on the node, and after a requeue the result of ``checkpoint``."""

    def __init__(self, command: Sequence[str], job: Path, requeues: int) -> None:
        """``command`` executes the job; ``requeues`` is how often it may start again."""
        self._command, self._job, self._requeues = list(command), job, requeues

    def __call__(self) -> None:
        """Run the job to its end. Raises SystemExit with the worker's code if it failed or was requeued."""
        self._refuse_more_than(self._requeues, restarts())
        handler = signal.getsignal(signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"])
        code = self._run()
        if code in (STOPPED, *(-number for number in SIGNALS)) and _may_be_requeued():
            self._refuse_more_than(self._requeues - 1, restarts())
            # submitit's own handler: requeues, and ends this process
            cast(Callable[[int], object], handler)(signal.SIGUSR2)
        if code:
            raise SystemExit(code if code > 0 else 128 - code)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What runs after a requeue: the same, which resumes from what is saved in the job directory."""
        return submitit.helpers.DelayedSubmission(self)

    def _run(self) -> int:
        """The worker's exit code. Signals that reach this process alone are passed on."""
        with (self._job / LOG).open("ab") as log:
            worker = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=os.environ
            )
        for number in SIGNALS:
            signal.signal(number, lambda number, _: worker.send_signal(number))
        return worker.wait()

    def _refuse_more_than(self, limit: int, count: int) -> None:
        if count <= limit:
            return
        job = JobDirectory(self._job)
        reason = f"It was requeued {count} times and did not finish: give it more time."
        job.log(Failed(reason=reason))
        job.set_state("failed", reason=reason)
        raise SystemExit(1)


def restarts() -> int:
    """How often Slurm has started this job again."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _may_be_requeued() -> bool:
    """Whether Slurm lets this job run: one that was cancelled or whose time is up is about to end."""
    number = os.environ["SLURM_JOB_ID"]
    listed = subprocess.run(
        ["squeue", "--noheader", "--format=%T", f"--jobs={number}"], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() in ("RUNNING", "SUSPENDED", "SIGNALING")
