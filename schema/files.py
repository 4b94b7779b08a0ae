"""Files and folders that are complete as soon as they exist: written aside and renamed into place."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path``; when the block ends without an error it replaces ``path``."""
    aside = aside_path(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def now() -> datetime:
    """The present, UTC, without a time zone: as the store keeps times."""
    return datetime.now(UTC).replace(tzinfo=None)


def aside_path(path: Path) -> Path:
    """Where this process writes a file before it is renamed to ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it into place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_path(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON aside and rename it into place."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
