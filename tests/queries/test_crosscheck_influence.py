"""Every query of influence on a random study with ties and gaps, against numpy and scipy on the study's frames.

Nothing is shared with the queries but the definitions: selections, joins and statistics are done anew, in loops where
loops are plainer.
"""

import json
import shutil
import statistics
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import polars as pl
import pytest
from asked import asked
from by_battery import interval
from comparing import expect_rows, mean
from numpy.typing import NDArray
from polars.testing import assert_frame_equal
from scipy import stats
from study_store import UNTRACED

from mlv.queries import Query, catalogue, render, run
from mlv.schema.derived.ranking_sums import PARTS, SUMS, sum_rankings
from mlv.schema.jobs.attribution import Attribution, Gradients, attribution_name
from mlv.schema.store.opening import open_store
from mlv.schema.store.ranges import FIRST_KEY, LAST_KEY, ranges

Study = dict[str, pl.DataFrame]
Row = dict[str, Any]
Numbers = NDArray[np.float64]
Example = tuple[str, int]
"""Language and parallel key."""

LANGUAGES = ("de", "fa", "ko", "ur")
QUESTIONS = tuple(str(number) for number in range(160, 174))
IN_SET = QUESTIONS[:10]
EPOCHS = (1, 2, 4)
PAPER, HOT = '{"epochs":5,"learning_rate":5e-05}', '{"epochs":5,"learning_rate":0.5}'
TRAK, EXACT = Attribution(), Attribution(gradients=Gradients(projection="none"))
TRACIN = Attribution(method="tracin", similarity="cosine", gradients=Gradients(projection="random", dimensions=16))
TOP = 6
INFLUENCE = [query for query in catalogue() if "influence" in query.text and asked(query).store == "hand_store"]
"""Of probes; others are checked where texts are traced."""


class Ranking(NamedTuple):
    """What a ranked list is of."""

    influence: str
    language: str
    question: str
    epoch: int | None
    direction: str


def _checkpoints() -> list[Row]:
    """Two models, and runs that a pair or a mean over seeds must keep apart: settings, sizes, sources, starts."""
    setups = [("fa", 40, seed, PAPER) for seed in (1, 2, 3)] + [("ko", 40, seed, PAPER) for seed in (1, 2)]
    setups += [("ur", 40, 1, PAPER), ("ur", 40, 1, HOT), ("ko", 80, 1, PAPER), ("fa,ko", 80, 1, PAPER)]
    setups += [("fa,ko", 80, 2, PAPER), ("fa,ko,ur", 90, 1, PAPER), ("fa,ko,ur", 90, 1, HOT)]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    columns += ["base", "spec"]
    rows: list[tuple[Any, ...]] = [(m, m, None, None, None, None, None, 0, True, None, None) for m in ("m", "n")]
    for number, (source, setup) in enumerate(product(("pbc", "tanzil"), setups)):
        name, (languages, sentences, seed, spec) = f"run-{number:02}", setup
        model = "n" if source == "tanzil" and seed == 2 else "m"
        rows.append((f"{name}.2", model, name, source, languages, sentences, seed, 2, True, model, spec))
    rows.append(("more.2", "m", "more", "pbc", "ko", 40, 1, 2, True, "run-00.2", PAPER))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _spec(how: Attribution | None, quantity: str, **_: Any) -> str:
    if how is None:
        return json.dumps({"kind": "validate", "quantities": [quantity]})
    fields = {"kind": "influence", "probe_set": "echoes-2024", "quantity": quantity, "selection": "all", "top_k": TOP}
    return json.dumps({**fields, "attribution": how.model_dump()})


def _influence_runs(rng: np.random.Generator, runs: list[str]) -> list[Row]:
    """One in ten runs is not traced, every third twice in the same way, some in others, every fifth validated."""
    rows = []
    for number, name in enumerate(runs):
        ways: list[tuple[str, Attribution | None, str]] = [("a", TRAK, "answer")] if rng.random() < 0.9 else []
        ways += [("b", TRAK, "answer")] if number % 3 == 0 else []
        ways += [("c", TRAK, "margin")] if number % 4 == 0 else []
        ways += [("d", EXACT, "answer")] if number % 4 == 1 else []
        ways += [("e", TRACIN, "answer")] if number % 2 == 0 else []
        ways += [("v", None, "margin")] if number % 5 == 3 else []
        rows += [
            {"influence": name + end, "run": name, "how": how, "quantity": quantity} for end, how, quantity in ways
        ]
    return rows


def _rankings(rng: np.random.Generator, traced: list[Row], examples: dict[str, list[Example]]) -> list[Row]:
    """Up to six examples for most probes and directions, the first ones likelier."""
    rows = []
    for row in traced:
        for language, question, direction in product(LANGUAGES, QUESTIONS, ("positive", "negative")):
            pool = examples[row["run"]]
            weights = 1 / (2 + np.arange(len(pool)))
            for epoch in (None, *EPOCHS) if row["how"] is TRACIN else (None,):
                size = 0 if rng.random() < 0.3 else int(rng.integers(1, TOP + 1)) if rng.random() < 0.2 else TOP
                chosen = rng.choice(len(pool), size, replace=False, p=weights / weights.sum())
                probe = (row["influence"], language, question, epoch, direction)
                rows += [(*probe, rank, *pool[index]) for rank, index in enumerate(chosen.tolist(), 1)]
    columns = ["influence", "language", "question", "epoch", "direction", "rank", "train_language", "key"]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _summaries(rng: np.random.Generator, rankings: list[Row], languages: dict[str, list[str]]) -> list[Row]:
    targets = sorted({tuple(r[c] for c in ("influence", "language", "question", "epoch")) for r in rankings}, key=str)
    return [
        {
            **dict(zip(("influence", "language", "question", "epoch"), target, strict=True)),
            "train_language": train_language,
            "mean": float(rng.integers(-8, 9)) / 7,
            "sd": float(rng.integers(0, 5)) / 3,
        }
        for target in targets
        for train_language in languages[target[0]]
    ]


