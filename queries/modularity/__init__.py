"""“Examining modularity in multilingual LMs via language-specialized subnetworks” (Choenni et al., 2024): which
attention heads a language needs, and what a mask of the others does to what predictions rely on."""

from mlv.queries.modularity.topics import STUDY

__all__ = ["STUDY"]
