"""The lock: hashes of every released query and of every macro, which released queries rely on.

``python -m mlv.queries.lock`` adds what is new and refuses what has changed: a better analysis is a new version beside
the old one, so that a table that was published can be made again.
"""

import json
import re
import sys
from pathlib import Path

import duckdb

from mlv.queries.catalogue import all_versions, text_sha256
from mlv.queries.execution import macros_sql
from mlv.schema.errors import DataError

LOCK = Path(__file__).parent / "queries.lock.json"


def locked() -> dict[str, str]:
    """What is released: name and version of a query, or ``macro:`` and a name, with its SHA-256."""
    entries: dict[str, str] = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    return entries


def present() -> dict[str, str]:
    """What the files hold, as :func:`locked` has it."""
    queries = {query.reference: query.sha256 for query in all_versions()}
    macros = {f"macro:{name}": text_sha256(body) for name, body in macro_bodies().items()}
    return dict(sorted({**queries, **macros}.items()))


def macro_bodies() -> dict[str, str]:
    """Name and definition of every macro, without the comments before it."""
    bodies = {}
    with duckdb.connect() as connection:
        for statement in connection.extract_statements(macros_sql()):
            definition = re.search(r"^CREATE .*", statement.query, re.DOTALL | re.MULTILINE)
            name = re.search(r"MACRO (\w+)", statement.query)
            if definition and name:
                bodies[name[1]] = definition[0].strip()
    return bodies


def problems(released: dict[str, str], found: dict[str, str]) -> list[str]:
    """What was released and is now different or gone."""
    changed = [f"{name} has changed" for name in released if name in found and found[name] != released[name]]
    return changed + [f"{name} is gone" for name in released if name not in found]


def update() -> list[str]:
    """Add what is new to the lock; return the names. Raises DataError where something released has changed."""
    released, found = locked(), present()
    wrong = problems(released, found)
    if wrong:
        raise DataError(
            f"Released queries never change: {'; '.join(wrong)}.",
            "Restore it, and put what is better into a new version (queries/<name>/v<N+1>.sql) or a new macro.",
        )
    LOCK.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return [name for name in found if name not in released]


def main() -> int:
    """Update the lock and say what was added."""
    try:
        added = update()
    except DataError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 1
    sys.stderr.write(f"Added: {', '.join(added) or 'nothing'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
