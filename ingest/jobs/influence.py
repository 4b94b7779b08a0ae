"""Influence: the predictions of a run that are traced leave the store; rankings of its training examples enter it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import polars as pl
from pydantic import Field, model_validator

from mlv.ingest.jobs import traced_probes, traced_texts
from mlv.ingest.jobs.attributions import Choices
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.loading import load, load_of_targets, scored_examples, traced_run_id
from mlv.ingest.jobs.masks import (
    UNMASKED,
    AllowEmpty,
    Chosen,
    Combine,
    Masks,
    Shuffle,
    SubnetworkNames,
    check_languages,
    check_masks,
    choose,
    enter_run_masks,
)
from mlv.ingest.jobs.outputs import width_in
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, JobName, Names, Option, ProbeSet, TestLanguages
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.tracing import (
    Targets,
    Traced,
    epochs_of,
    find_traced,
    in_languages,
    misplaced,
    tracing_inputs,
    trained_alone,
)
from mlv.ingest.jobs.training import Training
from mlv.ingest.writing.subnetworks import find_subnetwork
from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.errors import NotFoundError, UsageError, listed
from mlv.schema.jobs.attribution import Attribution
from mlv.schema.jobs.identity import spec_hash
from mlv.schema.jobs.influence import InfluenceSpec, TargetSelection
from mlv.schema.jobs.masks import TrainingMasks
from mlv.schema.jobs.spec import Spec
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.training import TrainingSpec
from mlv.schema.papers import echoes, sharing
from mlv.schema.store.rows import append, next_id


class Request(Choices):
    """Which predictions of a run are traced to its training examples, by which of its checkpoints, and how."""

    run: Annotated[str, Option(argument=True)] = Field(
        min_length=1, description="A fine-tuning run's name, or the beginning of it."
    )
    targets: Literal["shifted", "all"] | None = Field(
        None, description="Of probes: shifted, those whose answer changed (if not given); or all that were answered."
    )
    items: Annotated[Names, Option("item", repeated=True)] = Field(
        (),
        description="A question, e.g. 45a, whether it shifted or not; of a classifier the key of a text, e.g. test:17, "
        "whether it is told right or not; may be given repeatedly.",
    )
    languages: TestLanguages = ()
    quantity: Annotated[Quantity | None, Option("trace")] = Field(
        None,
        description="answer: probability of the answer given; margin: first answer over second; shift: the margin, in "
        "the direction in which it moved (if not given; with a preset answer, as in the papers). Of a classifier it is "
        "label: the log-probability of a text's own class.",
    )
    top_k: Count = Field(
        echoes.INFLUENCE_TOP_K,
        description="How many examples with the highest, and how many with the lowest scores are kept for each probe.",
    )
    allow_overlap: bool = Field(
        False, description="Let examples be among the highest and the lowest: more than half of them may be kept."
    )
    checkpoints: str = Field(
        "",
        description="last, all, or epochs such as 3,4,5; for TRAK the last and for TracIn all if not given.",
    )
    with_runs: Annotated[Names, Option("with-run", repeated=True)] = Field(
        (), description="The same training with another seed, whose scores are averaged in (TRAK); repeatable."
    )
    probe_set: ProbeSet = None
    split: traced_texts.TextSplit = None
    per_language: Count | None = Field(
        None, description=f"Of a classifier: texts of each language that it has right; {sharing.TARGETS} if not given."
    )
    pick: traced_texts.Pick | None = Field(
        None, description="Of a classifier: the first such texts of the file (if not given), or random ones."
    )
    items_of: JobName = Field(
        None, description="Of a classifier: the texts that another influence run traced, as far as they are told right."
    )
    masks: Masks = Field({})
    combine: Combine = None
    shuffle: Shuffle = None
    allow_empty: AllowEmpty = False
    training_masks: TrainingMasks | None = Field(
        None,
        description="With masks, under which gradients of training examples are taken: test (if not given), that of "
        "the text that is traced; own, that of the example's language; none.",
    )
    correct_under: Annotated[SubnetworkNames, Option("correct-under", repeated=True)] = Field(
        {},
        description="LANGUAGE=NAME: of a classifier only texts that it has right under this mask too, of several "
        "joined by + under each; may be given repeatedly.",
    )
    allow_seen: traced_texts.AllowSeen = False
    keep_scores: bool = Field(False, description="Keep the scores of all examples in the job's outputs/scores.parquet.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if sum(map(bool, (self.targets, self.items, self.items_of, self.per_language or self.pick))) > 1:
            raise ValueError(
                "Targets, items, items-of, and per-language or pick, say in several ways what is traced: give one."
            )
        if self.with_runs and self.attribution().method == "tracin":
            raise ValueError(
                "Further runs belong to TRAK, which averages over models; TracIn follows the epochs of one run."
            )
        if self.training_masks and not self.masks:
            raise ValueError("There are no masks: training masks belong to them")
        check_masks(self)
        return self

    @property
    def test_languages(self) -> TestLanguages:
        """Test languages: with masks those of these, if none are named."""
        return self.languages or tuple(sorted(self.masks))

    def traced_quantity(self) -> Quantity:
        """What is traced of a probe: what predicts shifts, unless a paper's setting is asked for."""
        return self.quantity or ("answer" if self.preset else "shift")


