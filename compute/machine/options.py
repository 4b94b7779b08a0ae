"""How a job is run on this machine, and how it reports its progress.

Results hang on it in their last digits alone: other devices, threads and batches add numbers in another order.
"""

from dataclasses import dataclass
from typing import Final, Protocol

BATCH_TOKENS: Final = 2048
"""Encoder tokens, padding included, of a batch of probes by default."""


MEMORY: Final = 2**32
"""Most bytes of gradients that are held at a time by default."""


@dataclass(frozen=True)
class ExecuteOptions:
    """Choices of the worker, not of the study: they are not part of a job's identity."""

    device: str = "auto"
    """cpu, cuda, mps, or auto for the fastest that is available."""

    threads: int | None = None
    """CPU threads of torch; None for torch's own choice."""

    skip_ambiguous: bool = False
    """Leave out probes whose two answers have the same tokens, instead of refusing the job."""

    batch_tokens: int = BATCH_TOKENS
    """Encoder tokens, padding included, of one batch of probes; more of them suit a GPU, fewer a cache."""

    memory: int = MEMORY
    """Most bytes for the exact gradients of targets; if they need more, examples stream past once for each part."""


class Progress(Protocol):
    """Receives how far a job is; the command line draws progress bars."""

    def start(self, total: int, unit: str, label: str) -> None:
        """A piece of work begins, of which ``total`` units called ``unit`` are left to do."""

    def advance(self, amount: int, **info: float | str) -> None:
        """``amount`` more units are done; ``info`` has numbers worth showing, e.g. the loss.

        May raise StoppedError to end the work here, with what it has saved.
        """


class Silent:
    """A progress that is not shown."""

    def start(self, total: int, unit: str, label: str) -> None:
        """Nothing."""

    def advance(self, amount: int, **info: float | str) -> None:
        """Nothing."""


SILENT: Final = Silent()
