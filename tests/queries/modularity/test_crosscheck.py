"""The queries about masks against a second implementation with numpy and scipy, on drawn worlds."""

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from masked_texts import LANGUAGES, OWN, MaskedTexts, Predictions, Pruning, Trace, Training, World
from scipy import stats

from mlv.queries import run
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.store.opening import connect

DIRECTIONS: Final = ("positive", "negative")
TESTED: Final = tuple(range(1, 41))
KEYS: Final = {"de": TESTED, "en": TESTED[:12], "ko": TESTED[5:]}
"""Of texts that are traced; 12 have an exact test, 40 most often the normal approximation."""

RANDOM = np.random.default_rng(5)


def _counts() -> tuple[str, str]:
    """Six examples, in either direction, of three languages."""
    found = [np.bincount(RANDOM.integers(0, 3, 6), minlength=3) for _ in DIRECTIONS]
    return tuple("".join(map(str, counts)) for counts in found)  # type: ignore[return-value]


def _traced(epochs: Sequence[int | None] = (None,), left_out: int = 0) -> dict[tuple[str, int, int | None], Any]:
    return {
        (code, key, epoch): _counts()
        for code, keys in KEYS.items()
        for key in keys
        if key != left_out
        for epoch in epochs
    }


def _drawn_mask(enabled: int) -> Mask:
    places = np.zeros(15, bool)
    places[RANDOM.choice(15, enabled, replace=False)] = True
    return Mask.of(places.reshape(3, 5).tolist())


def _right() -> dict[str, list[int]]:
    return {code: [key for key in TESTED if RANDOM.random() < 0.6] for code in LANGUAGES}


def _world() -> World:
    prunings = {
        f"prune-{code}": Pruning(f"only-{code}", code, _drawn_mask(enabled), 0.9, [(12, 0.9, True)])
        for code, enabled in zip(LANGUAGES, (6, 9, 8), strict=True)
    }
    shuffled = [
        Subnetwork(
            name=f"shuffled(prune-de,{seed})", mask=_drawn_mask(6), origin="shuffled", parts=("prune-de",), seed=seed
        )
        for seed in range(1, 6)
    ]
    return World(
        TESTED,
        {
            "full": Training(epochs=2),
            "sparse": Training(masks=OWN, epochs=3),
            **{f"only-{code}": Training((code,)) for code in LANGUAGES},
        },
        prunings,
        shuffled,
        {
            "ask": Predictions("full", 2, _right()),
            "ask-masked": Predictions("full", 2, _right(), OWN),
            **{f"ask-sparse-{epoch}": Predictions("sparse", epoch, _right(), OWN) for epoch in (1, 2, 3)},
        },
        {
            "trace-full": Trace("full", _traced()),
            "trace-again": Trace("full", _traced(), directions=7),
            "trace-masked": Trace("full", _traced(left_out=8), OWN),
            **{f"trace-{one.seed}": Trace("full", _traced(), {"de": one.name}) for one in shuffled},
            "trace-sparse": Trace("sparse", _traced((None, 1, 2, 3), left_out=9), OWN),
        },
    )


WORLD: Final = _world()
TOP_K: Final = 6


