"""Validation: scores of known worth against models whose answers are known, and real models end to end."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from workers import run_job, spec_of

from mlv.compute.attribution import baselines
from mlv.compute.jobs import validate
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import files, loading, scoring
from mlv.compute.models.families import SPAN
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training import retraining
from mlv.compute.training.objectives import traceable
from mlv.compute.training.retraining import Retraining
from mlv.compute.validation import lds
from mlv.compute.validation import study as studies
from mlv.compute.validation.study import Study
from mlv.schema.errors import JobError, MlvError
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Reproduced, SkippedRemoval, UndefinedCorrelations
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.validate import ValidateSpec

Plan = Callable[..., JobDirectory]
TRAK = Attribution(gradients=Gradients(projection="random", dimensions=4, output="log_odds"))
TRACIN = Attribution(method="tracin", damping=0.0, gradients=Gradients(projection="none", dimensions=0))
TABLES = ("validation", "lds", "retrainings", "subsets", "removals")


def refer(name: str, digest: str = "0") -> ModelRef:
    return ModelRef(name=name, digest=digest)


def toy_spec(**settings: Any) -> ValidateSpec:
    """A validation whose models are never looked at."""
    training = FinetuneSpec(
        model=refer("start"), source="made-up", languages=("en",), sentences=50, corpora=(), inputs_digest="0", seed=5
    )
    chosen = {"halves": 12, "other_seed_halves": 6, "removal_targets": 2, "removal_k": (3, 10), "resamples": 50}
    chosen |= {"without_language": 0}
    chosen |= {"quantities": ("margin",), **settings}
    return ValidateSpec(
        model=refer("epoch-2"),
        training=training,
        checkpoints=(refer("epoch-1"), refer("epoch-2")),
        attributions=chosen.pop("attributions", (TRAK, TRACIN)),
        collection="made-up",
        probe_set="all",
        languages=("en", "ko"),
        inputs_digest="0",
        **chosen,
    )


def toy_targets(count: int = 4) -> pl.DataFrame:
    """Targets of both answers and both directions."""
    rows = [
        (n, ("en", "ko")[n % 2], f"q{n}", f"so [MASK] {n}", "yes", "no", 1 + n // 2 % 2, (-1) ** n)
        for n in range(count)
    ]
    columns = ["target", "language", "question", "template", "answer_first", "answer_second", "answer", "shift_sign"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def toy_examples(count: int = 41) -> pl.DataFrame:
    """Training examples at every other position, and development examples between them, in no order."""
    rows = [(n, "development" if n % 2 else "train", "ko" if n % 6 else "fa", f"text {n}") for n in range(2 * count)]
    return pl.DataFrame(rows, schema=["position", "split", "language", "text"], orient="row").sample(
        fraction=1.0, shuffle=True, seed=2
    )


def toy_job(folder: Path, **settings: Any) -> tuple[JobDirectory, Study]:
    """A planned validation of the toy."""
    job = JobDirectory.create(folder, toy_spec(**settings), {})
    toy_targets().sample(fraction=1.0, shuffle=True, seed=1).write_parquet(job.inputs / "targets.parquet")
    toy_examples().write_parquet(job.inputs / "examples.parquet")
    return job, studies.read_study(job, toy_spec(**settings))


class Linear:
    """Stands for training: every example adds its own effect to the mean log-probability of each answer."""

    def __init__(self, targets: int = 4, examples: int = 41) -> None:
        self.effects = np.random.default_rng(3).normal(size=(targets, 2, examples)) * 0.1
        self.trained: list[str] = []

    def __call__(self, plan: Retraining, label: str) -> FloatArray:
        """Mean log-probabilities, [targets, 2]."""
        self.trained.append(plan.id)
        means: FloatArray = self.effects[:, :, plan.kept].sum(axis=2) - 5.0
        return means

    def margins(self) -> FloatArray:
        """Effects on the margin, [targets, examples]."""
        effects: FloatArray = self.effects[:, 0] - self.effects[:, 1]
        return effects


def measured(job: JobDirectory, study: Study, scores: Mapping[str, FloatArray], world: Linear) -> pl.DataFrame:
    """``outputs/validation.parquet``; the scores are those of every quantity."""
    validate.measure(job, study, dict.fromkeys(study.spec.quantities, scores), world)
    return pl.read_parquet(job.outputs / "validation.parquet")


@pytest.mark.parametrize("quantity", ["margin", "shift", "answer"])
def test_true_effects_predict_every_half_and_baselines_predict_none(tmp_path: Path, quantity: str) -> None:
    job, study = toy_job(tmp_path, quantities=(quantity,), halves=40, removal_targets=0)
    world = Linear()
    moved, answer = study.targets["shift_sign"].to_numpy(), study.targets["answer"].to_numpy()
    effects = {
        "margin": world.margins(),
        "shift": world.margins() * moved[:, None],
        "answer": world.effects[np.arange(4), answer - 1],
    }[quantity]
    found = measured(job, study, {"oracle": effects, "opposite": -effects}, world)
    oracle = found.filter(pl.col("scores") == "oracle")
    assert oracle.select("question", "language", "seeds", "n", "draw").rows() == [
        (f"q{n}", ("en", "ko")[n % 2], seeds, models, 0)
        for seeds, models in (("same", 40), ("other", 6))
        for n in range(4)
    ]
    assert oracle["value"].to_list() == pytest.approx([1.0] * 8)
    assert found.filter(pl.col("scores") == "opposite")["value"].to_list() == pytest.approx([-1.0] * 8)
    means = pl.read_parquet(job.outputs / "lds.parquet")
    assert means.filter(pl.col("scores") == "oracle")["lds"].to_list() == pytest.approx([1.0, 1.0])
    for baseline in ("random", "shuffled-probes"):
        row = means.filter(scores=baseline, seeds="same").row(0, named=True)
        assert (row["draws"], row["targets"], row["n"]) == (20, 4, 40)
        # a rho of 40 models has a standard deviation of 0.16 by chance, a mean of 20 draws and 4 targets about 0.04;
        # other probes have effects of their own, each of which is met about 7 times
        assert abs(row["lds"]) < 0.2
        assert [row[name] for name in lds.LDS if name.startswith(("lds_", "difference", "null"))] == [None] * 7
    assert set(found["scores"]) == {"oracle", "opposite"}
    assert set(found["test"]) == {"lds"}
    assert found.select(pl.col("direction", "k").is_null().all()).row(0) == (True, True)


def test_scores_have_intervals_and_paired_differences_to_the_first(tmp_path: Path) -> None:
    """Twelve halves and targets are enough for intervals, six halves with other seeds are not.

    Scores that are the first's are no different from it in any resample; those of other targets are.
    """
    job, study = toy_job(tmp_path, removal_targets=0)
    study, world = study._replace(targets=toy_targets(12)), Linear(targets=12)
    noisy = world.margins() + np.random.default_rng(1).normal(size=(12, 41)) * 0.1
    scores = {"noisy": noisy, "same": noisy * 2, "other": noisy[::-1]}
    measured(job, study, scores, world)
    means = pl.read_parquet(job.outputs / "lds.parquet")
    assert dict(means.schema) == lds.LDS
    rows = {row["scores"]: row for row in means.filter(seeds="same").iter_rows(named=True)}
    first, same, other = (rows[name] for name in scores)
    assert first["lds_low"] < first["lds"] < first["lds_high"] < 1
    assert [first[name] for name in ("difference", "difference_low", "difference_high")] == [None] * 3
    assert (same["difference"], same["difference_low"], same["difference_high"]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert other["difference"] == pytest.approx(other["lds"] - first["lds"])
    assert other["difference_low"] < other["difference"] < other["difference_high"] < 0
    assert abs(first["null_mean"]) < 0.1
    few = means.filter(seeds="other").select("lds_low", "lds_high", "difference_low", "difference_high")
    assert set(few.row(0)) == {None}
    again, _ = toy_job(tmp_path / "again", removal_targets=0)
    measured(again, study, scores, world)
    assert_frame_equal(pl.read_parquet(again.outputs / "lds.parquet"), means, check_exact=True)


def test_every_quantity_has_scores_of_its_own_and_the_same_models(tmp_path: Path) -> None:
    """Effects on the margin predict it in either direction, and not what becomes of an answer alone."""
    job, study = toy_job(tmp_path, quantities=("margin", "shift", "answer"), halves=40)
    world = Linear()
    moved, answer = study.targets["shift_sign"].to_numpy(), study.targets["answer"].to_numpy()
    margins, answers = world.margins(), world.effects[np.arange(4), answer - 1]
    scores: validate.Scores = {
        "margin": {"first": margins},
        "shift": {"first": margins * moved[:, None]},
        "answer": {"first": answers},
    }
    validate.measure(job, study, scores, world)
    means = pl.read_parquet(job.outputs / "lds.parquet").filter(scores="first", seeds="same")
    assert means["quantity"].to_list() == ["margin", "shift", "answer"]
    assert means["lds"].to_list() == pytest.approx([1.0] * 3)
    trained = len(world.trained)
    assert trained == len(set(world.trained)) == 1 + 40 + 6 + 2 * (2 * 2 + 10)
    removed = pl.read_parquet(job.outputs / "validation.parquet").filter(test="removal")
    assert set(removed["quantity"]) == {"margin"}
    other, other_study = toy_job(tmp_path / "other", quantities=("answer",), halves=40)
    validate.measure(other, other_study, {"answer": {"first": margins}}, world)
    wrong = pl.read_parquet(other.outputs / "lds.parquet").filter(scores="first", seeds="same")
    assert wrong["lds"].item() < 0.9


def test_the_removal_test_leaves_out_the_strongest_and_compares_probabilities(tmp_path: Path) -> None:
    job, study = toy_job(tmp_path, quantities=("shift",))
    world = Linear()
    scores = np.random.default_rng(8).normal(size=(4, 41))
    found = measured(job, study, {"first": scores, "second": -scores}, world).filter(pl.col("test") == "removal")
    assert set(found["scores"]) == {"first", "random"}
    assert set(found["n"]) == {1}
    left_out = pl.read_parquet(job.outputs / "removals.parquet")
    for row in found.filter(pl.col("scores") == "first").iter_rows(named=True):
        target, k = int(row["question"][1:]), row["k"]
        ranked = sorted(range(41), key=lambda index: scores[target, index], reverse=row["direction"] == "positive")
        positions = left_out.filter(pl.col("id") == f"removal-{target}-{row['direction']}-{k}")["position"]
        assert positions.to_list() == sorted(2 * index for index in ranked[:k])
        # p of the first answer where the margin moved up, of the second where it moved down
        traced, other = (0, 1) if study.targets["shift_sign"][target] == 1 else (1, 0)
        before, after = (
            np.exp(sums[traced]) / (np.exp(sums[traced]) + np.exp(sums[other]))
            for sums in (world.effects[target].sum(axis=1), world.effects[target][:, ranked[k:]].sum(axis=1))
        )
        assert row["value"] == pytest.approx(after - before)
        assert (row["seeds"], row["seed"], row["draw"]) == ("same", 5, 0)
    keys = ["question", "direction", "k"]
    assert found.filter(pl.col("scores") == "first").select(keys).sort(keys).rows() == [
        (f"q{target}", direction, k) for target in (0, 1) for direction in ("negative", "positive") for k in (3, 10)
    ]


def test_random_removals_are_shared_by_the_targets(tmp_path: Path) -> None:
    job, study = toy_job(tmp_path)
    world = Linear()
    found = measured(job, study, {"first": world.margins()}, world)
    random = found.filter((pl.col("scores") == "random") & (pl.col("test") == "removal"))
    assert random.select("draw", "k", "question").rows() == [
        (draw, k, question) for draw in range(10) for k in (3, 10) for question in ("q0", "q1")
    ]
    assert random["direction"].is_null().all()
    left_out = pl.read_parquet(job.outputs / "removals.parquet").group_by("id").agg("position")
    by_id = {row["id"]: set(row["position"]) for row in left_out.iter_rows(named=True)}
    drawn = [by_id[f"removal-random-{draw}-10"] for draw in range(10)]
    assert all(len(some) == 10 and all(position % 2 == 0 for position in some) for some in drawn)
    assert len({frozenset(some) for some in drawn}) == 10
    for row in random.iter_rows(named=True):
        target = int(row["question"][1:])
        gone = sorted(position // 2 for position in by_id[f"removal-random-{row['draw']}-{row['k']}"])
        margin, lost = world.margins()[target].sum(), world.margins()[target][gone].sum()
        assert row["value"] == pytest.approx(1 / (1 + np.exp(lost - margin)) - 1 / (1 + np.exp(-margin)))


def test_removals_are_compared_within_their_seed(tmp_path: Path) -> None:
    """A model with another seed is off by a number of its own, on all examples and without some alike."""
    job, study = toy_job(tmp_path, removal_seeds=3, halves=0, other_seed_halves=0)
    world = Linear()

    def moody(plan: Retraining, label: str) -> FloatArray:
        means = world(plan, label)
        means[:, 0] += plan.seed
        return means

    validate.measure(job, study, {"margin": {"first": world.margins()}}, moody)
    found = pl.read_parquet(job.outputs / "validation.parquet")
    models = pl.read_parquet(job.outputs / "retrainings.parquet").unique("id", maintain_order=True)
    assert models.filter(kind="full").select("id", "seed").rows() == [
        ("full", 5),
        ("full-seed-1", 6),
        ("full-seed-2", 7),
    ]
    assert models.height == 3 * (1 + 2 * (2 * 2 + 10))
    assert found.select("seeds", "seed").unique().sort("seed").rows() == [("same", 5), ("other", 6), ("other", 7)]
    row = found.filter(question="q0", direction="positive", k=10, seed=7).row(0, named=True)
    gone = np.argsort(-world.margins()[0], kind="stable")[:10]
    margin = world.margins()[0].sum() + 7
    assert row["value"] == pytest.approx(
        1 / (1 + np.exp(world.margins()[0][gone].sum() - margin)) - 1 / (1 + np.exp(-margin))
    )
    left_out = pl.read_parquet(job.outputs / "removals.parquet")
    one, other = (left_out.filter(id=f"removal-random-0-10{end}")["position"] for end in ("", "-seed-2"))
    assert one.to_list() == other.to_list()


def test_removals_that_leave_nothing_are_skipped_and_logged(tmp_path: Path) -> None:
    job, study = toy_job(tmp_path, removal_k=(40, 41, 100), removal_targets=9)
    found = measured(job, study, {"first": Linear().margins()}, Linear()).filter(pl.col("test") == "removal")
    assert set(found["k"]) == {40}
    assert found.filter(pl.col("scores") == "first").height == 4 * 2
    assert job.logged(SkippedRemoval) == [SkippedRemoval(k=k, examples=41) for k in (41, 100)]


def test_halves_are_halves_with_the_runs_seed_or_others(tmp_path: Path) -> None:
    job, study = toy_job(tmp_path, removal_targets=0)
    world = Linear()
    measured(job, study, {"first": world.margins()}, world)
    halves = pl.read_parquet(job.outputs / "subsets.parquet").group_by("id", maintain_order=True).agg("position")
    # 41 examples at even positions
    assert halves["id"].to_list() == [f"same-{n}" for n in range(12)] + [f"other-{n}" for n in range(6)]
    assert all(len(set(some)) == 20 and set(some) <= set(range(0, 82, 2)) for some in halves["position"])
    assert halves["position"].n_unique() == 18
    answers = pl.read_parquet(job.outputs / "retrainings.parquet")
    models = answers.unique("id", maintain_order=True).select("id", "kind", "seed", "left_out").rows()
    assert models[0] == ("full", "full", 5, 0)
    assert models[1:13] == [(f"same-{n}", "half", 5, 21) for n in range(12)]
    assert models[13:] == [(f"other-{n}", "half", 6 + n, 21) for n in range(6)]
    share = halves["position"].explode().value_counts()["count"].to_numpy() / 18
    # every example is as likely as any other: 18 draws of one half have a standard deviation of 0.12
    assert 0.05 < share.min() < share.max() < 0.95
    again, _ = toy_job(tmp_path / "again", removal_targets=0)
    measured(again, study, {"first": world.margins()}, world)
    assert_frame_equal(
        pl.read_parquet(again.outputs / "subsets.parquet"), pl.read_parquet(job.outputs / "subsets.parquet")
    )
    other, other_study = toy_job(tmp_path / "other", removal_targets=0, seed=1)
    measured(other, other_study, {"first": world.margins()}, world)
    changed = pl.read_parquet(other.outputs / "subsets.parquet")
    assert not changed.equals(pl.read_parquet(job.outputs / "subsets.parquet"))


def test_models_without_a_language_test_what_is_said_of_languages(tmp_path: Path) -> None:
    job, study = toy_job(tmp_path, without_language=10, halves=0, other_seed_halves=0, removal_targets=0)
    world = Linear()
    scores = {"oracle": world.margins(), "opposite": -world.margins()}
    found = measured(job, study, scores, world)
    kept = pl.read_parquet(job.outputs / "subsets.parquet").group_by("id", maintain_order=True).agg("position")
    positions = {
        language: [n for n in range(0, 82, 2) if ("ko" if n % 6 else "fa") != language] for language in ("fa", "ko")
    }
    assert dict(kept.iter_rows()) == {
        f"without-{language}-{draw}": positions[language] for draw in range(10) for language in ("fa", "ko")
    }
    models = pl.read_parquet(job.outputs / "retrainings.parquet").unique("id", maintain_order=True)
    assert models["kind"].to_list() == ["full"] + ["language"] * 20
    assert models["seed"].to_list() == [5, *range(6, 26)]
    ranked = {f"{name} top 20" for name in scores}
    assert found.select("test", "seeds", "n").unique().rows() == [("language", "other", 20)]
    assert set(found["scores"]) == {*scores, *ranked}
    values = {name: found.filter(scores=name).sort("question")["value"].to_list() for name in found["scores"].unique()}
    assert values["oracle"] == pytest.approx([1.0] * 4)
    assert values["opposite"] == pytest.approx([-1.0] * 4)
    # which language has more of the 20 highest scores, against which one's loss lowers the margin more
    fa = np.array([n % 6 == 0 for n in range(0, 82, 2)])
    for target, value in enumerate(values["oracle top 20"]):
        effects = world.margins()[target]
        top = np.zeros(41, dtype=bool)
        top[np.argsort(-effects)[:20]] = True
        assert value == pytest.approx(
            np.sign(top[fa].sum() - top[~fa].sum()) * np.sign(effects[fa].sum() - effects[~fa].sum())
        )
    means = pl.read_parquet(job.outputs / "lds.parquet")
    assert set(means["test"]) == {"language"}
    assert means.filter(scores="oracle").select("lds", "n", "targets").row(0) == (pytest.approx(1.0), 20, 4)


def test_a_run_in_one_language_has_no_models_without_it(tmp_path: Path) -> None:
    _, study = toy_job(tmp_path, without_language=3)
    alone = study._replace(examples=study.examples.with_columns(language=pl.lit("ko")))
    assert len(lds.plan_subsets(study)["language", "other"]) == 6
    assert lds.plan_subsets(alone)["language", "other"] == []


def test_undefined_correlations_have_no_row_and_are_counted(tmp_path: Path) -> None:
    job, study = toy_job(tmp_path, removal_targets=0)
    world = Linear()
    silent = world.margins().copy()
    silent[1:3] = 0.0
    found = measured(job, study, {"first": world.margins(), "silent": silent}, world)
    assert found.filter(pl.col("scores") == "silent")["question"].to_list() == ["q0", "q3"] * 2
    assert found["value"].is_finite().all()
    assert job.logged(UndefinedCorrelations) == [
        UndefinedCorrelations(quantity="margin", scores="silent", seeds=seeds, rows=2) for seeds in ("same", "other")
    ]
    means = pl.read_parquet(job.outputs / "lds.parquet").filter(seeds="same")
    assert dict(means.select("scores", "targets").iter_rows())["silent"] == 2


@pytest.mark.parametrize(
    ("quantity", "answers", "values"),
    [
        # target: answer, sign: (1, +), (1, -), (2, +), (2, -); means -1 and -3 each
        ("answer", [1, 1, 2, 2], [-1.0, -1.0, -3.0, -3.0]),
        ("margin", [1, 1, 1, 1], [2.0, 2.0, 2.0, 2.0]),
        ("shift", [1, 2, 1, 2], [2.0, -2.0, 2.0, -2.0]),
    ],
)
def test_what_is_traced_by_hand(quantity: Any, answers: list[int], values: list[float]) -> None:
    targets = toy_targets()
    signs = traceable(toy_spec().training).signs(targets, quantity)
    assert (signs.argmax(axis=1) + 1).tolist() == answers
    means = np.tile([-1.0, -3.0], (5, 4, 1))
    found = studies.traced_values(means, signs)
    assert found.tolist() == [values] * 5


def recording(calls: list[tuple[Any, ...]]) -> validate.Scorer:
    """A scorer that notes what it is asked, and scores at random but always alike."""

    def scorer(
        job: JobDirectory,
        spec: ValidateSpec,
        checkpoints: tuple[ModelRef, ...],
        attribution: Attribution,
        quantity: Quantity,
        targets: pl.DataFrame,
        options: ExecuteOptions,
    ) -> FloatArray:
        calls.append(([checkpoint.name for checkpoint in checkpoints], attribution, quantity))
        positions = pl.read_parquet(job.inputs / "examples.parquet").filter(pl.col("split") == "train").height
        return np.random.default_rng(len(attribution.method + attribution.similarity)).normal(
            size=(targets.height, positions)
        )

    return scorer


def test_each_attribution_is_given_its_checkpoints(
    tmp_path: Path, options: ExecuteOptions, tokenizer: Tokenizer
) -> None:
    job, study = toy_job(tmp_path, quantities=("shift", "answer"))
    calls: list[tuple[Any, ...]] = []
    scores = validate.score_all(job, study, recording(calls), options, tokenizer)
    assert calls == [
        (*call, quantity)
        for quantity in ("shift", "answer")
        for call in (
            (["epoch-2"], TRAK),
            (["epoch-1", "epoch-2"], TRACIN),
            *(
                (["epoch-2"], TRACIN.model_copy(update={"similarity": similarity, "gradients": gradients}))
                for gradients in (TRAK.gradients, TRACIN.gradients)
                for similarity in ("dot", "cosine")
            ),
        )
    ]
    names = [
        *("trak-random-4 output=log_odds", "tracin-exact"),
        *("gradient-dot-random-4 output=log_odds", "gradient-cosine-random-4 output=log_odds"),
        *("gradient-dot-exact", "gradient-cosine-exact", "character-ngrams", "bm25"),
    ]
    assert {quantity: list(some) for quantity, some in scores.items()} == dict.fromkeys(("shift", "answer"), names)
    # the traced answer is in the mask's place: the second where the margin moved down
    filled = ["so yes 0", "so no 1", "so yes 2", "so no 3"]
    texts = [f"text {n}" for n in range(0, 82, 2)]
    np.testing.assert_array_equal(scores["shift"]["character-ngrams"], baselines.character_ngrams(filled, texts))
    again = validate.score_all(job, study, recording(calls), options, tokenizer)
    assert len(calls) == 12
    for name in names:
        np.testing.assert_array_equal(again["answer"][name], scores["answer"][name])


@pytest.mark.parametrize("attributions", [(TRAK, TRAK), ()])
def test_an_attribution_that_is_there_twice_is_refused(
    tmp_path: Path, options: ExecuteOptions, tokenizer: Tokenizer, attributions: tuple[Attribution, ...]
) -> None:
    job, study = toy_job(tmp_path, attributions=attributions)
    with pytest.raises(JobError, match="each once"):
        validate.score_all(job, study, recording([]), options, tokenizer)


def test_attributions_that_differ_in_anything_are_told_apart(
    tmp_path: Path, options: ExecuteOptions, tokenizer: Tokenizer
) -> None:
    job, study = toy_job(tmp_path, attributions=(TRAK, TRAK.model_copy(update={"damping": 0.1})))
    names = list(validate.score_all(job, study, recording([]), options, tokenizer)["margin"])
    assert names[:2] == ["trak-random-4 output=log_odds", "trak-random-4 damping=0.1 output=log_odds"]


def test_scores_that_are_no_numbers_are_refused_and_not_kept(
    tmp_path: Path, options: ExecuteOptions, tokenizer: Tokenizer
) -> None:
    job, study = toy_job(tmp_path)
    with pytest.raises(JobError, match=r"trak-random-4 output=log_odds of margin of validate-.* are NaN or infinite"):
        validate.score_all(job, study, lambda *_: np.full((4, 41), np.nan), options, tokenizer)
    assert not job.work.exists()


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ({"target": pl.col("target") + 1}, "numbers that do not count from 0"),
        ({"answer": pl.lit(3)}, "answers other than 1 and 2"),
        ({"answer": pl.lit(None, dtype=pl.Int8)}, "answers other than 1 and 2"),
        ({"shift_sign": pl.lit(0)}, "shift signs other than 1 and -1"),
        ({"question": pl.lit("q")}, "one target twice"),
    ],
)
def test_damaged_targets_are_told_apart(tmp_path: Path, damage: dict[str, pl.Expr], fault: str) -> None:
    job, study = toy_job(tmp_path)
    path = job.inputs / "targets.parquet"
    pl.read_parquet(path).with_columns(**damage).write_parquet(path)
    with pytest.raises(JobError, match=rf"targets\.parquet has .*{fault}"):
        studies.read_study(job, study.spec)


def test_inputs_that_cannot_be_used_are_errors_that_name_the_file(tmp_path: Path, options: ExecuteOptions) -> None:
    job, study = toy_job(tmp_path)
    examples = job.inputs / "examples.parquet"
    toy_examples(1).write_parquet(examples)
    with pytest.raises(JobError, match="too few training examples"):
        studies.read_study(job, study.spec)
    examples.write_bytes(b"PAR1 no parquet")
    with pytest.raises(JobError, match=r"examples\.parquet is not a readable parquet"):
        studies.read_study(job, study.spec)
    (job.inputs / "targets.parquet").unlink()
    with pytest.raises(JobError, match=r"targets\.parquet is missing"):
        validate.validate(job, study.spec, options, SILENT, recording([]))


@pytest.fixture(scope="module")
def finetuned(finetune_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of two epochs, of which the first is taken as its final one. Tests do not change it."""
    job = finetune_job(tmp_path_factory.mktemp("finetuned"), epochs=2)
    run_job(job, options)
    return job


