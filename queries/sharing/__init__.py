"""“How do languages influence each other?” (Choenni et al., 2023): which examples make values."""

from mlv.queries.sharing.topics import STUDY

__all__ = ["STUDY"]
