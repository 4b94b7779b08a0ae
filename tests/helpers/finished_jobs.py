"""Jobs whose worker is played: outputs written by hand, so that what a commit makes of them can be told."""

import json
from collections.abc import Sequence

import duckdb
import polars as pl
from planned import Jobs, plan_finetune

from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Finished, Started
from mlv.schema.jobs.spec import ModelRef

MODEL = ModelRef(name="nano", digest="digest-0", path="/models/nano")
FARSI = ("fa",)


def write(job: JobDirectory, **frames: pl.DataFrame) -> JobDirectory:
    """Leave outputs and record that the job is finished."""
    job.outputs.mkdir(exist_ok=True)
    facts = {"architecture": "mt5", "parameters": 5, "vocabulary": 7}
    (job.outputs / "model.json").write_text(json.dumps(facts))
    for name, frame in frames.items():
        frame.write_parquet(job.outputs / f"{name}.parquet")
    job.log(Started())
    job.log(Finished())
    job.set_state("finished")
    return job


def finetuned(
    connection: duckdb.DuckDBPyConnection, jobs: Jobs, languages: Sequence[str] = FARSI, *, seed: int = 1
) -> JobDirectory:
    """A finished fine-tuning job of two epochs."""
    job = plan_finetune(connection, jobs, MODEL, languages, epochs=2, seed=seed)
    epochs = [1, 2]
    for epoch in epochs:
        (job.checkpoints / f"epoch-{epoch}").mkdir(parents=True)
    made = pl.DataFrame(
        {
            "epoch": epochs,
            "step": [2, 4],
            "is_final": [False, True],
            "path": [f"checkpoints/epoch-{epoch}" for epoch in epochs],
            "digest": [f"{job.path.name}-{epoch}" for epoch in epochs],
        }
    )
    metrics = pl.DataFrame({"name": ["loss"], "epoch": [1.0], "step": [2], "value": [3.5]})
    return write(job, checkpoints=made, metrics=metrics)


def probed(job: JobDirectory | None, *, shift: float = 0.0) -> JobDirectory:
    """A finished probing job: the first answer is better by the number of its row, plus ``shift``."""
    assert job is not None
    probes = pl.read_parquet(job.inputs / "probes.parquet").with_row_index("row")
    both = probes.join(pl.DataFrame({"answer": [1, 2]}), how="cross")
    margin = (pl.col("row").cast(pl.Float64) % 5 - 2 + shift) * (pl.col("answer") == 1)
    logits = both.select(
        "language",
        "question",
        "answer",
        tokens=pl.lit(2),
        logit_sum=pl.lit(1.0),
        logprob_sum=-10.0 + margin,
        logprob_first=pl.lit(-4.0),
    )
    return write(job, probe_logits=logits)


def dump(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    names = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
    return {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY ALL').fetchall() for name in names}
