"""Task blocks of a study file: a classifier, and those that are compared with it (Choenni, Garrette and Shutova 2023).

``[[task]]`` has the settings of a classifier, and beside them what its study does. It is short for blocks ``[[job]]``,
and one function says for which.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from mlv.ingest.jobs.request import Count, Name
from mlv.ingest.studies.cells import Cell

Make = Callable[[str, str, dict[str, Any]], list[Cell]]
"""Makes the cells of a kind and name with some settings."""

KEYS: Final = {"influence": ".influence", "validate": ".removal"}
"""Where in a block the settings of a kind are; of others in the block itself."""

CHOOSING: Final = ("targets", "items", "per_language", "pick")
"""Settings of ``influence`` that say which texts are traced, in place of which there are those of another job."""


class Task(BaseModel):
    """A block; what it has beside these keys are settings of ``classify``."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name
    """Its jobs are called after it: NAME-full, NAME-zero-shot and NAME-imbalanced are classifiers, NAME-full-predicted,
    NAME-full-traced and so on what is done with them, and NAME-full-removal is the validation."""

    leave_out: tuple[Name, ...] = ()
    """Languages: a classifier is trained without each (section 8.3)."""

    added: dict[str, tuple[Count, ...]] = {}
    """Percents by language: a classifier is given as much more of it for each (section 8.4)."""

    predict: Name | None = None
    """Split that all classifiers are asked, and whose texts are traced; test if not given."""

    influence: dict[str, Any] | None = None
    """Settings of ``influence``; nothing is traced if not given."""

    removal: dict[str, Any] | None = None
    """Settings of ``validate`` for the classifier of all languages; it is not trained again if not given."""

    @property
    def compositions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Part and settings of the classifiers that are compared with that of all languages."""
        for language in self.leave_out:
            yield "zero-shot", {"left_out": [language]}
        for language, percents in self.added.items():
            for percent in percents:
                yield "imbalanced", {"added": {language: percent}}


def cells_of(task: Task, make: Make) -> Iterator[Cell]:
    """The jobs of a block, each after those that it needs."""
    for full in make("classify", f"{task.name}-full", dict(task.model_extra or {})):
        yield full
        yield from (followed := _followed(task, full, make))
        for part, composition in task.compositions:
            for other in make("classify", f"{task.name}-{part}", full.as_given() | composition):
                yield other
                yield from _followed_alike(followed, full, other, make)


def _followed(task: Task, full: Cell, make: Make) -> list[Cell]:
    """What is done with the classifier of all languages."""
    split = {"split": task.predict} if task.predict else {}
    asked = make("predict", f"{full.block}-predicted", {"model": full} | split)
    about = {"run": asked} | split
    traced = [] if task.influence is None else make("influence", f"{full.block}-traced", about | task.influence)
    again = [] if task.removal is None else make("validate", f"{full.block}-removal", about | task.removal)
    return [*asked, *traced, *again]


def _followed_alike(followed: Sequence[Cell], full: Cell, other: Cell, make: Make) -> Iterator[Cell]:
    """The same done with another classifier, which is traced on the same texts, and not trained again."""
    instead = {full: other}
    for one in followed:
        if one.kind == "validate":
            continue
        settings = one.as_given(instead)
        if one.kind == "influence":
            settings = {name: value for name, value in settings.items() if name not in CHOOSING} | {"items_of": one}
        for cell in make(one.kind, one.block.replace(full.block, other.block), settings):
            instead[one] = cell
            yield cell
