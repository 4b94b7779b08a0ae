"""What influence and validation jobs have in common: the run that they trace, and what is traced of it.

A job directory gets the targets, a sample of what could be targets, and a copy of the examples that the traced run was
trained on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from mlv.ingest.jobs.lookup import check_folder, find_run, locate_model
from mlv.ingest.jobs.planning import Context
from mlv.schema.errors import DataError, JobError, NotFoundError, UsageError, joined
from mlv.schema.jobs.attribution import Attribution
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.parquet import read_parquet
from mlv.schema.jobs.spec import CorpusRef, ModelRef
from mlv.schema.jobs.tracing import TracingSpec
from mlv.schema.store.rows import number


class Targets(NamedTuple):
    """What is traced of a run, and what principal directions are learnt from, of whatever kind."""

    targets: pl.DataFrame
    """The columns of ``inputs/targets.parquet`` but for the numbers."""

    reference: pl.DataFrame
    """``inputs/reference.parquet``."""

    collection: str
    probe_set: str
    corpora: tuple[CorpusRef, ...] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a specification that are about its targets."""
        return {
            "collection": self.collection,
            "probe_set": self.probe_set,
            "corpora": self.corpora,
            "languages": tuple(self.targets["language"].unique().sort()),
            "inputs_digest": content_digest(self.numbered),
            "reference_digest": content_digest(self.reference),
        }

    @property
    def numbered(self) -> pl.DataFrame:
        """``inputs/targets.parquet``."""
        return self.targets.with_row_index("target").cast({"target": pl.Int32})


class Traced(NamedTuple):
    """A run of the store that trained a model on texts."""

    name: str
    spec: FinetuneSpec | ClassifySpec
    """With the folder of the model that it started from, if that is known."""

    start: int
    """Key of the checkpoint that it started from."""

    last: int
    """Key of its final checkpoint."""

    checkpoints: Mapping[int, ModelRef]
    """By epoch, up to the final one."""

    training_examples: int
    """Examples that it trained on."""

    @property
    def is_classifier(self) -> bool:
        """Whether what is traced of it are labelled texts, and not probes."""
        return isinstance(self.spec, ClassifySpec)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The languages of its examples."""
        return self.spec.languages

    @property
    def epochs(self) -> int:
        """Epochs that made the final checkpoint."""
        return max(self.checkpoints)

    @property
    def last_checkpoint(self) -> ModelRef:
        """The final checkpoint, whose predictions are traced."""
        return self.checkpoints[self.epochs]


def find_traced(context: Context, name: str) -> Traced:
    """The training run of a name.

    Raises NotFoundError if there is none, UsageError for a run of another kind, or one that trained an adapter.
    """
    run_id, full = find_run(context.connection, name)
    row = context.connection.execute(
        "SELECT kind, spec, start_checkpoint_id FROM v_run WHERE run_id = ?", [run_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{full} is being deleted.", f"Finish it: mlv runs delete {full} --yes")
    spec = read_spec(row[1])
    if not isinstance(spec, FinetuneSpec | ClassifySpec):
        raise UsageError(
            f"{full} is a {row[0]} run; what can be traced is a fine-tuning run or a classifier.",
            "See which there are: mlv runs list",
        )
    if spec.objective == "masked_words":
        raise UsageError(
            f"{full} was trained on masked words; what can be traced is a training by span corruption or a classifier.",
            "See which there are: mlv runs list",
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
    if isinstance(spec, FinetuneSpec) and spec.lora:
        raise UsageError(
            f"{full} trained a LoRA adapter of rank {spec.lora}. Influence is computed from the gradients of what was "
            "trained: of the adapter's own matrices, which its checkpoints no longer hold apart from the weights.",
            "Trace a run that trained all weights, without --lora: mlv runs list",
        )
    recorded = JobDirectory(context.jobs / full).read_json("provenance.json").get("model_paths", {})
    folder = locate_model(context.connection, context.store, spec.model, recorded.get(spec.model.name, ""))
    start = spec.model.model_copy(update={"path": folder})
    examples = number(
        context.connection, "SELECT count(*) FROM training_example WHERE run_id = ? AND split = 'train'", [run_id]
    )
    return Traced(full, spec.model_copy(update={"model": start}), int(row[2]), int(rows[-1][3]), checkpoints, examples)


def trained_alone(traced: Traced, attribution: Attribution) -> Attribution:
    """An attribution by the parameters that the run trained: what a training did not move, no example moved.

    Raises UsageError if that are none.
    """
    gradients = attribution.gradients
    frozen = {"embedding"} if isinstance(traced.spec, ClassifySpec) and traced.spec.freeze else set[str]()
    modules = tuple(module for module in gradients.modules if module not in frozen)
    if not modules:
        raise UsageError(f"{traced.name} trained no embeddings: name other modules.")
    return attribution.model_copy(update={"gradients": gradients.model_copy(update={"modules": modules})})


def misplaced(traced: Traced, of_probes: Mapping[str, object], of_texts: Mapping[str, object]) -> list[str]:
    """What is wrong with a request that has settings for targets of another kind: a sentence."""
    wrong = [name for name, given in (of_probes if traced.is_classifier else of_texts).items() if given]
    kinds = ("labelled texts", "probes") if traced.is_classifier else ("probes", "labelled texts")
    said = f"{joined(wrong)}: of {kinds[1]}. What is traced of {traced.name} are {kinds[0]}: leave it out."
    return [said] if wrong else []


def in_languages(languages: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Probes or texts in some languages; in all if none is named."""
    return rows.filter(pl.col("language").is_in(list(languages))) if languages else rows


def in_turn(targets: pl.DataFrame, salt: str) -> pl.DataFrame:
    """Targets of one language after another in turn, within a language in the order of hashes.

    Hashes order them alike with every version of every library; any number of the first has languages equally often.
    """
    places = [
        hashlib.sha256(f"{salt} {language} {question}".encode()).hexdigest()
        for language, question in targets.select("language", "question").iter_rows()
    ]
    hashed = targets.with_columns(place=pl.Series(places, dtype=pl.String)).sort("place")
    turn = pl.int_range(pl.len()).over("language")
    return hashed.with_columns(turn=turn).sort("turn", "place").drop("turn", "place")


def sample(offered: pl.DataFrame, most: int) -> pl.DataFrame:
    """What principal directions are learnt from: whatever is traced, and of all languages alike; at most half of a
    language's, so that there are others to validate with."""
    half = pl.int_range(pl.len()).over("language") < (pl.len().over("language") + 1) // 2
    return in_turn(offered, "reference").filter(half).head(most)


def tracing_inputs(
    context: Context, traced: Traced, spec: TracingSpec, chosen: Targets
) -> dict[str, pl.DataFrame | Path]:
    """The inputs of a job. Raises NotFoundError if a checkpoint or the examples are gone, DataError if they changed."""
    for model in (spec.model, *spec.checkpoints):
        check_folder(model)
    examples = examples_of(context, traced)
    return {"targets.parquet": chosen.numbered, "reference.parquet": chosen.reference, examples.name: examples}


def examples_of(context: Context, traced: Traced) -> Path:
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
