"""The catalogue: every released query, read from ``queries/<study>/<name>/v<N>.sql``.

A file is one SELECT behind a block comment of TOML that says what it answers: question, grain, place in the paper,
why the version exists, parameters and columns (``mlv.queries.engine.headers``). Names are unique; the folder says whose
study a query is of. A released query never changes; ``mlv.queries.engine.lock`` holds its hash.
"""

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlv.queries.engine.headers import NOTHING, Shared, resolved, shared, written
from mlv.schema.errors import DataError, UsageError

Scalar = str | int | float | bool
Value = Scalar | list[str] | list[int] | None
"""What a parameter can be bound to; None is SQL's NULL."""

INTERVALS = "ci"
"""The parameter that says what a query's intervals are over; it adds none if it is not given."""

QUESTIONS = "questions"
"""Its value that most queries with intervals take."""

ParameterType = Literal["text", "integer", "real", "boolean", "text[]", "integer[]"]


class Parameter(BaseModel):
    """A parameter of a query. Without a default it is NULL unless given, and restricts nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ParameterType
    about: str
    """What it does, and in words what its default is."""

    default: Scalar | list[str] | list[int] | None = None
    default_sql: str | None = None
    """Expression that finds the default in the store; may name parameters before this one."""

    values: tuple[str, ...] = ()
    """All values there are."""

    values_from: str | None = Field(default=None, pattern=r"^v_\w+\.\w+$")
    """View and column that hold all values there are."""

    def default_text(self) -> str:
        """The default as a person would type it; empty if there is none."""
        if self.default_sql is not None:
            return self.default_sql
        if isinstance(self.default, list):
            return ",".join(str(item) for item in self.default)
        return "" if self.default is None else str(self.default)


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    """What a researcher wants to know."""

    grain: str
    """What one row is."""

    paper: str
    """Table, figure or section that it is for."""

    reason: str
    """Why this version exists."""

    parameters: dict[str, Parameter]
    columns: dict[str, str]
    """Name and meaning of every column, in order."""

    intervals: dict[str, str] = {}
    """Name and meaning of the columns that the parameter ``ci`` adds."""

    @property
    def varied(self) -> tuple[str, ...]:
        """What its intervals can be over, the usual first; nothing where it has none."""
        return self.parameters[INTERVALS].values if INTERVALS in self.parameters else ()


class Query(_Header):
    """A version of a query."""

    name: str
    version: int
    study: str = ""
    """Code of the study that it is of."""

    text: str
    """Header and SQL, everything that the header's names stand for written out."""

    sha256: str
    """SHA-256 of the text."""

    @property
    def reference(self) -> str:
        """Name and version, as ``mlv query run`` takes them."""
        return f"{self.name}@{self.version}"


def text_sha256(text: str) -> str:
    """SHA-256 of a text, whatever line ends its file was checked out with."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def parse_query(name: str, version: int, content: str, alike: Shared = NOTHING, study: str = "") -> Query:
    """Read the content of a query's file. Raises DataError if its header is missing or does not fit."""
    header = re.match(r"/\*(.*?)\*/", content, re.DOTALL)
    if header is None:
        raise DataError(f"Query {name}@{version} has no header.", "Open the file with /* ... */ in TOML.")
    try:
        fields = resolved(header[1], alike)
        text = f"/*\n{written(fields)}*/{content[header.end() :]}"
        return Query.model_validate(
            {**fields, "name": name, "version": version, "study": study, "text": text, "sha256": text_sha256(text)}
        )
    except (tomllib.TOMLDecodeError, ValidationError, DataError) as error:
        raise DataError(f"The header of query {name}@{version} does not fit: {error}") from error


def _versions(study: str, folder: Traversable, alike: Shared) -> Iterator[Query]:
    for file in folder.iterdir():
        number = re.fullmatch(r"v(\d+)\.sql", file.name)
        if number:
            yield parse_query(folder.name, int(number[1]), file.read_text(encoding="utf-8"), alike, study)


def _folders(folder: Traversable) -> list[Traversable]:
    return [inner for inner in folder.iterdir() if inner.is_dir()]


@functools.cache
def all_versions() -> tuple[Query, ...]:
    """Every version of every query, by name and version."""
    root = files("mlv.queries")
    queries = []
    for study in _folders(root):
        alike = shared((root, study))
        queries += [query for folder in _folders(study) for query in _versions(study.name, folder, alike)]
    return tuple(sorted(queries, key=lambda query: (query.name, query.version)))


def catalogue() -> tuple[Query, ...]:
    """The newest version of every query, by name."""
    return tuple({query.name: query for query in all_versions()}.values())


def find(reference: str) -> Query:
    """The query that ``NAME`` (newest version) or ``NAME@VERSION`` names. Raises UsageError if there is none."""
    name, _, version = reference.partition("@")
    versions = {str(query.version): query for query in all_versions() if query.name == name}
    if not versions:
        names = [query.name for query in catalogue()]
        raise UsageError(f"There is no query {name!r}.", near(name, names, "List them: mlv query list"))
    if not version:
        return list(versions.values())[-1]
    if version not in versions:
        raise UsageError(f"Query {name} has no version {version!r}.", f"It has: {', '.join(versions)}.")
    return versions[version]


def near(wrong: str, right: list[str], otherwise: str) -> str:
    """A hint: the names that ``wrong`` may have been meant as, and what to do if it was none of them."""
    close = get_close_matches(wrong, right, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}? {otherwise}" if close else otherwise
