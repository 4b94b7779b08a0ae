"""`mlv plot`: what it writes, and what it says where there is nothing to draw."""

from pathlib import Path

import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.queries.studies import drawn_queries


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a survey of two countries."""
    folder = tmp_path_factory.mktemp("plot")
    mlv = Mlv(folder)
    assert mlv("db", "upgrade").code == 0
    demo = Path(__file__).parents[2] / "ingest" / "demo"
    assert mlv("ingest", "probes", str(demo / "probes"), "--collection", "demo", "--citation", "none").code == 0
    survey = ["ingest", "survey", str(demo / "survey.csv"), "--name", "illustrative", "--illustrative"]
    assert mlv(*survey).code == 0
    return folder


@pytest.fixture
def mlv(_base: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    capsys.readouterr()
    return Mlv(_base, capsys)


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("SVG", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_written_in_the_format_of_its_ending(mlv: Mlv, tmp_path: Path, ending: str, magic: bytes) -> None:
    target = tmp_path / f"alike.{ending}"
    done = mlv("plot", "ground_truth_similarity", "-o", str(target))
    assert (done.code, done.out) == (0, "")
    assert f"rows -> {target}" in done.err
    assert target.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [target]


def test_parameters_and_versions_reach_the_query(mlv: Mlv, tmp_path: Path) -> None:
    target = tmp_path / "two.svg"
    assert mlv("plot", "ground_truth_similarity@1", "-p", "countries=IR,KR", "-o", str(target)).code == 0
    svg = target.read_text(encoding="utf-8")
    assert "countries=IR,KR" in svg
    assert ">RU<" not in svg


def test_the_list_has_every_figure(mlv: Mlv) -> None:
    assert mlv("plot", "--list").out.splitlines() == sorted(drawn_queries())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["coverage", "-o", "x.png"], ExitCode.USAGE, "mlv plot --list"),
        (["unchanjed", "-o", "x.png"], ExitCode.USAGE, "unchanged"),
        (["ground_truth_similarity", "-o", "x.gif"], ExitCode.USAGE, ".png, .svg, .pdf"),
        (["ground_truth_similarity"], ExitCode.USAGE, "-o"),
        (["unchanged", "-o", "x.png"], ExitCode.NOT_FOUND, "mlv study status echoes"),
        (["language_contribution", "-o", "x.png"], ExitCode.NOT_FOUND, "mlv compute influence"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    mlv: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: ExitCode, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = mlv("plot", *arguments)
    assert done.code == code
    assert said in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_kept_is_said(mlv: Mlv, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = mlv("plot", "ground_truth_similarity", "-o", str(tmp_path / "file" / "x.png"))
    assert (done.code, "cannot be written" in done.err) == (ExitCode.DATA, True)
