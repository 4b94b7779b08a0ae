"""Do influence scores predict what happens when a run is trained again without some of its examples?

Reads ``inputs/targets.parquet`` and ``inputs/examples.parquet``; leaves ``outputs/validation.parquet``
(:data:`RESULTS`), ``outputs/retrainings.parquet`` (:data:`retraining.ANSWERS`), ``outputs/halves.parquet``
(the training examples that each model of the first test kept), ``outputs/removals.parquet`` (those that each model of
the second did without), ``outputs/model.json`` and ``outputs/run.json``.

Two tests:

- *lds*, the linear datamodeling score (Park et al. 2023, definition 2.3): models are trained on random halves of the
  training examples; per target, Spearman's rho over the models between the sum of the scores of the examples kept and
  the traced quantity of the model. Halves that are trained with the run's seed are reported apart from halves that have
  a seed each, whose models also differ in corruption, order and dropout.
- *removal* (H section 6, appendix A): for the first targets the k examples that speak most for the traced answer, or
  most against it, by the first attribution, are left out; the value is the change of the answer's probability among
  the two, against the run's own examples trained again, which gives the run's last checkpoint where machine and threads
  are the run's. ``random`` leaves out k random examples, the same for every target.

Beside attributions stand the baselines of :mod:`mlv.compute.attribution.baselines`, the permuted ones made of the first
attribution's scores, and ``gradient-dot`` and ``gradient-cosine``: gradients of the loss at the last checkpoint,
compared plainly.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import rankdata

from mlv.compute.attribution.baselines import character_ngrams, random_baselines
from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.scoring import COLUMNS, MASK
from mlv.compute.training import spans
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.retraining import Retrain, Retrainer, Retraining, mean_logprobs, retrain_all, tokenise_targets
from mlv.compute.training.streams import FloatArray, IntArray, Purpose, Stream
from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.attribution import Attribution, attribution_name
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Reproduced, ScoresMade, SkippedRemoval, UndefinedCorrelations
from mlv.schema.jobs.parquet import read_parquet, read_table, write_table
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.validate import REMOVAL_DRAWS, ValidateSpec

RESULTS: Final = {
    "test": pl.String,
    "scores": pl.String,
    "language": pl.String,
    "question": pl.String,
    "seeds": pl.String,
    "direction": pl.String,
    "k": pl.Int32,
    "draw": pl.Int32,
    "n": pl.Int32,
    "value": pl.Float64,
}
"""Columns of ``outputs/validation.parquet``; a rho that is undefined has no row."""

Seeds = Literal["same", "other"]
Direction = Literal["positive", "negative"]
Scorer = Callable[
    [JobDirectory, ValidateSpec, tuple[ModelRef, ...], Attribution, pl.DataFrame, ExecuteOptions], FloatArray
]
"""Scores of all training examples for all targets, [targets, training examples in the order of their positions], from
some checkpoints of the run."""


class Study(NamedTuple):
    """What is to be predicted, and from what."""

    spec: ValidateSpec
    targets: pl.DataFrame
    """In the order of their numbers."""

    examples: pl.DataFrame
    """position and text of the training examples, in the order of their positions."""


class Removal(NamedTuple):
    """A retraining of the removal test."""

    retraining: Retraining
    scores: str
    direction: Direction | None
    k: int
    draw: int
    targets: tuple[int, ...]
    """Whose answers are compared: indices of targets."""


def run(job: JobDirectory, spec: ValidateSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a validation job to its end; retrainings that are finished already are not repeated.

    Raises JobError for damaged inputs, NotFoundError for a missing model.
    """
    from mlv.compute.jobs.influence import check_examples, score_matrix

    check_examples(job, spec.training)
    validate(job, spec, options, progress, score_matrix)


def validate(
    job: JobDirectory, spec: ValidateSpec, options: ExecuteOptions, progress: Progress, scorer: Scorer
) -> None:
    """:func:`run` with the scores of ``scorer``."""
    device = runtime.prepare(options.device, options.threads, spec.seed)
    runtime.check_precision(spec.training.precision, device)
    study = read_study(job, spec)
    folder, last = files.locate(job, spec.training.model), files.locate(job, spec.model)
    tokenizer = loading.load_tokenizer(folder)
    probes = tokenise_targets(study.targets, tokenizer)
    splits = spans.read_splits(job, spec.training, tokenizer)
    scores = score_all(job, study, scorer, options)
    start = loading.load(folder, SPAN, device=device)
    measure(job, study, scores, Retrainer(job, spec.training, start, splits, probes, options, progress))
    _log_reproduction(job, mean_logprobs(loading.load(last, SPAN, device=device), probes, options.batch_tokens))
    write_json(job.outputs / "model.json", {**start.describe(), "model": spec.model.model_dump(mode="json")})


