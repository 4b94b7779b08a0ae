"""`mlv reproduce`: rows on standard output, the rest on standard error, and success whatever the cells say."""

import csv
import io
import json
from pathlib import Path

import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduce")
    assert Mlv(folder)("db", "upgrade").code == 0
    return folder


@pytest.fixture
def mlv(_base: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on an empty store."""
    capsys.readouterr()
    return Mlv(_base, capsys)


def test_cells_go_to_standard_output_and_what_to_do_to_standard_error(mlv: Mlv) -> None:
    done = mlv("reproduce", "--paper", "echoes", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert (done.code, len(rows)) == (ExitCode.OK, 172)
    assert {row["status"] for row in rows} == {"not yet run"}
    assert "Table 3: 104 not yet run." in done.err
    assert "  tolerance 0.05: " in done.err
    assert "  mlv compute finetune --model google/mt5-small --corpus pbc --language fa --sentences 2000\n" in done.err


def test_cells_are_kept_with_what_they_were_made_with(mlv: Mlv, tmp_path: Path) -> None:
    target = tmp_path / "echoes.json"
    assert mlv("reproduce", "-o", str(target), "--provenance").code == ExitCode.OK
    assert len(json.loads(target.read_text(encoding="utf-8"))) == 172
    beside = json.loads((tmp_path / "echoes.json.provenance.json").read_text(encoding="utf-8"))
    assert beside["parameters"]["paper"] == "echoes"
    assert beside["parameters"]["alignment_change"].startswith("alignment_change@1 score=mean")


def test_an_unknown_paper_is_a_matter_of_usage(mlv: Mlv) -> None:
    done = mlv("reproduce", "--paper", "echo")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "Did you mean echoes?" in done.err
