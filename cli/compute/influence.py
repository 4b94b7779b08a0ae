"""`mlv compute influence`."""

from mlv.cli.compute.options import make_command
from mlv.cli.compute.summary import print_summary
from mlv.cli.work import Work
from mlv.ingest.jobs.influence import Request

CONTRIBUTION = ("language", "ft_language", "contribution", "examples_share", "lift", "targets")
"""Columns of the query ``language_contribution`` that fit a screen."""


def influence(work: Work, request: Request) -> None:
    """Trace values of a run to its training examples, commit, and print which languages support them.

    The run's last checkpoint and the model that it started from have to have been probed.
    """
    done = work.do("influence", request)
    if done is not None:
        print_summary(work, "language_contribution", done.run, CONTRIBUTION, direction="positive")


COMMAND = make_command(influence, Request, ("device", "threads", "batch_tokens", "memory"))
