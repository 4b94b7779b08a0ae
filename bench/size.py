"""How cost grows with the store: build one of about that many ranking rows, then run every query of the catalogue.

    python bench/size.py --rows 600000 6000000 60000000     the figures of docs/performance.md
    python bench/size.py --rows 60000000 --rivals            the same analyses in pandas over CSV and in SQLite
    python bench/size.py --rows 60000000 --intervals         queries with intervals too, which have no bound

Every query runs in a process of its own, with 2 threads and DuckDB's memory limited to 2 GB: the median of three runs,
the processor's seconds behind one, which tell what a busy machine adds, and the most memory that the process ever held.
``--only`` leaves the other queries out. ``--folder`` keeps the stores, and the files that the rivals read, and uses
those that it has. 60 million rows take about 10 minutes to build and 1 GB of disk; the files of the rivals 5 GB more.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from measure import figure, peak_gigabytes, seconds
from rivals import ANALYSES, DATABASE, RIVALS, Took, check_same, result_file, write_files
from rivals import apart as rivals_apart
from simulated import RUNS, fill

from mlv.migrations import upgrade
from mlv.queries import catalogue, run
from mlv.queries.engine.catalogue import INTERVALS
from mlv.queries.engine.parameters import Given
from mlv.schema.store.opening import connect
from mlv.schema.store.rows import number

ROWS_A_RUN = 102_500
"""Ranking rows for each fine-tuning run of the grid, on the average."""

BOUND = 2.0
"""Seconds, and GB, that a query may take."""

FACTOR = 5.0
"""How many times faster than its rivals a query has to be."""


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


def measured(path: Path, name: str, given: dict[str, Given], result: Path | None) -> None:
    """Run a query in this process, print what it took as JSON, and keep its result where that is wanted."""
    with connect(path) as connection:
        connection.execute("SET threads = 2")
        connection.execute("SET memory_limit = '2GB'")
        repeats, began = 1 if given.get(INTERVALS) else 3, time.process_time()
        taken = seconds(partial(run, connection, name, parameters=given), repeats)
        processor = (time.process_time() - began) / repeats
        if result:
            run(connection, name, parameters=given).frame.write_parquet(result)
    print(json.dumps({"seconds": taken, "processor": processor, "gigabytes": peak_gigabytes()}))


def apart(path: Path, name: str, given: Mapping[str, Given], result: Path | None = None) -> dict[str, float]:
    """What ``measured`` finds in a process of its own."""
    options = ["--given", json.dumps(dict(given)), *(["--result", str(result)] if result else [])]
    done = subprocess.run(
        [sys.executable, __file__, "--measure", str(path), name, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"  {name}: {(done.stderr.splitlines() or ['killed'])[-1]}")
        return dict.fromkeys(("seconds", "processor", "gigabytes"), float("inf"))
    found: dict[str, float] = json.loads(done.stdout)
    return found


def queries(path: Path, names: list[str], intervals: bool) -> None:
    """Print what every query takes."""
    slowest = largest = 0.0
    for query in catalogue():
        if query.name not in names:
            continue
        took = apart(path, query.name, {})
        line = "  {:<30} {seconds:7.2f} s {processor:7.2f} CPU s {gigabytes:6.2f} GB".format(query.name, **took)
        if intervals and INTERVALS in query.parameters:
            wide = apart(path, query.name, {INTERVALS: query.varied[0]})
            line += "   with ci {seconds:7.1f} s {processor:7.1f} CPU s {gigabytes:6.2f} GB".format(**wide)
        print(line, flush=True)
        slowest, largest = max(slowest, took["seconds"]), max(largest, took["gigabytes"])
    figure("  slowest query", slowest, "s", f"<= {BOUND:.0f}", slowest <= BOUND)
    figure("  most memory of a process", largest, "GB", f"<= {BOUND:.0f}", largest <= BOUND)


def rivals(path: Path, names: list[str], folder: Path) -> None:
    """Print how many times as long the same analyses take elsewhere; fail where their results differ."""
    if not folder.exists():
        _write_rivals(path, folder)
    size = sum(file.stat().st_size for file in folder.glob("*.csv"))
    print(f"  CSV {size / 1e6:,.0f} MB; SQLite {(folder / DATABASE).stat().st_size / 1e6:,.0f} MB", flush=True)
    for name in names:
        if name in ANALYSES:
            _race(path, name, folder)


def _write_rivals(path: Path, folder: Path) -> None:
    """Write what the rivals read, aside first: what is there is whole."""
    began, aside = time.perf_counter(), folder.with_suffix(".writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    with connect(path) as connection:
        connection.execute("SET threads = 2")
        connection.execute("SET memory_limit = '4GB'")
        write_files(connection, aside)
    aside.rename(folder)
    print(f"  written for the rivals in {time.perf_counter() - began:.0f} s")


def _race(path: Path, name: str, folder: Path) -> None:
    """One analysis in all three."""
    ours = apart(path, name, ANALYSES[name].given, result_file("mlv", name, folder))
    print(
        f"  {name:<30} {ours['seconds']:7.2f} s {ours['processor']:7.2f} CPU s {ours['gigabytes']:6.2f} GB", flush=True
    )
    least = float("inf") if math.isfinite(ours["seconds"]) else 0.0
    for rival in RIVALS if least else ():
        took = rivals_apart(rival, name, folder)
        if not took.failure:
            check_same(name, rival, folder)
        least = min(least, took.seconds / ours["seconds"])
        print(f"    {rival:<28} {_told(took, ours['seconds'])}", flush=True)
    figure(f"  {name}: the faster rival", least, "times", f">= {FACTOR:.0f}", least >= FACTOR)


def _told(took: Took, ours: float) -> str:
    """What a rival took, in words."""
    if took.failure:
        return took.failure if math.isinf(took.seconds) else f"{took.seconds / ours:.1f} times or more: {took.failure}"
    reading = f", {(took.seconds - took.reading) / ours:.1f} without reading" if took.reading else ""
    spent = f"{took.seconds:7.2f} s {took.processor:7.2f} CPU s {took.gigabytes:6.2f} GB"
    return f"{spent}: {took.seconds / ours:.1f} times{reading}"


def parsed() -> argparse.Namespace:
    """The command line."""
    names = [query.name for query in catalogue()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[600_000])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="QUERY")
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--intervals", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", nargs=2, metavar=("STORE", "QUERY"), help=argparse.SUPPRESS)
    parser.add_argument("--given", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure one query, or stores of all sizes."""
    given = parsed()
    if given.measure:
        return measured(Path(given.measure[0]), given.measure[1], given.given, given.result)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        for rows in given.rows:
            print(f"{rows:,} ranking rows wanted", flush=True)
            path = folder / f"size-{rows}.duckdb"
            if not path.exists():
                build(path, rows)
            describe(path)
            if given.rivals:
                rivals(path, given.only, folder / f"rivals-{rows}")
            else:
                queries(path, given.only, given.intervals)
    return None


if __name__ == "__main__":
    main()
