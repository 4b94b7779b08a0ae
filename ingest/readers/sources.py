"""The sources of corpora that can be ingested, each a module of this package whose ``SOURCE`` says all about it.

A new source is such a module, and its name in ``SOURCES``. Its files can be fetched with ``--download`` if
``origins.csv`` lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlv.ingest.readers.report import check_name
from mlv.schema.errors import UsageError

if TYPE_CHECKING:
    from mlv.ingest.readers.text import ReadCorpus

SOURCES: Final = ("pbc", "ebible", "tanzil", "flores", "news", "lines")
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

    read: "Callable[[Path], ReadCorpus]"
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

    by_hand: tuple[str, str] | None = None
    """If no program may fetch it: why and where to get it, and what to do then."""

    of_publication: "Callable[[str | None, int], Source] | None" = None
    """If ``--publication`` goes with it: the source of a publication, of whose articles at most so many are read from a
    file. Raises UsageError if it needs a publication and has none."""


def find_source(code: str) -> Source:
    """The source of a name in ``SOURCES``. Raises UsageError if there is none."""
    if code not in SOURCES:
        raise UsageError(f"There is no source {code!r}.", f"Sources: {', '.join(SOURCES)}")
    source: Source = import_module(f"mlv.ingest.readers.{code}").SOURCE
    return source


def source_of(code: str, publication: str | None, articles: int) -> Source:
    """The source that the options of a command mean.

    ``news`` needs a publication, and becomes a source of its own: ``news-fox``. ``lines`` takes one, so that texts that
    are not translations of each other do not share keys: ``lines-ntrex``. Raises UsageError if they do not fit.
    """
    source = find_source(code)
    if source.of_publication is None and publication is not None:
        fitting = [name for name in SOURCES if find_source(name).of_publication]
        raise UsageError(f"--publication does not go with {code}.", f"It goes with {' and '.join(fitting)}.")
    if publication is not None:
        _check_publication(publication)
    return source.of_publication(publication, articles) if source.of_publication else source


def _check_publication(publication: str) -> None:
    """Raise UsageError if a publication's name cannot be part of a source's."""
    from mlv.ingest.readers.text import slug

    check_name("a publication", publication)
    if not slug(publication):
        raise UsageError(
            f"No name in small Latin letters can be made of the publication {publication!r}.",
            "Give one, e.g. --publication kayhan",
        )
