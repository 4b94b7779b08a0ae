"""Progress of a job on standard error: bars with rate and time left on a terminal, a line now and then elsewhere."""

import math
import sys
import time
from typing import TYPE_CHECKING

from mlv.cli.edge import is_quiet, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 30.0
"""Seconds between two lines if standard error is not a terminal."""


class Bar:
    """Draws progress with rich; for a terminal."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def start(self, total: int, unit: str, label: str) -> None:
        """Begin a bar of ``total`` units below the one before it."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.close()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[info]}"),
            console=Console(stderr=True),
        )
        self._bars.start()
        self._task = self._bars.add_task(label, total=total, unit=unit, info="", rate="")

    def advance(self, amount: int, **info: float | str) -> None:
        """``amount`` more units are done."""
        if self._bars is None or self._task is None:
            return
        speed = self._bars.tasks[0].speed
        rate = f"{speed:,.1f}/s" if speed else ""
        self._bars.update(self._task, advance=amount, rate=rate)
        if info:
            self._bars.update(self._task, info=_format(info))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class Lines:
    """Prints now and then how far a job is; for log files."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._unit = self._label = ""
        self._began = self._printed = 0.0

    def start(self, total: int, unit: str, label: str) -> None:
        """Print what begins."""
        self._total, self._done, self._unit, self._label = total, 0, unit, label
        self._began = self._printed = time.monotonic()
        say(f"{label}: {total:,} {unit}")

    def advance(self, amount: int, **info: float | str) -> None:
        """``amount`` more units are done."""
        self._done += amount
        now = time.monotonic()
        if now - self._printed < LINE_SECONDS and self._done < self._total:
            return
        self._printed = now
        rate = self._done / max(now - self._began, 1e-9)
        left = (self._total - self._done) / rate if rate else 0.0
        done = f"{self._done:,}/{self._total:,} {self._unit}"
        say(f"{self._label}: {done}, {rate:,.1f}/s, {left:,.0f} s left {_format(info)}")

    def close(self) -> None:
        """Nothing is open."""


def _format(info: dict[str, float | str]) -> str:
    """Names and values, without numbers that are not known yet."""
    known = {name: value for name, value in info.items() if not (isinstance(value, float) and math.isnan(value))}
    return " ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in known.items()
    )


def progress() -> Bar | Lines:
    """Bars if standard error is a terminal, else lines, which are not said where nothing is."""
    return Bar() if sys.stderr.isatty() and not is_quiet() else Lines()
