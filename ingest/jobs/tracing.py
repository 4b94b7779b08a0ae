"""Planning influence and validation jobs: which predictions of a run are traced, by which of its checkpoints, and how.

A request is read against the store. What is wrong with its options is said together, then what the store or the disk
lacks. The job directory gets the traced probes, a sample of all probes, and a copy of the examples that the traced run
was trained on.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple, get_args

import duckdb
import polars as pl

from mlv.ingest.jobs.attributions import Choices, attribution, named_all
from mlv.ingest.jobs.lookup import find_model, find_run, whereabouts
from mlv.ingest.jobs.planning import Jobs, check_probes, default_probe_set, write_input, write_job
from mlv.schema.errors import DataError, JobError, NotFoundError, UsageError
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import CHECKPOINT_NAME, content_digest
from mlv.schema.jobs.influence import InfluenceSpec, Quantity
from mlv.schema.jobs.parquet import read_parquet
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.validate import ValidationSpec
from mlv.schema.papers import echoes
from mlv.schema.store.rows import number

VALIDATED_PROBES = 40
"""Probes that a validation job asks unless told otherwise."""

REFERENCE_PROBES = 512
"""Probes that principal directions are learnt from: some dozens in each of the papers' 13 languages."""

_PROBE_COLUMNS = ("language", "question", "template", "answer_first", "answer_second")


class NothingShiftedError(NotFoundError):
    """A run whose values all stayed as they were: there is no shift to trace."""


@dataclass(frozen=True)
class InfluenceRequest:
    """What is asked of an influence job."""

    run: str
    """Name of the traced run, or the beginning of it."""

    choices: Choices = field(default_factory=Choices)
    probe_set: str | None = None
    """The store's widest set if not given."""

    languages: Sequence[str] = ()
    """Test languages; none means all."""

    targets: str | None = None
    """shifted or all; shifted if not given."""

    questions: Sequence[str] = ()
    """These probes alone, whether they shifted or not."""

    quantity: str = "answer"
    checkpoints: str | None = None
    """last, all, or epochs, comma-separated; TRAK takes the last and TracIn all if not given."""

    with_runs: Sequence[str] = ()
    """Runs whose last checkpoints are averaged with the traced run's."""

    top_k: int = echoes.INFLUENCE_TOP_K
    keep_scores: bool = False


@dataclass(frozen=True)
class ValidationRequest:
    """What is asked of a validation job."""

    run: str
    attributions: Sequence[str] = ("default",)
    """By name, see :func:`mlv.ingest.jobs.attributions.named`; the removal test takes the first."""

    probe_set: str | None = None
    languages: Sequence[str] = ()
    """Test languages; none means the fine-tuning languages, or all if those have no probes."""

    targets: str = "random"
    """random, shifted or all."""

    probes: int | None = None
    """How many are drawn at random; :data:`VALIDATED_PROBES` if not given."""

    halves: int = 16
    other_seed_halves: int = 8
    removal_targets: int = 5
    removal_k: Sequence[int] = echoes.REMOVAL_K
    seed: int = 0


class _Where(NamedTuple):
    """A store, and what lies beside it."""

    connection: duckdb.DuckDBPyConnection
    store: Path
    jobs: Jobs


class _Traced(NamedTuple):
    """A fine-tuning run of the store."""

    name: str
    spec: FinetuneSpec
    start: int
    """Key of the checkpoint that it started from."""

    last: int
    """Key of its last checkpoint."""

    digests: dict[int, str]
    """Of its checkpoints, by epoch."""


def plan_influence(
    connection: duckdb.DuckDBPyConnection, jobs: Jobs, store: Path, request: InfluenceRequest
) -> JobDirectory:
    """Plan the tracing of a run's predictions to its training examples.

    Raises UsageError where options do not fit; NotFoundError where the run, its answers, its checkpoints or its
    examples are not there, or no value shifted; DataError where the examples have changed.
    """
    where = _Where(connection, store, jobs)
    return _write(where, *_requested(where, request))


def influence_spec(
    connection: duckdb.DuckDBPyConnection, jobs: Jobs, store: Path, request: InfluenceRequest
) -> InfluenceSpec:
    """The specification that :func:`plan_influence` would write. Raises as it does."""
    _, spec, targets, _ = _requested(_Where(connection, store, jobs), request)
    return spec.model_copy(update={"inputs_digest": content_digest(_numbered(targets))})


