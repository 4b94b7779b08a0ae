"""Committing a job of one million ranking rows: rows a second, and memory above the base process."""

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from measure import PeakMemory, figure

from mlv.ingest.jobs.committing import commit_job
from mlv.migrations import upgrade
from mlv.schema.jobs.attribution import Attribution
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import open_store
from mlv.schema.store.rows import append, ensure

TARGETS = 5_000
TOP_K = 100
EXAMPLES = 8_000
BINS = 40
"""Of a target's histogram, from -1 to 1."""

TRAINING = FinetuneSpec(
    model=ModelRef(name="nano", digest="d"),
    source="none",
    languages=("fa",),
    sentences=EXAMPLES,
    corpora=(),
    inputs_digest="e",
)


def _store(folder: Path) -> Path:
    """A store with a probe for each target and one fine-tuning run of ``EXAMPLES`` examples."""
    store = folder / "mlv.duckdb"
    upgrade(store)
    run, moment = job_name(TRAINING), "TIMESTAMP '2026-01-01'"
    with open_store(store, read_only=False) as connection:
        ensure(
            connection, "language", pl.DataFrame({"code": ["fa"], "iso639_3": ["fas"], "name": ["Persian"]}), ["code"]
        )
        connection.execute("INSERT INTO probe_collection VALUES (1, 'none', 'nobody', 'x')")
        connection.execute("INSERT INTO category VALUES (1, 'c', 'C', 1, 45, true)")
        numbers = f"FROM range({TARGETS}) AS r(i)"
        connection.execute(f"INSERT INTO question SELECT i, i, i, 1 {numbers}")
        connection.execute(f"INSERT INTO probe SELECT i, 1, i, 1, '[MASK]', 'a', 'b', '', '', 'canonical' {numbers}")
        connection.execute("INSERT INTO base_model VALUES (1, 'nano', '', 'd', 'mt5', 1, 1, '')")
        connection.execute("INSERT INTO checkpoint VALUES (1, 1, NULL, 0, 0, true, 'nano', 'd')")
        connection.execute("INSERT INTO checkpoint VALUES (2, 1, 1, 5, 5, true, 'nano', 'f')")
        connection.execute(
            f"INSERT INTO run VALUES (1, 'finetune', '{run}', '{spec_hash(TRAINING)}', '{{}}', NULL, 1, 1, "
            f"'committed', {moment}, {moment}, {moment}, '{{}}')"
        )
        connection.execute("INSERT INTO source VALUES (1, 's', 'S', 'other', '')")
        connection.execute("INSERT INTO corpus VALUES (1, 1, 1, '', '', '', '', '')")
        connection.execute(
            f"INSERT INTO segment SELECT i + 1, 1, i, i, 'text', NULL, NULL FROM range({EXAMPLES}) AS r(i)"
        )
        connection.execute(f"INSERT INTO run_corpus VALUES (1, 1, {EXAMPLES})")
        examples = pl.DataFrame({"position": np.arange(EXAMPLES)}).select(
            training_example_id=pl.col("position") + 1,
            run_id=pl.lit(1),
            position="position",
            split=pl.lit("train"),
            segment_id=pl.col("position") + 1,
        )
        append(connection, "training_example", examples)
    return store


def _job(folder: Path, seed: int) -> JobDirectory:
    """A finished influence job: every target ranks its top k in both directions."""
    last = ModelRef(name=f"{job_name(TRAINING)}/epoch-5", digest="f")
    spec = InfluenceSpec(
        model=last,
        training=TRAINING,
        checkpoints=(last,),
        attribution=Attribution(),
        collection="none",
        probe_set="none",
        languages=("fa",),
        inputs_digest=str(seed),
    )
    job = JobDirectory.create(folder / "jobs", spec, {})
    rng = np.random.default_rng(seed)
    # a prime stride from anywhere: no example comes twice in a list
    positions = (rng.integers(0, EXAMPLES, (TARGETS * 2, 1)) + 4_999 * np.arange(TOP_K)) % EXAMPLES
    down = -np.sort(-rng.standard_normal((TARGETS, 1, TOP_K)).astype(np.float32))
    frames = {
        "targets": pl.DataFrame({"target": np.arange(TARGETS)}).with_columns(
            question=pl.col("target").cast(pl.String),
            language=pl.lit("fa"),
            epoch=pl.lit(None, dtype=pl.Int32),
            answer=pl.lit(1),
            value=pl.lit(-3.0),
        ),
        "rankings": pl.DataFrame(
            {
                "target": np.repeat(np.arange(TARGETS), TOP_K * 2),
                "direction": np.tile(np.repeat(["positive", "negative"], TOP_K), TARGETS),
                "rank": np.tile(np.arange(1, TOP_K + 1), TARGETS * 2),
                "position": positions.ravel(),
                "score": np.concatenate([down, -down], axis=1).ravel(),
            }
        ),
        "summaries": pl.DataFrame({"target": np.arange(TARGETS), "language": "fa", "n": EXAMPLES}).with_columns(
            score_sum=0.0, score_sum_squares=1.0, score_min=-1.0, score_max=1.0
        ),
        "histograms": pl.DataFrame(
            {
                "target": np.repeat(np.arange(TARGETS), BINS),
                "language": "fa",
                "bin": np.tile(np.arange(BINS) - BINS // 2, TARGETS),
                "n": EXAMPLES // BINS,
            }
        ),
    }
    job.outputs.mkdir(exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(job.outputs / f"{name}.parquet")
    (job.outputs / "run.json").write_text(f'{{"examples": {EXAMPLES}, "bin_width": {2 / BINS}}}')
    job.set_state("finished")
    return job


def main() -> None:
    """Print rows a second (median of three commits) and the highest peak memory."""
    rows = TARGETS * TOP_K * 2
    rates, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = _store(Path(folder))
        for seed in range(3):
            job = _job(Path(folder), seed)
            with open_store(store, read_only=False) as connection, PeakMemory() as memory:
                began = time.perf_counter()
                commit_job(connection, job, store)
                rates.append(rows / (time.perf_counter() - began))
            peaks.append(memory.megabytes)
    rate, peak = sorted(rates)[1], max(peaks)
    figure("committing 1,000,000 ranking rows", rate, "rows/s", ">= 1,000,000", rate >= 1e6)
    figure("  memory above the base process", peak, "MB", "<= 500", peak <= 500)


if __name__ == "__main__":
    main()
