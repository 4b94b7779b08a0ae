"""How cost grows with the store: build one of about that many ranking rows, then run every query of the catalogue.

    python bench/size.py --rows 600000 6000000 60000000     the figures of docs/performance.md
    python bench/size.py --rows 6000000 --rivals             the same analyses in pandas over CSV and in SQLite
    python bench/size.py --rows 60000000 --intervals         queries with ci=true too, which have no bound

Every query runs in a process of its own, with 2 threads and DuckDB's memory limited to 2 GB: the median of three runs,
the processor's seconds behind one, which tell what a busy machine adds, and the most memory that the process ever held.
``--folder`` keeps the stores and uses those that it has. 60 million rows take about 10 minutes to build and 1 GB of
disk; the files of the rivals another 8 GB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import duckdb
import pandas as pd
from measure import figure, seconds
from rivals import FIGURES, GIVEN, KEYS, PANDAS, in_sqlite, read_csv, write_csv, write_sqlite
from simulated import RUNS, fill

from mlv.ingest.loading import number
from mlv.migrations import upgrade
from mlv.queries import catalogue, run
from mlv.queries.catalogue import INTERVALS
from mlv.schema.store import connect

ROWS_A_RUN = 102_500
"""Ranking rows for each fine-tuning run of the grid, on the average."""

BOUND = 2.0
"""Seconds, and GB, that a query may take."""

FACTOR = 5.0
"""How many times faster than its rivals a query has to be."""

CLOSE = 1e-9
"""By how much figures may differ for the order in which they were added up."""


def build(path: Path, rows: int) -> None:
    """Make a store of about ``rows`` ranking rows."""
    began = time.perf_counter()
    upgrade(path)
    runs = min(RUNS, max(1, round(rows / ROWS_A_RUN)))
    with connect(path, read_only=False) as connection:
        fill(connection, runs)
    print(f"  built in {time.perf_counter() - began:.0f} s: {runs} fine-tuning runs")


def describe(path: Path) -> None:
    """Print what a store holds and how large it is."""
    with connect(path) as connection:
        counted = ("probe_answer", "influence_ranking", "influence_language", "influence_overlap")
        rows = {table: number(connection, f"SELECT count(*) FROM {table}") for table in counted}
        blocks = "SELECT count(DISTINCT block_id) FROM pragma_storage_info('{}') WHERE block_id >= 0"
        bytes_ = {table: 2**18 * number(connection, blocks.format(table)) for table in counted}
    size, ranked = path.stat().st_size, rows["influence_ranking"]
    sums = bytes_["influence_language"] + bytes_["influence_overlap"]
    print(f"  {', '.join(f'{table} {n:,}' for table, n in rows.items())}")
    print(
        f"  {size / 1e6:,.0f} MB, {size / ranked:.1f} bytes a ranking row; "
        f"the rankings alone {bytes_['influence_ranking'] / ranked:.1f}, their sums {sums / ranked:.2f}",
        flush=True,
    )


def measured(path: Path, name: str, intervals: bool) -> None:
    """Run a query in this process and print what it took as JSON."""
    with connect(path) as connection:
        connection.execute("SET threads = 2")
        connection.execute("SET memory_limit = '2GB'")
        given = {INTERVALS: True} if intervals else {}
        repeats, began = 1 if intervals else 3, time.process_time()
        taken = seconds(partial(run, connection, name, parameters=given), repeats)
        processor = (time.process_time() - began) / repeats
    # not ru_maxrss, which begins with what the parent held
    [peak] = [
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    print(json.dumps({"seconds": taken, "processor": processor, "gigabytes": int(peak) / 1e6}))


def apart(path: Path, name: str, *options: str) -> dict[str, float]:
    """What ``measured`` finds in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", str(path), name, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"  {name}: {(done.stderr.splitlines() or ['killed'])[-1]}")
        return dict.fromkeys(("seconds", "processor", "gigabytes"), float("inf"))
    found: dict[str, float] = json.loads(done.stdout)
    return found