@pytest.fixture(scope="module")
def validate_job(finetuned: JobDirectory, probe_frame: pl.DataFrame) -> Plan:
    """Plans two halves and one removal of :func:`finetuned`."""

    def plan(folder: Path) -> JobDirectory:
        training = spec_of(finetuned, FinetuneSpec)
        last = files.resolve(str(finetuned.checkpoints / "epoch-1"))
        last = last.model_copy(update={"name": f"{finetuned.path.name}/epoch-1"})
        spec = toy_spec(halves=2, other_seed_halves=1, removal_targets=1, removal_k=(4,), attributions=(TRAK,))
        spec = spec.model_copy(update={"model": last, "training": training, "checkpoints": (last,)})
        paths = {last.name: last.path, **finetuned.read_json("provenance.json")["model_paths"]}
        job = JobDirectory.create(folder, spec, {"model_paths": paths})
        targets = probe_frame[[0, 14, 3, 20]].with_columns(
            target=pl.int_range(4, dtype=pl.Int32), answer=pl.Series([1, 2, 1, 2]), shift_sign=pl.Series([1, 1, -1, -1])
        )
        targets.write_parquet(job.inputs / "targets.parquet")
        (job.inputs / "examples.parquet").write_bytes((finetuned.inputs / "examples.parquet").read_bytes())
        return job

    return plan


