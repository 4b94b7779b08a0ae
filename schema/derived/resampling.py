"""Resamples of a probe set's batteries of questions, for p-values of families of rows (docs/statistics.md).

A draw is a hash of the seed and of its place, so that the same batteries under the same seed give the same resamples
on every machine and with every version of DuckDB, and that a store needs no random numbers to be made again.
"""

import duckdb

from mlv.schema.papers.echoes import BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED

_FORGET = (
    "DELETE FROM bootstrap_draw WHERE probe_set_id = $probe_set",
    "DELETE FROM bootstrap WHERE probe_set_id = $probe_set",
)

_DRAW = """
INSERT INTO bootstrap_draw
WITH members AS (
    SELECT battery, row_number() OVER (ORDER BY battery) - 1 AS place, count(*) OVER () AS batteries
    FROM (SELECT DISTINCT battery FROM probe_set_member WHERE probe_set_id = $probe_set)
),
draws AS (
    -- 60 bits: the remainder favours no battery that 2,000 resamples could tell
    SELECT resample, ('0x' || left(md5(concat_ws(' ', $seed, resample, draw)), 15))::BIGINT AS number
    FROM range(1, $resamples + 1) r(resample), range(1, (SELECT count(*) FROM members) + 1) d(draw)
)
SELECT $probe_set, resample, battery, count(*)
FROM draws JOIN members ON place = number % batteries
GROUP BY resample, battery
ORDER BY resample, battery
"""


def draw_resamples(connection: duckdb.DuckDBPyConnection, probe_set_id: int) -> None:
    """Draw a probe set's resamples, in place of any that it has; the caller's transaction keeps them."""
    for statement in _FORGET:
        connection.execute(statement, {"probe_set": probe_set_id})
    connection.execute("INSERT INTO bootstrap VALUES (?, ?, ?)", [probe_set_id, BOOTSTRAP_SEED, BOOTSTRAP_RESAMPLES])
    given = {"probe_set": probe_set_id, "seed": BOOTSTRAP_SEED, "resamples": BOOTSTRAP_RESAMPLES}
    connection.execute(_DRAW, given)
