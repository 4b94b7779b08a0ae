"""Fixtures of the whole suite: folders of real data and models, if there are any, and a quiet environment."""

import gc
import os
from pathlib import Path

import pytest

# workers of xdist are as many as cores; set before a library looks
os.environ.setdefault("OMP_NUM_THREADS", "1")

# while modules are imported and tests collected, there is no garbage
gc.disable()


def pytest_collection_finish() -> None:
    """Keep modules and tests from the garbage collector, which every training has look at all there is."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real corpora, probes and survey tables, which ``MLV_REAL_DATA`` names."""
    name = os.environ.get("MLV_REAL_DATA")
    if not name:
        pytest.skip("no real data: MLV_REAL_DATA does not name its folder")
    folder = Path(name).absolute()
    if not (folder / "probes" / "arora_probes.zip").exists():
        pytest.skip(f"no real data in {folder}, which MLV_REAL_DATA names")
    return folder


@pytest.fixture(scope="session")
def real_models() -> Path:
    """Folder of real models, which ``MLV_REAL_MODELS`` names."""
    name = os.environ.get("MLV_REAL_MODELS")
    if not name:
        pytest.skip("no real models: MLV_REAL_MODELS does not name their folder")
    return Path(name).absolute()


def _real_model(real_models: Path, name: str) -> Path:
    """Folder of a real model; skips the test if it is not there."""
    folder = real_models / name
    if not folder.is_dir():
        pytest.skip(f"no {name} in {real_models}, which MLV_REAL_MODELS names")
    return folder


@pytest.fixture(scope="session")
def real_encoder(real_models: Path) -> Path:
    """Folder of a real multilingual encoder."""
    return _real_model(real_models, "multilingual-e5-small")


@pytest.fixture(scope="session")
def real_chat_model(real_models: Path) -> Path:
    """Folder of a real chat model."""
    return _real_model(real_models, "SmolLM2-135M-Instruct")


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the user's store, hub or terminal, or waits for a store unless waiting is what it tests."""
    monkeypatch.delenv("MLV_DB", raising=False)
    monkeypatch.setenv("MLV_WAIT", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
