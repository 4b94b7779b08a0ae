"""Do influence scores predict what happens when a run is trained again without some of its examples?

Reads ``inputs/targets.parquet`` and ``inputs/examples.parquet``; leaves ``outputs/validation.parquet``
(:data:`study.RESULTS`), ``outputs/lds.parquet`` (:data:`lds.LDS`), ``outputs/retrainings.parquet``
(:data:`retraining.ANSWERS`), ``outputs/subsets.parquet`` (the training examples that each model of the first test
kept), ``outputs/removals.parquet`` (those that each model of the second did without), ``outputs/model.json`` and
``outputs/run.json``.

Two tests:

- *lds*, the linear datamodeling score (Park et al. 2023, definition 2.3): models are trained on random halves of the
  training examples, or without one of their languages; per target, Spearman's rho over the models between the sum of
  the scores of the examples kept and the traced quantity of the model. Halves that are trained with the run's seed are
  reported apart from halves that have a seed each, whose models also differ in corruption, order and dropout.
- *removal* (:mod:`mlv.compute.validation.removal`): the most influential examples are left out.

Each traced quantity has scores of its own; the models, and what they answer, are the same for all. Beside attributions
stand the baselines of :mod:`mlv.compute.attribution.baselines`, the shuffled ones made of the first attribution's
scores, and the attributions' gradients at the last checkpoint, compared plainly: ``gradient-cosine-principal-16``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from mlv.compute.attribution.baselines import bm25, character_ngrams
from mlv.compute.attribution.weights import epoch_of
from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import files, loading
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training.objective import read_splits
from mlv.compute.training.objectives import traceable
from mlv.compute.training.retraining import Retrain, Retrainer, Retraining, logprobs_of, retrain_all
from mlv.compute.validation import lds, removal
from mlv.compute.validation.removal import FULL
from mlv.compute.validation.study import RESULTS, Study, read_study
from mlv.schema.errors import JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.attribution import Attribution, attribution_name
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Reproduced, ScoresMade, UndefinedCorrelations
from mlv.schema.jobs.parquet import read_parquet, read_table, write_table
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.validate import ValidateSpec

Scores = Mapping[Quantity, Mapping[str, FloatArray]]
"""[targets, training examples in the order of their positions] by name, the first attribution's first."""

Scorer = Callable[
    [JobDirectory, ValidateSpec, tuple[ModelRef, ...], Attribution, Quantity, pl.DataFrame, ExecuteOptions], FloatArray
]
"""Scores of all training examples for all targets, [targets, training examples in the order of their positions], from
some checkpoints of the run."""


