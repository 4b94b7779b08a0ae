"""`mlv compute respond`."""

from typing import Final

from mlv.cli.compute.options import make_command
from mlv.cli.compute.summary import print_summary
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.ingest.jobs.respond import Request

OUTCOMES: Final = ("responses", "answered", "refused", "named_none", "named_several", "truncated", "filtered", "empty")
"""Columns of the query ``response_outcomes`` that fit a screen."""

MISALIGNED: Final = ("country", "probes", "misaligned", "misaligned_share", "right_share")
"""Columns of the query ``misalignment`` that do."""

MOST_TRUNCATED: Final = 5
"""Percentage of answers that were cut off from which longer ones should be allowed."""


def respond(work: Work, request: Request) -> None:
    """Ask a chat model the questions of a survey, and keep all that it answers.

    Zero-shot, or after demonstrations that show a country's answers (--strategy). Locally, or behind an API that speaks
    OpenAI's protocol (--endpoint URL --api-model NAME --as-of DATE).
    """
    try:
        done = work.do("respond", request)
    except NothingToDoError as error:
        say(error.message)
        return
    if done is None:
        return
    outcomes = print_summary(work, "response_outcomes", done.run, OUTCOMES)
    print_summary(work, "misalignment", done.run, MISALIGNED)
    for truncated in outcomes["truncated"]:
        if truncated > MOST_TRUNCATED:
            say(f"{truncated:.0f}% were cut off before they named an option: raise --max-tokens")


COMMAND = make_command(respond, Request, ("device", "threads", "batch_tokens", "key_env", "concurrency"))
