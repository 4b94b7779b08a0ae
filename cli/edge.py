"""The edge of the command line: exit codes, messages, and the options that every command shares.

Standard output is data. Standard error is narration, and this module alone writes it.
"""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.streams import ReaderGoneError
from mlv.compute.machine import interrupts
from mlv.schema import errors
from mlv.schema.store.waiting import WaitLimits


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    FAILURE = 1
    """A bug: please report it."""
    USAGE = 2
    """An argument, option, query or parameter does not exist or does not fit."""
    DATA = 3
    """A file cannot be used as it is."""
    NOT_FOUND = 4
    """A model, checkpoint, run, corpus or language is not there."""
    STORE = 5
    """The store is missing, damaged or of another version."""
    LOCKED = 6
    """Another process holds the store."""
    JOB = 7
    """A job failed; `mlv runs resume NAME` resumes it."""
    DOWNLOAD = 8
    """An origin cannot be reached, or sent another file than expected."""
    DIFFERENT = 9
    """Two results that were compared differ, or a store that was made again and the one before."""
    INCOMPLETE = 10
    """A store was made again, but for what is named."""
    INTERRUPTED = 130
    """Ctrl-C; finished work is kept."""


_CODES: tuple[tuple[type[errors.MlvError], ExitCode], ...] = (
    (errors.UsageError, ExitCode.USAGE),
    (errors.DataError, ExitCode.DATA),
    (errors.NotFoundError, ExitCode.NOT_FOUND),
    (errors.StoreLockedError, ExitCode.LOCKED),
    (errors.StoreError, ExitCode.STORE),
    (errors.JobError, ExitCode.JOB),
    (errors.DownloadError, ExitCode.DOWNLOAD),
)


def exit_code(error: errors.MlvError) -> ExitCode:
    """The exit status for an error of the domain."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILURE)


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""Characters that would move a terminal's cursor or change what it shows, but for line feed and tabulator."""


class _Narration:
    """What is said of this process's work, in any of its threads."""

    quiet = False


def be_quiet(quiet: bool) -> None:
    """From now on, say nothing but errors; or say all."""
    _Narration.quiet = quiet


def is_quiet() -> bool:
    """Whether nothing but errors is said."""
    return _Narration.quiet


def say(text: str = "") -> None:
    """Write a line to standard error, control characters escaped: names in it may come from anywhere.

    Where it cannot be written it is lost: no work fails for want of somebody who reads along.
    """
    if not is_quiet():
        _tell(text)


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text.translate(_ESCAPED), file=sys.stderr)  # noqa: T201


def megabytes(size: int) -> str:
    """A number of bytes, for messages."""
    return f"{size / 1e6:,.1f} MB"


def missing_package(module: str) -> errors.UsageError | None:
    """The error for a module of a package that mlv requires, or one of its extras does; None for any other module."""
    from importlib.metadata import requires

    package = module.partition(".")[0].replace("_", "-").lower()
    for requirement in requires("mlv") or ():
        versions, _, condition = requirement.partition(";")
        required = re.split("[^a-z0-9-]", versions.lower(), maxsplit=1)[0]
        if package in (required, required.removesuffix("-skinny")):
            extra = re.search(r"extra == .(\w+)", condition)
            named, folder = (f" with its extra {extra[1]}", f".[{extra[1]}]") if extra else ("", ".")
            return errors.UsageError(
                f"This needs the package {package}, which is not installed.",
                f"Install mlv{named} (`pip install '{folder}'` in its folder), or it alone: "
                f"`pip install '{versions.strip()}'`.",
            )
    return None


def explain(error: Exception) -> ExitCode:
    """Print what went wrong and what to do; return the exit status for it."""
    known = _known(error)
    if known is not error and os.environ.get("MLV_DEBUG"):
        traceback.print_exception(error)
    if known is not None:
        _tell(f"error: {known.message}")
        if known.hint:
            _tell(f"  try: {known.hint}")
        return exit_code(known)
    _tell(f"error: {type(error).__name__}: {error}")
    _tell("  This is a fault of mlv. Please report it, with what MLV_DEBUG=1 prints.")
    return ExitCode.FAILURE


def _known(error: Exception) -> errors.MlvError | None:
    """The error of the domain that an error is or stands for; None for a fault of mlv."""
    if isinstance(error, errors.MlvError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error.name or "")
    return errors.of_the_system(error) if isinstance(error, OSError) else None


def run(app: Callable[[], object]) -> int:
    """Run the application; turn what it raises into a message and an exit status."""
    try:
        _check_arguments()
        app()
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as ended:
        # typer catches Ctrl-C before this does, and ends with its status without a message
        if ended.code == ExitCode.INTERRUPTED or interrupts.received():
            return _interrupted()
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except ReaderGoneError:
        return ExitCode.OK
    except Exception as error:
        # what a library makes of Ctrl-C is no fault of anybody
        return _interrupted() if interrupts.received() else explain(error)
    return _interrupted() if interrupts.received() else ExitCode.OK


def _check_arguments() -> None:
    """Raise UsageError if an argument is not UTF-8, as the store is and all that is written."""
    for argument in sys.argv[1:]:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "backslashreplace").decode()
            raise errors.UsageError(
                f"The argument {shown} is not UTF-8.", "Write it in UTF-8; rename the file."
            ) from None


def _interrupted() -> ExitCode:
    say(interrupts.MESSAGE)
    return ExitCode.INTERRUPTED


def _named(store: Path) -> Path:
    """The store of the option. Raises UsageError if it is empty, or a folder as such."""
    if not store.name:
        raise errors.UsageError(f"--db {store} names no file.", "Name the store: --db mlv.duckdb")
    return store


Store = Annotated[
    Path,
    typer.Option(
        "--db",
        envvar="MLV_DB",
        callback=_named,
        help="The store: a DuckDB file. Job directories lie in jobs/ beside it.",
    ),
]

DEFAULT_STORE = Path("mlv.duckdb")


def wait_limits(seconds: float | None) -> WaitLimits:
    """How long commands wait for a store that another process holds: ``seconds``, or by what they want it for."""
    if seconds is None:
        return WaitLimits(reading=10, writing=60, jobs=float("inf"), on_wait=say)
    return WaitLimits(seconds, seconds, seconds, say)


def jobs_folder(store: Path) -> Path:
    """Where the job directories of a store are."""
    return store.parent / "jobs"


def split_list(text: str | None) -> list[str]:
    """The items of a comma-separated option; empty for none."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]
