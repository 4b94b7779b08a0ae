"""Committing a job directory: everything a finished job found enters the store in one transaction, once.

A job is known by the hash of its specification: committing it again changes nothing. Rows come with natural keys,
which are turned into the store's keys here; a row whose key is not in the store fails the whole commit.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from mlv.ingest.jobs.influence import commit_influence, commit_validation
from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.outputs import again, count_in, output
from mlv.ingest.jobs.pca_commit import commit_projection
from mlv.ingest.journal import note_run
from mlv.ingest.rules.rulebook import packaged
from mlv.ingest.writing.profiles import answer_probes, build_model_profiles
from mlv.schema.errors import JobError, StoreError, listed
from mlv.schema.files import now
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import CHECKPOINT_NAME, canonical_json, content_digest, job_name, spec_hash
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.kinds import JobSpec
from mlv.schema.jobs.parquet import read_parquet, refuse_bomb
from mlv.schema.jobs.pca import ProjectSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.validate import ValidationSpec
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure, next_id, number

_NOT_FINITE = (
    "SELECT count(*) FROM read_parquet(?) "
    "WHERE (isfinite(logit_sum) AND isfinite(logprob_sum) AND isfinite(logprob_first)) IS NOT TRUE"
)


@dataclass(frozen=True)
class Committed:
    """What a commit did."""

    run_id: int
    run: str
    """Name of the run."""

    already_there: bool
    rows: dict[str, int] = field(default_factory=dict)
    """Rows written, by table."""


@dataclass(frozen=True)
class _Start:
    """The model state that a run starts from or examines."""

    checkpoint_id: int
    base_model_id: int
    run_id: int | None


def commit_job(connection: duckdb.DuckDBPyConnection, job: JobDirectory, store: Path) -> Committed:
    """Write what a finished job found into the store at ``store``, open for writing on ``connection``.

    Raises JobError where the job is not done, its outputs are missing or damaged, or name what the store lacks, or its
    directory has links that lead out of it.
    """
    spec = job.spec()
    known = committed(connection, spec)
    if known is not None:
        return known
    if job.state() != "done":
        raise JobError(
            f"{job.path} is {job.state()}, not done: there is nothing to commit.",
            f"Let it finish: mlv runs resume {job.path.name}",
        )
    job.refuse_links()
    try:
        with transaction(connection):
            done = _commit(connection, job, spec, store)
    # DuckDB's words about damaged text are not always text
    except (duckdb.Error, pl.exceptions.PolarsError, UnicodeError) as error:
        raise JobError(
            f"The results in {job.outputs} cannot be committed: {str(error).splitlines()[0]} The store is unchanged.",
            f"If a file of it is damaged, delete that folder, then: mlv runs resume {job.path.name}",
        ) from error
    note_run(connection, "committed", done.run)
    return done


def committed(connection: duckdb.DuckDBPyConnection, spec: JobSpec) -> Committed | None:
    """The run of a specification, where the store has it."""
    known = connection.execute("SELECT run_id, name, status FROM run WHERE spec_hash = ?", [spec_hash(spec)]).fetchone()
    if known is None:
        return None
    if known[2] == "deleting":
        raise StoreError(
            f"The deletion of {known[1]} was interrupted: it is neither there nor gone.",
            f"Finish it: mlv runs delete {known[1]} --yes",
        )
    return Committed(int(known[0]), str(known[1]), already_there=True)


def _commit(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: JobSpec, store: Path) -> Committed:
    start = None if isinstance(spec, PretrainSpec | ProjectSpec) else _start(connection, job, spec.model)
    run_id = _insert_run(connection, job, spec, start)
    rows = {"run_event": _events(connection, job, run_id)}
    if isinstance(spec, PretrainSpec | FinetuneSpec):
        rows |= _trained(connection, job, spec, run_id, start, store)
    elif isinstance(spec, ProbeSpec) and start is not None:
        rows |= _probed(connection, job, spec, run_id, start.checkpoint_id)
    elif isinstance(spec, InfluenceSpec | ValidationSpec):
        rows |= _traced(connection, job, spec, run_id)
    elif isinstance(spec, ProjectSpec):
        rows |= commit_projection(connection, job, spec, run_id)
    _check_rows(connection, job, run_id)
    return Committed(run_id, job_name(spec), already_there=False, rows=rows)


def _check_rows(connection: duckdb.DuckDBPyConnection, job: JobDirectory, run_id: int) -> None:
    """Raise JobError where rows of a run break the store's rules for commits: a worker's results are not trusted."""
    # the tables' declarations take a while to import, and whoever only plans jobs does not need them
    from mlv.ingest.rules.owned_rows import broken_by

    if problems := broken_by(connection, packaged(), "run", run_id):
        raise JobError(
            f"The results in {job.outputs} are inconsistent; the store is unchanged:{listed(problems)}", again(job)
        )


def _start(connection: duckdb.DuckDBPyConnection, job: JobDirectory, model: ModelRef) -> _Start:
    """The checkpoint of the model's digest; a pretrained one that is new to the store is entered."""
    found = find_checkpoint(connection, model)
    if found is not None:
        return _Start(*found)
    made_by = CHECKPOINT_NAME.fullmatch(model.name)
    if made_by is not None:
        raise JobError(
            f"{job.path.name} examines {model.name}, which is not in the store.",
            f"Commit the job that made it first: mlv runs resume {made_by[1]}",
        )
    base_model_id = _base_model(connection, job, model)
    checkpoint_id = next_id(connection, "checkpoint")
    row = _checkpoint_row(base_model_id, None, (0, 0, True), model.name, model.digest)
    append(connection, "checkpoint", row.with_columns(checkpoint_id=pl.lit(checkpoint_id)))
    return _Start(checkpoint_id, base_model_id, None)


