"""The queries about groups on a world with gaps: in sentences, templates, words and priors."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from group_worlds import COLLECTION, PROMPT, Said, Sentence, State, Word, World, fill
from scipy import stats

from mlv.queries import run
from mlv.schema.store.opening import connect

RANDOM = np.random.default_rng(11)

GROUPS: Final = {
    "craft": tuple(f"c{number}" for number in range(12)),
    "leisure": tuple(f"l{number}" for number in range(5)),
    "pair": ("p0", "p1"),
    "single": ("s0",),
}
UNTEMPLATED: Final = frozenset({"c11", "l4"})
TEMPLATES: Final = ("always", "mostly", "often")
EMOTIONS: Final = ("anger", "fear", "joy", "negative", "positive")
INITIALS: Final = ("", "", "a", "an", "fn", "fan", "n", "j", "jp", "p", "jp", "p", "n", "")
LEXICON: Final = {f"w{number}": initials for number, initials in enumerate(INITIALS)}
VOCABULARY: Final = (
    *LEXICON,
    *(word.upper() for word in [*LEXICON][:4]),
    "##ly",
    "?",
    "",
    *(f"x{n}" for n in range(5)),
)
TOP: Final = 7

ALPHA, BETA, GAMMA = State("alpha"), State("beta"), State("gamma")
TUNED: Final = (
    *(State("alpha", "gazette", 1.0, seed) for seed in (1, 2, 3)),
    State("alpha", "gazette", 0.25, 1),
    State("alpha", "tribune", 1.0, 1),
    State("beta", "gazette", 1.0, 1),
)
STATES: Final = (ALPHA, BETA, GAMMA, *TUNED)
OF: Final = {name: category for category, names in GROUPS.items() for name in names}


def _words(spread: Sequence[str], has_prior: bool) -> list[Word]:
    chosen = RANDOM.permutation(np.array(spread, dtype=object))[:TOP]
    # few different numbers, so that some are equally typical
    logprobs = np.sort(RANDOM.integers(-9, 0, len(chosen)))[::-1]
    priors = RANDOM.integers(-9, 0, len(chosen))
    return [
        Word(str(word), float(logprob), float(prior) if has_prior else None)
        for word, logprob, prior in zip(chosen, logprobs, priors, strict=True)
    ]


def _completed(state: State) -> dict[Sentence, list[Word]]:
    found: dict[Sentence, list[Word]] = {}
    for name, category in OF.items():
        forms = [] if name in UNTEMPLATED else list(TEMPLATES)
        for form in [*forms, COLLECTION]:
            # gaps: a group that a state does not complete, one without a covered word, one without an emotion
            if (state, name) == (BETA, "c0") or RANDOM.random() < 0.05:
                continue
            spread: Sequence[str] = VOCABULARY
            if state == GAMMA and form != COLLECTION and name in ("c1", "c2"):
                spread = [f"x{n}" for n in range(5)] if name == "c1" else ["w0", "w1", "w13", "?"]
            found[category, name, form] = _words(spread, name != "l0")
    return found


def _said() -> list[Said]:
    rows = []
    for name, category in OF.items():
        for _ in range(int(RANDOM.integers(0, 7))):
            attribute = str(RANDOM.choice(list(LEXICON)[:9])) + (" two" if RANDOM.random() < 0.2 else "")
            rows.append(Said(category, name, attribute, str(RANDOM.choice(["Google", "Yahoo", "multiple", ""]))))
    return rows


WORLD: Final = World(
    GROUPS,
    UNTEMPLATED,
    TEMPLATES,
    _said(),
    EMOTIONS,
    LEXICON,
    ("alpha", "beta", "gamma"),
    {state: _completed(state) for state in STATES},
)

TOKENS: Final = {
    word: token
    for token, word in enumerate(
        sorted({word.attribute for of in WORLD.completed.values() for words in of.values() for word in words}), start=1
    )
}


@pytest.fixture(scope="module")
def connection(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("groups") / "world.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        fill(connection, WORLD)
        yield connection


def name_of(state: State) -> str:
    """The checkpoint's name."""
    return f"finetune-{101 + STATES.index(state)}/epoch-1" if state.source else state.model


STATE_OF: Final = {name_of(state): state for state in STATES}


def rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """What a query answers."""
    found: list[dict[str, Any]] = run(connection, name, parameters=parameters).frame.to_dicts()
    return found


