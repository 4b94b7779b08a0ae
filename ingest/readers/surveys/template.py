"""A codebook to fill in, from a survey file: its variables with their codes and labels, country, weight, missing codes.

What asks which question only a reader of both can say, so that this is left open: below each variable a comment has the
line to complete. A file of SPSS or Stata says its labels and missing values; of other files codes are those that occur.
No store is needed.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from mlv.ingest.readers.surveys.files import SurveyFile, inspect, records, unpacked_at
from mlv.ingest.readers.surveys.microdata import is_microdata, variables_of, write_csv
from mlv.ingest.readers.surveys.opinions import opinions
from mlv.ingest.readers.surveys.tables import COLUMNS
from mlv.ingest.reference.codebook import MOST_CODE
from mlv.ingest.reference.languages import country_code
from mlv.schema.errors import DataError, excerpt

COUNTRY_COLUMNS: Final = ("B_COUNTRY_ALPHA", "B_COUNTRY", "cntry", "cntry_AN", "country", "S003", "V2A", "V2")
"""What the World and European Values Studies, the European Social Survey and others call the country, whatever the
capitals."""

WEIGHT_COLUMNS: Final = ("W_WEIGHT", "gwght", "pspwght", "anweight", "S017", "V258", "weight", "wght")
"""What they call a respondent's weight."""

MOST_CODES: Final = 20
"""Codes of a variable at most: one with more is a number, such as an age, or a text."""

MOST_VALUES: Final = 400
"""Values of a column that are looked at: countries have more codes than other variables."""

MISSING: Final = re.compile(
    r"(?i)\b(don.?t know|do not know|no answer|not asked|not applicable|missing|refus\w+|unknown|no response)\b"
)
"""Labels of answers that are none."""

HEAD: Final = """\
# A codebook: how the answers of a survey stand to the two answers of probes. Lines that begin with # are comments.
# Read a survey by it: mlv ingest survey FILE --codebook THIS-FILE

name = {name}    # what the store calls it; two codebooks have two names
title = {title}    # the study in words, with its wave or years
citation = ""
{country}
{weight}

# Rows to take of a file that has several waves or studies, by column and its values.
# only.wave = [6]

# Codes that are no answer to any variable. Where a variable has a side for one of them, that holds.
[missing]
-1 = "don't know"
-2 = "no answer"
-3 = "not applicable"
-4 = "not asked"
-5 = "missing"

# What the country column calls a country, where that is no ISO 3166-1 code or English name.
[countries]
{countries}

# A variable asks one question of the probes or several, each by its identifier there. first has the codes that mean the
# first answer of the probes (label A), second those of the second; every code that has a label stands in one of them or
# in missing. Variables without questions are not read.
"""

EXAMPLE: Final = """\
[variables.V4]
text = "How important is family in your life?"
questions.1 = {first = [1, 2], second = [3, 4]}
labels.1 = "very important"
labels.2 = "rather important"
labels.3 = "not very important"
labels.4 = "not at all important"

[variables.V240]
questions.254 = {first = [1, 2], second = [3, 4]}
missing = [5]
labels.1 = "very proud"
labels.2 = "quite proud"
labels.3 = "not very proud"
labels.4 = "not at all proud"
labels.5 = "I am not of this nationality"
"""
"""Two variables of World Values Survey wave 5 or 6, in glosses."""


@dataclass(frozen=True)
class Variable:
    """A variable as a file describes it."""

    text: str = ""
    labels: Mapping[int, str] = field(default_factory=dict)
    """By code; empty where the file has none."""

    missing: frozenset[int] = frozenset()
    """Codes that the file says are no answer."""


@dataclass(frozen=True)
class Survey:
    """What is known of a survey file."""

    name: str
    country: str = "country"
    weight: str = ""
    countries: Mapping[str, str] = field(default_factory=dict)
    """Countries by what the country column calls them, where ISO 3166-1 does not; empty for one that is not known."""

    variables: Mapping[str, Variable] = field(default_factory=dict)


