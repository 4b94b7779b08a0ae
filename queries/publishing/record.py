"""What of a run is published: its specification, losses, training data by name, and which answers it changed.

Runs that make a model are published, with what later probing found in it. No text of a corpus or probe is part of a
record, nor the folders and the command line that provenance has.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from mlv.queries.engine.catalogue import INTERVALS, QUESTIONS, find
from mlv.queries.engine.execution import run_query
from mlv.queries.studies import STUDIES
from mlv.schema.dotted import dotted
from mlv.schema.errors import NotFoundError, UsageError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.kinds import KINDS

_RUN: Final = """
SELECT r.kind, r.spec_hash, r.spec, r.provenance, r.started_at, r.finished_at, p.name AS parent
FROM run r LEFT JOIN run p ON p.run_id = r.parent_run_id
WHERE r.name = $run
"""

_MODEL: Final = """
SELECT b.name, b.revision, b.architecture, b.parameters, k.epoch
FROM run r JOIN checkpoint k USING (run_id) JOIN base_model b USING (base_model_id)
WHERE r.name = $run AND k.is_final
"""

_MEASURED: Final = "SELECT name, epoch, step, value FROM v_metric WHERE run = $run ORDER BY step, name"

_CORPORA: Final = """
SELECT s.code AS source, s.name AS title, l.code AS language, c.edition, c.licence, u.segments AS sentences,
       c.sha256, s.citation
FROM run r
JOIN run_corpus u USING (run_id)
JOIN corpus c USING (corpus_id)
JOIN source s USING (source_id)
JOIN "language" l USING (language_id)
WHERE r.name = $run
ORDER BY ALL
"""

_PROBED: Final = """
SELECT DISTINCT k.epoch, k.step, k.model, k.source, k.sentences, k.seed
FROM v_checkpoint k SEMI JOIN v_shift USING (checkpoint_id)
WHERE k.run = $run
ORDER BY ALL
"""
"""Checkpoints that answered probes as their base did, and what the query takes them by."""

_PROBES: Final = """
SELECT DISTINCT c.citation FROM v_probe_set s JOIN probe_collection c ON c.code = s.collection
WHERE s.probe_set = $probe_set ORDER BY ALL
"""


class Made(NamedTuple):
    """The model that a run made: its final checkpoint, and the pretrained model that this descends from."""

    name: str
    revision: str
    """Commit on the hub; empty for a local model."""

    architecture: str
    parameters: int
    epoch: int
    """That of the run's final checkpoint; 0 if it was pretrained."""


class Measured(NamedTuple):
    """A number at a step of a run."""

    name: str
    epoch: float
    step: int
    value: float


@dataclass(frozen=True)
class Record:
    """What is published of a run."""

    run: str
    kind: str
    spec_hash: str
    spec: Mapping[str, Any]
    """The specification, as ``job.json`` has it."""

    environment: Mapping[str, Any]
    """What the run was computed with: mlv, git_commit, packages, hardware; less where another version ran it."""

    started: datetime
    finished: datetime
    model: Made
    losses: tuple[Measured, ...]
    """What was logged: loss and eval_loss in nats per target token, examples_per_second; by step."""

    corpora: pl.DataFrame
    """source, title, language, edition, licence, sentences, sha256, citation: a row for each corpus trained on."""

    shares: pl.DataFrame
    """epoch, step, language; share: that of the answers that are as before, in percent, with low and high, the ends of
    its 95% interval; probes. No row where the model or its base answered none."""

    probe_set: str
    """The probe set that the probes are of; empty without answers."""

    probes: tuple[str, ...]
    """How to cite them."""

    def parameters(self) -> dict[str, str]:
        """The specification in dotted names; without what the run does without."""
        return {name: _text(value) for name, value in dotted(self.spec) if value is not None}

    def measured(self) -> list[Measured]:
        """All numbers by step: what was logged, and as unchanged/LANGUAGE which share of answers stayed, in percent."""
        shares = [
            Measured(f"unchanged/{row['language']}", float(row["epoch"]), row["step"], row["share"])
            for row in self.shares.iter_rows(named=True)
        ]
        return sorted([*self.losses, *shares], key=lambda one: (one.step, one.name))

    def tags(self, study: str = "") -> dict[str, str]:
        """What a run is found by."""
        commit = str(self.environment.get("git_commit") or "")
        tags = {
            "mlv.run": self.run,
            "mlv.kind": self.kind,
            "mlv.spec_hash": self.spec_hash,
            "mlv.model": self.model.name,
            "mlv.version": str(self.environment.get("mlv") or ""),
            "mlv.git_commit": f"{commit} with changes" if commit and self.environment.get("git_dirty") else commit,
            "mlv.study": study,
        }
        return {name: text for name, text in tags.items() if text}

    def tables(self) -> dict[str, pl.DataFrame]:
        """Tables to go along by name; without rows there is none."""
        tables = {"corpora": self.corpora, "shares": self.shares}
        return {name: table for name, table in tables.items() if table.height}


