"""The words of corpora, as white space divides them."""

import polars as pl

from mlv.compute.machine.options import ExecuteOptions, Progress
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.wordcount import WordcountSpec


def run(job: JobDirectory, spec: WordcountSpec, options: ExecuteOptions, progress: Progress) -> None:  # noqa: ARG001
    """Write ``outputs/words.parquet``, a corpus a row: ``[source, language, edition, segments, words]``."""
    segments = read_table(job.inputs / "segments.parquet", ["source", "language", "edition", "text"])
    progress.start(segments.height, "segment", "words")
    words = pl.col("text").str.split(" ").list.eval(pl.element().str.len_chars() >= spec.shortest).list.sum()
    counted = segments.group_by("source", "language", "edition", maintain_order=True).agg(
        segments=pl.len().cast(pl.Int64), words=words.sum().cast(pl.Int64)
    )
    write_table(job.outputs / "words.parquet", counted)
    progress.advance(segments.height)
