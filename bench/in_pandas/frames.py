"""What analyses in pandas are made of: frames of CSV files, and means of them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

Frames = dict[str, pd.DataFrame]

Analyses = dict[str, tuple[Callable[[Frames], pd.DataFrame], dict[str, list[str]]]]
"""By query: the work on frames, and the columns that it needs of which files."""

SETUP = ["model", "source", "sentences"]
RUN = [*SETUP, "strategy", "ft_languages", "seed"]

ANSWERS = {
    "runs": ["checkpoint_id", "base_checkpoint_id", "run", "place", *RUN],
    "answers": ["checkpoint_id", "language", "question", "score", "answer"],
}
"""Files and columns of answers."""

_TEXTS = (
    *("run", "traced_run", "model", "source", "ft_languages", "strategy", "attribution", "language", "question"),
    *("category", "country", "weighting", "score", "direction", "ft_language", "train_language", "parallel_key"),
    *("scores", "seeds"),
)
_KEYS = ("checkpoint_id", "base_checkpoint_id", "influence_target_id", "training_example_id")
_TYPES = dict.fromkeys(_TEXTS, "category") | dict.fromkeys(_KEYS, "int32")
"""Text as categories and keys in 32 bits are faster and smaller."""


def read_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """Some columns of a file."""
    return pd.read_csv(path, usecols=columns, dtype={column: _TYPES[column] for column in columns if column in _TYPES})


def mean(frame: pd.DataFrame, keys: list[str], value: str) -> pd.DataFrame:
    """Means by the keys."""
    return frame.groupby(keys, observed=True)[value].mean().reset_index()


def by_mean(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the default way of scoring."""
    return frame[frame["score"] == "mean"].drop(columns="score")
