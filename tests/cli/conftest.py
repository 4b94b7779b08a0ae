"""The command line on what a test module makes once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Mlv
from tiny_study import make_study


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store."""
    folder = tmp_path_factory.mktemp("empty")
    assert Mlv(folder)("db", "upgrade").code == 0
    return folder


@pytest.fixture(scope="session")
def nano_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's data, a model pretrained for a moment, and a study file; copy it, do not write it."""
    return make_study(tmp_path_factory.mktemp("nano")).folder


@pytest.fixture
def on_empty(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Mlv]:
    """The command line on an empty store that other tests ask too: rows stay, jobs may not be left."""
    capsys.readouterr()
    yield Mlv(empty_folder, capsys)
    assert not (empty_folder / "jobs").exists()


@pytest.fixture
def mlv(_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on a copy of the module's folder ``_base``."""
    shutil.copytree(_base, tmp_path, dirs_exist_ok=True)
    capsys.readouterr()
    return Mlv(tmp_path, capsys)
