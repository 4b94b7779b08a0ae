"""How a job is run on this machine, and how it reports its progress.

Results hang on it in their last digits alone: other devices, threads and batches add numbers in another order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, NamedTuple, Protocol, get_type_hints

BATCH_TOKENS: Final = 2048
"""Encoder tokens, padding included, of a batch of probes by default."""


MEMORY: Final = 2**32
"""Most bytes of gradients that are held at a time by default."""

DIFFERS: Final = "results differ slightly with it"
"""What is said of an option that is no part of a job's identity, and yet changes its results a little."""

MOST: Final = 2**31 - 1
"""The largest number that an option takes."""

MOST_THREADS: Final = 4096
"""More threads than any machine has cores; libraries crash at numbers that are far larger."""


@dataclass(frozen=True)
class Said:
    """What the command line says of a field of :class:`ExecuteOptions`, and takes for it."""

    help: str
    most: int = MOST
    """The largest number, of numbers; the smallest is 1."""

    size: bool = False
    """Whether it is a number of bytes, typed as 512M or 40G."""


@dataclass(frozen=True)
class ExecuteOptions:
    """Choices of the worker, not of the study: they are not part of a job's identity.

    The options of commands that run jobs are these fields.
    """

    device: Annotated[str, Said(f"cpu, cuda, mps or auto; {DIFFERS}.")] = "auto"
    """cpu, cuda, mps, or auto for the fastest that is available."""

    threads: Annotated[
        int | None, Said(f"CPU threads, by the model's width if not given; {DIFFERS}.", most=MOST_THREADS)
    ] = None
    """CPU threads of torch; None for torch's own choice."""

    skip_ambiguous: Annotated[bool, Said("Leave out probes whose two answers tokenise alike.")] = False
    """Leave out probes whose two answers have the same tokens, instead of refusing the job."""

    batch_tokens: Annotated[int, Said(f"Most tokens of a batch of probes; fewer need less memory; {DIFFERS}.")] = (
        BATCH_TOKENS
    )
    """Encoder tokens, padding included, of one batch of probes; more of them suit a GPU, fewer a cache."""

    memory: Annotated[
        int,
        Said(
            "Most memory for the gradients of targets that exact scores are made of, e.g. 40G: if they need more, "
            f"examples are passed over once for each part of them; {DIFFERS}.",
            size=True,
        ),
    ] = MEMORY
    """Most bytes for the exact gradients of targets; if they need more, examples stream past once for each part."""

    key_env: Annotated[str, Said("Environment variable with the key of an endpoint.")] = "OPENAI_API_KEY"
    """Environment variable that the key of an endpoint is read from, and from nowhere else."""

    concurrency: Annotated[int, Said("Most requests to an endpoint at a time.", most=MOST_THREADS)] = 16
    """Requests to an endpoint that are under way at a time."""


class Option(NamedTuple):
    """A field of :class:`ExecuteOptions`."""

    name: str
    type: type
    said: Said
    default: Any

    @property
    def flag(self) -> str:
        """How it is typed."""
        return f"--{self.name.replace('_', '-')}"

    def words(self, value: object) -> list[str]:
        """How a value of it is typed: nothing for None and for a switch that is off."""
        if value is None or value is False:
            return []
        if value is True:
            return [self.flag]
        return [self.flag, f"{value >> 10}K" if self.said.size and isinstance(value, int) else str(value)]


def declared_options() -> Iterator[Option]:
    """All fields of :class:`ExecuteOptions`, in the order of their declaration."""
    hints = get_type_hints(ExecuteOptions, include_extras=True)
    for field in fields(ExecuteOptions):
        kind, said = hints[field.name].__origin__, hints[field.name].__metadata__[0]
        yield Option(field.name, kind, said, field.default)


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
