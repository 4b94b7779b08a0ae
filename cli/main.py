"""`mlv`: the entry point. Signals and streams are settled before anything is imported that takes time."""

import os
import sys

from mlv.cli import streams
from mlv.compute.machine import interrupts


def main() -> None:
    """Entry point of the console command."""
    # before anything is opened that could get the number of a closed stream
    streams.install()
    interrupts.install()
    # threads that wait sleep: spinning, they would hold cores that others are to compute on; read as torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from mlv.cli import edge
    from mlv.cli.app import app

    code = edge.run(app)
    interrupts.finish()
    sys.exit(code)
