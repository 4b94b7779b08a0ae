"""Resamples are as many draws as a set has batteries, and the same ones wherever they are made."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mlv.ingest.upkeep.check import violations
from mlv.migrations import upgrade
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.papers.echoes import BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED
from mlv.schema.store.opening import open_store

CODES = ["1", "10", "106a", "106b", "2", "30"]
BATTERIES = ["1", "10", "106", "2", "30"]
"""In the order that places are counted in. 106a and 106b are one battery."""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A store with a probe set of six questions, whose keys are in another order than their codes."""
    path = tmp_path / "mlv.duckdb"
    upgrade(path)
    with open_store(path, read_only=False) as connection:
        connection.execute("INSERT INTO category VALUES (1, 'c', 'C', 1, 300, true)")
        connection.execute("INSERT INTO \"language\" VALUES (1, 'de', 'deu', 'German')")
        connection.execute("INSERT INTO probe_collection VALUES (1, 'own', '', '')")
        connection.execute("INSERT INTO probe_set VALUES (3, 'own-all', 1, '')")
        for key, code in enumerate(reversed(CODES), 1):
            connection.execute("INSERT INTO question VALUES (?, ?, 1, 1)", [key, code])
            connection.execute(
                "INSERT INTO probe VALUES ($1, 1, $1, 1, '[MASK]', 'a', 'b', '', '', 'canonical')", [key]
            )
            connection.execute("INSERT INTO probe_set_member VALUES (3, ?, ?)", [key, code.rstrip("ab")])
        yield connection


def _drawn(connection: duckdb.DuckDBPyConnection) -> dict[int, Counter[str]]:
    """How often each battery came into each resample."""
    drawn: dict[int, Counter[str]] = {}
    for resample, battery, times in connection.execute("SELECT resample, battery, times FROM v_resample").fetchall():
        drawn.setdefault(resample, Counter())[battery] = times
    return drawn


def test_draws_are_those_of_the_hash(connection: duckdb.DuckDBPyConnection) -> None:
    """An own computation of the hash that the module describes, which pins the draws for good."""
    draw_resamples(connection, 3)
    expected = {
        resample: Counter(
            BATTERIES[
                int(hashlib.md5(f"{BOOTSTRAP_SEED} {resample} {draw}".encode()).hexdigest()[:15], 16) % len(BATTERIES)
            ]
            for draw in range(1, len(BATTERIES) + 1)
        )
        for resample in range(1, BOOTSTRAP_RESAMPLES + 1)
    }
    assert _drawn(connection) == expected
    assert expected[1] == FIRST


FIRST = Counter({"1": 1, "10": 1, "106": 1, "2": 1, "30": 1})
"""The first resample, so that neither the hash nor the seed changes unnoticed."""


def test_drawing_again_changes_nothing_and_a_further_battery_everything(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    draw_resamples(connection, 3)
    before = _drawn(connection)
    draw_resamples(connection, 3)
    assert _drawn(connection) == before
    connection.execute("INSERT INTO question VALUES (7, '99', 1, 1)")
    connection.execute("INSERT INTO probe_set_member VALUES (3, 7, '99')")
    draw_resamples(connection, 3)
    after = _drawn(connection)
    assert len(after) == BOOTSTRAP_RESAMPLES
    assert {drawn.total() for drawn in after.values()} == {6}
    assert connection.execute("FROM bootstrap").fetchall() == [(3, BOOTSTRAP_SEED, BOOTSTRAP_RESAMPLES)]


def test_every_battery_is_drawn_as_often_as_any_other(connection: duckdb.DuckDBPyConnection) -> None:
    """10,000 draws of five batteries: 2,000 each, standard deviation sqrt(10000 * 4 / 25) = 40."""
    draw_resamples(connection, 3)
    totals = sum(_drawn(connection).values(), Counter())
    assert set(totals) == set(BATTERIES)
    assert all(abs(count - 2000) < 4 * 40 for count in totals.values())


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM bootstrap_draw WHERE resample = 7", "1 probe sets without their resamples"),
        ("DELETE FROM bootstrap_draw", "1 probe sets without their resamples"),
        (
            "UPDATE bootstrap_draw SET times = times + 1 WHERE resample = 7",
            "1 resamples that have not",
        ),
        ("DELETE FROM probe_set_member WHERE question_id = 1", "resampled batteries that the probe set lacks"),
        ("INSERT INTO bootstrap_draw FROM bootstrap_draw LIMIT 1", "occur more than once in bootstrap_draw"),
    ],
)
def test_a_check_of_the_store_finds_resamples_that_do_not_fit(
    connection: duckdb.DuckDBPyConnection, statement: str, sentence: str
) -> None:
    draw_resamples(connection, 3)
    assert violations(connection) == []
    connection.execute(statement)
    assert any(sentence in found for found in violations(connection))
