"""Intervals by group: against numpy and scipy, and how often they cover what they should, over 200 worlds of groups.

A category of a store is a world: one answer of a query has all of them.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl
import pytest
from by_battery import Numbers, fisher_z, holm, interval, jackknife
from completed_rows import enter_checkpoint, enter_run, insert
from scipy import stats

from mlv.ingest.writing.reference import ensure_language
from mlv.queries import run
from mlv.schema.store.opening import connect
from mlv.schema.store.rows import append

WORLDS: Final = 200
GROUPS: Final = 20
EMOTIONS: Final = ("anger", "fear", "joy", "negative", "positive")
SHARED: Final = 0.7
"""Of what tells groups apart in one model, the part that is so in the other, too."""

FOUND: Final = 0.3
"""Share of the stereotypes that a model finds, mean over the groups."""

ALPHA, BETA, FIRST, SECOND = 1, 2, 11, 12
"""Keys of checkpoints: two models, and two runs from the first, which has forgotten everything after them."""

RANDOM = np.random.default_rng(3)


def _vectors(groups: int, common: Numbers, share: float) -> Numbers:
    """Shares of emotions of groups that have a part in common with others, [groups, emotions]."""
    own = RANDOM.normal(size=(groups, len(EMOTIONS)))
    found: Numbers = 1 / (1 + np.exp(-(share * common + np.sqrt(1 - share**2) * own - 0.5)))
    return found


def _scores(groups: int) -> dict[int, Numbers]:
    """Vectors by checkpoint."""
    common = RANDOM.normal(size=(groups, len(EMOTIONS)))
    return {key: _vectors(groups, common, SHARED if key in (ALPHA, BETA) else 0.0) for key in (ALPHA, BETA, 11, 12)}


SCORES: Final = [_scores(GROUPS) for _ in range(WORLDS)]
SAID: Final = [RANDOM.integers(1, 9, GROUPS) for _ in range(WORLDS)]
"""Stereotypes of each group."""

HITS: Final = [RANDOM.binomial(said, RANDOM.beta(1.5, 3.5, GROUPS)) for said in SAID]
"""Those that the first model finds."""


@pytest.fixture(scope="module")
def connection(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("groups") / "worlds.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        _enter_runs(connection)
        _enter_groups(connection)
        yield connection


def _enter_runs(connection: duckdb.DuckDBPyConnection) -> None:
    english = ensure_language(connection, "en")
    insert(connection, "source", source_id=1, code="gazette", name="gazette", domain="news", citation="")
    made: dict[str, Any] = dict.fromkeys(("edition", "licence", "origin", "columns", "sha256"), "")
    insert(connection, "corpus", corpus_id=1, source_id=1, language_id=english, **made)
    for key in (ALPHA, BETA):
        of_model = {"revision": "", "digest": str(key), "architecture": "bert", "parameters": key, "vocabulary": 9}
        insert(connection, "base_model", base_model_id=key, name=f"model-{key}", adapter="", **of_model)
        enter_checkpoint(connection, key, key, None)
    for key in (FIRST, SECOND):
        enter_run(connection, key, "finetune", ALPHA, '{"articles":40,"objective":"masked_words"}', key)
        insert(connection, "run_corpus", run_id=key, corpus_id=1, segments=4)
        enter_checkpoint(connection, key, ALPHA, key)
    insert(connection, "group_list", group_list_id=1, code="own")
    for key in (ALPHA, BETA, FIRST, SECOND):
        enter_run(connection, 100 + key, "complete", key, "{}")
        insert(connection, "completion_run", run_id=100 + key, group_list_id=1, prior="one_mask", top_k=10)


def _enter_groups(connection: duckdb.DuckDBPyConnection) -> None:
    english = ensure_language(connection, "en")
    kept = {"citation": "", "licence": "", "sha256": ""}
    insert(
        connection,
        "stereotype_collection",
        stereotype_collection_id=1,
        code="said",
        group_list_id=1,
        language_id=english,
        **kept,
    )
    emotions = ",".join(EMOTIONS)
    insert(
        connection,
        "lexicon",
        lexicon_id=1,
        code="own",
        may_be_passed_on=True,
        emotions=emotions,
        is_complete=True,
        **kept,
    )
    keys = {place: number for number, place in enumerate(product(range(WORLDS), range(GROUPS)), start=1)}
    groups = pl.DataFrame(
        [(key, 1, f"world{world:03}", f"group{group}", "people") for (world, group), key in keys.items()],
        schema=["social_group_id", "group_list_id", "category", "name", "kind"],
        orient="row",
    )
    append(connection, "social_group", groups)
    clozes = groups.select(
        "social_group_id",
        cloze_id="social_group_id",
        language_id=pl.lit(english),
        form=pl.lit("said"),
        stereotype_collection_id=pl.lit(1),
        text=pl.col("name") + " are so [MASK]",
    )
    append(connection, "cloze", clozes)
    scores = [
        (100 + checkpoint, 1, key, emotion, 10, 10, float(vectors[group, place]))
        for (world, group), key in keys.items()
        for checkpoint, vectors in SCORES[world].items()
        for place, emotion in enumerate(EMOTIONS)
    ]
    names = ["run_id", "lexicon_id", "social_group_id", "emotion", "words", "covered", "score"]
    append(connection, "emotion_score", pl.DataFrame(scores, schema=names, orient="row"))
    words = [
        (key, f"word{number}", bool(number <= HITS[world][group]))
        for (world, group), key in keys.items()
        for number in range(1, SAID[world][group] + 1)
    ]
    said = pl.DataFrame(words, schema=["cloze_id", "attribute", "found"], orient="row")
    rows = said.select("cloze_id", "attribute").with_row_index("line", 1)
    of_collection = rows.with_columns(stereotype_collection_id=pl.lit(1), words=pl.lit(1), engine=pl.lit(""))
    append(connection, "stereotype", of_collection)
    found = said.filter("found").select("cloze_id", "attribute", rank=pl.int_range(pl.len()).over("cloze_id") + 2)
    every = pl.concat([clozes.select("cloze_id", attribute=pl.lit("other"), rank=pl.lit(1, pl.Int64)), found])
    completed = every.with_columns(run_id=pl.lit(100 + ALPHA), token="rank", logprob=-pl.col("rank").cast(pl.Float64))
    append(connection, "completion", completed)


def _rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    frame = run(connection, name, parameters={"ci": "groups", **parameters}).frame
    assert frame.height > 0
    found: list[dict[str, Any]] = frame.to_dicts()
    return found


def _world(row: dict[str, Any]) -> int:
    return int(row["category"].removeprefix("world"))


def _ranks(vectors: Numbers) -> list[Numbers]:
    """Of each group the ranks of its similarities to the others, by group; its own is missing."""
    unit = vectors / np.sqrt((vectors**2).sum(axis=1))[:, None]
    similarities = np.round(unit @ unit.T, 12)
    np.fill_diagonal(similarities, np.nan)
    return [stats.rankdata(row, nan_policy="omit") for row in similarities]


def _rhos(first: Numbers, second: Numbers) -> Numbers:
    """The mean correlation as it is and without each group: ranks stay as they are, [1 + groups]."""
    pairs = list(zip(_ranks(first), _ranks(second), strict=True))

    def mean_without(*left_out: int) -> float:
        rhos = []
        for group, (x, y) in enumerate(pairs):
            if group not in left_out:
                kept = [place for place in range(len(x)) if place not in (group, *left_out)]
                rhos.append(np.corrcoef(x[kept], y[kept])[0, 1])
        return float(np.mean(rhos))

    return np.array([mean_without(), *map(mean_without, range(len(pairs)))])


def _covered(rows: list[dict[str, Any]], value: str, truth: float) -> float:
    return float(np.mean([row[f"{value}_low"] <= truth <= row[f"{value}_high"] for row in rows]))


ITEMS: Final = np.array([GROUPS, *[GROUPS - 1] * GROUPS], dtype=float)


def test_similarity_of_models(connection: duckdb.DuckDBPyConnection) -> None:
    every = _rows(connection, "emotion_similarity", within="categories")
    rows = [row for row in every if (row["checkpoint_id_a"], row["checkpoint_id_b"]) == (ALPHA, BETA)]
    assert len(rows) == WORLDS
    for row in rows[:25]:
        scores = SCORES[_world(row)]
        rhos = _rhos(scores[ALPHA], scores[BETA])
        assert row["rho"] == pytest.approx(rhos[0])
        assert [row["rho_low"], row["rho_high"]] == pytest.approx(interval(rhos, ITEMS, "rho"), abs=1e-6)
    # of as many groups as there could be
    large = _scores(1_500)
    truth = float(
        np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(*(_all_ranks(large[k]) for k in (1, 2)), strict=True)])
    )
    assert 0.15 < truth < 0.6
    assert _covered(rows, "rho", truth) == pytest.approx(0.95, abs=0.04)


def _all_ranks(vectors: Numbers) -> list[Numbers]:
    return [row[~np.isnan(row)] for row in _ranks(vectors)]


def test_shift_of_a_model(connection: duckdb.DuckDBPyConnection) -> None:
    """Of models that have forgotten everything: the mean over two runs, and p of a rho of 0."""
    rows = _rows(connection, "emotion_shift")
    assert len(rows) == WORLDS
    p = []
    for row in rows:
        assert (row["runs"], row["groups"]) == (2, GROUPS)
        assert row["change_low"] == pytest.approx(row["rho_low"] - 1)
        assert row["change_high"] == pytest.approx(row["rho_high"] - 1)
        p.append(row["p"])
    assert [row["p_holm"] for row in rows] == pytest.approx(holm(p))
    for row in rows[:25]:
        scores = SCORES[_world(row)]
        rhos = (_rhos(scores[ALPHA], scores[FIRST]) + _rhos(scores[ALPHA], scores[SECOND])) / 2
        assert row["rho"] == pytest.approx(rhos[0])
        assert [row["rho_low"], row["rho_high"]] == pytest.approx(interval(rhos, 2 * ITEMS, "rho"), abs=1e-6)
        assert row["p"] == pytest.approx(jackknife(fisher_z(rhos), 2 * ITEMS).p, abs=1e-6)
    assert _covered(rows, "rho", 0.0) == pytest.approx(0.95, abs=0.04)
    assert np.mean(np.array(p) < 0.05) < 0.09


def test_balance_of_sentiments(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [
        row
        for row in _rows(connection, "sentiment_balance")
        if row["checkpoint_id"] == BETA and row["category"] != "all"
    ]
    for row in rows:
        vectors = SCORES[_world(row)][BETA]
        differences = 100 * (vectors[:, EMOTIONS.index("positive")] - vectors[:, EMOTIONS.index("negative")])
        ends = stats.t.interval(0.95, GROUPS - 1, differences.mean(), stats.sem(differences))
        assert [row["balance_low"], row["balance_high"]] == pytest.approx(ends, abs=1e-3)
    assert len(rows) == WORLDS
    assert _covered(rows, "balance", 0.0) == pytest.approx(0.95, abs=0.04)


def test_recall(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [row for row in _rows(connection, "recall_at_k", k=[200]) if row["category"] != "mean"]
    assert len(rows) == WORLDS
    for row in rows:
        hits, said = HITS[_world(row)], SAID[_world(row)]
        assert (row["found"], row["pairs"]) == (hits.sum(), said.sum())
        values = 100 * np.array([hits.sum(), *(hits.sum() - hits)]) / np.array([said.sum(), *(said.sum() - said)])
        items = np.array([said.sum(), *(said.sum() - said)], dtype=float)
        assert [row["recall_low"], row["recall_high"]] == pytest.approx(interval(values, items, "share"), abs=1e-4)
    assert _covered(rows, "recall", 100 * FOUND) == pytest.approx(0.95, abs=0.04)


def test_the_mean_recall_of_categories(connection: duckdb.DuckDBPyConnection) -> None:
    """Without a group one of the categories differs."""
    (row,) = [row for row in _rows(connection, "recall_at_k", k=[200]) if row["category"] == "mean"]
    recalls = np.array([100 * hits.sum() / said.sum() for hits, said in zip(HITS, SAID, strict=True)])
    values, items = [recalls.mean()], [sum(said.sum() for said in SAID)]
    for world, (hits, said) in enumerate(zip(HITS, SAID, strict=True)):
        for place in range(GROUPS):
            recall = 100 * (hits.sum() - hits[place]) / (said.sum() - said[place])
            values.append(recalls.mean() + (recall - recalls[world]) / WORLDS)
            items.append(items[0] - said[place])
    ends = interval(np.array(values), np.array(items, dtype=float), "share")
    assert [row["recall_low"], row["recall_high"]] == pytest.approx(ends, abs=1e-4)


def test_few_groups_have_none(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN")
    connection.execute(
        "DELETE FROM emotion_score WHERE social_group_id IN "
        "(SELECT social_group_id FROM v_group WHERE category = 'world007' ORDER BY social_group_id LIMIT 11)"
    )
    for name in ("emotion_similarity", "emotion_shift"):
        rows = _rows(connection, name, within="categories")
        few = [row for row in rows if row["category"] == "world007"]
        assert {row["groups"] for row in few} == {9}
        assert {(row["rho_low"], row["rho_high"]) for row in few} == {(None, None)}
        assert all(row["rho_low"] is not None for row in rows if row["category"] != "world007")
    balance = [row for row in _rows(connection, "sentiment_balance") if row["category"] == "world007"]
    assert {row["balance_low"] for row in balance} == {None}
    connection.execute("ROLLBACK")