def templates_of(state: State, group: str) -> dict[str, list[str]]:
    """Attributes by template, the likeliest first."""
    found = {form: WORLD.completed[state].get((OF[group], group, form)) for form in TEMPLATES}
    return {form: [word.attribute for word in words] for form, words in found.items() if words}


def scores(state: State, group: str) -> tuple[int, int, dict[str, float]] | None:
    """How many words, how many covered, and the shares of emotions."""
    words = {word.lower() for listed in templates_of(state, group).values() for word in listed}
    covered = words & LEXICON.keys()
    if not covered:
        return None
    shares = {emotion: fmean(emotion[0] in LEXICON[word] for word in covered) for emotion in EMOTIONS}
    return len(words), len(covered), shares


def test_emotion_profiles(connection: duckdb.DuckDBPyConnection) -> None:
    found = rows(connection, "emotion_profiles")
    expected = {
        (name_of(state), group, emotion): (words, covered, share)
        for state in STATES
        for group in OF
        if (known := scores(state, group))
        for words, covered, shares in [known]
        for emotion, share in shares.items()
    }
    assert {(row["checkpoint"], row["group_name"], row["emotion"]) for row in found} == expected.keys()
    assert ("gamma", "c1", "joy") not in expected
    for row in found:
        words, covered, share = expected[row["checkpoint"], row["group_name"], row["emotion"]]
        assert (row["words"], row["covered"]) == (words, covered)
        assert row["score"] == pytest.approx(100 * share)


def correlations(
    a: State, b: State, groups: Sequence[str], with_self: bool, emotions: Sequence[str]
) -> list[float | None]:
    """Spearman's rho of each group's similarities to the others in two states; None where one side is constant."""
    vectors: list[npt.NDArray[np.float64]] = []
    of_both = []
    for group in groups:
        pair = [scores(state, group) for state in (a, b)]
        if all(known and any(known[2][emotion] for emotion in emotions) for known in pair):
            of_both.append([[known[2][emotion] for emotion in emotions] for known in pair if known])
    if not of_both:
        return []
    matrices = []
    for vectors_of in zip(*of_both, strict=True):
        vectors = [np.array(vector) for vector in vectors_of]
        matrices.append(np.round([[x @ y / np.sqrt(x @ x * (y @ y)) for y in vectors] for x in vectors], 10))
    found: list[float | None] = []
    for place in range(len(of_both)):
        kept = [other for other in range(len(of_both)) if with_self or other != place]
        x, y = (matrix[place][kept] for matrix in matrices)
        constant = len(kept) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0
        found.append(None if constant else float(stats.spearmanr(x, y).statistic))
    return found


@pytest.mark.parametrize("emotions", ["all", "published"])
@pytest.mark.parametrize("with_self", [False, True])
@pytest.mark.parametrize("within", ["all", "categories"])
def test_emotion_similarity(connection: duckdb.DuckDBPyConnection, within: str, with_self: bool, emotions: str) -> None:
    given = {"within": within, "self": with_self, "emotions": emotions}
    found = {
        (frozenset((row["checkpoint_a"], row["checkpoint_b"])), row["category"]): (row["rho"], row["groups"])
        for row in rows(connection, "emotion_similarity", **given)
    }
    some = [emotion for emotion in EMOTIONS if emotions == "all" or emotion != "fear"]
    cells: dict[str, Sequence[str]] = {"all": [*OF]} if within == "all" else dict(GROUPS)
    seen = 0
    for (a, b), (cell, groups) in ((pair, one) for pair in combinations(STATES, 2) for one in cells.items()):
        rhos = [rho for rho in correlations(a, b, groups, with_self, some) if rho is not None]
        rho, n = found.pop((frozenset((name_of(a), name_of(b))), cell), (None, 0))
        assert n == len(rhos)
        assert rho == pytest.approx(fmean(rhos)) if rhos else rho is None
        seen += len(rhos)
    assert found == {}
    assert seen > 100


def test_a_single_group_has_no_similarity(connection: duckdb.DuckDBPyConnection) -> None:
    found = rows(connection, "emotion_similarity", within="categories", self=True)
    assert {row["groups"] for row in found if row["category"] == "single"} == {0}
    assert {row["rho"] for row in found if row["category"] == "single"} == {None}


