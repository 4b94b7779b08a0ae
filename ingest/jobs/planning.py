"""Planning jobs: what a worker needs leaves the store for a job directory, so that the worker needs no store.

Planning reads the store and writes ``job.json`` and ``inputs/``. The same request gives the same directory, whose name
carries the hash of the specification: a job that was planned before is found, not made again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from mlv.ingest.jobs.lookup import find_checkpoint, whereabouts
from mlv.ingest.jobs.segments import select_segments
from mlv.ingest.readers.report import check_name
from mlv.schema.errors import DataError, NotFoundError, UsageError
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import content_digest, spec_hash
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.kinds import JobSpec
from mlv.schema.jobs.pca import ProjectSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.spec import CorpusRef, ModelRef
from mlv.schema.jobs.validate import ValidationSpec


@dataclass(frozen=True)
class Training:
    """Which sentences a fine-tuning run is given."""

    source: str
    languages: tuple[str, ...]
    """One language: consecutive sentences. Several: the same multi-parallel sentences in each."""

    sentences: int
    """In all languages together."""

    editions: dict[str, str]
    """Edition by language, where the store has several."""


@dataclass(frozen=True)
class Jobs:
    """Where job directories go, and what is recorded of the request."""

    folder: Path
    provenance: dict[str, Any]


def plan_finetune(
    connection: duckdb.DuckDBPyConnection, jobs: Jobs, model: ModelRef, training: Training, **settings: Any
) -> JobDirectory:
    """Plan a fine-tuning run. ``settings`` are fields of FinetuneSpec that differ from the paper's.

    Raises NotFoundError or DataError where the store lacks the corpus or enough (multi-parallel) sentences.
    """
    spec, examples = finetune_spec(connection, model, training, **settings)
    return write_job(jobs, spec, model, examples, "examples.parquet")


def finetune_spec(
    connection: duckdb.DuckDBPyConnection, model: ModelRef, training: Training, **settings: Any
) -> tuple[FinetuneSpec, pl.DataFrame]:
    """What :func:`plan_finetune` would write: the specification, and the examples that it reads."""
    # the same set of languages is the same job, however it was put
    languages = tuple(sorted(training.languages))
    segments = select_segments(
        connection, training.source, languages, training.sentences, training.editions
    ).with_columns(source=pl.lit(training.source))
    spec = FinetuneSpec(
        model=model,
        source=training.source,
        languages=languages,
        sentences=segments.height,
        corpora=_corpora(segments),
        inputs_digest="",
        **settings,
    )
    examples = _split(segments, spec.development_share, spec.seed)
    return spec.model_copy(update={"inputs_digest": content_digest(examples)}), examples


def _split(segments: pl.DataFrame, development_share: float, seed: int) -> pl.DataFrame:
    """Number the examples and draw the development split by parallel key.

    A sentence and its translations land on the same side: a development sentence was not seen in any language. The
    draw is by hashes, so that it is the same with every version of every library.
    """
    keys = segments["parallel_key"].unique(maintain_order=True).to_list()
    drawn = sorted(keys, key=lambda key: hashlib.sha256(f"{seed} {key}".encode()).digest())
    development = drawn[: round(len(keys) * development_share)]
    return segments.rename({"position": "segment_position"}).select(
        pl.int_range(pl.len()).alias("position"),
        pl.when(pl.col("parallel_key").is_in(development))
        .then(pl.lit("development"))
        .otherwise(pl.lit("train"))
        .alias("split"),
        *("source", "language", "edition", "segment_position", "parallel_key", "text"),
    )


def plan_pretrain(
    connection: duckdb.DuckDBPyConnection,
    jobs: Jobs,
    *,
    sources: Sequence[str],
    languages: Sequence[str],
    limit: int | None,
    **settings: Any,
) -> JobDirectory:
    """Plan the training of a tokenizer and a small model from the corpora of some sources and languages.

    An empty selection means all; ``limit`` is the most segments taken from each corpus.
    """
    segments = connection.execute(
        "SELECT s.code AS source, l.code AS language, c.edition, g.position, g.text, c.sha256 AS corpus_sha256 "
        "FROM segment g JOIN corpus c USING (corpus_id) JOIN source s USING (source_id) "
        'JOIN "language" l USING (language_id) '
        "WHERE (len($sources) = 0 OR list_contains($sources, s.code)) "
        "  AND (len($languages) = 0 OR list_contains($languages, l.code)) "
        "  AND ($limit IS NULL OR g.position < $limit) ORDER BY ALL",
        {"sources": list(sources), "languages": list(languages), "limit": limit},
    ).pl()
    if segments.is_empty():
        raise NotFoundError(
            "The store has no corpus of "
            f"{', '.join(sources) or 'any source'} in {', '.join(languages) or 'any language'}.",
            "See what is there: mlv sql 'SELECT DISTINCT source, language FROM v_segment'",
        )
    check_name("a model", settings["name"])
    spec = PretrainSpec(corpora=_corpora(segments), inputs_digest="", **settings)
    _check_name(connection, spec, segments.drop("corpus_sha256"))
    return write_job(jobs, spec, None, segments.drop("corpus_sha256"), "segments.parquet")


def _check_name(connection: duckdb.DuckDBPyConnection, spec: PretrainSpec, segments: pl.DataFrame) -> None:
    """Refuse a name that another model of the store has."""
    identity = spec_hash(spec.model_copy(update={"inputs_digest": content_digest(segments)}))
    known = connection.execute(
        "SELECT count(*) FROM base_model b JOIN checkpoint k USING (base_model_id) LEFT JOIN run r USING (run_id) "
        "WHERE b.name = ? AND k.epoch = 0 AND r.spec_hash IS DISTINCT FROM ?",
        [spec.name, identity],
    ).fetchone()
    if known and known[0]:
        raise UsageError(f"The store has another model called {spec.name}.", "Choose another --name.")


def _corpora(segments: pl.DataFrame) -> tuple[CorpusRef, ...]:
    counted = segments.group_by("source", "language", "edition", "corpus_sha256").agg(segments=pl.len())
    return tuple(
        CorpusRef(
            source=row["source"],
            language=row["language"],
            edition=row["edition"],
            sha256=row["corpus_sha256"],
            segments=row["segments"],
        )
        for row in counted.sort("source", "language", "edition").iter_rows(named=True)
    )


def plan_probe(
    connection: duckdb.DuckDBPyConnection,
    jobs: Jobs,
    model: ModelRef,
    *,
    probe_set: str,
    languages: Sequence[str] = (),
) -> JobDirectory | None:
    """Plan the probing of a model state with the probes it has not answered yet; None where it has answered all.

    An empty ``languages`` means all that the probe set has.
    """
    planned = probe_spec(connection, model, probe_set=probe_set, languages=languages)
    return None if planned is None else write_job(jobs, planned[0], model, planned[1], "probes.parquet")


def probe_spec(
    connection: duckdb.DuckDBPyConnection, model: ModelRef, *, probe_set: str, languages: Sequence[str] = ()
) -> tuple[ProbeSpec, pl.DataFrame] | None:
    """What :func:`plan_probe` would write: the specification, and the probes that it reads."""
    known = find_checkpoint(connection, model)
    probes = connection.execute(
        "SELECT p.collection, p.language, p.question, p.template, p.answer_first, p.answer_second, "
        "       p.probe_id IN (SELECT probe_id FROM probe_logit WHERE checkpoint_id = $checkpoint) AS answered "
        "FROM v_probe p JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
        "WHERE s.probe_set = $probe_set "
        "ORDER BY p.language, p.number, p.question",
        {"checkpoint": known[0] if known else None, "probe_set": probe_set},
    ).pl()
    check_probes(connection, probes, probe_set, languages)
    wanted = pl.col("language").is_in(list(languages)) if languages else pl.lit(True)
    left = probes.filter(wanted & ~pl.col("answered")).drop("answered")
    left = left.join(_skipped(connection, known[0] if known else None), on=["language", "question"], how="anti")
    if left.is_empty():
        return None
    spec = ProbeSpec(
        model=model,
        collection=left["collection"][0],
        probe_set=probe_set,
        languages=tuple(left["language"].unique().sort()),
        inputs_digest=content_digest(left.drop("collection")),
    )
    return spec, left.drop("collection")


def _skipped(connection: duckdb.DuckDBPyConnection, checkpoint_id: int | None) -> pl.DataFrame:
    """Probes that a run on this checkpoint left out, since their answers tokenise alike."""
    rows = connection.execute(
        "SELECT e.detail FROM run_event e JOIN run r USING (run_id) "
        "WHERE e.event = 'skipped' AND r.start_checkpoint_id = ?",
        [checkpoint_id],
    ).fetchall()
    left_out = [(row["language"], row["question"]) for (detail,) in rows for row in json.loads(detail)["probes"]]
    return pl.DataFrame(left_out, schema={"language": pl.String, "question": pl.String}, orient="row")


def check_probes(
    connection: duckdb.DuckDBPyConnection, probes: pl.DataFrame, probe_set: str, languages: Sequence[str]
) -> None:
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


def relocate_model(connection: duckdb.DuckDBPyConnection, job: JobDirectory, store: Path) -> None:
    """Tell a job where the models that it reads are now, if runs of the store at ``store`` made them.

    A study that was moved takes its checkpoints along, and the paths in ``provenance.json`` lead to where they were.
    """
    spec = job.spec()
    if isinstance(spec, PretrainSpec | ProjectSpec):
        return
    provenance = job.read_json("provenance.json")
    path = whereabouts(connection, store, spec.model, provenance.get("model_path", ""))
    found: dict[str, Any] = {"model_path": path}
    if isinstance(spec, InfluenceSpec | ValidationSpec):
        paths = provenance.get("model_paths", {})
        found["model_paths"] = {
            model.name: whereabouts(connection, store, model, paths.get(model.name, ""))
            for model in (spec.model, spec.training.model, *spec.checkpoints)
        }
    if any(provenance.get(key) != value for key, value in found.items()):
        job.update_provenance(**found)


def default_probe_set(connection: duckdb.DuckDBPyConnection) -> str:
    """The widest probe set of the store, so that every narrower one can be read off: the one with most questions."""
    row = connection.execute(
        "SELECT probe_set FROM v_probe_set GROUP BY probe_set ORDER BY count(*) DESC, probe_set LIMIT 1"
    ).fetchone()
    if row is None:
        raise NotFoundError("The store has no probes.", "Ingest some: mlv ingest probes PATH")
    return str(row[0])


def write_job(jobs: Jobs, spec: JobSpec, model: ModelRef | None, frame: pl.DataFrame, name: str) -> JobDirectory:
    """Make the job directory of ``spec`` with its first input, whose content enters the specification."""
    spec = spec.model_copy(update={"inputs_digest": content_digest(frame)})
    provenance = jobs.provenance | ({"model_path": model.path} if model else {})
    job = JobDirectory.create(jobs.folder, spec, provenance)
    write_input(job, frame, name)
    return job


def write_input(job: JobDirectory, frame: pl.DataFrame, name: str) -> None:
    """Write a file that a job reads, unless it is there."""
    if not (job.inputs / name).exists():
        with written_aside(job.inputs / name) as aside:
            frame.write_parquet(aside)
