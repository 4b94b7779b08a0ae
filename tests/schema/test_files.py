"""Files written aside: what is at a path before, and what is there after."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlv.schema.files import aside_path, written_aside

WRITE = """
import sys
from pathlib import Path
from mlv.schema.files import written_aside
with written_aside(Path(sys.argv[1])) as aside:
    aside.write_bytes(b"new")
"""


def _write(path: Path, content: bytes = b"new") -> None:
    with written_aside(path) as aside:
        aside.write_bytes(content)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    """Over two links, one of them relative, in another folder; nothing is left in either."""
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "table.csv"
    target.write_bytes(b"old")
    (tmp_path / "there" / "latest.csv").symlink_to("table.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "there" / "latest.csv")
    _write(link)
    assert link.is_symlink() and (tmp_path / "there" / "latest.csv").is_symlink()
    assert target.read_bytes() == b"new"
    assert _names(tmp_path / "there") == ["latest.csv", "table.csv"]
    assert _names(tmp_path) == ["link.csv", "there"]


def test_what_a_link_leads_to_is_made_if_it_is_not_there(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to("to come.csv")
    _write(link)
    assert link.is_symlink() and (tmp_path / "to come.csv").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    path.chmod(mode)
    _write(path)
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, b"new")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    os.chown(path, 1234, 1235)
    _write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    # for root every file may be
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"table\.csv"):
        _write(path)
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["table.csv"]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        _write(tmp_path)


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="boom"), written_aside(path) as aside:
        aside.write_bytes(b"half")
        raise ValueError("boom")
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["table.csv"]


def test_a_pipe_stays_and_its_reader_gets_all(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    _write(path, b"x" * 200_000)
    reader.join(10)
    assert read == [b"x" * 200_000]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_stays() -> None:
    _write(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_written_into_by_its_name(tmp_path: Path, name: str) -> None:
    """A pipe, and a file, in which what stood there before stays."""
    command = [sys.executable, "-c", WRITE, name]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"new"
    path = tmp_path / "out"
    with path.open("wb") as out:
        out.write(b"header ")
        out.flush()
        inode = path.stat().st_ino
        subprocess.run(command, stdout=out, check=True)
    assert (path.read_bytes(), path.stat().st_ino) == (b"header new", inode)


@pytest.mark.parametrize("name", ["x" * 250 + ".csv", "\u067e" * 120 + ".csv"])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert aside_path(path).name.endswith(".part")
    _write(path)
    assert path.read_bytes() == b"new"
