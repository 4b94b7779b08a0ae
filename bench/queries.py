"""All queries of the catalogue on a store of 100 runs x 3,081 probes (237 questions in 13 languages), nothing traced.

Prints the seconds of every query, and their ratio to reading the answers by one way of scoring, which is the least
that most of them can do. ``size.py`` has the whole grid.
"""

import tempfile
from functools import partial
from pathlib import Path

from measure import figure, seconds
from simulated import fill

from mlv.migrations import upgrade
from mlv.queries import catalogue, run
from mlv.schema.fetching import frame_of
from mlv.schema.store.opening import connect

READING = "SELECT checkpoint_id, language, question, answer FROM v_answer WHERE score = 'mean'"


def main() -> None:
    """Build the store and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.duckdb"
        upgrade(path)
        with connect(path, read_only=False) as connection:
            fill(connection, runs=100, traced=False)
        with connect(path) as connection:
            connection.execute("SET threads = 2")
            least = seconds(lambda: frame_of(connection, READING))
            total = 0.0
            for query in catalogue():
                taken = seconds(partial(run, connection, query.name))
                total += taken
                print(f"  {query.name:<26} {taken:6.3f} s, {taken / least:5.1f} times reading the answers", flush=True)
    figure("the queries on 100 runs x 3,081 probes", total, "s", "<= 2", total <= 2)


if __name__ == "__main__":
    main()
