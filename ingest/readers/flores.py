"""FLORES-101 and FLORES-200: one sentence a line, line-aligned over all languages, in a file for each split.

A file is named ``<code>.<split>`` (``pes_Arab.devtest``, ``fas.dev``) after its language. The two splits of a
language are one corpus with the keys ``dev:1`` and ``devtest:1``, so that they do not meet.
"""

import re
from pathlib import Path
from typing import Final

from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError

SENTENCES: Final = {"dev": 997, "devtest": 1012}
"""Sentences of the published splits (Goyal et al. 2022, section 3)."""

NAME: Final = re.compile(r"(?P<code>.+)\.(?P<split>dev|devtest)(\.gz)?")


def read(path: Path) -> ReadCorpus:
    """Read one split in one language. The edition is the file's language code.

    Raises DataError if the file does not have a name of the release, or not as many lines as its split.
    """
    name = NAME.fullmatch(path.name)
    if name is None:
        raise DataError(f"{path} is not named CODE.dev or CODE.devtest.", "Keep the name it has in the release.")
    split, lines = name["split"], read_lines(path)
    if len(lines) != SENTENCES[split]:
        raise DataError(
            f"{path} has {len(lines):,} lines, the split {split} of FLORES {SENTENCES[split]:,}.",
            "Fetch it again; other parallel text is read with --source lines.",
        )
    segments = Segments()
    for number, text in enumerate(lines, start=1):
        segments.add(number, f"{split}:{number}", text, empty="the line is empty")
    return segments.finish(first_language(name["code"]), name["code"])


SOURCE: Final = Source(
    code="flores",
    name="FLORES",
    domain="encyclopedic",
    citation="Naman Goyal et al. (2022): The FLORES-101 Evaluation Benchmark for Low-Resource and Multilingual Machine "
    "Translation. TACL 10.",
    licence="CC BY-SA 4.0",
    read=read,
    patterns=("*.dev", "*.devtest", "dev/*.dev", "devtest/*.devtest"),
    in_parts=True,
)
