"""Whether locks work in the folder of a store.

DuckDB keeps two processes from writing one file by locks of the operating system (fcntl). On some network file systems
there are none, or they work on one machine alone: two machines could then write the file at once and damage it. A file
system that is known to be local is trusted; for another, its mount options are checked, and then a second process tries
to take a lock that this one has.

The mount table is read from the kernel: psutil would take ``/etc/mtab`` if that is a file, as it can be in containers
of clusters, with neither their mounts nor the options of network file systems.
"""

import fcntl
import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from mlv.schema.errors import StoreError

# fmt: off
LOCAL: Final = frozenset({
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfs", "jfs", "msdos", "ntfs",
    "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "tmpfs", "ufs", "vfat", "xfs", "zfs",
})
# fmt: on
"""File systems of one machine, whose kernel keeps the locks."""

UNSHARED_LOCKS: Final = {
    "nfs": ("nolock", "local_lock=all", "local_lock=posix"),
    "nfs4": ("nolock", "local_lock=all", "local_lock=posix"),
    "lustre": ("localflock",),
    "cifs": ("nobrl",),
    "smb3": ("nobrl",),
}
"""Mount options by file system with which a lock is not seen on other machines."""

NO_LOCKS: Final = frozenset(
    ("fuse.blobfuse2", "fuse.gcsfuse", "fuse.goofys", "fuse.mount-s3", "fuse.rclone", "fuse.s3fs", "fuse.sshfs")
)
"""File systems that have no locks of their own, though the kernel lends them its own on one machine."""

TRUST: Final = "MLV_TRUST_LOCKS"
"""Environment variable that lets a store be written in any folder."""

_SECOND_PROCESS = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(3)
"""
_REFUSED = 3


class Mount(NamedTuple):
    """Where a file system is mounted, of which type, with which options."""

    point: Path
    type: str
    options: frozenset[str]


def require_locks(store: Path) -> None:
    """Raise StoreError if locks do not keep two machines, or two processes, from writing the store at once."""
    problem = _lock_problem_in(store.resolve().parent)
    if problem and not os.environ.get(TRUST):
        raise StoreError(
            f"{store} is in a folder where locks do not work: {problem}. Two processes could write it at once, and "
            "damage it.",
            "Put the store on a disk of this machine (--db); `jobs` beside it may be a link to where the jobs are. If "
            f"nobody opens it from another machine, {TRUST}=1 allows it.",
        )


@functools.cache
def _lock_problem_in(folder: Path) -> str:
    """Why locks do not work in a folder; empty if they do."""
    mount = mount_of(folder, _mounts())
    return "" if mount is not None and mount.type in LOCAL else lock_problem(mount, folder)


def lock_problem(mount: Mount | None, folder: Path) -> str:
    """Why locks do not work in a folder that is not known to be local; empty if they do."""
    if mount is not None:
        unshared = sorted(mount.options.intersection(UNSHARED_LOCKS.get(mount.type, ())))
        if unshared:
            return f"{mount.point} ({mount.type}) is mounted with {unshared[0]}, so that other machines see no lock"
        if mount.type in NO_LOCKS:
            return f"{mount.point} is {mount.type}, which keeps no locks between machines"
    failure = lock_failure(folder)
    where = f"{mount.point} ({mount.type})" if mount is not None else str(folder)
    return f"{where}: {failure}" if failure else ""


def lock_failure(folder: Path) -> str:
    """What goes wrong when two processes take one lock in a folder; empty if one is refused, as it has to be."""
    if not os.access(folder, os.W_OK):
        # nothing will be written there
        return ""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".mlv-lock-") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return f"a lock cannot be taken ({error.strerror})"
        second = subprocess.run([sys.executable, "-I", "-S", "-c", _SECOND_PROCESS, file.name], check=False)
    return "" if second.returncode == _REFUSED else "two processes can take the same lock"


def mount_of(folder: Path, mounts: list[Mount]) -> Mount | None:
    """The mount that a folder lies in: the innermost, and of several at one point the last."""
    around = [mount for mount in mounts if folder.is_relative_to(mount.point)]
    return max(reversed(around), key=lambda mount: len(mount.point.parts), default=None)


def _mounts() -> list[Mount]:
    """The mounts of this machine; empty if the system does not list them."""
    try:
        if sys.platform == "darwin":
            return read_mount_table(subprocess.check_output(["/sbin/mount"], text=True))
        return read_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, subprocess.SubprocessError):
        return []


def read_mountinfo(text: str) -> list[Mount]:
    """The mounts in Linux's table (proc(5), ``/proc/PID/mountinfo``)."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        point, options = before.split()[4:6]
        kind, *_, more = after.split(" ")
        # blanks and backslashes are octal numbers
        path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
        found.append(Mount(Path(path), kind, frozenset(f"{options},{more}".split(","))))
    return found


def read_mount_table(text: str) -> list[Mount]:
    """The mounts that macOS's ``mount`` prints: ``//host/share on /Volumes/share (smbfs, nodev)``."""
    lines = re.finditer(r"^.+? on (.+) \(([^,)]+)((?:, [^,)]+)*)\)$", text, re.MULTILINE)
    return [Mount(Path(line[1]), line[2], frozenset(line[3].split(", ")[1:])) for line in lines]
