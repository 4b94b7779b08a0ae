"""The numbering of World Values Survey wave 7, and what is known of the probes that Arora et al. made of it.

The category of a question follows from its number (``mlv.schema.papers.echoes.CATEGORIES``). Which response codes stand
for which of a probe's answers is in a codebook (``mlv.ingest.reference.codebook``); which probes depart from that, and
which questions were asked together, is in ``data/probe_polarity.csv`` and ``data/question_batteries.csv``.
``docs/survey-mapping.md`` argues every row.
"""

import re
from functools import cache
from importlib.resources import files
from io import BytesIO

import polars as pl

from mlv.schema.papers.echoes import CATEGORIES, CategoryRange

_CODE = re.compile(r"([1-9][0-9]{0,2})[a-z]?")


def number_of(code: str) -> int | None:
    """Question number of a probe's identifier (``106a`` is 106); None if it is not of WVS wave 7."""
    match = _CODE.fullmatch(code)
    if match is None or category_of(int(match[1])) is None:
        return None
    return int(match[1])


def category_of(number: int) -> CategoryRange | None:
    """The category of a question number (Echoes section 3.1); None beyond the 259 questions on values."""
    return next((category for category in CATEGORIES if category.first <= number <= category.last), None)


@cache
def probe_polarity() -> dict[tuple[str, str], str]:
    """Polarity of the probes of Arora et al. whose answers are not on the sides that the codebook says: by (question,
    language)."""
    rows = _packaged("probe_polarity.csv").select("question_id", "language", "polarity").iter_rows()
    return {(question, language): polarity for question, language, polarity in rows}


@cache
def question_batteries() -> dict[str, str]:
    """Battery of each question, e.g. ``64-89``: consecutive questions with one frame and one pair of answers."""
    return dict(_packaged("question_batteries.csv").select("question_id", "battery").iter_rows())


def _packaged(name: str) -> pl.DataFrame:
    """A table of the package, all text."""
    content = files("mlv.ingest.reference").joinpath("data", name).read_bytes()
    return pl.read_csv(BytesIO(content), infer_schema=False)
