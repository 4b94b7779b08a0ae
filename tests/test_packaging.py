"""What an installation brings: imports are declared, versions pinned, and a worker needs no more than its group."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from command_line import Mlv
from tiny_model import save_model
from tiny_study import demo_store

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS = ("schema", "migrations", "ingest", "compute", "queries", "cli")

USED_BY_OTHERS = {
    "accelerate": "transformers trains with it",
    "protobuf": "transformers reads tokenizers of sentencepiece with it",
}
"""Packages that no module of mlv imports, and what they are for."""


def _name(requirement: str) -> str:
    """The module of a requirement, of which each has one that is named like it or like what it is a part of."""
    return re.split(r"[^\w-]", requirement, maxsplit=1)[0].lower().replace("-", "_").removesuffix("_skinny")


EXTRAS = PROJECT["project"]["optional-dependencies"]
DEV = EXTRAS.pop("dev")
DECLARED = [*PROJECT["project"]["dependencies"], *(one for requirements in EXTRAS.values() for one in requirements)]
WORKER = PROJECT["dependency-groups"]["worker"]


def _imported(files: Iterable[Path]) -> set[str]:
    """Modules of other packages that files import anywhere, also within functions."""
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    return found - {"mlv"} - sys.stdlib_module_names


def test_every_package_that_is_imported_is_declared_and_the_other_way_round() -> None:
    imported = _imported(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    assert imported | set(USED_BY_OTHERS) == set(map(_name, DECLARED))
    assert imported.isdisjoint(USED_BY_OTHERS)


def test_every_declared_package_is_pinned() -> None:
    pins = {_name(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert {_name(requirement) for requirement in (*DECLARED, *DEV)} - pins == set()


def test_the_worker_group_is_what_compute_imports() -> None:
    rooms = [ROOT / "compute", ROOT / "schema" / "jobs", ROOT / "schema" / "papers"]
    imported = _imported(file for room in rooms for file in room.rglob("*.py") if not file.name.startswith("slurm"))
    group = {_name(requirement) for requirement in WORKER}
    assert imported <= group
    assert set(WORKER) <= set(DECLARED)
    # the command line and its progress bars, and what transformers renders chat templates with
    assert group - imported == {"typer", "rich", "accelerate", "protobuf", "jinja2"}


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """The job directory of a fine-tuning that is planned and not run."""
    mlv: Mlv = demo_store(tmp_path)
    save_model(tmp_path / "model")
    options = ["--language", "fa", "--test-language", "fa", "--sentences", "8", "--epochs", "1", "--plan-only"]
    done = mlv("compute", "finetune", "--model", str(tmp_path / "model"), "--source", "lines", *options)
    assert done.code == 0
    return next((tmp_path / "jobs").iterdir())


def test_a_job_runs_where_there_is_only_the_worker_group(planned: Path) -> None:
    absent: dict[str, Any] = {_name(requirement): None for requirement in DECLARED if requirement not in WORKER}
    code = f"import sys; sys.modules |= {absent}; from mlv.cli.main import main; main()"
    command = [sys.executable, "-c", code, "compute", "run", str(planned), "--device", "cpu", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (planned / "outputs" / "model.json").exists()