def _base_model(connection: duckdb.DuckDBPyConnection, job: JobDirectory, model: ModelRef) -> int:
    """Key of the base model, entered with what the worker found when it loaded the model."""
    facts = job.read_json("outputs/model.json")
    row = {
        "name": _free_name(connection, model),
        "revision": model.revision,
        "digest": model.digest,
        "architecture": str(facts.get("architecture", "")),
        "parameters": count_in(job, "model.json", "parameters"),
        "vocabulary": count_in(job, "model.json", "vocabulary"),
    }
    return int(ensure(connection, "base_model", pl.DataFrame([row]), ["digest"])["base_model_id"][0])


def _free_name(connection: duckdb.DuckDBPyConnection, model: ModelRef) -> str:
    """The model's name; with the beginning of its digest where another model of the store has it."""
    taken = connection.execute(
        "SELECT count(*) FROM base_model WHERE name = ? AND digest <> ?", [model.name, model.digest]
    ).fetchone()
    return f"{model.name}@{model.digest[:8]}" if taken and taken[0] else model.name


def _checkpoint_row(
    base_model_id: int, run_id: int | None, place: tuple[int, int, bool], path: str, digest: str
) -> pl.DataFrame:
    epoch, step, is_final = place
    row = {
        "base_model_id": base_model_id,
        "run_id": run_id,
        "epoch": epoch,
        "step": step,
        "is_final": is_final,
        "path": path,
        "digest": digest,
    }
    return pl.DataFrame([row], schema_overrides={"run_id": pl.Int32})


def _insert_run(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: JobSpec, start: _Start | None) -> int:
    provenance = job.read_json("provenance.json")
    events = job.events()
    moments = [datetime.fromisoformat(event["at"]) for event in events] or [now()]
    row = {
        "kind": spec.kind,
        "name": job_name(spec),
        "spec_hash": spec_hash(spec),
        "spec": canonical_json(spec),
        "parent_run_id": start.run_id if start else None,
        "start_checkpoint_id": start.checkpoint_id if start else None,
        "seed": spec.seed,
        "status": "committed",
        "started_at": min(moments),
        "finished_at": max(moments),
        "committed_at": now(),
        "provenance": json.dumps(provenance, ensure_ascii=False, sort_keys=True),
    }
    nullable = {"parent_run_id": pl.Int32, "start_checkpoint_id": pl.Int32}
    frame = pl.DataFrame([row], schema_overrides=nullable)
    return int(ensure(connection, "run", frame, ["spec_hash"])["run_id"][0])


