"""Tasks: what a classifier is to tell apart in a labelled source, and which labels stand for which class.

A task is a TOML file. Those in ``tasks/`` come with mlv; ``mlv ingest task --template`` writes one to adapt to a data
set of one's own. Two tasks of one source may cut its labels differently. No store is needed.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Annotated, Final

from pydantic import Field

from mlv.ingest.reference.document import Document
from mlv.schema.errors import joined

Code = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S+( \S+)*$")]

TEMPLATE: Final = """\
# A task: what a classifier is to tell apart, and which labels of a source stand for which class.
# Enter it after the texts: mlv ingest task THIS-FILE

code = "my-task"    # small letters, digits, hyphens; two tasks have two codes
source = "table-reviews"    # source of the labelled texts, as mlv ingest list has it before the first /
description = "Whether a review is favourable."

classes = ["negative", "positive"]    # in the order of the classifier's outputs
left_out = ["3"]    # labels whose texts are not of this task; the list may be missing

[labels]    # the class of every other label, spelt as in the files
1 = "negative"
2 = "negative"
4 = "positive"
5 = "positive"
"""
"""A task that can be read, with every key explained."""


class Task(Document):
    """A task, as its file says it."""

    WHAT = "task"
    HOW = "Write one to adapt: mlv ingest task --template FILE"

    code: Code
    """Its name in the store and on the command line."""

    source: Code
    """Source of the labelled texts."""

    description: str = ""
    """What is told apart, in words."""

    classes: tuple[Label, ...] = Field(min_length=2)
    """Names of the classes, in the order of a classifier's outputs."""

    labels: dict[Label, Label] = Field(min_length=1)
    """The class of each label; several labels may stand for one."""

    left_out: tuple[Label, ...] = ()
    """Labels that the source has and the task has not."""

    @property
    def rows(self) -> list[tuple[str, int | None, str | None]]:
        """Labels with number, from 1, and name of their class; both are None for a label that is left out."""
        placed = [(label, self.classes.index(name) + 1, name) for label, name in self.labels.items()]
        return [*placed, *((label, None, None) for label in self.left_out)]

    def problems(self) -> Iterator[str]:
        """What is wrong with it although its form is right."""
        if twice := sorted({name for name in self.classes if self.classes.count(name) > 1}):
            yield f"classes: {joined(twice)} stands there twice"
        for label, name in self.labels.items():
            if name not in self.classes:
                yield f"labels.{label}: {name!r} is not one of the classes ({joined(self.classes)})"
        if empty := [name for name in self.classes if name not in self.labels.values()]:
            yield f"classes: no label stands for {joined(empty)}"
        if both := [label for label in self.left_out if label in self.labels]:
            yield f"left_out: {joined(both)} has a class in labels"


@cache
def packaged() -> tuple[Task, ...]:
    """The tasks that come with mlv, by code."""
    found = [file for file in files("mlv.ingest.reference").joinpath("tasks").iterdir() if file.name.endswith(".toml")]
    tasks = [Task.parse(file.name, file.read_text(encoding="utf-8")) for file in found]
    return tuple(sorted(tasks, key=lambda task: task.code))
