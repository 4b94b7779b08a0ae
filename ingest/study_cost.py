"""What a study will take, from what committed runs of the same models took: hours, disk, and growth of the store.

A rate is a median over runs with the study's settings that went through without a break, on the hardware that the
newest of them ran on. Where there is no such run there is no rate, and no estimate. Rows of the store do not depend on
the model, so their number is measured on all runs of a kind, and their size is that of the store's present ones.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import duckdb
import polars as pl

from mlv.ingest.attributions import attribution
from mlv.ingest.loading import number
from mlv.ingest.models import find_checkpoint
from mlv.ingest.plan import default_probe_set
from mlv.ingest.study import Cell, CellKind
from mlv.ingest.study_board import Board
from mlv.schema import paper
from mlv.schema.events import Resumed, name_of
from mlv.schema.jobs import Attribution, FinetuneSpec, InfluenceSpec, ModelRef, default_settings, spec_hash
from mlv.schema.settings import settings

UNITS: Final[dict[CellKind, str]] = {
    "finetune": "training examples x epochs",
    "probe": "probes",
    "influence": "gradients of training examples",
}
"""What a cell's cost is proportional to, by kind."""

BYTES_PER_PARAMETER: Final = 4
"""Of a checkpoint whose size was never measured; the tokenizer is left out."""


_TIMELESS: Final = ("epochs", "learning_rate")
"""Settings of a training that the time for an example and epoch does not depend on; all others count."""


@dataclass(frozen=True)
class _Measured:
    """A committed run that went through without a break."""

    spec: dict[str, Any]
    seconds: float
    units: float
    hardware: str


def estimate(connection: duckdb.DuckDBPyConnection, board: Board, store: Path) -> pl.DataFrame:
    """One row per kind and model, over the cells that are not done.

    ``[kind, model, cells, units, unit, seconds_per_unit, hours, disk_gb, store_mb, measured]``; hours are those of one
    worker. NULL where nothing was measured.
    """
    left = [cell for cell in board.cells if board.seen[cell].state not in ("done", "finished")]
    groups: dict[tuple[CellKind, str], list[Cell]] = {}
    for cell in left:
        groups.setdefault((cell.kind, cell.model), []).append(cell)
    rows = [_row(connection, board, store, kind, model, cells) for (kind, model), cells in sorted(groups.items())]
    schema = {"kind": pl.String, "model": pl.String, "cells": pl.Int64, "units": pl.Int64, "unit": pl.String}
    schema |= dict.fromkeys(("seconds_per_unit", "hours", "disk_gb", "store_mb"), pl.Float64)
    return pl.DataFrame(rows, schema=schema | {"measured": pl.String}, orient="row")


def _row(
    connection: duckdb.DuckDBPyConnection,
    board: Board,
    store: Path,
    kind: CellKind,
    model: str,
    cells: Sequence[Cell],
) -> tuple[Any, ...]:
    units = sum(_units(connection, board, cell) for cell in cells)
    base = _base_model(connection, board.model(model))
    runs = _measured(connection, board, kind, base)
    rate = median(run.seconds / run.units for run in runs) if runs else None
    hours = None if rate is None else units * rate / 3600
    if kind == "finetune":
        disk = _of_checkpoints(connection, store, base, len(cells) * board.study.finetuning.epochs)
    else:
        disk = _of_indexes(store, runs, units) if kind == "influence" else 0.0
    rows = _rows(connection, kind, units, len(cells))
    grown = None if rows is None else rows * _bytes_per_row(connection, store)
    measured = f"{len(runs)} runs, {runs[0].hardware}" if runs else "nothing measured"
    gigabytes, megabytes = (None if size is None else size / unit for size, unit in ((disk, 1e9), (grown, 1e6)))
    return (kind, model, len(cells), units, UNITS[kind], rate, hours, gigabytes, megabytes, measured)


