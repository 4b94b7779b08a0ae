"""The macros, against scipy and closed forms."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from scipy import stats

from mlv.queries.echoes.setups import AS_IN_PAPER
from mlv.queries.engine.macros import subject_sql
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.settings import words


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """The macros that need no store."""
    with duckdb.connect() as connection:
        connection.execute(subject_sql("statistics"))
        yield connection


def _one(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> Any:
    rows = connection.execute(sql, parameters).fetchall()
    return rows[0][0] if rows else None


def _spearman(connection: duckdb.DuckDBPyConnection, x: list[float], y: list[float]) -> Any:
    """rho of two columns, ranked as profile_correlations does."""
    connection.register("given", pl.DataFrame({"x": x, "y": y}))
    return _one(
        connection,
        """
        WITH ranked AS (
            SELECT rank() OVER a + count(*) OVER a AS rx, rank() OVER b + count(*) OVER b AS ry
            FROM given WINDOW a AS (ORDER BY x), b AS (ORDER BY y)
        )
        SELECT spearman_rho(rx, ry) FROM ranked
        """,
    )


@pytest.mark.parametrize("seed", range(20))
def test_spearman_with_ties_is_scipys(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 300))
    x = rng.integers(0, rng.integers(2, 2 * n), n) / 7
    y = np.where(rng.random(n) < 0.5, x, rng.integers(0, n, n) / 7)
    if len(set(x)) == 1 or len(set(y)) == 1:
        x, y = np.arange(n) / 7, np.arange(n) % 2 / 7
    rho = _spearman(connection, x.tolist(), y.tolist())
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-14)


def test_equal_and_opposite_order_are_exact(connection: duckdb.DuckDBPyConnection) -> None:
    values = [0.1, 0.4, 0.4, 0.2, 0.9, 0.9, 0.9]
    assert _spearman(connection, values, [math.exp(v) for v in values]) == 1.0
    assert _spearman(connection, values, [-v for v in values]) == -1.0


@pytest.mark.parametrize("y", [[0.5, 0.5, 0.5], [0.5]])
def test_spearman_of_a_constant_is_null(connection: duckdb.DuckDBPyConnection, y: list[float]) -> None:
    assert _spearman(connection, [0.1, 0.2, 0.3][: len(y)], y) is None


def test_p_value_is_students_t(connection: duckdb.DuckDBPyConnection) -> None:
    """From hardly any to far out, of whole and of broken degrees of freedom, relative to scipy's tail."""
    size = 4000
    rng = np.random.default_rng(7)
    frame = pl.DataFrame({"df": rng.uniform(1, 1000, size), "t": rng.normal(0, 1, size) ** 3 * 3})
    connection.register("given", frame)
    got = frame_of(connection, "SELECT student_p(t, df) AS p FROM given")["p"].to_numpy()
    expected = 2 * stats.t.sf(np.abs(frame["t"].to_numpy()), frame["df"].to_numpy())
    assert np.max(np.abs(got - expected)) < 1e-10
    large = expected > 1e-250
    assert np.max(np.abs(got[large] / expected[large] - 1)) < 1e-9
    assert ((got >= 0) & (got <= 1)).all()


@pytest.mark.parametrize("t", [0.0, 1e-9, 0.3, -0.6, 50.0])
def test_p_value_of_two_degrees_of_freedom_has_a_closed_form(connection: duckdb.DuckDBPyConnection, t: float) -> None:
    p = _one(connection, "SELECT student_p($t::DOUBLE, 2)", t=t)
    assert p == pytest.approx(1 - abs(t) / np.sqrt(2 + t * t), rel=1e-9)


def test_without_degrees_of_freedom_there_is_no_p_value(connection: duckdb.DuckDBPyConnection) -> None:
    assert _one(connection, "SELECT student_p(1.0::DOUBLE, 0::DOUBLE)") is None


