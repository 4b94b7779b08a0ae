"""A Slurm cluster on the loopback of this machine, for tests: munged, slurmctld and slurmd of Debian's slurm-wlm.

    python tests/helpers/slurm_cluster.py install        # apt-get; root
    python tests/helpers/slurm_cluster.py start FOLDER   # prints the line of shell that makes it the current cluster
    python tests/helpers/slurm_cluster.py stop FOLDER    # its jobs end with it

All it keeps is in FOLDER, and every port is its own, so that several can run beside each other and beside a real one.
It has one node, no cgroups, no accounting, and short intervals: a requeued job starts again within seconds. It needs
neither systemd nor /etc/slurm. Uses the standard library alone.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
PATIENCE_SECONDS = 20.0

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# a requeued job waits until its credential has expired
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2,defer_batch
KillWait=3
MinJobAge=30
InactiveLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE OverSubscribe=NO State=UP
"""


class ClusterError(Exception):
    """A cluster that cannot be installed or started here, and why."""


def missing() -> list[str]:
    """Programs of Slurm that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]


def _path() -> str:
    """Where programs are looked for: daemons lie where ordinary users do not look."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def install() -> None:
    """Install Debian's packages. Raises ClusterError where that cannot be."""
    if not missing():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError("Slurm is installed by root with apt-get: apt-get install slurm-wlm munge")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    packages = ["slurm-wlm", "munge"]
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", "-qq", *command], env=quiet, check=False, capture_output=True, text=True)
    if done.returncode or missing():
        raise ClusterError(f"apt-get install {' '.join(packages)} failed: {done.stderr.strip()[-300:]}")


class Cluster:
    """A cluster that is started in a folder. ``environment`` makes it the current one of a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self, cpus: int) -> None:
        """Start it with a node of so many CPUs. Raises ClusterError where it does not come up."""
        absent = missing()
        if absent:
            raise ClusterError(f"{', '.join(absent)} not installed: python {__file__} install")
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._configure(cpus)
        self._start_munge()
        self.start_controller()
        self._run("slurmd", "-N", socket.gethostname())
        self._wait(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T"), "the node is not idle")

    def start_controller(self) -> None:
        """Start slurmctld, from where it stopped."""
        self._run("slurmctld")
        self._wait(lambda: "is UP" in self.ask("scontrol", "ping"), "slurmctld does not answer")

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs go on without it."""
        self._end("slurmctld.pid")

    def stop(self) -> None:
        """End jobs and daemons."""
        self.ask("scancel", "--state=PENDING", "--full", "--me")
        self.ask("scancel", "--full", "--me")
        with contextlib.suppress(ClusterError):
            self._wait(lambda: not self.ask("squeue", "--noheader").strip(), "jobs do not end")
        for name in ("slurmd.pid", "slurmctld.pid", "munged.pid"):
            self._end(name)

    def ask(self, *command: str) -> str:
        """What a command of Slurm says."""
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout + done.stderr

    def _configure(self, cpus: int) -> None:
        import pwd

        controller_port, node_port = _free_ports()
        text = CONFIGURATION.format(
            host=socket.gethostname(),
            controller_port=controller_port,
            node_port=node_port,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            folder=self.folder,
            cpus=cpus,
        )
        (self.folder / "slurm.conf").write_text(text)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        places = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
        options = [f"--{option}={self.folder / name}" for option, name in places.items()]
        options += [f"--seed-file={self.folder / 'munged.seed'}", "--num-threads=2", "--force"]
        subprocess.run([_program("munged"), *options], check=True, capture_output=True)

    def _run(self, daemon: str, *options: str) -> None:
        """Start a daemon, which goes to the background by itself."""
        log = self.folder / f"{daemon}.out"
        with log.open("ab") as out:
            done = subprocess.run(
                [_program(daemon), "-f", str(self.folder / "slurm.conf"), *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=os.environ | self.environment,
                check=False,
            )
        if done.returncode:
            raise ClusterError(f"{daemon} did not start: {log.read_text()[-300:]}")

    def _wait(self, ready: Callable[[], bool], fault: str) -> None:
        limit = time.monotonic() + PATIENCE_SECONDS
        while not ready():
            if time.monotonic() > limit:
                raise ClusterError(f"{fault}; see {self.folder}/*.log")
            time.sleep(0.1)

    def _end(self, pid_file: str) -> None:
        """End a daemon and wait until it has ended."""
        path = self.folder / pid_file
        if not path.exists():
            return
        pid = int(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        self._wait(lambda: not _lives(pid), f"process {pid} of {pid_file} does not end")
        path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that its parent has not buried does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _program(name: str) -> str:
    return shutil.which(name, path=_path()) or name


def _free_ports() -> list[int]:
    """Two ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="A Slurm cluster on the loopback of this machine, for tests.")
    parser.add_argument("command", choices=["install", "start", "stop"])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "slurm-test")
    parser.add_argument("--cpus", type=int, default=2)
    given = parser.parse_args()
    cluster = Cluster(given.folder)
    try:
        if given.command == "install":
            install()
        elif given.command == "start":
            cluster.start(given.cpus)
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}")  # noqa: T201
        else:
            cluster.stop()
    except ClusterError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
