"""What is done to a store or a job, each time in a process of its own that can be killed at any moment.

Run as a program it is the parent of these processes: it has imported what they need and computed nothing, so that a
child costs a fork, and no thread of a library holds a lock that the child would wait for. A request is a line of JSON
on standard input, ``[operation, arguments, word, seconds]``; the answer, on standard output, is what the child said
before it was killed, ``seconds`` after it had said ``word``: begun, announced or ended.
"""

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

Announce = Callable[[str], None]

HANGS = 120.0
"""Seconds in which every operation ends."""


def commit(announce: Announce, store: str, job: str) -> None:
    """Commit a finished job; the store is closed after that is announced."""
    from mlv.ingest.jobs.committing import commit_job
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.store.opening import open_store

    with open_store(Path(store), read_only=False) as connection:
        announce(commit_job(connection, JobDirectory(Path(job)), Path(store)).run)


def upgrade(announce: Announce, store: str) -> None:
    """`mlv db upgrade` to a revision that this mlv does not have yet."""
    import next_revision

    from mlv.cli import db

    next_revision.make_known()
    db.upgrade(Path(store))
    announce("upgraded")


def backup(announce: Announce, store: str, target: str) -> None:
    """`mlv db snapshot`: a copy that may take the place of one."""
    from mlv.migrations import snapshot

    announce(str(snapshot(Path(store), Path(target))))


def delete(announce: Announce, store: str, run: str) -> None:
    """`mlv runs delete --yes`."""
    from mlv.cli import runs

    runs.delete(run, yes=True, db=Path(store))
    announce("deleted")


def delete_ingest(announce: Announce, store: str, name: str) -> None:
    """`mlv ingest delete --yes`; what is gone is not found."""
    from mlv.cli import ingest
    from mlv.schema.errors import NotFoundError

    with contextlib.suppress(NotFoundError):
        ingest.delete(name, yes=True, db=Path(store))
    announce("deleted")


def compact(announce: Announce, store: str) -> None:
    """Write a store anew."""
    from mlv.migrations.copying import compact

    compact(Path(store))
    announce("compacted")


def execute(announce: Announce, job: str) -> None:
    """Run a job."""
    from mlv.compute.machine.options import ExecuteOptions
    from mlv.compute.running.execute import execute

    execute(Path(job), ExecuteOptions("cpu", 1))
    announce("executed")


OPERATIONS: Mapping[str, Callable[..., None]] = {
    function.__name__: function for function in (commit, upgrade, backup, delete, delete_ingest, compact, execute)
}
IMPORTS = (
    "alembic.command",
    "alembic.config",
    "duckdb_sqlalchemy",
    "mlv.cli.db",
    "mlv.cli.ingest",
    "mlv.cli.runs",
    "mlv.compute.attribution.distributions",
    "mlv.compute.attribution.index",
    "mlv.compute.attribution.kernels",
    "mlv.compute.attribution.scores",
    "mlv.compute.jobs.classify",
    "mlv.compute.jobs.finetune",
    "mlv.compute.jobs.influence",
    "mlv.compute.jobs.predict",
    "mlv.compute.jobs.probe",
    "mlv.compute.jobs.respond",
    "mlv.compute.respondents.endpoint",
    "mlv.compute.running.execute",
    "mlv.compute.training.trainer",
    "mlv.ingest.jobs.classify",
    "mlv.ingest.jobs.committing",
    "mlv.ingest.jobs.finetune",
    "mlv.ingest.jobs.influence",
    "mlv.ingest.jobs.predict",
    "mlv.ingest.jobs.probe",
    "mlv.ingest.rules.generated",
    "mlv.ingest.upkeep.deletion",
    "mlv.ingest.upkeep.ingests",
    "mlv.ingest.writing.reference",
    "mlv.migrations.copying",
    "mlv.migrations.upgrading",
    "mlv.schema.tables.metadata",
    "mlv.schema.views.declared",
    "next_revision",
    "pandas",
    "peft",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pycountry",
    "scipy.stats",
    "sentencepiece",
    "threadpoolctl",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bloom.modeling_bloom",
    "transformers.models.mt5.modeling_mt5",
    "transformers.models.t5.tokenization_t5",
    "transformers.models.xlm_roberta.modeling_xlm_roberta",
)


class Killed(NamedTuple):
    """What a child said before it was killed."""

    announced: str | None
    """What it announced; None where it had not come so far."""

    ended: bool
    seconds: float
    """Until it was killed."""


class Killer:
    """Has operations done and killed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def __call__(self, operation: str, *arguments: object, word: str = "ended", seconds: float = 0) -> Killed:
        """Kill an operation so many seconds after a word of it; an unbroken one at its end."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        request = json.dumps([operation, [str(argument) for argument in arguments], word, seconds])
        print(request, file=self._parent.stdin, flush=True)
        answered, _, _ = select.select([self._parent.stdout], [], [], HANGS)
        assert answered, f"{operation} {arguments} hangs"
        said, passed = json.loads(self._parent.stdout.readline())
        lines = dict(line.split(" ", 1) for line in said)
        assert "failed" not in lines, f"{operation} {arguments}: {lines['failed']}"
        return Killed(lines.get("announced"), "ended" in lines, passed)

    def close(self) -> None:
        """End the parent."""
        self._parent.communicate()


def _serve(requests: IO[str]) -> None:
    import importlib

    for name in IMPORTS:
        importlib.import_module(name)
    gc.freeze()
    for line in requests:
        operation, arguments, word, seconds = json.loads(line)
        sys.stdout.write(json.dumps(_killed(OPERATIONS[operation], arguments, word, seconds)) + "\n")
        sys.stdout.flush()


def _killed(operation: Callable[..., None], arguments: list[str], word: str, seconds: float) -> tuple[list[str], float]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(operation, arguments, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as words:
        said = [words.readline()]
        start = time.monotonic()
        while not said[-1].startswith((word, "failed")):
            said.append(words.readline())
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        passed = time.monotonic() - start
        os.waitpid(child, 0)
        # a line that the kill cut off was not said
        said += [line for line in words if line.endswith("\n")]
    return [line.strip() for line in said], passed


def _work(operation: Callable[..., None], arguments: list[str], writing: int) -> None:
    """Do it, say so, and wait to be killed."""

    def say(word: str, detail: object = "") -> None:
        os.write(writing, f"{word} {detail!r}\n".encode())

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    say("begun")
    try:
        operation(lambda detail: say("announced", detail), *arguments)
        say("ended")
    except BaseException:
        say("failed", traceback.format_exc())
    time.sleep(60)
    os._exit(1)


if __name__ == "__main__":
    _serve(sys.stdin)
