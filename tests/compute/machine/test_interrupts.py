"""Ctrl-C where libraries would lose it: on import, where all is caught, and in a call that looks for no signal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlv.compute.machine.interrupts import CODE, GRACE, MESSAGE

INSTALLED = """
import sys, time
from mlv.compute.machine import interrupts
interrupts.install()
def begun():
    print("begun", flush=True)
"""
LOST = """
begun()
end = time.monotonic() + 30
while time.monotonic() < end:
    try:
        time.sleep(0.01)
    except BaseException:
        pass
"""
IN_A_CALL = """
import hashlib
begun()
hashlib.pbkdf2_hmac("sha256", b"a", b"b", 100_000_000)
"""
ON_IMPORT = """
begun()
try:
    import caught
except BaseException:
    pass
time.sleep(0.3)
print("went on", flush=True)
"""
CLEARED_AWAY = """
begun()
try:
    time.sleep(30)
finally:
    print("cleared away", flush=True)
    interrupts.finish()
"""
LONGER = """
with interrupts.unwinding(3):
    begun()
    try:
        time.sleep(30)
    finally:
        time.sleep(1.5)
        print("others ended", flush=True)
        interrupts.finish()
"""
AFTER = """
interrupts.finish()
begun()
time.sleep(30)
"""


def _interrupt(code: str, *, ignored: bool = False, folder: Path | None = None) -> tuple[int, str, str, float]:
    """Exit code, output after its first line, messages, and seconds from the signal to the end."""
    handler = signal.SIG_IGN if ignored else signal.default_int_handler
    process = subprocess.Popen(
        [sys.executable, "-c", INSTALLED + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(folder or ".")])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error, time.monotonic() - sent


@pytest.mark.parametrize("code", [LOST, IN_A_CALL])
def test_a_process_that_does_not_end_is_ended(code: str) -> None:
    done = _interrupt(code)
    assert done[:3] == (CODE, "", f"{MESSAGE}\n")
    assert GRACE / 2 < done[3] < GRACE + 2


def test_an_import_that_catches_everything_does_not_go_on(tmp_path: Path) -> None:
    (tmp_path / "caught.py").write_text("import time\ntry:\n    time.sleep(5)\nexcept BaseException:\n    pass\n")
    assert _interrupt(ON_IMPORT, folder=tmp_path)[:3] == (CODE, "", f"{MESSAGE}\n")


def test_what_was_begun_is_cleared_away() -> None:
    assert _interrupt(CLEARED_AWAY)[:2] == (CODE, "cleared away\n")


def test_a_command_that_ends_others_has_the_time_that_it_asks_for() -> None:
    assert _interrupt(LONGER)[:2] == (CODE, "others ended\n")


def test_a_process_whose_command_is_over_ends_at_once() -> None:
    code, out, error, seconds = _interrupt(AFTER)
    assert (code, out, error) == (-signal.SIGINT, "", "")
    assert seconds < 2


def test_ctrl_c_stays_ignored_where_it_was(tmp_path: Path) -> None:
    code = "begun()\ntime.sleep(1)\nprint('done')"
    assert _interrupt(code, ignored=True)[:3] == (0, "done\n", "")