def _text(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    plain = not any(isinstance(item, dict | list) for item in value)
    return ",".join(map(str, value)) if plain else json.dumps(value, ensure_ascii=False)


def record(connection: duckdb.DuckDBPyConnection, run: str) -> Record:
    """What is published of a run, by its whole name.

    Raises NotFoundError if the store does not have it, UsageError if it makes no model.
    """
    found = frame_of(connection, _RUN, {"run": run}).rows(named=True)
    if not found:
        raise NotFoundError(f"The store has no run {run}.", "Commit it first: mlv runs resume")
    row = found[0]
    if not KINDS[row["kind"]].MAKES_CHECKPOINTS:
        raise _makes_none(run, row["parent"])
    shares, probe_set = _shares(connection, run)
    return Record(
        run=run,
        kind=row["kind"],
        spec_hash=row["spec_hash"],
        spec=json.loads(row["spec"]),
        environment=json.loads(row["provenance"]).get("environment") or {},
        started=row["started_at"].replace(tzinfo=UTC),
        finished=row["finished_at"].replace(tzinfo=UTC),
        model=Made(*frame_of(connection, _MODEL, {"run": run}).row(0)),
        losses=tuple(Measured(*one) for one in frame_of(connection, _MEASURED, {"run": run}).iter_rows()),
        corpora=frame_of(connection, _CORPORA, {"run": run}),
        shares=shares,
        probe_set=probe_set,
        probes=tuple(frame_of(connection, _PROBES, {"probe_set": probe_set})["citation"]),
    )


def _makes_none(run: str, parent: str | None) -> UsageError:
    """The error for a run that makes no model; ``parent`` made the one that it examines."""
    return UsageError(
        f"{run} makes no model. Runs that do are published, and with them which share of their answers stayed.",
        f"Publish the run that made the model: {parent}" if parent else "What it found is in tables: mlv query list",
    )


def _shares(connection: duckdb.DuckDBPyConnection, run: str) -> tuple[pl.DataFrame, str]:
    """Shares of unchanged answers by epoch and language, as the released query has them; and the probe set."""
    query = find(next(study.shares for study in STUDIES if study.shares))
    columns = {query.name: "share", f"{query.name}_low": "low", f"{query.name}_high": "high"}
    tables, probe_set = [pl.DataFrame()], ""
    for epoch, step, model, source, sentences, seed in frame_of(connection, _PROBED, {"run": run}).iter_rows():
        of_run = {"model": model, "source": source, "sentences": sentences, "seed": seed, "epoch": epoch}
        strategies = ["monolingual", "multilingual", "continued"]
        result = run_query(connection, query, {**of_run, "strategies": strategies, INTERVALS: QUESTIONS})
        probe_set = str(result.parameters["probe_set"])
        rows = result.frame.filter(pl.col("run") == run).with_columns(step=pl.lit(step, pl.Int64)).rename(columns)
        tables.append(rows.select("epoch", "step", "language", "share", "low", "high", "probes"))
    return pl.concat(tables, how="diagonal"), probe_set
