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
from collections.abc import Callable, Iterator
from pathlib import Path

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.stopping import Stoppable, StoppedError
from mlv.schema.errors import JobError, MlvError
from mlv.schema.files import now
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.kinds import OUTPUTS, JobSpec

Runner = Callable[[JobDirectory, ExecuteOptions, Progress], None]

MEMORY_SIGNS = ("out of memory", "not enough memory", "can't allocate memory")
DISK_SIGNS = ("no space left on device", "pytorchstreamwriter failed writing")
"""How libraries word errors of the operating system, in lower case."""

NEEDED = {kind: names if kind == "project" else ("model.json", *names) for kind, names in OUTPUTS.items()}
"""Files of ``outputs/`` without which a job cannot be committed, by kind."""


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
    with _explained(job), _held(job):
        # the process that had the lock before may have finished the job meanwhile
        if _finished(job, spec):
            return False
        _sweep(job)
        with _recorded(job, options), _explained(job):
            _runner(spec)(job, options, Stoppable(progress))
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


def _finished(job: JobDirectory, spec: JobSpec) -> bool:
    """Whether the job is done and what it found is there."""
    return job.state() == "done" and all((job.outputs / name).exists() for name in NEEDED[spec.kind])


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


def _runner(spec: JobSpec) -> Runner:
    """The function that runs a kind of job; its libraries are imported with it."""
    if spec.kind == "pretrain":
        from mlv.compute.jobs.pretrain import run as pretrain

        return pretrain
    if spec.kind == "finetune":
        from mlv.compute.jobs.finetune import run as finetune

        return finetune
    if spec.kind == "probe":
        from mlv.compute.jobs.probe import run as probe

        return probe
    if spec.kind == "influence":
        from mlv.compute.jobs.influence import run as influence

        return influence
    if spec.kind == "project":
        from mlv.compute.jobs.pca import run as project

        return project
    from mlv.compute.jobs.validate import run as validate

    return validate


@contextlib.contextmanager
def _recorded(job: JobDirectory, options: ExecuteOptions) -> Iterator[None]:
    """Record the job's state, times, events and environment."""
    provenance = job.read_json("provenance.json")
    job.log("resumed" if provenance.get("started_at") else "started", **runtime.slurm())
    job.set_state("running")
    job.update_provenance(started_at=provenance.get("started_at") or now().isoformat())
    try:
        yield
        # after the work: these are the flags and threads that it ran with
        device = runtime.device_name(options.device)
        job.update_provenance(environment=runtime.environment(device), finished_at=now().isoformat())
        job.log("finished")
        job.set_state("done")
    except StoppedError as error:
        job.log("stopped", reason=str(error))
        raise
    except BaseException as error:
        # the disk may be full; the reason is raised all the same
        with contextlib.suppress(OSError):
            reason = getattr(error, "message", "") or str(error) or type(error).__name__
            job.log("failed", reason=reason)
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
