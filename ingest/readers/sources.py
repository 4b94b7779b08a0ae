"""The sources of corpora that can be ingested: which reader, which files of a folder, and how to cite them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mlv.ingest.readers import ebible, flores, lines, news, pbc, tanzil
from mlv.ingest.readers.report import check_name
from mlv.ingest.readers.text import ReadCorpus, slug
from mlv.schema.errors import UsageError


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

    read: Callable[[Path], ReadCorpus]
    patterns: tuple[str, ...]
    """Globs of its files in a folder. Each is tried with ``.gz``, too."""

    companions: frozenset[str] = field(default_factory=frozenset)
    """Files beside the texts that are no text."""

    in_parts: bool = False
    """Whether several files make up one corpus."""

    line_aligned: bool = False
    """Whether nothing but the line's number says what a segment is parallel to."""


SOURCES: Final = {
    source.code: source
    for source in (
        Source(
            "pbc",
            "Parallel Bible Corpus",
            "religious",
            "Christos Christodouloupoulos and Mark Steedman (2015): A massively parallel corpus: the Bible in 100 "
            "languages. Language Resources and Evaluation 49(2).",
            "CC0-1.0",
            pbc.read,
            ("*.xml",),
            companions=frozenset({"metadata.csv"}),
        ),
        Source(
            "ebible",
            "eBible corpus",
            "religious",
            "Vesa Akerman et al. (2023): The eBible Corpus: Data and Model Benchmarks for Bible Translation for "
            "Low-Resource Languages. arXiv:2304.09919.",
            "",
            ebible.read,
            ("*.txt",),
            companions=frozenset({ebible.VERSE_NAMES}),
        ),
        Source(
            "tanzil",
            "Tanzil Quran translations",
            "religious",
            "Tanzil Project (2007-2024): Quran translations. https://tanzil.net/trans; Jörg Tiedemann (2012): Parallel "
            "Data, Tools and Interfaces in OPUS. LREC.",
            "Tanzil terms of use: non-commercial purposes only",
            tanzil.read,
            ("*.txt",),
        ),
        Source(
            "flores",
            "FLORES",
            "encyclopedic",
            "Naman Goyal et al. (2022): The FLORES-101 Evaluation Benchmark for Low-Resource and Multilingual Machine "
            "Translation. TACL 10.",
            "CC BY-SA 4.0",
            flores.read,
            ("*.dev", "*.devtest", "dev/*.dev", "devtest/*.devtest"),
            in_parts=True,
        ),
        Source(
            "lines",
            "Parallel lines",
            "other",
            "No citation: text of the user.",
            "",
            lines.read,
            ("*.txt",),
            line_aligned=True,
        ),
    )
}
"""Sources that need no further name."""

NEWS: Final = "news"
NAMED: Final = (NEWS, "lines")
"""Formats whose source ``--publication`` names."""


def source_of(code: str, publication: str | None, articles: int) -> Source:
    """The source that the options of a command mean.

    ``news`` needs a publication, and becomes a source of its own: ``news-fox``. ``lines`` takes one, so that texts that
    are no translations of each other do not share keys: ``lines-ntrex``. Raises UsageError where they do not fit.
    """
    if code not in (*SOURCES, NEWS):
        raise UsageError(f"There is no source {code!r}.", f"Sources: {', '.join((*SOURCES, NEWS))}")
    if publication is not None and code not in NAMED:
        raise UsageError(f"--publication does not go with {code}.", f"It goes with {' and '.join(NAMED)}.")
    if publication is not None:
        check_name("a publication", publication)
    if publication is not None and not slug(publication):
        raise UsageError(
            f"No name in small Latin letters can be made of the publication {publication!r}.",
            "Give one, e.g. --publication kayhan",
        )
    if code == NEWS:
        return _news(publication, articles)
    if publication is None:
        return SOURCES[code]
    return replace(SOURCES[code], code=f"lines-{slug(publication).removeprefix('lines-')}", name=publication)


def _news(publication: str | None, articles: int) -> Source:
    """The source of one news outlet."""
    if publication is None:
        raise UsageError(
            "News articles are read one outlet at a time.",
            f"Name it: --publication {' | '.join(news.OUTLETS)} or as the file spells it",
        )
    short = news.outlet(publication)
    return Source(
        f"news-{short}",
        f"All-The-News: {news.OUTLETS.get(short, publication)}",
        "news",
        "Andrew Thompson: All the News 2.0. https://components.one/datasets/all-the-news-2-news-articles-dataset",
        "articles are under the copyright of their publishers",
        lambda path: news.read(path, publication, articles),
        ("*.csv",),
        in_parts=True,
    )
