"""What makes a day with mlv easier: help, completion, hints that work, silence where it is asked for."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import Mlv

from mlv.cli.app import app
from mlv.cli.edge import ExitCode
from mlv.schema.errors import UsageError

ROOT = Path(__file__).parents[2]
ROOMS = ("schema", "migrations", "ingest", "compute", "queries", "cli")
ORDER = [
    "demo",
    "db",
    "ingest",
    "study",
    "compute",
    "runs",
    "masks",
    "influence",
    "responses",
    "query",
    "plot",
    "report",
    "reproduce",
    "sql",
]


def _group(*names: str) -> Any:
    found: Any = typer.main.get_command(app)
    for name in names:
        found = found.get_command(None, name)
    return found


def test_help_lists_commands_in_the_order_of_a_study_and_cuts_none_off() -> None:
    root = _group()
    assert root.list_commands(None) == ORDER
    done = subprocess.run(
        [sys.executable, "-c", "from mlv.cli.main import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    said = " ".join(done.stdout.partition("Commands:")[2].split())
    assert "..." not in said
    for name in ORDER:
        assert " ".join(_group(name).help.partition("\n\n")[0].split()) in said


def _texts() -> Iterator[tuple[str, str]]:
    """Every text in the code but docstrings, with its file; what is put into it is X."""
    for path in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        expressions = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if node in expressions or node in parts:
                continue
            if isinstance(node, ast.JoinedStr):
                yield (
                    str(path),
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values),
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield str(path), node.value


HINTS = sorted(
    {
        (Path(path).relative_to(ROOT).as_posix(), hint)
        for path, text in _texts()
        for hint in re.findall(rf"\bmlv (?:{'|'.join(ORDER)})\b(?:(?!, )[^`;()\n])*", text)
    }
)


def test_there_are_hints() -> None:
    assert len(HINTS) > 50


@pytest.mark.parametrize(("path", "hint"), HINTS)
def test_what_a_hint_names_is_there(path: str, hint: str) -> None:
    """Its command, and every option that follows."""
    words = [word.strip("'\",.:") for word in hint.split()[1:]]
    command, used = _group(), 0
    while used < len(words) and getattr(command, "list_commands", None):
        inner = command.get_command(None, words[used])
        assert inner is not None or words[used] in ("...", "", "X"), f"{path}: mlv {' '.join(words)}"
        if inner is None:
            return
        command, used = inner, used + 1
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    options = {word.partition("=")[0] for word in words[used:] if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
    assert options <= known, f"{path}: mlv {' '.join(words)}"


def _completed(line: str, store: Path) -> list[str]:
    """What bash is given for a line."""
    words = shlex.split(line)
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'mlv'; from mlv.cli.main import main; main()"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "MLV_DB": str(store),
            "_MLV_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_names(on_empty: Mlv, tmp_path: Path) -> None:
    assert _completed("mlv query run unchanged_", on_empty.store) == ["unchanged_by_category", "unchanged_multilingual"]
    assert _completed("mlv query show coverage@", on_empty.store) == ["coverage@1"]
    own = shutil.copytree(on_empty.folder, tmp_path / "own")
    (own / "jobs" / "probe-1").mkdir(parents=True)
    (own / "jobs" / "probe-1" / "job.json").write_text("{")
    assert _completed("mlv runs show pr", own / on_empty.store.name) == ["probe-1"]
    # no store, or another file: nothing, and not a word
    other = tmp_path / "other.duckdb"
    other.write_text("no store")
    for store in (tmp_path / "none.duckdb", other):
        assert _completed("mlv compute finetune --model n", store) == []


def test_completion_imports_no_more_than_it_needs() -> None:
    code = (
        "import sys; from mlv.cli import completion; completion.queries('a'); "
        "print(sorted(set(sys.modules) & {'torch', 'duckdb', 'polars', 'pydantic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_quiet_says_nothing_but_errors(on_empty: Mlv, tmp_path: Path) -> None:
    output = ("sql", "SELECT 1 AS one", "-o", str(tmp_path / "one.csv"))
    assert "1 rows" in on_empty(*output).err
    assert on_empty("--quiet", *output).err == ""
    wrong = on_empty.bare("-q", "query", "show", "nothing")
    assert (wrong.code, "error: There is no query" in wrong.err) == (ExitCode.USAGE, True)


def test_json_is_the_format_json(on_empty: Mlv) -> None:
    assert json.loads(on_empty("runs", "list", "--json").out) == []
    assert on_empty("influence", "list", "--json").out == on_empty("influence", "list", "--format", "json").out
    listed = json.loads(on_empty.bare("query", "list", "--json", "--study", "sharing").out)
    assert {row["study"] for row in listed} == {"sharing"}
    assert {"name", "version", "question"} <= listed[0].keys()


def test_an_error_in_a_notebook_has_its_hint() -> None:
    assert UsageError("Wrong.", "Do it right.").__notes__ == ["  try: Do it right."]
    assert not hasattr(UsageError("Wrong."), "__notes__")