@pytest.mark.parametrize("with_self", [False, True])
def test_emotion_shift(connection: duckdb.DuckDBPyConnection, with_self: bool) -> None:
    found = rows(connection, "emotion_shift", self=with_self)
    expected: dict[tuple[str, str, float, str], list[tuple[float, int]]] = {}
    for state in TUNED:
        for category, groups in GROUPS.items():
            rhos = [
                rho for rho in correlations(State(state.model), state, groups, with_self, EMOTIONS) if rho is not None
            ]
            if rhos:
                key = (state.model, state.source, state.share, category)
                expected.setdefault(key, []).append((fmean(rhos), len(rhos)))
    seeds = []
    for row in found:
        runs = expected.pop((row["model"], row["source"], row["share"], row["category"]), [])
        assert row["runs"] == len(runs)
        if not runs:
            assert row["rho"] is None
            continue
        means = [rho for rho, _ in runs]
        assert row["rho"] == pytest.approx(fmean(means))
        assert row["change"] == pytest.approx(fmean(means) - 1)
        assert row["groups"] == min(n for _, n in runs)
        assert row["seed_sd"] == (pytest.approx(stdev(means)) if len(means) > 1 else None)
        seeds.append(len(means))
    assert expected == {}
    assert {1, 3} <= set(seeds)


def typical(words: Sequence[Word]) -> list[str]:
    """Attributes by typicality; by probability without a prior."""
    if any(word.prior is None for word in words):
        return [word.attribute for word in words]
    ordered = sorted(words, key=lambda word: ((word.prior or 0) - word.logprob, TOKENS[word.attribute]))
    return [word.attribute for word in ordered]


@pytest.mark.parametrize("counted", ["pairs", "published"])
def test_recall(connection: duckdb.DuckDBPyConnection, counted: str) -> None:
    found = rows(connection, "recall_at_k", rows=counted)
    by_cell = {(row["checkpoint"], row["category"], row["k"]): row for row in found}
    single = [one for one in WORLD.said if " " not in one.attribute]
    times = Counter((one.category, one.group, one.attribute) for one in single)
    assert max(times.values()) > 1
    seen = 0
    for state in STATES:
        for k in (1, 5, 10, 200):
            recalls = []
            for category in GROUPS:
                hits = pairs = 0
                of_groups = set()
                for (of, group, attribute), n in times.items():
                    words = WORLD.completed[state].get((of, group, COLLECTION))
                    if of != category or words is None or (counted == "published" and group in UNTEMPLATED):
                        continue
                    weight = n if counted == "published" else 1
                    pairs += weight
                    hits += weight * (attribute in typical(words)[:k])
                    of_groups.add(group)
                row = by_cell.get((name_of(state), category, k))
                assert (row is None) == (pairs == 0)
                if row:
                    assert (row["found"], row["pairs"], row["groups"]) == (hits, pairs, len(of_groups))
                    assert row["recall"] == pytest.approx(100 * hits / pairs)
                    recalls.append(row["recall"])
                    seen += hits
            assert by_cell[name_of(state), "mean", k]["recall"] == pytest.approx(fmean(recalls))
    assert seen > 50


def test_typicality_ranking(connection: duckdb.DuckDBPyConnection) -> None:
    found = rows(connection, "typicality_ranking", k=3)
    said = {(one.group, one.attribute) for one in WORLD.said}
    listed: dict[tuple[str, str], list[str]] = {}
    for row in found:
        listed.setdefault((row["checkpoint"], row["group_name"]), []).append(row["attribute"])
        assert row["prompt"] == PROMPT.format(row["group_name"])
        assert row["in_data"] == ((row["group_name"], row["attribute"]) in said)
        words = WORLD.completed[STATE_OF[row["checkpoint"]]][row["category"], row["group_name"], COLLECTION]
        word = words[row["rank"] - 1]
        assert row["attribute"] == word.attribute
        assert row["p"] == pytest.approx(np.exp(word.logprob))
        if word.prior is None:
            assert (row["prior_p"], row["typicality"]) == (None, None)
        else:
            assert row["prior_p"] == pytest.approx(np.exp(word.prior))
            assert row["typicality"] == pytest.approx(word.logprob - word.prior)
    assert listed == {
        (name_of(state), group): typical(words)[:3]
        for state in STATES
        for (_, group, form), words in WORLD.completed[state].items()
        if form == COLLECTION
    }


