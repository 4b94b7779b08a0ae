"""Version 1 of the parser."""

from mlv.ingest.answers.v1.parse import read

__all__ = ["read"]
