"""What influence and validation jobs have in common: the run that they trace, and the probes whose answers are traced.

A job directory gets the traced probes, a sample of all probes, and a copy of the examples that the traced run was
trained on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from mlv.ingest.jobs.lookup import check_folder, default_probe_set, find_run, locate_model
from mlv.ingest.jobs.planning import Context, NothingToDoError, NotYetError
from mlv.ingest.jobs.probe import check_probes
from mlv.schema.errors import DataError, JobError, NotFoundError, UsageError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.parquet import read_parquet
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.tracing import TracingSpec

REFERENCE_PROBES = 512
"""Most probes that principal directions are learnt from: some dozens in each of the papers' 13 languages."""

_PROBE_COLUMNS = ("language", "question", "template", "answer_first", "answer_second")


class Unanswered(NamedTuple):
    """Probes that a model state has not answered."""

    model: ModelRef
    probe_set: str
    languages: tuple[str, ...]


class NotAnsweredError(NotYetError):
    """A run whose probes were not answered before or after it."""

    def __init__(self, missing: Sequence[Unanswered]) -> None:
        lacking = (f"{one.model.name} lacks answers to {one.probe_set} in {','.join(one.languages)}" for one in missing)
        super().__init__(f"{'; '.join(lacking)}.", "Probe it first.")
        self.missing = tuple(missing)


class Traced(NamedTuple):
    """A fine-tuning run of the store."""

    name: str
    spec: FinetuneSpec
    """With the folder of the model that it started from, if that is known."""

    start: int
    """Key of the checkpoint that it started from."""

    last: int
    """Key of its final checkpoint."""

    checkpoints: Mapping[int, ModelRef]
    """By epoch, up to the final one."""

    @property
    def epochs(self) -> int:
        """Epochs that made the final checkpoint."""
        return max(self.checkpoints)

    @property
    def last_checkpoint(self) -> ModelRef:
        """The final checkpoint, whose predictions are traced."""
        return self.checkpoints[self.epochs]


