"""Launching on a Slurm cluster, through submitit: all jobs that are ready at one moment become one array.

A job's submission is recorded in its directory (``slurm.json``) before it is submitted, and looked up in Slurm's queue
by its name. So a launcher that is killed at any moment loses nothing: the next one adopts what is in the queue. Two
launchers on the same job directories never submit a job twice, since only one submits at a time (``jobs/slurm/lock``).

Whether a job is done is in its directory; the queue shows only whether it may still get done. While Slurm does not
answer, no job counts as ended.
"""

import contextlib
import fcntl
import importlib
import secrets
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import is_running
from mlv.compute.running.local import POLL_INTERVAL, Ended, worker_arguments
from mlv.compute.running.slurm_settings import Resources, Settings
from mlv.schema.errors import JobError, UsageError
from mlv.schema.files import now, write_json
from mlv.schema.jobs.directory import JobDirectory

if TYPE_CHECKING:
    import submitit

RECORD: Final = "slurm.json"
"""File in a job directory: the name, task and number of its submission, while it is in the queue."""

FOLDER: Final = "slurm"
"""Folder beside the job directories with scripts, pickles and logs of submissions."""

WAITING: Final = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
OVER: Final = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED"}
    | {"TIMEOUT"}
)
"""States of Slurm in which a job will not run any more; in all others it runs or will run."""

HINTS: Final = {
    "OUT_OF_MEMORY": "give it more memory",
    "TIMEOUT": "give it more time, or an earlier warning",
    "CANCELLED": "it was cancelled",
}

NFS_GRACE_POLLS: Final = 4
"""Polls for which a job that left the queue may still be without its last files: network file systems cache."""


class SlurmUnavailableError(JobError):
    """Slurm does not answer."""


class Task(NamedTuple):
    """A job as the queue has it."""

    number: str
    """``ARRAY_TASK``, or the job's number."""

    state: str
    detail: str
    """Why it waits, or the node that it runs on."""


