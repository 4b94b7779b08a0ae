"""Running a study: what is ready is planned and given to a launcher, and committed here when it is finished.

This process alone reads and writes the store, between the jobs and never while it waits for one. A job that fails keeps
nothing from running but what needs it.
"""

import contextlib
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlv.cli.edge import say
from mlv.compute.machine.interrupts import raise_if_received, unwinding
from mlv.compute.machine.stopping import signal_handler
from mlv.schema.errors import JobError, MlvError
from mlv.schema.store.waiting import waiting_for_jobs

if TYPE_CHECKING:
    import duckdb

    from mlv.cli.work import Work
    from mlv.compute.running.local import Ended, Launcher
    from mlv.ingest.studies.cells import Cell
    from mlv.ingest.studies.status import CellState, StudyStatus
    from mlv.schema.jobs.directory import JobDirectory

POLL_SECONDS = 1.0
"""Between two looks for workers that ended."""

UNWINDING_SECONDS = 15.0
"""That stopping takes at most: workers have ten to save what they have."""

ACTIVE = ("running", "submitted")
"""States of cells that something works on or will."""

LISTED = 10
"""Cells with problems that are named."""

T = TypeVar("T")


def worker_command() -> list[str]:
    """The command that executes the job directory that follows it."""
    return [sys.executable, "-c", "from mlv.cli.main import main; main()", "compute", "run"]


class Driver:
    """Runs cells of a study by a launcher. ``study`` is how the study is named on the command line."""

    def __init__(self, work: "Work", status: "StudyStatus", launcher: "Launcher", study: str) -> None:
        self._work, self._status, self._launcher, self._study = work, status, launcher, study
        self._running: dict[Path, Cell] = {}
        self._failed: dict[Cell, str] = {}
        self._skipped: set[Cell] = set()
        self._trouble = ""

    def run(self) -> None:
        """Run what is missing. Raises JobError at the end where cells failed or cannot be planned."""
        self._run(self._status.cells, ("missing", "interrupted", "finished"))

    def retry(self) -> None:
        """Run what failed or was interrupted again, and what needs it. Raises as :meth:`run` does."""
        again = [cell for cell in self._status.cells if self._status.statuses[cell].state in ("failed", "interrupted")]
        if not again:
            say("nothing failed")
        self._run(self._status.needing(again), ("missing", "interrupted", "finished", "failed"))

    @unwinding(UNWINDING_SECONDS)
    def _run(self, wanted: "Collection[Cell]", startable: "Collection[CellState]") -> None:
        try:
            with _signals_as_interrupt():
                self._start_ready(wanted, startable)
                while self._running or self._start_unblocked(wanted, startable):
                    for ended in self._launcher.wait(POLL_SECONDS):
                        self._finish(ended)
                    self._start_ready(wanted, startable)
                    self._say_trouble()
        except KeyboardInterrupt:
            say(f"stopped; go on with: {self._command('run')}")
            raise
        finally:
            left = self._launcher.stop()
            if left:
                say(f"{left} jobs go on without this command; to end them, too: {self._command('cancel')}")
        self._conclude()

    def _start_ready(self, wanted: "Collection[Cell]", startable: "Collection[CellState]") -> None:
        """Give the launcher what it has places for, all at once. What is finished already is committed."""
        running = set(self._running.values())
        ready: list[Path] = []
        for cell in wanted:
            if self._launcher.free <= len(ready):
                break
            if cell in running or cell in self._failed or not self._is_next(cell, startable):
                continue
            with self._failing_alone(cell):
                job = self._next(cell, startable)
                if job is not None:
                    self._running[job.path] = cell
                    ready.append(job.path)
        if ready:
            self._launcher.start(ready)
        for path in ready:
            say(f"{self._place(self._running[path])} started ({path.name})")

    def _start_unblocked(self, wanted: "Collection[Cell]", startable: "Collection[CellState]") -> bool:
        """Look again at what could not be planned, now that all else is done: it may need what others left in the
        store without naming them. Whether something was started."""
        while blocked := [cell for cell in wanted if self._status.statuses[cell].state == "blocked"]:
            self._reading(lambda connection, cells=blocked: self._status.refresh(connection, cells))  # type: ignore[misc]
            self._start_ready(wanted, startable)
            still = [cell for cell in wanted if self._status.statuses[cell].state == "blocked"]
            if self._running or still == blocked:
                break
        return bool(self._running)

    def _is_next(self, cell: "Cell", startable: "Collection[CellState]") -> bool:
        state = self._status.statuses[cell].state
        if state in ACTIVE:
            return cell not in self._skipped
        return state in startable and self._status.ready(cell)

    def _next(self, cell: "Cell", startable: "Collection[CellState]") -> "JobDirectory | None":
        """The job of a cell that is to be started; None where it was done, or something works on it."""
        # another cell or another process may have done it since
        job = self._reading(lambda connection: self._planned(connection, cell, startable))
        if self._status.statuses[cell].state in ACTIVE:
            self._adopt(cell)
        if job is None or job.path in self._running:
            return None
        if job.state() == "finished":
            self._commit(cell, job)
            return None
        return job

    def _adopt(self, cell: "Cell") -> None:
        """Watch a job that was started before or by another process, if the launcher can."""
        path = self._status.directory(cell).path
        if path in self._running or not self._launcher.adopt(path):
            self._skipped.add(cell)
            return
        self._running[path] = cell
        say(f"{self._place(cell)} adopted ({path.name}; {self._status.statuses[cell].note})")

    def _say_trouble(self) -> None:
        """Say once what keeps the launcher from working."""
        if self._launcher.problem != self._trouble:
            self._trouble = self._launcher.problem
            say(f"waiting: {self._trouble}" if self._trouble else "going on")

    def _planned(
        self, connection: "duckdb.DuckDBPyConnection", cell: "Cell", startable: "Collection[CellState]"
    ) -> "JobDirectory | None":
        """The job of a cell, ready to be run; None where there is nothing to run."""
        from mlv.ingest.jobs.planning import update_model_paths

        self._status.refresh(connection, [cell])
        if self._status.statuses[cell].state not in startable or not self._status.ready(cell):
            return None
        if self._launcher.on_this_machine:
            self._work.check_machine(getattr(self._status.request(cell), "precision", "fp32"))
        job = self._status.plan(connection, cell)
        update_model_paths(connection, job, job.spec(), self._work.store)
        return job

    def _finish(self, ended: "Ended") -> None:
        """Commit what a worker did, or note that it failed."""
        from mlv.schema.jobs.directory import JobDirectory

        cell, job = self._running.pop(ended.job), JobDirectory(ended.job)
        if ended.code == 0:
            with self._failing_alone(cell):
                self._commit(cell, job)
            return
        self._reading(lambda connection: self._status.refresh(connection, [cell]))
        if self._status.statuses[cell].state in ACTIVE:
            say(f"{self._place(cell)} is being run by another process: left alone")
            self._skipped.add(cell)
            return
        self._fail(cell, self._status.statuses[cell].note or ended.how)

    def _commit(self, cell: "Cell", job: "JobDirectory") -> None:
        self._work.commit(job)
        self._reading(lambda connection: self._status.refresh(connection, self._status.needing([cell])))
        say(f"{self._place(cell)} done")

    @contextlib.contextmanager
    def _failing_alone(self, cell: "Cell") -> Iterator[None]:
        """Whatever goes wrong with one cell does not end the work of others."""
        try:
            yield
        except MlvError as error:
            self._fail(cell, error.line)
        except Exception as error:
            raise_if_received()
            self._fail(cell, f"{type(error).__name__}: {error}")

    def _fail(self, cell: "Cell", reason: str) -> None:
        self._failed[cell] = reason
        say(f"{self._place(cell)} failed: {reason}")

    def _place(self, cell: "Cell") -> str:
        return f"[{self._status.cells.index(cell) + 1}/{len(self._status.cells)}] {cell}:"

    def _reading(self, read: "Callable[[duckdb.DuckDBPyConnection], T]") -> T:
        from mlv.schema.store.opening import open_store

        with waiting_for_jobs(), open_store(self._work.store) as connection:
            return read(connection)

    def _command(self, verb: str) -> str:
        return f"mlv study {verb} {shlex.quote(self._study)} --db {shlex.quote(str(self._work.store))}"

    def _conclude(self) -> None:
        """Say where the study stands. Raises JobError where not all could be done."""
        self._reading(self._status.refresh)
        say_problems(self._status, self._failed)
        say_states(self._status)
        states = [found.state for found in self._status.statuses.values()]
        failed = len(
            self._failed.keys() | {cell for cell, found in self._status.statuses.items() if found.state == "failed"}
        )
        if failed:
            raise JobError(
                f"{failed} of {len(states)} cells failed.",
                f"Put right what their logs say, then: {self._command('retry')}",
            )
        if "blocked" in states:
            raise JobError(
                f"{states.count('blocked')} of {len(states)} cells cannot be planned.",
                f"Put right what is said above, then: {self._command('run')}",
            )