class _Asked(NamedTuple):
    """What a request comes to for a run."""

    targets: Targets
    quantity: Quantity
    selection: TargetSelection
    chosen: Chosen = UNMASKED


def plan(context: Context, request: Request) -> Plan:
    """Plan the tracing of a run's predictions to its training examples.

    Raises UsageError if settings do not fit the run; NotFoundError if the run, its answers, its checkpoints, its
    examples or a subnetwork are not there; NothingToDoError if no value shifted; DataError if examples have changed.
    """
    traced = find_traced(context, request.run)
    # the same set of runs is the same job, however it was put
    others = list({name: find_traced(context, name) for name in sorted(request.with_runs)}.values())
    attribution = trained_alone(traced, request.attribution())
    epochs = _epochs(request, traced, attribution)
    faults = [*_misplaced(request, traced), *_too_many(traced, request), *_unlike(traced, others)]
    asked = (_texts if traced.is_classifier else _probes)(context, request, traced, faults)
    spec = InfluenceSpec(
        model=traced.last_checkpoint,
        training=traced.spec,
        checkpoints=(
            *(traced.checkpoints[epoch] for epoch in epochs),
            *dict.fromkeys(other.last_checkpoint for other in others),
        ),
        attribution=attribution,
        **asked.targets.fields,
        **asked.chosen.fields,
        training_masks=(request.training_masks or "test") if asked.chosen.names else None,
        selection=asked.selection,
        quantity=asked.quantity,
        top_k=request.top_k,
        keep_scores=request.keep_scores,
        seed=request.seed,
    )
    return Plan(spec, lambda: tracing_inputs(context, traced, spec, asked.targets))


def _probes(context: Context, request: Request, traced: Traced, faults: Sequence[str]) -> _Asked:
    """The probes that a request traces. Raises UsageError with what else is wrong with it, ``faults``."""
    probes = traced_probes.find_probes(context, traced, request.probe_set, request.languages)
    _refuse([*_unknown_questions(request, probes), *faults])
    answered = traced_probes.answered_probes(traced, request.languages, probes)
    chosen = _chosen(in_languages(request.languages, answered), request, traced)
    targets = traced_probes.as_targets(chosen, traced_probes.reference_probes(answered))
    return _Asked(targets, request.traced_quantity(), "chosen" if request.items else request.targets or "shifted")


def _texts(context: Context, request: Request, traced: Traced, faults: Sequence[str]) -> _Asked:
    """The labelled texts that a request traces, and under which masks. Raises UsageError for ``faults``."""
    _refuse(faults)
    chosen_masks = _masks(context, request, traced)
    texts = _predicted(context, request, traced, chosen_masks)
    offered = in_languages(request.test_languages, texts)
    if request.items:
        chosen = traced_texts.named(offered, request.items)
    elif request.items_of:
        chosen = traced_texts.those_of(context, offered, request.items_of)
    else:
        many = request.per_language or sharing.TARGETS
        chosen = traced_texts.pick(offered, many, request.pick or "first", request.seed)
    if not request.allow_seen:
        traced_texts.check_unseen(context, traced, chosen)
    targets = traced_texts.as_targets(chosen, traced_texts.reference_texts(texts))
    return _Asked(targets, "label", "chosen" if request.items else "correct", chosen_masks)


def _masks(context: Context, request: Request, traced: Traced) -> Chosen:
    """The masks of the languages that are traced, and with own masks of those that are trained on."""
    chosen = choose(context, request, traced.last_checkpoint)
    if chosen.names and request.training_masks == "own":
        what = "what is traced and trained on is in"
        check_languages(chosen.names, {*request.test_languages, *traced.trained_on}, what)
    elif chosen.names:
        check_languages(chosen.names, request.test_languages, "what is traced are texts in")
    return chosen


def _predicted(context: Context, request: Request, traced: Traced, chosen: Chosen) -> pl.DataFrame:
    """The texts of a request that its run was asked under its masks, and whether it has them right, under all masks."""
    texts = traced_texts.predicted_texts(context, traced, request.split, request.test_languages, chosen)
    for code, names in request.correct_under.items():
        under = [find_subnetwork(context.connection, name) for name in names]
        texts = traced_texts.right_under(context, traced, request.split, texts, code, under)
    return texts


