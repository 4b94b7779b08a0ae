"""Fixtures of the whole suite: an empty store, and the folder of real data where there is one."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real corpora, probes and survey tables: ``MLV_REAL_DATA``, or ``../shared/data``."""
    folder = Path(os.environ.get("MLV_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "probes" / "arora_probes.zip").exists():
        pytest.skip(f"no real data in {folder}; name its folder with MLV_REAL_DATA")
    return folder


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the user's store, hub or terminal, or waits for a store unless waiting is what it tests."""
    monkeypatch.delenv("MLV_DB", raising=False)
    monkeypatch.setenv("MLV_WAIT", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
