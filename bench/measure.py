"""Timing and memory of a block, and the way every figure is printed."""

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

PAGE = 4096


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Median wall time of ``repeats`` calls, in seconds."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def resident_bytes() -> int:
    """Memory that this process holds now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def peak_gigabytes() -> float:
    """The most memory that this process ever held, in GB (10^9 bytes; Linux)."""
    # not ru_maxrss, which begins with what the parent held
    lines = Path("/proc/self/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) * 1024 / 1e9


class PeakMemory:
    """The most memory that this process held during a block, above what it held when the block began."""

    def __enter__(self) -> "PeakMemory":
        self._base = resident_bytes()
        self._peak = self._base
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._sample)
        self._watch.start()
        return self

    def _sample(self) -> None:
        while not self._stop.wait(0.005):
            self._peak = max(self._peak, resident_bytes())

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._watch.join()

    @property
    def megabytes(self) -> float:
        """Peak above the base, in MB (10^6 bytes)."""
        return (self._peak - self._base) / 1e6


def figure(what: str, value: float, unit: str, target: str, reached: bool) -> None:
    """Print one figure with its target."""
    print(f"{what:<62} {value:>12,.3f} {unit:<8} target {target:<12} {'reached' if reached else 'MISSED'}", flush=True)