def _scores(target: tuple[Any, ...], train_language: str, size: int) -> Numbers:
    """Scores of a target, of as many examples of a language as there are: few values, both signs, some 0."""
    rng = np.random.default_rng(zlib.crc32(repr((target, train_language)).encode()))
    return rng.integers(-9, 10, size) / 8


def _histograms(summaries: list[Row], sizes: dict[Example, int], run_of: dict[str, str]) -> list[Row]:
    """Of the targets over all checkpoints; bins are a quarter wide."""
    rows = []
    for row in summaries:
        if row["epoch"] is None:
            target = row["influence"], row["language"], row["question"]
            scores = _scores(target, row["train_language"], sizes[run_of[row["influence"]], row["train_language"]])
            for place, n in Counter(np.floor(scores / 0.25).astype(int).tolist()).items():
                rows.append((*target, row["train_language"], place, n))
    return [dict(zip(UNTRACED["histograms"].columns, row, strict=True)) for row in rows]


def _epoch_tests(rng: np.random.Generator, rankings: list[Row]) -> list[Row]:
    """Between most of a target's epochs, with p-values that tie, and without where no score differs."""
    of_epochs = sorted({tuple(row[name] for name in Ranking._fields[:4]) for row in rankings if row["epoch"]})
    rows = []
    for (*target, epoch), other in product(of_epochs, EPOCHS):
        if other > epoch and (*target, other) in of_epochs and rng.random() < 0.9:
            z = float(rng.integers(-9, 10)) / 2
            values = (9, z, float(2 * stats.norm.sf(abs(z)))) if rng.random() < 0.9 else (0, None, None)
            rows.append((*target, epoch, other, *values))
    return [dict(zip(UNTRACED["epoch_tests"].columns, row, strict=True)) for row in rows]


def _validations(rng: np.random.Generator, influence: str) -> list[Row]:
    """Removals with several seeds and draws, some probes missing."""
    cells: list[tuple[str, str | None, int]] = [
        ("trak-principal-32", direction, k) for direction in ("positive", "negative") for k in (50, 100)
    ]
    cells += [("random", None, 50), ("random", None, 150), ("trak-principal-32", "negative", 150)]
    return [
        {"influence": influence, "test": "removal", "quantity": quantity, "scores": scores, "seeds": seeds}
        | {"seed": seed, "direction": direction, "k": k, "language": language, "question": question}
        | {
            "draw": draw,
            "n": 1,
            "value": float(rng.integers(-9, 10)) / 11,
            "reference": float(rng.integers(1, 12)) / 11,
        }
        for quantity in ("shift", "answer")
        for scores, direction, k in cells
        for language, question in product(LANGUAGES, QUESTIONS[:6])
        if rng.random() < 0.8
        for seeds, seed in (("same", 1), ("other", 2))
        for draw in range(6 if scores == "random" else 1)
    ]


def _correlations(rng: np.random.Generator, influence: str) -> list[Row]:
    """Scores with and without intervals and nulls, of few models and of many."""
    known = ("lds_low", "lds_high", "difference", "difference_low", "difference_high", "null_mean")
    return [
        {"influence": influence, "test": test, "quantity": quantity, "scores": scores, "seeds": seeds}
        | {"targets": 5, "draws": 1}
        | {"n": int(rng.choice([8, 16, 17, 64])), "lds": float(rng.normal())}
        | {name: float(rng.normal()) if scores != "random" else None for name in known}
        | {"null_sd": None if scores == "random" else float(rng.integers(0, 3))}
        for quantity in ("shift", "answer")
        for scores in ("trak-principal-32", "bm25", "random")
        for test, seeds in (("lds", "same"), ("lds", "other"), ("language", "other"))
    ]


