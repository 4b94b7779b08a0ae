"""Tasks: those that come with mlv, and what a file may say."""

from pathlib import Path

import pytest

from mlv.ingest.readers import afrisenti, marc, pawsx, sib200, xnli
from mlv.ingest.reference.task import TEMPLATE, Task, packaged
from mlv.schema.errors import DataError, NotFoundError

LABELS = {module.SOURCE.code: module.LABELS.known for module in (afrisenti, marc, pawsx, sib200, xnli)}

TASK = """
code = "t"
source = "own"
classes = ["no", "yes"]
left_out = ["maybe"]
[labels]
n = "no"
y = "yes"
j = "yes"
"""


def test_tasks_that_come_with_mlv() -> None:
    assert [task.code for task in packaged()] == [
        "afrisenti-polarity", "afrisenti-sentiment", "marc-polarity", "marc-stars", "pawsx-paraphrase", "sib200-topic",
        "xnli", "xnli-entailment",
    ]  # fmt: skip
    assert all(task.description for task in packaged())


@pytest.mark.parametrize("task", packaged(), ids=lambda task: task.code)
def test_they_place_every_label_of_their_source(task: Task) -> None:
    assert {label for label, _, _ in task.rows} == set(LABELS[task.source])


def test_labels_have_numbers_of_classes_from_one() -> None:
    task = Task.parse("t.toml", TASK)
    assert task.rows == [("n", 1, "no"), ("y", 2, "yes"), ("j", 2, "yes"), ("maybe", None, None)]
    again = Task.parse("t.toml", TASK.replace('["no", "yes"]', '["yes", "no"]'))
    assert [number for _, number, _ in again.rows] == [2, 1, 1, None]
    assert again.sha256 != task.sha256 == Task.parse("other.toml", f"# a remark\n{TASK}").sha256


def test_the_template_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(TEMPLATE, encoding="utf-8")
    task = Task.read(tmp_path / "t.toml")
    assert (task.classes, task.left_out) == (("negative", "positive"), ("3",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('code = "t"', 'code = "My task"', "code"),
        ('source = "own"', "", "source: it is missing"),
        ('["no", "yes"]', '["no"]', "classes"),
        ('["no", "yes"]', '["no", "yes", "yes"]', "classes: yes stands there twice"),
        ('["no", "yes"]', '["no", "yes", "other"]', "classes: no label stands for other"),
        ('n = "no"', 'n = "none"', "labels.n: 'none' is not one of the classes (no, yes)"),
        ('["maybe"]', '["maybe", "y"]', "left_out: y has a class in labels"),
        ('["maybe"]', '[""]', "left_out"),
        ('code = "t"', 'code = "t"\nclass = 1', "class: there is no such key"),
        ('code = "t"', "code = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Task.parse("t.toml", TASK.replace(old, new))
    assert message in caught.value.message


def test_files_that_are_no_tasks(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no task") as caught:
        Task.read(tmp_path / "t.toml")
    assert "mlv ingest task --template" in caught.value.hint
    (tmp_path / "t.toml").write_bytes(b"\xff")
    with pytest.raises(DataError, match="is not text in UTF-8"):
        Task.read(tmp_path / "t.toml")
