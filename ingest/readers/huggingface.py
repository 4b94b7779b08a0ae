"""Data sets of the Hugging Face hub, by name: a split is written as JSON lines, and read as any table is.

The file is what a store is made again from, whatever becomes of the data set. One that is there is not fetched again.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mlv.ingest.readers.text import slug
from mlv.schema.errors import DownloadError
from mlv.schema.files import written_aside


def fetch_dataset(name: str, folder: Path, *, subset: str | None = None, split: str = "train") -> Path:
    """Write a split of a data set to ``folder/huggingface/NAME-SUBSET-SPLIT.jsonl``; return where it is.

    Args:
        name: Name on the hub (``owner/name@revision``), or a folder with a data set.
        subset: Its subset, if it has several.

    Raises:
        DownloadError: It cannot be reached, or has no such subset or split.
    """
    named = [slug(part) for part in (Path(name).name if Path(name).is_dir() else name, subset or "", split) if part]
    goal = folder / "huggingface" / f"{'-'.join(named)}.jsonl"
    if not goal.exists():
        rows = _named(_load(name, subset, split))
        with written_aside(goal) as aside, aside.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row, ensure_ascii=False, default=str)}\n" for row in rows)
    return goal


def _named(rows: Any) -> Any:
    """The rows with names in place of the numbers of classes; what has no class keeps its number."""
    classes = {column: kind for column, kind in rows.features.items() if hasattr(kind, "int2str")}
    if not classes:
        return rows

    def named(row: dict[str, Any]) -> dict[str, Any]:
        known = {column: row[column] for column in classes if isinstance(row[column], int) and row[column] >= 0}
        return row | {column: classes[column].int2str(number) for column, number in known.items()}

    return map(named, rows)


def _load(name: str, subset: str | None, split: str) -> Any:
    """The rows of a split. Raises DownloadError."""
    import datasets

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    repository, _, revision = name.partition("@")
    try:
        if (Path(name) / "dataset_dict.json").exists():
            return datasets.load_from_disk(name)[split]
        if (Path(name) / "dataset_info.json").exists():
            return datasets.load_from_disk(name)
        return datasets.load_dataset(repository, subset, split=split, revision=revision or None)
    # what the library raises has no common base, and its texts name the subsets and splits that there are
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DownloadError(
            f"The data set {name} cannot be loaded: {' '.join(str(error).split())}",
            "Check its name, --subset and --split; on a machine without a network name a file: --source table FILE",
        ) from error