def _misplaced(request: Request, traced: Traced) -> list[str]:
    """Settings that are about targets of another kind."""
    label = request.quantity == "label"
    of_probes = {
        "targets": request.targets,
        "quantity": request.quantity and not label,
        "probe set": request.probe_set,
    }
    of_texts = {
        "quantity label": label,
        "split": request.split,
        "per language": request.per_language,
        "pick": request.pick,
        "items of": request.items_of,
        "masks": request.masks,
        "correct under": request.correct_under,
        "allow seen": request.allow_seen,
    }
    return misplaced(traced, of_probes, of_texts)


def _refuse(faults: Sequence[str]) -> None:
    """Raise UsageError with all that is wrong with a request."""
    if len(faults) == 1:
        raise UsageError(faults[0])
    if faults:
        raise UsageError(f"{len(faults)} settings do not fit:{listed(faults)}")


def _epochs(request: Request, traced: Traced, attribution: Attribution) -> list[int]:
    try:
        return epochs_of(request.checkpoints, attribution.method, list(traced.checkpoints))
    except ValueError as error:
        raise UsageError(f"Checkpoints {request.checkpoints}: {traced.name} has {error}") from error


def _unknown_questions(request: Request, probes: pl.DataFrame) -> list[str]:
    known = in_languages(request.languages, probes)["question"].unique(maintain_order=True)
    unknown = [question for question in request.items if question not in set(known)]
    if not unknown:
        return []
    return [
        f"{probes['probe_set'][0]} has no question {', '.join(unknown)} in these languages. It has "
        f"{', '.join(known.head(10))}{', ...' if len(known) > 10 else ''}"
    ]


