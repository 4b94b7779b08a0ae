"""Which views a text of SQL reads, and their hashes."""

import functools
import hashlib
import re

from mlv.schema.views.declared import VIEWS


@functools.cache
def view_hash(name: str) -> str:
    """SHA-256 of what a view selects, and of the views that it reads."""
    sql = next(view.sql for view in VIEWS if view.name == name)
    inner = "".join(view_hash(view) for view in sorted(views_read(sql)))
    return hashlib.sha256(f"{sql}{inner}".encode()).hexdigest()


def views_read(sql: str) -> set[str]:
    """Names of the views that a text names."""
    return set(re.findall(r"\bv_\w+\b", sql)) & {view.name for view in VIEWS}