class Queue:
    """This user's jobs in Slurm's queue, and those that just left it; read at most every ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._read_at = seconds, -float("inf")
        self._tasks: dict[tuple[str, int | None], Task] = {}

    def task(self, record: dict[str, Any]) -> Task | None:
        """The job of a record; None if the queue has none. Raises SlurmUnavailableError if Slurm does not answer."""
        if time.monotonic() - self._read_at >= self._seconds:
            self.refresh()
        return self._tasks.get((record.get("name", ""), record.get("task")))

    def refresh(self) -> None:
        """Read the queue now. Raises SlurmUnavailableError if Slurm does not answer."""
        listed = _slurm("squeue", "--me", "--states=all", "--array", "--noheader", "--format=%F|%K|%T|%r|%N|%j")
        self._tasks, self._read_at = dict(map(_parse_task, listed.splitlines())), time.monotonic()


def _parse_task(line: str) -> tuple[tuple[str, int | None], Task]:
    number, place, state, reason, node, name = line.split("|", 5)
    task = int(place) if place.isdigit() else None
    return (name, task), Task(number if task is None else f"{number}_{task}", state, node or reason)


def _slurm(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise SlurmUnavailableError(f"there is no {command[0]} on this machine") from error
    except subprocess.CalledProcessError as error:
        raise SlurmUnavailableError((error.stderr.strip().splitlines() or [f"{command[0]} failed"])[0]) from error
    return done.stdout


def activity(queue: Queue, job: JobDirectory) -> tuple[Literal["running", "submitted"], str] | None:
    """Whether a job runs or waits, here or in Slurm, with a remark for the user; None if it does neither."""
    record = job.read_json(RECORD)
    try:
        task = queue.task(record) if record else None
    except SlurmUnavailableError as error:
        return "submitted", f"{error.message}; if the job is not in the queue any more: rm {job.path / RECORD}"
    if task and task.state not in OVER:
        remark = f"Slurm job {task.number}: {task.state} ({task.detail})"
        return ("submitted" if task.state in WAITING else "running"), remark
    return ("running", "") if is_running(job) else None


def cancel(jobs: Iterable[JobDirectory]) -> list[str]:
    """Take jobs out of the queue and end those that run; their numbers.

    Raises SlurmUnavailableError if Slurm does not answer.
    """
    queue, numbers = Queue(0), []
    for job in jobs:
        task = queue.task(record) if (record := job.read_json(RECORD)) else None
        if task and task.state not in OVER:
            numbers.append(task.number)
            _slurm("scancel", task.number)
        (job.path / RECORD).unlink(missing_ok=True)
    return numbers


class SlurmLauncher:
    """Submits job directories, and watches them and the queue. Submitted jobs continue without it."""

    on_this_machine = False

    def __init__(self, worker: Sequence[str], options: ExecuteOptions, settings: Settings, jobs: Path) -> None:
        """``worker`` is the command that executes the job directory appended to it; ``jobs`` is their folder.

        Raises UsageError if Slurm would refuse such jobs, ImportError if submitit is not installed.
        """
        importlib.import_module("submitit")
        self._command, self._options, self._settings = list(worker), options, settings
        self._folder = (jobs / FOLDER).resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._queue = Queue(settings.poll)
        self._watched: dict[Path, float] = {}
        self._unsubmitted: list[Path] = []
        self._polled_at = -float("inf")
        self.problem = ""
        self._dry_run()

    @property
    def free(self) -> int:
        """Jobs that may be submitted until as many are in the queue as the settings allow."""
        return max(0, self._settings.queued - len(self._watched) - len(self._unsubmitted))

    def start(self, jobs: Sequence[Path]) -> None:
        """Submit the jobs as one array for each kind of resources; later, if Slurm takes none at the moment."""
        self._unsubmitted += jobs
        self._submit()

    def adopt(self, job: Path) -> bool:
        """Watch a job that another launcher submitted; False if it neither runs nor is in the queue."""
        directory = JobDirectory(job)
        record = directory.read_json(RECORD)
        found = activity(self._queue, directory) if record else None
        if found:
            self._watched[job] = 0.0
        return found is not None

    def wait(self, seconds: float) -> list[Ended]:
        """Jobs that left the queue or failed since the last call; waits for the first at most so long."""
        limit = time.monotonic() + seconds
        while self._watched or self._unsubmitted:
            if time.monotonic() - self._polled_at >= self._settings.poll:
                self._polled_at = time.monotonic()
                self._submit()
                ended = self._poll()
                if ended:
                    return ended
            if time.monotonic() >= limit:
                break
            time.sleep(POLL_INTERVAL)
        return []

    def stop(self) -> int:
        """Watch no job any more; return how many stay in the queue."""
        remaining = len(self._watched)
        self._watched.clear()
        self._unsubmitted.clear()
        return remaining

    def _poll(self) -> list[Ended]:
        """Jobs that ended."""
        try:
            self._queue.refresh()
            self.problem = ""
        except SlurmUnavailableError as error:
            self.problem = f"Slurm does not answer: {error.message}"
        found = [ended for job in self._watched if (ended := self._ended(job))]
        for ended in found:
            del self._watched[ended.job]
            (ended.job / RECORD).unlink(missing_ok=True)
        return found

    def _ended(self, job: Path) -> Ended | None:
        """How a job ended, if it did."""
        directory = JobDirectory(job)
        state, record = directory.state(), directory.read_json(RECORD)
        if state == "finished":
            return Ended(job, 0)
        if self.problem:
            return None
        task = self._queue.task(record)
        if task and task.state not in OVER:
            self._watched[job] = 0.0
            return None
        self._watched[job] = self._watched[job] or time.monotonic()
        if state != "failed" and time.monotonic() - self._watched[job] < NFS_GRACE_POLLS * self._settings.poll:
            return None
        return Ended(job, 1, _failure_reason(record, task))

    def _submit(self) -> None:
        """Submit the jobs that are waiting for it; if Slurm takes none at the moment, try again later."""
        if not self._unsubmitted:
            return
        with self._submission_lock():
            try:
                self._queue.refresh()
                for job in [job for job in self._unsubmitted if self.adopt(job)]:
                    self._unsubmitted.remove(job)
                for resources, jobs in self._grouped():
                    self._submit_array(resources, jobs)
                self.problem = ""
            except SlurmUnavailableError as error:
                self.problem = f"Slurm takes no jobs: {error.message}"

    @contextlib.contextmanager
    def _submission_lock(self) -> Iterator[None]:
        """Keep other launchers from submitting."""
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _grouped(self) -> list[tuple[Resources, list[Path]]]:
        """The jobs to submit, by their resources."""
        groups: dict[str, list[Path]] = defaultdict(list)
        for job in self._unsubmitted:
            groups[self._settings.of(JobDirectory(job).spec().kind).model_dump_json()].append(job)
        return [(Resources.model_validate_json(resources), jobs) for resources, jobs in groups.items()]

    def _submit_array(self, resources: Resources, jobs: list[Path]) -> None:
        from submitit.core.utils import FailedJobError

        from mlv.compute.running.slurm_worker import SlurmWorker

        name = f"mlv-{secrets.token_hex(4)}"
        executor = self._executor(resources, name)
        records = {
            job: {"name": name, "task": task if len(jobs) > 1 else None, "at": now().isoformat()}
            for task, job in enumerate(jobs)
        }
        for job, record in records.items():
            # the state that an earlier attempt left would count as this one's
            JobDirectory(job).set_state("planned")
            write_json(job / RECORD, record)
        arguments = worker_arguments(self._options, resources.cpus)
        workers = [
            SlurmWorker([*self._command, str(job.resolve()), *arguments], job.resolve(), resources.requeues)
            for job in jobs
        ]
        try:
            submitted = executor.submit_array(workers)
        except FailedJobError as error:
            raise SlurmUnavailableError(str(error).strip().splitlines()[-1]) from error
        for job, task in zip(jobs, submitted, strict=True):
            write_json(job / RECORD, records[job] | {"job": task.job_id, "log": str(task.paths.stdout)})
            self._unsubmitted.remove(job)
            self._watched[job] = 0.0

    def _executor(self, resources: Resources, name: str) -> "submitit.SlurmExecutor":
        import submitit

        executor = submitit.SlurmExecutor(self._folder / name, max_num_timeout=resources.requeues)
        executor.update_parameters(**self._parameters(resources), job_name=name)
        return executor

    def _parameters(self, resources: Resources) -> dict[str, object]:
        """What submitit makes an sbatch script of."""
        return {
            **self._requests(resources),
            # a step does not inherit them
            "srun_args": ["--cpus-per-task", str(resources.cpus)],
            "array_parallelism": resources.at_once,
            "signal_delay_s": resources.warning,
            "stderr_to_stdout": True,
            "wckey": None,
            "setup": [*resources.setup, f"export OMP_NUM_THREADS={resources.cpus}"],
            "additional_parameters": {"requeue": True, **resources.sbatch},
        }

    def _requests(self, resources: Resources) -> dict[str, str | int | None]:
        """What is requested of the cluster, by sbatch's parameters with underscores; None leaves its default."""
        gpus = resources.gpus or ("0" if self._options.device == "cpu" else "1")
        words = ("partition", "account", "qos", "constraint", "time")
        return {name: getattr(resources, name) for name in words} | {
            "mem": resources.memory,
            "gpus_per_node": None if gpus == "0" else gpus,
            "cpus_per_task": resources.cpus,
        }

    def _dry_run(self) -> None:
        """Have Slurm check a job of each kind without submitting it. Raises UsageError if it would refuse one."""
        from mlv.schema.jobs.kinds import KINDS

        missing = [program for program in ("sbatch", "srun") if not shutil.which(program)]
        if missing:
            raise UsageError(
                f"There is no Slurm on this machine: {' and '.join(missing)} not found.",
                "Run it on a login node of the cluster, or with --launcher local.",
            )
        checked = dict.fromkeys(self._test_command(self._settings.of(kind)) for kind in KINDS)
        for command in checked:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise UsageError(
                    f"Slurm would refuse such jobs: {done.stderr.strip()}",
                    "Correct slurm.toml beside the store, or --slurm KEY=VALUE.",
                )

    def _test_command(self, resources: Resources) -> tuple[str, ...]:
        """The command that has Slurm check a job with these resources."""
        requests = {
            **{name.replace("_", "-"): value for name, value in self._requests(resources).items()},
            "nodes": 1,
            "signal": f"USR2@{resources.warning}",
            "requeue": True,
            **resources.sbatch,
        }
        options = [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in requests.items()
            if value is not None
        ]
        return ("sbatch", "--test-only", *options, "--wrap=true")


def _failure_reason(record: dict[str, Any], task: Task | None) -> str:
    """Why a job that is not done left the queue."""
    reason = f"its Slurm job {task.number if task else record.get('job', '')} "
    reason += f"ended as {task.state}" if task else "left the queue"
    hint = HINTS.get(task.state, "") if task else ""
    log = f"; Slurm's log: {record['log']}" if "log" in record else ""
    return f"{reason}{': ' if hint else ''}{hint}{log}"
