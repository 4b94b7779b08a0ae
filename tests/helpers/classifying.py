"""Small jobs that train classifiers."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tiny_encoder import labelled_rows

from mlv.compute.models import files
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import content_digest


def examples(pairs: bool = False) -> pl.DataFrame:
    """30 training and 9 development examples."""
    rows = pl.DataFrame(labelled_rows({"train": 10, "development": 3}))
    return rows.select(
        pl.int_range(pl.len()).alias("position"),
        "split",
        pl.lit("words").alias("source"),
        pl.col("lang").alias("language"),
        pl.col("split").alias("edition"),
        pl.int_range(pl.len()).over("lang", "split").alias("segment_position"),
        pl.col("id").cast(pl.String).alias("parallel_key"),
        "text",
        pl.col("text").shift(1, fill_value="so w1").alias("text_pair")
        if pairs
        else pl.lit(None, pl.String).alias("text_pair"),
        class_number=pl.when(label="plus").then(2).otherwise(1).cast(pl.Int64),
    )


def planned(folder: Path, encoder: Path, pairs: bool = False, **settings: Any) -> JobDirectory:
    """A job of two epochs."""
    reference = files.resolve(str(encoder))
    frame = examples(pairs)
    spec = ClassifySpec(
        model=reference,
        task="praise",
        classes=("negative", "positive"),
        source="words",
        languages=("de", "en", "fr"),
        examples=10,
        corpora=(),
        development=(),
        inputs_digest=content_digest(frame),
        **{"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, **settings},
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    frame.write_parquet(job.inputs / "examples.parquet")
    return job


def weights(folder: Path) -> dict[str, Any]:
    """All weights of a checkpoint by name."""
    from safetensors.numpy import load_file

    found: dict[str, Any] = load_file(folder / "model.safetensors")
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Weights are the same to the bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
