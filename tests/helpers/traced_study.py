"""Fine-tuning runs whose values can be traced, with workers' outputs written by hand.

Probes are numbered by their row over the languages fa, hi, ko, ru, 24 each. The pretrained model answers row r with a
margin of r mod 5 - 2, where 0 and more is the first answer. The traced run raises every margin by 1: rows with
r mod 5 = 1 shift from the second to the first answer. The Farsi run lowers it by 1: rows with r mod 5 = 2 shift from
the first to the second. Russian was asked of the pretrained model alone.
"""

from pathlib import Path
from typing import NamedTuple

import duckdb
from finished_jobs import FARSI, MODEL, finetuned, probed
from planned import Jobs, plan_probe

from mlv.ingest.jobs.committing import commit_job
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import connect

ASKED = ("fa", "hi", "ko")


class Runs(NamedTuple):
    """Names of fine-tuning runs of two epochs."""

    traced: str
    """20 Farsi sentences and their Korean translations, of which 16 each are training examples."""

    other_seed: str
    """The same with another seed; not probed."""

    farsi: str
    """20 Farsi sentences."""


def ask(connection: duckdb.DuckDBPyConnection, jobs: Jobs, store: Path, model: ModelRef, shift: float) -> None:
    """Have a model asked in the languages that fine-tuned models are asked in, and commit."""
    job = plan_probe(connection, jobs, model, probe_set="demo-all", languages=ASKED)
    commit_job(connection, probed(job, shift=shift), store)


def last_of(run: str) -> ModelRef:
    """The last checkpoint of such a run."""
    return ModelRef(name=f"{run}/epoch-2", digest=f"{run}-2")


def add_runs(store: Path) -> Runs:
    """Enter the runs into a store with the demo's probes and its Farsi and Korean corpora."""
    jobs = Jobs(store.parent / "jobs")
    with connect(store, read_only=False) as connection:
        runs = Runs(
            *(
                commit_job(connection, finetuned(connection, jobs, languages, seed=seed), store).run
                for languages, seed in ((("fa", "ko"), 1), (("fa", "ko"), 2), (FARSI, 1))
            )
        )
        commit_job(connection, probed(plan_probe(connection, jobs, MODEL, probe_set="demo-all")), store)
        ask(connection, jobs, store, last_of(runs.traced), 1.0)
        ask(connection, jobs, store, last_of(runs.farsi), -1.0)
    return runs
