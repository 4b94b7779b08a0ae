"""Which views a query reads, and the hash of each: what a query's result rests on beside its own text.

A changed view changes the hash of its name alone, a new one none: queries that do not read it stay as they are.
"""

import hashlib
import re
from collections.abc import Iterable

from mlv.schema.views.declared import VIEWS

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_SQL = {view.name: view.sql for view in VIEWS}


def view_hash(name: str) -> str:
    """SHA-256 of a view's SQL, whatever its line breaks. Raises KeyError if there is no such view."""
    return hashlib.sha256(" ".join(_SQL[name].split()).encode()).hexdigest()


def views_read(sql: str) -> list[str]:
    """Names of the views that SQL reads, and of those that these read, in order of dependence.

    Of a query that uses macros, ``sql`` has the texts of these, too.
    """
    read: set[str] = set()
    unread = _named(sql)
    while unread:
        read |= unread
        unread = {name for view in unread for name in _named(_SQL[view])} - read
    return [name for name in _SQL if name in read]


def _named(sql: str) -> set[str]:
    """The views that SQL names outside of comments."""
    return _SQL.keys() & set(_words(_COMMENT.sub(" ", sql)))


def _words(sql: str) -> Iterable[str]:
    return re.findall(r"\w+", sql)
