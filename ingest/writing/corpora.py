"""Writing corpora.

A corpus is a source in one language and edition. All files of a call enter the store in one transaction, or none
does: they are read and checked first, and every problem is reported together. A corpus has one content: the same
again changes nothing, another under the same edition is refused.
"""

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.news import ARTICLES
from mlv.ingest.readers.report import FileReport, Rejected, file_sha256
from mlv.ingest.readers.sources import Source, source_of
from mlv.ingest.rules.gates import check_corpus
from mlv.ingest.writing.corpus_files import CorpusFile, find_files, read_files
from mlv.ingest.writing.reference import ensure_language
from mlv.ingest.writing.reports import record
from mlv.ingest.writing.tasks import ensure_packaged_tasks
from mlv.schema.errors import DataError, MlvError, joined, listed
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure, next_id

_CONTENT: Final = ("parallel_key", "text", "text_pair", "label")
"""What the content of a segment is."""

SHOWN_KEYS: Final = 5
"""Keys that a remark shows."""

_DIFFERING_LABELS: Final = """
WITH labelled AS (
    SELECT g.parallel_key, g.position, s.source_id, concat(l.code, ' ', g.label) AS said, g.label
    FROM segment g
    JOIN corpus c USING (corpus_id)
    JOIN source s USING (source_id)
    JOIN "language" l USING (language_id)
    WHERE g.label IS NOT NULL
)
SELECT parallel_key, string_agg(DISTINCT said, ', ' ORDER BY said) AS labels
FROM labelled
SEMI JOIN (FROM segment JOIN corpus USING (corpus_id) WHERE list_contains(?, corpus_id)) USING (source_id, parallel_key)
GROUP BY source_id, parallel_key
HAVING count(DISTINCT label) > 1
ORDER BY min(position), parallel_key
"""
"""Keys that corpora share with any of their source, with the labels in all languages, if these are not the same."""


def ingest_corpus(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    paths: Sequence[Path],
    *,
    language: str | None = None,
    edition: str | None = None,
    publication: str | None = None,
    licence: str = "",
    articles: int = ARTICLES,
    columns: str | None = None,
) -> list[FileReport]:
    """Read corpora and write them, all or nothing. Returns a report for each file.

    Args:
        source: One of ``mlv.ingest.readers.sources.SOURCES``.
        paths: Files, and folders that stand for the files of this format in them.
        language: Language of the one text whose file does not name it. A file that does has to agree, unless languages
            of the source are unreliable. Of files with several languages those to take, comma-separated.
        edition: Edition of all files, instead of what their format or name gives. A split that they say has to agree;
            of a file with several splits it is the one to take.
        publication: News outlet; name of the text with ``lines``.
        licence: Licence of the texts, instead of what is known of the source.
        articles: Most news articles that are taken from a file.
        columns: Which columns of a table are what (``mlv.ingest.readers.table``).

    Raises:
        UsageError: An option does not fit, or the language of a file is unknown or contradicted.
        NotFoundError: A path does not exist, or a folder has no file of the format.
        DataError: A file cannot be used, or the store has other content under the same edition.
    """
    origin = source_of(source, publication, articles, columns)
    files, unreadable = read_files(origin, find_files(origin, paths), language, edition)
    corpora, unusable = _assemble_all(connection, origin, files)
    _raise_all([*unreadable, *unusable])
    with transaction(connection):
        new = [
            _write(connection, origin, corpus, licence, columns or corpus.columns)
            for corpus in corpora
            if not corpus.already_there
        ]
    options = {"source": source, "language": language, "edition": edition, "publication": publication}
    options |= {"columns": columns} if columns else {}
    reports = [report for corpus in corpora for report in corpus.reports]
    labelled = any(corpus.columns for corpus in corpora)
    if new and labelled and (differing := _differing_labels(connection, new)):
        reports[0].remarks.append(differing)
    key_files = {file.path.with_name(origin.key_file) for file in files} if origin.key_file else set()
    note_ingest(connection, "corpus", {**options, "licence": licence, "articles": articles}, reports, sorted(key_files))
    return reports


@dataclass(frozen=True)
class _Corpus:
    """A corpus that is ready to be written."""

    language: str
    edition: str
    segments: pl.DataFrame
    """``[position, parallel_key, text, text_pair, label]``."""

    columns: str
    """Columns of a labelled table that were taken for what; else empty."""

    sha256: str
    reports: list[FileReport]
    already_there: bool