def read_study(job: JobDirectory, spec: ValidateSpec) -> Study:
    """The inputs of a job. Raises JobError where they are damaged."""
    targets = read_table(job.inputs / "targets.parquet", ["target", *COLUMNS, "answer", "shift_sign"]).sort("target")
    examples = read_table(job.inputs / "examples.parquet", ["position", "split", "text"])
    wrong = [
        fault
        for fault, found in (
            ("numbers that do not count from 0", targets["target"].to_list() != list(range(targets.height))),
            ("answers other than 1 and 2", not set(targets["answer"]) <= {1, 2}),
            ("shift signs other than 1 and -1", not set(targets["shift_sign"]) <= {1, -1}),
            ("a probe twice", targets.select("question", "language").is_duplicated().any()),
        )
        if found
    ]
    if wrong:
        raise JobError(f"{job.inputs / 'targets.parquet'} has {' and '.join(wrong)}", PLAN_AGAIN)
    training = examples.filter(pl.col("split") == "train").sort("position").select("position", "text")
    if training.height < 2:
        raise JobError(f"{job.path.name} has too few training examples to take half of them", PLAN_AGAIN)
    return Study(spec, targets, training)


def score_all(job: JobDirectory, study: Study, scorer: Scorer, options: ExecuteOptions) -> dict[str, FloatArray]:
    """Scores that are not random by name, the first attribution's first; those in ``work/`` are not made again.

    Raises JobError where an attribution is there twice, or a score is NaN or infinite.
    """
    columns = [str(target) for target in study.targets["target"]]
    found = {}
    for name, (attribution, checkpoints) in _attributions(study.spec).items():
        # a name may be as long as a file's, and has spaces
        path = job.work / f"scores-{hashlib.sha256(name.encode()).hexdigest()[:12]}.parquet"
        if not path.exists():
            scores = scorer(job, study.spec, checkpoints, attribution, study.targets, options)
            if not np.isfinite(scores).all():
                raise JobError(
                    f"Scores {name} of {job.path.name} are NaN or infinite", "Look at the losses of the run."
                )
            write_table(path, pl.DataFrame(scores.T, schema=columns))
            job.log(ScoresMade(name=name))
        found[name] = read_table(path, columns).to_numpy().T
    return found | {"character-ngrams": _spelling(study)}


def measure(job: JobDirectory, study: Study, scores: Mapping[str, FloatArray], retrain: Retrain) -> None:
    """Retrain, compare with ``scores`` by name, the first attribution's first, and write all that is found."""
    own = study.spec.training.seed
    full = Retraining("full", "full", own, np.ones(study.examples.height, dtype=bool))
    halves: dict[Seeds, list[Retraining]] = {"same": _halves(study, "same"), "other": _halves(study, "other")}
    removals = _removals(study, next(iter(scores.items())), _removal_sizes(job, study))
    removed = [removal.retraining for removal in removals]
    retrainings = [full, *halves["same"], *halves["other"], *removed]
    answers = retrain_all(job, retrainings, study.targets, retrain)
    means = answers.select("mean_first", "mean_second").to_numpy().reshape(len(retrainings), -1, 2)
    by_id = {retraining.id: model for retraining, model in zip(retrainings, means, strict=True)}
    results = [*_lds_results(study, scores, halves, by_id), *_removal_results(study, removals, by_id)]
    write_table(job.outputs / "validation.parquet", _defined(job, results))
    write_table(job.outputs / "retrainings.parquet", answers)
    write_table(job.outputs / "halves.parquet", _positions(study, [*halves["same"], *halves["other"]], kept=True))
    write_table(job.outputs / "removals.parquet", _positions(study, removed, kept=False))
    write_json(job.outputs / "run.json", {"examples": study.examples.height})


def traced_answers(targets: pl.DataFrame, quantity: Quantity) -> IntArray:
    """The answer of each target that positive influence raises, 1 or 2, [targets]."""
    if quantity == "answer":
        return targets["answer"].cast(pl.Int64).to_numpy()
    if quantity == "margin":
        return np.ones(targets.height, dtype=np.int64)
    return np.where(targets["shift_sign"].to_numpy() > 0, 1, 2)


