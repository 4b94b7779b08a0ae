"""The catalogue's analyses in SQLite: each query gives the figures of mlv's query of its name."""

from in_sqlite import answers, influence, profiles
from in_sqlite.database import asked, write_sqlite

SQLITE = answers.QUERIES | profiles.QUERIES | influence.QUERIES

__all__ = ["SQLITE", "asked", "write_sqlite"]
