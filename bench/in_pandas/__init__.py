"""The catalogue's analyses in pandas: each takes frames of CSV files and gives what the query of its name does."""

from in_pandas import answers, influence, profiles
from in_pandas.frames import read_csv

PANDAS = answers.ANALYSES | profiles.ANALYSES | influence.ANALYSES

__all__ = ["PANDAS", "read_csv"]
