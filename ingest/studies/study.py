"""The study file: a list of jobs, and the cells that it comes to.

A block ``[[job]]`` has a kind and settings of that kind (``Request`` in ``mlv.ingest.jobs``). A list stands for one job
per value, several lists for all combinations; ``each`` has tables of settings that go together. ``@name`` refers to the
jobs of an earlier block: as a model to the state that such a job makes or examines, as a run to the run behind it, as a
mask to the subnetwork that it found. A block ``[[task]]`` is short for several of them
(``mlv.ingest.studies.task_blocks``). A *cell* is one job of the study. Cells follow from the file alone;
``mlv.ingest.studies.status`` holds them against a store. This folder has the files that come with mlv.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from mlv.ingest.jobs.kinds import in_study
from mlv.ingest.jobs.kinds import kind as find_kind
from mlv.ingest.studies.cells import Cell, frozen, replaced
from mlv.ingest.studies.task_blocks import KEYS, Task, cells_of
from mlv.schema.errors import DataError, NotFoundError, at_key, excerpt, format_validation_errors, joined, listed
from mlv.schema.jobs.kinds import KINDS
from mlv.schema.toml import parse_toml

MOST_CELLS: Final = 100_000
"""Jobs that a study may have; the paper's whole grid with five seeds has about 1,500."""

LONGEST_PROBLEM: Final = 500
"""Characters of a problem that an error quotes."""


@dataclass(frozen=True)
class Study:
    """A study file."""

    cells: tuple[Cell, ...]
    """Each once, what others need before them."""

    sha256: str
    """Of the file's text."""

    @property
    def models(self) -> tuple[str, ...]:
        """Models that the file names, each once."""
        named = (name for cell in self.cells for name in _named_models(cell))
        return tuple(dict.fromkeys(named))


