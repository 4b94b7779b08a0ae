"""`mlv compute wordcount`."""

from mlv.cli.compute.options import make_command
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.wordcount import Request


def wordcount(work: Work, request: Request) -> None:
    """Count the words of a source, and commit how many there are."""
    done = work.do("wordcount", request)
    if done is not None:
        say(f"see it: mlv query run words_per_segment --param run={done.run}")


COMMAND = make_command(wordcount, Request, ())
