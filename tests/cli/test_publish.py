"""`mlv runs publish`: the card on standard output or in a file, and what is refused."""

import sys
from pathlib import Path

import pytest
from command_line import Mlv
from example_specs import FINETUNE, PROBE
from huggingface_hub import ModelCard

from mlv.cli.edge import ExitCode
from mlv.schema.jobs.identity import canonical_json, job_name, spec_hash
from mlv.schema.store.opening import connect

RUN = job_name(FINETUNE)


@pytest.fixture(scope="module")
def _base(empty_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a fine-tuning run without answers, and one that probed it."""
    folder = tmp_path_factory.mktemp("published")
    store = folder / "mlv.duckdb"
    store.write_bytes((empty_folder / "mlv.duckdb").read_bytes())
    with connect(store, read_only=False) as connection:
        at = "TIMESTAMP '2024-05-01'"
        for key, spec in enumerate((FINETUNE, PROBE), 1):
            connection.execute(
                "INSERT INTO run (run_id, kind, name, spec_hash, spec, parent_run_id, seed, status, started_at, "
                "finished_at, committed_at, provenance) "
                f"VALUES (?, ?, ?, ?, ?, ?, 1, 'committed', {at}, {at}, {at}, '{{}}')",
                [key, spec.kind, job_name(spec), spec_hash(spec), canonical_json(spec), 1 if key == 2 else None],
            )
        connection.execute("INSERT INTO base_model VALUES (1, 'google/mt5-small', 'abc', 'd', 'mt5', 300176768, 9, '')")
        connection.execute("INSERT INTO checkpoint VALUES (1, 1, 1, 5, 10, true, 'jobs', 'e')")
        connection.execute("INSERT INTO metric VALUES (1, 'loss', 1.0, 2, 1.5)")
    return folder


def test_a_card_is_printed_or_written(mlv: Mlv) -> None:
    printed = mlv("runs", "publish", RUN[:12], "--to", "card")
    assert (printed.code, printed.err) == (0, "")
    assert ModelCard(printed.out).data.get("base_model") == "google/mt5-small"
    target = mlv.folder / "README.md"
    written = mlv("runs", "publish", RUN, "--to", "card", "-o", str(target))
    assert (written.code, written.out) == (0, "")
    assert target.read_text(encoding="utf-8") == printed.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "card", "--uri", "x"], "--uri is not for --to card."),
        (["--to", "mlflow", "-o", "x"], "--output is not for --to mlflow."),
        (["--to", "wandb", "--uri", "x"], "--uri is not for --to wandb."),
        (["--to", "mlflow"], "It is not said where MLflow is."),
    ],
)
def test_options_of_another_target_are_refused(
    mlv: Mlv, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = mlv("runs", "publish", RUN, *options)
    assert done.code == ExitCode.USAGE
    assert f"error: {said}" in done.err


def test_a_run_that_makes_no_model_is_refused(mlv: Mlv) -> None:
    done = mlv("runs", "publish", job_name(PROBE), "--to", "card")
    assert done.code == ExitCode.USAGE
    assert f"Publish the run that made the model: {RUN}" in done.err


def test_a_run_that_is_not_there(mlv: Mlv) -> None:
    assert mlv("runs", "publish", "finetune-none", "--to", "card").code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(("target", "options"), [("mlflow", ["--uri", "sqlite:///x.db"]), ("wandb", [])])
def test_a_tracker_that_is_not_installed_is_named(
    mlv: Mlv, monkeypatch: pytest.MonkeyPatch, target: str, options: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, target, None)
    monkeypatch.setattr("importlib.metadata.requires", lambda _: [f"{target}>=1; extra == '{target}'"])
    done = mlv("runs", "publish", RUN, "--to", target, *options)
    assert done.code == ExitCode.USAGE
    assert f"This needs the package {target}, which is not installed." in done.err
    assert f"pip install '.[{target}]'" in done.err
