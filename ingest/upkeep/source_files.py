"""Finding the files that an ingest read: where they were, or by content in folders that they may have moved to."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from mlv.ingest.journal import Ingest, SourceFile
from mlv.ingest.readers.probes import read_archive
from mlv.ingest.readers.report import file_sha256
from mlv.schema.errors import MlvError


def hashes(ingest: Ingest, path: Path) -> dict[str, str]:
    """SHA-256 of what an ingest reads at a path: by member of an archive or folder, else under the empty name.

    Empty where it cannot be read.
    """
    try:
        if ingest.kind != "probes":
            return {"": file_sha256(path)}
        read = read_archive(path, ingest.options.get("language"))
        return {"" if file.name == path.name else file.name: file.sha256 for file in read}
    except (OSError, MlvError):
        return {}


class SourceFinder:
    """Looks for sources where they were, then below some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def find(self, ingest: Ingest) -> dict[SourceFile, Path | None]:
        """Where each file of an ingest is now; None for one that is gone or changed."""
        if ingest.kind == "probes":
            return dict.fromkeys(ingest.files, self._probes(ingest))
        return {file: self._file(ingest, file) for file in ingest.files}

    def _probes(self, ingest: Ingest) -> Path | None:
        """The archive, folder or file of an ingest of probes: of the same name, with the same members."""
        was = Path(ingest.files[0].path)
        wanted = {file.member: file.sha256 for file in ingest.files}
        candidates = [was, *(path for path in self._all if path.name == was.name)]
        return next((path for path in candidates if wanted.items() <= hashes(ingest, path).items()), None)

    def _file(self, ingest: Ingest, file: SourceFile) -> Path | None:
        was = Path(file.path)
        namesakes = [path for path in self._all if path.name == was.name and path.is_file()]
        there = (path for path in (was, *namesakes) if hashes(ingest, path).get("") == file.sha256)
        return next(there, None) or self._by_hash.get(file.sha256)

    @cached_property
    def _all(self) -> list[Path]:
        """Every file and folder below the folders, and they themselves."""
        return [found for folder in self._folders for found in (folder, *sorted(folder.rglob("*")))]

    @cached_property
    def _by_hash(self) -> dict[str, Path]:
        """Every file by its content: for those that were renamed, too."""
        return {file_sha256(path): path for path in self._all if path.is_file()}


def placed(found: dict[SourceFile, Path], folder: Path) -> list[Path]:
    """Paths of an ingest's files under the names that they had: a name tells language and edition.

    Files that were renamed, or moved apart from those that were read with them, are linked below ``folder``.
    """
    return list(dict.fromkeys(_placed(found, folder)))


def _placed(found: dict[SourceFile, Path], folder: Path) -> Iterator[Path]:
    in_place = all(path.name == Path(file.path).name for file, path in found.items())
    together = len({Path(file.path).parent for file in found}) == len({path.parent for path in found.values()})
    for file, path in found.items():
        was = Path(file.path)
        if in_place and together:
            yield path
            continue
        link = folder / was.parent.relative_to(was.anchor) / was.name
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
        yield link