def run(job: JobDirectory, spec: ValidateSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a validation job to its end; retrainings that are finished already are not repeated.

    Raises JobError for damaged inputs, NotFoundError for a missing model.
    """
    from mlv.compute.jobs.influence import check_examples, score_matrix

    check_examples(job, traceable(spec.training))
    validate(job, spec, options, progress, score_matrix)


def validate(
    job: JobDirectory, spec: ValidateSpec, options: ExecuteOptions, progress: Progress, scorer: Scorer
) -> None:
    """:func:`run` with the scores of ``scorer``."""
    device = runtime.prepare(options.device, options.threads, spec.seed)
    study = read_study(job, spec)
    objective, targets = study.objective, study.targets
    folder, last = files.locate(job, spec.training.model), files.locate(job, spec.model)
    tokenizer = loading.load_tokenizer(folder)
    objective.check(targets, tokenizer)
    splits = read_splits(job, objective, tokenizer)
    scores = score_all(job, study, scorer, options, tokenizer)
    start, epochs = objective.load(folder, device), epoch_of(spec.training, spec.model)
    measure(job, study, scores, Retrainer(job, objective, epochs, start, splits, targets, options, progress))
    _log_reproduction(job, study, objective.ask(objective.load(last, device), targets, options.batch_tokens))
    write_json(job.outputs / "model.json", {**start.describe(), "model": spec.model.model_dump(mode="json")})


def score_all(
    job: JobDirectory, study: Study, scorer: Scorer, options: ExecuteOptions, tokenizer: Tokenizer
) -> dict[Quantity, dict[str, FloatArray]]:
    """Scores that are not random, by quantity and name; those in ``work/`` are not made again.

    Raises JobError where an attribution is there twice, or a score is NaN or infinite.
    """
    attributions = _attributions(study.spec)
    found: dict[Quantity, dict[str, FloatArray]] = {}
    for quantity in study.spec.quantities:
        found[quantity] = {
            name: _scores(job, study, scorer, options, (name, attribution, checkpoints, quantity))
            for name, (attribution, checkpoints) in attributions.items()
        }
        found[quantity] |= _alike_texts(study, quantity, tokenizer)
    return found


def _scores(
    job: JobDirectory,
    study: Study,
    scorer: Scorer,
    options: ExecuteOptions,
    asked: tuple[str, Attribution, tuple[ModelRef, ...], Quantity],
) -> FloatArray:
    """The scores of one attribution, from ``work/`` if they are there."""
    name, attribution, checkpoints, quantity = asked
    columns = [str(target) for target in study.targets["target"]]
    # a name may be as long as a file's, and has spaces
    path = job.work / f"scores-{hashlib.sha256(f'{quantity} {name}'.encode()).hexdigest()[:12]}.parquet"
    if not path.exists():
        scores = scorer(job, study.spec, checkpoints, attribution, quantity, study.targets, options)
        if not np.isfinite(scores).all():
            raise JobError(
                f"Scores {name} of {quantity} of {job.path.name} are NaN or infinite", "Look at the losses of the run."
            )
        write_table(path, pl.DataFrame(scores.T, schema=columns))
        job.log(ScoresMade(name=name, quantity=quantity))
    return read_table(path, columns).to_numpy().T


def measure(job: JobDirectory, study: Study, scores: Scores, retrain: Retrain) -> None:
    """Retrain, compare with ``scores``, and write all that is found."""
    full, subsets = removal.plan_full(study), lds.plan_subsets(study)
    first = next(iter(scores[study.spec.quantities[0]].items()))
    removals = removal.plan_removals(job, study, *first)
    kept, removed = [each for some in subsets.values() for each in some], [each.retraining for each in removals]
    retrainings = [*full, *kept, *removed]
    answers = retrain_all(job, retrainings, study.targets, retrain)
    logprobs = logprobs_of(answers, study.targets.height)
    by_id = {retraining.id: model for retraining, model in zip(retrainings, logprobs, strict=True)}
    correlations = lds.measure(study, scores, subsets, by_id)
    changes = removal.measure(study, removals, by_id)
    write_table(job.outputs / "validation.parquet", _defined(job, [correlations.targets, *changes]))
    write_table(job.outputs / "lds.parquet", correlations.lds)
    write_table(job.outputs / "retrainings.parquet", answers)
    write_table(job.outputs / "subsets.parquet", _positions(study, kept, kept=True))
    write_table(job.outputs / "removals.parquet", _positions(study, removed, kept=False))
    write_json(job.outputs / "run.json", {"examples": study.examples.height})


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


def _alike_texts(study: Study, quantity: Quantity, tokenizer: Tokenizer) -> dict[str, FloatArray]:
    """How alike the targets, with what is traced of them, and the examples are as texts, without a model."""
    asked, texts = study.objective.written(study.targets, quantity), study.examples["text"].to_list()
    tokens = [tokenizer(some, add_special_tokens=False)["input_ids"] for some in (asked, texts)]
    return {"character-ngrams": character_ngrams(asked, texts), "bm25": bm25(*tokens)}


def _defined(job: JobDirectory, results: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows whose value is defined; the others are counted in the log."""
    rows = pl.concat([pl.DataFrame(schema=RESULTS), *results])
    undefined = rows.filter(pl.col("value").is_nan())
    for quantity, scores, seeds, count in (
        undefined.group_by("quantity", "scores", "seeds", maintain_order=True).len().iter_rows()
    ):
        job.log(UndefinedCorrelations(quantity=quantity, scores=scores, seeds=seeds, rows=count))
    return rows.filter(pl.col("value").is_not_nan())


def _positions(study: Study, retrainings: Sequence[Retraining], *, kept: bool) -> pl.DataFrame:
    """Positions of the training examples that each model was trained with, or without: id, position."""
    positions = study.examples["position"].to_numpy()
    rows = [(row.id, int(position)) for row in retrainings for position in positions[row.kept == kept]]
    return pl.DataFrame(rows, schema={"id": pl.String, "position": pl.Int64}, orient="row")


def _log_reproduction(job: JobDirectory, study: Study, last: FloatArray) -> None:
    """Log by how much the run's own examples trained again and its last checkpoint, ``last`` [targets, answers], differ
    in how the first answer stands to the others."""
    answers = read_parquet(job.outputs / "retrainings.parquet").filter(pl.col("id") == FULL)
    again, before = (logprobs[:, :1] - logprobs for logprobs in (logprobs_of(answers, study.targets.height)[0], last))
    job.log(Reproduced(largest_difference_of_margins=float(np.abs(again - before).max())))
