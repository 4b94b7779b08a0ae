"""The first test: linear datamodeling scores (LDS), with intervals and each with a null of its own.

Which models are trained is :func:`plan_subsets`; what they say of scores is :func:`measure`. Models without one of the
run's languages test what is said of languages, also by which examples are ranked highest, as E Figure 6 counts them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import polars as pl

from mlv.compute.attribution.baselines import random_baselines
from mlv.compute.machine.streams import FloatArray, Purpose, Stream
from mlv.compute.training.retraining import Retraining
from mlv.compute.validation import correlation
from mlv.compute.validation.study import RESULTS, Seeds, Study, mask, results, traced_values
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.papers.echoes import INFLUENCE_TOP_K

LDS: Final = {
    "test": pl.String,
    "quantity": pl.String,
    "scores": pl.String,
    "seeds": pl.String,
    "targets": pl.Int32,
    "draws": pl.Int32,
    "n": pl.Int32,
    "lds": pl.Float64,
    "lds_low": pl.Float64,
    "lds_high": pl.Float64,
    "difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
    "null_mean": pl.Float64,
    "null_sd": pl.Float64,
}
"""Columns of ``outputs/lds.parquet``; scores whose every rho is undefined have no row."""

Test = Literal["lds", "language"]
"""Whether random halves of the examples are left out, or all examples in one language."""

Subsets = Mapping[tuple[Test, Seeds], Sequence[Retraining]]


class Truth(NamedTuple):
    """What models that were trained on subsets of the examples show."""

    test: Test
    quantity: Quantity
    seeds: Seeds
    kept: FloatArray
    """1 where a subset has an example, [subsets, examples]."""

    values: FloatArray
    """The traced quantity, [targets, subsets]."""


class Tables(NamedTuple):
    """What is found: rows of :data:`LDS`, and of each target."""

    lds: pl.DataFrame
    targets: pl.DataFrame


def plan_subsets(study: Study) -> dict[tuple[Test, Seeds], list[Retraining]]:
    """Retrainings on exactly half of the examples, rounded down, with the run's seed and with others; and without each
    language of a run in several."""
    halves: dict[tuple[Test, Seeds], list[Retraining]] = {
        ("lds", seeds): _halves(study, seeds) for seeds in get_args(Seeds)
    }
    return halves | {("language", "other"): _without_languages(study)}


def measure(
    study: Study,
    scores: Mapping[Quantity, Mapping[str, FloatArray]],
    subsets: Subsets,
    logprobs: Mapping[str, FloatArray],
) -> Tables:
    """Compare scores [targets, examples], by quantity and name, the first attribution's first, with models.

    ``logprobs`` [targets, answers] by retraining.
    """
    truths = [
        _truth(study, quantity, *of, retrainings, logprobs)
        for quantity in scores
        for of, retrainings in subsets.items()
        if retrainings
    ]
    found = [_compare(study, _tested(scores[truth.quantity], truth), truth) for truth in truths]
    return Tables(
        pl.concat([pl.DataFrame(schema=LDS), *(each.lds for each in found)]),
        pl.concat([pl.DataFrame(schema=RESULTS), *(each.targets for each in found)]),
    )


def _halves(study: Study, seeds: Seeds) -> list[Retraining]:
    spec, examples = study.spec, study.examples.height
    other = seeds == "other"
    halves = []
    for number in range(spec.other_seed_halves if other else spec.halves):
        order = Stream(spec.seed, Purpose.HALVES, number, int(other)).permutation(examples)
        seed = _other_seed(study, number) if other else spec.training.seed
        halves.append(Retraining(f"{seeds}-{number}", "half", seed, mask(order[: examples // 2], examples)))
    return halves


def _without_languages(study: Study) -> list[Retraining]:
    languages = study.examples["language"].unique().sort()
    left = [(study.examples["language"] != language).to_numpy() for language in languages]
    return [
        Retraining(f"without-{language}-{draw}", "language", _other_seed(study, draw * len(left) + place), kept)
        for draw in range(study.spec.without_language if len(left) > 1 else 0)
        for place, (language, kept) in enumerate(zip(languages, left, strict=True))
    ]


def _other_seed(study: Study, number: int) -> int:
    return (study.spec.training.seed + 1 + number) % 2**31


def _tested(scores: Mapping[str, FloatArray], truth: Truth) -> Mapping[str, FloatArray]:
    """The scores [targets, examples] that are compared, by name; of languages also whether an example is ranked."""
    if truth.test == "lds":
        return scores
    ranked = {}
    for name, matrix in scores.items():
        k = min(INFLUENCE_TOP_K, matrix.shape[1] // 2)
        bounds = np.partition(matrix, -k, axis=1)[:, [-k]]
        ranked[f"{name} top {k}"] = (matrix >= bounds).astype(np.float64)
    return {**scores, **ranked}


def _truth(
    study: Study,
    quantity: Quantity,
    test: Test,
    seeds: Seeds,
    retrainings: Sequence[Retraining],
    logprobs: Mapping[str, FloatArray],
) -> Truth:
    kept = np.stack([retraining.kept for retraining in retrainings]).astype(np.float64)
    answers = np.stack([logprobs[retraining.id] for retraining in retrainings])
    return Truth(test, quantity, seeds, kept, traced_values(answers, study.objective.signs(study.targets, quantity)).T)


def _compare(study: Study, scores: Mapping[str, FloatArray], truth: Truth) -> Tables:
    """What one set of models says of one quantity's scores."""
    predicted = {name: matrix @ truth.kept.T for name, matrix in scores.items()}
    rho = {name: correlation.spearman(rows, truth.values) for name, rows in predicted.items()}
    resampled = _resampled(study, predicted, truth)
    first = next(iter(scores))
    rows = [
        _described(truth, name, [rho[name]])
        | _interval("lds", resampled.get(name))
        | ({} if name == first else _difference(rho, resampled, name, first))
        | _null(study, matrix, truth)
        for name, matrix in scores.items()
    ]
    rows += [_described(truth, name, drawn) for name, drawn in _drawn(study, scores[first], truth).items()]
    fixed: dict[str, Any] = {"test": truth.test, "quantity": truth.quantity, "seeds": truth.seeds, "n": len(truth.kept)}
    return Tables(
        pl.DataFrame(rows, schema=LDS).filter(pl.col("lds").is_not_nan()).fill_nan(None),
        pl.concat([results(study.targets, values, scores=name, **fixed) for name, values in rho.items()]),
    )


