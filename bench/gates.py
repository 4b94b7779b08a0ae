"""What an ingest costs, and its gates: DuckDB's look at a file, and Great Expectations where that finds something."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from measure import figure
from tiny_models import sentences

from mlv.ingest.rules import gates
from mlv.migrations import upgrade

SEGMENTS = 31_102
"""Verses of a whole Bible."""

LINES = 30

REPEATS = 5
START = "from mlv.ingest.rules.gates import _batches; _batches()"
REST = "import mlv.ingest.writing.corpora, pandas"
"""What an ingest imports in any case."""


def children_seconds() -> float:
    """CPU seconds of the processes that this one waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process_seconds(*arguments: str) -> float:
    """Median CPU seconds of a Python process."""
    taken = []
    for _ in range(REPEATS):
        before = children_seconds()
        subprocess.run([sys.executable, "-W", "ignore", *arguments], check=True, capture_output=True)
        taken.append(children_seconds() - before)
    return statistics.median(taken)


def segments() -> pl.DataFrame:
    """As many segments as a whole Bible has, of bundled sentences."""
    texts = sentences()
    rows = range(SEGMENTS)
    return pl.DataFrame(
        {
            "position": rows,
            "parallel_key": [str(row) for row in rows],
            "text": [texts[row % len(texts)] for row in rows],
        }
    )


def gate_seconds(frame: pl.DataFrame) -> float:
    """Median CPU seconds of checking a frame that keeps all gates."""
    gates.check_corpus(frame, "warm")
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        gates.check_corpus(frame, "bench")
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def ingest_seconds(frame: pl.DataFrame, folder: Path) -> float:
    """CPU seconds of ``mlv ingest corpus`` on the frame's texts."""
    upgrade(folder / "mlv.duckdb")
    (folder / "text.txt").write_text("\n".join(frame["text"]) + "\n", encoding="utf-8")
    command = "from mlv.cli.main import main; main()"
    ingest = ["ingest", "corpus", str(folder / "text.txt"), "--source", "lines", "--language", "fa"]
    before = children_seconds()
    subprocess.run(
        [sys.executable, "-c", command, *ingest, "--db", str(folder / "mlv.duckdb")], check=True, capture_output=True
    )
    return children_seconds() - before


def main() -> None:
    """Print CPU seconds: medians of five, but of the ingests."""
    start = process_seconds("-c", START) - process_seconds("-c", REST)
    frame = segments()
    gate = gate_seconds(frame)
    with tempfile.TemporaryDirectory() as folder:
        whole = ingest_seconds(frame, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        small = ingest_seconds(frame.head(LINES), Path(folder))
    figure(f"`mlv ingest corpus` of {LINES} lines", small, "CPU s", "< 2", small < 2)
    figure("Great Expectations' start, where a gate is not kept", start, "CPU s", "< 10", start < 10)
    figure(f"gates of a file of {SEGMENTS:,} segments", gate, "CPU s", "< 1", gate < 1)
    print(f"  `mlv ingest corpus` of that file takes {whole:.1f} CPU s, the gates {gate / whole:.0%} of it")


if __name__ == "__main__":
    main()
