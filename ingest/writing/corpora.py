"""Writing corpora, and choosing sentences from them.

A corpus is a source in one language and edition. All files of a call enter the store in one transaction, or none
does: they are read and checked first, and every problem is reported together. A corpus holds one content: the same
again changes nothing, another under the same edition is refused.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

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
from mlv.schema.errors import DataError, MlvError, NotFoundError, UsageError
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure, next_id

LISTED: Final = 12
"""Corpora that an error names."""


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
) -> list[FileReport]:
    """Read corpora and write them, all or nothing.

    Args:
        source: Format and origin, one of ``mlv.ingest.readers.sources.SOURCES``.
        paths: Files, and folders that stand for the files of this format in them.
        language: Language of the one text whose file does not say it. Where a file does, it has to agree, but for the
            Parallel Bible Corpus, whose headers are wrong in places.
        edition: Edition of all files, instead of what their format or name gives.
        publication: News outlet; name of the text with ``lines``.
        licence: Licence of the texts, instead of what is known of the source.
        articles: Most news articles that are taken from a file.

    Returns:
        A report for each file.

    Raises:
        UsageError: An option does not fit, or a file's language is told by nothing or contradicted.
        NotFoundError: A path does not exist, or a folder has no file of the format.
        DataError: A file cannot be used, or the store has other content under the same edition.
    """
    origin = source_of(source, publication, articles)
    parts, problems = _read_all(origin, _expand(origin, paths), language, edition)
    texts, more = _assemble_all(connection, origin, parts)
    _raise_all([*problems, *more])
    with transaction(connection):
        for text in texts:
            if not text.already_there:
                _write(connection, origin, text, licence)
    reports = [report for text in texts for report in text.reports]
    options = {
        "source": source,
        "language": language,
        "edition": edition,
        "publication": publication,
        "licence": licence,
        "articles": articles,
    }
    beside = {part.path.with_name(origin.key_file) for part in parts} if origin.key_file else set()
    note_ingest(connection, "corpus", options, reports, sorted(beside))
    return reports


@dataclass(frozen=True)
class _Part:
    """A file that was read, and the corpus it belongs to."""

    path: Path
    language: str
    edition: str
    read: ReadCorpus


@dataclass(frozen=True)
class _Text:
    """A corpus that is ready to be written."""

    language: str
    edition: str
    segments: pl.DataFrame
    """``[position, parallel_key, text]``."""

    sha256: str
    reports: list[FileReport]
    already_there: bool


def _expand(source: Source, paths: Sequence[Path]) -> list[Path]:
    """The files that paths stand for, each once, but for those that accompany the texts.

    Raises NotFoundError that names all paths that stand for none.
    """
    texts = [path for path in paths if path.name.removesuffix(".gz") not in source.companions] or paths
    found: dict[Path, list[Path]] = {path: _files(source, path) for path in texts}
    if missing := [str(path) for path, files in found.items() if not files]:
        globs = ", ".join(source.patterns)
        raise NotFoundError(
            f"There is no file of {source.code} at {', '.join(missing)}.", f"Name files, or folders with {globs}."
        )
    return list(dict.fromkeys(file for files in found.values() for file in files))


def _files(source: Source, path: Path) -> list[Path]:
    """The files of the source at a path, sorted; a file that is named is taken whatever it is called."""
    if (there := what_is_at(path)) != "folder":
        return [path] if there == "file" else []
    globs = [pattern + ending for pattern in source.patterns for ending in ("", ".gz")]
    files = {file for pattern in globs for file in path.glob(pattern) if not file.name.startswith(".")}
    return sorted(file for file in files if file.name.removesuffix(".gz") not in source.companions)


def _read_all(
    source: Source, files: Iterable[Path], language: str | None, edition: str | None
) -> tuple[list[_Part], list[MlvError]]:
    """What the files hold, and what is wrong with those that cannot be used."""
    code = None if language is None else resolve(language).code
    parts: list[_Part] = []
    silent: dict[str, Path] = {}
    problems: list[MlvError] = []
    for path in files:
        try:
            read = source.read(path)
            if read.language is None:
                silent.setdefault(read.edition, path)
            spoken, read = _spoken(source, path, read, code)
            check_name("an edition", edition or read.edition)
            parts.append(_Part(path, spoken, edition or read.edition, read))
        except MlvError as problem:
            problems.append(problem)
    if code is not None and len(silent) > 1:
        problems.append(_several_silent(silent.values(), code))
    return parts, problems


def _spoken(source: Source, path: Path, read: ReadCorpus, given: str | None) -> tuple[str, ReadCorpus]:
    """The language of a text, and the text with what contradicts it among its rejects.

    Raises UsageError where nothing says the language, or the file says another than is given.
    """
    carried = read.language
    if carried is None and given is None:
        raise UsageError(f"Nothing says which language {path} is in.", "Say it, e.g. --language fa")
    if given is None or carried in (None, given):
        return given or str(carried), read
    if not source.unreliable_language:
        raise UsageError(
            f"{path} is in {carried!r} by its name or content, and --language says {given!r}.",
            "Leave --language out; if it is the file's name that is wrong, rename the file.",
        )
    reason = f"the file says that its language is {carried!r}; it is taken as {given!r}, as --language says"
    others = [row for row in read.rejected if row.item != "language"]
    return given, replace(read, rejected=[Rejected(1, reason, "language", carried or ""), *others])


def _several_silent(paths: Iterable[Path], given: str) -> UsageError:
    """The error for one language that would be given to several texts."""
    return UsageError(
        f"--language {given} stands for one text, and several do not say their language: "
        f"{_listed([str(path) for path in paths])}.",
        "Ingest them one by one, each with its --language, or end their names in the language's code: text.fa.txt",
    )


def _assemble_all(
    connection: duckdb.DuckDBPyConnection, source: Source, parts: Sequence[_Part]
) -> tuple[list[_Text], list[MlvError]]:
    """The corpora that the files make up, and what is wrong with those that cannot be written."""
    grouped: dict[tuple[str, str], list[_Part]] = {}
    for part in parts:
        grouped.setdefault((part.language, part.edition), []).append(part)
    texts: list[_Text] = []
    problems: list[MlvError] = list(_unaligned(connection, source, parts))
    for group in grouped.values():
        try:
            texts.append(_assemble(connection, source, group))
        except MlvError as problem:
            problems.append(problem)
    return texts, problems


def _assemble(connection: duckdb.DuckDBPyConnection, source: Source, parts: Sequence[_Part]) -> _Text:
    """One corpus from its files, checked. Raises DataError where it cannot be written."""
    language, edition = parts[0].language, parts[0].edition
    target = f"{source.code}/{language}/{edition}"
    if len(parts) > 1 and not source.in_parts:
        names = ", ".join(str(part.path) for part in parts)
        raise DataError(f"Several files are the same text {target}: {names}.", "Ingest one, or tell them by --edition.")
    joined = pl.concat([part.read.segments.with_columns(part=pl.lit(i)) for i, part in enumerate(parts)])
    kept = joined.filter(pl.col("parallel_key").is_first_distinct())
    segments = kept.select("parallel_key", "text").with_row_index("position").cast({"position": pl.Int64})
    sha256 = _content_sha256(segments)
    there = _already_there(connection, target, source.code, language, edition, sha256)
    if not there:
        check_corpus(segments, target)
    repeated = joined.filter(~pl.col("parallel_key").is_first_distinct())
    reports = [
        _report(part, target, kept.filter(part=i), repeated.filter(part=i), there) for i, part in enumerate(parts)
    ]
    return _Text(language, edition, segments, sha256, reports, there)


def _report(part: _Part, target: str, kept: pl.DataFrame, repeated: pl.DataFrame, already_there: bool) -> FileReport:
    """The report of one file, of whose segments some were in a file before it."""
    rejected = [
        Rejected(row["line"], "its key occurs in a file before", row["parallel_key"], row["text"])
        for row in repeated.iter_rows(named=True)
    ]
    return FileReport(
        kind="corpus",
        target=target,
        path=part.path,
        name=part.path.name,
        sha256=file_sha256(part.path),
        rows_read=part.read.rows_read,
        rows_kept=kept.height,
        rows_repaired=part.read.rows_repaired,
        rejected=[*part.read.rejected, *rejected],
        already_there=already_there,
    )


def _content_sha256(segments: pl.DataFrame) -> str:
    """SHA-256 of keys and texts, in order."""
    digest = hashlib.sha256()
    for key, text in segments.select("parallel_key", "text").iter_rows():
        digest.update(f"{key}\t{text}\n".encode())
    return digest.hexdigest()


def _already_there(
    connection: duckdb.DuckDBPyConnection, target: str, source: str, language: str, edition: str, sha256: str
) -> bool:
    """Whether the store has the corpus. Raises DataError where it has another under the same name."""
    known = connection.execute(
        'SELECT c.sha256 FROM corpus c JOIN source s USING (source_id) JOIN "language" l USING (language_id) '
        "WHERE s.code = ? AND l.code = ? AND c.edition = ?",
        [source, language, edition],
    ).fetchone()
    if known is not None and known[0] != sha256:
        raise DataError(
            f"The store has {target} with other content.",
            "Give all files of an edition in one call, or keep both texts: --edition NAME",
        )
    return known is not None


def _unaligned(connection: duckdb.DuckDBPyConnection, source: Source, parts: Sequence[_Part]) -> Iterable[DataError]:
    """What is wrong where files of a line-aligned source differ in their number of lines."""
    if not source.line_aligned:
        return
    stored = connection.execute(
        "SELECT target, rows_read FROM ingest_file WHERE kind = 'corpus' AND starts_with(target, ?) ORDER BY target",
        [f"{source.code}/"],
    ).fetchall()
    sizes: dict[int, list[str]] = {}
    for name, size in [*stored, *((str(part.path), part.read.rows_read) for part in parts)]:
        sizes.setdefault(size, []).append(name)
    if len(sizes) > 1:
        listed = "; ".join(f"{size:,} lines: {_listed(names)}" for size, names in sizes.items())
        yield DataError(
            f"Files of {source.code} are aligned by line, but differ in their number of lines ({listed}).",
            "If they are no translations of each other, make each text a source of its own: --publication NAME",
        )


def _raise_all(problems: Sequence[MlvError]) -> None:
    """Raise one problem as it is, and several as one DataError."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        listed = "".join(f"\n  - {problem.line}" for problem in problems)
        raise DataError(
            f"{len(problems)} problems, and nothing was written:{listed}", "Correct them, then ingest again."
        )