@pytest.mark.parametrize("seed", range(3))
def test_permuted_correlations_are_numpys(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, order = rng.normal(size=13), rng.normal(size=13), rng.permutation(13)
    got = _one(
        connection,
        "SELECT permuted_correlation($x, $y, $order)",
        x=x.tolist(),
        y=y.tolist(),
        order=(order + 1).tolist(),
    )
    assert got == pytest.approx(np.corrcoef(x, y[order])[0, 1], abs=1e-12)


def test_mean_does_not_depend_on_the_order_of_rows(connection: duckdb.DuckDBPyConnection) -> None:
    values = [0.1, 1e16, -1e16, 0.7, 1e-9]
    means = set()
    for shift in range(len(values)):
        rows = list(enumerate(values))[shift:] + list(enumerate(values))[:shift]
        connection.register("given", pl.DataFrame(rows, schema=["place", "value"], orient="row"))
        means.add(_one(connection, "SELECT mean(value, place) FROM given"))
    assert len(means) == 1


def test_cosine(connection: duckdb.DuckDBPyConnection) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.random(237), rng.random(237)
    connection.register("given", pl.DataFrame({"x": x, "y": y}).with_row_index("place"))
    expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert _one(connection, "SELECT cosine(x, y, place) FROM given") == pytest.approx(expected, abs=1e-15)


def test_cosine_of_no_length_is_null(connection: duckdb.DuckDBPyConnection) -> None:
    assert _one(connection, "SELECT cosine(x, 0::DOUBLE, x) FROM (VALUES (0.5::DOUBLE), (0.1)) t(x)") is None


def test_normal_tail_is_scipys(connection: duckdb.DuckDBPyConnection) -> None:
    """Either side of 3, where series and continued fraction meet, and as far as a double reaches."""
    z = np.concatenate([np.linspace(-5, 5, 4001), np.linspace(5, 37, 500), [np.nextafter(3, 0), 3]])
    connection.register("given", pl.DataFrame({"z": z}))
    got = frame_of(connection, "SELECT normal_p(z) AS p FROM given")["p"].to_numpy()
    assert np.max(np.abs(got / (2 * stats.norm.sf(np.abs(z))) - 1)) < 1e-12
    assert _one(connection, "SELECT normal_p(0::DOUBLE)") == 1


def _wilcoxon(connection: duckdb.DuckDBPyConnection, differences: list[int]) -> Any:
    """p of paired differences, ranked as influence_by_epoch does."""
    connection.register("given", pl.DataFrame({"d": differences}))
    return _one(
        connection,
        """
        WITH ranked AS (
            SELECT d, rank() OVER w + count(*) OVER w AS twice_rank, count(*) OVER w - rank() OVER w + 1 AS tied
            FROM given
            WHERE d <> 0
            WINDOW w AS (ORDER BY abs(d))
        ),
        test AS (SELECT signed_rank_z(d, twice_rank, tied) AS z FROM ranked)
        SELECT normal_p(z) FROM test
        """,
    )


@pytest.mark.parametrize("seed", range(20))
def test_signed_ranks_with_ties_and_zeros_are_scipys(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(1, 40), int(rng.integers(1, 300))) - int(rng.integers(0, 20))
    values = np.append(values, 1)
    expected = stats.wilcoxon(values, zero_method="wilcox", correction=False, method="approx").pvalue
    assert _wilcoxon(connection, values.tolist()) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(12))
def test_exact_signed_ranks_are_those_of_all_signs(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Of up to 12 differences, with ties in every second draw; scipy's where there are none."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(6, 13))
    sizes = rng.integers(1, 6, size) if seed % 2 else rng.permutation(size) + 1
    difference = sizes * rng.choice([-1, 1], size)
    twice = 2 * stats.rankdata(np.abs(difference))
    positive = twice[difference > 0].sum()
    signs = np.array(list(product([0, 1], repeat=size)))
    sums = signs @ twice
    expected = min(1.0, 2 * min(np.mean(sums <= positive), np.mean(sums >= positive)))
    got = _one(
        connection,
        "SELECT signed_rank_exact_p($ranks, $positive)",
        ranks=twice.astype(int).tolist(),
        positive=int(positive),
    )
    assert got == pytest.approx(expected, rel=1e-12)
    if not seed % 2:
        assert got == pytest.approx(stats.wilcoxon(difference, method="exact").pvalue)


def test_exact_signed_ranks_of_25_are_scipys(connection: duckdb.DuckDBPyConnection) -> None:
    difference = np.arange(1, 26) * np.where(np.arange(25) % 3, 1, -1)
    positive = int(2 * difference[difference > 0].sum())
    got = _one(
        connection,
        "SELECT signed_rank_exact_p($ranks, $positive)",
        ranks=(2 * np.arange(1, 26)).tolist(),
        positive=positive,
    )
    assert got == pytest.approx(stats.wilcoxon(difference, method="exact").pvalue, rel=1e-9)


def test_signed_ranks_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    # Ranks 1 to 4, the second negative: 8 against 5 expected, variance 4 x 5 x 9 / 24 = 7.5.
    z = (8 - 5) / math.sqrt(7.5)
    assert _wilcoxon(connection, [1, -2, 0, 3, 4]) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-12)
    assert _wilcoxon(connection, [3, -3]) == 1
    assert _wilcoxon(connection, [0, 0]) is None


@pytest.mark.parametrize("name", [*FinetuneSpec.default_settings(), "a_setting_of_later"])
def test_a_run_is_as_in_the_paper_only_with_all_of_its_settings(name: str) -> None:
    default = FinetuneSpec.default_settings()
    changed = " ".join(words({**default, name: "other"}))
    left_open = name in {"max_tokens", "precision"}
    for settings, fits in ((" ".join(words(default)), True), (changed, left_open), ("", False), (None, False)):
        frame = pl.DataFrame({"settings": [settings]}, schema={"settings": pl.String})
        assert frame.select(AS_IN_PAPER).item() is fits


@pytest.mark.parametrize("places", [6, 12, 144])
def test_shared_members_are_hypergeometric(connection: duckdb.DuckDBPyConnection, places: int) -> None:
    """From none to all, of empty and whole sets too."""
    rng = np.random.default_rng(places)
    for size_a, size_b in [(0, 3), (places, 4), *rng.integers(1, places + 1, (8, 2)).tolist()]:
        for shared in range(max(0, size_a + size_b - places), min(size_a, size_b) + 1):
            sql = "SELECT hypergeometric_p($shared, $size_a, $size_b, $places)"
            got = _one(connection, sql, shared=shared, size_a=size_a, size_b=size_b, places=places)
            assert got == pytest.approx(stats.hypergeom.sf(shared - 1, places, size_a, size_b), rel=1e-9)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 0), (0, 6), (3, 3), (5, 12), (200, 150)])
def test_mcnemars_test_is_that_of_a_coin(connection: duckdb.DuckDBPyConnection, one: int, other: int) -> None:
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1
    got = _one(connection, "SELECT mcnemar_p($one, $other)", one=one, other=other)
    assert got == pytest.approx(expected, rel=1e-9)
