"""`mlv compute classify`."""

from mlv.cli.compute.options import make_command
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.classify import Request


def classify(work: Work, request: Request) -> None:
    """Train a classifier on labelled texts of several languages, and commit it.

    The defaults are those of Choenni, Garrette and Shutova (2023). What is in the store already is not done again.
    """
    done = work.do("classify", request)
    if done is not None:
        say(f"what it predicts of other texts: mlv compute predict {done.run} --split test")


COMMAND = make_command(classify, Request, ("device", "threads"))
