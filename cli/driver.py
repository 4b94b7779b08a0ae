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
from mlv.compute.machine.stopping import signal_handler
from mlv.schema.errors import JobError, MlvError
from mlv.schema.store.waiting import waiting_for_jobs

if TYPE_CHECKING:
    import duckdb

    from mlv.cli.work import Work
    from mlv.compute.running.local import Ended, Launcher
    from mlv.ingest.studies.grid import Cell
    from mlv.ingest.studies.status import Board, CellState
    from mlv.schema.jobs.directory import JobDirectory

POLL_SECONDS = 1.0
"""Between two looks for workers that ended."""

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

    def __init__(self, work: "Work", board: "Board", launcher: "Launcher", study: str) -> None:
        self._work, self._board, self._launcher, self._study = work, board, launcher, study
        self._flying: dict[Path, Cell] = {}
        self._failed: dict[Cell, str] = {}
        self._left_alone: set[Cell] = set()
        self._trouble = ""

    def run(self) -> None:
        """Run what is missing. Raises JobError at the end where cells failed or cannot be planned."""
        self._run(self._board.cells, ("missing", "interrupted", "finished"))

    def retry(self) -> None:
        """Run what failed or was interrupted again, and what needs it. Raises as :meth:`run` does."""
        again = [cell for cell in self._board.cells if self._board.seen[cell].state in ("failed", "interrupted")]
        if not again:
            say("nothing failed")
        self._run(self._board.needing(again), ("missing", "interrupted", "finished", "failed"))

    def _run(self, wanted: "Collection[Cell]", startable: "Collection[CellState]") -> None:
        try:
            with _signals_as_interrupt():
                self._start_ready(wanted, startable)
                while self._flying:
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
        flying = set(self._flying.values())
        ready: list[Path] = []
        for cell in wanted:
            if self._launcher.free <= len(ready):
                break
            if cell in flying or cell in self._failed or not self._is_next(cell, startable):
                continue
            with self._failing_alone(cell):
                job = self._next(cell, startable)
                if job is not None:
                    self._flying[job.path] = cell
                    ready.append(job.path)
        if ready:
            self._launcher.start(ready)
        for path in ready:
            say(f"{self._place(self._flying[path])} started ({path.name})")

    def _is_next(self, cell: "Cell", startable: "Collection[CellState]") -> bool:
        state = self._board.seen[cell].state
        if state in ACTIVE:
            return cell not in self._left_alone
        return state in startable and self._board.ready(cell)

    def _next(self, cell: "Cell", startable: "Collection[CellState]") -> "JobDirectory | None":
        """The job of a cell that is to be started; None where it was done, or something works on it."""
        # another cell or another process may have done it since
        job = self._reading(lambda connection: self._planned(connection, cell, startable))
        if self._board.seen[cell].state in ACTIVE:
            self._adopt(cell)
        if job is None or job.path in self._flying:
            return None
        if job.state() == "done":
            self._commit(cell, job)
            return None
        return job

    def _adopt(self, cell: "Cell") -> None:
        """Watch a job that was started before or by another process, if the launcher can."""
        path = self._board.directory(cell).path
        if path in self._flying or not self._launcher.adopt(path):
            self._left_alone.add(cell)
            return
        self._flying[path] = cell
        say(f"{self._place(cell)} adopted ({path.name}; {self._board.seen[cell].note})")

    def _say_trouble(self) -> None:
        """Say once what keeps the launcher from working."""
        if self._launcher.problem != self._trouble:
            self._trouble = self._launcher.problem
            say(f"waiting: {self._trouble}" if self._trouble else "going on")

    def _planned(
        self, connection: "duckdb.DuckDBPyConnection", cell: "Cell", startable: "Collection[CellState]"
    ) -> "JobDirectory | None":
        """The job of a cell, ready to be run; None where there is nothing to run."""
        from mlv.ingest.jobs.planning import relocate_model

        self._board.look(connection, [cell])
        if self._board.seen[cell].state not in startable or not self._board.ready(cell):
            return None
        job = self._board.plan(connection, cell)
        relocate_model(connection, job, self._work.store)
        return job

    def _finish(self, ended: "Ended") -> None:
        """Commit what a worker did, or note that it failed."""
        from mlv.schema.jobs.directory import JobDirectory

        cell, job = self._flying.pop(ended.job), JobDirectory(ended.job)
        if ended.code == 0:
            with self._failing_alone(cell):
                self._commit(cell, job)
            return
        self._reading(lambda connection: self._board.look(connection, [cell]))
        if self._board.seen[cell].state in ACTIVE:
            say(f"{self._place(cell)} is being run by another process: left alone")
            self._left_alone.add(cell)
            return
        self._fail(cell, self._board.seen[cell].note or ended.how)

    def _commit(self, cell: "Cell", job: "JobDirectory") -> None:
        self._work.commit(job)
        self._reading(lambda connection: self._board.look(connection, self._board.needing([cell])))
        say(f"{self._place(cell)} done")

    @contextlib.contextmanager
    def _failing_alone(self, cell: "Cell") -> Iterator[None]:
        """Whatever goes wrong with one cell does not end the work of others."""
        try:
            yield
        except MlvError as error:
            self._fail(cell, error.line)
        except Exception as error:
            self._fail(cell, f"{type(error).__name__}: {error}")

    def _fail(self, cell: "Cell", reason: str) -> None:
        self._failed[cell] = reason
        say(f"{self._place(cell)} failed: {reason}")

    def _place(self, cell: "Cell") -> str:
        return f"[{self._board.cells.index(cell) + 1}/{len(self._board.cells)}] {cell}:"

    def _reading(self, read: "Callable[[duckdb.DuckDBPyConnection], T]") -> T:
        from mlv.schema.store.opening import open_store

        with waiting_for_jobs(), open_store(self._work.store) as connection:
            return read(connection)

    def _command(self, verb: str) -> str:
        return f"mlv study {verb} {shlex.quote(self._study)} --db {shlex.quote(str(self._work.store))}"

    def _conclude(self) -> None:
        """Say where the study stands. Raises JobError where not all could be done."""
        self._reading(self._board.look)
        say_problems(self._board, self._failed)
        say_states(self._board)
        states = [seen.state for seen in self._board.seen.values()]
        failed = len(self._failed.keys() | {cell for cell, seen in self._board.seen.items() if seen.state == "failed"})
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


def say_states(board: "Board") -> None:
    """How many cells stand where, in one line."""
    from mlv.ingest.studies.status import STATES

    states = [seen.state for seen in board.seen.values()]
    counted = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
    say(f"{len(states)} cells: {counted or 'none'}")


def say_problems(board: "Board", failed: "dict[Cell, str] | None" = None) -> None:
    """What failed, was interrupted, is blocked, or runs: the first few of each, with their logs."""
    from mlv.compute.running.local import LOG

    reasons = {cell: seen.note for cell, seen in board.seen.items()} | (failed or {})
    for state in ("running", "submitted", "interrupted", "failed", "blocked"):
        cells = [cell for cell, seen in board.seen.items() if seen.state == state]
        if state == "failed":
            cells += [cell for cell in failed or {} if board.seen[cell].state not in ("failed", "done")]
        for cell in cells[:LISTED]:
            say(f"{state}: {cell}{': ' if reasons[cell] else ''}{reasons[cell]}")
            log = board.directory(cell).path / LOG if board.seen[cell].job else None
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