def _assemble_all(
    connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[CorpusFile]
) -> tuple[list[_Corpus], list[MlvError]]:
    """The corpora that the files make up, and what is wrong with those that cannot be written."""
    grouped: dict[tuple[str, str], list[CorpusFile]] = {}
    for file in files:
        grouped.setdefault((file.language, file.edition), []).append(file)
    corpora: list[_Corpus] = []
    problems: list[MlvError] = [
        *_check_alignment(connection, source, files),
        *_check_keys(connection, source, files),
    ]
    for group in grouped.values():
        try:
            corpora.append(_assemble(connection, source, group))
        except MlvError as problem:
            problems.append(problem)
    return corpora, problems


def _assemble(connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[CorpusFile]) -> _Corpus:
    """One corpus from its files, checked. Raises DataError if it cannot be written."""
    language, edition = files[0].language, files[0].edition
    target = f"{source.code}/{language}/{edition}"
    if len(files) > 1 and not source.in_parts:
        names = ", ".join(str(file.path) for file in files)
        raise DataError(
            f"Several files are the same text {target}: {names}.", "Ingest one, or distinguish them by --edition."
        )
    joint = pl.concat([_complete(file.read.segments).with_columns(file=pl.lit(i)) for i, file in enumerate(files)])
    first = pl.col("parallel_key").is_first_distinct()
    kept, repeated = joint.filter(first), joint.filter(~first)
    segments = kept.select(*_CONTENT).with_row_index("position").cast({"position": pl.Int64})
    sha256 = _content_sha256(segments)
    there = _already_there(connection, target, sha256)
    if not there:
        check_corpus(segments, target)
    reports = [
        _report(file, target, kept.filter(file=i).height, repeated.filter(file=i), there)
        for i, file in enumerate(files)
    ]
    return _Corpus(language, edition, segments, files[0].read.columns, sha256, reports, there)


def _complete(segments: pl.DataFrame) -> pl.DataFrame:
    """Segments with a pair and a label, which plain text does not have."""
    missing = [name for name in ("text_pair", "label") if name not in segments.columns]
    return segments.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)


def _report(file: CorpusFile, target: str, rows_kept: int, repeated: pl.DataFrame, already_there: bool) -> FileReport:
    """The report of one file; the segments ``repeated`` were in a file before it."""
    rejected = [
        Rejected(row["line"], "its key occurs in a file before", row["parallel_key"], row["text"])
        for row in repeated.iter_rows(named=True)
    ]
    return FileReport(
        kind="corpus",
        target=target,
        path=file.path,
        name=file.path.name,
        sha256=file_sha256(file.path),
        rows_read=file.read.rows_read,
        rows_kept=rows_kept,
        rows_repaired=file.read.rows_repaired,
        rejected=[*file.read.rejected, *rejected],
        remarks=list(file.read.remarks),
        already_there=already_there,
    )


def _content_sha256(segments: pl.DataFrame) -> str:
    """SHA-256 of keys and texts, in order, and of second texts and labels where there are any."""
    digest = hashlib.sha256()
    for row in segments.select(*_CONTENT).iter_rows():
        digest.update(("\t".join(part for part in row if part is not None) + "\n").encode())
    return digest.hexdigest()


def _already_there(connection: duckdb.DuckDBPyConnection, target: str, sha256: str) -> bool:
    """Whether the store has the corpus ``SOURCE/LANGUAGE/EDITION``. Raises DataError if it has another of that name."""
    known = connection.execute(
        'SELECT c.sha256 FROM corpus c JOIN source s USING (source_id) JOIN "language" l USING (language_id) '
        "WHERE concat_ws('/', s.code, l.code, c.edition) = ?",
        [target],
    ).fetchone()
    if known is not None and known[0] != sha256:
        raise DataError(
            f"The store has {target} with other content.",
            "Give all files of an edition in one call, or keep both texts: --edition NAME. If what is there is wrong: "
            f"mlv ingest delete {shlex.quote(target)}",
        )
    return known is not None


