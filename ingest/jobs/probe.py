"""Probing: the probes that a model state has not answered leave the store; scores, answers and profiles enter it."""

from collections.abc import Sequence

import duckdb
import polars as pl

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.lookup import default_probe_set, find_checkpoint
from mlv.ingest.jobs.outputs import output
from mlv.ingest.jobs.planning import Context, NothingToDoError, Plan
from mlv.ingest.jobs.request import ModelName, ProbeSet, TestLanguages
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.writing.profiles import answer_probes, build_model_profiles
from mlv.schema.errors import DataError, JobError, NotFoundError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.events import SkippedProbes, name_of, read_event
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.store.rows import number


class Request(request.Request):
    """The probes of a set that a model state has not answered yet."""

    model: ModelName
    probe_set: ProbeSet = None
    languages: TestLanguages = ()


def plan(context: Context, request: Request) -> Plan:
    """Plan the probing of a model state.

    Raises NothingToDoError if it has answered all, NotFoundError or DataError if the store lacks the probes.
    """
    model = context.find_model(request.model)
    probe_set = request.probe_set or default_probe_set(context.connection)
    known = find_checkpoint(context.connection, model) if model.digest else None
    probes = _probes(context.connection, probe_set, known[0] if known else None)
    check_probes(context.connection, probes, probe_set, request.languages)
    wanted = pl.col("language").is_in(list(request.languages)) if request.languages else pl.lit(True)
    left = probes.filter(wanted & ~pl.col("answered")).drop("answered")
    left = left.join(_skipped(context.connection, known[0] if known else None), on=["language", "question"], how="anti")
    if left.is_empty():
        raise NothingToDoError(f"{model.name} has answered all probes.")
    frame = left.drop("collection")
    spec = ProbeSpec(
        model=model,
        collection=left["collection"][0],
        probe_set=probe_set,
        languages=tuple(left["language"].unique().sort()),
        inputs_digest=content_digest(frame),
    )
    return Plan(spec, lambda: {"probes.parquet": frame})


def _probes(connection: duckdb.DuckDBPyConnection, probe_set: str, checkpoint_id: int | None) -> pl.DataFrame:
    """The probes of a set in all languages, and whether a checkpoint has answered them."""
    return frame_of(
        connection,
        "SELECT p.collection, p.language, p.question, p.template, p.answer_first, p.answer_second, "
        "       p.probe_id IN (SELECT probe_id FROM probe_logit WHERE checkpoint_id = $checkpoint) AS answered "
        "FROM v_probe p JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
        "WHERE s.probe_set = $probe_set "
        "ORDER BY p.language, p.number, p.question",
        {"checkpoint": checkpoint_id, "probe_set": probe_set},
    )


def _skipped(connection: duckdb.DuckDBPyConnection, checkpoint_id: int | None) -> pl.DataFrame:
    """Probes that a run on this checkpoint left out, since their answers tokenise alike."""
    rows = connection.execute(
        "SELECT e.detail FROM run_event e JOIN run r USING (run_id) WHERE e.event = ? AND r.start_checkpoint_id = ?",
        [name_of(SkippedProbes), checkpoint_id],
    ).fetchall()
    events = [read_event(name_of(SkippedProbes), detail) for (detail,) in rows]
    skipped = [probe for event in events if isinstance(event, SkippedProbes) for probe in event.probes]
    left_out = [(probe.language, probe.question) for probe in skipped]
    return pl.DataFrame(left_out, schema={"language": pl.String, "question": pl.String}, orient="row")


def check_probes(
    connection: duckdb.DuckDBPyConnection, probes: pl.DataFrame, probe_set: str, languages: Sequence[str]
) -> None:
    """Raise NotFoundError if the store has no such probe set, DataError if that has no ``probes`` in a language."""
    rows = connection.execute("SELECT DISTINCT probe_set FROM v_probe_set ORDER BY ALL").fetchall()
    if (probe_set,) not in rows:
        known = ", ".join(row[0] for row in rows) or "none"
        raise NotFoundError(
            f"The store has no probe set {probe_set}; it has {known}.", "Ingest probes: mlv ingest probes PATH"
        )
    missing = sorted(set(languages) - set(probes["language"]))
    if missing:
        raise DataError(
            f"No probes in {', '.join(missing)} in the probe set {probe_set}.",
            f"It has {', '.join(probes['language'].unique().sort()) or 'none of the languages asked for'}: "
            "choose of these with --language, or ingest probes in that language.",
        )


_NOT_FINITE = (
    "SELECT count(*) FROM read_parquet(?) "
    "WHERE (isfinite(logit_sum) AND isfinite(logprob_sum) AND isfinite(logprob_first)) IS NOT TRUE"
)


def commit(run: NewRun, spec: ProbeSpec) -> dict[str, int]:
    """Enter logits, and what follows from them; a probe that the checkpoint answered before keeps its first scores.

    Raises JobError if probes are not in the store or scores are not finite.
    """
    path = str(output(run.job, "probe_logits.parquet"))
    _check_logits(run, spec, path)
    checkpoint_id = run.examined_id
    run.connection.execute(
        "INSERT INTO probe_logit "
        "SELECT ?, ?, p.probe_id, o.answer, o.tokens, o.logit_sum, o.logprob_sum, o.logprob_first "
        "FROM read_parquet(?) o "
        "JOIN v_probe p ON p.collection = ? AND p.language = o.language AND p.question = o.question "
        "WHERE p.probe_id NOT IN (SELECT probe_id FROM probe_logit WHERE checkpoint_id = ?) "
        "ORDER BY p.probe_id, o.answer",
        [run.run_id, checkpoint_id, path, spec.collection, checkpoint_id],
    )
    answer_probes(run.connection, run.run_id, checkpoint_id)
    build_model_profiles(run.connection, checkpoint_id)
    return {table: run.count(table) for table in ("probe_logit", "probe_answer")}


def _check_logits(run: NewRun, spec: ProbeSpec, path: str) -> None:
    unknown = number(
        run.connection,
        "SELECT count(*) FROM read_parquet(?) o ANTI JOIN v_probe p "
        "ON p.collection = ? AND p.language = o.language AND p.question = o.question",
        [path, spec.collection],
    )
    if unknown:
        raise JobError(
            f"{unknown} rows of {path} belong to probes that the store lacks.",
            f"Ingest the probe collection {spec.collection}, then commit again.",
        )
    if diverged := number(run.connection, _NOT_FINITE, [path]):
        raise JobError(
            f"{diverged} rows of {path} have scores that are NaN or infinite: they would decide answers by chance.",
            "Probe the model again in fp32; if it is of a fine-tuning run, that run may have diverged.",
        )


def _units(context: Context, request: Request, _: object) -> int:
    return number(
        context.connection,
        "SELECT count(*) FROM v_probe p "
        "JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
        "WHERE s.probe_set = $1 AND (len($2) = 0 OR list_contains($2, p.language))",
        [request.probe_set or default_probe_set(context.connection), list(request.languages)],
    )


COST = Cost(
    unit="probes",
    units=_units,
    measured="SELECT run_id, count(*) AS units FROM probe_logit WHERE answer = 1 GROUP BY run_id",
)
