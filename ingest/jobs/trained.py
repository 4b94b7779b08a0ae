"""What jobs that train have in common: the corpora that they read, and the checkpoints and metrics that they leave."""

import os
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.jobs.outputs import again, output
from mlv.ingest.jobs.runs import NewRun, checkpoint_row, enter_base_model
from mlv.schema.errors import JobError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.parquet import check_decompressed_size, read_parquet
from mlv.schema.jobs.spec import CorpusRef, ModelRef
from mlv.schema.store.rows import ensure, next_id, number

MASK: Final = (
    "Where spans are removed: anywhere, or t5, as T5's own code has it: a sentence then always ends with a removed "
    "span, and up to 30 tokens have no other."
)
"""Description of the setting ``mask``."""


def corpora_of(segments: pl.DataFrame) -> tuple[CorpusRef, ...]:
    """The corpora behind ``[source, language, edition, corpus_sha256, ...]``, one row a segment."""
    counted = segments.group_by("source", "language", "edition", "corpus_sha256").agg(segments=pl.len())
    return tuple(
        CorpusRef(**row)
        for row in counted.rename({"corpus_sha256": "sha256"})
        .sort("source", "language", "edition")
        .iter_rows(named=True)
    )


def enter_corpora(run: NewRun, corpora: tuple[CorpusRef, ...]) -> int:
    """Enter which corpora a run trained on; return their number. The store has them (``mlv.ingest.jobs.inputs``)."""
    for corpus in corpora:
        run.connection.execute(
            "INSERT INTO run_corpus SELECT ?, c.corpus_id, ? "
            "FROM corpus c JOIN source s USING (source_id) JOIN language l USING (language_id) "
            "WHERE s.code = ? AND l.code = ? AND c.edition = ?",
            [run.run_id, corpus.segments, corpus.source, corpus.language, corpus.edition],
        )
    return run.count("run_corpus")


def enter_examples(run: NewRun, inputs_digest: str) -> int:
    """Enter what a run could train on; return the number. Raises JobError if the store lacks one of them, or they are
    not those that the run was planned with."""
    path = run.job.inputs / "examples.parquet"
    check_decompressed_size(path)
    run.connection.execute(
        "INSERT INTO training_example "
        "SELECT ? + row_number() OVER (ORDER BY e.position) - 1, ?, e.position, e.split, g.segment_id "
        "FROM read_parquet(?) e "
        "LEFT JOIN v_segment g ON g.source = e.source AND g.language = e.language AND g.edition = e.edition "
        "     AND g.position = e.segment_position",
        [next_id(run.connection, "training_example"), run.run_id, str(path)],
    )
    unmatched = number(
        run.connection,
        "SELECT count(*) FROM training_example WHERE run_id = ? AND segment_id IS NULL",
        [run.run_id],
    )
    if unmatched:
        raise JobError(
            f"{unmatched} training examples of {run.job.path.name} are not in the store.",
            "Ingest the corpora that the job was planned from, then commit again.",
        )
    if content_digest(read_parquet(path)) != inputs_digest:
        raise JobError(
            f"{path} does not hold the examples that {run.job.path.name} was planned with.",
            "Take the job directory once more from where it was run.",
        )
    return run.count("training_example")


def enter_metrics(run: NewRun) -> int:
    """Enter what was measured during training; return the number of rows."""
    path = str(output(run.job, "metrics.parquet"))
    run.connection.execute(
        "INSERT INTO metric SELECT ?, name, epoch, step, value FROM read_parquet(?)", [run.run_id, path]
    )
    return run.count("metric")


def enter_checkpoints(run: NewRun, name: str = "") -> int:
    """Enter the run's checkpoints; return their number. Those of a run without a start are a new base model, ``name``.

    Raises JobError if one is not the run's own.
    """
    for row in _made(run).iter_rows(named=True):
        if run.start:
            base = run.start.base_model_id
        else:
            base = enter_base_model(run.connection, run.job, ModelRef(name=name, digest=row["digest"]))
        place = (row["epoch"], row["step"], row["is_final"])
        path = _relative(run.job.path / row["path"], run.store)
        entered = checkpoint_row(base, run.run_id, place, path, row["digest"])
        ensure(run.connection, "checkpoint", entered, ["run_id", "epoch"])
    return run.count("checkpoint")


def _made(run: NewRun) -> pl.DataFrame:
    """The checkpoints that a job says it made. Raises JobError if one is not its own."""
    path = str(output(run.job, "checkpoints.parquet"))
    # by DuckDB, since polars ends the process at some damaged files
    made = frame_of(
        run.connection,
        "SELECT epoch::INTEGER AS epoch, step::INTEGER AS step, is_final::BOOLEAN AS is_final, path::VARCHAR AS path, "
        "       digest::VARCHAR AS digest FROM read_parquet(?)",
        [path],
    )
    own = pl.format("checkpoints/epoch-{}", "epoch")
    foreign = made.filter(~pl.col("path").eq_missing(own) | pl.col("digest").is_null())["path"].to_list()
    if foreign:
        raise JobError(
            f"{path} names a checkpoint at {str(foreign[0])[:100]!r}; a run's are checkpoints/epoch-N, with digest.",
            again(run.job),
        )
    return made


def _relative(path: Path, store: Path) -> str:
    """``path`` seen from the store's folder, so that store and jobs can be moved together."""
    return Path(os.path.relpath(path.resolve(), store.resolve().parent)).as_posix()


def checkpoint_bytes(connection: duckdb.DuckDBPyConnection, store: Path, base_model_id: int | None) -> float | None:
    """Median size of the checkpoints of a model that are on disk; None if there are none."""
    rows = connection.execute(
        "SELECT path FROM checkpoint WHERE base_model_id = ? AND run_id IS NOT NULL", [base_model_id]
    ).fetchall()
    folders = [store.resolve().parent / path for (path,) in rows]
    sizes = [sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in folders]
    found = pl.Series([size for size in sizes if size], dtype=pl.Float64).median()
    return found if isinstance(found, float) else None
