"""A copy of mlv that has the kind of job and the study of docs/extending.md."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "extending.md"
EXAMPLE = ROOT / "docs" / "example"
ROOMS = ("schema", "migrations", "ingest", "compute", "queries", "cli")


class Edit(NamedTuple):
    """Lines of a file, and what replaces them."""

    file: str
    old: str
    new: str

    @property
    def lines(self) -> int:
        """Lines that are added or changed."""
        return len(set(self.new.splitlines()) - set(self.old.splitlines()))


def edits() -> list[Edit]:
    """The edits that the page prints."""
    (diff,) = re.findall(r"```diff\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = []
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        file, _, body = part.partition("\n")
        for hunk in body.split("@@\n"):
            lines = hunk.splitlines()
            old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
            found.append(Edit(file, old, "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")))
    return found


def make_copy(folder: Path) -> None:
    """Make ``folder/mlv``, to be found by ``PYTHONPATH``."""
    package = folder / "mlv"
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits():
        if edit.file != "pyproject.toml":
            text = (package / edit.file).read_text(encoding="utf-8")
            assert text.count(edit.old) == 1, edit
            (package / edit.file).write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    shutil.copytree(EXAMPLE, package, dirs_exist_ok=True)