def _resampled(study: Study, predicted: Mapping[str, FloatArray], truth: Truth) -> dict[str, FloatArray]:
    """Mean rho by name in every resample; nothing where there is too little to draw from."""
    targets, halves = truth.values.shape
    if min(targets, halves) < correlation.FEWEST:
        return {}
    kind = get_args(Seeds).index(truth.seeds) + (len(get_args(Seeds)) if truth.test == "language" else 0)
    drawn = correlation.draw_resamples(study.spec.seed, study.spec.resamples, halves, targets, kind)
    return correlation.resampled_scores(predicted, truth.values, drawn)


def _described(truth: Truth, name: str, rho: Sequence[FloatArray]) -> dict[str, object]:
    """A row without what resamples say; ``rho`` [targets] of every draw."""
    return {
        "test": truth.test,
        "quantity": truth.quantity,
        "scores": name,
        "seeds": truth.seeds,
        "targets": max(int(np.isfinite(values).sum()) for values in rho),
        "draws": len(rho),
        "n": len(truth.kept),
        "lds": float(np.mean([correlation.mean_rho(values) for values in rho])),
    }


def _interval(name: str, means: FloatArray | None) -> dict[str, object]:
    if means is None or np.isnan(means).all():
        return {}
    return dict(zip((f"{name}_low", f"{name}_high"), correlation.interval(means), strict=True))


def _difference(
    rho: Mapping[str, FloatArray], resampled: Mapping[str, FloatArray], name: str, first: str
) -> dict[str, object]:
    """By how much the mean rho of a set of scores differs from the first's."""
    between = correlation.mean_rho(rho[name]) - correlation.mean_rho(rho[first])
    if np.isnan(between):
        return {}
    together = resampled[name] - resampled[first] if resampled else None
    return {"difference": between} | _interval("difference", together)


def _null(study: Study, scores: FloatArray, truth: Truth) -> dict[str, object]:
    """What the mean rho of scores [targets, examples] would be if they had nothing to do with the examples."""
    means = correlation.null(scores, truth.kept, truth.values, study.spec.seed)
    return {"null_mean": float(means.mean()), "null_sd": float(means.std(ddof=1))}


def _drawn(study: Study, first: FloatArray, truth: Truth) -> dict[str, list[FloatArray]]:
    """rho [targets] of every draw of the random baselines, by name."""
    found: dict[str, list[FloatArray]] = {}
    for name, matrix in random_baselines(first, study.spec.seed):
        found.setdefault(name, []).append(correlation.spearman(matrix @ truth.kept.T, truth.values))
    return found
