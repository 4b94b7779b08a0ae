"""Rows of runs and checkpoints without workers behind them."""

from datetime import datetime
from typing import Any, Final

import duckdb
import polars as pl

from mlv.schema.store.rows import append

AT: Final = datetime(2021, 1, 1)


def insert(connection: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    """Enter a row."""
    append(connection, table, pl.DataFrame([row]))


def enter_run(connection: duckdb.DuckDBPyConnection, key: int, kind: str, start: int, spec: str, seed: int = 1) -> None:
    """Enter a run that is committed."""
    name = f"{kind}-{key}"
    times = dict.fromkeys(("started_at", "finished_at", "committed_at"), AT)
    insert(
        connection, "run", run_id=key, kind=kind, name=name, spec_hash=name, spec=spec, start_checkpoint_id=start,
        seed=seed, status="committed", provenance="{}", **times,
    )  # fmt: skip


def enter_checkpoint(connection: duckdb.DuckDBPyConnection, key: int, base: int, run: int | None) -> None:
    """Enter a checkpoint: of a run its first epoch, else a pretrained model's."""
    epoch = 0 if run is None else 1
    insert(
        connection, "checkpoint", checkpoint_id=key, base_model_id=base, epoch=epoch, step=epoch, is_final=True,
        path="", digest=str(key), **({} if run is None else {"run_id": run}),
    )  # fmt: skip
