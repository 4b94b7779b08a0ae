"""`mlv compute probe`."""

from mlv.cli.compute.options import make_command
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.ingest.jobs.probe import Request


def probe(work: Work, request: Request) -> None:
    """Score the answers of a model to the probes it has not answered yet, and commit them.

    In 32 bits, whatever precision it was trained in.
    """
    try:
        work.do("probe", request)
    except NothingToDoError as error:
        say(error.message)


COMMAND = make_command(probe, Request, ("device", "threads", "skip_ambiguous", "batch_tokens", "memory"))
