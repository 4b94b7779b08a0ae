"""`mlv report`: on an empty store, on one with a survey, and where it cannot be written."""

from pathlib import Path

import polars as pl
import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.queries.report import build as building
from mlv.queries.report import page
from mlv.queries.report.build import Report
from mlv.queries.studies import STUDIES


def test_an_empty_store_gives_a_page_that_says_what_to_do(on_empty: Mlv, tmp_path: Path) -> None:
    done = on_empty("report", "-o", str(tmp_path / "new"))
    assert (done.code, done.out) == (0, "")
    written = (tmp_path / "new" / "index.html").read_text(encoding="utf-8")
    topics = [topic for study in STUDIES for topic in study.topics if not topic.quotes]
    assert written.count("Nothing yet") == len(topics)
    assert "mlv ingest survey" in written
    assert f"open {tmp_path / 'new' / 'index.html'}" in done.err
    for topic in topics:
        assert pl.read_csv(tmp_path / "new" / "tables" / f"{topic.key}.csv").height == 0
    again = on_empty("report", "-o", str(tmp_path / "new"))
    assert again.code == 0
    assert (tmp_path / "new" / "index.html").read_text(encoding="utf-8") == written


def _kept(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """What reports are written of, from now on."""
    built: list[Report] = []
    write = page.write

    def keeping(folder: Path, made: Report) -> int:
        built.append(made)
        return write(folder, made)

    monkeypatch.setattr(page, "write", keeping)
    return built


@pytest.mark.parametrize(
    ("options", "asked", "of_means"),
    [([], "questions", "questions"), (["--ci", "both"], "questions", "both"), (["--no-ci"], None, None)],
)
def test_intervals_are_asked_for_unless_told_not_to(
    on_empty: Mlv,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    asked: str | None,
    of_means: str | None,
) -> None:
    """Over seeds where a query has them, else over questions."""
    built = _kept(monkeypatch)
    assert on_empty("report", "-o", str(tmp_path / "new"), "--study", "echoes", *options).code == 0
    entries = {entry.topic.key: entry for entry in built[0].entries}
    assert entries["unchanged"].result.parameters["ci"] == asked
    assert entries["unchanged_by_category"].result.parameters["ci"] == of_means
    assert "ci" not in entries["coverage"].result.parameters
    highest = entries["language_contribution-highest"]
    command = built[0].commands.query(highest.result, highest.topic)
    assert (
        command
        == f"mlv query run language_contribution@1 --param direction=positive{' --ci questions' if asked else ''}"
    )
    given = built[0].commands.report.partition(" --study echoes ")[2]
    assert given == " ".join(options)


def test_a_report_has_the_studies_that_are_asked_for_and_says_so(
    on_empty: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _kept(monkeypatch)
    assert on_empty("report", "-o", str(tmp_path / "a b"), "--study", "sharing", "--no-ci").code == 0
    assert [chapter.study.code for chapter in built[0].chapters] == ["sharing"]
    assert built[0].commands.report == f"mlv report -o '{tmp_path}/a b' --study sharing --no-ci"
    unknown = on_empty("report", "-o", str(tmp_path / "c"), "--study", "share")
    assert (unknown.code, "sharing" in unknown.err) == (ExitCode.USAGE, True)


def test_a_folder_of_something_else_is_refused_before_any_query(
    on_empty: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(building, "build", lambda *_, **__: pytest.fail("asked"))
    done = on_empty("report", "-o", str(tmp_path))
    assert (done.code, "own.txt" in str(list(tmp_path.iterdir()))) == (ExitCode.DATA, True)
    assert "empty or a new folder" in done.err


def test_a_folder_that_cannot_be_made_is_said(on_empty: Mlv, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = on_empty("report", "-o", str(tmp_path / "file" / "new"))
    assert done.code == ExitCode.DATA
    assert "file" in done.err