@pytest.fixture(scope="module")
def study() -> Study:
    rng = np.random.default_rng(0)
    checkpoints = _checkpoints()
    languages = {row["run"]: row["ft_languages"].split(",") for row in checkpoints if row["run"]}
    sizes = {(name, language): int(rng.integers(7, 13)) for name, some in languages.items() for language in some}
    influence = _influence_runs(rng, list(languages))
    traced = [row for row in influence if row["how"] is not None]
    pools = {
        name: [(lang, key) for key in range(12) for lang in some if key < sizes[name, lang]]
        for name, some in languages.items()
    }
    rankings = _rankings(rng, traced, pools)
    summaries = _summaries(rng, rankings, {row["influence"]: languages[row["run"]] for row in traced})
    asked = [
        row for row in product([c["checkpoint"] for c in checkpoints], LANGUAGES, QUESTIONS) if rng.random() < 0.95
    ]
    keys = ["checkpoint", "language", "question"]
    return {
        "checkpoints": pl.DataFrame(checkpoints, infer_schema_length=None),
        "answers": pl.DataFrame(asked, schema=keys, orient="row").with_columns(
            score=pl.lit("mean"), answer=pl.Series(rng.integers(1, 3, len(asked)))
        ),
        "model_profiles": pl.DataFrame(schema={**dict.fromkeys([*keys, "score"], pl.String), "p_first": pl.Float64}),
        "country_profiles": pl.DataFrame(
            schema={**dict.fromkeys(["survey", "country", "weighting", "question"], pl.String)}
            | {"illustrative": pl.Boolean, "p_first": pl.Float64}
        ),
        "probe_sets": pl.DataFrame({"probe_set": "echoes-2024", "question": IN_SET}),
        "segments": pl.DataFrame(
            list(product(("pbc", "tanzil"), LANGUAGES[1:])), schema=["source", "language"], orient="row"
        ).with_columns(edition=pl.lit(""), segments=20),
        "countries": pl.DataFrame(schema={"language": pl.String, "country": pl.String}),
        "questions": pl.DataFrame({"question": QUESTIONS, "category": "religious_values"}),
        "influence_runs": pl.DataFrame(
            {"influence": row["influence"], "run": row["run"], "spec": _spec(**row)} for row in influence
        ),
        "training_examples": pl.DataFrame(
            [(*key, size) for key, size in sizes.items()], schema=["run", "language", "examples"], orient="row"
        ),
        "rankings": pl.DataFrame(rankings, infer_schema_length=None).with_columns(
            score=pl.Series(np.random.default_rng(1).integers(-2, 5, len(rankings)) / 3)
        ),
        "summaries": pl.DataFrame(summaries, infer_schema_length=None),
        "histograms": pl.DataFrame(
            _histograms(summaries, sizes, {row["influence"]: row["run"] for row in traced}), infer_schema_length=None
        ),
        "epoch_tests": pl.DataFrame(_epoch_tests(np.random.default_rng(2), rankings), infer_schema_length=None),
        "validations": pl.DataFrame(
            [r for row in influence if row["how"] is None for r in _validations(rng, row["influence"])],
            infer_schema_length=None,
        ),
        "correlations": pl.DataFrame(
            [r for row in influence if row["how"] is None for r in _correlations(rng, row["influence"])],
            schema=UNTRACED["correlations"].schema,
            orient="row",
        ),
    }


@pytest.fixture(scope="module")
def path(study: Study, make_store: Callable[[Study], Path]) -> Path:
    return make_store(study)


