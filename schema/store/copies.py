"""What a file says of itself: which store it is, and if it is a copy, when it was taken and what it held then.

It says so in a comment that is not part of the schema. When a store is locked or damaged, a message can then name the
file beside it to read or to restore; and a copy can be told from what must not be replaced by one.
"""

import contextlib
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from mlv.schema.errors import StoreError
from mlv.schema.store.ledger import LEDGER, revision
from mlv.schema.store.sql import literal


class Copy(NamedTuple):
    """A copy of a store."""

    path: Path
    taken: datetime
    """UTC."""

    revision: str
    """Of its schema."""

    def __str__(self) -> str:
        age = datetime.now(UTC).replace(tzinfo=None) - self.taken
        hours, minutes = age.total_seconds() // 3600, age.total_seconds() // 60
        shown = f"{hours:,.0f} hours" if hours >= 2 else f"{minutes:,.0f} minutes"
        return f"{shlex.quote(str(self.path))} ({shown} old)"


class Label(NamedTuple):
    """What a file says of itself."""

    store: str = ""
    """Of which store it is: an identifier that all copies share; empty if it does not say."""

    copy_of: str = ""
    """Name of the store's file that it was copied from; empty if it is no copy."""

    taken: datetime = datetime.min  # noqa: DTZ901  UTC throughout
    content: str = ""
    """Digest of all rows that the copy had when it was taken."""

    def __str__(self) -> str:
        copied = f"copy of {self.copy_of} at {self.taken.isoformat()}, content {self.content}, " if self.copy_of else ""
        return f"{copied}store {self.store}"


_LABEL: Final = re.compile(r"(?:copy of (.+) at (\S+), content (\w+), )?store (\w*)")


def read_label(connection: duckdb.DuckDBPyConnection) -> Label:
    """What the open file says of itself; an empty label if it says nothing."""
    row = connection.execute(
        f"SELECT comment FROM duckdb_tables() WHERE table_name = {literal(LEDGER)} "
        "AND database_name = current_database()"
    ).fetchone()
    return parse_label(row[0] if row else None)


def parse_label(comment: str | None) -> Label:
    """The label that a comment is; an empty one if it is none."""
    found = _LABEL.fullmatch(comment or "")
    if found is None:
        return Label()
    copy_of, taken, content, store = found.groups()
    return Label(store, copy_of, datetime.fromisoformat(taken), content) if copy_of else Label(store)


def label_statement(label: Label) -> str:
    """The statement that has a file say of itself what the label says."""
    return f"COMMENT ON TABLE {LEDGER} IS {literal(str(label))}"


def newest_copy(store: Path, revision: str | None = None) -> Copy | None:
    """The newest copy beside a store; with ``revision`` of those that have it."""
    found = [copy for copy in _copies(store) if revision in (None, copy.revision)]
    return max(found, key=lambda copy: copy.taken, default=None)


def _copies(store: Path) -> Iterator[Copy]:
    for path in store.parent.glob("*.duckdb"):
        # whatever is wrong with a file, it is not to be recommended
        with contextlib.suppress(duckdb.Error, OSError, ValueError, StoreError):
            if not path.samefile(store):
                with duckdb.connect(str(path), read_only=True) as connection:
                    yield _as_copy(connection, path, store)


def _as_copy(connection: duckdb.DuckDBPyConnection, path: Path, store: Path) -> Copy:
    """The copy that a file is by its label. Raises ValueError if it is not a copy of ``store``."""
    label = read_label(connection)
    if label.copy_of != store.name:
        raise ValueError(label.copy_of)
    return Copy(path, label.taken, revision(connection) or "")
