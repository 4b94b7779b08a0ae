"""A study of how many words it takes."""

from mlv.queries.wordiness.topics import STUDY

__all__ = ["STUDY"]
