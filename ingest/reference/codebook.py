"""Codebooks: how the answers to a survey's variables stand to the two answers of probes.

A codebook is a TOML file about one study. It says where the country and the weight of a respondent are, and of every
variable which question it asks, which response codes stand for which answer of that question's probes, and which are no
answers. ``data/wvs7.toml`` is that of World Values Survey wave 7, which comes with mlv and is argued in
``docs/survey-mapping.md``; ``mlv ingest codebook`` writes one to fill in. No store is needed.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from mlv.ingest.reference.document import Document
from mlv.ingest.reference.languages import country_code
from mlv.schema.errors import joined

PACKAGED: Final = "wvs7"
"""The codebook that comes with mlv, which a survey is read by if none is named."""

MOST_CODE: Final = 1_000_000
"""A response code is between it and its negative."""

Code = Annotated[int, Field(ge=-MOST_CODE, le=MOST_CODE)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sides(_Part):
    """The response codes of a question."""

    first: tuple[Code, ...]
    """Codes that count for the first answer of the question's probes (label A)."""

    second: tuple[Code, ...]
    """Codes that count for the second answer (label B); middle classes go to the nearer end (Echoes section 3.5)."""


class Variable(_Part):
    """A variable of the survey."""

    text: str = ""
    """What was asked, in the words by which files without variables name it (GlobalOpinionQA)."""

    questions: dict[Name, Sides] = {}
    """By the question of the probes, e.g. ``106a``; a variable that asks none is not read."""

    missing: tuple[Code, ...] = ()
    """Codes that count for neither answer, beside those of the study."""

    labels: dict[Code, str] = {}
    """What the codes mean."""


class Inverted(_Part):
    """How a release of the same study in which scales run the other way is told, so that it is refused."""

    file: str = ""
    """A word in its file name, whatever the capitals."""

    columns: str = ""
    """Regular expression of variables that it alone has."""

    mostly_first: tuple[str, ...] = ()
    """Questions that most people of any country answer on the first side."""

    hint: str = ""
    """Where the right release is."""


class Codebook(Document):
    """A study, and its variables."""

    WHAT = "codebook"
    HOW = "Write one to fill in: mlv ingest codebook --template FILE --from SURVEY"

    name: Name
    """What the store calls the codebook, and surveys that are read by it unless they are named."""

    title: str = ""
    """The study in words, with its wave or years."""

    citation: str = ""
    """How to cite the study."""

    country: str = ""
    """The country of all respondents; not where a column says it."""

    country_columns: tuple[str, ...] = ()
    """Columns that say a respondent's country; of several the first that a file has."""

    weight_column: str = ""
    """Column of the respondents' weights; without one, shares are unweighted."""

    only: dict[str, tuple[int | str, ...]] = Field({})
    """Rows that are taken, by column and its values: one wave of a file that has several."""

    missing: dict[Code, str] = Field({})
    """Codes that are no answer to any variable, and what they mean; where a variable has a side for one, that holds."""

    countries: dict[str, str] = Field({})
    """Countries by what the country column calls them, where that is no code or name of ISO 3166-1."""

    inverted: Inverted = Inverted()
    variables: dict[Name, Variable] = Field({})

    def problems(self) -> Iterator[str]:
        """What is wrong with it although its form is right."""
        return _problems(self)

    @cached_property
    def asked(self) -> dict[str, Variable]:
        """The variables that ask a question."""
        return {name: variable for name, variable in self.variables.items() if variable.questions}

    @cached_property
    def sides(self) -> pl.DataFrame:
        """Which answer of a question's probes a response code counts for.

        Returns:
            ``question, variable, response_code, side, label``; ``side`` is first, second or missing.
        """
        rows = [row for name in self.asked for row in self._sides_of(name)]
        schema = {"question": pl.String, "variable": pl.String, "response_code": pl.Int64}
        return pl.DataFrame(rows, schema={**schema, "side": pl.String, "label": pl.String}, orient="row")

    def _sides_of(self, name: str) -> Iterator[tuple[str, str, int, str, str]]:
        variable = self.asked[name]
        labels = self.labels(name)
        for question, sides in variable.questions.items():
            codes = {"first": sides.first, "second": sides.second, "missing": self.missing_codes(name)}
            for side, some in codes.items():
                yield from ((question, name, code, side, labels.get(code, "")) for code in some)

    def missing_codes(self, name: str) -> list[int]:
        """Codes of a variable that count for neither answer: its own, and the study's that it has no side for."""
        variable = self.variables[name]
        used = {code for sides in variable.questions.values() for code in (*sides.first, *sides.second)}
        return [*variable.missing, *(code for code in self.missing if code not in {*used, *variable.missing})]

    def labels(self, name: str) -> dict[int, str]:
        """What the codes of a variable mean, those of missing answers included."""
        return {**self.missing, **self.variables[name].labels}

    @cached_property
    def codes(self) -> pl.DataFrame:
        """Every code of every variable that asks a question: ``variable, response_code``."""
        return self.sides.select("variable", "response_code").unique()

    @cached_property
    def codes_by_label(self) -> dict[tuple[str, str], int]:
        """Codes by variable and ``plain`` label, its own before the study's; labels of two codes are left out."""
        of_study = _by_label(self.missing)
        return {
            (name, label): code
            for name, variable in self.asked.items()
            for label, code in {**of_study, **_by_label(variable.labels)}.items()
        }

    @cached_property
    def variables_by_name(self) -> dict[str, str]:
        """Variables by what a table may call them: their name, the question of a variable that asks one alone, and
        its number, as ``106`` for a variable that asks ``106a`` and ``106b``; all ``folded``."""
        questions = {name: list(variable.questions) for name, variable in self.asked.items()}
        alone = _unambiguous((folded(own[0]), name) for name, own in questions.items() if len(own) == 1)
        stems = ((re.sub(r"(?<=\d)[a-z]$", "", code), name) for name, own in questions.items() for code in own)
        numbers = _unambiguous((folded(stem), name) for stem, name in stems)
        poles = {folded(code) for own in questions.values() if len(own) > 1 for code in own}
        known = {**numbers, **alone, **{folded(name): name for name in questions}}
        return {said: name for said, name in known.items() if said not in poles or said == folded(name)}

    @cached_property
    def variables_by_text(self) -> dict[str, str]:
        """Variables by the ``plain`` text of what they ask."""
        return _unambiguous((plain(variable.text), name) for name, variable in self.asked.items() if variable.text)

    def country_of(self, said: str) -> str | None:
        """Alpha-2 code of what a file calls a country; None if it is none."""
        known = self.countries.get(said) or self.countries.get(re.sub(r"\.0+$", "", said))
        return country_code(known or said)


