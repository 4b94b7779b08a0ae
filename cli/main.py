"""`mlv`: the entry point. Signals and streams are settled before anything is imported that takes time."""

import sys

from mlv.cli import streams
from mlv.compute.machine import interrupts


def main() -> None:
    """Entry point of the console command."""
    interrupts.install()
    streams.install()
    from mlv.cli import edge
    from mlv.cli.app import app

    code = edge.run(app)
    interrupts.finish()
    sys.exit(code)
