"""Fetching models from a hub, which is one of a few lines on the loopback, and finding them without it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from small_hub import COMMIT, NAME, serving
from tiny_model import save_model, save_random

from mlv.cli import edge
from mlv.compute.models import files
from mlv.compute.models.families import CLASSIFIER, MASKED, Family

MLV = "from mlv.cli.main import main; main()"
FIND = f"from mlv.compute.models.files import resolve; print(resolve({NAME!r}).model_dump_json())"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny mT5 as the hub has it, with a file that nobody needs."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder)
    (folder / "README.md").write_text("# tiny\n")
    return folder


class Done(NamedTuple):
    """What a process left."""

    code: int
    out: str
    err: str


def _python(code: str, *arguments: str, **environment: str) -> Done:
    """A process: what the hub's client is told by its environment, it reads when it is imported."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=known | environment, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_model_that_was_fetched_is_found_without_the_hub(model: Path, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    with serving(model) as (address, asked):
        done = _python(MLV, "compute", "prefetch", NAME, HF_HOME=home, HF_ENDPOINT=address)
        assert done.code == 0, done.err
        assert done.out == f"{NAME}@{COMMIT}\n"
        assert f"/{NAME}/resolve/{COMMIT}/model.safetensors" in asked
        assert not any("README" in path for path in asked)
        before = len(asked)
        pinned = _python(MLV, "compute", "prefetch", f"{NAME}@{COMMIT}", HF_HOME=home, HF_ENDPOINT=address)
        assert pinned.out == done.out
        assert not any("resolve" in path for path in asked[before:])
    found = _python(FIND, HF_HOME=home, HF_HUB_OFFLINE="1")
    assert found.code == 0, found.err
    assert f'"revision":"{COMMIT}"' in found.out
    assert files.digest(model) in found.out


@pytest.mark.parametrize(("family", "architecture"), [(MASKED, "bert"), (CLASSIFIER, "xlm-roberta")])
def test_models_of_every_family_are_fetched(family: Family, architecture: str, tmp_path: Path) -> None:
    save_random(tmp_path / "model", family, architecture)
    with serving(tmp_path / "model") as (address, _):
        done = _python(MLV, "compute", "prefetch", NAME, HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=address)
    assert done.code == 0, done.err
    assert done.out == f"{NAME}@{COMMIT}\n"


def test_a_study_fetches_what_it_needs(model: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "mlv.duckdb")
    assert _python(MLV, "db", "upgrade", "--db", store).code == 0
    (tmp_path / "study.toml").write_text(f"[[job]]\nkind = 'probe'\nmodel = ['{NAME}', '{model}']\n")
    with serving(model) as (address, _):
        command = ("study", "prefetch", str(tmp_path / "study.toml"), "--db", store)
        done = _python(MLV, *command, HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=address)
    assert done.code == 0, done.err
    assert done.out == f"{NAME}@{COMMIT}\n"
    assert f"{model}: here already" in done.err


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("pickle", edge.ExitCode.DATA, "pickle"),
        ("no tokenizer", edge.ExitCode.DATA, "tokenizer"),
        ("cut off", edge.ExitCode.DATA, "cannot be read"),
        ("not there", edge.ExitCode.NOT_FOUND, "could not be fetched"),
        ("of no family", edge.ExitCode.DATA, "Models of type pegasus are not known"),
        ("offline", edge.ExitCode.USAGE, "HF_HUB_OFFLINE is set"),
    ],
)
def test_what_could_not_be_run_later_is_refused_now(
    model: Path, tmp_path: Path, fault: str, code: edge.ExitCode, said: str
) -> None:
    spoilt = Path(shutil.copytree(model, tmp_path / "model"))
    weights = spoilt / "model.safetensors"
    if fault == "pickle":
        weights.rename(spoilt / "pytorch_model.bin")
    elif fault == "no tokenizer":
        for path in spoilt.glob("*token*"):
            path.unlink()
    elif fault == "cut off":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif fault == "of no family":
        (spoilt / "config.json").write_text('{"model_type": "pegasus"}')
    name = "lab/other" if fault == "not there" else NAME
    offline = {"HF_HUB_OFFLINE": "1"} if fault == "offline" else {}
    with serving(spoilt) as (address, _):
        done = _python(MLV, "compute", "prefetch", name, HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=address, **offline)
    assert done.code == code, done.err
    assert said in done.err