@pytest.fixture(scope="module")
def connection(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("masked") / "store.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        MaskedTexts(connection, WORLD)
        yield connection


def _rows(connection: duckdb.DuckDBPyConnection, query: str, keys: tuple[str, ...], **given: Any) -> dict[Any, Any]:
    frame = run(connection, query, parameters=given).frame
    rows = {tuple(row[key] for key in keys): row for row in frame.iter_rows(named=True)}
    assert len(rows) == frame.height
    return rows


def _shares(trace: str, direction: str, language: str, trained: str, epoch: int | None = None) -> dict[int, float]:
    """By key of a text the percentage of its examples that are in a language."""
    place, at = DIRECTIONS.index(direction), LANGUAGES.index(trained)
    return {
        key: 100 * int(lists[place][at]) / TOP_K
        for (code, key, of), lists in WORLD.traces[trace].ranked.items()
        if (code, of) == (language, epoch)
    }


def _changes(trace: str, full: str, direction: str, language: str, trained: str) -> list[float]:
    """Of the texts that both trace, in the order of their keys."""
    before, after = (_shares(run, direction, language, trained) for run in (full, trace))
    return [after[key] - before[key] for key in sorted(before.keys() & after.keys())]


def _holm(values: dict[Any, float]) -> dict[Any, float]:
    corrected, last = {}, 0.0
    for place, (key, p) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        last = max(last, min(1.0, (len(values) - place) * p))
        corrected[key] = last
    return corrected


def _wilcoxon(changes: Sequence[float]) -> float | None:
    """Two-sided: up to 25 changes by the ranks' sum under all signs, ties and all, else by the normal approximation."""
    moved = np.array([change for change in np.round(changes, 9) if change])
    if len(moved) < 6:
        return None
    if len(moved) > 25:
        return float(stats.wilcoxon(moved, zero_method="wilcox", correction=False, method="asymptotic").pvalue)
    twice = np.rint(2 * stats.rankdata(abs(moved))).astype(int)
    ways = np.ones(1)
    for rank in twice:
        ways = np.convolve(ways, np.eye(rank + 1)[0] + np.eye(rank + 1)[rank])
    found = int(twice[moved > 0].sum())
    return float(min(1.0, 2 * min(ways[: found + 1].sum(), ways[found:].sum()) / ways.sum()))


CELL = ("run", "full_run", "direction", "language", "ft_language")


def test_changes_under_masks(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "contribution_change", CELL)
    every = set(product(DIRECTIONS, LANGUAGES, LANGUAGES))
    expected = {("trace-masked", *cell) for cell in every} | {("trace-sparse", *cell) for cell in every}
    expected |= {("trace-again", *cell) for cell in every}
    expected |= {(f"trace-{seed}", *cell) for seed in range(1, 6) for cell in every if cell[1] == "de"}
    # what is traced of a language without a mask is in a run with masks of others, too
    expected |= {(f"trace-{seed}", *cell) for seed in range(1, 6) for cell in every}
    assert {(trace, *cell) for trace, full, *cell in rows} == expected
    assert {full for _, full, *_ in rows} == {"trace-full"}
    tests: dict[Any, dict[Any, float]] = {}
    for key, row in rows.items():
        changes = _changes(*key)
        before = _shares("trace-full", *key[2:])
        assert row["targets"] == len(changes)
        assert row["change"] == pytest.approx(fmean(changes))
        assert row["contribution_masked"] - row["contribution_full"] == pytest.approx(fmean(changes))
        if len(before) == len(changes):
            assert row["contribution_full"] == pytest.approx(fmean(before.values()))
        assert row["changed"] == sum(abs(change) > 1e-9 for change in changes)
        p = _wilcoxon(changes)
        assert row["wilcoxon_p"] == (None if p is None else pytest.approx(p, rel=1e-9))
        if p is not None:
            tests.setdefault(key[:3], {})[key] = p
    exact = [row["changed"] <= 25 for row in rows.values() if row["wilcoxon_p"]]
    assert any(exact)
    assert not all(exact)
    for family in tests.values():
        for key, p in _holm(family).items():
            assert rows[key]["p_holm"] == pytest.approx(p, rel=1e-9)


def test_what_the_mask_is_to_the_language(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "contribution_change", CELL)
    said = {(trace, language): row["masks"] for (trace, _, _, language, _), row in rows.items()}
    assert {said["trace-masked", code] for code in LANGUAGES} == {"identified"}
    assert {said["trace-again", code] for code in LANGUAGES} == {"noise"}
    assert (said["trace-1", "de"], said["trace-1", "en"]) == ("shuffled", "none")
    only = run(connection, "contribution_change", parameters={"masks": "shuffled"}).frame
    assert set(only["masks"]) == {"shuffled"}
    assert {row["training"] for key, row in rows.items() if key[0] == "trace-sparse"} == {"identified"}


def test_noise_and_shuffles_stand_beside(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "contribution_change", CELL)
    for key, row in rows.items():
        noise = [fmean(_changes("trace-again", "trace-full", key[2], *pair)) for pair in product(LANGUAGES, LANGUAGES)]
        assert row["noise"] == pytest.approx(np.sqrt(np.mean(np.square(noise))))
        if (key[0], key[3]) != ("trace-masked", "de"):
            assert (row["shuffles"], row["shuffled_p"]) == (None, None)
            continue
        by_chance = [fmean(_changes(f"trace-{seed}", *key[1:])) for seed in range(1, 6)]
        assert row["shuffles"] == 5
        assert row["shuffled_p"] == pytest.approx((1 + sum(change >= row["change"] - 1e-9 for change in by_chance)) / 6)


def test_intervals_are_the_jackknifes_over_texts(connection: duckdb.DuckDBPyConnection) -> None:
    """As docs/statistics.md has it: by Student's t, a text and its translations being one battery."""
    rows = _rows(connection, "contribution_change", CELL, ci="questions")
    for key, row in rows.items():
        changes = np.array(_changes(*key))
        n = len(changes)
        without = (changes.sum() - changes) / (n - 1)
        half = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) * without.var())
        assert (row["change_low"], row["change_high"]) == pytest.approx(
            (changes.mean() - half, changes.mean() + half), rel=1e-3, abs=1e-6
        )


