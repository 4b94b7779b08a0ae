"""“The Echoes of Multilinguality” (Choenni et al., 2024): how fine-tuning in one language moves values in others."""

from mlv.queries.echoes.topics import STUDY

__all__ = ["STUDY"]
