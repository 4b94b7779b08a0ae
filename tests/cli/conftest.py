"""The command line on what a test module makes once."""

import shutil
from pathlib import Path

import pytest
from command_line import Mlv


@pytest.fixture
def mlv(_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on a copy of the module's folder ``_base``."""
    shutil.copytree(_base, tmp_path, dirs_exist_ok=True)
    capsys.readouterr()
    return Mlv(tmp_path, capsys)
