"""Copies of a store: backups, snapshots, and the store itself written anew without its free space.

A copy is made aside, read from its first row to its last and compared with the store, brought to the disk, and only
then put in its place: it is whole or absent, whatever ends the process or fills the disk. A copy needs a shared lock
alone: it can be taken beside readers.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from mlv.schema.errors import StoreError, StoreLockedError, UsageError
from mlv.schema.files import now, real_path, written_aside
from mlv.schema.store.causes import reason, restore_hint
from mlv.schema.store.copies import Label, label_statement, read_label
from mlv.schema.store.ledger import revision
from mlv.schema.store.opening import (
    DISK_ERRORS,
    check_name,
    connect,
    may_be_damage,
    open_store,
    transaction,
)
from mlv.schema.store.sql import literal
from mlv.schema.store.wal import wal_path

Contents = dict[str, tuple[int, int]]
"""Rows of each table, and the sum of their hashes."""


def backup(path: Path, target: Path | None = None) -> Path:
    """Copy the store, by default beside it under its revision and the time; the copy is read and compared to verify it.

    Readers of the store do not matter, and what a killed writer left in its log is in the copy. Raises UsageError where
    the target is not free, StoreError where the store is damaged, the disk is full or the copy is not whole,
    StoreLockedError where another process writes the store.
    """
    with contextlib.closing(connect(path)) as connection:
        taken = now()
        name = f"{path.stem}.{revision(connection) or 'none'}.{taken:%Y%m%dT%H%M%S%f}.backup.duckdb"
        goal = target or path.with_name(name)
        _check_target(path, goal)
        if goal.exists():
            raise UsageError(f"{goal} exists already.", "Name another file, or delete it first.")
        _copy(_Source(path, read_label(connection), read_all(connection, path), taken), goal)
    return goal


def snapshot(path: Path, target: Path, *, replace: bool = False) -> Path | None:
    """Copy the store as :func:`backup` does, in the place of an older copy of it that has not been changed since.

    With ``replace`` in that of any other database, which is kept beside the copy: returns where. Raises UsageError
    where the target is none of these, and as :func:`backup` does.
    """
    with contextlib.closing(connect(path)) as connection:
        _check_target(path, target)
        source = _Source(path, read_label(connection), read_all(connection, path), now())
        different = _difference(source, target) if target.exists() else ""
        if different and not replace:
            raise UsageError(
                f"{target} {different}: it is not replaced.",
                "Name another file for the copy, or add --replace: what is there is then kept beside it.",
            )
        return _copy(source, target, keep=bool(different))


class _Source(NamedTuple):
    """A store that is copied."""

    path: Path
    label: Label
    found: Contents
    taken: datetime
    """When it is copied, UTC."""

    @property
    def as_of(self) -> datetime:
        """When the store was as it is: for a copy that was not changed, when that was taken."""
        return self.label.taken if self.label.content == digest(self.found) else self.taken


def digest(found: Contents) -> str:
    """What the rows of a store are known by."""
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]


def _difference(source: _Source, goal: Path) -> str:
    """What the database at ``goal`` is, if it is not an older copy of the same store; empty if it is one.

    Raises StoreLockedError where another process writes it.
    """
    try:
        with contextlib.closing(connect(goal)) as connection:
            label, content = read_label(connection), digest(read_all(connection, goal))
    except StoreLockedError:
        raise
    except StoreError as error:
        return f"cannot be read, and may be anything ({error.message.rstrip('.')})"
    if not label.copy_of:
        return "is no copy of a store"
    if not label.store or label.store != source.label.store:
        return f"is a copy of another store, {label.copy_of}"
    if label.content != content:
        return "was changed after it was copied"
    return "is a newer copy of this store" if label.taken > source.as_of else ""


def _copy(source: _Source, goal: Path, *, keep: bool = False) -> Path | None:
    """Copy a store that is held open to ``goal``, and verify the copy; where what was there is kept, if it is."""
    path, kept = source.path, None
    with _told_of_disk(path, goal), _placed(goal) as aside:
        _copy_files(path, aside)
        with duckdb.connect(str(aside)) as copy:
            if revision(copy) is not None:
                label = Label(source.label.store, path.name, source.taken, digest(source.found))
                copy.execute(label_statement(label))
            copy.execute("CHECKPOINT")
        _verify(aside, goal, source.found)
        if keep:
            kept = kept_beside(goal, "before-snapshot")
        # the log of the copy that is being replaced: DuckDB would replay it into the new one
        wal_path(goal).unlink(missing_ok=True)
    return kept


def kept_beside(path: Path, why: str) -> Path:
    """Give a database, and its log, another name beside it, with the time and why it is kept; return that."""
    place = real_path(path)
    kept = place.with_name(f"{place.stem}.{now():%Y%m%dT%H%M%S%f}.{why}.duckdb")
    with contextlib.suppress(FileNotFoundError):
        shutil.move(wal_path(path), wal_path(kept))
    place.rename(kept)
    return kept


def make_same_store(new: Path, old: Path) -> None:
    """Have a store say that it is the old one, made again, if that can be read: copies of either are of one store."""
    with (
        contextlib.suppress(StoreError, duckdb.Error),
        contextlib.closing(connect(old)) as before,
        contextlib.closing(connect(new, read_only=False)) as after,
    ):
        identifier = read_label(before).store
        if identifier:
            after.execute(label_statement(Label(identifier)))


@contextlib.contextmanager
def _told_of_disk(path: Path, goal: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, *DISK_ERRORS) as error:
        raise StoreError(
            f"{path} ({path.stat().st_size:,} bytes) cannot be copied to {goal}: {reason(error)}",
            "Free some space or name another folder.",
        ) from error


@contextlib.contextmanager
def _placed(goal: Path) -> Iterator[Path]:
    """Give a path aside for a database, and put it in place when the block ends without an error."""
    goal = real_path(goal)
    _sweep(goal)
    with written_aside(goal) as aside:
        try:
            yield aside
        finally:
            wal_path(aside).unlink(missing_ok=True)
        for path in (aside, aside.parent):
            _to_disk(path)
    _to_disk(goal.parent)


def _to_disk(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(goal: Path) -> None:
    """Remove what processes that were killed while they copied left beside ``goal``."""
    for path in goal.parent.glob(".*.duckdb.*.part*"):
        made = re.search(r"\.(\d+)\.part(\.wal)?$", path.name)
        if made and not _alive(int(made[1])):
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def read_all(connection: duckdb.DuckDBPyConnection, path: Path) -> Contents:
    """Read every row of every table. Raises StoreError where the file at ``path`` is damaged."""
    names = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE NOT internal AND NOT temporary AND database_name = current_database()"
    ).fetchall()
    try:
        return {table: _contents(connection, f'"{schema}"."{table}"') for schema, table in names}
    except duckdb.Error as error:
        if not may_be_damage(error):
            raise
        raise StoreError(f"{path} is damaged: {reason(error)}", restore_hint(path)) from error


def _contents(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    row = connection.execute(f"SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0) FROM {table} t").fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _verify(aside: Path, goal: Path, expected: Contents) -> None:
    """Raise StoreError where the copy cannot be read or has other rows than the store."""
    try:
        with contextlib.closing(connect(aside)) as connection:
            copied = read_all(connection, aside)
    except (StoreError, duckdb.Error) as error:
        raise StoreError(f"The copy at {goal} cannot be read: {error}", "Check the disk, then copy again.") from error
    wrong = sorted(name for name in expected | copied if expected.get(name) != copied.get(name))
    if wrong:
        raise StoreError(
            f"The copy at {goal} differs from the store in its rows of {', '.join(wrong)}; it was not kept.",
            "Check the disk, then copy again.",
        )


def _check_target(path: Path, goal: Path) -> None:
    """Raise UsageError where a copy at ``goal`` would destroy the store, a file that is no database, or itself."""
    check_name(goal)
    taken = goal.exists()
    if goal.resolve() in (path.resolve(), wal_path(path.resolve())) or (taken and goal.samefile(path)):
        raise UsageError(f"{goal} is the store itself.", "Name another file for the copy.")
    if taken and not _is_database(goal):
        raise UsageError(f"{goal} is no DuckDB file: it is not replaced.", "Name another file for the copy.")
    if not taken and wal_path(goal).exists():
        raise UsageError(
            f"{wal_path(goal)} is another database's log, which DuckDB would replay into the copy.",
            "Delete it, or name another file for the copy.",
        )


def _is_database(path: Path) -> bool:
    """Whether the file has DuckDB's magic bytes, which follow a checksum of 8 bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def _copy_files(path: Path, aside: Path) -> None:
    # The log first: closing any handle of the file gives up this process's lock on it (as POSIX locks are), and with
    # the lock gone, a writer could change both.
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(wal_path(path), wal_path(aside))
    shutil.copyfile(path, aside)