def traced_values(means: FloatArray, targets: pl.DataFrame, quantity: Quantity) -> FloatArray:
    """The traced quantity, [..., targets], of mean log-probabilities per token ``means`` [..., targets, 2]."""
    traced, other = _traced_and_other(means, targets, quantity)
    return traced if quantity == "answer" else traced - other


def traced_probabilities(means: FloatArray, targets: pl.DataFrame, quantity: Quantity) -> FloatArray:
    """Softmax of ``means`` [..., targets, 2] over both answers, that of the traced one, [..., targets]."""
    traced, other = _traced_and_other(means, targets, quantity)
    probabilities: FloatArray = expit(traced - other)
    return probabilities


def spearman(one: FloatArray, other: FloatArray) -> FloatArray:
    """Spearman's rho of the rows of [rows, n] and [rows, n], ties at their mean rank; NaN where a row is constant."""
    first, second = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (one, other))
    with np.errstate(invalid="ignore"):
        rho: FloatArray = (first * second).sum(axis=1) / np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return rho


def _attributions(spec: ValidateSpec) -> dict[str, tuple[Attribution, tuple[ModelRef, ...]]]:
    """Attributions with their checkpoints by name, plain gradients at the end."""
    last = (spec.model,)
    chosen = {
        attribution_name(attribution): (attribution, spec.checkpoints if attribution.method == "tracin" else last)
        for attribution in spec.attributions
    }
    if not chosen or len(chosen) < len(spec.attributions):
        raise JobError("Attributions to validate have to be there, each once", "Plan the job again.")
    return chosen | {name: (attribution, last) for name, attribution in spec.plain_gradients().items()}


def _traced_and_other(means: FloatArray, targets: pl.DataFrame, quantity: Quantity) -> tuple[FloatArray, FloatArray]:
    """The parts of ``means`` [..., targets, 2] that belong to the traced answer and to the other, [..., targets]."""
    first = traced_answers(targets, quantity) == 1
    return np.where(first, means[..., 0], means[..., 1]), np.where(first, means[..., 1], means[..., 0])


def _spelling(study: Study) -> FloatArray:
    """``character-ngrams`` of the templates with the traced answer in the mask's place, and the examples."""
    answers = traced_answers(study.targets, study.spec.quantity)
    filled = [
        row["template"].replace(MASK, row["answer_first"] if answer == 1 else row["answer_second"])
        for row, answer in zip(study.targets.iter_rows(named=True), answers, strict=True)
    ]
    return character_ngrams(filled, study.examples["text"].to_list())