def _events(connection: duckdb.DuckDBPyConnection, job: JobDirectory, run_id: int) -> int:
    rows = [
        {
            "run_id": run_id,
            "position": position,
            "happened_at": datetime.fromisoformat(event.pop("at")),
            "event": event.pop("event"),
            "detail": json.dumps(event, ensure_ascii=False),
        }
        for position, event in enumerate(job.events())
    ]
    return append(connection, "run_event", pl.DataFrame(rows)) if rows else 0


def _metrics(connection: duckdb.DuckDBPyConnection, job: JobDirectory, run_id: int) -> int:
    path = str(output(job, "metrics.parquet"))
    connection.execute("INSERT INTO metric SELECT ?, name, epoch, step, value FROM read_parquet(?)", [run_id, path])
    return _count(connection, "metric", "run_id", run_id)


def _count(connection: duckdb.DuckDBPyConnection, table: str, key: str, value: int) -> int:
    return number(connection, f"SELECT count(*) FROM {table} WHERE {key} = ?", [value])


def _trained(
    connection: duckdb.DuckDBPyConnection,
    job: JobDirectory,
    spec: PretrainSpec | FinetuneSpec,
    run_id: int,
    start: _Start | None,
    store: Path,
) -> dict[str, int]:
    rows = {"metric": _metrics(connection, job, run_id), "run_corpus": _run_corpora(connection, spec, run_id)}
    rows["checkpoint"] = _checkpoints(connection, job, run_id, start, store)
    if isinstance(spec, FinetuneSpec):
        rows["training_example"] = _training_examples(connection, job, spec, run_id)
    return rows


def _run_corpora(connection: duckdb.DuckDBPyConnection, spec: PretrainSpec | FinetuneSpec, run_id: int) -> int:
    for corpus in spec.corpora:
        found = connection.execute(
            "SELECT c.corpus_id FROM corpus c JOIN source s USING (source_id) JOIN language l USING (language_id) "
            "WHERE s.code = ? AND l.code = ? AND c.edition = ? AND c.sha256 = ?",
            [corpus.source, corpus.language, corpus.edition, corpus.sha256],
        ).fetchone()
        if found is None:
            raise JobError(
                f"The store has no corpus {corpus.source}/{corpus.language}/{corpus.edition} of the job's content.",
                "Ingest the files that the job was planned from, then commit again.",
            )
        connection.execute("INSERT INTO run_corpus VALUES (?, ?, ?)", [run_id, found[0], corpus.segments])
    return len(spec.corpora)


def _checkpoints(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, run_id: int, start: _Start | None, store: Path
) -> int:
    """Enter the run's checkpoints; a pretraining run's is a new base model."""
    for row in _made(connection, job).iter_rows(named=True):
        base = start.base_model_id if start else _base_model(connection, job, _pretrained_ref(job, row["digest"]))
        place = (row["epoch"], row["step"], row["is_final"])
        path = _relative(job.path / row["path"], store)
        ensure(connection, "checkpoint", _checkpoint_row(base, run_id, place, path, row["digest"]), ["run_id", "epoch"])
    return _count(connection, "checkpoint", "run_id", run_id)


def _made(connection: duckdb.DuckDBPyConnection, job: JobDirectory) -> pl.DataFrame:
    """The checkpoints that a job says it made. Raises JobError where one is not its own."""
    path = str(output(job, "checkpoints.parquet"))
    # by DuckDB, since polars ends the process at some damaged files
    made = connection.execute(
        "SELECT epoch::INTEGER AS epoch, step::INTEGER AS step, is_final::BOOLEAN AS is_final, path::VARCHAR AS path, "
        "       digest::VARCHAR AS digest FROM read_parquet(?)",
        [path],
    ).pl()
    own = pl.format("checkpoints/epoch-{}", "epoch")
    strange = made.filter(~pl.col("path").eq_missing(own) | pl.col("digest").is_null())["path"].to_list()
    if strange:
        raise JobError(
            f"{path} names a checkpoint at {str(strange[0])[:100]!r}; a run's are checkpoints/epoch-N, with digest.",
            again(job),
        )
    return made