def _write(connection: duckdb.DuckDBPyConnection, source: Source, text: _Text, licence: str) -> None:
    """Add a corpus, its segments, and the reports of its files."""
    row = {"code": source.code, "name": source.name, "domain": source.domain, "citation": source.citation}
    source_id = ensure(connection, "source", pl.DataFrame([row]), ["code"])["source_id"][0]
    corpus = {
        "source_id": source_id,
        "language_id": ensure_language(connection, text.language),
        "edition": text.edition,
        "licence": licence or source.licence,
        "origin": ", ".join(report.name for report in text.reports),
        "sha256": text.sha256,
    }
    key = ["source_id", "language_id", "edition"]
    corpus_id = ensure(connection, "corpus", pl.DataFrame([corpus]), key)["corpus_id"][0]
    first = next_id(connection, "segment")
    append(
        connection,
        "segment",
        text.segments.with_columns(segment_id=pl.col("position") + first, corpus_id=pl.lit(corpus_id)),
    )
    for report in text.reports:
        record(connection, report)


def select_segments(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    languages: Sequence[str],
    sentences: int,
    editions: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The sentences of a fine-tuning run (Echoes section 4.2).

    One language: the first ``sentences`` consecutive segments. Several: the first ``sentences / languages`` keys that
    all of them have, in the order of the first language, each in every language.

    Args:
        sentences: In all languages together.
        editions: Edition by language, where the store has several.

    Returns:
        ``[language, edition, corpus_sha256, position, parallel_key, text]``, key by key.

    Raises:
        UsageError: Sentences do not divide by languages, a language is named twice, or its edition is ambiguous.
        NotFoundError: The store has no such corpus.
        DataError: There are too few sentences.
    """
    corpora = _find(connection, source, languages, editions or {})
    if sentences < 1 or sentences % len(corpora):
        raise UsageError(
            f"{sentences:,} sentences do not divide into {len(corpora)} languages.",
            f"Each language gets as many: --sentences {max(1, round(sentences / len(corpora))) * len(corpora)}",
        )
    each = sentences // len(corpora)
    found = connection.execute(
        f"{_SHARED_KEYS} "
        "SELECT l.code AS language, c.edition, c.sha256 AS corpus_sha256, g.position, g.parallel_key, g.text "
        "FROM shared JOIN segment g USING (parallel_key) JOIN corpus c USING (corpus_id) "
        'JOIN "language" l USING (language_id) '
        "WHERE shared.rank <= $each AND list_contains($corpora, g.corpus_id) "
        "ORDER BY shared.rank, list_position($corpora, g.corpus_id)",
        {"corpora": corpora, "each": each},
    ).pl()
    if found.height < sentences:
        raise _too_few(source, languages, each, found.height // len(corpora))
    return found


def multiparallel(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    languages: Sequence[str],
    editions: Mapping[str, str] | None = None,
) -> list[str]:
    """Keys that a source has in all languages, in the order of the first. Raises as ``select_segments`` does."""
    corpora = _find(connection, source, languages, editions or {})
    rows = connection.execute(
        f"{_SHARED_KEYS} SELECT parallel_key FROM shared ORDER BY rank", {"corpora": corpora}
    ).fetchall()
    return [key for (key,) in rows]


_SHARED_KEYS: Final = (
    "WITH shared AS ("
    "SELECT parallel_key, row_number() OVER (ORDER BY min(position) FILTER (corpus_id = $corpora[1])) AS rank "
    "FROM segment WHERE list_contains($corpora, corpus_id) "
    "GROUP BY parallel_key HAVING count(*) = len($corpora))"
)
"""Keys that all corpora of ``$corpora`` have, ranked by their place in the first."""


def _too_few(source: str, languages: Sequence[str], wanted: int, found: int) -> DataError:
    """The error for a source with too few sentences."""
    total = found * len(languages)
    shared = f"that {', '.join(languages)} share" if len(languages) > 1 else f"in {languages[0]}"
    return DataError(
        f"{source} has {found:,} sentences {shared}; {wanted:,} are needed.",
        f"Take fewer: --sentences {total}" if total else "Ingest texts that are translations of each other.",
    )


def _find(
    connection: duckdb.DuckDBPyConnection, source: str, languages: Sequence[str], editions: Mapping[str, str]
) -> list[int]:
    """Keys of the corpora of a source, in the order of ``languages``."""
    codes = [resolve(name).code for name in languages]
    if not codes or len(set(codes)) < len(codes):
        raise UsageError(f"These are not one or more different languages: {', '.join(languages) or 'none'}.")
    chosen = {resolve(name).code: edition for name, edition in editions.items()}
    rows = connection.execute(
        'SELECT s.code, l.code, c.edition, c.corpus_id FROM corpus c JOIN source s USING (source_id) JOIN "language" l '
        "USING (language_id) ORDER BY ALL"
    ).fetchall()
    return [_one(rows, source, code, chosen.get(code)) for code in codes]


def _one(rows: Sequence[tuple[str, str, str, int]], source: str, language: str, edition: str | None) -> int:
    """Key of the one corpus that is meant. Raises NotFoundError, or UsageError where there are several."""
    there = {name: key for owner, code, name, key in rows if (owner, code) == (source, language)}
    fitting = {name: key for name, key in there.items() if edition in (None, name)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if fitting:
        raise UsageError(
            f"{source} has several editions in {language}: {', '.join(fitting)}.",
            f"Choose one: --edition {language}={next(iter(fitting))}",
        )
    if there:
        raise NotFoundError(f"{source} has no edition {edition!r} in {language}.", f"Its editions: {', '.join(there)}")
    same_source = [f"{source}/{code}/{name}" for owner, code, name, _ in rows if owner == source]
    others = same_source or sorted({owner for owner, *_ in rows})
    raise NotFoundError(
        f"The store has no corpus of {source} in {language}. It has {_listed(others)}.",
        f"Ingest it: mlv ingest corpus --source {source.partition('-')[0]} PATH",
    )


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "nothing") + more
