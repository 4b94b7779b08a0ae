"""`mlv compute pretrain`."""

import shlex

from mlv.cli.compute.options import make_command
from mlv.cli.edge import jobs_folder, say
from mlv.cli.work import Work
from mlv.ingest.jobs.pretrain import Request


def pretrain(work: Work, request: Request) -> None:
    """Train a tokenizer and a small mT5, XLM-R or Llama from the store's corpora: a start where there is no hub."""
    done = work.do("pretrain", request)
    if done is not None:
        known = done.run if done.already_there else shlex.quote(request.name)
        say(f"use it as --model {known}   ({jobs_folder(work.store) / done.run})")


COMMAND = make_command(pretrain, Request, ("device", "threads"))
