"""Running a planned job on this machine: dispatch, state, events, and failures that a researcher can act on.

A job that is done is not run again, unless its outputs are gone; one that failed or was killed resumes from its last
finished unit of work. One process at a time runs a job: it locks ``lock`` in the job directory, by a lock of the
operating system that ends with the process, however that ends.
"""

import contextlib
import errno
import fcntl
import os
import pickle
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from mlv.compute.machine import interrupts, runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.stopping import Stoppable, StoppedError
from mlv.schema.errors import JobError, MlvError
from mlv.schema.files import now
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Failed, Finished, Resumed, Started, Stopped
from mlv.schema.jobs.spec import Spec

MEMORY_SIGNS = ("out of memory", "not enough memory", "can't allocate memory")
DISK_SIGNS = ("no space left on device", "pytorchstreamwriter failed writing")
"""How libraries word errors of the operating system, in lower case."""


class JobRunningError(JobError):
    """A job that another process is running."""


def execute(path: Path, options: ExecuteOptions | None = None, progress: Progress = SILENT) -> bool:
    """Run the job in ``path`` unless it is done; return whether it ran.

    Raises the job's own MlvError, JobError if memory or disk ran out, JobRunningError if another process runs it, or
    StoppedError if a signal stopped this process. The job stays resumable.
    """
    job = JobDirectory(path)
    spec = job.spec()
    job.refuse_links()
    if _finished(job, spec):
        return False
    options = options or ExecuteOptions()
    runtime.quiet_libraries()
    # another machine may have it: the job has not failed
    runtime.check_precision(spec.computes_in(), runtime.device_name(options.device))
    with _explained(job), _held(job):
        # the process that had the lock before may have finished the job meanwhile
        if _finished(job, spec):
            return False
        _sweep(job)
        with _recorded(job, options), _explained(job):
            _worker(spec.kind)(job, spec, options, Stoppable(progress))
        shutil.rmtree(job.work, ignore_errors=True)
    return True


def _sweep(job: JobDirectory) -> None:
    """Remove the unfinished files of a worker that was killed."""
    for folder in (job.outputs, job.checkpoints, job.work):
        for left in list(folder.rglob(".*.part")):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def _finished(job: JobDirectory, spec: Spec) -> bool:
    """Whether the job ran to its end and its results are there."""
    return job.state() == "finished" and all((job.outputs / name).exists() for name in spec.OUTPUTS)


@contextlib.contextmanager
def _held(job: JobDirectory) -> Iterator[None]:
    """Keep other processes from running the job. Raises JobRunningError if one runs it.

    The lock file is not deleted: otherwise two processes could have a lock of the same name.
    """
    with (job.path / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise _running(job, lock.read().strip()) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_running(job: JobDirectory) -> bool:
    """Whether a process runs the job. A job whose process was killed is not running, although its state is."""
    if job.state() != "running":
        return False
    try:
        with (job.path / "lock").open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _running(job: JobDirectory, pid: str) -> JobRunningError:
    """The error for a job that process ``pid`` runs; empty if the process has not written it yet."""
    return JobRunningError(
        f"{job.path.name} is being run by {f'process {pid}' if pid else 'another process'}.",
        f"Wait for it or end it, then `mlv runs resume {job.path.name}`.",
    )


class Worker(Protocol):
    """What runs a kind of job: ``run`` of the module of that name in ``mlv.compute.jobs``.

    Raises an MlvError that says what to do, or StoppedError if the progress was told to stop; the job stays resumable.
    """

    def __call__(self, job: JobDirectory, spec: Any, options: ExecuteOptions, progress: Progress) -> None:
        """Run the job of a specification to its end, going on from what is in ``work/``."""


def _worker(kind: str) -> Worker:
    """What runs a kind of job; its libraries are imported with it."""
    worker: Worker = import_module(f"mlv.compute.jobs.{kind}").run
    return worker


@contextlib.contextmanager
def _recorded(job: JobDirectory, options: ExecuteOptions) -> Iterator[None]:
    """Record the job's state, times, events and environment."""
    provenance = job.read_json("provenance.json")
    job.log((Resumed if provenance.get("started_at") else Started)(**runtime.slurm()))
    job.set_state("running")
    job.update_provenance(started_at=provenance.get("started_at") or now().isoformat())
    try:
        yield
        # after the work: these are the flags and threads that it ran with
        environment = runtime.environment(runtime.device_name(options.device))
        environment["batch_tokens"] = options.batch_tokens
        job.update_provenance(environment=environment, finished_at=now().isoformat())
        job.log(Finished())
        job.set_state("finished")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or interrupts.received():
            # that nobody runs it tells that it was interrupted
            job.log(Stopped(reason=str(error) if isinstance(error, StoppedError) else "Ctrl-C"))
            raise
        # the disk may be full; the reason is raised all the same
        with contextlib.suppress(OSError):
            reason = str(getattr(error, "message", "") or error) or type(error).__name__
            job.log(Failed(reason=reason))
            job.set_state("failed", reason=reason)
        raise


@contextlib.contextmanager
def _explained(job: JobDirectory) -> Iterator[None]:
    """Turn failures of the machine into JobErrors with a hint."""
    try:
        yield
    except MlvError:
        raise
    except Exception as error:
        explained = _explanation(job, error)
        if explained is None:
            raise
        raise explained from error


def _explanation(job: JobDirectory, error: Exception) -> JobError | None:
    """The error for a failure of the machine; None if it is an unknown one."""
    text = str(error).lower()
    if isinstance(error, pickle.UnpicklingError):
        return JobError(
            f"A training state in {job.work} cannot be read as tensors alone: it is damaged, or made to run a program.",
            f"Delete {job.work}, then `mlv runs resume {job.path.name}`: the job starts again.",
        )
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or any(sign in text for sign in DISK_SIGNS):
        return JobError(
            f"No space left on the disk of {job.path}",
            f"Free some space, then `mlv runs resume {job.path.name}`: finished work is kept.",
        )
    if isinstance(error, MemoryError) or any(sign in text for sign in MEMORY_SIGNS):
        return JobError(
            f"{job.path.name} ran out of memory: {str(error).splitlines()[0] if text else 'no detail'}",
            "Use a smaller `--batch-size` or `--batch-tokens`, `--precision bf16` on a GPU, or a larger machine; "
            f"then `mlv runs resume {job.path.name}`.",
        )
    return None
