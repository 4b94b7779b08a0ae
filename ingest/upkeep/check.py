"""Whether a store is in order: all rules (``mlv.ingest.rules.rulebook``) over its rows, its schema and its files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.journal import Ingest, SourceFile, journal_path, read_journal, standing_ingests
from mlv.ingest.rules.evaluation import evaluate
from mlv.ingest.rules.rule import Outcome, Rule
from mlv.ingest.rules.rulebook import packaged
from mlv.ingest.upkeep.source_files import hashes
from mlv.schema.errors import JobError, MlvError
from mlv.schema.fetching import registered
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import spec_hash
from mlv.schema.jobs.kinds import KINDS, read_spec
from mlv.schema.store.opening import seal

TEMPORARY = ("named_file", "schema_difference")
"""Tables that rules are about and that a check makes for them."""


@dataclass(frozen=True)
class NamedFile:
    """Something on disk that the store or its journal names."""

    what: str
    """checkpoint, job, output, source or specification; the last is in the store itself."""

    name: str
    """Run, or kind of ingest."""

    path: str
    there: bool
    recorded: str
    """Checksum that it was committed or ingested with; empty where none is kept."""

    found: str | None
    """Checksum that it has; None where it was not computed."""


def violations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Sentences about what does not hold of the rows; empty where all is in order."""
    rules = [rule for rule in packaged() if rule.table not in TEMPORARY]
    return [outcome.sentence for outcome in evaluate(connection, rules) if not outcome.ok]


def check(
    connection: duckdb.DuckDBPyConnection,
    differences: Sequence[str],
    named: Iterable[NamedFile],
    own_rules: Sequence[Rule] = (),
) -> list[Outcome]:
    """Check all rules: what the schema differs in and the files that are named are rows to them."""
    _make(connection, "schema_difference", ["difference"], [(text,) for text in differences])
    _make(connection, "named_file", list(NamedFile.__annotations__), [astuple(file) for file in named])
    # rules may come from elsewhere: they reach nothing but the open store
    seal(connection)
    return evaluate(connection, (*packaged(), *own_rules))


def _make(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], rows: list[tuple[object, ...]]
) -> None:
    """Make a temporary table; a store that is open for reading has room for some."""
    schema = {name: pl.Boolean if name == "there" else pl.String for name in columns}
    with registered(connection, "_rows", pl.DataFrame(rows, schema=schema, orient="row")):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM _rows")


def named_files(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    jobs: Path,
    digest: Callable[[Path], str] | None = None,
) -> Iterator[NamedFile]:
    """The files that a store names; with ``digest``, which gives a checkpoint's, the checksums of large ones, too."""
    runs = connection.execute("SELECT name, kind, spec, spec_hash FROM run WHERE status = 'committed' ORDER BY run_id")
    for name, kind, spec, recorded in runs.fetchall():
        yield NamedFile("specification", name, "", True, recorded, _hash_of(spec))
        yield from _job_files(jobs / name, kind, recorded)
    checkpoints = connection.execute(
        "SELECT r.name, k.path, k.digest FROM checkpoint k JOIN run r USING (run_id) ORDER BY k.checkpoint_id"
    )
    for name, path, recorded in checkpoints.fetchall():
        folder = store.resolve().parent / path
        there = folder.is_dir()
        if not there and _left_out(jobs / name):
            continue
        found = _digest(folder, digest) if digest and there else None
        yield NamedFile("checkpoint", name, path, there, recorded, found)
    if digest:
        yield from _sources(store)


def _left_out(job: Path) -> bool:
    """Whether a job directory came here without its checkpoints."""
    try:
        return JobDirectory(job).came_without_checkpoints()
    except JobError:
        return False


def _digest(folder: Path, digest: Callable[[Path], str]) -> str:
    """Checksum of a checkpoint; empty where it is none."""
    try:
        return digest(folder)
    except (OSError, MlvError):
        return ""


def _hash_of(spec: str) -> str:
    """Hash of a specification; empty where it is none."""
    try:
        return spec_hash(read_spec(spec))
    except ValueError:
        return ""


def _job_files(folder: Path, kind: str, recorded: str) -> Iterator[NamedFile]:
    """A run's job directory, and what a commit read of it."""
    shown = f"jobs/{folder.name}"
    try:
        found, there = spec_hash(JobDirectory(folder).spec()), True
    except MlvError:
        found, there = "", (folder / "job.json").exists()
    yield NamedFile("job", folder.name, shown, there, recorded, found)
    for name in KINDS[kind].OUTPUTS:
        path = folder / "outputs" / name
        yield NamedFile("output", folder.name, f"{shown}/outputs/{name}", path.exists(), "", None)


def _sources(store: Path) -> Iterator[NamedFile]:
    """The files that ingests read, as the journal has them."""
    for entry in standing_ingests(read_journal(journal_path(store))[0]):
        yield from (_source(entry, file) for file in entry.files)


def _source(entry: Ingest, file: SourceFile) -> NamedFile:
    path = Path(file.path)
    found = hashes(entry, path).get(file.member) if path.exists() else None
    shown = f"{path}/{file.member}" if file.member else str(path)
    return NamedFile("source", entry.kind, shown, path.exists(), file.sha256, found or ("" if path.exists() else None))
