"""`mlv compute respond`."""

from mlv.cli.compute.options import make_command
from mlv.cli.work import Work
from mlv.ingest.jobs.respond import Request


def respond(work: Work, request: Request) -> None:
    """Ask a chat model the questions of a survey, and keep all that it answers.

    Zero-shot, or after demonstrations that show a country's answers (--strategy). Locally, or behind an API that speaks
    OpenAI's protocol (--endpoint URL --api-model NAME --as-of DATE).
    """
    work.do("respond", request)


COMMAND = make_command(respond, Request, ("device", "threads", "batch_tokens", "key_env", "concurrency"))
