"""Influence runs that differ in anything that counts are neither averaged nor paired, and tables tell them apart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlv.queries import run
from mlv.schema.store.opening import open_store

Study = dict[str, pl.DataFrame]

CHANGES = [
    ("gradients.corruptions", "epoch", "corruptions=epoch"),
    ("weights", "equal", "weights=equal"),
    ("gradients.stacks", ["decoder"], "stacks=decoder"),
]


def _changed(spec: str, path: str, value: Any) -> str:
    """A specification with another value at a place of its attribution."""
    document = json.loads(spec)
    *parents, name = path.split(".")
    at = document["attribution"]
    for parent in parents:
        at = at[parent]
    at[name] = value
    return json.dumps(document)


def _traced_again(study: Study, influence: str, again: str, example: str, path: str, value: Any) -> Study:
    """A study in which what an influence run traces is traced in another way too, which leads to one example alone."""
    runs, rankings = study["influence_runs"], study["rankings"]
    changed = pl.col("spec").map_elements(lambda spec: _changed(spec, path, value), pl.String)
    run_again = runs.filter(influence=influence).with_columns(changed, influence=pl.lit(again))
    ranked = rankings.filter(influence=influence, rank=1, direction="positive").with_columns(
        influence=pl.lit(again), train_language=pl.lit(example[:2]), key=pl.lit(int(example[2:]), pl.Int64)
    )
    return {**study, "influence_runs": pl.concat([runs, run_again]), "rankings": pl.concat([rankings, ranked])}


@pytest.mark.parametrize(("path", "value", "shown"), CHANGES)
def test_seeds_are_averaged_over_runs_that_are_alike(
    hand_study: Study, make_store: Callable[[Study], Path], path: str, value: Any, shown: str
) -> None:
    """trace-mult and trace-mult3 have 58.33 and 25 Persian examples; again, of the first seed too, has none."""
    study = _traced_again(hand_study, "trace-mult", "again", "ko0", path, value)
    with open_store(make_store(study)) as connection:
        rows = run(connection, "seed_robustness", parameters={"method": "trak", "direction": "positive"}).frame
    persian = rows.filter(strategy="multilingual", language="de", ft_language="fa")
    assert persian.select("attribution", "mean", "seeds").rows() == [
        ("trak-principal-16", pytest.approx((700 / 12 + 25) / 2), 2),
        (f"trak-principal-16 {shown}", 0.0, 1),
    ]


@pytest.mark.parametrize(("path", "value", "shown"), CHANGES)
def test_runs_are_paired_that_are_alike(
    hand_study: Study, hand_store: Path, make_store: Callable[[Study], Path], path: str, value: Any, shown: str
) -> None:
    """Traced again in Korean, there is no other pair; in Persian too there is one, of one text in four targets each."""
    one = _traced_again(hand_study, "trace-ko", "again-ko", "ko0", path, value)
    both = _traced_again(one, "trace-fa", "again-fa", "fa0", path, value)
    with open_store(hand_store) as before, open_store(make_store(one)) as alone, open_store(make_store(both)) as paired:
        expected = run(before, "parallel_overlap").frame
        assert_frame_equal(run(alone, "parallel_overlap").frame, expected)
        found = run(paired, "parallel_overlap").frame
        assert [_overlaps(connection) for connection in (before, alone, paired)] == [3, 3, 3 + 4]
    assert_frame_equal(found.filter(attribution="trak-principal-16"), expected)
    others = found.filter(pl.col("attribution") != "trak-principal-16").drop_nulls("run_a")
    assert others.select("attribution", "run_a", "run_b", "overlap").unique().rows() == [
        (f"trak-principal-16 {shown}", "again-fa", "again-ko", 100.0)
    ]


def _overlaps(connection: duckdb.DuckDBPyConnection) -> int:
    """Pairs of targets in different runs whose rankings share something."""
    row = connection.execute(
        "SELECT count(*) FROM v_influence_overlap o JOIN v_traced_probe a USING (influence_target_id) "
        "JOIN v_traced_probe b ON b.influence_target_id = other_target_id WHERE a.run <> b.run"
    ).fetchone()
    assert row is not None
    return int(row[0])