def test_specialization_is_the_own_part_of_it(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "specialization", ("run", "direction", "language", "epoch"), ci="questions")
    for (trace, direction, language, epoch), row in rows.items():
        own = _shares(trace, direction, language, language, epoch)
        masked = bool(WORLD.traces[trace].masks)
        full = _shares("trace-full", direction, language, language, epoch) if masked else {}
        assert row["full_run"] == ("trace-full" if masked else None)
        taken = sorted(own.keys() & full.keys()) if full else sorted(own)
        assert row["targets"] == len(taken)
        assert row["own_share"] == pytest.approx(fmean(own[key] for key in taken))
        assert row["examples_share"] == pytest.approx(100 / 3)
        assert row["lift"] == pytest.approx(row["own_share"] / row["examples_share"])
        assert row["own_share_low"] <= row["own_share"] <= row["own_share_high"]
        if full:
            changes = [own[key] - full[key] for key in taken]
            assert row["gain"] == pytest.approx(fmean(changes))
            assert row["gain_low"] <= row["gain"] <= row["gain_high"]
        else:
            assert (row["full_share"], row["gain"], row["gain_low"]) == (None, None, None)
    assert {key[3] for key in rows if key[0] == "trace-sparse"} == {None, 1, 2, 3}


def _spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    return float(stats.spearmanr(*(np.round(np.asarray(values, float), 9) for values in (x, y))).statistic)


def test_own_shares_and_accuracies_of_epochs(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "specialization_performance", ("run", "direction"), permutations=4000)
    assert set(rows) == {("trace-sparse", direction) for direction in DIRECTIONS}
    points = run(connection, "specialization_performance", parameters={"points": "true"}).frame
    assert points.height == 2 * 9
    places = list(product(LANGUAGES, (1, 2, 3)))
    accuracy = [100 * len(WORLD.predictions[f"ask-sparse-{epoch}"].right[code]) / len(TESTED) for code, epoch in places]
    for (_, direction), row in rows.items():
        own = [fmean(_shares("trace-sparse", direction, code, code, epoch).values()) for code, epoch in places]
        shown = points.filter(direction=direction)
        assert shown["own_share"].to_list() == pytest.approx(own)
        assert shown["accuracy"].to_list() == pytest.approx(accuracy)
        assert row["n"] == 9
        assert row["spearman"] == pytest.approx(_spearman(own, accuracy))
        assert row["pearson"] == pytest.approx(np.corrcoef(own, accuracy)[0, 1])
        moved = [np.reshape(accuracy, (3, 3))[list(order)].ravel() for order in permutations(range(3))]
        beyond = [abs(_spearman(own, one)) >= abs(row["spearman"]) - 1e-9 for one in moved]
        # of all orders of three languages a share, of which 4,000 are drawn
        assert row["p_value"] == pytest.approx(np.mean(beyond), abs=0.03)


