"""`mlv reproduce`: rows on standard output, the rest on standard error, and success whatever the cells say."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import typer
from command_line import Mlv

from mlv.cli.app import app
from mlv.cli.edge import ExitCode

CELLS = 2 * 42 + 26 + 2 * 104 + 14 + 2 * 7
"""Of the tables, of which 1 and 3 are read in two ways; of the text, read in one way and in two."""


def test_cells_go_to_standard_output_and_what_to_do_to_standard_error(on_empty: Mlv) -> None:
    done = on_empty("reproduce", "--paper", "echoes", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert (done.code, len(rows)) == (ExitCode.OK, CELLS)
    assert {row["status"] for row in rows} == {"not yet run"}
    assert "Table 3, 2,000 sentences: 104 not yet run." in done.err
    assert "  tolerance 0.15: " in done.err
    assert "No probes in bn, de, el" in done.err
    assert "No survey of DE, PK, RS, VN: mlv ingest survey" in done.err
    assert "43 setups. mlv study run echoes\n" in done.err
    assert "  google/mt5-small on pbc in fa, 2,000 sentences\n" in done.err


def test_cells_are_kept_with_what_they_were_made_with(on_empty: Mlv, tmp_path: Path) -> None:
    target = tmp_path / "echoes.json"
    assert on_empty("reproduce", "-o", str(target), "--provenance").code == ExitCode.OK
    assert len(json.loads(target.read_text(encoding="utf-8"))) == CELLS
    beside = json.loads((tmp_path / "echoes.json.provenance.json").read_text(encoding="utf-8"))
    assert beside["parameters"]["study"] == "echoes"
    assert beside["parameters"]["alignment_change"].startswith("alignment_change@1 score=mean")


def test_an_unknown_study_is_a_matter_of_usage(on_empty: Mlv) -> None:
    done = on_empty("reproduce", "--paper", "echo")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "Did you mean echoes?" in done.err


def test_claims_are_cells_and_every_job_that_lacks_is_a_line(on_empty: Mlv) -> None:
    done = on_empty("reproduce", "--paper", "sharing", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert (done.code, {row["status"] for row in rows}) == (ExitCode.OK, {"not yet run"})
    assert {row["relation"] for row in rows} == {"=", "claim"}
    *_, texts, jobs = [line for line in done.err.splitlines() if not line.startswith("  ")]
    assert texts == "No labelled texts of marc, pawsx, xnli: mlv ingest corpus --source NAME FILES"
    named = [line.removeprefix("  ") for line in done.err.partition(f"{jobs}\n")[2].splitlines()]
    assert jobs == f"Not committed: {len(named)} jobs. mlv study run sharing"
    lacking = {part for row in rows for part in row["missing"].split("; ") if not part.startswith("labelled texts")}
    assert set(named) == lacking
    assert len(set(named)) == len(named)


@pytest.mark.parametrize(
    ("paper", "commands"),
    [
        ("echoes", {("ingest", "probes"), ("ingest", "survey"), ("study", "run")}),
        ("sharing", {("ingest", "corpus"), ("study", "run")}),
        ("modularity", {("ingest", "corpus"), ("study", "run")}),
        ("selfalign", {("ingest", "probes"), ("ingest", "survey"), ("study", "run")}),
    ],
)
def test_the_commands_that_are_named_exist(on_empty: Mlv, paper: str, commands: set[tuple[str, str]]) -> None:
    named = re.findall(r"mlv ([a-z]+) ([a-z]+)", on_empty("reproduce", "--paper", paper).err)
    app_commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(named) == commands
    assert all(command in app_commands[group].commands for group, command in named)