def find_traced(context: Context, name: str) -> Traced:
    """The fine-tuning run of a name.

    Raises NotFoundError if there is none, UsageError for a run of another kind, or one that trained an adapter.
    """
    run_id, full = find_run(context.connection, name)
    row = context.connection.execute(
        "SELECT kind, spec, start_checkpoint_id FROM v_run WHERE run_id = ?", [run_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{full} is being deleted.", f"Finish it: mlv runs delete {full} --yes")
    if row[0] != "finetune":
        raise UsageError(
            f"{full} is a {row[0]} run; what can be traced is a fine-tuning run.", "See which there are: mlv runs list"
        )
    rows = context.connection.execute(
        "SELECT epoch, digest, path, checkpoint_id FROM v_checkpoint WHERE run = ? "
        "QUALIFY epoch <= max(epoch) FILTER (is_final) OVER () ORDER BY epoch",
        [full],
    ).fetchall()
    home = context.store.resolve().parent
    checkpoints = {
        int(epoch): ModelRef(name=f"{full}/epoch-{epoch}", digest=digest, path=str(home / path))
        for epoch, digest, path, _ in rows
    }
    spec = FinetuneSpec.model_validate_json(row[1])
    if spec.lora:
        raise UsageError(
            f"{full} trained a LoRA adapter of rank {spec.lora}. Influence is computed from the gradients of what was "
            "trained: of the adapter's own matrices, which its checkpoints no longer hold apart from the weights.",
            "Trace a run that trained all weights, without --lora: mlv runs list",
        )
    recorded = JobDirectory(context.jobs / full).read_json("provenance.json").get("model_paths", {})
    folder = locate_model(context.connection, context.store, spec.model, recorded.get(spec.model.name, ""))
    start = spec.model.model_copy(update={"path": folder})
    return Traced(full, spec.model_copy(update={"model": start}), int(row[2]), int(rows[-1][3]), checkpoints)


def find_probes(context: Context, traced: Traced, probe_set: str | None, languages: Sequence[str]) -> pl.DataFrame:
    """The probes of a set, in their order, with the answers before and after the run.

    ``[collection, probe_set, language, question, template, answer_first, answer_second, before, answer,
    shift_sign]``, with NULL as ``before`` or ``answer`` if there is none. Raises NotFoundError if there is no such
    set, DataError if it lacks one of ``languages``.
    """
    probe_set = probe_set or default_probe_set(context.connection)
    probes = frame_of(
        context.connection,
        "WITH given AS (SELECT * FROM v_answer WHERE score = 'mean' AND checkpoint_id IN ($start, $last)) "
        "SELECT p.collection, s.probe_set, p.language, p.question, p.template, p.answer_first, p.answer_second, "
        "       b.answer AS before, a.answer, CASE WHEN a.margin > b.margin THEN 1 ELSE -1 END AS shift_sign "
        "FROM v_probe p JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
        "LEFT JOIN given b ON b.checkpoint_id = $start AND b.collection = p.collection AND b.language = p.language "
        "     AND b.question = p.question "
        "LEFT JOIN given a ON a.checkpoint_id = $last AND a.collection = p.collection AND a.language = p.language "
        "     AND a.question = p.question "
        "WHERE s.probe_set = $probe_set "
        "ORDER BY p.language, p.number, p.question",
        {"start": traced.start, "last": traced.last, "probe_set": probe_set},
    )
    check_probes(context.connection, probes, probe_set, languages)
    return probes


def in_languages(languages: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Probes or texts in some languages; in all if none is named."""
    return rows.filter(pl.col("language").is_in(list(languages))) if languages else rows


def answered_probes(traced: Traced, languages: Sequence[str], probes: pl.DataFrame) -> pl.DataFrame:
    """The probes that were answered before and after the run.

    Raises NotAnsweredError if there are none in one of ``languages``, or none at all.
    """
    answered = probes.drop_nulls(["before", "answer"])
    needed = languages or ([] if answered.height else probes["language"].unique().sort())
    without = [language for language in needed if language not in set(answered["language"])]
    present = {column: set(probes.drop_nulls(column)["language"]) for column in ("before", "answer")}
    # a language in which both answered, but not the same probes, lacks answers of both
    apart = present["before"] & present["answer"]
    missing = []
    for column, model in (("before", traced.spec.model), ("answer", traced.last_checkpoint)):
        lacking = tuple(code for code in without if code in apart or code not in present[column])
        if lacking:
            missing.append(Unanswered(model, probes["probe_set"][0], lacking))
    if missing:
        raise NotAnsweredError(missing)
    return answered


def shifted_probes(answered: pl.DataFrame, traced: Traced) -> pl.DataFrame:
    """The probes whose answer the run changed. Raises NothingToDoError if there is none."""
    shifted = answered.filter(pl.col("answer") != pl.col("before"))
    if shifted.is_empty():
        raise NothingToDoError(
            f"{traced.name} shifted none of its {answered.height} values in "
            f"{', '.join(answered['language'].unique().sort())}.",
            "Trace all of them (--targets all), or other languages (--language).",
        )
    return shifted


def in_turn(probes: pl.DataFrame, salt: str) -> pl.DataFrame:
    """Probes of one language after another in turn, within a language in the order of hashes.

    Hashes order them alike with every version of every library; any number of the first has languages equally often.
    """
    places = [
        hashlib.sha256(f"{salt} {language} {question}".encode()).hexdigest()
        for language, question in probes.select("language", "question").iter_rows()
    ]
    hashed = probes.with_columns(place=pl.Series(places, dtype=pl.String)).sort("place")
    turn = pl.int_range(pl.len()).over("language")
    return hashed.with_columns(turn=turn).sort("turn", "place").drop("turn", "place")


def reference_probes(answered: pl.DataFrame) -> pl.DataFrame:
    """The sample of probes that principal directions are learnt from: whatever is traced, and of all languages alike.

    Of those that were answered, since a tokenizer may not be able to tell the answers of others apart; at most half of
    a language's, so that there are others to validate with.
    """
    half = pl.int_range(pl.len()).over("language") < (pl.len().over("language") + 1) // 2
    return in_turn(answered, "reference").filter(half).head(REFERENCE_PROBES).select(_PROBE_COLUMNS)


def probe_fields(targets: pl.DataFrame, reference: pl.DataFrame) -> dict[str, Any]:
    """The fields of a specification that are about its probes."""
    return {
        "collection": targets["collection"][0],
        "probe_set": targets["probe_set"][0],
        "languages": tuple(targets["language"].unique().sort()),
        "inputs_digest": content_digest(numbered(targets)),
        "reference_digest": content_digest(reference),
    }


def numbered(targets: pl.DataFrame) -> pl.DataFrame:
    """The columns of ``inputs/targets.parquet``."""
    return targets.with_row_index("target").select(
        pl.col("target").cast(pl.Int32), *_PROBE_COLUMNS, pl.col("answer", "shift_sign").cast(pl.Int8)
    )


def tracing_inputs(
    context: Context, traced: Traced, spec: TracingSpec, targets: pl.DataFrame, reference: pl.DataFrame
) -> dict[str, pl.DataFrame | Path]:
    """The inputs of a job. Raises NotFoundError if a checkpoint or the examples are gone, DataError if they changed."""
    for model in (spec.model, *spec.checkpoints):
        check_folder(model)
    examples = _examples(context, traced)
    return {"targets.parquet": numbered(targets), "reference.parquet": reference, examples.name: examples}


def _examples(context: Context, traced: Traced) -> Path:
    """The file of examples that a run was trained on."""
    path = context.jobs / traced.name / "inputs" / "examples.parquet"
    hint = f"Put the job directory back: {traced.name} cannot be traced without what it was trained on."
    if not path.exists():
        raise NotFoundError(f"The training examples of {traced.name} should be at {path}, and are not.", hint)
    try:
        unchanged = content_digest(read_parquet(path)) == traced.spec.inputs_digest
    except JobError as error:
        raise DataError(error.message, hint) from error
    if not unchanged:
        raise DataError(f"{path} has changed since {traced.name} was trained.", hint)
    return path


def epochs_of(checkpoints: str, method: str, epochs: Sequence[int]) -> list[int]:
    """The epochs that ``checkpoints`` means: last, all, or numbers; by default the last for TRAK, all for TracIn.

    Raises ValueError if it is none of these or a run of ``epochs`` has no such epoch.
    """
    wanted = checkpoints or ("all" if method == "tracin" else "last")
    if wanted in ("last", "all"):
        return list(epochs[-1:] if wanted == "last" else epochs)
    items = [item.strip() for item in wanted.split(",")]
    unknown = [item for item in items if item not in map(str, epochs)]
    if unknown:
        raise ValueError(f"no epoch {', '.join(unknown)}. Use last, all, or some of {','.join(map(str, epochs))}.")
    return [epoch for epoch in epochs if str(epoch) in items]