def queries(path: Path, intervals: bool) -> None:
    """Print what every query takes."""
    slowest = largest = 0.0
    for query in catalogue():
        took = apart(path, query.name)
        line = "  {:<30} {seconds:7.2f} s {processor:7.2f} CPU s {gigabytes:6.2f} GB".format(query.name, **took)
        if intervals and INTERVALS in query.parameters:
            wide = apart(path, query.name, "--intervals")
            line += "   with ci {seconds:7.1f} s {processor:7.1f} CPU s {gigabytes:6.2f} GB".format(**wide)
        print(line, flush=True)
        slowest, largest = max(slowest, took["seconds"]), max(largest, took["gigabytes"])
    figure("  slowest query", slowest, "s", f"<= {BOUND:.0f}", slowest <= BOUND)
    figure("  most memory of a process", largest, "GB", f"<= {BOUND:.0f}", largest <= BOUND)


def rivals(path: Path, folder: Path) -> None:
    """Print how many times as long the same analyses take elsewhere; fail where their results differ."""
    with connect(path) as connection:
        connection.execute("SET threads = 2")
        write_csv(connection, folder)
        began = time.perf_counter()
        write_sqlite(folder, folder / "rival.sqlite")
        took = time.perf_counter() - began
        size = sum(file.stat().st_size for file in folder.glob("*.csv"))
        database = folder / "rival.sqlite"
        print(
            f"  CSV {size / 1e6:,.0f} MB; SQLite {database.stat().st_size / 1e6:,.0f} MB, in {took:.0f} s", flush=True
        )
        for name in PANDAS:
            _race(connection, name, folder, database)


def _race(connection: duckdb.DuckDBPyConnection, name: str, folder: Path, database: Path) -> None:
    """One analysis in all three."""
    given = GIVEN.get(name, {})
    ours = seconds(partial(run, connection, name, parameters=given))
    frame = run(connection, name, parameters=given).frame.to_pandas()
    work = PANDAS[name][0]
    began = time.perf_counter()
    frames = read_csv(folder, name)
    reading = time.perf_counter() - began
    began = time.perf_counter()
    _same(name, "pandas", frame, work(frames))
    working = time.perf_counter() - began
    del frames
    began = time.perf_counter()
    _same(name, "SQLite", frame, in_sqlite(database, name))
    sqlite = time.perf_counter() - began
    print(
        f"  {name:<24} {ours:6.2f} s; pandas {(reading + working) / ours:6.1f} times, {working / ours:6.1f} without "
        f"reading; SQLite {sqlite / ours:6.1f} times",
        flush=True,
    )
    least = min(reading + working, sqlite) / ours
    figure(f"  {name}: slowness of the faster rival", least, "times", f">= {FACTOR:.0f}", least >= FACTOR)


def _same(name: str, rival: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Fail where two results differ in their rows or in their figure."""
    key, value = KEYS[name], FIGURES[name]
    ours = ours[~ours[key].eq("avg.").any(axis=1)]
    pairs = [frame.astype(dict.fromkeys(key, str)).set_index(key)[value].sort_index() for frame in (ours, theirs)]
    if not pairs[0].index.equals(pairs[1].index) or (pairs[0] - pairs[1]).abs().max() > CLOSE:
        raise SystemExit(f"{rival} has other results for {name} than mlv")


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[600_000])
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--intervals", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", nargs=2, metavar=("STORE", "QUERY"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure one query, or stores of all sizes."""
    given = parsed()
    if given.measure:
        return measured(Path(given.measure[0]), given.measure[1], given.intervals)
    with tempfile.TemporaryDirectory() as temporary:
        for rows in given.rows:
            print(f"{rows:,} ranking rows wanted", flush=True)
            path = (given.folder or Path(temporary)) / f"size-{rows}.duckdb"
            if not path.exists():
                build(path, rows)
            describe(path)
            queries(path, given.intervals)
            if given.rivals:
                with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                    rivals(path, Path(folder))
    return None


if __name__ == "__main__":
    main()
