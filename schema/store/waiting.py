"""Waiting for a store that another process has locked: how long, and what is reported meanwhile.

A store is locked for the seconds of a commit, or for hours by a tool that shows it. What only reads gives up soon, what
writes waits longer, and the results of hours of compute wait as long as it takes. Python code that opens a store does
not wait unless it says so; the command line does.
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

FIRST_NOTICE_SECONDS: Final = 1.0
"""Seconds of waiting until it is reported: most commits are over before."""

NOTICE_INTERVAL_SECONDS: Final = 60.0
"""Seconds until it is reported again."""


@dataclass(frozen=True)
class WaitLimits:
    """Seconds to wait for a store at most, by what it is opened for."""

    reading: float = 0.0
    writing: float = 0.0
    jobs: float = 0.0
    """For either, while a job is planned, run and committed."""

    on_wait: Callable[[str], None] = lambda _: None
    """Called with a sentence on what is waited for."""


_limits: ContextVar[WaitLimits] = ContextVar("_limits", default=WaitLimits())  # noqa: B039


@contextlib.contextmanager
def waiting(limits: WaitLimits) -> Iterator[None]:
    """Open stores in the block within these limits."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)


@contextlib.contextmanager
def waiting_for_jobs() -> Iterator[None]:
    """Open stores in the block within the limit for jobs."""
    limits = _limits.get()
    with waiting(replace(limits, reading=limits.jobs, writing=limits.jobs)):
        yield


def retry_while_locked(attempt: Callable[[], T], *, read_only: bool) -> T:
    """Repeat an attempt until no other process locks the store. Raises StoreLockedError after the limit."""
    limits = _limits.get()
    start = time.monotonic()
    end = start + (limits.reading if read_only else limits.writing)
    notice, pause = start + FIRST_NOTICE_SECONDS, 0.02
    while True:
        try:
            return attempt()
        except StoreLockedError as error:
            now = time.monotonic()
            if now >= end:
                raise
            if now >= notice:
                bound = "" if end == float("inf") else f" up to {end - now:,.0f} s"
                limits.on_wait(f"waiting{bound}: {error.message}")
                notice = now + NOTICE_INTERVAL_SECONDS
        # at random, so that of several that wait none is always too late
        time.sleep(min(random.uniform(0.5, 1) * pause, end - now))
        pause = min(2 * pause, 0.5)
