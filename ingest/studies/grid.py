"""The study file: a grid of models, sources, languages, sizes and seeds, and the cells that it comes to.

A *cell* is one job of the study: a fine-tuning run, the asking of a model's probes before or after it, or the tracing
of its values. What a cell needs are cells, too. Cells follow from the file alone; ``mlv.ingest.studies.status`` holds
them against a store. ``studies/`` has the files that come with mlv.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from mlv.ingest.jobs.attributions import Choices, attribution
from mlv.ingest.reference.languages import language
from mlv.schema.errors import DataError, NotFoundError, UsageError, excerpt
from mlv.schema.jobs.influence import Quantity
from mlv.schema.jobs.spec import Precision, Seed
from mlv.schema.papers import echoes

LISTED = 20
"""Problems that an error names."""

MOST_RUNS = 100_000
"""Runs that a study may have; the paper's whole grid with five seeds has about 600."""

CellKind = Literal["probe", "finetune", "influence"]
Tracing = Literal["multilingual", "monolingual", "all"]


def _code(name: str) -> str:
    try:
        return language(name).code
    except UsageError as error:
        raise ValueError(error.line) from error


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("Something is listed twice: leave it out once.")
    return values


Language = Annotated[str, AfterValidator(_code)]
Languages = Annotated[tuple[Language, ...], AfterValidator(_each_once)]
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_each_once)]
Sizes = Annotated[tuple[Annotated[int, Field(ge=2, lt=2**31)], ...], AfterValidator(_each_once)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_each_once)]


class _Table(BaseModel):
    """A table of the file: immutable, and refusing keys it does not know and numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Finetuning(_Table):
    """How every run is trained; the defaults are the paper's (E appendix B)."""

    epochs: Count = echoes.EPOCHS
    batch_size: Count = echoes.BATCH_SIZE
    learning_rate: float = Field(echoes.LEARNING_RATE, gt=0)
    max_tokens: int = Field(256, ge=8, lt=2**31)
    """Length at which a sentence is cut off."""

    precision: Precision = "fp32"


class Probing(_Table):
    """What every model is asked, before and after."""

    probe_set: str | None = None
    """The store's widest set if not given."""

    languages: Languages = ()
    """Test languages; none means all of the probe set."""


class Influence(_Table):
    """Which runs are traced, and how; keys are named as the options of ``mlv compute influence``."""

    runs: Tracing = "multilingual"
    models: tuple[str, ...] = ()
    """Pretrained models whose runs are traced; none means all."""

    languages: Languages = ()
    """Test languages; none means those that were probed."""

    targets: Literal["shifted", "all"] = "shifted"
    trace: Quantity = "answer"
    checkpoints: str | None = None
    top_k: Count = echoes.INFLUENCE_TOP_K
    preset: str | None = None
    method: str | None = None
    similarity: str | None = None
    damping: float | None = None
    weights: str | None = None
    output: str | None = None
    corruptions: str | None = None
    projection: str | None = None
    dimensions: int | None = Field(None, lt=2**31)
    modules: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    seed: Seed = 0

    def choices(self) -> Choices:
        """The attribution that is asked for."""
        return Choices(**{name: getattr(self, name) for name in Choices.__dataclass_fields__})

    @model_validator(mode="after")
    def _fits(self) -> Self:
        faults: list[str] = []
        attribution(self.choices(), faults)
        if faults:
            # they name options, which are keys here
            raise ValueError(" ".join(faults).replace("--lambda", "damping").replace("--", ""))
        return self


class Grid(_Table):
    """Runs: each source in each language in each size, and in all languages together; with each model and seed."""

    sources: Names
    languages: Annotated[Languages, Field(min_length=1)]
    sentences: Sizes = (echoes.SENTENCES,)
    """Sizes of the monolingual runs."""

    multilingual: Sizes = ()
    """Sizes of the runs in all languages, all languages together (E section 4.2: 10K); empty for none."""

    seeds: Seeds | None = None
    """The study's if not given, likewise the models."""

    models: Names | None = None
    editions: dict[Language, str] = {}
    """Edition by language, where the store has several."""

    def runs(self, models: int, seeds: int) -> int:
        """Runs in the grid, if a study has so many models and seeds."""
        each = len(self.languages) * len(self.sentences) + len(self.multilingual)
        return len(self.sources) * each * len(self.models or range(models)) * len(self.seeds or range(seeds))

    @model_validator(mode="after")
    def _divides(self) -> Self:
        each = len(self.languages)
        if self.multilingual and each < 2:
            raise ValueError("multilingual needs two languages or more: leave it out, or add some.")
        for size in self.multilingual:
            if size % each:
                raise ValueError(
                    f"multilingual: {size:,} sentences do not divide into {each} languages. "
                    f"Each gets as many: {max(1, round(size / each)) * each:,}"
                )
        return self


class Study(_Table):
    """A study file."""

    models: Names
    """By hub name, folder or name in the store; ``NAME@REVISION`` for a revision on the hub."""

    seeds: Seeds = (1,)
    finetuning: Finetuning = Finetuning()
    probing: Probing = Probing()
    influence: Influence | None = None
    """Nothing is traced if not given."""

    grid: tuple[Grid, ...] = ()

    @model_validator(mode="after")
    def _can_be_listed(self) -> Self:
        runs = sum(grid.runs(len(self.models), len(self.seeds)) for grid in self.grid)
        if runs > MOST_RUNS:
            raise ValueError(f"The grids come to {runs:,} runs, more than {MOST_RUNS:,}. Make several studies of it.")
        return self

    _sha256: str = PrivateAttr("")
    """Of the file's text."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's text."""
        return self._sha256