def say_states(status: "StudyStatus") -> None:
    """How many cells stand where, in one line."""
    from mlv.ingest.studies.status import STATES

    states = [found.state for found in status.statuses.values()]
    counted = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
    say(f"{len(states)} cells: {counted or 'none'}")


def say_problems(status: "StudyStatus", failed: "dict[Cell, str] | None" = None) -> None:
    """What failed, was interrupted, is blocked, or runs: the first few of each, with their logs."""
    from mlv.compute.running.local import LOG

    reasons = {cell: found.note for cell, found in status.statuses.items()} | (failed or {})
    for state in ("running", "submitted", "interrupted", "failed", "blocked"):
        cells = [cell for cell, found in status.statuses.items() if found.state == state]
        if state == "failed":
            cells += [cell for cell in failed or {} if status.statuses[cell].state not in ("failed", "committed")]
        for cell in cells[:LISTED]:
            say(f"{state}: {cell}{': ' if reasons[cell] else ''}{reasons[cell]}")
            log = status.directory(cell).path / LOG if status.statuses[cell].job else None
            if log and log.exists():
                say(f"  log: {log}")
        if len(cells) > LISTED:
            say(f"{state}: {len(cells) - LISTED} more (all of them: mlv study plan)")


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Have a terminal that closes and a scheduler that ends this process stop it as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    with signal_handler(numbers, interrupt):
        yield
