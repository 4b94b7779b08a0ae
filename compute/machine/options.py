"""How a job is to be run on this machine, and how it tells its progress. Neither changes what the job finds."""

from dataclasses import dataclass
from typing import Final, Protocol

BATCH_TOKENS: Final = 2048
"""Encoder tokens, padding included, of a batch of probes where nothing else is asked for."""


@dataclass(frozen=True)
class ExecuteOptions:
    """Choices of the worker, not of the study: they do not enter a job's identity."""

    device: str = "auto"
    """cpu, cuda, mps, or auto for the fastest of them that is there."""

    threads: int | None = None
    """CPU threads of torch; None leaves torch's own choice."""

    skip_ambiguous: bool = False
    """Leave probes out that cannot tell their two answers apart, instead of refusing the job."""

    batch_tokens: int = BATCH_TOKENS
    """Encoder tokens, padding included, of one batch of probes; more of them suit a GPU, fewer a cache."""


class Progress(Protocol):
    """Receives how far a job is; the command line draws bars with it."""

    def start(self, total: int, unit: str, label: str) -> None:
        """A piece of work begins: ``total`` units of ``unit`` that are still to do."""

    def advance(self, amount: int, **info: float | str) -> None:
        """``amount`` more units are done; ``info`` holds numbers worth showing, e.g. the loss.

        May raise StoppedError: the work is to end here, with what it has saved.
        """


class Silent:
    """A progress that nobody watches."""

    def start(self, total: int, unit: str, label: str) -> None:
        """Nothing."""

    def advance(self, amount: int, **info: float | str) -> None:
        """Nothing."""


SILENT: Final = Silent()
