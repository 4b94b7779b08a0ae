"""All benchmarks, each in a process of its own: figures are ratios within one run, or have a bound of their own."""

import subprocess
import sys
from pathlib import Path

BENCHES = (
    "startup",
    "gates",
    "coverage",
    "coverage_seeds",
    "commit",
    "probing",
    "finetuning",
    "influence",
    "classifiers",
    "masks",
    "responding",
    "completing",
    "queries",
    "size",
)


def main() -> int:
    """Run every benchmark; fail where one does."""
    failed = 0
    for name in BENCHES:
        failed |= subprocess.run([sys.executable, str(Path(__file__).parent / f"{name}.py")], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