def test_template_agreement(connection: duckdb.DuckDBPyConnection) -> None:
    for row in rows(connection, "template_agreement"):
        state = STATE_OF[row["checkpoint"]]
        means, pairs = [], 0
        for group in OF if row["category"] == "all" else GROUPS[row["category"]]:
            compared = [
                len({*a} & {*b}) / len({*a} | {*b}) for a, b in combinations(templates_of(state, group).values(), 2)
            ]
            means += [fmean(compared)] if compared else []
            pairs += len(compared)
        assert (row["groups"], row["pairs"]) == (len(means), pairs)
        assert row["jaccard"] == pytest.approx(100 * fmean(means))


def test_lexicon_coverage_and_sentiment(connection: duckdb.DuckDBPyConnection) -> None:
    coverage = {(row["checkpoint"], row["category"]): row for row in rows(connection, "lexicon_coverage")}
    balance = {(row["checkpoint"], row["category"]): row for row in rows(connection, "sentiment_balance")}
    assert coverage.keys() == balance.keys()
    for (checkpoint, category), row in coverage.items():
        groups: Sequence[str] = [*OF] if category == "all" else GROUPS[category]
        known = [one for group in groups if (one := scores(STATE_OF[checkpoint], group))]
        shares = [100 * covered / words for words, covered, _ in known]
        assert row["groups"] == balance[checkpoint, category]["groups"] == len(known)
        assert [row[name] for name in ("words", "covered", "percent", "percent_min", "percent_max")] == pytest.approx(
            [
                fmean(words for words, _, _ in known),
                fmean(covered for _, covered, _ in known),
                fmean(shares),
                min(shares),
                max(shares),
            ]
        )
        signs = [100 * (of["positive"] - of["negative"]) for _, _, of in known]
        assert balance[checkpoint, category]["balance"] == pytest.approx(fmean(signs), abs=1e-9)


@pytest.mark.parametrize("n", [1, 3])
def test_attribute_shift(connection: duckdb.DuckDBPyConnection, n: int) -> None:
    found = {
        (row["checkpoint"], row["group_name"], row["attribute"]): (
            row["change"],
            row["templates_before"],
            row["templates_after"],
        )
        for row in rows(connection, "attribute_shift", n=n)
    }
    expected = {}
    gaps = 0
    for state in TUNED:
        for group in OF:
            before, after = templates_of(State(state.model), group), templates_of(state, group)
            gaps += before.keys() != after.keys()
            both = before.keys() & after.keys()
            counts = [Counter(word for form in both for word in set(forms[form][:n])) for forms in (before, after)]
            for word in {*counts[0], *counts[1]}:
                was, is_now = (count[word] for count in counts)
                change = "kept" if was and is_now else "removed" if was else "added"
                expected[name_of(state), group, word] = (change, was, is_now)
    assert gaps > 3
    assert found == expected


def test_counts_engines_and_examples(connection: duckdb.DuckDBPyConnection) -> None:
    for row in rows(connection, "stereotype_counts"):
        of = [one for one in WORLD.said if row["category"] in (one.category, "all")]
        single = [one for one in of if " " not in one.attribute]
        assert (row["stereotypes"], row["pairs"]) == (len(of), len({one[:3] for one in of}))
        assert row["groups"] == row["prompts"] == len({one.group for one in of})
        assert (row["single_words"], row["single_pairs"]) == (len(single), len({one[:3] for one in single}))
    engines = Counter(one.engine for one in WORLD.said)
    found = rows(connection, "stereotype_engines")
    assert {row["engine"]: row["stereotypes"] for row in found} == engines
    assert sum(row["percent"] for row in found) == pytest.approx(100)
    for row in rows(connection, "stereotype_examples"):
        of = [one for one in WORLD.said if one.group == row["group_name"]]
        times = Counter(one.attribute for one in of)
        ordered = sorted(times, key=lambda attribute: (-times[attribute], attribute))
        assert row["attributes"] == "; ".join(ordered)
        assert row["engines"] == (", ".join(sorted({one.engine for one in of} - {""})) or None)
        assert row["stereotypes"] == len(of)


def test_parameters_choose_checkpoints(connection: duckdb.DuckDBPyConnection) -> None:
    """Of a source, share or seed the pretrained models stay, which they are compared with."""
    frame = run(connection, "emotion_profiles", parameters={"model": "alpha", "source": "gazette", "seed": 1}).frame
    assert frame["checkpoint"].unique(maintain_order=True).to_list() == [
        name_of(state) for state in (ALPHA, State("alpha", "gazette", 0.25, 1), State("alpha", "gazette", 1.0, 1))
    ]
    some = frame.filter(pl.col("source").is_not_null())
    assert set(some["share"]) == {0.25, 1.0}