def _cosine(one: Mask, other: Mask, layer: int | None) -> float | None:
    a, b = (np.array(mask.rows(), float)[slice(layer and layer - 1, layer)].ravel() for mask in (one, other))
    return float(a @ b / np.sqrt(a.sum() * b.sum())) if a.any() and b.any() else None


def test_overlap_and_influence(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "overlap_influence", ("run", "direction", "layer"), permutations=4000)
    assert {trace for trace, _, _ in rows} == {"trace-masked", "trace-sparse"}
    pairs = [pair for pair in product(LANGUAGES, LANGUAGES) if pair[0] != pair[1]]
    masks = {code: WORLD.prunings[name].mask for code, name in OWN.items()}
    for (trace, direction, layer), row in rows.items():
        cosines = {pair: _cosine(masks[pair[0]], masks[pair[1]], layer) for pair in pairs}
        influence = {pair: fmean(_shares(trace, direction, *pair).values()) for pair in pairs}
        known = [pair for pair in pairs if cosines[pair] is not None]
        assert row["n"] == len(known)
        xs, ys = [cosines[pair] for pair in known], [influence[pair] for pair in known]
        if row["spearman"] is None:
            assert np.ptp(np.round(xs, 12)) == 0  # type: ignore[arg-type]
            continue
        assert row["spearman"] == pytest.approx(_spearman(xs, ys))  # type: ignore[arg-type]
        assert row["pearson"] == pytest.approx(np.corrcoef(xs, ys)[0, 1])  # type: ignore[arg-type]
        if len(known) < len(pairs):
            assert row["p_value"] is None
            continue
        beyond = []
        for order in permutations(LANGUAGES):
            named = dict(zip(LANGUAGES, order, strict=True))
            moved = [cosines[named[one], named[other]] for one, other in pairs]
            beyond.append(abs(_spearman(moved, ys)) >= abs(row["spearman"]) - 1e-9)  # type: ignore[arg-type]
        assert row["p_value"] == pytest.approx(np.mean(beyond), abs=0.03)


def test_overlap_and_head_sharing(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "mask_overlap", ("layer", "language_a", "language_b"))
    assert len(rows) == 4 * 3
    for (layer, one, other), row in rows.items():
        a, b = (
            np.array(WORLD.prunings[OWN[code]].mask.rows())[slice(layer and layer - 1, layer)] for code in (one, other)
        )
        shared = int((a & b).sum())
        assert (row["enabled_a"], row["enabled_b"], row["shared"], row["heads"]) == (a.sum(), b.sum(), shared, a.size)
        assert row["expected_shared"] == pytest.approx(stats.hypergeom.mean(a.size, a.sum(), b.sum()))
        assert row["p_value"] == pytest.approx(stats.hypergeom.sf(shared - 1, a.size, a.sum(), b.sum()))
        either = (a | b).sum()
        assert row["jaccard"] == (pytest.approx(shared / either) if either else None)
    heads = _rows(connection, "head_sharing", ("layer", "attention_head"))
    for (layer, head), row in heads.items():
        needing = [code for code in LANGUAGES if WORLD.prunings[OWN[code]].mask.rows()[layer - 1][head - 1]]
        assert (row["languages"], row["n"]) == (",".join(needing) or None, len(needing))


