"""What a shell completes: names of queries, runs, models, subnetworks and languages.

It has to be there before one types on: queries are known by their files, and a store is opened for reading alone, and
given up after ``SECONDS``. Whatever goes wrong, there is nothing to complete, and nothing is said.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from mlv.cli.edge import DEFAULT_STORE, jobs_folder

SECONDS = 1.0
"""The longest that a store is asked."""

LONGEST_LOG = 10_000_000
"""Bytes of a write-ahead log from which a store is not opened, since it would be read first."""

Complete = Callable[[typer.Context, str], list[str]]


def queries(incomplete: str) -> list[str]:
    """Names of queries, and with ``@`` those of their versions."""
    files = Path(__file__).parents[1].joinpath("queries").glob("*/*/v*.sql")
    if "@" in incomplete:
        return _beginning((f"{file.parent.name}@{file.stem[1:]}" for file in files), incomplete)
    return _beginning((file.parent.name for file in files), incomplete)


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of runs, and of jobs that are not committed."""
    jobs = (path.parent.name for path in jobs_folder(_store(ctx)).glob("*/job.json"))
    return _beginning([*jobs, *_asked(ctx, "SELECT name FROM run")], incomplete)


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of pretrained models, and of runs that made others."""
    made = "SELECT name FROM base_model UNION SELECT name FROM run JOIN checkpoint USING (run_id)"
    return _beginning(_asked(ctx, made), incomplete)


def sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Codes of sources."""
    return _beginning(_asked(ctx, "SELECT code FROM source"), incomplete)


def languages(ctx: typer.Context, incomplete: str) -> list[str]:
    """Codes of languages that the store has a text or a probe in, the last of several."""
    before, comma, last = incomplete.rpartition(",")
    known = _asked(ctx, "SELECT language FROM v_segment UNION SELECT language FROM v_probe")
    return [f"{before}{comma}{code}" for code in _beginning(known, last)]


def subnetworks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of subnetworks."""
    return _beginning(_asked(ctx, "SELECT name FROM subnetwork"), incomplete)


OPTIONS: dict[str, Complete] = {
    "model": models,
    "source": sources,
    "language": languages,
    "test-language": languages,
    "run": runs,
}
"""By the name of the option or argument."""


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _store(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("db") or os.environ.get("MLV_DB") or DEFAULT_STORE)


def _asked(ctx: typer.Context, sql: str) -> list[str]:
    """The texts that a store answers with; none if it is not there, or not in time."""
    store = _store(ctx)
    log = store.with_name(f"{store.name}.wal")
    with contextlib.suppress(Exception):
        if log.exists() and log.stat().st_size > LONGEST_LOG:
            return []
        import duckdb

        # not by open_store, which would wait for a store that another process holds, and repair it
        with duckdb.connect(str(store), read_only=True) as connection:
            timer = threading.Timer(SECONDS, connection.interrupt)
            timer.start()
            try:
                return [str(name) for (name,) in connection.execute(sql).fetchall()]
            finally:
                timer.cancel()
                timer.join()
    return []
