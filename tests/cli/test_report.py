"""`mlv report`: on an empty store, on one with a survey, and where it cannot be written."""

from pathlib import Path

import polars as pl
import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.queries.report import build as reports
from mlv.queries.report.build import Topic


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    assert Mlv(folder)("db", "upgrade").code == 0
    return folder


@pytest.fixture
def mlv(_base: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on an empty store."""
    capsys.readouterr()
    return Mlv(_base, capsys)


def test_an_empty_store_gives_a_page_that_says_what_to_do(mlv: Mlv, tmp_path: Path) -> None:
    done = mlv("report", "-o", str(tmp_path / "new"))
    assert (done.code, done.out) == (0, "")
    page = (tmp_path / "new" / "index.html").read_text(encoding="utf-8")
    topics = [topic for _, several in reports.SECTIONS for topic in several]
    assert page.count("Nothing yet") == len(topics)
    assert "mlv ingest survey" in page
    assert f"open {tmp_path / 'new' / 'index.html'}" in done.err
    for topic in topics:
        assert pl.read_csv(tmp_path / "new" / "tables" / f"{topic.key}.csv").height == 0
    again = mlv("report", "-o", str(tmp_path / "new"))
    assert again.code == 0
    assert (tmp_path / "new" / "index.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(("options", "asked"), [([], True), (["--ci"], True), (["--no-ci"], None)])
def test_intervals_are_asked_for_unless_told_not_to(
    mlv: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], asked: bool | None
) -> None:
    monkeypatch.setattr(reports, "SECTIONS", (("One", (Topic("unchanged", "Figure 2"), Topic("coverage", ""))),))
    built: list[reports.Report] = []
    write = reports.write

    def _keeping(folder: Path, made: reports.Report) -> int:
        built.append(made)
        return write(folder, made)

    monkeypatch.setattr(reports, "write", _keeping)
    assert mlv("report", "-o", str(tmp_path / "new"), *options).code == 0
    ((_, (unchanged, coverage)),) = built[0].sections
    assert unchanged.result.parameters["ci"] is asked
    assert "ci" not in coverage.result.parameters


def test_a_folder_of_something_else_is_refused_before_any_query(
    mlv: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(reports, "build", lambda *_: pytest.fail("asked"))
    done = mlv("report", "-o", str(tmp_path))
    assert (done.code, "own.txt" in str(list(tmp_path.iterdir()))) == (ExitCode.DATA, True)
    assert "empty or a new folder" in done.err


def test_a_folder_that_cannot_be_made_is_said(mlv: Mlv, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = mlv("report", "-o", str(tmp_path / "file" / "new"))
    assert done.code == ExitCode.DATA
    assert "file" in done.err
