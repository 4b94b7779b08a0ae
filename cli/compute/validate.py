"""`mlv compute validate-influence`."""

from mlv.cli.compute.options import make_command
from mlv.cli.compute.summary import print_summary
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.validate import Request
from mlv.schema.jobs.validate import SMOKE_TEST

QUALITY = ("test", "quantity", "seeds", "scores", "lds", "lds_low", "lds_high", "difference", "n", "z")
"""Columns of the query ``influence_quality`` that fit a screen."""


def validate_influence(work: Work, request: Request) -> None:
    """Train a run again on parts of its examples, and print how well attributions predict what comes of it."""
    done = work.do("validate", request)
    if done is not None:
        print_summary(work, "influence_quality", done.run, QUALITY)
        _say_what_is_a_smoke_test(request)


def _say_what_is_a_smoke_test(request: Request) -> None:
    """Say so if an LDS is of too few models."""
    few = {"--halves": request.halves, "--other-seed-halves": request.other_seed_halves}
    for option, models in few.items():
        if 0 < models <= SMOKE_TEST:
            say(
                f"A smoke test: the LDS of {models} models has a standard deviation of some 0.07. "
                f"For a figure to publish: {option} {Request.model_fields['halves'].default}"
            )


COMMAND = make_command(validate_influence, Request, ("device", "threads", "batch_tokens", "memory"))