def template() -> str:
    """A codebook that works, with two variables to replace."""
    return _head(Survey("my-study", "V2", "V258")) + EXAMPLE


def template_of(path: Path) -> str:
    """A codebook to fill in, with the variables of a survey file. Raises DataError, NotFoundError."""
    with unpacked_at(path, "Name the survey file that the codebook is to be about.") as file:
        stem = re.sub(r"(?i)(\.(csv|jsonl|sav|zsav|dta|gz))+$", "", file.name)
        name = re.sub(r"[^\w.]+", "-", stem).strip("-.") or "my-study"
        survey = _of_microdata(name, file) if is_microdata(file.name) else _described(name, inspect(file), {})
    if not survey.variables:
        raise DataError(
            f"{path.name} has no variable with at most {MOST_CODES} codes, of which a codebook could be made.",
            "Name a file with answers: microdata, a table of shares, or JSON lines.",
        )
    return _head(survey) + "".join(f"\n{_block(column, of)}" for column, of in survey.variables.items())


def _of_microdata(name: str, file: Path) -> Survey:
    with TemporaryDirectory() as folder:
        converted = Path(folder) / file.name
        write_csv(file, converted, lambda _: True)
        said = {column: Variable(*of) for column, of in variables_of(file).items()}
        return _described(name, inspect(converted), said)


def _described(name: str, file: SurveyFile, said: Mapping[str, Variable]) -> Survey:
    if file.is_json:
        return Survey(name, variables=_asked(file))
    columns = {column.lower(): column for column in file.columns}
    question, code, label = (
        next((columns[known] for known in COLUMNS[part] if known in columns), None)
        for part in ("question", "response_code", "label")
    )
    if question and (code or label):
        return Survey(name, variables=_listed(file, question, code, label))
    return _counted(name, file, said)


def _asked(file: SurveyFile) -> dict[str, Variable]:
    """The questions of JSON lines as variables V1, V2, ...; an option that is a number is that code."""
    options: dict[str, dict[str, None]] = {}
    for _, _, opinion in opinions(file):
        if opinion:
            texts = (f"{option:g}" if isinstance(option, float) else option for option in opinion.options)
            options.setdefault(opinion.question, {}).update(dict.fromkeys(texts))
    return {f"V{place}": _of_values(texts, text) for place, (text, texts) in enumerate(options.items(), 1)}


def _listed(file: SurveyFile, question: str, code: str | None, label: str | None) -> dict[str, Variable]:
    """The variables of a table of shares."""
    places = {column: place for place, column in enumerate(file.columns)}
    found: dict[str, dict[str, str]] = {}
    for _, row in records(file):
        cells = {column: row[place].strip() for column, place in places.items() if place < len(row)}
        value = cells.get(code or label or "")
        if cells.get(question) and value:
            found.setdefault(cells[question], {}).setdefault(value, cells.get(label or "", ""))
    return {name: _of_values(labels) if code is None else _of_codes(labels) for name, labels in found.items()}


def _of_codes(labels: Mapping[str, str]) -> Variable:
    return Variable(labels={int(code): label for code, label in labels.items() if re.fullmatch(r"-?\d{1,6}", code)})


def _of_values(values: Iterable[str], text: str = "") -> Variable:
    """A variable of answers: numbers are codes, words are labels of the codes that are free."""
    codes = {value: int(float(value)) for value in values if re.fullmatch(r"\s*-?\d{1,6}(\.0*)?\s*", value)}
    free = (code for code in range(1, MOST_CODE) if code not in codes.values())
    words = {next(free): value.strip() for value in values if value not in codes}
    return Variable(text, dict(sorted({**dict.fromkeys(codes.values(), ""), **words}.items())))


