"""Every measure of the stereotypes study against numpy and scipy, on random stores with ties and gaps."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from completed_groups import State, World, make
from scipy import stats
from scipy.spatial.distance import cosine

from mlv.queries import run
from mlv.schema.store.opening import connect

VOCABULARY = [f"word{number}" for number in range(30)]
EMOTIONS = ("anger", "fear", "joy", "negative", "positive")
STATES = [
    State("alpha"),
    State("alpha", "wire", 1.0, 1),
    State("alpha", "wire", 1.0, 2),
    State("alpha", "post", 0.25, 1),
    State("beta"),
]
GROUPS = [*(("trade", f"trade{n}") for n in range(12)), *(("age", f"age{n}") for n in range(4))]
FORMS = {
    "so": "why are {group} so [MASK] ?",
    "always-so": "why are {group} always so [MASK] ?",
    "all-so": "why are all {group} so [MASK] ?",
}


def drawn(seed: int) -> World:
    """A world in which groups have few words, so that many similarities tie; one has none that the lexicon has."""
    random = np.random.default_rng(seed)
    lexicon = {
        word: "".join(e[0] for e in EMOTIONS if random.random() < 0.35) for word in VOCABULARY if random.random() < 0.8
    }
    unknown = [word for word in VOCABULARY if word not in lexicon]
    words = {
        (state, group, form): list(
            random.permutation(unknown if (state.model, group) == ("beta", "age3") else VOCABULARY)[:4]
        )
        for state in STATES
        for (_, group), form in product(GROUPS, (*FORMS, "said"))
    }
    said = [
        (category, group, str(random.choice(VOCABULARY)), "Google")
        for category, group in GROUPS[:-1]
        for _ in range(int(random.integers(1, 6)))
    ]
    return World(GROUPS, FORMS, said, lexicon, EMOTIONS, STATES, lambda state, group, form: words[state, group, form])


@pytest.fixture(scope="module", params=[1, 2])
def world(request: pytest.FixtureRequest) -> World:
    return drawn(request.param)


@pytest.fixture(scope="module")
def store(world: World, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    path = folder / "world.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        make(connection, folder, world)
    return path


def asked(store: Path, query: str, **parameters: Any) -> pl.DataFrame:
    with connect(store) as connection:
        return run(connection, query, parameters=parameters).frame


def state_of(row: dict[str, Any]) -> State:
    return State(row["model"], row["source"] or "", row["share"], row["seed"] or 1)


def of_templates(world: World, state: State, group: str) -> set[str]:
    return {word for form in world.forms for word in world.words(state, group, form)}


def vector(world: World, state: State, group: str) -> np.ndarray | None:
    """Shares of emotions over the covered words."""
    covered = [word for word in of_templates(world, state, group) if word in world.lexicon]
    if not covered:
        return None
    return np.array([np.mean([e[0] in world.lexicon[word] for word in covered]) for e in world.emotions])


def rho(world: World, a: State, b: State, groups: Sequence[str], *, own: bool, emotions: slice) -> tuple[float, int]:
    """The mean of Spearman's correlations by scipy, and how many there are."""
    pairs = {g: (vector(world, a, g), vector(world, b, g)) for g in groups}
    there = {
        g: (x[emotions], y[emotions])
        for g, (x, y) in pairs.items()
        if x is not None and y is not None and x[emotions].any() and y[emotions].any()
    }
    found = []
    for group in there:
        rows = [
            [round(1 - cosine(there[group][side], there[other][side]), 12) for other in there if own or other != group]
            for side in (0, 1)
        ]
        if len(rows[0]) > 1 and all(len(set(row)) > 1 for row in rows):
            found.append(stats.spearmanr(*rows).statistic)
    return (float(np.mean(found)), len(found)) if found else (np.nan, 0)


