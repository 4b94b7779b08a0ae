"""`mlv compute finetune`."""

from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.compute.options import make_command
from mlv.cli.compute.probe import probe
from mlv.cli.edge import say
from mlv.cli.output import put_rows
from mlv.cli.work import Work, say_next
from mlv.ingest.jobs import probe as probing
from mlv.ingest.jobs.finetune import Request
from mlv.schema.jobs.finetune import FinetuneSpec

if TYPE_CHECKING:
    import duckdb

    from mlv.ingest.jobs.committing import Committed
    from mlv.queries import QueryResult
    from mlv.schema.jobs.directory import JobDirectory

ProbeSet = Annotated[
    str | None,
    typer.Option(
        help="Probes to ask; if not given those of queries: echoes-2024 if the store has it, else wvs7-all, else the "
        "first set by name."
    ),
]
TestLanguages = Annotated[
    str | None, typer.Option(help="Languages to probe in, comma-separated; all of the probe set if not given.")
]


def finetune(work: Work, request: Request, probe_set: ProbeSet = None, test_language: TestLanguages = None) -> None:
    """Fine-tune by span corruption, probe before and after, commit, and print what changed; or on masked words.

    The defaults are those of Echoes, section 4.2 and appendix B. What is in the store already is not done again. A
    model of masked words has no answers to probes: its losses are printed, and `mlv compute complete` asks it.
    """
    from mlv.cli.compute.options import read_request

    if request.objective == "masked_words":
        _on_words(work, request)
        return
    asked = {"model": request.model, "probe_set": probe_set, "languages": test_language}
    before = read_request(probing.Request, asked)
    planned = work.plan("finetune", request)
    _say_sentences(planned)
    probe(work, before)
    if work.plan_only:
        say(f"planned: {planned.path}")
        return
    done = work.finish(planned)
    probe(work, before.model_copy(update={"model": done.run}))
    _print_shifts(work, done, probe_set)


LOSSES = """
SELECT epoch, step, max(value) FILTER (name = 'loss') AS loss, max(value) FILTER (name = 'eval_loss') AS eval_loss
FROM v_metric
WHERE run = $run AND name IN ('loss', 'eval_loss')
GROUP BY epoch, step
QUALIFY step = max(step) OVER (PARTITION BY ceil(epoch))
ORDER BY step
"""
"""The last losses of each epoch, nats a hidden token."""


def _on_words(work: Work, request: Request) -> None:
    planned = work.plan("finetune", request)
    if work.plan_only:
        say(f"planned: {planned.path}")
        return
    done = work.finish(planned)
    put_rows(work.store, LOSSES, "table", run=done.run)
    say_next(planned.spec(), done.run, work.store)


def _say_sentences(planned: "JobDirectory") -> None:
    """Say what sentences a run is on, if that hangs on other languages than its own."""
    spec = planned.spec()
    if isinstance(spec, FinetuneSpec) and spec.parallel_with not in (None, spec.languages):
        say(f"sentences that {', '.join(spec.parallel_with or ())} share (others: --parallel-with)")


def _print_shifts(work: Work, done: "Committed", probe_set: str | None) -> None:
    """Print the share of values that this run left unchanged, per test language, over the probes that were asked."""
    from mlv.cli.output import put
    from mlv.schema.store.opening import open_store

    with open_store(work.store) as connection:
        result = _shifts(connection, done.run, probe_set)
    say(f"% of values unchanged by {done.run} (more: mlv query list)")
    put(result, "table", None, None)


def _shifts(connection: "duckdb.DuckDBPyConnection", run: str, probe_set: str | None) -> "QueryResult":
    from dataclasses import replace

    import polars as pl

    from mlv.queries import run as run_query

    result = run_query(connection, "unchanged", parameters={"probe_set": probe_set})
    mine = result.frame.filter(pl.col("run") == run)
    return replace(result, frame=mine.select("source", "ft_languages", "epoch", "language", "unchanged", "probes"))


COMMAND = make_command(finetune, Request, ("device", "threads", "skip_ambiguous", "batch_tokens", "memory"))
