"""Alembic on a store: its configuration, and a connection in one transaction. Alembic is imported where it is used."""

import contextlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlv.schema.store.ledger import LEDGER
from mlv.schema.store.opening import DISK_ERRORS, connect, write_error

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.config import Config

VERSIONS = [Path(str(files("mlv.migrations") / "versions"))]
"""Folders of the schema's revisions."""


def config(connection: "sa.Connection | None" = None) -> "Config":
    """Alembic's configuration; ``connection`` is what a command runs on."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", _written(files("mlv.migrations")))
    found.set_main_option("path_separator", "newline")
    found.set_main_option("version_locations", "\n".join(map(_written, VERSIONS)))
    found.attributes["connection"] = connection
    return found


def _written(path: object) -> str:
    """A path as Alembic's configuration wants it."""
    return str(path).replace("%", "%%")


@contextlib.contextmanager
def engine_connection(path: Path, *, read_only: bool) -> Iterator["sa.Connection"]:
    """A connection in one transaction. Raises StoreLockedError or StoreError as ``mlv.schema.store.opening`` does."""
    import sqlalchemy as sa
    from duckdb_sqlalchemy import ConnectionWrapper

    engine = sa.create_engine(
        "duckdb://", creator=lambda: ConnectionWrapper(connect(path, read_only=read_only)), poolclass=sa.NullPool
    )
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, DISK_ERRORS):
            raise write_error(path, error.orig) from error
        raise
    except DISK_ERRORS as error:
        raise write_error(path, error) from error
    finally:
        engine.dispose()


def is_ours(_item: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Whether Alembic compares an object: all but its own ledger."""
    return not (kind == "table" and name == LEDGER)
