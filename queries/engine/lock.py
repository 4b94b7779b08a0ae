"""The lock: hashes of every released query, and of the macros and views that its numbers rest on.

``python -m mlv.queries.engine.lock`` adds what is new and refuses what has changed: a better analysis is a new version
beside the old one, so that a table that was published can be made again. A query holds what it reads itself and what
its macros read, so that a macro or a view that is new or that others read is no change of it.
"""

import json
import re
import sys
from pathlib import Path

from mlv.queries.engine.catalogue import Query, all_versions, text_sha256
from mlv.queries.engine.macros import macro_bodies
from mlv.schema.errors import DataError
from mlv.schema.views.hashes import view_hash, views_read

LOCK = Path(__file__).parents[1] / "queries.lock.json"

Entry = dict[str, str]
"""SHA-256 by name: ``query`` is the query itself, ``macro:NAME`` and ``view:NAME`` what it rests on."""


def locked() -> dict[str, Entry]:
    """What is released, by name and version of the query."""
    entries: dict[str, Entry] = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    return entries


def present() -> dict[str, Entry]:
    """What the files hold, as :func:`locked` has it."""
    return {query.reference: _entry(query) for query in all_versions()}


def _entry(query: Query) -> Entry:
    bodies = macro_bodies()
    macros = macros_used(query.text)
    texts = [query.text, *(bodies[name] for name in macros)]
    views = sorted(views_read("\n".join(texts)))
    return {
        "query": query.sha256,
        **{f"macro:{name}": text_sha256(bodies[name]) for name in sorted(macros)},
        **{f"view:{name}": view_hash(name) for name in views},
    }


def macros_used(sql: str) -> set[str]:
    """The macros that a text calls, and those that these call."""
    bodies = macro_bodies()
    used: set[str] = set()
    left = _called(sql)
    while left:
        used |= left
        left = {inner for name in left for inner in _called(bodies[name])} - used
    return used


def _called(sql: str) -> set[str]:
    return set(re.findall(r"\b(\w+)\(", sql)) & macro_bodies().keys()


def problems(released: dict[str, Entry], found: dict[str, Entry]) -> list[str]:
    """What was released and is now different or gone."""
    wrong = []
    for reference, entry in released.items():
        if reference not in found:
            wrong.append(f"{reference} is gone")
            continue
        now = found[reference]
        if changed := [name for name in {**entry, **now} if entry.get(name) != now.get(name)]:
            wrong.append(f"{reference} has changed ({', '.join(changed)})")
    return wrong


def update() -> list[str]:
    """Add what is new to the lock; return the names. Raises DataError if something released has changed."""
    released, found = locked(), present()
    wrong = problems(released, found)
    if wrong:
        raise DataError(
            f"Released queries never change: {'; '.join(wrong)}.",
            "Restore it, and put what is better into a new version (queries/<study>/<name>/v<N+1>.sql), a new macro or "
            "a new view.",
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
