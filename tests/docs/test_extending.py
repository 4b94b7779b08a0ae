"""The example of docs/extending.md does what the page says, with the edits that it prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from extended import EXAMPLE, PAGE, edits, make_copy

HELPERS = Path(__file__).parent.parent / "helpers"


def test_few_lines_of_existing_files_are_edited() -> None:
    lines, files = sum(edit.lines for edit in edits()), len({edit.file for edit in edits()})
    assert lines <= 8
    assert f"{lines} lines in {files} files" in PAGE.read_text(encoding="utf-8")


def test_the_page_lists_the_files_of_the_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for path in (path for path in EXAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        name, lines = path.relative_to(EXAMPLE), len(path.read_text(encoding="utf-8").splitlines())
        assert f"| [`{name}`](example/{name}) | {lines} |" in text


def test_the_example_goes_from_plan_to_report(tmp_path: Path) -> None:
    make_copy(tmp_path)
    (tmp_path / "study").mkdir()
    done = subprocess.run(
        [sys.executable, HELPERS / "example_study.py", tmp_path / "study"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{HELPERS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_edit_that_no_longer_fits_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extended.edits", lambda: [edits()[0]._replace(old="not there")])
    with pytest.raises(AssertionError):
        make_copy(tmp_path)
