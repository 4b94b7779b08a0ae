"""Files of corpora: which files paths stand for, and the language, edition and keys of the texts in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import Rejected, check_name
from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus
from mlv.ingest.reference.languages import language as resolve
from mlv.schema.errors import MlvError, NotFoundError, UsageError, joined


@dataclass(frozen=True)
class CorpusFile:
    """A file that was read, and the corpus it belongs to."""

    path: Path
    language: str
    edition: str
    read: ReadCorpus


def find_files(source: Source, paths: Sequence[Path]) -> list[Path]:
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


def read_files(
    source: Source, paths: Iterable[Path], language: str | None, edition: str | None
) -> tuple[list[CorpusFile], list[MlvError]]:
    """The content of the files, and what is wrong with those that cannot be used."""
    given = (
        [resolve(name).code for name in (language.split(",") if source.multilingual else [language])]
        if language
        else []
    )
    files: list[CorpusFile] = []
    undeclared: dict[str, Path] = {}
    problems: list[MlvError] = []
    for path in paths:
        try:
            for text in _wanted(source, path, given, edition):
                if text.language is None:
                    # splits are of one text
                    undeclared.setdefault("" if text.split else text.edition, path)
                code, read = _resolve_language(source, path, text, given[0] if len(given) == 1 else None)
                files.append(_placed(source, path, code, _resolve_edition(path, read, edition)))
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


def _wanted(source: Source, path: Path, given: Sequence[str], edition: str | None) -> list[ReadCorpus]:
    """The texts of a file; of several languages or splits those that are given, if any are. Raises UsageError."""
    texts = source.texts(path)
    if edition and len({text.split for text in texts}) > 1:
        splits = sorted({text.split or "none" for text in texts})
        texts = [text for text in texts if text.split == edition]
        if not texts:
            raise UsageError(
                f"{path} has no split {edition!r}; it has {joined(splits)}.", "Name one of these, or none."
            )
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


def _resolve_edition(path: Path, read: ReadCorpus, given: str | None) -> ReadCorpus:
    """A text with its edition. Raises UsageError if that has no name, or if the file says another split."""
    if given and read.split not in (None, given):
        raise UsageError(
            f"{path} is of the split {read.split!r} by its name or content, but --edition is {given!r}.",
            "Leave --edition out; if it is the file's name that is wrong, rename the file.",
        )
    edition = given or read.edition
    if not edition:
        raise UsageError(
            f"Nothing says which split {path} is.", "Give it: --edition train, dev or test; or name the file after it."
        )
    check_name("an edition", edition)
    return replace(read, edition=edition)


def _placed(source: Source, path: Path, language: str, read: ReadCorpus) -> CorpusFile:
    """A file whose keys mean the same text wherever in the source they are."""
    parts = [language] * (not source.translated) + [read.edition]
    if read.local_keys:
        key = pl.concat_str(pl.lit(":".join([*parts, ""])), "parallel_key").alias("parallel_key")
        read = replace(read, segments=read.segments.with_columns(key))
    return CorpusFile(path, language, read.edition, read)
