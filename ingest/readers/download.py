"""Fetching corpora and probes from where they are published, for ``--download``.

``origins.csv`` has the address, size and SHA-256 of each file, at a fixed commit. A file is written aside and
gets its name when its checksum is right, so that an interrupted download leaves nothing behind and is simply repeated;
one that is there already is not fetched again. If the terms of an origin do not allow this, or no checksum can be
pinned, the error says where and how to get the file by hand.
"""

import csv
import hashlib
import http.client
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, Final

from mlv.ingest.readers.report import file_sha256
from mlv.ingest.readers.sources import SOURCES, find_source
from mlv.ingest.reference.languages import language as resolve
from mlv.schema.errors import DownloadError, UsageError
from mlv.schema.files import written_aside

TIMEOUT: Final = 30.0
"""Seconds without an answer after which a download fails."""

BLOCK: Final = 1 << 20
"""Bytes read at once."""

PROBES: Final = "arora-2023"
"""The origin that is not a corpus."""

SURVEYS_BY_HAND: Final = {
    "wvs7": (
        "The World Values Survey may not be redistributed, and asks for your name and purpose: "
        "https://www.worldvaluessurvey.org/WVSDocumentationWV7.jsp",
        "Download the cross-national file as CSV there (not the inverted one): mlv ingest survey FILE --name wvs7",
    ),
}
"""As ``Source.by_hand``, for surveys."""


@dataclass(frozen=True)
class Origin:
    """A file as its publisher offers it."""

    source: str
    """Source of the corpus, e.g. pbc, or name of the probe collection."""

    language: str
    """Language of the text; empty if the file has several."""

    url: str
    sha256: str
    size: int
    """Bytes."""

    licence: str

    @property
    def file_name(self) -> str:
        """Name of the file in the address."""
        return self.url.rpartition("/")[2]

    @property
    def by_hand(self) -> str:
        """How to supply the file without a network."""
        source, _, publication = self.source.partition("-")
        named = f" --publication {publication}" if publication else ""
        command = "probes FILE" if self.source == PROBES else f"corpus --source {source}{named} FILE"
        return f"Fetch {self.url} on another machine, then: mlv ingest {command}"


def origins(source: str, languages: Sequence[str] = ()) -> list[Origin]:
    """The files of a source, of all languages unless some are named.

    Raises DownloadError if they have to be fetched by hand, UsageError if the source or language is unknown.
    """
    by_hand = _origins_by_hand()
    if (kind := source.partition("-")[0]) in by_hand:
        raise DownloadError(*by_hand[kind])
    known = [origin for origin in _known() if origin.source == source]
    if not known:
        names = sorted({origin.source for origin in _known()} | set(by_hand))
        raise UsageError(f"There is no download of {source!r}.", f"There are downloads of {', '.join(names)}.")
    wanted = [resolve(name).code for name in languages] or [origin.language for origin in known]
    if missing := sorted(set(wanted) - {origin.language for origin in known}):
        there = ", ".join(origin.language for origin in known)
        raise UsageError(
            f"There is no download of {source} in {', '.join(missing)}.", f"There are downloads in {there}."
        )
    return [origin for origin in known if origin.language in wanted]


def _origins_by_hand() -> dict[str, tuple[str, str]]:
    """What no program may fetch, by source: why and where to get it, and what to do then."""
    sources = (find_source(name) for name in SOURCES)
    return {source.code: source.by_hand for source in sources if source.by_hand} | SURVEYS_BY_HAND


def fetch(origin: Origin, folder: Path) -> Path:
    """Fetch a file into ``folder/<source>/``, unless it is there; return where it is.

    Raises DownloadError if it cannot be reached, is cut off, or is not the pinned file; then nothing is left behind.
    """
    goal = folder / origin.source / origin.file_name
    if goal.exists():
        if file_sha256(goal) != origin.sha256:
            raise DownloadError(
                f"{goal} is there, but is not the file of {origin.url}.", "Remove it, and download it again."
            )
        return goal
    try:
        with written_aside(goal) as aside, aside.open("wb") as file:
            _stream(origin, file)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{origin.url} cannot be fetched to {goal}: {error}.", origin.by_hand) from error
    return goal


def _stream(origin: Origin, file: BinaryIO) -> None:
    """Copy the file from the network, and check it. Raises DownloadError if it is not the pinned one."""
    digest, received = hashlib.sha256(), 0
    with urllib.request.urlopen(origin.url, timeout=TIMEOUT) as response:  # noqa: S310 addresses are mlv's own
        while received <= origin.size and (block := response.read(BLOCK)):
            file.write(block)
            digest.update(block)
            received += len(block)
    if received < origin.size:
        raise DownloadError(
            f"The download of {origin.url} was cut off after {received:,} of {origin.size:,} bytes.",
            f"Repeat it. {origin.by_hand}",
        )
    if digest.hexdigest() != origin.sha256:
        raise DownloadError(
            f"{origin.url} is not the file it was: its SHA-256 is {digest.hexdigest()}, not {origin.sha256}.",
            "Nothing was kept. If the address is right and you trust the file, ingest it by hand.",
        )


@cache
def _known() -> tuple[Origin, ...]:
    """All files with a pinned checksum."""
    table = (files("mlv.ingest.readers") / "origins.csv").read_text(encoding="utf-8")
    return tuple(
        Origin(row["source"], row["language"], row["url"], row["sha256"], int(row["bytes"]), row["licence"])
        for row in csv.DictReader(table.splitlines())
    )
