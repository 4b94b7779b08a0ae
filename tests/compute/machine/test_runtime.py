"""Device, precision and the record of the surroundings."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlv.compute.machine import runtime
from mlv.schema.errors import UsageError


def test_an_unknown_device_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'gpu'") as caught:
        runtime.device_name("gpu")
    assert "cuda" in caught.value.hint


def test_auto_takes_the_fastest_device_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for cuda, mps, expected in ((False, False, "cpu"), (False, True, "mps"), (True, True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert runtime.device_name("auto") == expected
        assert runtime.device_name("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no usable cuda"):
        runtime.device_name("cuda")


@pytest.mark.parametrize(
    ("device", "supported", "safe"),
    [("cpu", True, False), ("mps", True, False), ("cuda", False, False), ("cuda", True, True)],
)
def test_bf16_is_taken_only_where_a_gpu_computes_in_it(
    device: str, supported: bool, safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: supported and not including_emulation
    )
    runtime.check_precision("fp32", device)
    if safe:
        runtime.check_precision("bf16", device)
        return
    with pytest.raises(UsageError, match="bf16 is not safe") as caught:
        runtime.check_precision("bf16", device)
    assert "--precision fp32" in caught.value.hint


def test_preparing_sets_threads_seeds_and_determinism() -> None:
    import torch

    assert runtime.prepare("cpu", 1, seed=5) == "cpu"
    first = torch.rand(3).tolist()
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    runtime.prepare("cpu", None, seed=5)
    assert torch.rand(3).tolist() == first


@pytest.mark.parametrize(
    ("given", "variable", "width", "expected"),
    [(None, False, 128, 1), (None, False, 4096, 2), (2, False, 128, 2), (None, True, 128, 2)],
)
def test_threads_are_chosen_by_width_unless_somebody_chose(
    given: int | None, variable: bool, width: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    before = torch.get_num_threads()
    for name in runtime.CHOOSE_THREADS:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    try:
        torch.set_num_threads(2)
        runtime.prepare("cpu", given, seed=5)
        runtime.fit_threads(width)
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


def test_the_environment_says_what_a_result_depends_on() -> None:
    import torch

    found: Any = runtime.environment("cpu")
    assert found["mlv"]
    assert found["packages"]["torch"] == torch.__version__
    assert found["hardware"]["device"] == "cpu"
    assert found["hardware"]["gpu"] is None
    assert found["hardware"]["threads"] == torch.get_num_threads()
    assert found["hardware"]["memory_bytes"] > 2**20
    assert set(found["determinism"]) >= {"deterministic_algorithms", "cudnn_benchmark"}


def test_the_working_copy_is_known_by_commit_and_changes(tmp_path: Path) -> None:
    file, unknown = tmp_path / "file", {"git_commit": None, "git_dirty": None}
    file.write_text("1")
    assert runtime._working_copy(file) == unknown

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert runtime._working_copy(file) == {"git_commit": git("rev-parse", "HEAD"), "git_dirty": False}
    file.write_text("2")
    assert runtime._working_copy(file)["git_dirty"] is True
    installed = tmp_path / "site-packages" / "installed.py"
    installed.parent.mkdir()
    installed.write_text("1")
    assert runtime._working_copy(installed) == unknown


def test_only_modules_that_say_so_import_torch() -> None:
    folder = Path(runtime.__file__).parent.parent
    sources = {path.relative_to(folder).with_suffix(""): path.read_text("utf-8") for path in folder.rglob("*.py")}
    light = [path for path, source in sources.items() if "import this module inside functions" not in source]
    names = [".".join(["mlv", "compute", *path.parts]).removesuffix(".__init__") for path in light]
    assert "mlv.compute.models.scoring" in names and "mlv.compute.training.trainer" not in names
    code = f"import sys, {', '.join(names)}; print([n for n in ('torch', 'transformers') if n in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"
