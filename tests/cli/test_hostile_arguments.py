"""Arguments and names that would harm a terminal or a store: shown escaped, or refused."""

import subprocess
import sys

import pytest

from mlv.cli.edge import ExitCode, say


def test_control_characters_are_shown_and_not_sent_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31mb\x07\x9bc\rd\n\te فارسی\u200c")
    assert capsys.readouterr().err == "a\\x1b[31mb\\x07\\x9bc\\x0dd\n\te فارسی\u200c\n"


def test_an_argument_that_is_not_utf8_is_refused() -> None:
    command = [sys.executable.encode(), b"-c", b"from mlv.cli.main import main; main()", b"sql", b"SELECT '\xff'"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == ExitCode.USAGE and b"is not UTF-8" in done.stderr and done.stdout == b""
