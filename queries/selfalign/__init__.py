"""“Self-alignment” (Choenni and Shutova, 2024): whether demonstrations bring chat models in line with people."""

from mlv.queries.selfalign.topics import STUDY

__all__ = ["STUDY"]
