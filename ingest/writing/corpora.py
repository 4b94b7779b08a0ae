"""Writing corpora.

A corpus is a source in one language and edition. All files of a call enter the store in one transaction, or none
does: they are read and checked first, and every problem is reported together. A corpus has one content: the same
again changes nothing, another under the same edition is refused.
"""

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.news import ARTICLES
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import FileReport, Rejected, check_name, file_sha256
from mlv.ingest.readers.sources import Source, source_of
from mlv.ingest.readers.text import ReadCorpus
from mlv.ingest.reference.languages import language as resolve
from mlv.ingest.rules.gates import check_corpus
from mlv.ingest.writing.reference import ensure_language
from mlv.ingest.writing.reports import record
from mlv.schema.errors import DataError, MlvError, NotFoundError, UsageError, joined, listed
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure, next_id


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
        edition: Edition of all files, instead of what their format or name gives.
        publication: News outlet; name of the text with ``lines``.
        licence: Licence of the texts, instead of what is known of the source.
        articles: Most news articles that are taken from a file.
        columns: Which columns of a table are text, key and language (``mlv.ingest.readers.table``).

    Raises:
        UsageError: An option does not fit, or the language of a file is unknown or contradicted.
        NotFoundError: A path does not exist, or a folder has no file of the format.
        DataError: A file cannot be used, or the store has other content under the same edition.
    """
    origin = source_of(source, publication, articles, columns)
    files, unreadable = _read_all(origin, _find_files(origin, paths), language, edition)
    corpora, unusable = _assemble_all(connection, origin, files)
    _raise_all([*unreadable, *unusable])
    with transaction(connection):
        for corpus in corpora:
            if not corpus.already_there:
                _write(connection, origin, corpus, licence, columns or "")
    options = {"source": source, "language": language, "edition": edition, "publication": publication}
    options |= {"columns": columns} if columns else {}
    reports = [report for corpus in corpora for report in corpus.reports]
    key_files = {file.path.with_name(origin.key_file) for file in files} if origin.key_file else set()
    note_ingest(connection, "corpus", {**options, "licence": licence, "articles": articles}, reports, sorted(key_files))
    return reports


@dataclass(frozen=True)
class _File:
    """A file that was read, and the corpus it belongs to."""

    path: Path
    language: str
    edition: str
    read: ReadCorpus


@dataclass(frozen=True)
class _Corpus:
    """A corpus that is ready to be written."""

    language: str
    edition: str
    segments: pl.DataFrame
    """``[position, parallel_key, text]``."""

    sha256: str
    reports: list[FileReport]
    already_there: bool


def _find_files(source: Source, paths: Sequence[Path]) -> list[Path]:
    """The files that paths stand for, each once, without those that only accompany the texts.

    Raises NotFoundError that names all paths that stand for none.
    """
    texts = [path for path in paths if path.name.removesuffix(".gz") not in source.companions] or paths
    found = {path: _files_at(source, path) for path in texts}
    if missing := [str(path) for path, files in found.items() if not files]:
        raise NotFoundError(
            f"There is no file of {source.code} at {', '.join(missing)}.",
            f"Name files, or folders with {', '.join(source.patterns)}.",
        )
    return list(dict.fromkeys(file for files in found.values() for file in files))


def _files_at(source: Source, path: Path) -> list[Path]:
    """The files of the source at a path, sorted; a file that is named is taken whatever its name."""
    if (there := what_is_at(path)) != "folder":
        return [path] if there == "file" else []
    globs = [pattern + ending for pattern in source.patterns for ending in ("", ".gz")]
    files = {file for pattern in globs for file in path.glob(pattern) if not file.name.startswith(".")}
    return sorted(file for file in files if file.name.removesuffix(".gz") not in source.companions)


def _read_all(
    source: Source, paths: Iterable[Path], language: str | None, edition: str | None
) -> tuple[list[_File], list[MlvError]]:
    """The content of the files, and what is wrong with those that cannot be used."""
    given = (
        [resolve(name).code for name in (language.split(",") if source.multilingual else [language])]
        if language
        else []
    )
    files: list[_File] = []
    undeclared: dict[str, Path] = {}
    problems: list[MlvError] = []
    for path in paths:
        try:
            for text in _wanted(source, path, given):
                if text.language is None:
                    undeclared.setdefault(text.edition, path)
                code, read = _resolve_language(source, path, text, given[0] if len(given) == 1 else None)
                check_name("an edition", edition or read.edition)
                files.append(_File(path, code, edition or read.edition, read))
        except MlvError as problem:
            problems.append(problem)
    if given and len(undeclared) > 1:
        names = joined(str(path) for path in undeclared.values())
        ambiguous = UsageError(
            f"--language {given[0]} stands for one text, and several do not name their language: {names}.",
            "Ingest them one by one, each with its --language, or end their names in the language's code: text.fa.txt",
        )
        problems.append(ambiguous)
    return files, problems


def _wanted(source: Source, path: Path, given: Sequence[str]) -> list[ReadCorpus]:
    """The texts of a file; of one in several languages those that are given, if any are. Raises UsageError."""
    texts = source.texts(path)
    declared = [text.language for text in texts if text.language]
    if not (source.multilingual and given and declared):
        return texts
    if missing := sorted(set(given) - set(declared)):
        raise UsageError(
            f"{path} has no text in {joined(missing)}; it has {joined(sorted(declared))}.",
            "Name some of these, or none.",
        )
    return [text for text in texts if text.language in given]


def _resolve_language(source: Source, path: Path, read: ReadCorpus, given: str | None) -> tuple[str, ReadCorpus]:
    """The language of a text, and the text with what contradicts it among its rejects.

    Raises UsageError if the language is unknown, or if the file names another than is given.
    """
    declared = read.language
    if declared is None and given is None:
        raise UsageError(f"The language of {path} is unknown.", "Give it, e.g. --language fa")
    if given is None or declared in (None, given):
        return given or str(declared), read
    if not source.unreliable_language:
        raise UsageError(
            f"{path} is in {declared!r} by its name or content, but --language is {given!r}.",
            "Leave --language out; if it is the file's name that is wrong, rename the file.",
        )
    reason = f"the file gives its language as {declared!r}; it is taken as {given!r}, as --language says"
    others = [row for row in read.rejected if row.item != "language"]
    return given, replace(read, rejected=[Rejected(1, reason, "language", declared or ""), *others])


def _assemble_all(
    connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[_File]
) -> tuple[list[_Corpus], list[MlvError]]:
    """The corpora that the files make up, and what is wrong with those that cannot be written."""
    grouped: dict[tuple[str, str], list[_File]] = {}
    for file in files:
        grouped.setdefault((file.language, file.edition), []).append(file)
    corpora: list[_Corpus] = []
    problems: list[MlvError] = list(_check_alignment(connection, source, files))
    for group in grouped.values():
        try:
            corpora.append(_assemble(connection, source, group))
        except MlvError as problem:
            problems.append(problem)
    return corpora, problems


def _assemble(connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[_File]) -> _Corpus:
    """One corpus from its files, checked. Raises DataError if it cannot be written."""
    language, edition = files[0].language, files[0].edition
    target = f"{source.code}/{language}/{edition}"
    if len(files) > 1 and not source.in_parts:
        names = ", ".join(str(file.path) for file in files)
        raise DataError(
            f"Several files are the same text {target}: {names}.", "Ingest one, or distinguish them by --edition."
        )
    joint = pl.concat([file.read.segments.with_columns(file=pl.lit(i)) for i, file in enumerate(files)])
    first = pl.col("parallel_key").is_first_distinct()
    kept, repeated = joint.filter(first), joint.filter(~first)
    segments = kept.select("parallel_key", "text").with_row_index("position").cast({"position": pl.Int64})
    sha256 = _content_sha256(segments)
    there = _already_there(connection, target, sha256)
    if not there:
        check_corpus(segments, target)
    reports = [
        _report(file, target, kept.filter(file=i).height, repeated.filter(file=i), there)
        for i, file in enumerate(files)
    ]
    return _Corpus(language, edition, segments, sha256, reports, there)


def _report(file: _File, target: str, rows_kept: int, repeated: pl.DataFrame, already_there: bool) -> FileReport:
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
        already_there=already_there,
    )


def _content_sha256(segments: pl.DataFrame) -> str:
    """SHA-256 of keys and texts, in order."""
    digest = hashlib.sha256()
    for key, text in segments.select("parallel_key", "text").iter_rows():
        digest.update(f"{key}\t{text}\n".encode())
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
    connection: duckdb.DuckDBPyConnection, source: Source, files: Sequence[_File]
) -> Iterator[DataError]:
    """The error for files whose keys are numbers of lines, and that differ in how many they have."""
    files = [file for file in files if source.line_aligned or file.read.by_row]
    if not files:
        return
    stored = connection.execute(
        "SELECT target, rows_read FROM ingest_file WHERE kind = 'corpus' AND starts_with(target, ?) ORDER BY target",
        [f"{source.code}/"],
    ).fetchall()
    sizes: dict[int, list[str]] = {}
    for name, size in [*stored, *((str(file.path), file.read.rows_read) for file in files)]:
        sizes.setdefault(size, []).append(name)
    if len(sizes) > 1:
        counts = "; ".join(f"{size:,} lines: {joined(names)}" for size, names in sizes.items())
        yield DataError(
            f"Files of {source.code} are aligned by line, but differ in their number of lines ({counts}).",
            "If they are not translations of each other, make each text a source of its own: --publication NAME",
        )


def _raise_all(problems: Sequence[MlvError]) -> None:
    """Raise one problem as it is, and several as one DataError."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = listed(problem.line for problem in problems)
        raise DataError(
            f"{len(problems)} problems, and nothing was written:{lines}", "Correct them, then ingest again."
        )


def _write(connection: duckdb.DuckDBPyConnection, source: Source, corpus: _Corpus, licence: str, columns: str) -> None:
    """Add a corpus, its segments, and the reports of its files."""
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
    corpus_id = ensure(connection, "corpus", pl.DataFrame([values]), key)["corpus_id"][0]
    segment_id = pl.col("position") + next_id(connection, "segment")
    append(connection, "segment", corpus.segments.with_columns(segment_id=segment_id, corpus_id=pl.lit(corpus_id)))
    for report in corpus.reports:
        record(connection, report)
