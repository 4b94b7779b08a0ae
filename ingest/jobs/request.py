"""What can be asked of a kind of job: the one declaration of its settings.

The command line, study files and the planner read it. A field is an option, ``--its-name``, and a key of a study file;
its description is the help of the one and the documentation of the other.
"""

from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlv.ingest.reference.languages import language
from mlv.schema.errors import UsageError


class Option(NamedTuple):
    """How a field is given on the command line, if otherwise than as ``--its-name VALUE``."""

    flag: str = ""
    """Name of the option, without dashes."""

    argument: bool = False
    """Whether it is given without a name."""

    repeated: bool = False
    """Whether the values of a tuple are given by repeating the option, instead of in one comma-separated text."""


_NAMES_A_MODEL = "names a model"
NAMES_A_JOB = "names a job"
"""What is said of a field that names the run of a job itself, or runs in a table."""


class Request(BaseModel):
    """Base of all requests: immutable, without unknown fields, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def model_names(cls) -> list[str]:
        """Fields that name a model."""
        return cls._fields_that(_NAMES_A_MODEL)

    @classmethod
    def job_names(cls) -> list[str]:
        """Fields that name the run of a job itself, not the one whose model it is about."""
        return cls._fields_that(NAMES_A_JOB)

    @classmethod
    def _fields_that(cls, do: str) -> list[str]:
        return [name for name, field in cls.model_fields.items() if do in field.metadata]

    def named_models(self) -> list[str]:
        """The models that it names."""
        return [str(name) for field in self.model_names() if (name := getattr(self, field)) is not None]

    @classmethod
    def option(cls, field: str) -> Option:
        """How a field is given on the command line."""
        found = [item for item in cls.model_fields[field].metadata if isinstance(item, Option)]
        # what a field says of itself goes before what its type says
        option = found[-1] if found else Option()
        return option if option.flag else option._replace(flag=field.replace("_", "-"))


def language_code(name: str) -> str:
    """Code of a language that a request names. Raises ValueError that says which there are."""
    try:
        return language(name).code
    except UsageError as error:
        raise ValueError(error.line) from error


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a field that are told apart. Raises ValueError if one is there twice."""
    if len(set(values)) < len(values):
        raise ValueError("Something is listed twice: leave it out once.")
    return values


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], AfterValidator(each_once)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Languages = Annotated[
    tuple[Annotated[str, AfterValidator(language_code)], ...],
    AfterValidator(each_once),
    AfterValidator(lambda codes: tuple(sorted(codes))),
    Option(flag="language"),
]
"""Codes of languages in alphabetical order: however a language is spelt, and in whatever order, it is the same."""

ModelName = Annotated[
    Name,
    _NAMES_A_MODEL,
    Field(
        description="Hub name (NAME@REVISION for a revision), folder, a run or RUN/epoch-N of the store, or a "
        "pretrained model's name."
    ),
]
AnyModelName = Annotated[ModelName | None, _NAMES_A_MODEL]
"""Of a request that can do without a model."""

JobName = Annotated[Name | None, NAMES_A_JOB]
ProbeSet = Annotated[
    str | None,
    Field(
        description="Probe set whose probes are taken; if not given that of queries: echoes-2024 if the store has it, "
        "else wvs7-all, else the first by name."
    ),
]
TestLanguages = Annotated[
    Languages, Field(description="Test languages, comma-separated; all of the probe set if not given.")
]
