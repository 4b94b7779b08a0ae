"""What a study will take, from what committed runs of the same models took: hours, disk, and growth of the store.

A rate is a median over runs that went through without a break, on the hardware that the newest of them ran on. Without
such a run there is no rate, and no estimate.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import duckdb
import polars as pl

from mlv.ingest.jobs.kinds import kind as find_kind
from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.planning import Context
from mlv.ingest.jobs.request import Request
from mlv.ingest.jobs.trained import checkpoint_bytes
from mlv.ingest.studies.cells import Cell
from mlv.ingest.studies.status import StudyStatus
from mlv.ingest.writing.profiles import PROFILES_OF_RUN
from mlv.schema.errors import MlvError
from mlv.schema.jobs.events import Resumed, name_of
from mlv.schema.jobs.kinds import KINDS, read_spec
from mlv.schema.jobs.spec import Spec
from mlv.schema.store.rows import number
from mlv.schema.tables.relations import rows_of

BYTES_PER_PARAMETER: Final = 4
"""Of a checkpoint whose size was never measured; the tokenizer is left out."""

NEWEST: Final = 20
"""Runs that a rate is measured on, at most."""

_RUNS: Final = """
SELECT r.run_id, r.spec, epoch(r.finished_at - r.started_at) AS seconds, r.provenance, u.units
FROM run r
JOIN ({measured}) u ON u.run_id = r.run_id
LEFT JOIN checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
WHERE r.status = 'committed' AND r.kind = $kind AND k.base_model_id IS NOT DISTINCT FROM $base
    AND r.run_id NOT IN (SELECT run_id FROM run_event WHERE event = $resumed)
ORDER BY r.started_at DESC
"""


@dataclass(frozen=True)
class _Measured:
    """A committed run that went through without a break."""

    run_id: int
    spec: Spec
    seconds: float
    units: float
    hardware: str


@dataclass(frozen=True)
class _Group:
    """Cells of a kind with one model that are not committed, and that the same runs tell the rate of."""

    kind: str
    model: str
    base: int | None
    """Key of the model, if the store knows it."""

    runs: Sequence[_Measured]
    cells: list[Cell]
    requests: list[Request]


def estimate(connection: duckdb.DuckDBPyConnection, status: StudyStatus) -> pl.DataFrame:
    """One row per kind, model and rate, over the cells that are not committed.

    ``[kind, model, cells, units, unit, seconds_per_unit, hours, disk_gb, store_mb, measured]``; hours are those of one
    worker. NULL if nothing was measured.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in status.needed():
        groups.setdefault((cell.kind, cell.model), []).append(cell)
    context = status.context(connection)
    rows = [
        _row(context, group)
        for (kind, model), cells in sorted(groups.items())
        for group in _groups(context, kind, model, cells)
    ]
    schema = {"kind": pl.String, "model": pl.String, "cells": pl.Int64, "units": pl.Int64, "unit": pl.String}
    schema |= dict.fromkeys(("seconds_per_unit", "hours", "disk_gb", "store_mb"), pl.Float64)
    return pl.DataFrame(rows, schema=schema | {"measured": pl.String}, orient="row")


def _groups(context: Context, kind: str, model: str, cells: Sequence[Cell]) -> list[_Group]:
    """Cells of a kind with one model, by the runs that tell their rate: settings decide which are alike."""
    base = _base_model(context, model)
    known = _measured(context, kind, base)
    found: dict[tuple[int, ...], _Group] = {}
    for cell in cells:
        request = cell.asked()
        runs = _alike(kind, known, request)
        group = found.setdefault(tuple(run.run_id for run in runs), _Group(kind, model, base, runs, [], []))
        group.cells.append(cell)
        group.requests.append(request)
    return list(found.values())


def _trained(cell: Cell) -> Request | None:
    """What is asked of the run that a cell is about, if the study makes it."""
    for needed in cell.about:
        if KINDS[needed.kind].MAKES_CHECKPOINTS:
            return needed.asked()
        if found := _trained(needed):
            return found
    return None


def _row(context: Context, group: _Group) -> tuple[Any, ...]:
    cost, runs = find_kind(group.kind).COST, group.runs
    units = sum(
        cost.units(context, request, _trained(cell)) for cell, request in zip(group.cells, group.requests, strict=True)
    )
    rate = median(run.seconds / run.units for run in runs) if runs else None
    hours = None if rate is None else units * rate / 3600
    disk, grown = _disk(context, group, units), _growth(context, runs, units)
    hardware = f"{len(runs)} runs, {runs[0].hardware}" if runs else "nothing measured"
    gigabytes, megabytes = (None if size is None else size / unit for size, unit in ((disk, 1e9), (grown, 1e6)))
    return (
        *(group.kind, group.model, len(group.cells), units, cost.unit, rate, hours),
        *(gigabytes, megabytes, hardware),
    )


