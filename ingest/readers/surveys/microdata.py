"""Survey files of SPSS and Stata, written as CSV. Needs pyreadstat (extra ``spss``).

Stata's missing values are letters, whose labels say which code of the codebook they are.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlv.schema.errors import DataError, excerpt, joined

if TYPE_CHECKING:
    import pandas as pd

ENDINGS: Final = (".sav", ".zsav", ".dta")
"""Endings of SPSS's files, packed or not, and of Stata's."""

ROWS_AT_ONCE: Final = 20_000
"""Respondents in memory: of each some 300 columns are read."""

_LABELS: Final = ((r"\bknow", -1), ("answer|refus", -2), ("applic", -3), ("asked", -4))
"""Words in the label of a missing value, and its code in the codebook."""

_LETTERS: Final = {"a": -1, "b": -2, "c": -3, "d": -4}
"""Codes of Stata's missing values without a label."""

_OTHER_MISSING: Final = -5


def is_microdata(name: str) -> bool:
    """Whether a file is one of SPSS or Stata, by its name."""
    return name.lower().endswith(ENDINGS)


def write_csv(path: Path, target: Path, wanted: Callable[[str], bool]) -> None:
    """Write the columns that are wanted as CSV. Raises DataError if there are none, or if the file is damaged."""
    with _explained(path):
        names = _reader(path)(path, metadataonly=True)[1].column_names
        columns = [name for name in names if wanted(name)]
        if not columns:
            raise DataError(
                f"{path.name} has none of the codebook's columns: its variables are "
                f"{excerpt(joined(names, most=12), 500)}.",
                "Name the codebook of this study: mlv ingest survey FILE --codebook CODEBOOK",
            )
        with target.open("w", encoding="utf-8", newline="") as file:
            for place, frame in enumerate(_frames(path, columns)):
                frame.to_csv(file, index=False, header=place == 0, lineterminator="\n")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise DataError where pyreadstat cannot read the file."""
    import pyreadstat

    try:
        yield
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, UnicodeError) as error:
        raise DataError(f"{path.name} cannot be read: {excerpt(str(error), 500)}.", "Fetch the file again.") from error


def variables_of(path: Path) -> dict[str, tuple[str, dict[int, str], frozenset[int]]]:
    """What a file says of its variables: text, labels by code, and codes that are no answer. Raises DataError."""
    with _explained(path):
        _, meta = _reader(path)(path, metadataonly=True, user_missing=True)
    found = {}
    for name, text in meta.column_names_to_labels.items():
        labels = {
            code: label
            for value, label in meta.variable_value_labels.get(name, {}).items()
            if (code := _code_of(value, label)) is not None
        }
        ranges = [(part["lo"], part["hi"]) for part in meta.missing_ranges.get(name, ())]
        letters = {_code(letter, "") for letter in meta.missing_user_values.get(name, ())}
        missing = {code for code in labels for low, high in ranges if isinstance(low, float) and low <= code <= high}
        found[name] = (text or "", labels, frozenset(missing | (letters & labels.keys())))
    return found


def _code_of(value: Any, label: str) -> int | None:
    """The code that a value label is of; None if it is of a text or a fraction."""
    if isinstance(value, str):
        return _code(value, label) if re.fullmatch("[a-z]", value) else None
    return int(value) if float(value).is_integer() else None


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