def _requested(where: _Where, request: InfluenceRequest) -> tuple[_Traced, InfluenceSpec, pl.DataFrame, pl.DataFrame]:
    """The run that a request traces, the specification but for the digest of its targets, targets, and reference."""
    traced = _find_traced(where, request.run)
    # the same set of runs is the same job, however it was put
    others = list(
        {other.name: other for other in sorted(_find_traced(where, name) for name in request.with_runs)}.values()
    )
    probes = _probes(where, traced, request.probe_set, request.languages)
    faults: list[str] = []
    attributed = attribution(request.choices, faults)
    epochs = _epochs(traced, request.checkpoints, attributed.method, faults)
    faults += _faults_of_targets(request, probes)
    faults += _faults_of_top_k(where, traced, request.top_k)
    faults += _faults_of_others(traced, others, attributed.method)
    _refuse(faults)
    answered = _answered(where, traced, request.languages, probes)
    reference = _reference(answered)
    targets = _chosen(_in(request.languages, answered), request, traced)
    spec = InfluenceSpec(
        model=_last_checkpoint(traced),
        training=traced.spec,
        checkpoints=(
            *(_checkpoint(traced, epoch) for epoch in epochs),
            *(_last_checkpoint(other) for other in others),
        ),
        attribution=attributed,
        **_facts(targets, reference),
        selection="chosen" if request.questions else request.targets or "shifted",
        quantity=request.quantity,
        top_k=request.top_k,
        keep_scores=request.keep_scores,
        seed=request.choices.seed,
    )
    return traced, spec, targets, reference


def plan_validation(
    connection: duckdb.DuckDBPyConnection, jobs: Jobs, store: Path, request: ValidationRequest
) -> JobDirectory:
    """Plan the retraining of a run without parts of its examples. Raises as :func:`plan_influence` does.

    Targets come in an order that is drawn, since the removal test takes the first of them.
    """
    where = _Where(connection, store, jobs)
    traced = _find_traced(where, request.run)
    probes = _probes(where, traced, request.probe_set, request.languages)
    faults: list[str] = []
    attributions = named_all(request.attributions, request.seed, faults)
    faults += _faults_of_validation(request)
    _refuse(faults)
    answered = _answered(where, traced, request.languages, probes)
    reference = _reference(answered)
    targets = _drawn(answered, request, traced)
    _check_start(where, traced)
    spec = ValidationSpec(
        model=_last_checkpoint(traced),
        training=traced.spec,
        checkpoints=tuple(_checkpoint(traced, epoch) for epoch in traced.digests),
        attributions=attributions,
        **_facts(targets, reference),
        halves=request.halves,
        other_seed_halves=request.other_seed_halves,
        removal_targets=request.removal_targets,
        removal_k=tuple(sorted(set(request.removal_k))),
        seed=request.seed,
    )
    return _write(where, traced, spec, targets, reference)