def test_accuracy_under_masks(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "subnetwork_accuracy", ("run", "language"))
    assert set(rows) == set(product(("full", "sparse"), LANGUAGES))
    for code in LANGUAGES:
        masked, plain = (set(WORLD.predictions[name].right[code]) for name in ("ask-masked", "ask"))
        row = rows["full", code]
        assert row["accuracy"] == pytest.approx(100 * len(masked) / len(TESTED))
        assert row["accuracy_full"] == pytest.approx(100 * len(plain) / len(TESTED))
        alone, without = len(masked - plain), len(plain - masked)
        assert (row["right_masked"], row["right_full"]) == (alone, without)
        assert row["change"] == pytest.approx(100 * (alone - without) / len(TESTED))
        assert row["mcnemar_p"] == pytest.approx(stats.binomtest(alone, alone + without).pvalue)
        assert row["majority"] == 50
        low = stats.binomtest(len(masked), len(TESTED)).proportion_ci(method="wilson").low
        assert row["accuracy_low"] == pytest.approx(100 * low, rel=1e-5)
        assert row["at_chance"] == (100 * low <= 50)
        assert rows["sparse", code]["mcnemar_p"] is None
    earlier = _rows(connection, "subnetwork_accuracy", ("run", "language"), epoch=1)
    right = WORLD.predictions["ask-sparse-1"].right
    assert {code: row["accuracy"] for (_, code), row in earlier.items()} == pytest.approx(
        {code: 100 * len(keys) / len(TESTED) for code, keys in right.items()}
    )


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ('{"attribution": {"gradients": {"dimensions": 32}}}', {"trace-masked"}),
        ('{"attribution": {"gradients": {"seed": 5}}}', {"trace-masked"}),
        ('{"top_k": 7}', {"trace-masked"}),
        ('{"selection": "chosen"}', set()),
        ('{"training_masks": "own"}', set()),
    ],
)
def test_only_runs_that_differ_in_masks_alone_are_paired(
    connection: duckdb.DuckDBPyConnection, change: str, lost: set[str]
) -> None:
    def runs() -> set[str]:
        return set(run(connection, "contribution_change").frame["run"])

    before = runs()
    connection.execute("BEGIN")
    connection.execute("UPDATE run SET spec = json_merge_patch(spec, ?) WHERE name = 'trace-masked'", [change])
    after = runs()
    connection.execute("ROLLBACK")
    assert before - after == lost


def test_a_deleted_subnetwork_is_unknown(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN")
    connection.execute("DELETE FROM subnetwork WHERE name = 'shuffled(prune-de,1)'")
    rows = run(connection, "contribution_change", parameters={"run": "trace-1"}).frame.filter(language="de")
    connection.execute("ROLLBACK")
    assert set(rows["masks"]) == {"unknown"}


def _sharing(shared: int, first: int, second: int) -> tuple[Mask, Mask]:
    """Two masks of 12 x 12 heads that enable so many each, and share so many."""
    places = np.arange(144)
    one = np.reshape(places < first, (12, 12))
    other = np.reshape((places >= first - shared) & (places < first - shared + second), (12, 12))
    return Mask.of(one.tolist()), Mask.of(other.tolist())


@pytest.mark.parametrize(
    ("enabled", "shared", "shares"),
    [((102, 88), 77, (75, 88)), ((74, 102), 74, (100, 73))],
    ids=["PAWS-X de and en", "XNLI de and en"],
)
def test_the_papers_shares_follow_from_its_counts(
    empty_store: Path, tmp_path: Path, enabled: tuple[int, int], shared: int, shares: tuple[int, int]
) -> None:
    """D5 appendix C.1: what it prints of two pairs is what its Table C.1 gives with so many shared heads."""
    path = tmp_path / "store.duckdb"
    path.write_bytes(empty_store.read_bytes())
    masks = _sharing(shared, *enabled)
    prunings = {
        f"prune-{code}": Pruning(f"only-{code}", code, one, 0.9, [(144, 0.9, True)])
        for code, one in zip(("de", "en"), masks, strict=True)
    }
    world = World((1,), {f"only-{code}": Training((code,)) for code in ("de", "en")}, prunings, [], {}, {})
    with connect(path, read_only=False) as connection:
        MaskedTexts(connection, world)
        (whole,) = (row for row in run(connection, "mask_overlap").frame.iter_rows(named=True) if row["layer"] is None)
        sparsity = run(connection, "mask_sparsity").frame["disabled"].to_list()
    assert (whole["enabled_a"], whole["enabled_b"], whole["shared"]) == (*enabled, shared)
    assert (round(whole["share_of_a"]), round(whole["share_of_b"])) == shares
    assert sparsity == [144 - one for one in enabled]
    assert [disabled % 14 for disabled in sparsity] == [0, 0]
