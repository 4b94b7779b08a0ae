"""Fuzz a reader, led by coverage: inputs that reach new lines of it are kept and changed further. Run by hand.

    pip install atheris
    PYTHONPATH=tests/helpers python tests/fuzz/fuzz_readers.py pbc -max_total_time=600 CORPUS_FOLDER

Whatever a reader raises that is no MlvError, or an endless loop, ends the run and leaves the input in ``crash-...``.
The first argument is the format, all others are libFuzzer's.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mlv.ingest", "mlv.schema.jobs", "csv", "zipfile", "tomllib"]):
    from mlv.ingest.journal import read_journal
    from mlv.ingest.readers import ebible, flores, lines, news, paralleltext, pawsx, pbc, table, tanzil, tmx, usfm
    from mlv.ingest.readers.probes import read_archive
    from mlv.ingest.readers.surveys import read_survey
    from mlv.ingest.studies.study import read_study
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.jobs.parquet import read_parquet

from fuzzing import outcome

FOLDER = Path(tempfile.mkdtemp(prefix="mlv-fuzz-"))
VREF = b"GEN 1:1\nGEN 1:2\nMAT 5:3\n"


def _job(path: Path) -> object:
    job = JobDirectory(path.parent)
    return job.spec(), job.events(), job.state()


TARGETS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "pbc": ("pes-x.xml", pbc.read),
    "ebible": ("pes-opv.txt", ebible.read),
    "tanzil": ("fa.x.txt", tanzil.read),
    "flores": ("deu_Latn.dev", flores.read),
    "lines": ("x.de.txt", lines.read),
    "news": ("news.csv", lambda path: news.read(path, "fox")),
    "rows": ("own.tsv", table.read),
    "labelled": ("dev-de.tsv", pawsx.SOURCE.texts),
    "tmx": ("own.tmx", tmx.read),
    "usfm": ("MAT.usfm", usfm.read),
    "paralleltext": ("eng-x-bible.txt", paralleltext.read),
    "probes": ("de.csv", read_archive),
    "zip": ("a.zip", read_archive),
    "survey": ("survey.csv", read_survey),
    "study": ("study.toml", lambda path: read_study(str(path)).cells),
    "job": ("job.json", _job),
    "table": ("rankings.parquet", read_parquet),
    "journal": ("mlv.duckdb.journal.jsonl", read_journal),
}
"""By format, the name that its file needs and what reads it."""


def main() -> None:
    """Fuzz the reader that the first argument names."""
    name, read = TARGETS[sys.argv.pop(1)]
    path = FOLDER / name
    (FOLDER / "vref.txt").write_bytes(VREF)

    def once(data: bytes) -> None:
        path.write_bytes(data)
        outcome(lambda: read(path))

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