@pytest.fixture(scope="module")
def unbroken(validate_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A validation without incident. Tests do not change it."""
    job = validate_job(tmp_path_factory.mktemp("unbroken"))
    validate.validate(job, spec_of(job, ValidateSpec), options, SILENT, recording([]))
    return job


def test_a_broken_off_job_goes_on_with_the_next_model(
    validate_job: Plan,
    unbroken: JobDirectory,
    options: ExecuteOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = validate_job(tmp_path)
    spec = spec_of(broken, ValidateSpec)
    calls: list[tuple[Any, ...]] = []
    retrain, trained = retraining.Retrainer.__call__, []

    def breaks_at_the_fourth(self: Any, plan: Retraining, label: str) -> FloatArray:
        trained.append(plan.id)
        if len(trained) == 4:
            raise KeyboardInterrupt
        return retrain(self, plan, label)

    monkeypatch.setattr(retraining.Retrainer, "__call__", breaks_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        validate.validate(broken, spec, options, SILENT, recording(calls))
    assert not broken.outputs.exists()
    validate.validate(broken, spec, options, SILENT, recording(calls))
    random = [f"removal-random-{draw}-4" for draw in range(10)]
    removals = ["removal-0-positive-4", "removal-0-negative-4", *random]
    assert trained == ["full", "same-0", "same-1", "other-0", "other-0", *removals]
    assert len(calls) == 3
    for name in TABLES:
        one, other = (pl.read_parquet(job.outputs / f"{name}.parquet") for job in (unbroken, broken))
        assert_frame_equal(one, other, check_exact=True)
    for name in ("model.json", "run.json"):
        assert broken.read_json(f"outputs/{name}") == unbroken.read_json(f"outputs/{name}")


def test_real_models_are_compared_with_the_runs_final_checkpoint(
    unbroken: JobDirectory, finetuned: JobDirectory, options: ExecuteOptions
) -> None:
    last = loading.load(finetuned.checkpoints / "epoch-1", SPAN)
    targets = pl.read_parquet(unbroken.inputs / "targets.parquet")
    scores = scoring.score(last, scoring.tokenise(targets, last.tokenizer), options.batch_tokens)
    means = (scores["logprob_sum"] / scores["tokens"]).to_numpy().reshape(-1, 2)
    answers = pl.read_parquet(unbroken.outputs / "retrainings.parquet")
    assert answers.columns == list(retraining.ANSWERS)
    assert answers.height == 16 * 4 * 2
    full = answers.filter(pl.col("id") == "full")
    np.testing.assert_array_equal(retraining.logprobs_of(full, 4)[0], means)
    (reproduced,) = unbroken.logged(Reproduced)
    assert reproduced.largest_difference_of_margins == 0
    halved = answers.filter((pl.col("id") == "same-0") | (pl.col("id") == "other-0"))
    margins = np.diff(retraining.logprobs_of(halved, 4), axis=2)
    assert len(np.unique(margins)) == 8
    found = pl.read_parquet(unbroken.outputs / "validation.parquet")
    assert dict(found.schema) == studies.RESULTS
    removed = answers.filter(pl.col("id") == "removal-0-negative-4").row(0, named=True)
    value = found.filter(pl.col("direction") == "negative").row(0, named=True)
    before = 1 / (1 + np.exp(means[0, 1] - means[0, 0]))
    assert (value["test"], value["question"], value["k"]) == ("removal", removed["question"], 4)
    assert value["value"] == pytest.approx(removed["probability"] - before, abs=1e-12)
    assert value["value"] != 0
    assert unbroken.read_json("outputs/run.json") == {"examples": 23}
    written = unbroken.read_json("outputs/model.json")
    assert written.pop("model")["name"] == f"{finetuned.path.name}/epoch-1"
    assert written == last.describe()


def test_targets_that_cannot_be_asked_stop_the_job_before_scores_are_made(
    validate_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = validate_job(tmp_path)
    path = job.inputs / "targets.parquet"
    calls: list[tuple[Any, ...]] = []
    for damage in ({"template": pl.lit("no mask")}, {"answer_second": pl.col("answer_first")}):
        intact = pl.read_parquet(path)
        intact.with_columns(**damage).write_parquet(path)
        with pytest.raises(MlvError):
            validate.validate(job, spec_of(job, ValidateSpec), options, SILENT, recording(calls))
        intact.write_parquet(path)
    assert not calls
