"""What commands that delete have in common: saying what would go, and writing a store anew that has become empty."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mlv.cli.edge import megabytes, say

COMPACTED_FROM: Final = 0.1
"""Share of the store's file that is free from which a deletion writes it anew: that takes as long as all of it takes to
copy, and room for the copy."""


def say_deletion(
    name: str, rows: Mapping[str, int], dependants: Sequence[str], folders: Mapping[Path, int] | None = None
) -> None:
    """Say what would be deleted: rows by table, folders with their bytes; and which runs have to go first."""
    say(f"would delete {name}:")
    if rows:
        say("  " + ", ".join(f"{count:,} {table}" for table, count in rows.items()))
    for folder, size in (folders or {}).items():
        say(f"  {folder} ({megabytes(size)})")
    if dependants:
        say(f"  first: {', '.join(dependants)}")
    say("  do it: --yes")


def make_smaller(store: Path, size: int, free: int) -> None:
    """Write the store anew where much of its file is free; say what it has become."""
    from mlv.migrations.copying import compact

    if free < COMPACTED_FROM * size:
        say(f"{store}: {megabytes(free)} of {megabytes(size)} are free for what comes next")
        return
    say(f"{store}: {megabytes(compact(store).size)} -> {megabytes(store.stat().st_size)}")
