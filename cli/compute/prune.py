"""`mlv compute prune`."""

from mlv.cli.compute.options import make_command
from mlv.cli.output import put_rows
from mlv.cli.work import Work, say_next
from mlv.ingest.jobs.prune import Request
from mlv.schema.jobs.prune import PruneSpec

STEPS = "SELECT iteration, enabled, score, kept, score_before FROM v_pruning_step WHERE run = $run ORDER BY iteration"


def prune(work: Work, request: Request) -> None:
    """Find the attention heads of a classifier that a language needs, and print how its accuracy fell without others.

    The defaults are those of 'Examining modularity' (Choenni, Shutova and Garrette 2024).
    """
    done = work.do("prune", request)
    if done is not None:
        put_rows(work.store, STEPS, "table", run=done.run)
        say_next(PruneSpec, done.run, work.store)


COMMAND = make_command(prune, Request, ("device", "threads", "batch_tokens"))
