"""Ctrl-C: it ends a command within a second, with exit code 130, whatever the command does and has imported.

Python raises KeyboardInterrupt wherever the main thread happens to be, and libraries lose it: while they are imported,
in callbacks, wherever they catch every exception. What was to end then goes on, or fails for a reason that is none. So:

- while something is imported the process ends at once;
- otherwise KeyboardInterrupt is raised, so that what was begun is cleared away;
- a thread ends the process where it is still there a moment later: where the exception was lost, or the main thread is
  in a long call of a library.

A process may end at any moment: stores, job directories and other files are whole or absent after a kill. A command
that has others to end first asks for the time (:func:`unwinding`).
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn

GRACE: Final = 0.7
"""Seconds in which what was begun is cleared away."""

CODE: Final = 130
"""Exit code of a process that Ctrl-C ended."""

MESSAGE: Final = "interrupted; finished work is kept"

_SHOW_CURSOR: Final = "\x1b[?25h"
"""What a progress bar has hidden."""


class _Interrupt:
    """What this process knows of Ctrl-C; signals are for the process, not for one object."""

    received: bool = False
    grace: float = GRACE


def install() -> None:
    """Have Ctrl-C end this process as said above, unless whoever started it has it ignored (``nohup``, ``&``)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # written to by the C code that receives the signal: also while the main thread runs no Python
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), name="ctrl-c", daemon=True).start()
    signal.signal(signal.SIGINT, _receive)


def received() -> bool:
    """Whether Ctrl-C was pressed: an error that comes after it is its consequence."""
    return _Interrupt.received


def raise_if_received() -> None:
    """Raise KeyboardInterrupt after Ctrl-C: for where any error would be taken for that of one job among several."""
    if _Interrupt.received:
        raise KeyboardInterrupt


@contextlib.contextmanager
def unwinding(seconds: float) -> Iterator[None]:
    """Give the block so much time to end after Ctrl-C, and let it hear of it wherever it is."""
    _Interrupt.grace = seconds
    try:
        yield
    finally:
        _Interrupt.grace = GRACE


def finish() -> None:
    """The command is over. Ends the process after Ctrl-C, else leaves Ctrl-C to the system while Python shuts down."""
    if _Interrupt.received:
        end(said=True)
    if signal.getsignal(signal.SIGINT) is _receive:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(*, said: bool = False) -> NoReturn:
    """End the process here and now; ``said``: the message is printed already."""
    with contextlib.suppress(OSError):
        text = (_SHOW_CURSOR if os.isatty(2) else "") + ("" if said else f"{MESSAGE}\n")
        os.write(2, text.encode())
    os._exit(CODE)


def _receive(_: int, frame: FrameType | None) -> None:
    again = _Interrupt.received
    _Interrupt.received = True
    if _Interrupt.grace == GRACE and (again or _is_importing(frame)):
        end()
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    """Whether the code that was interrupted is run by an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _watch(reading: int) -> None:
    """End the process if it does not end by itself."""
    while signal.SIGINT not in os.read(reading, 100):
        pass
    pressed = time.monotonic()
    while time.monotonic() < pressed + _Interrupt.grace:
        time.sleep(0.05)
    end()