def _counted(name: str, file: SurveyFile, said: Mapping[str, Variable]) -> Survey:
    """What the columns of microdata hold, and what the file says of them."""
    country, weight = _first(file.columns, COUNTRY_COLUMNS), _first(file.columns, WEIGHT_COLUMNS)
    values = _values(file)
    counted = {column: _of_values(some) for column, some in values.items() if column not in (country, weight)}
    variables = {}
    for column, found in counted.items():
        told = said.get(column, Variable())
        labels = dict(sorted({**found.labels, **told.labels}.items()))
        if 1 < len(labels) <= MOST_CODES:
            variables[column] = Variable(told.text, labels, told.missing)
    countries = _countries(values.get(country, []), said.get(country, Variable()).labels)
    return Survey(name, country or "country", weight, countries, variables)


def _first(columns: Iterable[str], known: Iterable[str]) -> str:
    """The first of the known columns that is there, as it is spelt there; empty if none is."""
    spelt = {column.upper(): column for column in columns}
    return next((spelt[name.upper()] for name in known if name.upper() in spelt), "")


def _values(file: SurveyFile) -> dict[str, list[str]]:
    """The answers that occur in each column, for columns with few. Raises DataError if it is no CSV."""
    try:
        with duckdb.connect() as connection:
            file.view(connection)
            names = [f"c{number}" for number in range(len(file.columns))]
            counts = connection.execute(f"SELECT {_of_all('count(DISTINCT {})', names)} FROM file").fetchall()[0]
            few = [name for name, count in zip(names, counts, strict=True) if count <= MOST_VALUES]
            lists = connection.execute(f"SELECT {_of_all('list_sort(list(DISTINCT {}))', few)} FROM file").fetchall()[0]
    except duckdb.Error as error:
        reason = excerpt(str(error).splitlines()[0], 500)
        raise DataError(f"{file.name} cannot be read as CSV: {reason}", "Fetch the file again.") from error
    return {
        file.columns[int(name[1:])]: [value for value in some or () if value.strip()]
        for name, some in zip(few, lists, strict=True)
    }


def _of_all(aggregate: str, columns: Iterable[str]) -> str:
    return ", ".join(aggregate.format(column) for column in columns) or "0"


def _countries(values: Iterable[str], labels: Mapping[int, str]) -> dict[str, str]:
    """What the country column has that is not the code or name of the country that is meant, and the country."""
    found = {}
    for value in values:
        plain = re.sub(r"\.0*$", "", value.strip())
        label = labels.get(int(plain), "") if plain.isdecimal() else ""
        meant = country_code(label) or country_code(plain)
        if meant is None or meant != country_code(plain):
            found[plain] = meant or ""
    return found


def _head(survey: Survey) -> str:
    countries = "\n".join(
        f"{_key(said)} = {_text(code)}" if code else f"# {_key(said)} = {_text('??')}"
        for said, code in survey.countries.items()
    )
    return HEAD.format(
        name=_text(survey.name),
        title=_text(survey.name),
        country=f'country_columns = [{_text(survey.country)}]    # or country = "DE", where all are of one country',
        weight=f"{'' if survey.weight else '# '}weight_column = {_text(survey.weight or 'weight')}",
        countries=countries or '# "Germany East" = "DE"',
    )


def _block(column: str, variable: Variable) -> str:
    """A variable with the line to complete as a comment."""
    missing = [code for code, label in variable.labels.items() if code < 0 or MISSING.search(label)]
    missing = [code for code in variable.labels if code in missing or code in variable.missing]
    codes = [code for code in variable.labels if code not in missing]
    lines = [
        f"[variables.{_key(column)}]",
        *([f"text = {_text(variable.text)}"] if variable.text else []),
        f"# questions.QUESTION = {{first = {codes}, second = []}}",
        *([f"missing = {missing}"] if missing else []),
        *(f"labels.{code} = {_text(label)}" for code, label in variable.labels.items() if label),
    ]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    """A key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    """A string of TOML, in which JSON's escapes mean the same; other control characters are left out."""
    return json.dumps(
        "".join(letter for letter in value if letter.isprintable() or letter in "\n\t"), ensure_ascii=False
    )