def _halves(study: Study, seeds: Seeds) -> list[Retraining]:
    """Retrainings on exactly half of the examples, rounded down, with the run's seed or with others."""
    spec, examples = study.spec, study.examples.height
    other = seeds == "other"
    halves = []
    for number in range(spec.other_seed_halves if other else spec.halves):
        order = Stream(spec.seed, Purpose.HALVES, number, int(other)).permutation(examples)
        seed = (spec.training.seed + 1 + number) % 2**31 if other else spec.training.seed
        halves.append(Retraining(f"{seeds}-{number}", "half", seed, _mask(order[: examples // 2], examples)))
    return halves


def _mask(indices: IntArray, count: int) -> BoolArray:
    mask = np.zeros(count, dtype=bool)
    mask[indices] = True
    return mask


def _removal_sizes(job: JobDirectory, study: Study) -> list[int]:
    """How many examples are left out: sizes that leave some."""
    examples = study.examples.height
    for k in study.spec.removal_k:
        if k >= examples:
            job.log(SkippedRemoval(k=k, examples=examples))
    return [k for k in study.spec.removal_k if k < examples]


def _removals(study: Study, first: tuple[str, FloatArray], sizes: Sequence[int]) -> list[Removal]:
    """Retrainings without the strongest examples of ``first``, name and scores, and without random ones."""
    name, scores = first
    targets = tuple(range(min(study.spec.removal_targets, len(scores))))
    own = study.spec.training.seed

    def without(label: str, left_out: IntArray) -> Retraining:
        return Retraining(f"removal-{label}", "removal", own, ~_mask(left_out, scores.shape[1]))

    directions: tuple[Direction, ...] = ("positive", "negative")
    strongest = [
        Removal(
            without(f"{target}-{direction}-{k}", _strongest(scores[target], direction)[:k]),
            name,
            direction,
            k,
            0,
            (target,),
        )
        for target in targets
        for direction in directions
        for k in sizes
    ]
    random = [
        Removal(without(f"random-{draw}-{k}", order[:k]), "random", None, k, draw, targets)
        for draw in range(REMOVAL_DRAWS if targets else 0)
        for order in [Stream(study.spec.seed, Purpose.REMOVALS, draw).permutation(scores.shape[1])]
        for k in sizes
    ]
    return strongest + random


def _strongest(scores: FloatArray, direction: Direction) -> IntArray:
    """Examples from the strongest in a direction on, ties in the order of their positions, [examples]."""
    return np.argsort(-scores if direction == "positive" else scores, kind="stable")


def _score_sets(study: Study, scores: Mapping[str, FloatArray]) -> Iterator[tuple[str, int, FloatArray]]:
    """Name, draw and scores [targets, examples] of all that is compared: ``scores``, then the random baselines."""
    yield from ((name, 0, matrix) for name, matrix in scores.items())
    yield from random_baselines(next(iter(scores.values())), study.spec.seed)


def _lds_results(
    study: Study,
    scores: Mapping[str, FloatArray],
    halves: Mapping[Seeds, Sequence[Retraining]],
    means: Mapping[str, FloatArray],
) -> Iterator[pl.DataFrame]:
    """Linear datamodeling scores; ``means`` [targets, 2] by retraining."""
    for seeds, retrainings in halves.items():
        if not retrainings:
            continue
        kept = np.stack([retraining.kept for retraining in retrainings]).astype(np.float64)
        answers = np.stack([means[retraining.id] for retraining in retrainings])
        values = traced_values(answers, study.targets, study.spec.quantity).T
        for name, draw, matrix in _score_sets(study, scores):
            rho = spearman(matrix @ kept.T, values)
            fixed = {"test": "lds", "scores": name, "seeds": seeds, "direction": None, "k": None, "draw": draw}
            yield _results(study.targets, rho, n=len(retrainings), **fixed)


def _removal_results(
    study: Study, removals: Sequence[Removal], means: Mapping[str, FloatArray]
) -> Iterator[pl.DataFrame]:
    """Changes of the probability of the traced answer; ``means`` [targets, 2] by retraining."""
    probabilities = {
        name: traced_probabilities(some, study.targets, study.spec.quantity) for name, some in means.items()
    }
    for removal in removals:
        chosen = list(removal.targets)
        change = (probabilities[removal.retraining.id] - probabilities["full"])[chosen]
        fixed = {"scores": removal.scores, "direction": removal.direction, "k": removal.k, "draw": removal.draw}
        yield _results(study.targets[chosen], change, test="removal", seeds="same", n=1, **fixed)


def _results(targets: pl.DataFrame, values: FloatArray, **fixed: object) -> pl.DataFrame:
    """Rows of :data:`RESULTS` of some targets."""
    literals = {name: pl.lit(value) for name, value in fixed.items()}
    rows = targets.select("language", "question", value=pl.Series(values)).with_columns(**literals)
    return rows.select(list(RESULTS)).cast(RESULTS)  # type: ignore[arg-type]


def _defined(job: JobDirectory, results: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows whose value is defined; the others are counted in the log."""
    rows = pl.concat([pl.DataFrame(schema=RESULTS), *results])
    undefined = rows.filter(pl.col("value").is_nan())
    for scores, seeds, count in undefined.group_by("scores", "seeds", maintain_order=True).len().iter_rows():
        job.log(UndefinedCorrelations(scores=scores, seeds=seeds, rows=count))
    return rows.filter(pl.col("value").is_not_nan())


def _positions(study: Study, retrainings: Sequence[Retraining], *, kept: bool) -> pl.DataFrame:
    """Positions of the training examples that each model was trained with, or without: id, position."""
    positions = study.examples["position"].to_numpy()
    rows = [(row.id, int(position)) for row in retrainings for position in positions[row.kept == kept]]
    return pl.DataFrame(rows, schema={"id": pl.String, "position": pl.Int64}, orient="row")


def _log_reproduction(job: JobDirectory, last: FloatArray) -> None:
    """Log by how much the run's own examples trained again and its last checkpoint, ``last`` [targets, 2], differ."""
    answers = read_parquet(job.outputs / "retrainings.parquet").filter(pl.col("id") == "full")
    differences = np.abs(answers["margin"].to_numpy() - (last[:, 0] - last[:, 1]))
    job.log(Reproduced(largest_difference_of_margins=float(differences.max())))
