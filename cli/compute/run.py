"""`mlv compute run`: job directories that were planned elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.edge import say
from mlv.cli.execution import with_execution
from mlv.compute.machine.options import ExecuteOptions


@with_execution()
def run(
    jobs: Annotated[list[Path], typer.Argument(help="Job directories that --plan-only made.")],
    *,
    options: ExecuteOptions,
) -> None:
    """Run planned jobs where they lie: for a worker that has no store. `mlv runs resume` commits them.

    SIGTERM, SIGUSR1 and SIGUSR2 have it save what it has and end with exit code 130: run again, it resumes from there.
    """
    from mlv.cli.work import execute_job
    from mlv.compute.machine.stopping import stop_on_signals
    from mlv.schema.jobs.directory import JobDirectory

    with stop_on_signals():
        for path in jobs:
            execute_job(JobDirectory(path), options)
            say(f"{path.name}: finished")