def _base_model(context: Context, name: str) -> int | None:
    """Key of a model that the study names or makes, if the store knows it."""
    try:
        known = find_checkpoint(context.connection, context.find_model(name))
    except MlvError:
        return None
    return known[1] if known else None


def _measured(context: Context, kind: str, base: int | None) -> list[_Measured]:
    """Runs of a kind with a model that went through, the newest first."""
    rows = context.connection.execute(
        _RUNS.format(measured=find_kind(kind).COST.measured), {"kind": kind, "base": base, "resumed": name_of(Resumed)}
    ).fetchall()
    return [
        _Measured(run_id, read_spec(spec), seconds, units, _hardware(json.loads(provenance)))
        for run_id, spec, seconds, provenance, units in rows
        if units and seconds > 0
    ]


def _alike(kind: str, runs: Sequence[_Measured], request: Request) -> list[_Measured]:
    """Those that tell the rate of a request: with alike settings, on the hardware of the newest of them."""
    alike = [run for run in runs if find_kind(kind).COST.alike(run.spec, request)][:NEWEST]
    return [run for run in alike if run.hardware == alike[0].hardware]


def _hardware(provenance: dict[str, Any]) -> str:
    hardware = provenance.get("environment", {}).get("hardware", {})
    if hardware.get("gpu"):
        return str(hardware["gpu"])
    threads = hardware.get("threads")
    share = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
    return f"{hardware.get('device', 'unknown hardware')}{share}"


def _disk(context: Context, group: _Group, units: int) -> float | None:
    """Bytes of checkpoints, and of what jobs keep beside their directories; None if neither was measured."""
    cost = find_kind(group.kind).COST
    checkpoints = sum(cost.checkpoints(request) for request in group.requests)
    each = _checkpoint_bytes(context, group.base) if checkpoints else 0.0
    beside = _kept(context, cost.kept_bytes, group.runs, units) if cost.kept_bytes else 0.0
    return None if each is None or beside is None else checkpoints * each + beside


def _kept(
    context: Context, kept_bytes: Callable[[Path, Any], int], runs: Sequence[_Measured], units: int
) -> float | None:
    sizes = [size / run.units for run in runs if (size := kept_bytes(context.jobs, run.spec))]
    return units * median(sizes) if sizes else None


def _checkpoint_bytes(context: Context, base: int | None) -> float | None:
    """Bytes of a checkpoint of a model: as those on disk, else by its parameters."""
    size = checkpoint_bytes(context.connection, context.store, base)
    if size is not None:
        return size
    known = context.connection.execute("SELECT parameters FROM base_model WHERE base_model_id = ?", [base]).fetchone()
    return None if known is None else float(known[0] * BYTES_PER_PARAMETER)


def _growth(context: Context, runs: Sequence[_Measured], units: int) -> float | None:
    """Bytes that the store will grow by, if new runs bring as many rows per unit as those that were measured."""
    if not runs:
        return None
    rates = [_rows(context.connection, run.run_id) / run.units for run in runs]
    return float(units * median(rates) * _bytes_per_row(context.connection, context.store))


def _rows(connection: duckdb.DuckDBPyConnection, run_id: int) -> int:
    """Rows of the store that belong to a run, and the values of the profiles that its answers are in."""
    values = f"(SELECT count(*) FROM profile_value JOIN profile USING (profile_id) WHERE {PROFILES_OF_RUN})"
    counts = " + ".join(
        [values, *(f"(SELECT count(*) FROM {table} WHERE {owned})" for table, owned in rows_of("run").items())]
    )
    row = connection.execute(f"SELECT {counts}", {"key": run_id}).fetchone()
    return int(row[0]) if row else 0


def _bytes_per_row(connection: duckdb.DuckDBPyConnection, store: Path) -> float:
    rows = number(connection, "SELECT sum(estimated_size) FROM duckdb_tables()")
    return store.stat().st_size / max(rows, 1)


def totals(costs: pl.DataFrame) -> str:
    """What a study takes in all, in a sentence; what was never measured is named."""
    hours, disk, grown = (costs[name].sum() for name in ("hours", "disk_gb", "store_mb"))
    whole = f"{hours:,.1f} hours of one worker, {disk:,.1f} GB in jobs/, {grown:,.1f} MB more in the store"
    unknown = costs.filter(pl.any_horizontal(pl.col("hours", "disk_gb", "store_mb").is_null()))
    if unknown.is_empty():
        return whole
    named = "; ".join(
        f"{', '.join(name for name in ('hours', 'disk_gb', 'store_mb') if row[name] is None)} of {row['cells']} "
        f"{row['kind']} jobs of {row['model']}"
        for row in unknown.iter_rows(named=True)
    )
    return f"{whole}; without a measured rate, and not in these sums: {named}"