def _by_label(labels: Mapping[int, str]) -> dict[str, int]:
    return _unambiguous((plain(text), code) for code, text in labels.items())


def folded(name: str) -> str:
    """A variable or question, whatever its capitals and the noughts before its number."""
    return re.sub(r"^(\D*)0+(?=\d)", r"\1", name.strip().casefold())


def plain(text: str) -> str:
    """A text without what differs between copies: capitals, space, kinds of quotation marks, a mark at its end."""
    marks = str.maketrans("‘’´`“”«»", "''''\"\"\"\"")
    return " ".join(unicodedata.normalize("NFKC", text).translate(marks).casefold().split()).strip(" .:;?")


def _unambiguous(pairs: Any) -> dict[str, Any]:
    """What is said of one thing alone."""
    found: dict[str, Any] = {}
    twice = set()
    for said, thing in pairs:
        if found.setdefault(said, thing) != thing:
            twice.add(said)
    return {said: thing for said, thing in found.items() if said not in twice}


@cache
def wvs7() -> Codebook:
    """The codebook of World Values Survey wave 7."""
    return Codebook.parse(
        "wvs7.toml", files("mlv.ingest.reference").joinpath("data", "wvs7.toml").read_text(encoding="utf-8")
    )


def _problems(book: Codebook) -> Iterator[str]:
    if bool(book.country) == bool(book.country_columns):
        yield "name either country_columns, which say a respondent's country, or country, that of all respondents"
    for said, country in {**book.countries, "country": book.country or "DE"}.items():
        if country_code(country) is None:
            yield f"countries.{said}: {country!r} is not a country of ISO 3166-1"
    if not book.asked:
        yield "variables: none of them has a question, so that nothing would be read: fill in questions"
    same = [names for names in _by_fold(book.variables).values() if len(names) > 1]
    yield from (f"variables: {joined(names)} differ in capitals alone" for names in same)
    asked: dict[str, str] = {}
    for name, variable in book.asked.items():
        for question, sides in variable.questions.items():
            if asked.setdefault(question, name) != name:
                yield f"variables.{name}: question {question} is asked by {asked[question]}, too"
            yield from (f"variables.{name}.questions.{question}: {what}" for what in _faults(book, name, sides))
    yield from (f"inverted.mostly_first: no variable asks {q}" for q in book.inverted.mostly_first if q not in asked)
    yield from _pattern(book.inverted.columns)


def _by_fold(names: Mapping[str, object]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.upper(), []).append(name)
    return found


def _faults(book: Codebook, name: str, sides: Sides) -> Iterator[str]:
    """What is wrong with the sides of a question."""
    variable = book.variables[name]
    yield from (f"{side} has no code" for side in ("first", "second") if not getattr(sides, side))
    placed = [*sides.first, *sides.second, *variable.missing]
    twice = sorted({code for code in placed if placed.count(code) > 1})
    if twice:
        yield f"{joined(map(str, twice))} stands twice in first, second and the variable's missing"
    nowhere = [code for code in variable.labels if code not in {*placed, *book.missing}]
    if nowhere:
        yield f"{joined(map(str, nowhere))} is neither in first nor in second, nor in the variable's missing"


def _pattern(text: str) -> Iterator[str]:
    try:
        re.compile(text)
    except re.error as error:
        yield f"inverted.columns: not a regular expression: {error}"
