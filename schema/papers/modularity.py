"""Constants of "Examining Modularity in Multilingual LMs via Language-Specialized Subnetworks" (Choenni, Shutova and
Garrette 2024), called D5 here: chapter 5 of the dissertation that it is part of."""

from typing import Final

STEP: Final = 0.1
"""Share of all attention heads that an iteration of pruning disables (D5 section 5.3.1, by section 4.4.3.1)."""

THRESHOLD: Final = 0.95
"""Share of the unpruned model's development accuracy that a subnetwork keeps (the same)."""

PROJECTION_ROWS: Final = 16
"""Rows of each of the two random matrices that a gradient is multiplied by: 256 entries (D5 section 5.4.3)."""

TEST_EXAMPLES: Final = 500
"""Test examples traced in a language (D5 section 5.4.3)."""

TOP_K: Final = 100
"""Most influential training examples that are counted (D5 section 5.4.3)."""

RANDOM_SEEDS: Final = 3
"""Shuffles of a mask that stand for chance (D5 section 5.5.2)."""
