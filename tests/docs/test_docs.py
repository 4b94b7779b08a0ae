"""What the pages say exists: commands, options, queries, files."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from mlv.cli.app import app
from mlv.ingest.studies.study import read_study
from mlv.queries import catalogue

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _commands(text: str) -> list[str]:
    """Lines of shell blocks, and inline code, that call mlv."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`(mlv [a-z][^`]*)`", text)
    return [line for line in lines + inline if line.startswith("mlv ")]


def _find(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words after it."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while rest and (inner := _inner(command, rest[0])):
        command = inner
        rest.pop(0)
    return command, rest


def _inner(group: Any, name: str) -> Any:
    """The command of a group; None if there is none, or it is no group."""
    return group.get_command(typer.Context(group), name) if hasattr(group, "get_command") else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_on_a_page_exists(page: Path) -> None:
    for line in _commands(page.read_text(encoding="utf-8")):
        words = shlex.split(line.replace("...", "").replace("…", ""), comments=True)[1:]
        command, rest = _find(words)
        known = {option for parameter in command.params for option in parameter.opts}
        for word in rest:
            if word.startswith("-") and word != "-":
                assert word in known or word == "--help", f"{page.name}: {line}"
        unfinished = any(word in ("|", ">") for word in rest)
        assert not hasattr(command, "get_command") or len(words) <= 1 or unfinished, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_query_that_a_page_runs_exists(page: Path) -> None:
    named = re.findall(r"mlv query (?:run|show) ([a-z_]+)", page.read_text(encoding="utf-8"))
    assert set(named) <= {query.name for query in catalogue()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_reference_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    rooms = "schema|migrations|ingest|compute|queries|cli|tests|bench|docs"
    named = re.findall(rf"`((?:{rooms})/[a-z0-9_/.-]+)`", page.read_text(encoding="utf-8"))
    known = [ROOT, ROOT / "docs" / "example"]
    assert [name for name in named if not any((folder / name).exists() for folder in known)] == []


def test_the_first_studys_file_has_the_cells_that_its_page_says() -> None:
    found = read_study(str(ROOT / "docs" / "first-study.toml"))
    [said] = re.findall(r"in (\d+) cells", (ROOT / "docs" / "first-study.md").read_text("utf-8"))
    assert len(found.cells) == int(said)
    assert [cell.kind for cell in found.cells].count("influence") == 10
