"""Ctrl-C at many moments of commands that import, read, plan and train: it ends them, soon, and loses nothing."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from command_line import Mlv

from mlv.cli import edge
from mlv.compute.machine.interrupts import MESSAGE

BEGUN = "import sys; print('begun', flush=True); from mlv.cli.main import main; main()"
FINETUNE = ("compute", "finetune", "--model", "nano", "--source", "lines", "--language", "fa", "--test-language", "fa")
COMMANDS = {
    "help": ("--help",),
    "query": ("query", "run", "coverage"),
    "finetune": (*FINETUNE, "--sentences", "40", "--epochs", "30", "--threads", "1"),
}
SOON = 2.0
"""Seconds in which a process has to end: a second is promised, and this machine may have much else to do."""


class Interrupted(NamedTuple):
    """A process that was interrupted, and what became of it."""

    code: int
    """As a shell has it."""

    error: str
    seconds: float
    """From the signal to the end."""


def _interrupt(arguments: tuple[str, ...], folder: Path, delay: float) -> Interrupted:
    process = subprocess.Popen(
        [sys.executable, "-c", BEGUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        # a shell that starts tests in the background lets its children ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, error = process.communicate(timeout=60)
    code = process.returncode
    return Interrupted(128 - code if code < 0 else code, error, time.monotonic() - sent)


@pytest.mark.parametrize(
    ("command", "delays"),
    [
        ("help", (0.0, 0.05)),
        ("query", (0.05, 0.2, 0.5, 0.8)),
        ("finetune", (0.05, 0.2, 0.4, 0.7, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0)),
    ],
)
def test_ctrl_c_ends_a_command_at_any_moment(
    nano_study: Path, tmp_path: Path, command: str, delays: tuple[float, ...]
) -> None:
    folder = Path(shutil.copytree(nano_study, tmp_path / "study"))
    runs = Mlv(folder).rows("SELECT name FROM run")
    ended = {delay: _interrupt(COMMANDS[command], folder, delay) for delay in delays}
    for delay, found in ended.items():
        # a short command may be done before the signal
        allowed = (edge.ExitCode.INTERRUPTED,) if command == "finetune" else (edge.ExitCode.INTERRUPTED, 0)
        assert found.code in allowed, (delay, found)
        assert "fault of mlv" not in found.error, (delay, found)
        assert found.seconds < SOON, (delay, found)
    assert any(MESSAGE in found.error for found in ended.values()) or command == "help"
    assert Mlv(folder).rows("SELECT name FROM run") == runs
