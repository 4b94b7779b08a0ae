"""The sources of corpora that can be ingested, each a module of this package whose ``SOURCE`` says all about it.

A new source is such a module, and its name in ``SOURCES``. Its files can be fetched with ``--download`` if
``origins.csv`` lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlv.ingest.readers.report import check_name
from mlv.schema.errors import UsageError

if TYPE_CHECKING:
    from mlv.ingest.readers.text import ReadCorpus

SOURCES: Final = (
    *("pbc", "ebible", "paralleltext", "usfm", "tanzil", "flores", "news", "lines", "table", "tmx"),
    *("xnli", "pawsx", "marc", "sib200", "afrisenti"),
)
"""Names of the sources and of their modules."""


@dataclass(frozen=True)
class Source:
    """A source of corpora, and the format that its files have."""

    code: str
    """Name in the store."""

    name: str
    domain: str
    """religious, encyclopedic, news or other."""

    citation: str
    licence: str
    """What its publishers state; the licence of each corpus unless another is given."""

    read: "Callable[[Path], ReadCorpus | list[ReadCorpus]]"
    """Reads a file: one text, or one for each of its languages."""

    patterns: tuple[str, ...]
    """Globs of its files in a folder. Each is tried with ``.gz``, too."""

    companions: frozenset[str] = field(default_factory=frozenset)
    """Names of files beside the texts that are not texts."""

    key_file: str = ""
    """The companion that names the segments of each text beside it, if there is one."""

    in_parts: bool = False
    """Whether several files make up one corpus."""

    line_aligned: bool = False
    """Whether a segment is parallel to those with the same line number, and by nothing else."""

    translated: bool = True
    """Whether segments with the same key are translations of each other; if not, keys are of one language alone."""

    unreliable_language: bool = False
    """Whether files name a wrong language in places, so that ``--language`` wins over them."""

    multilingual: bool = False
    """Whether a file may have several languages, of which ``--language`` then takes some."""

    labelled: bool = False
    """Whether texts have labels: its editions are splits, which files name or ``--edition`` does."""

    from_hub: bool = False
    """Whether ``--dataset`` goes with it: its files are tables, such as data sets of the Hugging Face hub become."""

    by_hand: tuple[str, str] | None = None
    """If no program may fetch it: why and where to get it, and what to do then."""

    of_publication: "Callable[[str | None, int], Source] | None" = None
    """If ``--publication`` goes with it: the source of a publication, of whose articles at most so many are read from a
    file. Raises UsageError if it needs a publication and has none."""

    of_columns: "Callable[[Source, str], Source] | None" = None
    """If ``--columns`` goes with it: the source that reads files by what the option says."""

    def texts(self, path: Path) -> "list[ReadCorpus]":
        """The texts of a file."""
        read = self.read(path)
        return read if isinstance(read, list) else [read]


def find_source(code: str) -> Source:
    """The source of a name in ``SOURCES``. Raises UsageError if there is none."""
    if code not in SOURCES:
        raise UsageError(f"There is no source {code!r}.", f"Sources: {', '.join(SOURCES)}")
    source: Source = import_module(f"mlv.ingest.readers.{code}").SOURCE
    return source


def source_of(code: str, publication: str | None, articles: int, columns: str | None = None) -> Source:
    """The source that the options of a command mean.

    ``news`` needs a publication, and becomes a source of its own: ``news-fox``. Formats of a user's texts take one, so
    that texts that are not translations of each other do not share keys: ``lines-ntrex``. Raises UsageError if they do
    not fit.
    """
    source = find_source(code)
    for option, given, taken in (
        ("publication", publication, "of_publication"),
        ("columns", columns, "of_columns"),
    ):
        if given is not None and getattr(source, taken) is None:
            fitting = [name for name in SOURCES if getattr(find_source(name), taken)]
            raise UsageError(f"--{option} does not go with {code}.", f"It goes with {', '.join(fitting)}.")
    if publication is not None:
        _check_publication(publication)
    made = source.of_publication(publication, articles) if source.of_publication else source
    return made if columns is None or made.of_columns is None else made.of_columns(made, columns)


def named_source(source: Source, publication: str | None) -> Source:
    """The source of a named set of texts that are translations of each other, or the one without a name."""
    from mlv.ingest.readers.text import slug

    if publication is None:
        return source
    return replace(source, code=f"{source.code}-{slug(publication).removeprefix(f'{source.code}-')}", name=publication)


def _check_publication(publication: str) -> None:
    """Raise UsageError if a publication's name cannot be part of a source's."""
    from mlv.ingest.readers.text import slug

    check_name("a publication", publication)
    if not slug(publication):
        raise UsageError(
            f"No name in small Latin letters can be made of the publication {publication!r}.",
            "Give one, e.g. --publication kayhan",
        )
