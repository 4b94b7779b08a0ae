"""Stopping on a signal: it sets a flag, and the work ends at the next place where it can.

A scheduler that takes a machine back, or at the end of a job's time, sends a signal some time before it kills. Whatever
is finished is on disk by then; training saves its state first (:class:`mlv.compute.training.trainer.Recorder`).
"""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Final

from mlv.compute.machine.options import Progress

SIGNALS: Final = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that schedulers send."""


class StoppedError(KeyboardInterrupt):
    """The work was stopped by a signal. Like Ctrl-C it is not a fault, and must not be caught on its way."""


class _StopSignal:
    """The signal to stop that this process received, if any; signals are for the process, not for one object."""

    received: signal.Signals | None = None


@contextlib.contextmanager
def signal_handler(
    numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Install a handler for signals until the block ends."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Stop the work of the block on one of :data:`SIGNALS`; see :class:`Stoppable`."""

    def receive(number: int, _: object) -> None:
        _StopSignal.received = signal.Signals(number)

    try:
        with signal_handler(SIGNALS, receive):
            yield
    finally:
        _StopSignal.received = None


class Stoppable:
    """A progress that ends the work after a signal to stop."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    def start(self, total: int, unit: str, label: str) -> None:
        """A piece of work begins."""
        self._inner.start(total, unit, label)

    def advance(self, amount: int, **info: float | str) -> None:
        """More is done. Raises StoppedError after a signal to stop."""
        self._inner.advance(amount, **info)
        if _StopSignal.received is not None:
            raise StoppedError(f"stopped by {_StopSignal.received.name}")
