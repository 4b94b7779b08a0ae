"""Tasks: what a classifier is to tell apart in a labelled source, and which labels stand for which class.

A task is a TOML file. Those in ``tasks/`` come with mlv; ``mlv ingest task --template`` writes one to adapt to a data
set of one's own. Two tasks of one source may cut its labels differently. No store is needed.
"""

import hashlib
from collections.abc import Iterator
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlv.schema.errors import DataError, NotFoundError, format_validation_errors, joined, listed
from mlv.schema.toml import parse_toml

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


class Task(BaseModel):
    """A task, as its file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    @cached_property
    def content(self) -> str:
        """Everything it says, as JSON: files that differ in comments and white space have the same."""
        return self.model_dump_json()

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def rows(self) -> list[tuple[str, int | None, str | None]]:
        """Labels with number, from 1, and name of their class; both are None for a label that is left out."""
        placed = [(label, self.classes.index(name) + 1, name) for label, name in self.labels.items()]
        return [*placed, *((label, None, None) for label in self.left_out)]


@cache
def packaged() -> tuple[Task, ...]:
    """The tasks that come with mlv, by code."""
    found = [file for file in files("mlv.ingest.reference").joinpath("tasks").iterdir() if file.name.endswith(".toml")]
    tasks = [parse(file.name, file.read_text(encoding="utf-8")) for file in found]
    return tuple(sorted(tasks, key=lambda task: task.code))


def read_task(path: Path) -> Task:
    """The task of a file. Raises NotFoundError, or DataError that says everything that is wrong with it."""
    try:
        return parse(path.name, path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error.reason}.", "Save it as UTF-8.") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(
            f"There is no task {path}.", "Write one to adapt: mlv ingest task --template FILE"
        ) from error


def parse(name: str, text: str) -> Task:
    """The task of a TOML text; ``name`` is for messages. Raises DataError."""
    try:
        task = Task.model_validate(parse_toml(name, text))
    except ValidationError as error:
        raise _wrong(name, format_validation_errors(error, Task)) from error
    if problems := list(_problems(task)):
        raise _wrong(name, problems)
    return task


def _wrong(name: str, problems: list[str]) -> DataError:
    return DataError(f"{name} is no task that can be used:{listed(problems)}", "Correct these in the file.")


def _problems(task: Task) -> Iterator[str]:
    """What is wrong with a task whose form is right."""
    if twice := sorted({name for name in task.classes if task.classes.count(name) > 1}):
        yield f"classes: {joined(twice)} stands there twice"
    for label, name in task.labels.items():
        if name not in task.classes:
            yield f"labels.{label}: {name!r} is not one of the classes ({joined(task.classes)})"
    if empty := [name for name in task.classes if name not in task.labels.values()]:
        yield f"classes: no label stands for {joined(empty)}"
    if both := [label for label in task.left_out if label in task.labels]:
        yield f"left_out: {joined(both)} has a class in labels"
