"""`mlv compute validate-influence`."""

from mlv.cli.compute.options import make_command
from mlv.cli.compute.summary import print_summary
from mlv.cli.work import Work
from mlv.ingest.jobs.validate import Request

QUALITY = ("seeds", "scores", "rho", "targets", "draws", "n", "z", "share_of_exact")
"""Columns of the query ``influence_quality`` that fit a screen."""


def validate_influence(work: Work, request: Request) -> None:
    """Train a run again on parts of its examples, and print how well attributions predict what comes of it."""
    done = work.do("validate", request)
    if done is not None:
        print_summary(work, "influence_quality", done.run, QUALITY)


COMMAND = make_command(validate_influence, Request, ("device", "threads", "batch_tokens"))