@pytest.fixture(scope="module")
def connection(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(path) as connection:
        yield connection


class World:
    """A study by names."""

    def __init__(self, study: Study) -> None:
        self.runs = {row["run"]: row for row in study["checkpoints"].to_dicts() if row["run"]}
        self.influence = {row["influence"]: self._how(row) for row in study["influence_runs"].to_dicts()}
        self.sizes = {row[:2]: row[2] for row in study["training_examples"].rows()}
        self.answers = {row[:3]: row[4] for row in study["answers"].rows()}
        self.summaries = study["summaries"].to_dicts()
        self.epoch_tests = study["epoch_tests"].to_dicts()
        self.validations = study["validations"].to_dicts()
        self.correlations = study["correlations"].to_dicts()
        self.lists: dict[Ranking, list[Example]] = defaultdict(list)
        self.wrong: dict[Ranking, list[bool]] = defaultdict(list)
        """Whether the score of an example in a list has the other sign."""

        for row in study["rankings"].sort("rank").iter_rows(named=True):
            at = Ranking(*(row[name] for name in Ranking._fields))
            self.lists[at].append((row["train_language"], row["key"]))
            self.wrong[at].append(row["score"] < 0 if at.direction == "positive" else row["score"] > 0)

    def _how(self, row: Row) -> Row:
        spec = json.loads(row["spec"])
        how = Attribution.model_validate(spec["attribution"]) if "attribution" in spec else None
        name = attribution_name(how) if how else None
        return {**self.runs[row["run"]], "attribution": name, "quantity": spec.get("quantity")}

    def examples(self, influence: str) -> int:
        """Training examples of the traced run."""
        return sum(size for (name, _), size in self.sizes.items() if name == self.influence[influence]["run"])

    def shifted(self, influence: str, language: str, question: str) -> bool | None:
        """None where either answer is missing."""
        row = self.influence[influence]
        after = self.answers.get((row["checkpoint"], language, question))
        before = self.answers.get((row["base"], language, question))
        return None if after is None or before is None else after != before

    def rankings(
        self, *, by_epoch: bool = False, shifted: bool | None = None, k: int = TOP
    ) -> dict[Ranking, list[Example]]:
        """Ranked lists up to a rank."""
        return {
            at: ranked[:k]
            for at, ranked in self.lists.items()
            if (at.epoch is not None) == by_epoch
            and (shifted is None or self.shifted(at.influence, at.language, at.question) is shifted)
        }

    def shares(self, **selection: Any) -> dict[tuple[Ranking, str], float]:
        """Percentage of a list that is in a fine-tuning language."""
        return {
            (at, ft): 100 * sum(language == ft for language, _ in ranked) / len(ranked)
            for at, ranked in self.rankings(**selection).items()
            for ft in self.influence[at.influence]["ft_languages"].split(",")
        }


@pytest.fixture(scope="module")
def world(study: Study) -> World:
    return World(study)


def _grouped(pairs: Iterator[tuple[tuple[Any, ...], Any]]) -> dict[tuple[Any, ...], list[Any]]:
    groups = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _cell(at: Ranking, ft: str) -> tuple[str, str, str, str]:
    return at.influence, at.direction, at.language, ft


@pytest.mark.parametrize("given", [{}, {"k": 3}, {"shifted": True}, {"shifted": False, "k": 1}])
def test_language_contribution(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    shares = world.shares(**given)
    groups = _grouped((_cell(*key), share) for key, share in shares.items())
    wrong = {
        (at, ft): 100 * mean([lang == ft and wrong for (lang, _), wrong in zip(ranked, world.wrong[at], strict=False)])
        for at, ranked in world.rankings(**given).items()
        for ft in world.influence[at.influence]["ft_languages"].split(",")
    }
    expected = []
    for (influence, direction, language, ft), some in groups.items():
        chance = 100 * world.sizes[world.influence[influence]["run"], ft] / world.examples(influence)
        row = {"run": influence, "direction": direction, "language": language, "ft_language": ft, "targets": len(some)}
        row["attribution"] = world.influence[influence]["attribution"]
        row["wrong_sign"] = mean([wrong[key] for key in shares if _cell(*key) == (influence, direction, language, ft)])
        expected.append({**row, "contribution": mean(some), "examples_share": chance, "lift": mean(some) / chance})
    frame = run(connection, "language_contribution", parameters=given).frame
    expect_rows(frame, ["run", "direction", "language", "ft_language"], expected)
    sums = frame.group_by("run", "direction", "language").agg(pl.col("contribution").sum())
    assert sums["contribution"].to_list() == pytest.approx([100] * sums.height)


def _wilcoxon(changes: list[float]) -> float | None:
    """By counting the sums that all signs give, rank after rank; None below 6 changes."""
    there = np.array([change for change in changes if change])
    if len(there) < 6:
        return None
    ranks = stats.rankdata(np.abs(there))
    ways: dict[float, int] = {0.0: 1}
    for rank in ranks:
        longer: dict[float, int] = defaultdict(int)
        for total, number in ways.items():
            longer[total] += number
            longer[total + rank] += number
        ways = longer
    positive = ranks[there > 0].sum()
    tails = [sum(n for total, n in ways.items() if (total - positive) * side <= 0) for side in (1, -1)]
    return float(min(1.0, 2 * min(tails) / 2 ** len(there)))


@pytest.mark.parametrize("given", [{}, {"k": 4, "shifted": True}])
def test_influence_by_epoch(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    shares = world.shares(by_epoch=True, **given)
    groups = _grouped(
        ((at.influence, at.epoch, at.direction, at.language, ft), (at, share)) for (at, ft), share in shares.items()
    )
    expected = []
    for (influence, epoch, direction, language, ft), some in groups.items():
        before = {1: None, 2: 1, 4: 2}[epoch]
        changes = [
            round(share - shares[at._replace(epoch=before), ft], 9)
            for at, share in some
            if (at._replace(epoch=before), ft) in shares
        ]
        row = {"run": influence, "epoch": epoch, "direction": direction, "language": language, "ft_language": ft}
        row |= {"contribution": mean([share for _, share in some]), "targets": len(some)}
        row |= {"changed": np.count_nonzero(changes) if before else None, "wilcoxon_p": _wilcoxon(changes)}
        expected.append(row)
    frame = run(connection, "influence_by_epoch", parameters=given).frame
    expect_rows(frame, ["run", "epoch", "direction", "language", "ft_language"], expected)


@pytest.mark.parametrize("given", [{}, {"shifted": True}])
def test_influence_distribution(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    scores: dict[tuple[str, ...], list[Numbers]] = defaultdict(list)
    for row in world.summaries:
        target = row["influence"], row["language"], row["question"]
        if row["epoch"] is None and (not given or world.shifted(*target)):
            train = row["train_language"]
            size = world.sizes[world.influence[row["influence"]]["run"], train]
            scores[row["influence"], row["language"], train].append(_scores(target, train, size))
    keys = ["run", "language", "train_language", "low"]
    expected = []
    for cell, some in scores.items():
        every = np.concatenate(some)
        for low in np.unique(np.floor(every * 4)) / 4:
            n = int(((every >= low) & (every < low + 0.25)).sum())
            row = dict(zip(keys, (*cell, float(low)), strict=True)) | {"high": float(low) + 0.25, "n": n}
            sign = "positive" if low >= 0 else "negative"
            expected.append(row | {"sign": sign, "share": 100 * n / len(every), "targets": len(some)})
    frame = run(connection, "influence_distribution", parameters=given).frame
    expect_rows(frame, keys, expected)
    assert set(frame["sign"]) == {"positive", "negative"}


def _lift(lists: list[list[Example]], examples: int) -> tuple[int, float, float]:
    """Different examples in lists, how many there would be by chance, and the one over the other."""
    different = len({example for ranked in lists for example in ranked})
    chance = examples * (1 - float(np.prod([1 - len(ranked) / examples for ranked in lists])))
    return different, chance, different / chance


def _listed(world: World, **given: Any) -> dict[tuple[str, ...], dict[str, list[Example]]]:
    """Lists by question of each run, direction and test language."""
    cells: dict[tuple[str, ...], dict[str, list[Example]]] = defaultdict(dict)
    for at, ranked in world.rankings(**given).items():
        cells[at.influence, at.direction, at.language][at.question] = ranked
    return cells


@pytest.mark.parametrize("given", [{}, {"k": 2, "shifted": True}])
def test_influence_concentration(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    expected = []
    for cell, by_question in _listed(world, **given).items():
        lists = list(by_question.values())
        row = dict(zip(("examples", "chance", "lift"), _lift(lists, world.examples(cell[0])), strict=True))
        times = Counter(example for ranked in lists for example in ranked)
        row |= {"most": 100 * max(times.values()) / len(lists), "listed": times.total(), "targets": len(lists)}
        expected.append(dict(zip(("run", "direction", "language"), cell, strict=True)) | row)
    frame = run(connection, "influence_concentration", parameters=given).frame
    expect_rows(frame, ["run", "direction", "language"], expected)


def test_intervals_of_concentration(world: World, connection: duckdb.DuckDBPyConnection) -> None:
    """Questions are batteries of their own."""
    keys, expected = ["run", "direction", "language"], []
    for cell, by_question in _listed(world).items():
        kept = [[some for at, some in by_question.items() if at != without] for without in ("", *QUESTIONS)]
        lifts = np.array([_lift(lists, world.examples(cell[0]))[2] if lists else np.nan for lists in kept])
        ends = interval(lifts, np.array([len(lists) for lists in kept], dtype=float))
        expected.append(dict(zip((*keys, "lift_low", "lift_high"), (*cell, *ends), strict=True)))
    frame = run(connection, "influence_concentration", parameters={"ci": "questions"}).frame
    _expect_ends(frame, keys, "lift", expected)


def test_lists_at_random_have_as_many_examples_as_chance_says() -> None:
    rng = np.random.default_rng(4)
    sizes, examples = (3, 5, 5, 1, 8), 20
    drawn = [
        len(np.unique(np.concatenate([rng.choice(examples, size, replace=False) for size in sizes])))
        for _ in range(4000)
    ]
    lists = [[("fa", number) for number in range(size)] for size in sizes]
    assert mean(drawn) == pytest.approx(_lift(lists, examples)[1], abs=4 * np.std(drawn) / 4000**0.5)


def _holm_rejects(ps: list[float]) -> list[bool]:
    """Step by step, from the lowest: each at 0.05 over the tests that are left, until one is not rejected."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    rejected = [False] * len(ps)
    for step, place in enumerate(order):
        if ps[place] * (len(ps) - step) >= 0.05:
            break
        rejected[place] = True
    return rejected


@pytest.mark.parametrize("given", [{}, {"shifted": False}])
def test_influence_epoch_test(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    families: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in world.epoch_tests:
        if not given or world.shifted(row["influence"], row["language"], row["question"]) is False:
            families[row["influence"], row["language"]].append(row)
    keys = ["run", "language", "epoch_a", "epoch_b"]
    expected = []
    for family, tests in families.items():
        valid = [row for row in tests if row["p"] is not None]
        rejected = [row for row, yes in zip(valid, _holm_rejects([row["p"] for row in valid]), strict=True) if yes]
        for pair in {(row["epoch_a"], row["epoch_b"]) for row in tests}:
            of_pair, zs, kept = (
                [row["z"] for row in some if (row["epoch_a"], row["epoch_b"]) == pair]
                for some in (tests, valid, rejected)
            )
            significant = sum(2 * stats.norm.sf(abs(z)) < 0.05 for z in zs)
            row = {"targets": len(of_pair), "significant": significant, "significant_holm": len(kept)}
            row |= {"median_z": float(np.median(zs)) if zs else None}
            expected.append(dict(zip(keys, (*family, *pair), strict=True)) | row)
    frame = run(connection, "influence_epoch_test", parameters=given).frame
    expect_rows(frame, keys, expected)
    assert 0 < frame["significant_holm"].sum() < frame["significant"].sum() < frame["targets"].sum()


def _consistencies(world: World, **given: Any) -> dict[tuple[Any, ...], dict[str, tuple[float, float]]]:
    """Per run, direction and pair of languages: the percentage and the chance of every question."""
    lists = world.rankings(**given)
    pairs: dict[tuple[Any, ...], dict[str, tuple[float, float]]] = defaultdict(dict)
    for at, one in lists.items():
        for language in LANGUAGES:
            other = lists.get(at._replace(language=language))
            if language > at.language and other:
                same = len(set(one) & set(other))
                chance = (len(one) + len(other)) / 2 / world.examples(at.influence)
                share = (same / len(one) + same / len(other)) / 2
                pairs[at.influence, at.direction, at.language, language][at.question] = (100 * share, 100 * chance)
    return pairs


@pytest.mark.parametrize("given", [{}, {"k": 3, "shifted": True}])
def test_influence_consistency(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    pairs = _consistencies(world, **given)
    columns = ["run", "direction", "language_a", "language_b", "consistency", "chance", "questions"]
    rows = [(*key, *(mean(v) for v in zip(*some.values(), strict=True)), len(some)) for key, some in pairs.items()]
    for (influence, direction), some in _grouped((row[:2], row[4:]) for row in rows).items():
        shares, chances, questions = zip(*some, strict=True)
        rows.append((influence, direction, "avg.", "avg.", mean(shares), mean(chances), sum(questions)))
    frame = run(connection, "influence_consistency", parameters=given).frame
    expect_rows(frame, columns[:4], [dict(zip(columns, row, strict=True)) for row in rows])


def _alike(a: Row, b: Row) -> bool:
    """Whether two influence runs differ in nothing but the languages of monolingual fine-tuning."""
    same = ("model", "source", "sentences", "seed", "spec", "attribution", "quantity", "base")
    alone = all("," not in row["ft_languages"] and row["base"] == row["model"] for row in (a, b))
    return alone and a["ft_languages"] < b["ft_languages"] and all(a[name] == b[name] for name in same)


@pytest.mark.parametrize("given", [{}, {"k": 2}])
def test_parallel_overlap(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    lists = world.rankings(shifted=True, **given)
    rows = []
    for a, b in product(world.influence, repeat=2):
        cells: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for at, one in lists.items() if _alike(world.influence[a], world.influence[b]) else ():
            other = lists.get(at._replace(influence=b)) if at.influence == a else None
            if other:
                keys = [[key for _, key in some] for some in (one, other)]
                there, back = ([key in keys[1 - i] for key in keys[i]] for i in (0, 1))
                sizes = world.examples(a), world.examples(b)
                # keys count from 0 in every language
                common = [100 * min(sizes) / size for size in sizes]
                chance = (common[0] * len(other) / sizes[1] + common[1] * len(one) / sizes[0]) / 100
                cells[at.direction, at.language].append((50 * (mean(there) + mean(back)), 50 * chance))
        setup = [
            world.influence[a][name]
            for name in ("model", "source", "sentences", "seed", "spec", "attribution", "quantity")
        ]
        rows += [(setup, *key, a, b, *np.mean(some, axis=0).tolist(), len(some)) for key, some in cells.items()]
    columns = ["direction", "language", "run_a", "run_b", "overlap", "chance", "questions"]
    expected = [dict(zip(columns, row[1:], strict=True)) for row in rows]
    overall = _grouped(((*row[0], row[1]), row[-3:]) for row in rows)
    for key, some in overall.items():
        overlaps, chances, questions = zip(*some, strict=True)
        row = (key[-1], "avg.", None, None, mean(overlaps), mean(chances), sum(questions))
        expected.append(dict(zip(columns, row, strict=True)))
    frame = run(connection, "parallel_overlap", parameters=given).frame
    expect_rows(frame, [*columns[:4], "overlap"], expected)


def test_influencemean(world: World, connection: duckdb.DuckDBPyConnection) -> None:
    """Each summary stands for as many scores as there are examples, of its mean and standard deviation."""
    rng = np.random.default_rng(0)
    scores: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in world.summaries:
        if row["epoch"] is None:
            size = world.sizes[world.influence[row["influence"]]["run"], row["train_language"]]
            noise = rng.normal(size=size)
            values = row["mean"] + row["sd"] * (noise - noise.mean()) / noise.std()
            scores[row["influence"], row["language"], row["train_language"]].append(values)
    expected = [
        dict(zip(("run", "language", "train_language"), key, strict=True))
        | {"influence": mean(values), "sd": float(np.std(values)), "targets": len(values), "n": np.size(values)}
        for key, values in scores.items()
    ]
    expect_rows(run(connection, "influence_mean").frame, ["run", "language", "train_language"], expected)


def _without(values: dict[str, float]) -> tuple[Numbers, Numbers]:
    """Mean of questions that are batteries of their own, and their number: of all, then without each that is traced."""
    kept = [{q: v for q, v in values.items() if q != without} for without in ("", *QUESTIONS)]
    means = [sum(some.values()) / len(some) if some else np.nan for some in kept]
    return np.array(means), np.array([len(some) for some in kept], dtype=float)


def _with_ends(values: Numbers, items: Numbers, column: str) -> Row:
    return dict(zip((f"{column}_low", f"{column}_high"), interval(values, items, "share"), strict=True))


def _expect_ends(frame: pl.DataFrame, keys: list[str], column: str, expected: list[Row]) -> None:
    """To what the expansion of Student's t is good for; both some intervals and some cells without."""
    ends = [f"{column}_low", f"{column}_high"]
    found = {tuple(row[key] for key in keys): [row[end] for end in ends] for row in frame.to_dicts()}
    wanted = {tuple(row[key] for key in keys): [row[end] for end in ends] for row in expected}
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key] == (values if values[0] is None else pytest.approx(values, rel=1e-4, abs=1e-5)), key
    assert {values[0] is None for values in wanted.values()} == {True, False}


def test_intervals_of_a_mean_over_questions(world: World, connection: duckdb.DuckDBPyConnection) -> None:
    cells = _grouped(
        ((at.influence, at.direction, at.language, ft), (at.question, share))
        for (at, ft), share in world.shares(k=3).items()
    )
    keys = ["run", "direction", "language", "ft_language"]
    expected = [
        dict(zip(keys, key, strict=True)) | _with_ends(*_without(dict(some)), "contribution")
        for key, some in cells.items()
    ]
    frame = run(connection, "language_contribution", parameters={"ci": "questions", "k": 3}).frame
    _expect_ends(frame, keys, "contribution", expected)


def test_intervals_of_a_mean_over_pairs_of_languages(world: World, connection: duckdb.DuckDBPyConnection) -> None:
    """The row avg. is, without every question, the mean of the pairs that have a value then."""
    cells = {
        key: _without({question: share for question, (share, _) in some.items()})
        for key, some in _consistencies(world).items()
    }
    for key, some in _grouped((key[:2], cell) for key, cell in cells.items()).items():
        values = np.array([values for values, _ in some])
        means = np.nansum(values, axis=0) / np.isfinite(values).sum(axis=0)
        cells[*key, "avg.", "avg."] = means, np.sum([items for _, items in some], axis=0)
    keys = ["run", "direction", "language_a", "language_b"]
    expected = [dict(zip(keys, key, strict=True)) | _with_ends(*cell, "consistency") for key, cell in cells.items()]
    frame = run(connection, "influence_consistency", parameters={"ci": "questions"}).frame
    _expect_ends(frame, keys, "consistency", expected)


@pytest.mark.parametrize("given", [{}, {"k": 4, "shifted": True}])
def test_translation_share(world: World, connection: duckdb.DuckDBPyConnection, given: Row) -> None:
    groups: dict[tuple[Any, ...], list[tuple[float, float]]] = defaultdict(list)
    for at, ranked in world.rankings(**given).items():
        size = world.sizes.get((world.influence[at.influence]["run"], at.language))
        own = {key for language, key in ranked if language == at.language}
        translated = [key in own for language, key in ranked if language != at.language]
        if size and translated:
            groups[at.influence, at.direction, at.language].append((100 * mean(translated), 100 * len(own) / size))
    expected = []
    for key, some in groups.items():
        share, chance = (mean(values) for values in zip(*some, strict=True))
        row = dict(zip(("run", "direction", "language"), key, strict=True)) | {"translations": share, "chance": chance}
        expected.append({**row, "lift": share / chance if chance else None, "targets": len(some)})
    frame = run(connection, "translation_share", parameters=given).frame
    expect_rows(frame, ["run", "direction", "language"], expected)


def test_seed_robustness(world: World, connection: duckdb.DuckDBPyConnection) -> None:
    unchanged = _grouped(
        ((name, language), world.answers[row["checkpoint"], language, question] == before)
        for name, row in world.runs.items()
        for (checkpoint, language, question), before in world.answers.items()
        if checkpoint == row["base"] == row["model"] and question in IN_SET
        if (row["checkpoint"], language, question) in world.answers
    )
    contributions = _grouped(
        ((at.influence, at.direction, at.language, ft), share) for (at, ft), share in world.shares().items()
    )
    setup = ("model", "source", "ft_languages", "sentences", "spec", "seed")
    seeds = _grouped(
        ((*(world.runs[name][s] for s in setup), None, None, None, language, None), 100 * mean(values))
        for (name, language), values in unchanged.items()
    )
    for (influence, *key), values in contributions.items():
        row = world.influence[influence]
        if row["base"] == row["model"]:
            seeds[tuple(row[s] for s in (*setup, "attribution", "quantity")) + tuple(key)].append(mean(values))
    robust = _grouped((key[:5] + key[6:], mean(values)) for key, values in seeds.items())
    columns = [*setup[:4], "hot", "attribution", "quantity", "direction", "language", "ft_language"]
    expected = [
        dict(zip(columns, (*key[:4], key[4] == HOT, *key[5:]), strict=True))
        | {"mean": mean(values), "min": min(values), "max": max(values), "seeds": len(values)}
        | {"sd": statistics.stdev(values) if len(values) > 1 else None}
        for key, values in robust.items()
    ]
    frame = run(connection, "seed_robustness").frame.with_columns(
        hot=pl.col("settings").str.contains("=0.5"), quantity=pl.col("tracing").str.extract(r"quantity=(\w+)")
    )
    expect_rows(frame, columns, expected)
    assert max(row["seeds"] for row in expected) == 3


def test_influence_quality(world: World, connection: duckdb.DuckDBPyConnection) -> None:
    expected = []
    for row in world.correlations:
        many = "headline" if row["seeds"] == "other" else "given the seed"
        z = (row["lds"] - row["null_mean"]) / row["null_sd"] if row["null_sd"] else None
        found = {name: value for name, value in row.items() if name != "influence"}
        expected.append(found | {"run": row["influence"], "reading": many if row["n"] > 16 else "smoke test", "z": z})
    frame = run(connection, "influence_quality").frame
    expect_rows(frame, ["run", "test", "quantity", "seeds", "scores"], expected)
    for (_, test, _), some in frame.group_by("run", "test", "quantity"):
        assert some["seeds"].to_list() == ["other"] * 3 + ["same"] * (3 if test == "lds" else 0)
    for _, some in frame.group_by("run"):
        assert some["test"].to_list() == ["lds"] * 12 + ["language"] * 6


@pytest.mark.parametrize("part", [*LANGUAGES, "avg."])
def test_removal_effect(world: World, connection: duckdb.DuckDBPyConnection, part: str) -> None:
    """The interval is Welch's of two means: over targets, and over draws, each with its degrees of freedom."""
    keys = ("influence", "quantity", "scores", "direction", "k")
    validations = [row for row in world.validations if part in ("avg.", row["language"])]
    probes = _grouped(
        ((tuple(row[c] for c in keys), row["language"], row["question"]), (row["value"], row["reference"]))
        for row in validations
    )
    changes: dict[Any, dict[Any, float]] = {}
    references: dict[Any, dict[Any, float]] = {}
    for (cell, *probe), values in probes.items():
        changes.setdefault(cell, {})[tuple(probe)] = mean([value for value, _ in values])
        references.setdefault(cell, {})[tuple(probe)] = mean([reference for _, reference in values])
    drawn = _grouped(
        ((*(row[c] for c in ("influence", "quantity", "k")), row["draw"]), row["value"])
        for row in validations
        if row["scores"] == "random"
    )
    frame = run(connection, "removal_effect").frame.filter(language=part)
    found = {tuple(row[c] for c in ("run", *keys[1:])): row for row in frame.iter_rows(named=True)}
    expected, intervals = [], 0
    for cell, some in changes.items():
        influence, quantity, scores, _, k = cell
        random = changes.get((influence, quantity, "random", None, k), {}) if scores != "random" else {}
        pairs = [value - random[probe] for probe, value in some.items() if probe in random]
        paired = [random[probe] for probe in some if probe in random]
        row = dict(zip(("run", *keys[1:]), cell, strict=True))
        row |= {"targets": len(some), "change": mean(list(some.values()))}
        row |= {"sd": statistics.stdev(some.values()) if len(some) > 1 else None}
        row |= {"reference": mean(list(references[cell].values()))}
        row |= {"relative_change": mean([100 * value / references[cell][probe] for probe, value in some.items()])}
        row |= {"random_change": mean(paired) if paired else None, "difference": mean(pairs) if pairs else None}
        expected.append(row | {"draws": 6 if scores == "random" else 1, "seeds": 2})
        ends = found[cell]["difference_low"], found[cell]["difference_high"]
        if len(pairs) < 10:
            assert ends == (None, None)
            continue
        intervals += 1
        means = [mean(drawn[influence, quantity, k, draw]) for draw in range(6)]
        parts = [(statistics.variance(pairs) / len(pairs), len(pairs)), (statistics.variance(means) / 6, 6)]
        total = sum(part for part, _ in parts)
        df = total**2 / sum(part**2 / (n - 1) for part, n in parts)
        half = float(stats.t.ppf(0.975, df)) * total**0.5
        # four terms of a series are within 2 in 1,000 of the quantile at 5 degrees of freedom
        assert ends == pytest.approx((mean(pairs) - half, mean(pairs) + half), abs=2e-3 * half)
    assert bool(intervals) == (part == "avg.")
    expect_rows(frame, ["run", *keys[1:]], expected)


@pytest.mark.parametrize("query", [q for q in INFLUENCE if q.name != "seed_robustness"], ids=lambda query: query.name)
def test_parameters_restrict_rows(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    every = run(connection, query.name).frame
    columns = [name for name in query.parameters if name in every.columns]
    row = every.row(every.height // 2, named=True)
    for names in (["run"], ["model", "source"], ["sentences", "seed", "direction"]):
        given = {name: row[name] for name in names if name in columns}
        kept = every.filter(**given) if given else every
        assert_frame_equal(run(connection, query.name, parameters=given).frame, kept)
    if "method" in query.parameters:
        tracin = run(connection, query.name, parameters={"method": "tracin"}).frame
        assert_frame_equal(tracin, every.filter(pl.col("attribution").str.starts_with("tracin")))


def test_seed_robustness_takes_one_metric(connection: duckdb.DuckDBPyConnection) -> None:
    every = run(connection, "seed_robustness").frame
    given = {
        "metrics": "language_contribution",
        "strategies": "multilingual",
        "method": "trak",
        "direction": "negative",
    }
    some = run(connection, "seed_robustness", parameters=given).frame
    kept = every.filter(metric="language_contribution", strategy="multilingual", direction="negative")
    assert_frame_equal(some, kept.filter(pl.col("attribution").str.starts_with("trak")))
    assert run(connection, "seed_robustness", parameters={"metrics": "unchanged"}).frame["attribution"].is_null().all()


def test_sums_made_run_by_run_are_those_made_at_once(path: Path, tmp_path: Path) -> None:
    with open_store(Path(shutil.copyfile(path, tmp_path / "again.duckdb")), read_only=False) as store:
        sums = {table: store.execute(f"FROM {table} ORDER BY ALL").fetchall() for table, *_ in SUMS}
        store.execute("CREATE TEMP TABLE kept AS FROM influence_ranking")
        for table in ("influence_ranking", *(sums.table for sums in SUMS)):
            store.execute(f"DELETE FROM {table}")
        for run_id, first in store.execute(
            "SELECT run_id, min(influence_target_id) FROM influence_target GROUP BY ALL ORDER BY ALL"
        ).fetchall():
            store.execute(
                "INSERT INTO influence_ranking FROM kept WHERE influence_target_id IN "
                "(SELECT influence_target_id FROM influence_target WHERE run_id = ?)",
                [run_id],
            )
            sum_rankings(store, first)
        assert all(sums.values())
        assert {table: store.execute(f"FROM {table} ORDER BY ALL").fetchall() for table, *_ in SUMS} == sums


@pytest.mark.parametrize("rows", [500, 5000])
def test_sums_made_in_parts_are_those_made_at_once(path: Path, tmp_path: Path, rows: int) -> None:
    with open_store(Path(shutil.copyfile(path, tmp_path / "again.duckdb")), read_only=False) as store:
        sums = {table: store.execute(f"FROM {table} ORDER BY ALL").fetchall() for table, *_ in SUMS}
        for table, *_ in SUMS:
            store.execute(f"DELETE FROM {table}")
        assert sum_rankings(store, rows=rows) == {table: len(found) for table, found in sums.items()}
        assert {table: store.execute(f"FROM {table} ORDER BY ALL").fetchall() for table, *_ in SUMS} == sums


def test_parts_have_every_key_once_and_few_rows(connection: duckdb.DuckDBPyConnection) -> None:
    floor = connection.execute("SELECT median(influence_target_id)::INTEGER FROM influence_target").fetchone()
    assert floor
    for lowest in (FIRST_KEY, *floor):
        found = connection.execute(ranges(PARTS, lowest, 500)).fetchall()
        assert len(found) > 10
        firsts, lasts = zip(*found, strict=True)
        assert (firsts[0], lasts[-1]) == (lowest, LAST_KEY)
        assert list(firsts[1:]) == [last + 1 for last in lasts[:-1]]
        sizes = "SELECT count(*) FROM influence_ranking WHERE influence_target_id BETWEEN ? AND ?"
        assert all(0 < connection.execute(sizes, pair).fetchall()[0][0] < 500 + 2 * TOP for pair in found)


@pytest.mark.parametrize(
    "query", [q for q in INFLUENCE if {"k", "direction"} <= q.parameters.keys()], ids=lambda query: query.name
)
def test_what_was_summed_up_is_what_is_counted(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    """All examples that are stored, from the sums; or as many and more, counted in the rankings."""
    for given in ({}, {"direction": "negative"}):
        summed, counted = (run(connection, query.name, parameters={**given, **k}).frame for k in ({}, {"k": TOP + 1}))
        assert_frame_equal(summed, counted, check_exact=True)


def test_same_bytes_whatever_the_order_of_rows(path: Path, shuffled: Callable[[Path], Path]) -> None:
    """ORDER BY is total, and no digit depends on how rows are stored or on the number of threads."""
    with open_store(path) as one, open_store(shuffled(path)) as other:
        other.execute("SET threads = 1")
        for query in INFLUENCE:
            rendered = [render(run(store, query.name), "csv") for store in (one, other)]
            assert rendered[0] == rendered[1], query.name
