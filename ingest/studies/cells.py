"""A cell: one job of a study, by what a study file says of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from mlv.ingest.jobs.kinds import kind as find_kind
from mlv.ingest.jobs.request import Request


@dataclass(frozen=True)
class Cell:
    """One job of a study. Cells that ask for the same are equal, whatever block they are from."""

    kind: str
    settings: tuple[tuple[str, Any], ...]
    """All settings of the kind; a cell in place of a reference, also within a table."""

    block: str = field(compare=False)
    """Name of the block that it is from; its kind if that has none."""

    given: tuple[str, ...] = field(compare=False)
    """Names of the settings that the file gives."""

    @property
    def needs(self) -> tuple["Cell", ...]:
        """Cells that have to be committed before."""
        return tuple(cell for _, value in self.settings for cell in _cells_in(value))

    @property
    def about(self) -> tuple["Cell", ...]:
        """Those of them that it is about: that a setting refers to, and not an entry of a table."""
        return tuple(value for _, value in self.settings if isinstance(value, Cell))

    @property
    def model(self) -> str:
        """The model that it starts from, as the file names it, or asks behind an API; empty if there is none."""
        return str(self.setting("model") or self.setting("api_model") or (self.about and self.setting("name")) or "")

    def setting(self, name: str) -> Any:
        """A setting of the cell, or else of a cell that it is about; None if none of them has it."""
        return next(self.chain(name), None)

    def chain(self, name: str) -> "Iterator[Any]":
        """The values of a setting in the cell and in those that it is about, its own first."""
        own = dict(self.settings).get(name)
        if own is not None and not isinstance(own, Cell):
            yield own
        for cell in self.about:
            yield from cell.chain(name)

    def request(self, value: Callable[[str, "Cell"], str]) -> Request:
        """What is asked of the job, given what the reference of a setting to a cell stands for."""
        own = {name: replaced(given, partial(value, name)) for name, given in self.settings}
        return find_kind(self.kind).Request.model_validate({name: thawed(given) for name, given in own.items()})

    def asked(self) -> Request:
        """What is asked, references left as they are: what a job takes hangs on the other settings."""
        return self.request(lambda _, referred: f"@{referred.block}")

    def as_given(self, instead: Mapping["Cell", "Cell"] = MappingProxyType({})) -> dict[str, Any]:
        """The settings that the file gives, with other cells in place of some that it refers to."""
        settings = {name: value for name, value in self.settings if name in self.given}
        return {name: thawed(replaced(value, lambda cell: instead.get(cell, cell))) for name, value in settings.items()}

    def describe(self) -> str:
        """The settings that the file gives, a reference by those of the cell that it refers to, or by its block."""
        settings, jobs = dict(self.settings), find_kind(self.kind).Request.job_names()
        return " ".join(_described(name, settings[name], name in jobs) for name in self.given)

    def __str__(self) -> str:
        return f"{self.kind} {self.describe()}".strip()


def _described(name: str, value: Any, as_block: bool) -> str:
    if isinstance(value, Cell):
        return f"{name}=@{value.block}" if as_block else value.describe()
    value = replaced(value, lambda cell: f"@{cell.block}")
    if isinstance(value, _Table):
        value = tuple(f"{key}:{'+'.join(item) if isinstance(item, tuple) else item}" for key, item in value)
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if isinstance(value, str) or name == "languages" else f"{name}={text}"


def _cells_in(value: Any) -> Iterator[Cell]:
    """The cells in a setting."""
    if isinstance(value, Cell):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _cells_in(inner)


def replaced(value: Any, by: Callable[[Cell], Any]) -> Any:
    """A setting with something else in the place of each cell in it."""
    if isinstance(value, Cell):
        return by(value)
    if isinstance(value, _Table):
        return _Table((key, replaced(inner, by)) for key, inner in value)
    return tuple(replaced(inner, by) for inner in value) if isinstance(value, tuple) else value


def frozen(value: Any) -> Any:
    """A setting as something that can be compared and hashed."""
    return _Table(sorted(value.items())) if isinstance(value, dict) else value


def thawed(value: Any) -> Any:
    """A frozen setting as a file has it."""
    return dict(value) if isinstance(value, _Table) else value


class _Table(tuple[tuple[str, Any], ...]):
    """A table as a tuple of its items."""

    __slots__ = ()
