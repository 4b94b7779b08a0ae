"""Training steps a second by threads, alone and beside busy neighbours: what the choice of threads rests on.

``python bench/threads.py`` prints, for models of several widths, the rate with one thread and with all of them, whose
waiting either spins (OpenMP's default) or sleeps (``OMP_WAIT_POLICY=PASSIVE``, which mlv sets). A neighbour is a
process that computes without end. Nothing else may run: a table made beside other work says nothing.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from measure import figure

from mlv.compute.machine import runtime
from mlv.schema.jobs.pretrain import PRESETS

NEIGHBOURS: Final = (0, 1, 2)
SECONDS: Final = 6.0
ROWS: Final = 16
TOKENS: Final = 48
VOCABULARY: Final = 6_000
KEPT: Final = 0.6
"""Share of its quiet rate that a loop is to keep beside one neighbour."""


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Busy processes beside this one."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def rates(preset: str, threads: int) -> list[float]:
    """Training steps a second beside each number of neighbours."""
    import torch

    from mlv.compute.jobs.pretrain import new_model

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model: Any = new_model(preset, VOCABULARY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    inputs = torch.randint(3, VOCABULARY, (ROWS, TOKENS))
    labels = torch.randint(3, VOCABULARY, (ROWS, TOKENS // 4))

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=inputs, labels=labels).loss.backward()
        optimizer.step()

    found = []
    for count in NEIGHBOURS:
        with neighbours(count):
            step()
            began, steps = time.perf_counter(), 0
            while time.perf_counter() - began < SECONDS:
                step()
                steps += 1
            found.append(steps / (time.perf_counter() - began))
    return found


def measured(preset: str, threads: int, policy: str) -> list[float]:
    """The same in a process of its own: the policy is read when OpenMP is loaded."""
    code = f"import threads; print(*threads.rates({preset!r}, {threads}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OMP_WAIT_POLICY": policy},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(rate) for rate in done.stdout.split()]


def main() -> None:
    """Print the rates, and what the choice that mlv makes keeps beside one neighbour."""
    cores = len(os.sched_getaffinity(0))
    for preset in PRESETS:
        found = {
            (1, "PASSIVE"): measured(preset, 1, "PASSIVE"),
            (cores, "ACTIVE"): measured(preset, cores, "ACTIVE"),
            (cores, "PASSIVE"): measured(preset, cores, "PASSIVE"),
        }
        for (threads, policy), steps in found.items():
            listed = ", ".join(f"{rate:.2f}" for rate in steps)
            print(f"  {preset}, {threads} threads, {policy.lower()}: {listed} steps a second beside 0, 1, 2 neighbours")
        quiet, beside, _ = found[runtime.threads_for(PRESETS[preset].width) or cores, "PASSIVE"]
        figure(f"{preset}: rate beside a neighbour / quiet", beside / quiet, "", f">= {KEPT}", beside / quiet >= KEPT)


if __name__ == "__main__":
    main()