def _check_alignment(
    connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[CorpusFile]
) -> Iterator[DataError]:
    """The error for files whose keys are numbers of lines, and that differ in how many they have, in a split."""
    aligned: dict[str, list[CorpusFile]] = {}
    for file in files:
        if source.line_aligned or file.read.by_row:
            aligned.setdefault(file.edition if file.read.local_keys else "", []).append(file)
    for split, group in aligned.items():
        stored = connection.execute(
            "SELECT target, rows_read FROM ingest_file "
            "WHERE kind = 'corpus' AND starts_with(target, ?) AND ends_with(target, ?) ORDER BY target",
            [f"{source.code}/", f"/{split}" if split else ""],
        ).fetchall()
        sizes: dict[int, list[str]] = {}
        for name, size in [*stored, *((str(file.path), file.read.rows_read) for file in group)]:
            sizes.setdefault(size, []).append(name)
        if len(sizes) > 1:
            yield _misaligned(source, sizes)


def _misaligned(source: Source, sizes: Mapping[int, Sequence[str]]) -> DataError:
    """The error for names of files by their numbers of lines."""
    counts = "; ".join(f"{size:,} lines: {joined(names)}" for size, names in sizes.items())
    apart = "If they are not translations of each other, make each text a source of its own: --publication NAME"
    return DataError(
        f"Files of {source.code} are aligned by line, but differ in their number of lines ({counts}).",
        "Fetch the files again that are not whole." if source.labelled else apart,
    )


def _check_keys(
    connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[CorpusFile]
) -> Iterator[DataError]:
    """The error for translations of one split of which some have ids for keys and others numbers of rows."""
    for split in {file.edition: None for file in files if source.labelled and source.translated}:
        stored = connection.execute(
            "SELECT DISTINCT columns FROM corpus JOIN source USING (source_id) WHERE code = ? AND edition = ?",
            [source.code, split],
        ).fetchall()
        given = [file.read.columns for file in files if file.edition == split]
        layouts = sorted({*given, *(columns for (columns,) in stored)})
        with_ids = [layout for layout in layouts if ",key=" in layout]
        if with_ids and len(with_ids) < len(layouts):
            by_row = next(layout for layout in layouts if layout not in with_ids)
            yield DataError(
                f"Keys of {source.code} {split} would be of two kinds: ids with the columns {with_ids[0]}, numbers of "
                f"rows with {by_row}.",
                "Ingest a split in one layout. If the wrong one is in the store: mlv ingest delete "
                f"{source.code}/LANGUAGE/{split}",
            )


def _differing_labels(connection: duckdb.DuckDBPyConnection, corpora: Sequence[int]) -> str:
    """A remark on keys of corpora whose labels are not the same in all languages; empty if there are none."""
    rows = connection.execute(_DIFFERING_LABELS, [list(corpora)]).fetchall()
    shown = joined([f"{key} ({labels})" for key, labels in rows], most=SHOWN_KEYS)
    return f"keys whose labels differ between languages: {len(rows):,}, kept: {shown}" if rows else ""


def _raise_all(problems: Sequence[MlvError]) -> None:
    """Raise one problem as it is, and several as one DataError."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = listed(problem.line for problem in problems)
        raise DataError(
            f"{len(problems)} problems, and nothing was written:{lines}", "Correct them, then ingest again."
        )


def _write(connection: duckdb.DuckDBPyConnection, source: Source, corpus: _Corpus, licence: str, columns: str) -> int:
    """Add a corpus, its segments, and the reports of its files; return its key."""
    row = {"code": source.code, "name": source.name, "domain": source.domain, "citation": source.citation}
    source_id = ensure(connection, "source", pl.DataFrame([row]), ["code"])["source_id"][0]
    values = {
        "source_id": source_id,
        "language_id": ensure_language(connection, corpus.language),
        "edition": corpus.edition,
        "licence": licence or source.licence,
        "origin": ", ".join(report.name for report in corpus.reports),
        "columns": columns,
        "sha256": corpus.sha256,
    }
    key = ["source_id", "language_id", "edition"]
    corpus_id = int(ensure(connection, "corpus", pl.DataFrame([values]), key)["corpus_id"][0])
    segment_id = pl.col("position") + next_id(connection, "segment")
    append(connection, "segment", corpus.segments.with_columns(segment_id=segment_id, corpus_id=pl.lit(corpus_id)))
    for report in corpus.reports:
        record(connection, report)
    ensure_packaged_tasks(connection, source.code)
    return corpus_id
