"""Waiting for a store that another process holds: how long, and how it is said.

A store is held for the seconds of a commit, or for hours by a tool that shows it. What only reads gives up soon, what
writes waits longer, and the results of hours of compute wait as long as it takes. Python code that opens a store does
not wait unless it asks for it; the command line does.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from mlv.schema.errors import StoreLockedError

T = TypeVar("T")

FIRST_WORD: Final = 1.0
"""Seconds until it is said that something waits: most commits are over before."""

NEXT_WORD: Final = 60.0
"""Seconds until it is said again."""


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for a store, by what it is opened for."""

    reading: float = 0.0
    writing: float = 0.0
    working: float = 0.0
    """For either, while a job is planned, run and committed."""

    tell: Callable[[str], None] = lambda _: None
    """Is told what is waited for."""


_patience: ContextVar[Patience] = ContextVar("_patience", default=Patience())  # noqa: B039


@contextlib.contextmanager
def waiting(patience: Patience) -> Iterator[None]:
    """Open stores with this patience in the block."""
    token = _patience.set(patience)
    try:
        yield
    finally:
        _patience.reset(token)


@contextlib.contextmanager
def at_work() -> Iterator[None]:
    """Open stores in the block as what plans, runs and commits a job does."""
    patience = _patience.get()
    with waiting(replace(patience, reading=patience.working, writing=patience.working)):
        yield


def patiently(attempt: Callable[[], T], *, read_only: bool) -> T:
    """Repeat an attempt until no other process holds the store. Raises StoreLockedError when patience is at its end."""
    patience = _patience.get()
    start = time.monotonic()
    end = start + (patience.reading if read_only else patience.writing)
    word, pause = start + FIRST_WORD, 0.02
    while True:
        try:
            return attempt()
        except StoreLockedError as error:
            now = time.monotonic()
            if now >= end:
                raise
            if now >= word:
                patience.tell(f"waiting{_bound(end - now)}: {error.message}")
                word = now + NEXT_WORD
        # at random, so that of several that wait none is always too late
        time.sleep(min(random.uniform(0.5, 1) * pause, end - now))
        pause = min(2 * pause, 0.5)


def _bound(seconds: float) -> str:
    return "" if seconds == float("inf") else f" up to {seconds:,.0f} s"