def _pretrained_ref(job: JobDirectory, digest: str) -> ModelRef:
    spec: Any = job.spec()
    return ModelRef(name=spec.name, digest=digest)


def _relative(path: Path, store: Path) -> str:
    """``path`` seen from the store's folder, so that store and jobs can be moved together."""
    return Path(os.path.relpath(path.resolve(), store.resolve().parent)).as_posix()


def _training_examples(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: FinetuneSpec, run_id: int
) -> int:
    path = job.inputs / "examples.parquet"
    refuse_bomb(path)
    connection.execute(
        "INSERT INTO training_example "
        "SELECT ? + row_number() OVER (ORDER BY e.position) - 1, ?, e.position, e.split, g.segment_id "
        "FROM read_parquet(?) e "
        "LEFT JOIN v_segment g ON g.source = e.source AND g.language = e.language AND g.edition = e.edition "
        "     AND g.position = e.segment_position",
        [next_id(connection, "training_example"), run_id, str(path)],
    )
    lost = connection.execute(
        "SELECT count(*) FROM training_example WHERE run_id = ? AND segment_id IS NULL", [run_id]
    ).fetchone()
    if lost and lost[0]:
        raise JobError(
            f"{lost[0]} training examples of {job.path.name} are not in the store.",
            "Ingest the corpora that the job was planned from, then commit again.",
        )
    if content_digest(read_parquet(path)) != spec.inputs_digest:
        raise JobError(
            f"{path} does not hold the examples that {job.path.name} was planned with.",
            "Take the job directory once more from where it was run.",
        )
    return _count(connection, "training_example", "run_id", run_id)


def _probed(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: ProbeSpec, run_id: int, checkpoint_id: int
) -> dict[str, int]:
    """Enter logits; a probe that the checkpoint answered before keeps its first scores."""
    path = str(output(job, "probe_logits.parquet"))
    strangers = connection.execute(
        "SELECT count(*) FROM read_parquet(?) o ANTI JOIN v_probe p "
        "ON p.collection = ? AND p.language = o.language AND p.question = o.question",
        [path, spec.collection],
    ).fetchone()
    if strangers and strangers[0]:
        raise JobError(
            f"{strangers[0]} rows of {path} belong to probes that the store lacks.",
            f"Ingest the probe collection {spec.collection}, then commit again.",
        )
    if diverged := number(connection, _NOT_FINITE, [path]):
        raise JobError(
            f"{diverged} rows of {path} have scores that are no numbers: they would decide answers by chance.",
            "Ask the model again in fp32; if it is of a fine-tuning run, that run may have diverged.",
        )
    connection.execute(
        "INSERT INTO probe_logit "
        "SELECT ?, ?, p.probe_id, o.answer, o.tokens, o.logit_sum, o.logprob_sum, o.logprob_first "
        "FROM read_parquet(?) o "
        "JOIN v_probe p ON p.collection = ? AND p.language = o.language AND p.question = o.question "
        "WHERE p.probe_id NOT IN (SELECT probe_id FROM probe_logit WHERE checkpoint_id = ?) "
        "ORDER BY p.probe_id, o.answer",
        [run_id, checkpoint_id, path, spec.collection, checkpoint_id],
    )
    answer_probes(connection, run_id, checkpoint_id)
    build_model_profiles(connection, checkpoint_id)
    return {table: _count(connection, table, "run_id", run_id) for table in ("probe_logit", "probe_answer")}


def _traced(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: InfluenceSpec | ValidationSpec, run_id: int
) -> dict[str, int]:
    """Enter what was found about a run of the store."""
    traced = committed(connection, spec.training)
    if traced is None:
        raise JobError(
            f"{job.path.name} traces {job_name(spec.training)}, which is not in the store.",
            f"Commit that job first: mlv runs resume {job_name(spec.training)}",
        )
    if isinstance(spec, InfluenceSpec):
        return commit_influence(connection, job, spec, run_id, traced.run_id)
    return commit_validation(connection, job, spec, run_id, traced.run_id)