@dataclass(frozen=True)
class Run:
    """A fine-tuning run of the grid, but for its model."""

    source: str
    languages: tuple[str, ...]
    sentences: int
    seed: int
    editions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cell:
    """One job of a study."""

    kind: CellKind
    model: str
    """The pretrained model, as the file names it."""

    run: Run | None = None
    """The run that is trained, asked or traced; None for the pretrained model itself."""

    def __str__(self) -> str:
        if self.run is None:
            return f"{self.kind} {self.model}"
        run = self.run
        return f"{self.kind} {self.model} {run.source} {','.join(run.languages)} {run.sentences:,} seed {run.seed}"

    @property
    def needs(self) -> tuple["Cell", ...]:
        """Cells that have to be done before.

        A run needs the answers of the model that it starts from: not to train, but a model that cannot be asked should
        be found out before days of training.
        """
        pretrained = Cell("probe", self.model)
        if self.kind == "influence":
            return (pretrained, Cell("probe", self.model, self.run))
        if self.kind == "finetune":
            return (pretrained,)
        return (Cell("finetune", self.model, self.run),) if self.run else ()


def cells(study: Study) -> list[Cell]:
    """The cells of a study, each once, what others need before them."""
    found: dict[Cell, None] = {}
    for model in _models(study):
        found[Cell("probe", model)] = None
        for grid in study.grid:
            for run in _runs(grid, study.seeds) if model in (grid.models or study.models) else ():
                found |= dict.fromkeys(_of_run(study, model, run))
    return list(found)


def _models(study: Study) -> list[str]:
    return list(dict.fromkeys([*study.models, *(model for grid in study.grid for model in grid.models or ())]))


def _runs(grid: Grid, seeds: Sequence[int]) -> Iterator[Run]:
    """The runs of a grid; the same set of languages is the same run, however it was put."""
    sizes: list[tuple[tuple[str, ...], int]] = [((one,), size) for size in grid.sentences for one in grid.languages]
    sizes += [(tuple(sorted(grid.languages)), size) for size in grid.multilingual]
    for source in grid.sources:
        for languages, size in sizes:
            editions = tuple((one, grid.editions[one]) for one in languages if one in grid.editions)
            for seed in grid.seeds or seeds:
                yield Run(source, languages, size, seed, editions)


def _of_run(study: Study, model: str, run: Run) -> list[Cell]:
    traced = study.influence
    kinds: list[CellKind] = ["finetune", "probe"]
    if traced and traced.runs in ("all", _strategy(run)) and model in (traced.models or (model,)):
        kinds.append("influence")
    return [Cell(kind, model, run) for kind in kinds]


def _strategy(run: Run) -> Tracing:
    return "multilingual" if len(run.languages) > 1 else "monolingual"


def bundled() -> list[str]:
    """Names of the studies that come with mlv."""
    names = [entry.name for entry in files("mlv.ingest.studies").iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def study_text(name: str) -> str:
    """The text of a study file, or of the study of that name that comes with mlv.

    Raises NotFoundError where there is neither, DataError where it is no text.
    """
    path = Path(name)
    try:
        if not path.is_file() and name in bundled():
            return (files("mlv.ingest.studies") / f"{name}.toml").read_text(encoding="utf-8")
        # editors of Windows put a byte order mark before the text
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: {error.reason}.", "Save it as UTF-8.") from error
    except OSError as error:
        raise NotFoundError(
            f"There is no study file {name}: {error.strerror}.",
            f"Name a file, or one that comes with mlv: {', '.join(bundled())}",
        ) from error


def read_study(name: str) -> Study:
    """The study of a file or name. Raises DataError that says everything that is wrong with it, and where."""
    text = study_text(name)
    try:
        study = Study.model_validate(_toml(name, text))
    except ValidationError as error:
        raise _wrong(name, [_worded(detail) for detail in error.errors()]) from error
    study._sha256 = hashlib.sha256(text.encode()).hexdigest()
    models = _models(study)
    unknown = [model for model in (study.influence.models if study.influence else ()) if model not in models]
    if unknown:
        said = f"influence.models: {', '.join(unknown)} is no model of the study. It has {', '.join(models)}."
        raise _wrong(name, [said])
    return study


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    # a number of thousands of digits is a plain ValueError
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name} is no TOML: {excerpt(str(error), 500)}.", "Correct that line; https://toml.io has the syntax."
        ) from error


def _wrong(name: str, faults: Sequence[str]) -> DataError:
    listed = "".join(f"\n  - {excerpt(fault, 500)}" for fault in faults[:LISTED])
    return DataError(
        f"{name} has {len(faults)} problem{'s' if len(faults) > 1 else ''}:{listed}",
        "Correct the file. A whole one to look at: mlv study show echoes",
    )


def _worded(detail: Any) -> str:
    """One of pydantic's complaints: where, what, and what to do."""
    where = "".join(f" #{part + 1}" if isinstance(part, int) else f".{part}" for part in detail["loc"]).removeprefix(
        "."
    )
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no such key. Known here: {', '.join(_keys(detail['loc'][:-1]))}."
    if detail["type"] == "missing":
        return f"{where}: it is missing. Add it."
    if detail["type"] == "value_error":
        return f"{where}: {detail['ctx']['error']}".removeprefix(": ")
    return f"{where}: {detail['msg']}, not {detail['input']!r}."


def _keys(place: Iterable[str | int]) -> list[str]:
    """Keys of the table at a place of the file."""
    table: type[BaseModel] = Study
    for part in place:
        if isinstance(part, str):
            table = next(kind for kind in _tables(table.model_fields[part].annotation))
    return list(table.model_fields)


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a key's type speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables(inner)
