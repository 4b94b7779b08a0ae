"""`mlv compute run`: job directories that were planned elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.compute.options import DEFAULT_MEMORY, BatchTokens, Device, Memory, SkipAmbiguous, Threads
from mlv.cli.edge import say
from mlv.compute.machine.options import BATCH_TOKENS


def run(
    jobs: Annotated[list[Path], typer.Argument(help="Job directories that --plan-only made.")],
    device: Device = "auto",
    threads: Threads = None,
    skip_ambiguous: SkipAmbiguous = False,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    memory: Memory = DEFAULT_MEMORY,
) -> None:
    """Run planned jobs where they lie: for a worker that has no store. `mlv runs resume` commits them.

    SIGTERM, SIGUSR1 and SIGUSR2 have it save what it has and end with exit code 130: run again, it resumes from there.
    """
    from mlv.cli.work import execute_job
    from mlv.compute.machine.options import ExecuteOptions
    from mlv.compute.machine.stopping import stop_on_signals
    from mlv.schema.jobs.directory import JobDirectory

    options = ExecuteOptions(device, threads, skip_ambiguous, batch_tokens, memory)
    with stop_on_signals():
        for path in jobs:
            execute_job(JobDirectory(path), options)
            say(f"{path.name}: finished")
