"""`mlv compute classify`."""

from mlv.cli.compute.options import make_command
from mlv.cli.work import Work, say_next
from mlv.ingest.jobs.classify import Request
from mlv.schema.jobs.classify import ClassifySpec


def classify(work: Work, request: Request) -> None:
    """Train a classifier on labelled texts of several languages, and commit it.

    The defaults are those of Choenni, Garrette and Shutova (2023). What is in the store already is not done again.
    """
    done = work.do("classify", request)
    if done is not None:
        say_next(ClassifySpec, done.run, work.store)


COMMAND = make_command(classify, Request, ("device", "threads"))