class Space(NamedTuple):
    """Bytes of a store's file."""

    size: int
    free: int
    """In blocks that hold nothing; later commits use them, the file does not get smaller."""


def space(connection: duckdb.DuckDBPyConnection, path: Path) -> Space:
    """How much of a store's file is free, as of its last checkpoint."""
    row = connection.execute("SELECT block_size * free_blocks FROM pragma_database_size()").fetchone()
    return Space(path.stat().st_size, int(row[0]) if row else 0)


def compact(path: Path) -> Space:
    """Write the store anew without what is free in it; return what its file was before.

    The new file takes the place of the old one when it is whole and verified. Raises StoreError where the store has
    tables that mlv did not make, or is at another revision; it then stays as it is.
    """
    from mlv.migrations.upgrading import upgrade
    from mlv.schema.tables.metadata import metadata

    with open_store(path, read_only=False) as connection:
        connection.execute("CHECKPOINT")
        before = space(connection, path)
    # Held for reading from here, until the new file is in place: writers wait, and closing what was only read leaves
    # alone what the next of them has in its log.
    with contextlib.closing(connect(path)) as connection, duckdb.connect() as both:
        if wal_path(path).exists():
            return compact(path)
        found = read_all(connection, path)
        with _told_of_disk(path, path), _placed(path) as aside:
            upgrade(aside)
            _attach(both, path, "old (READ_ONLY)")
            _attach(both, aside, "new")
            _fill(both, [table.name for table in metadata.sorted_tables])
            with duckdb.connect(str(aside)) as new:
                new.execute(label_statement(read_label(connection)))
            _verify(aside, path, found)
    return before


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    connection.execute(f"ATTACH {literal(str(path))} AS {name}")


def _fill(connection: duckdb.DuckDBPyConnection, tables: list[str]) -> None:
    """Copy the rows of tables from ``old`` to ``new``, in this order, and let go of ``new``, whatever happens."""
    try:
        with transaction(connection):
            for table in tables:
                connection.execute(f'INSERT INTO new."{table}" SELECT * FROM old."{table}"')
        connection.execute("CHECKPOINT new")
    except BaseException:
        # it cannot be written to the end; the first error is the one to hear of
        with contextlib.suppress(duckdb.Error):
            connection.execute("DETACH new")
        raise
    connection.execute("DETACH new")
