"""JSON lines as those of GlobalOpinionQA: a question in words, its options, and the shares of a country's people.

A line has ``question``, ``options`` and either ``country`` and ``distribution`` or ``selections``, the distributions by
country. Which variable is meant the codebook's ``text`` says, and which code is meant its labels; an option that is a
number is that code. Nothing is guessed: what the codebook does not have is left out and said.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, Field, ValidationError

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import SurveyFile
from mlv.ingest.readers.surveys.tables import SCHEMA, Table
from mlv.ingest.readers.text import stream_lines
from mlv.ingest.reference.codebook import Codebook, plain
from mlv.schema.errors import DataError, excerpt

LAYOUT: Final = "it is no JSON with question, options and either country and distribution or selections"


class Opinion(BaseModel):
    """A question, and how the people of some countries answered it."""

    question: str
    options: list[str | float]
    country: str = ""
    distribution: list[float] = []
    selections: dict[str, list[float]] = Field({}, description="Distributions by country.")

    @property
    def by_country(self) -> dict[str, list[float]]:
        """Shares of the options in the order of these, by country."""
        return {**self.selections, **({self.country: self.distribution} if self.country else {})}


def opinions(file: SurveyFile) -> Iterator[tuple[int, str, Opinion | None]]:
    """Number, text and content of every line that is not blank; None where it has another form."""
    for number, line in enumerate(stream_lines(file.path), 1):
        if line.strip():
            yield number, line, _opinion(line)


def _opinion(line: str) -> Opinion | None:
    try:
        return Opinion.model_validate(json.loads(line))
    except (ValueError, RecursionError, ValidationError):
        return None


def table(file: SurveyFile, book: Codebook) -> Table:
    """The shares as a table. Raises DataError if the codebook has no text to find a question by."""
    if not book.variables_by_text:
        raise DataError(
            f"{file.name} is JSON: its questions are texts, and the codebook {book.name} has no text of any variable.",
            f"Write a codebook for it and complete that: mlv ingest codebook --template FILE --from {file.name}",
        )
    rows: list[dict[str, Any]] = []
    rejected = []
    for number, line, opinion in opinions(file):
        if opinion is None:
            rejected.append(Rejected(number, LAYOUT, content=excerpt(line, 500)))
            continue
        variable = book.variables_by_text.get(plain(opinion.question))
        if variable is None:
            reason = f"the codebook {book.name} has no variable with this text"
            rejected.append(Rejected(number, reason, opinion.country, opinion.question))
            continue
        for country, shares in opinion.by_country.items():
            if len(shares) != len(opinion.options):
                rejected.append(Rejected(number, "it has not one share for each option", country, opinion.question))
                continue
            rows += _rows(number, variable, country, opinion, shares, book)
    return Table(pl.DataFrame(rows, schema=SCHEMA), rejected)


def _rows(
    number: int, variable: str, country: str, opinion: Opinion, shares: list[float], book: Codebook
) -> Iterator[dict[str, Any]]:
    """A row for each option; one that nobody chose need not be in the codebook."""
    for option, share in zip(opinion.options, shares, strict=True):
        said = f"{option:g}" if isinstance(option, float) else option.strip()
        is_code = said.removeprefix("-").isdecimal()
        if share == 0 and not is_code and (variable, plain(said)) not in book.codes_by_label:
            continue
        yield {
            "line": number,
            "content": f"{said}: {share}",
            "question": variable,
            "country": country,
            "response_code": said if is_code else None,
            "label": None if is_code else said,
            "percent": str(round(100 * share, 10)),
        }