def _units(connection: duckdb.DuckDBPyConnection, board: Board, cell: Cell) -> int:
    finetuning, probing = board.study.finetuning, board.study.probing
    if cell.kind == "probe":
        return number(
            connection,
            "SELECT count(*) FROM v_probe p "
            "JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
            "WHERE s.probe_set = $1 AND (len($2) = 0 OR list_contains($2, p.language))",
            [probing.probe_set or default_probe_set(connection), list(probing.languages)],
        )
    assert cell.run is not None
    examples = round(cell.run.sentences * (1 - paper.DEVELOPMENT_SHARE))
    if cell.kind == "finetune":
        return examples * finetuning.epochs
    return examples * _passes(*_attribution(board), finetuning.epochs)


def _attribution(board: Board) -> tuple[Attribution, str]:
    """How the study attributes, and at which checkpoints."""
    traced = board.study.influence
    assert traced is not None
    chosen = attribution(traced.choices(), [])
    return chosen, traced.checkpoints or ("all" if chosen.method == "tracin" else "last")


def _passes(chosen: Attribution, checkpoints: str, epochs: int) -> int:
    """How often an example's gradient is taken: at each checkpoint once, or for the corruptions of all its epochs."""
    named = {"last": [epochs], "all": list(range(1, epochs + 1))}
    at = named[checkpoints] if checkpoints in named else [int(epoch) for epoch in checkpoints.split(",")]
    return sum(at) if chosen.gradients.corruptions == "trained" else len(at)


def _base_model(connection: duckdb.DuckDBPyConnection, model: ModelRef | None) -> int | None:
    """Key of the pretrained model, where the store knows it."""
    known = find_checkpoint(connection, model) if model else None
    return known[1] if known else None


_RUNS: Final = """
SELECT r.spec, epoch(r.finished_at - r.started_at) AS seconds, r.provenance,
    CASE r.kind
        WHEN 'finetune' THEN (SELECT count(*) FROM training_example e WHERE e.run_id = r.run_id AND split = 'train')
        WHEN 'probe' THEN (SELECT count(*) FROM probe_logit g WHERE g.run_id = r.run_id AND g.answer = 1)
        ELSE (SELECT any_value(examples) FROM influence_run i WHERE i.run_id = r.run_id)
    END AS examples
FROM run r
JOIN checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
WHERE r.status = 'committed' AND r.kind = $kind AND k.base_model_id = $base
    AND r.run_id NOT IN (SELECT run_id FROM run_event WHERE event = $resumed)
ORDER BY r.started_at DESC
"""


def _measured(connection: duckdb.DuckDBPyConnection, board: Board, kind: CellKind, base: int | None) -> list[_Measured]:
    """Runs that tell the rate of a kind with a model: those with the study's settings, on the newest's hardware."""
    rows = connection.execute(_RUNS, {"kind": kind, "base": base, "resumed": name_of(Resumed)}).fetchall()
    runs = []
    for text, seconds, provenance, examples in rows:
        spec = json.loads(text)
        if _works_alike(board, kind, spec):
            units = examples * _passes_of(spec)
            runs.append(_Measured(spec, seconds, units, _hardware(json.loads(provenance))))
    runs = [run for run in runs if run.units and run.seconds > 0]
    return [run for run in runs if run.hardware == runs[0].hardware]


def _works_alike(board: Board, kind: CellKind, spec: dict[str, Any]) -> bool:
    """Whether a run took for a unit what a run of the study will take."""
    if kind == "influence":
        return bool(spec["attribution"] == _attribution(board)[0].model_dump(mode="json"))
    if kind == "finetune":
        wanted = default_settings(FinetuneSpec) | board.study.finetuning.model_dump(mode="json")
        return _timed(settings(spec)) == _timed(wanted)
    return True


def _timed(chosen: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in chosen.items() if name not in _TIMELESS}


def _passes_of(spec: dict[str, Any]) -> int:
    """How often a run went over its examples."""
    if spec["kind"] == "finetune":
        return int(spec["epochs"])
    if spec["kind"] == "probe":
        return 1
    epochs = [int(model["name"].rpartition("-")[2]) for model in spec["checkpoints"]]
    return sum(epochs) if spec["attribution"]["gradients"]["corruptions"] == "trained" else len(epochs)


def _hardware(provenance: dict[str, Any]) -> str:
    hardware = provenance.get("environment", {}).get("hardware", {})
    if hardware.get("gpu"):
        return str(hardware["gpu"])
    threads = hardware.get("threads")
    share = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
    return f"{hardware.get('device', 'unknown hardware')}{share}"


