"""“Stepmothers are mean and academics are pretentious” (Choenni et al., 2021): what models say of social groups."""

from mlv.queries.stereotypes.topics import STUDY

__all__ = ["STUDY"]
