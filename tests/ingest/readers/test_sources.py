"""Sources: each is a module that says all about itself, and what options make of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlv.ingest.readers import sources
from mlv.ingest.readers.news import ARTICLES
from mlv.ingest.readers.sources import SOURCES, find_source, source_of
from mlv.schema.errors import UsageError


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_a_module_of_its_name(name: str) -> None:
    source = find_source(name)
    assert source.code == name
    assert source.name and source.citation and source.patterns
    assert source.domain in {"religious", "encyclopedic", "news", "other"}
    assert source.key_file in {"", *source.companions}


def test_a_further_source_is_a_file_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proverbs.py").write_text(
        "from dataclasses import replace\n"
        "from mlv.ingest.readers import lines\n"
        'SOURCE = replace(lines.SOURCE, code="proverbs", name="Proverbs", of_publication=None)\n'
    )
    monkeypatch.setattr("mlv.ingest.readers.__path__", [*sys.modules["mlv.ingest.readers"].__path__, str(tmp_path)])
    monkeypatch.setattr(sources, "SOURCES", (*SOURCES, "proverbs"))
    (tmp_path / "a.fa.txt").write_text("one\n")
    source = source_of("proverbs", None, ARTICLES)
    (text,) = source.texts(tmp_path / "a.fa.txt")
    assert (source.name, text.language) == ("Proverbs", "fa")


def test_sources_are_named_without_importing_their_readers() -> None:
    """The help of the command line lists them."""
    code = "import sys, mlv.ingest.readers.sources; print('polars' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize(
    ("code", "publication", "expected", "name"),
    [
        ("pbc", None, "pbc", "Parallel Bible Corpus"),
        ("lines", None, "lines", "Parallel lines"),
        ("lines", "NTREX", "lines-ntrex", "NTREX"),
        ("lines", "lines-ntrex", "lines-ntrex", "lines-ntrex"),
        ("news", "fox", "news-fox", "All-The-News: Fox News"),
        ("news", "Vox", "news-vox", "All-The-News: Vox"),
    ],
)
def test_a_publication_makes_a_source_of_its_own(code: str, publication: str | None, expected: str, name: str) -> None:
    source = source_of(code, publication, ARTICLES)
    assert (source.code, source.name) == (expected, name)


@pytest.mark.parametrize(
    ("code", "publication", "message", "hint"),
    [
        (
            "bible",
            None,
            "no source 'bible'",
            "Sources: pbc, ebible, paralleltext, usfm, tanzil, flores, news, lines, table, tmx, "
            "xnli, pawsx, marc, sib200, afrisenti",
        ),
        ("pbc", "fox", "--publication does not go with pbc", "It goes with news, lines, table, tmx."),
        ("news", None, "one outlet at a time", "--publication fox | new-yorker | reuters"),
        ("lines", "کیهان", "No name in small Latin letters", "--publication kayhan"),
        ("lines", " x", "is not a valid name of a publication", "without line breaks"),
    ],
)
def test_options_that_do_not_fit_are_refused(code: str, publication: str | None, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        source_of(code, publication, ARTICLES)
    assert hint in caught.value.hint
