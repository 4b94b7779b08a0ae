"""Survey files of SPSS and Stata, written as CSV in the layout of the official one. Needs pyreadstat (extra ``spss``).

Stata's missing values are letters, whose labels say which code of the codebook they are.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlv.schema.errors import DataError, excerpt, joined

if TYPE_CHECKING:
    import pandas as pd

ENDINGS: Final = (".sav", ".zsav", ".dta")
"""Endings of SPSS's files, packed or not, and of Stata's."""

ROWS_AT_ONCE: Final = 20_000
"""Respondents in memory: of each some 300 columns are read."""

_WANTED: Final = re.compile(r"(?i)B_COUNTRY(_ALPHA)?|W_WEIGHT|Q\d.*")
"""What a survey is read from, of several hundred columns."""

_LABELS: Final = ((r"\bknow", -1), ("answer|refus", -2), ("applic", -3), ("asked", -4))
"""Words in the label of a missing value, and its code in the codebook."""

_LETTERS: Final = {"a": -1, "b": -2, "c": -3, "d": -4}
"""Codes of Stata's missing values without a label."""

_OTHER_MISSING: Final = -5


def is_microdata(name: str) -> bool:
    """Whether a file is one of SPSS or Stata, by its name."""
    return name.lower().endswith(ENDINGS)


def write_csv(path: Path, target: Path) -> None:
    """Write the columns that a survey is read from as CSV. Raises DataError if there are none, or if it is damaged."""
    import pyreadstat

    try:
        names = _reader(path)(path, metadataonly=True)[1].column_names
        wanted = [name for name in names if _WANTED.fullmatch(name)]
        if not wanted:
            raise DataError(
                f"{path.name} has none of the variables B_COUNTRY, W_WEIGHT, Q1, ...: its variables are "
                f"{excerpt(joined(names, most=12), 500)}.",
                "Name the official cross-national file.",
            )
        with target.open("w", encoding="utf-8", newline="") as file:
            for place, frame in enumerate(_frames(path, wanted)):
                frame.to_csv(file, index=False, header=place == 0, lineterminator="\n")
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, UnicodeError) as error:
        raise DataError(f"{path.name} cannot be read: {excerpt(str(error), 500)}.", "Fetch the file again.") from error


def _reader(path: Path) -> Any:
    import pyreadstat

    return pyreadstat.read_dta if path.suffix.lower() == ".dta" else pyreadstat.read_sav


def _frames(path: Path, columns: list[str]) -> Iterator["pd.DataFrame"]:
    """The rows in parts, missing values as codes and whole numbers without a point."""
    import pyreadstat

    parts = pyreadstat.read_file_in_chunks(
        _reader(path), path, chunksize=ROWS_AT_ONCE, usecols=columns, user_missing=True
    )
    for frame, meta in parts:
        coded = {name: _coded(frame[name], meta.variable_value_labels.get(name, {})) for name in columns}
        yield frame.assign(**coded)[columns].convert_dtypes()


def _coded(column: "pd.Series[Any]", labels: Mapping[Any, str]) -> "pd.Series[Any]":
    """A column with letters of missing values as codes."""
    letters = {value for value in column.unique() if isinstance(value, str) and re.fullmatch("[a-z]", value)}
    if not letters:
        return column
    import pandas as pd

    codes = {letter: _code(letter, labels.get(letter, "")) for letter in letters}
    # text that is no number stays, to be reported
    coded = column.replace(codes)
    with contextlib.suppress(ValueError, TypeError):
        return pd.to_numeric(coded)
    return coded


def _code(letter: str, label: str) -> int:
    """The code of the codebook that one of Stata's missing values stands for."""
    named = (code for words, code in _LABELS if re.search(words, label, re.IGNORECASE))
    return next(named, _OTHER_MISSING if label else _LETTERS.get(letter, _OTHER_MISSING))