def _too_many(traced: Traced, request: Request) -> list[str]:
    """A top k that a run has too few examples for: what would be called highest would be among the lowest as well."""
    examples = traced.training_examples
    if request.top_k <= (examples if request.allow_overlap else examples // 2):
        return []
    apart = examples // 2
    return [
        f"A top k of {request.top_k}: {traced.name} has {examples:,} training examples, so that {apart:,} can be kept "
        f"as highest and as many as lowest (--top-k {apart}), or up to {examples:,} with --allow-overlap, some as both."
    ]


def _unlike(traced: Traced, others: Sequence[Traced]) -> list[str]:
    """What keeps the scores of runs from being averaged: they have to be one training with several seeds."""
    faults = []
    for other in others:
        differing = _differing(traced.spec, other.spec)
        if other.name == traced.name:
            faults.append(f"{other.name} is the traced run: name runs with other seeds.")
        elif differing:
            faults.append(
                f"{other.name} was not trained as {traced.name} was: they differ in {', '.join(differing)}. "
                "Name runs that differ in the seed alone."
            )
    return faults


def _differing(one: TrainingSpec, other: TrainingSpec) -> list[str]:
    """Fields in which two trainings differ, but for the seed and the split that it draws; a model is its content."""
    first, second = (
        spec.model_dump(exclude={"seed", "inputs_digest"}) | {"model": spec.model.digest} for spec in (one, other)
    )
    return [name for name, value in first.items() if value != second.get(name)]


def _chosen(answered: pl.DataFrame, request: Request, traced: Traced) -> pl.DataFrame:
    """The probes that a request traces. Raises NotFoundError if one was not answered, or no value shifted."""
    if not request.items:
        return answered if request.targets == "all" else traced_probes.shifted_probes(answered, traced)
    unanswered = [question for question in request.items if question not in set(answered["question"])]
    if unanswered:
        raise NotFoundError(
            f"{', '.join(unanswered)} was not answered both before and after {traced.name}.",
            "Probe again: mlv compute probe; if its answers tokenise alike, trace another probe.",
        )
    return answered.filter(pl.col("question").is_in(list(request.items)))


_TARGETS = """
        INSERT INTO influence_target
        SELECT $first + o.target, $run, i.probe_id, i.segment_id, o.epoch, o.answer, o.value
        FROM read_parquet($path) o
        JOIN _items i USING (language, question)
    """

_RANKINGS = """
        INSERT INTO influence_ranking
        SELECT $first + o.target, o.direction, o.rank, e.training_example_id, o.score
        FROM read_parquet($path) o
        SEMI JOIN influence_target t ON t.run_id = $run AND t.influence_target_id = $first + o.target
        JOIN training_example e ON e.run_id = $traced AND e.split = 'train' AND e.position = o.position
    """

_SUMMARIES = """
        INSERT INTO influence_summary
        SELECT $first + o.target, l.language_id, o.n, o.score_sum, o.score_sum_squares, o.score_min, o.score_max
        FROM read_parquet($path) o
        SEMI JOIN influence_target t ON t.run_id = $run AND t.influence_target_id = $first + o.target
        JOIN "language" l ON l.code = o.language
    """

_HISTOGRAMS = """
        INSERT INTO influence_histogram
        SELECT $first + o.target, l.language_id, o.bin, o.n
        FROM read_parquet($path) o
        SEMI JOIN influence_target t ON t.run_id = $run AND t.influence_target_id = $first + o.target
        JOIN "language" l ON l.code = o.language
    """

_EPOCH_TESTS = """
        INSERT INTO influence_epoch_test
        SELECT $first + o.target, $first + o.other_target, o.n, o.z, o.p
        FROM read_parquet($path) o
        SEMI JOIN influence_target t ON t.run_id = $run AND t.influence_target_id = $first + o.target
        SEMI JOIN influence_target s ON s.run_id = $run AND s.influence_target_id = $first + o.other_target
    """


def commit(run: NewRun, spec: InfluenceSpec) -> dict[str, int]:
    """Enter targets, and what is kept of their scores.

    Raises JobError if an output is missing, names what the store lacks, or contradicts itself.
    """
    gradients = spec.attribution.gradients
    traced = traced_run_id(run, spec)
    row = {
        "run_id": run.run_id,
        "traced_run_id": traced,
        "method": spec.attribution.method,
        "similarity": spec.attribution.similarity,
        "quantity": spec.quantity,
        "selection": spec.selection,
        "projection": gradients.projection,
        "dimensions": 0 if gradients.projection == "none" else gradients.dimensions,
        "modules": ",".join(gradients.modules),
        "damping": spec.attribution.damping if spec.attribution.method == "trak" else 0.0,
        "checkpoints": len(spec.checkpoints),
        "examples": scored_examples(run),
        "top_k": spec.top_k,
        "bin_width": width_in(run.job, "run.json", "bin_width"),
        "training_masks": spec.training_masks,
    }
    first = next_id(run.connection, "influence_target")
    keys = {"first": first, "run": run.run_id}
    rows = {
        "influence_run": append(
            run.connection, "influence_run", pl.DataFrame([row], schema_overrides={"training_masks": pl.String})
        ),
        **enter_run_masks(run, spec.masks, spec.subnetworks),
        "influence_target": load_of_targets(run, spec, "targets", _TARGETS, keys),
        "influence_ranking": load(run, "rankings", _RANKINGS, {**keys, "traced": traced}),
        "influence_summary": load(run, "summaries", _SUMMARIES, keys),
        "influence_histogram": load(run, "histograms", _HISTOGRAMS, keys),
    }
    if (run.job.outputs / "epoch_tests.parquet").exists():
        rows["influence_epoch_test"] = load(run, "epoch_tests", _EPOCH_TESTS, keys)
    return rows | sum_rankings(run.connection, first)


def _passes(request: Request, epochs: int) -> int:
    """How often an example's gradient is taken: at each checkpoint once, or for the corruptions of all its epochs."""
    attribution = request.attribution()
    at = epochs_of(request.checkpoints, attribution.method, range(1, epochs + 1))
    return sum(at) if attribution.gradients.corruptions == "trained" else len(at)


def _units(context: Context, request: Request, training: object) -> int:
    traced = training if isinstance(training, Training) else find_traced(context, request.run)
    return traced.training_examples * _passes(request, traced.epochs)


def _index_bytes(jobs: Path, spec: InfluenceSpec) -> int:
    """Size of the indexes of gradients that a run read; 0 if they were deleted."""
    found = 0
    for about in jobs.glob("index-*/index.json"):
        index = json.loads(about.read_text(encoding="utf-8"))
        if index.get("training") == spec_hash(spec.training) and spec.reads_index(index):
            found += sum(file.stat().st_size for file in about.parent.rglob("*") if file.is_file())
    return found


def _alike(spec: Spec, request: Request) -> bool:
    return isinstance(spec, InfluenceSpec) and spec.attribution == request.attribution()


COST = Cost(
    unit="gradients of training examples",
    units=_units,
    measured="""
        SELECT run_id, examples * CASE spec ->> '$.attribution.gradients.corruptions'
            WHEN 'trained' THEN list_sum(epochs) ELSE len(epochs) END AS units
        FROM influence_run JOIN (
            SELECT run_id, spec, [regexp_extract(name, '(\\d+)$', 1)::BIGINT FOR name IN
                   json_extract_string(spec, '$.checkpoints[*].name')] AS epochs
            FROM run WHERE kind = 'influence'
        ) USING (run_id)
    """,
    kept_bytes=_index_bytes,
    alike=_alike,
)
