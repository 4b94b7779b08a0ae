"""Being told to stop: a signal sets a flag, and the work ends at the next place where it can.

A scheduler that wants a machine back, or whose time for a job runs out, sends a signal some time before it kills. What
is finished is on disk by then; training saves its state first (:class:`mlv.compute.training.trainer.Recorder`).
"""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Final

from mlv.compute.machine.options import Progress

SIGNALS: Final = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""What schedulers send."""


class StoppedError(KeyboardInterrupt):
    """The work was told to stop and has. Like Ctrl-C it is no fault, and nothing on its way may swallow it."""


class _Told:
    """Whether this process was told to stop; signals are the process's."""

    by: signal.Signals | None = None


@contextlib.contextmanager
def handling(numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have a handler for signals until the block ends."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Take :data:`SIGNALS` as a wish that the work should stop."""

    def told(number: int, _: object) -> None:
        _Told.by = signal.Signals(number)

    try:
        with handling(SIGNALS, told):
            yield
    finally:
        _Told.by = None


class Stoppable:
    """A progress that ends the work when the process was told to stop."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    def start(self, total: int, unit: str, label: str) -> None:
        """A piece of work begins."""
        self._inner.start(total, unit, label)

    def advance(self, amount: int, **info: float | str) -> None:
        """More is done. Raises StoppedError where the process was told to stop."""
        self._inner.advance(amount, **info)
        if _Told.by is not None:
            raise StoppedError(f"told to stop ({_Told.by.name})")