def _named_models(cell: Cell) -> list[str]:
    settings = dict(cell.settings)
    names = (settings[name] for name in find_kind(cell.kind).Request.model_names())
    return [name for name in names if isinstance(name, str)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    defaults: dict[str, dict[str, Any]] = {}
    """Settings by kind, which blocks of that kind need not repeat."""

    job: tuple[dict[str, Any], ...] = ()
    task: tuple[dict[str, Any], ...] = ()


def bundled() -> list[str]:
    """Names of the studies that come with mlv."""
    names = [entry.name for entry in files("mlv.ingest.studies").iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def study_text(name: str) -> str:
    """The text of a study file, or of the study of that name that comes with mlv.

    Raises NotFoundError if there is neither, DataError if it is not text.
    """
    path = Path(name)
    try:
        if not path.is_file() and name in bundled():
            return (files("mlv.ingest.studies") / f"{name}.toml").read_text(encoding="utf-8")
        # editors of Windows put a byte order mark before the text
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error.reason}.", "Save it as UTF-8.") from error
    except OSError as error:
        raise NotFoundError(
            f"There is no study file {name}: {error.strerror}.",
            f"Name a file, or one that comes with mlv: {', '.join(bundled())}",
        ) from error


def read_study(name: str) -> Study:
    """The study of a file or name. Raises DataError that says everything that is wrong with it, and where."""
    text = study_text(name)
    try:
        file = _File.model_validate(parse_toml(name, text))
    except ValidationError as error:
        raise _wrong(name, format_validation_errors(error, _File)) from error
    reader = _Reader(file)
    cells = reader.cells()
    if reader.problems:
        raise _wrong(name, list(dict.fromkeys(reader.problems)))
    return Study(_settled(cells), hashlib.sha256(text.encode()).hexdigest())


def _wrong(name: str, problems: Sequence[str]) -> DataError:
    return DataError(
        f"{name} has {len(problems)} problem{'s' if len(problems) > 1 else ''}:"
        f"{listed(excerpt(problem, LONGEST_PROBLEM) for problem in problems)}",
        "Correct the file. A whole one to look at: mlv study show echoes",
    )


class _Reader:
    """Makes cells of blocks, and collects what is wrong with them."""

    def __init__(self, file: _File) -> None:
        self.problems = [
            f"defaults.{kind}: there is no such kind of job. There are {joined(KINDS)}."
            for kind in file.defaults
            if kind not in KINDS
        ]
        if not file.job and not file.task:
            self.problems.append("job: it is missing. Add a block [[job]].")
        self._file = file
        self._named: dict[str, list[Cell]] = {}

    def cells(self) -> tuple[Cell, ...]:
        """The cells of all blocks, each once."""
        found: dict[Cell, None] = {}
        for cells in self._blocks():
            found |= dict.fromkeys(itertools.islice(cells, MOST_CELLS + 1))
            if len(found) > MOST_CELLS:
                self.problems.append(f"The file comes to more than {MOST_CELLS:,} jobs. Make several studies of it.")
                break
        return tuple(found)

    def _blocks(self) -> Iterator[Iterable[Cell]]:
        """The cells of each block: those of tasks after the jobs that they may refer to, and before those that refer to
        them."""
        jobs = [(f"job #{number}", block) for number, block in enumerate(self._file.job, start=1)]
        later = _referring(self._file.task, self._file.job)
        yield from (self._job(place, block) for place, block in jobs if block not in later)
        yield from (self._task(f"task #{number}", block) for number, block in enumerate(self._file.task, start=1))
        yield from (self._job(place, block) for place, block in jobs if block in later)

    def _job(self, place: str, block: Mapping[str, Any]) -> Iterable[Cell]:
        kind, name, cells = str(block.get("kind")), block.get("name"), list[Cell]()
        if name is not None and not self._is_new(place, name):
            return ()
        if kind in KINDS:
            # a model that is made here is called as its block
            reserved = {"kind", "only", "each"} | ({"name"} - find_kind(kind).Request.model_fields.keys())
            own = {key: value for key, value in block.items() if key not in reserved}
            for row in self._rows(place, own, block.get("each", [{}])):
                cells += self._cells(place, kind, name or kind, row, block.get("only", {}))
                if len(cells) > MOST_CELLS:
                    break
        else:
            self.problems.append(f"{place}.kind: there is no kind of job {kind!r}. There are {joined(KINDS)}.")
        if name:
            self._named[name] = cells
        return cells

    def _rows(self, place: str, own: Mapping[str, Any], each: Any) -> Iterator[dict[str, Any]]:
        """The settings of a block with those of each table, or of each combination of tables from several lists."""
        lists = each if isinstance(each, list) and all(isinstance(one, list) for one in each) else [each]
        if not lists or not all(_are_tables(one) for one in lists):
            self.problems.append(f"{place}.each: it is a list of tables, or several: [{{ seed = 1 }}, {{ seed = 2 }}].")
            return
        for tables in itertools.product(*lists):
            given = [key for table in (own, *tables) for key in table]
            if twice := [key for key in dict.fromkeys(given) if given.count(key) > 1]:
                self.problems.append(f"{place}.each: {joined(twice)} is given twice. Give it once.")
                return
            yield {key: value for table in (own, *tables) for key, value in table.items()}

    def _task(self, place: str, block: Mapping[str, Any]) -> Iterable[Cell]:
        try:
            task = Task.model_validate(block)
        except ValidationError as error:
            self.problems += format_validation_errors(error, Task, lambda where: at_key([place, *where]))
            return ()
        if not self._is_new(place, task.name):
            return ()
        others = set(self._named)

        def make(kind: str, name: str, settings: Mapping[str, Any]) -> list[Cell]:
            if name in others and not self._is_new(place, name):
                return []
            cells = self._cells(f"{place}{KEYS.get(kind, '')}", kind, name, settings)
            for called in (name, task.name) if KINDS[kind].MAKES_CHECKPOINTS else (name,):
                self._named.setdefault(called, []).extend(cells)
            return cells

        return cells_of(task, make)

    def _is_new(self, place: str, name: Any) -> bool:
        if isinstance(name, str) and name and name not in self._named:
            return True
        self.problems.append(f"{place}.name: {name!r} is not a name of its own. Give one, or leave it out.")
        return False

    def _cells(
        self, place: str, kind: str, name: str, own: Mapping[str, Any], only: Mapping[str, Any] = MappingProxyType({})
    ) -> list[Cell]:
        """The cells of a kind with some settings, beside those that the file has for all of the kind: at most one more
        than a study may have."""
        settings = self._file.defaults.get(kind, {}) | dict(own)
        axes = {key: self._values(place, kind, key, given, only) for key, given in settings.items()}
        shown = tuple(key for key in find_kind(kind).Request.model_fields if key in own or len(axes.get(key, ())) > 1)
        found: list[Cell] = []
        for combination in itertools.islice(itertools.product(*axes.values()), MOST_CELLS + 1):
            complete = self._complete(place, kind, dict(zip(axes, combination, strict=True)))
            if complete is None:
                break
            found.append(Cell(kind, complete, name, shown))
        return found

    def _values(self, place: str, kind: str, key: str, given: Any, only: Any) -> Sequence[Any]:
        """The values that a key stands for."""
        declared = find_kind(kind).Request.model_fields.get(key)
        takes_list = declared is not None and get_origin(declared.annotation) is tuple
        inner = given and isinstance(given, list) and isinstance(given[0], list)
        values = given if isinstance(given, list) and (inner or not takes_list) else [given]
        return [found for value in values for found in self._referred(f"{place}.{key}", value, only)]

    def _referred(self, place: str, value: Any, only: Any) -> Sequence[Any]:
        """The cells of a reference, or the value itself; of a table one for each combination of those in it."""
        if isinstance(value, dict):
            inner = [self._entry(f"{place}.{key}", entry, only) for key, entry in value.items()]
            return [dict(zip(value, entries, strict=True)) for entries in itertools.product(*inner)]
        if not (isinstance(value, str) and value.startswith("@")):
            return [value]
        cells = self._named.get(value[1:])
        if cells is None:
            self.problems.append(f"{place}: no earlier job is named {value[1:]}. Named before: {joined(self._named)}.")
            return []
        wanted = {key: given if isinstance(given, list) else [given] for key, given in dict(only).items()}
        found = [cell for cell in cells if all(_any_of(cell.chain(key), wanted[key]) for key in wanted)]
        if cells and not found:
            self.problems.append(
                f"{place}: `only` leaves none of the jobs named {value[1:]}. Correct it, or leave it out."
            )
        return found

    def _entry(self, place: str, entry: Any, only: Any) -> Sequence[Any]:
        """What an entry of a table stands for, or the items of one."""
        if not isinstance(entry, list):
            return self._referred(place, entry, only)
        items = [self._referred(f"{place} #{number}", item, only) for number, item in enumerate(entry, start=1)]
        return [list(some) for some in itertools.product(*items)]

    def _complete(self, place: str, kind: str, settings: dict[str, Any]) -> tuple[tuple[str, Any], ...] | None:
        """All settings of a cell; None if some do not fit."""
        request = find_kind(kind).Request
        names: dict[Cell, str] = {}
        for cell in (item for item in _values_in(settings) if isinstance(item, Cell)):
            name = f"@{cell.block}"
            names.setdefault(cell, f"{name} {len(names) + 1}" if name in names.values() else name)
        try:
            fields = dict(request.model_validate(_exchanged(settings, names)))
        except ValidationError as error:
            self.problems += format_validation_errors(error, request, lambda where: at_key([place, *where]))
            return None
        cells = {name: cell for cell, name in names.items()}
        return tuple((key, frozen(_exchanged(value, cells))) for key, value in fields.items())


def _referring(tasks: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Blocks that refer to those of tasks, directly or not."""
    found, names = [], [f"@{block.get('name')}" for block in tasks]
    parts = tuple(f"{name}-" for name in names)
    for block in jobs:
        if any(item in names or str(item).startswith(parts) for item in _values_in(block)):
            found.append(block)
            names.append(f"@{block.get('name')}")
    return found


def _values_in(value: Any) -> Iterator[Any]:
    """A value, or those in a list or table of them, however deep."""
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values_in(inner)
    else:
        yield value


def _exchanged(value: Any, instead: Mapping[Any, Any]) -> Any:
    """A value with others in the place of some, also within tables and lists."""
    if isinstance(value, dict):
        return {key: _exchanged(inner, instead) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_exchanged(inner, instead) for inner in value)
    return instead.get(value, value) if isinstance(value, Cell | str) else value


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(table, dict) for table in value)


def _settled(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells, each once, with the settings whose default hangs on other cells of their kind."""
    settings: dict[Cell, Mapping[str, Any]] = {}
    for kind in dict.fromkeys(cell.kind for cell in cells):
        alike = [cell for cell in cells if cell.kind == kind]
        settings |= zip(alike, in_study(kind, [dict(cell.settings) for cell in alike]), strict=True)
    found: dict[Cell, Cell] = {}
    for cell in cells:
        # a cell comes after those that it refers to
        values = {key: replaced(value, found.__getitem__) for key, value in settings[cell].items()}
        found[cell] = replace(cell, settings=tuple(values.items()))
    return tuple(dict.fromkeys(found.values()))


def _any_of(values: Iterable[Any], wanted: Sequence[Any]) -> bool:
    """Whether one of the values is wanted, as a file writes it."""
    return any((list(value) if isinstance(value, tuple) else value) in wanted for value in values)