def _of_indexes(store: Path, runs: Sequence[_Measured], units: int) -> float | None:
    """Bytes of the indexes of gradients, which may be deleted."""
    sizes = [size / run.units for run in runs if (size := _index_bytes(store, run.spec))]
    return units * median(sizes) if sizes else None


def _of_checkpoints(
    connection: duckdb.DuckDBPyConnection, store: Path, base: int | None, checkpoints: int
) -> float | None:
    """Bytes of checkpoints of a model: each as those on disk, else by its parameters."""
    rows = connection.execute(
        "SELECT k.path FROM checkpoint k JOIN run r USING (run_id) WHERE k.base_model_id = ? AND r.kind = 'finetune'",
        [base],
    ).fetchall()
    sizes = [size for (path,) in rows if (size := _folder_bytes(store.resolve().parent / path))]
    if sizes:
        return checkpoints * median(sizes)
    known = connection.execute("SELECT parameters FROM base_model WHERE base_model_id = ?", [base]).fetchone()
    return None if known is None else float(checkpoints * known[0] * BYTES_PER_PARAMETER)


def _index_bytes(store: Path, spec: dict[str, Any]) -> int:
    """Size of the indexes beside the store that an influence run read; 0 where they were deleted."""
    traced = InfluenceSpec.model_validate(spec)
    identity = {"training": spec_hash(traced.training), "gradients": spec["attribution"]["gradients"]}
    found = 0
    for about in (store.parent / "jobs").glob("index-*/index.json"):
        index = json.loads(about.read_text(encoding="utf-8"))
        if identity.items() <= index.items():
            found += _folder_bytes(about.parent)
    return found


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


_GROWTH: Final[dict[CellKind, str]] = {
    "finetune": """
        SELECT (SELECT count(*) FROM training_example) + (SELECT count(*) FROM metric),
            (SELECT sum(json_extract(spec, '$.epochs')::BIGINT)
             FROM training_example JOIN run USING (run_id) WHERE split = 'train' AND kind = 'finetune')""",
    "probe": """
        SELECT (SELECT count(*) FROM probe_logit) + (SELECT count(*) FROM probe_answer)
                + (SELECT count(*) FROM v_model_profile),
            (SELECT count(*) FROM probe_logit WHERE answer = 1)""",
    "influence": """
        SELECT (SELECT count(*) FROM influence_ranking) + (SELECT count(*) FROM influence_summary)
                + (SELECT count(*) FROM influence_target),
            (SELECT count(*) FROM run WHERE kind = 'influence')""",
}
"""Rows that the runs of a kind brought, and of how many units (of influence: runs) they are."""


def _rows(connection: duckdb.DuckDBPyConnection, kind: CellKind, units: int, cells: int) -> float | None:
    """Rows that will be added to the store. A traced run's depend on how many values shift: as many as so far."""
    row = connection.execute(_GROWTH[kind]).fetchone()
    if row is None or not row[1]:
        return None
    return float(row[0]) / float(row[1]) * (cells if kind == "influence" else units)


def _bytes_per_row(connection: duckdb.DuckDBPyConnection, store: Path) -> float:
    rows = number(connection, "SELECT sum(estimated_size) FROM duckdb_tables()")
    return store.stat().st_size / max(rows, 1)


def totals(costs: pl.DataFrame) -> str:
    """What a study takes in all, in a sentence; what was never measured is named."""
    hours, disk, grown = (costs[name].sum() for name in ("hours", "disk_gb", "store_mb"))
    said = f"{hours:,.1f} hours of one worker, {disk:,.1f} GB in jobs/, {grown:,.1f} MB more in the store"
    unknown = costs.filter(pl.any_horizontal(pl.col("hours", "disk_gb", "store_mb").is_null()))
    if unknown.is_empty():
        return said
    named = "; ".join(
        f"{', '.join(name for name in ('hours', 'disk_gb', 'store_mb') if row[name] is None)} of {row['cells']} "
        f"{row['kind']} cells of {row['model']}"
        for row in unknown.iter_rows(named=True)
    )
    return f"{said}; without a measured rate, and not in these sums: {named}"