def _find_traced(where: _Where, name: str) -> _Traced:
    """The fine-tuning run of a name. Raises NotFoundError where there is none, UsageError for a run of another kind."""
    run_id, full = find_run(where.connection, name)
    row = where.connection.execute(
        "SELECT kind, spec, start_checkpoint_id FROM v_run WHERE run_id = ?", [run_id]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{full} is being deleted.", f"Finish it: mlv runs delete {full} --yes")
    if row[0] != "finetune":
        raise UsageError(
            f"{full} is a {row[0]} run; what can be traced is a fine-tuning run.", "See which there are: mlv runs list"
        )
    checkpoints = where.connection.execute(
        "SELECT epoch, digest, checkpoint_id FROM v_checkpoint WHERE run = ? ORDER BY epoch", [full]
    ).fetchall()
    return _Traced(
        full,
        FinetuneSpec.model_validate_json(row[1]),
        int(row[2]),
        int(checkpoints[-1][2]),
        {int(epoch): str(digest) for epoch, digest, _ in checkpoints},
    )


def _probes(where: _Where, traced: _Traced, probe_set: str | None, languages: Sequence[str]) -> pl.DataFrame:
    """The probes of a set, in their order, with the answers before and after the run.

    ``[collection, probe_set, language, question, template, answer_first, answer_second, before, answer, moved]``, with
    NULL as ``before`` or ``answer`` where there is none. Raises NotFoundError where there is no such set, DataError
    where it lacks one of ``languages``.
    """
    probe_set = probe_set or default_probe_set(where.connection)
    probes = where.connection.execute(
        "WITH given AS (SELECT * FROM v_answer WHERE score = 'mean' AND checkpoint_id IN ($start, $last)) "
        "SELECT p.collection, s.probe_set, p.language, p.question, p.template, p.answer_first, p.answer_second, "
        "       b.answer AS before, a.answer, CASE WHEN a.margin > b.margin THEN 1 ELSE -1 END AS moved "
        "FROM v_probe p JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
        "LEFT JOIN given b ON b.checkpoint_id = $start AND b.collection = p.collection AND b.language = p.language "
        "     AND b.question = p.question "
        "LEFT JOIN given a ON a.checkpoint_id = $last AND a.collection = p.collection AND a.language = p.language "
        "     AND a.question = p.question "
        "WHERE s.probe_set = $probe_set "
        "ORDER BY p.language, p.number, p.question",
        {"start": traced.start, "last": traced.last, "probe_set": probe_set},
    ).pl()
    check_probes(where.connection, probes, probe_set, languages)
    return probes


def _in(languages: Sequence[str], probes: pl.DataFrame) -> pl.DataFrame:
    """The probes in some languages; in all where none are named."""
    return probes.filter(pl.col("language").is_in(list(languages))) if languages else probes


def _refuse(faults: Sequence[str]) -> None:
    """Raise UsageError with all that is wrong with the options of a request."""
    faults = list(dict.fromkeys(faults))
    if len(faults) == 1:
        raise UsageError(faults[0])
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise UsageError(f"{len(faults)} options do not fit:{listed}")


def _epochs(traced: _Traced, text: str | None, method: str, faults: list[str]) -> list[int]:
    """The epochs of the run that ``text`` names. Faults are added to ``faults``."""
    there = list(traced.digests)
    text = text or ("all" if method == "tracin" else "last")
    if text in ("last", "all"):
        return there[-1:] if text == "last" else there
    items = [item.strip() for item in text.split(",")]
    unknown = [item for item in items if item not in map(str, there)]
    if unknown:
        faults.append(
            f"--checkpoints {text}: {traced.name} has no epoch {', '.join(unknown)}. "
            f"Use last, all, or some of {','.join(map(str, there))}."
        )
    return [epoch for epoch in there if str(epoch) in items]


def _faults_of_targets(request: InfluenceRequest, probes: pl.DataFrame) -> list[str]:
    """What is wrong with the predictions that are to be traced."""
    faults = []
    if request.quantity not in get_args(Quantity):
        faults.append(f"There is no --trace {request.quantity}: use {', '.join(get_args(Quantity))}.")
    if request.targets not in (None, "shifted", "all"):
        faults.append(f"There is no --targets {request.targets}: use shifted or all.")
    if request.targets is not None and request.questions:
        faults.append("--targets and --probe name probes in two ways: leave one of them out.")
    known = _in(request.languages, probes)["question"].unique(maintain_order=True)
    unknown = [question for question in request.questions if question not in set(known)]
    if unknown:
        faults.append(
            f"--probe {', '.join(unknown)}: {probes['probe_set'][0]} has no such question in these languages. It has "
            f"{', '.join(known.head(10))}{', ...' if len(known) > 10 else ''}"
        )
    return faults


def _faults_of_top_k(where: _Where, traced: _Traced, top_k: int) -> list[str]:
    examples = number(
        where.connection,
        "SELECT count(*) FROM v_training_example WHERE run = ? AND split = 'train'",
        [traced.name],
    )
    if top_k <= examples:
        return []
    few = max(1, examples // 10)
    return [
        f"--top-k {top_k}: {traced.name} has {examples:,} training examples. Rank some of them, e.g. --top-k {few}."
    ]


def _faults_of_others(traced: _Traced, others: Sequence[_Traced], method: str) -> list[str]:
    """What keeps the scores of runs from being averaged: they have to be one training with several seeds."""
    faults = []
    if others and method == "tracin":
        faults.append("--with-run belongs to TRAK, which averages over models; TracIn follows the epochs of one run.")
    for other in others:
        differing = _differing(traced.spec, other.spec)
        if other.name == traced.name:
            faults.append(f"--with-run {other.name} is the traced run: name runs with other seeds.")
        elif differing:
            faults.append(
                f"--with-run {other.name} was not trained as {traced.name} was: they differ in {', '.join(differing)}. "
                "Name runs that differ in the seed alone."
            )
    return faults


def _differing(one: FinetuneSpec, other: FinetuneSpec) -> list[str]:
    """Fields in which two trainings differ, but for the seed and the split that it draws; a model is its content."""
    first, second = (
        spec.model_dump(exclude={"seed", "inputs_digest"}) | {"model": spec.model.digest} for spec in (one, other)
    )
    return [name for name, value in first.items() if value != second[name]]


def _faults_of_validation(request: ValidationRequest) -> list[str]:
    faults = []
    if request.targets not in ("random", "shifted", "all"):
        faults.append(f"There is no --targets {request.targets}: use random, shifted or all.")
    elif request.targets != "random" and request.probes is not None:
        faults.append(f"--probes is a number of random probes, and --targets is {request.targets}: leave one out.")
    for option, halves in (("halves", request.halves), ("other-seed-halves", request.other_seed_halves)):
        if halves == 1:
            faults.append(f"--{option} 1: a rank correlation needs 2 models or more, and 0 leaves them out.")
    if min(request.removal_k, default=1) < 1:
        faults.append(f"--k {min(request.removal_k)}: leave out 1 example or more.")
    if not (request.halves or request.other_seed_halves or request.removal_targets):
        faults.append("There is nothing to retrain: give --halves, --other-seed-halves or --removal-targets.")
    return faults


def _answered(where: _Where, traced: _Traced, languages: Sequence[str], probes: pl.DataFrame) -> pl.DataFrame:
    """The probes that were answered before and after the run.

    Raises NotFoundError where there are none in one of ``languages``, or none at all.
    """
    answered = probes.drop_nulls(["before", "answer"])
    needed = languages or ([] if answered.height else probes["language"].unique().sort())
    without = [language for language in needed if language not in set(answered["language"])]
    there = {column: set(probes.drop_nulls(column)["language"]) for column in ("before", "answer")}
    # a language in which both answered, but not the same probes, lacks answers of both
    apart = there["before"] & there["answer"]
    probe_set = probes["probe_set"][0]
    said, commands = [], []
    for column, name, options in (
        ("before", traced.spec.model.name, _start_options(where, traced)),
        ("answer", traced.name, f"--model {traced.name}"),
    ):
        lacking = ",".join(code for code in without if code in apart or code not in there[column])
        if lacking:
            said.append(f"{name} lacks answers to {probe_set} in {lacking}")
            commands.append(
                f"mlv compute probe {options} --language {lacking} --probe-set {quote(probe_set)} "
                f"--db {quote(str(where.store))}"
            )
    if said:
        raise NotFoundError(f"{'; '.join(said)}.", " && ".join(commands))
    return answered


def _start_options(where: _Where, traced: _Traced) -> str:
    """Options that name the model that a run started from."""
    model = traced.spec.model
    if model.revision:
        return f"--model {model.name} --revision {model.revision}"
    made_here = CHECKPOINT_NAME.fullmatch(model.name)
    return f"--model {quote(model.name if made_here else _start_folder(where, traced) or model.name)}"


def _chosen(answered: pl.DataFrame, request: InfluenceRequest, traced: _Traced) -> pl.DataFrame:
    """The probes that a request traces. Raises NotFoundError where one was not answered, or no value shifted."""
    if not request.questions:
        return answered if request.targets == "all" else _shifted(answered, traced)
    silent = [question for question in request.questions if question not in set(answered["question"])]
    if silent:
        raise NotFoundError(
            f"--probe {', '.join(silent)} was not answered both before and after {traced.name}.",
            "Ask again: mlv compute probe; where its answers tokenise alike, trace another probe.",
        )
    return answered.filter(pl.col("question").is_in(list(request.questions)))


def _shifted(answered: pl.DataFrame, traced: _Traced) -> pl.DataFrame:
    shifted = answered.filter(pl.col("answer") != pl.col("before"))
    if shifted.is_empty():
        raise NothingShiftedError(
            f"{traced.name} shifted none of its {answered.height} values in "
            f"{', '.join(answered['language'].unique().sort())}.",
            "Trace all of them (--targets all), or other languages (--language).",
        )
    return shifted


def _drawn(answered: pl.DataFrame, request: ValidationRequest, traced: _Traced) -> pl.DataFrame:
    """The probes of a validation, in an order in which nothing that was found has a say."""
    own = _in(traced.spec.languages, answered)
    offered = own if own.height and not request.languages else _in(request.languages, answered)
    kept = _shifted(offered, traced) if request.targets == "shifted" else offered
    drawn = _shuffled(kept, str(request.seed))
    return drawn.head(request.probes or VALIDATED_PROBES) if request.targets == "random" else drawn


def _shuffled(probes: pl.DataFrame, salt: str) -> pl.DataFrame:
    """Probes in the order of hashes: it is the same with every version of every library."""
    places = [
        hashlib.sha256(f"{salt} {language} {question}".encode()).hexdigest()
        for language, question in probes.select("language", "question").iter_rows()
    ]
    return probes.with_columns(place=pl.Series(places)).sort("place").drop("place")


def _reference(answered: pl.DataFrame) -> pl.DataFrame:
    """The sample of probes that principal directions are learnt from: whatever is traced, and in all languages.

    Those that were answered, since a tokenizer may not be able to ask the others.
    """
    return _shuffled(answered, "reference").head(REFERENCE_PROBES).select(_PROBE_COLUMNS)


def _checkpoint(traced: _Traced, epoch: int) -> ModelRef:
    """A checkpoint of a run; where it lies is looked up when a job is written."""
    return ModelRef(name=f"{traced.name}/epoch-{epoch}", digest=traced.digests[epoch])


def _last_checkpoint(traced: _Traced) -> ModelRef:
    return _checkpoint(traced, max(traced.digests))


def _start_folder(where: _Where, traced: _Traced) -> str:
    """Folder of the model that a run started from; empty where nothing tells."""
    recorded = JobDirectory(where.jobs.folder / traced.name).read_json("provenance.json").get("model_path", "")
    return whereabouts(where.connection, where.store, traced.spec.model, recorded)


def _check_start(where: _Where, traced: _Traced) -> None:
    """Raise NotFoundError where the model is gone that a run started from."""
    folder = _start_folder(where, traced)
    if not folder or not Path(folder).is_dir():
        raise NotFoundError(
            f"{traced.name} cannot be trained again: {traced.spec.model.name} is not at {folder or 'hand'}.",
            f"Put it back, or set model_path in {where.jobs.folder / traced.name / 'provenance.json'} to where it is.",
        )


def _facts(targets: pl.DataFrame, reference: pl.DataFrame) -> dict[str, Any]:
    """What a specification says of its probes."""
    return {
        "collection": targets["collection"][0],
        "probe_set": targets["probe_set"][0],
        "languages": tuple(targets["language"].unique().sort()),
        "inputs_digest": "",
        "reference_digest": content_digest(reference),
    }


def _write(
    where: _Where,
    traced: _Traced,
    spec: InfluenceSpec | ValidationSpec,
    targets: pl.DataFrame,
    reference: pl.DataFrame,
) -> JobDirectory:
    """Make the job directory with its inputs, and note where the models are that it reads.

    Raises NotFoundError where one is gone, or the examples are.
    """
    paths = {
        model.name: str(find_model(where.connection, where.store, model.name))
        for model in (spec.model, *spec.checkpoints)
    }
    examples = _examples(where, traced)
    model = spec.model.model_copy(update={"path": paths[spec.model.name]})
    paths[spec.training.model.name] = _start_folder(where, traced)
    jobs = replace(where.jobs, provenance=where.jobs.provenance | {"model_paths": paths})
    job = write_job(jobs, spec, model, _numbered(targets), "targets.parquet")
    write_input(job, reference, "reference.parquet")
    copied = job.inputs / examples.name
    if not copied.exists():
        with written_aside(copied) as aside:
            shutil.copyfile(examples, aside)
    return job


def _numbered(targets: pl.DataFrame) -> pl.DataFrame:
    """The columns of ``inputs/targets.parquet``."""
    return targets.with_row_index("target").select(
        pl.col("target").cast(pl.Int32), *_PROBE_COLUMNS, pl.col("answer", "moved").cast(pl.Int8)
    )


def _examples(where: _Where, traced: _Traced) -> Path:
    """The file of examples that a run was trained on. Raises NotFoundError or DataError where it is gone or changed."""
    path = where.jobs.folder / traced.name / "inputs" / "examples.parquet"
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
