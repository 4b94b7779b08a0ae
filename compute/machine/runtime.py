"""The machine that a job runs on: device, threads, seeds, determinism, safe precision, and a record of all of it."""

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mlv.schema.errors import UsageError
from mlv.schema.jobs.spec import Precision

PACKAGES: Final = ("torch", "transformers", "tokenizers", "accelerate", "safetensors", "numpy", "scipy", "polars")
"""Packages whose versions can change a result."""

OPTIONAL: Final = ("peft",)
"""Those of extras."""

CHOOSE_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables by which a user chooses how many threads torch has."""

NARROW: Final = 256
"""Width of a model up to which one thread is the better choice (docs/performance.md)."""

SLURM: Final = {
    "cluster": "SLURM_CLUSTER_NAME",
    "partition": "SLURM_JOB_PARTITION",
    "node": "SLURMD_NODENAME",
    "job": "SLURM_JOB_ID",
    "array_job": "SLURM_ARRAY_JOB_ID",
    "array_task": "SLURM_ARRAY_TASK_ID",
    "restarts": "SLURM_RESTART_COUNT",
}
"""What is recorded of a Slurm job, by Slurm's environment variables."""


def device_name(choice: str) -> str:
    """The torch device for cpu, cuda, mps or auto (the fastest). Raises UsageError if it is not available."""
    import torch

    devices: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if choice == "auto":
        return next(name for name, available in devices.items() if available())
    if choice not in devices:
        raise UsageError(f"Unknown device {choice!r}", "Choose one of auto, cpu, cuda, mps.")
    if not devices[choice]():
        raise UsageError(f"This machine has no usable {choice} device", "Use `--device auto` or `--device cpu`.")
    return choice


def check_precision(precision: Precision, device: str) -> None:
    """Raise UsageError unless ``precision`` is safe on ``device``.

    bf16 needs a GPU that computes in it without emulation. fp16 is not offered: T5's activations overflow its range.
    """
    import torch

    if precision == "bf16" and not (device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)):
        raise UsageError(f"bf16 is not safe on this machine's {device} device", "Plan the job with `--precision fp32`.")


def prepare(choice: str, threads: int | None, seed: int) -> str:
    """Set threads, determinism and seeds for a job; return the device to use.

    Threads that nobody chose are set anew when a model is loaded (:func:`fit_threads`).
    """
    import scipy.linalg  # noqa: F401  only libraries that are loaded can be limited
    import torch
    import transformers
    from threadpoolctl import threadpool_limits

    device = device_name(choice)
    if threads is not None:
        torch.set_num_threads(threads)
    _Threads.chosen = threads is not None or any(name in os.environ for name in CHOOSE_THREADS)
    # BLAS would take all cores, and its last digits depend on how many there are
    threadpool_limits(torch.get_num_threads(), "blas")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # nothing reads memory before writing it; filling it costs time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    transformers.set_seed(seed)
    return device


class _Threads:
    """Whether somebody chose the threads of the job that runs."""

    chosen = True


def threads_for(width: int) -> int | None:
    """CPU threads for a model of a width, if nobody chose: one for a narrow one, None for torch's choice.

    The products of a narrow model are so small that threads wait for each other more than they compute; beside other
    work, which then holds one of them, several are slower than one.
    """
    return 1 if width <= NARROW else None


def fit_threads(width: int) -> None:
    """Set CPU threads by a model's width, unless the user or the environment chose them for the job that runs."""
    import torch

    threads = threads_for(width)
    if threads and not _Threads.chosen:
        torch.set_num_threads(threads)


def quiet_libraries() -> None:
    """Keep transformers' progress bars and advice off stderr; its errors stay."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def environment(device: str) -> dict[str, object]:
    """What a result depends on beside its specification: code, versions, hardware, determinism flags."""
    return {
        "mlv": importlib.metadata.version("mlv"),
        **_working_copy(Path(__file__)),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in (*PACKAGES, *_installed(OPTIONAL))},
        "hardware": _hardware(device),
        "determinism": _determinism(),
        "slurm": slurm(),
    }


def _installed(names: Sequence[str]) -> list[str]:
    return [name for name in names if importlib.util.find_spec(name)]


def slurm() -> dict[str, str]:
    """The Slurm job of this process; empty outside of Slurm."""
    return {name: os.environ[variable] for name, variable in SLURM.items() if variable in os.environ}


def _working_copy(file: Path) -> dict[str, object]:
    """Commit of the working copy that the code in ``file`` is part of, and whether it has changes.

    None for an installed package, even if its environment lies inside a repository: that is another project's.
    """
    if not _git(file.parent, "ls-files", file.name):
        return {"git_commit": None, "git_dirty": None}
    return {
        "git_commit": _git(file.parent, "rev-parse", "--verify", "HEAD"),
        "git_dirty": bool(_git(file.parent, "status", "--porcelain")),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _hardware(device: str) -> dict[str, object]:
    import torch

    gpu = torch.cuda.get_device_properties(0) if device == "cuda" else None
    return {
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "device": device,
        "gpu": gpu.name if gpu else None,
        "gpu_memory_bytes": gpu.total_memory if gpu else None,
        "threads": torch.get_num_threads(),
    }


def _cpu_name() -> str:
    """Model name of the processor; on Linux only /proc has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _determinism() -> dict[str, object]:
    import torch

    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "deterministic_warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
    }