def test_emotions_are_shares_of_the_covered_words(world: World, store: Path) -> None:
    rows = asked(store, "emotion_profiles").to_dicts()
    found: dict[tuple[State, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        found[state_of(row), row["group_name"]][row["emotion"]] = row
    for state, (_, group) in product(STATES, GROUPS):
        expected = vector(world, state, group)
        of_group = found.get((state, group))
        assert (of_group is None) == (expected is None)
        if of_group is None or expected is None:
            continue
        assert [of_group[e]["score"] for e in EMOTIONS] == pytest.approx(list(100 * expected))
        words = of_templates(world, state, group)
        assert {(row["words"], row["covered"]) for row in of_group.values()} == {
            (len(words), len(words & world.lexicon.keys()))
        }


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("emotions", ["all", "published"])
def test_similarities_are_scipys(world: World, store: Path, own: bool, emotions: str) -> None:
    kept = slice(None) if emotions == "all" else [0, 2, 3, 4]
    names = {1000 + number: state for number, state in enumerate(STATES, start=1) if state.source}
    names |= {100: STATES[0], 101: STATES[-1]}
    for within in ("all", "categories"):
        frame = asked(store, "emotion_similarity", self=own, emotions=emotions, within=within)
        cells = {"all"} if within == "all" else {"trade", "age"}
        assert frame.height == 10 * len(cells)
        for row in frame.to_dicts():
            groups = [group for category, group in GROUPS if row["category"] in ("all", category)]
            a, b = names[row["checkpoint_id_a"]], names[row["checkpoint_id_b"]]
            expected, n = rho(world, a, b, groups, own=own, emotions=kept)  # type: ignore[arg-type]
            assert row["groups"] == n
            assert row["rho"] == (pytest.approx(expected, abs=1e-9) if n else None)


def test_shifts_are_means_over_seeds(world: World, store: Path) -> None:
    for row in asked(store, "emotion_shift").to_dicts():
        groups = [group for category, group in GROUPS if category == row["category"]]
        states = [state for state in STATES if (state.source, state.share) == (row["source"], row["share"])]
        found = [rho(world, STATES[0], state, groups, own=False, emotions=slice(None)) for state in states]
        assert row["runs"] == len(found) == (2 if row["source"] == "wire" else 1)
        assert row["rho"] == pytest.approx(np.mean([value for value, _ in found]), abs=1e-9)
        assert row["change"] == pytest.approx(row["rho"] - 1)
        assert row["groups"] == min(n for _, n in found)
        if len(found) > 1:
            assert row["seed_sd"] == pytest.approx(np.std([value for value, _ in found], ddof=1))
        else:
            assert row["seed_sd"] is None


@pytest.mark.parametrize("rows", ["pairs", "published"])
def test_recall_is_a_share_of_what_people_say(world: World, store: Path, rows: str) -> None:
    said = list(world.said) if rows == "published" else list(dict.fromkeys(world.said))
    frame = asked(store, "recall_at_k", rows=rows)
    assert set(frame["k"]) == {1, *range(5, 201, 5)}
    for row in asked(store, "recall_at_k", rows=rows, k=[2]).to_dicts():
        state = state_of(row)
        first = {group: {world.words(state, group, "said")[place] for place in (0, 1)} for _, group in GROUPS}
        shares = {}
        for category in ("trade", "age"):
            hits = [attribute in first[group] for of, group, attribute, _ in said if of == category]
            shares[category] = np.mean(hits)
            if category == row["category"]:
                assert (row["found"], row["pairs"]) == (sum(hits), len(hits))
        expected = np.mean(list(shares.values())) if row["category"] == "mean" else shares[row["category"]]
        assert row["recall"] == pytest.approx(100 * expected)


def test_coverage_and_balance(world: World, store: Path) -> None:
    coverage = {(state_of(row), row["category"]): row for row in asked(store, "lexicon_coverage").to_dicts()}
    balance = {
        (state_of(row), row["category"]): row for row in asked(store, "sentiment_balance", ci="groups").to_dicts()
    }
    for state, wanted in product(STATES, ("trade", "age", "all")):
        groups = [group for category, group in GROUPS if wanted in ("all", category)]
        vectors = {group: found for group in groups if (found := vector(world, state, group)) is not None}
        shares = [
            len(of_templates(world, state, group) & world.lexicon.keys()) / len(of_templates(world, state, group))
            for group in vectors
        ]
        row = coverage[state, wanted]
        assert [row["percent"], row["percent_min"], row["percent_max"]] == pytest.approx(
            [100 * np.mean(shares), 100 * min(shares), 100 * max(shares)]
        )
        assert row["groups"] == len(shares)
        differences = [100 * (found[4] - found[3]) for found in vectors.values()]
        row = balance[state, wanted]
        assert row["balance"] == pytest.approx(np.mean(differences))
        if len(differences) >= 10:
            low, high = stats.t.interval(0.95, len(differences) - 1, np.mean(differences), stats.sem(differences))
            assert [row["balance_low"], row["balance_high"]] == pytest.approx([low, high], abs=1e-3)
        else:
            assert row["balance_low"] is None


def test_templates_share_what_jaccard_says(world: World, store: Path) -> None:
    for row in asked(store, "template_agreement").to_dicts():
        state = state_of(row)
        of_groups = []
        for category, group in GROUPS:
            if row["category"] in ("all", category):
                sets = [set(world.words(state, group, form)) for form in FORMS]
                of_groups.append(np.mean([len(a & b) / len(a | b) for a, b in combinations(sets, 2)]))
        assert row["jaccard"] == pytest.approx(100 * np.mean(of_groups))
        assert (row["pairs"], row["groups"]) == (3 * len(of_groups), len(of_groups))


def test_shifted_attributes_are_those_of_the_sets(world: World, store: Path) -> None:
    found: dict[tuple[State, str], set[tuple[str, str]]] = defaultdict(set)
    for row in asked(store, "attribute_shift", n=3).to_dicts():
        found[state_of(row), row["group_name"]].add((row["change"], row["attribute"]))
    for state, (_, group) in product(STATES[1:4], GROUPS):
        before, after = (
            {word for form in FORMS for word in world.words(one, group, form)[:3]} for one in (STATES[0], state)
        )
        assert found[state, group] == {
            *(("removed", word) for word in before - after),
            *(("added", word) for word in after - before),
            *(("kept", word) for word in before & after),
        }


def test_rankings_are_in_order(store: Path) -> None:
    frame = asked(store, "typicality_ranking", k=3)
    assert set(frame["typicality_rank"]) == {1, 2, 3}
    for rows in frame.partition_by("checkpoint_id", "prompt"):
        places = rows["typicality_rank"].to_list()
        assert all(a < b for a, b in pairwise(places))
        assert rows["typicality"].to_list() == pytest.approx((rows["p"] / rows["prior_p"]).log().to_list())
