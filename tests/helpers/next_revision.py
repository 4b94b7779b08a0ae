"""A revision of the schema after the newest, for tests of upgrades: what mlv has now is then an older store.

It makes a table ``note`` with a row for every training example, and raises an error for a store that has an event
``unwanted``.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mlv.migrations import engine
from mlv.schema.store import opening

BEFORE = opening.SCHEMA_REVISION
REVISION = "9998"
FOLDER = Path(__file__).parent / "next_revision_versions"


def make_known() -> None:
    """Have this process's mlv know the revision and take it for the newest."""
    engine.VERSIONS.append(FOLDER)
    opening.SCHEMA_REVISION = REVISION


@contextlib.contextmanager
def known() -> Iterator[None]:
    """Have it known until the block ends."""
    make_known()
    try:
        yield
    finally:
        engine.VERSIONS.remove(FOLDER)
        opening.SCHEMA_REVISION = BEFORE
