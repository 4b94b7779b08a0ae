"""The command line as tests drive it: in this process, or as one that can be killed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from mlv.cli import edge
from mlv.cli.app import app
from mlv.schema.store.opening import open_store

COMMAND = typer.main.get_command(app)
"""The application, whose commands and options are found out once."""


class Done(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


class Mlv:
    """The command line in this process, on one store."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str] | None = None) -> None:
        self.folder, self.store, self._capture = folder, folder / "mlv.duckdb", capture

    def __call__(self, *arguments: str) -> Done:
        """Run a command with the store's ``--db``."""
        return self.bare(*arguments, "--db", str(self.store))

    def bare(self, *arguments: str) -> Done:
        """Run a command with these arguments alone."""
        try:
            code = edge.run(lambda: COMMAND([*arguments]))
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = self._capture.readouterr() if self._capture else ("", "")
        return Done(code, captured[0], captured[1])

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the store."""
        with open_store(self.store) as connection:
            return connection.execute(statement).fetchall()

    def process(self, *arguments: str) -> "subprocess.Popen[str]":
        """Run a command in a process of its own, in which it can be killed."""
        return subprocess.Popen(
            [sys.executable, "-c", "from mlv.cli.main import main; main()", *arguments, "--db", str(self.store)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
