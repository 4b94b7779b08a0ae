"""`mlv --help`, as a whole process."""

import subprocess
import sys
from pathlib import Path

from measure import figure, seconds


def main() -> None:
    """Print the median of seven runs, and the ratio to a bare interpreter."""
    command = [str(Path(sys.executable).parent / "mlv"), "--help"]
    help_seconds = seconds(lambda: subprocess.run(command, capture_output=True, check=True), 7)
    bare = seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 7)
    figure("mlv --help", help_seconds, "s", "< 0.3", help_seconds < 0.3)
    print(f"  a bare interpreter takes {bare:.3f} s: ratio {help_seconds / bare:.1f}")


if __name__ == "__main__":
    main()
