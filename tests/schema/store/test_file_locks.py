"""Whether locks work in the folder of a store: mounts are read, and the lock test is done for real."""

import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.schema.errors import StoreError
from mlv.schema.store import file_locks
from mlv.schema.store.file_locks import (
    Mount,
    lock_failure,
    lock_problem,
    mount_of,
    read_mount_table,
    read_mountinfo,
    require_locks,
)
from mlv.schema.store.opening import connect

MOUNTINFO = """\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 0:30 / /home rw,nosuid shared:2 master:3 - nfs4 server:/export/home rw,vers=4.2,local_lock=none
41 27 0:31 / /scratch rw - lustre mds@tcp:/scratch rw,flock
42 27 0:32 / /old rw - nfs server:/old rw,vers=3,nolock,local_lock=all
43 27 0:33 / /fast rw - lustre mds@tcp:/fast rw,localflock
44 27 0:34 / /my\\040share rw - cifs //server/share rw,nobrl
45 27 0:35 / /far rw - fuse.sshfs me@server: rw,user_id=0
46 27 0:36 / /home/local rw - xfs /dev/vdb rw
47 27 0:37 / /scratch rw - tmpfs none rw
"""

MAC = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@server/share on /Volumes/my share (smbfs, nodev, nosuid, mounted by me)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
"""


@pytest.mark.parametrize(
    ("folder", "point", "kind"),
    [
        ("/data/study", "/", "ext4"),
        ("/home/me", "/home", "nfs4"),
        ("/homeless", "/", "ext4"),
        ("/home/local/study", "/home/local", "xfs"),
        ("/my share/a", "/my share", "cifs"),
        ("/scratch/me", "/scratch", "tmpfs"),
    ],
)
def test_a_folder_lies_in_the_innermost_mount_and_the_last_at_its_point(folder: str, point: str, kind: str) -> None:
    mount = mount_of(Path(folder), read_mountinfo(MOUNTINFO))
    assert mount is not None
    assert (mount.point, mount.type) == (Path(point), kind)


def test_the_mounts_of_macos_are_read() -> None:
    mount = mount_of(Path("/Volumes/my share/study"), read_mount_table(MAC))
    assert mount == Mount(Path("/Volumes/my share"), "smbfs", frozenset({"nodev", "nosuid", "mounted by me"}))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (3, "/old (nfs) is mounted with local_lock=all"),
        (4, "/fast (lustre) is mounted with localflock"),
        (5, "/my share (cifs) is mounted with nobrl"),
        (6, "/far is fuse.sshfs, which keeps no locks"),
    ],
)
def test_locks_of_one_machine_alone_are_not_trusted(line: int, words: str, tmp_path: Path) -> None:
    assert lock_problem(read_mountinfo(MOUNTINFO)[line], tmp_path).startswith(words)


@pytest.mark.parametrize("line", [1, 2])
def test_a_shared_file_system_whose_locks_work_is_used(line: int, tmp_path: Path) -> None:
    assert lock_problem(read_mountinfo(MOUNTINFO)[line], tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def _lockf(*_: object) -> None:
    """A lock that everybody can take."""


def _unlockable(*_: object) -> None:
    raise OSError(37, "No locks available")


def test_a_lock_that_two_processes_can_take_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlv.schema.store.file_locks.fcntl.lockf", _lockf)
    assert lock_failure(tmp_path) == "two processes can take the same lock"
    monkeypatch.setattr("mlv.schema.store.file_locks.fcntl.lockf", _unlockable)
    assert lock_failure(tmp_path) == "a lock cannot be taken (No locks available)"


@pytest.fixture
def _without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "_mounts", lambda: read_mountinfo(MOUNTINFO.replace("ext4", "nfs4")))
    monkeypatch.setattr("mlv.schema.store.file_locks.fcntl.lockf", _lockf)
    file_locks._lock_problem_in.cache_clear()


@pytest.mark.usefixtures("_without_locks")
def test_a_store_is_not_written_where_locks_do_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mlv.duckdb"
    with pytest.raises(StoreError, match=r"locks do not work: / \(nfs4\): two processes can take") as caught:
        migrations.upgrade(path)
    assert "disk of this machine" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(file_locks.TRUST, "1")
    migrations.upgrade(path)
    monkeypatch.delenv(file_locks.TRUST)
    with pytest.raises(StoreError, match="locks do not work"):
        connect(path, read_only=False)
    # a reader damages nothing
    connect(path).close()


def test_a_local_file_system_costs_no_process_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mount_of(tmp_path.resolve(), read_mountinfo(Path("/proc/self/mountinfo").read_text()))
    if mount is None or mount.type not in file_locks.LOCAL:
        pytest.skip(f"{tmp_path} is not on a local file system")
    monkeypatch.setattr("mlv.schema.store.file_locks.subprocess.run", _unlockable)
    times = []
    for _ in range(20):
        file_locks._lock_problem_in.cache_clear()
        start = time.perf_counter()
        require_locks(tmp_path / "mlv.duckdb")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.001


def test_duckdb_takes_the_locks_that_are_tested(tmp_path: Path) -> None:
    path = tmp_path / "some.duckdb"
    second = [sys.executable, "-c", file_locks._SECOND_PROCESS, str(path)]
    with duckdb.connect(str(path)):
        assert subprocess.run(second, check=False).returncode == file_locks._REFUSED
    assert subprocess.run(second, check=False).returncode == 0
