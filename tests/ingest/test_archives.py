"""Archives from elsewhere: what is refused, what is passed over."""

import zipfile
from pathlib import Path

import pytest

from mlv.ingest.archives import members, open_zip, read_member
from mlv.schema.errors import DataError


def _archive(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../fa.csv", "probes/../../fa.csv", "/etc/fa.csv", "..\\fa.csv", "C:/fa.csv"])
def test_a_member_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = _archive(tmp_path / "a.zip", {"de.csv": b"x", name: b"x"})
    with pytest.raises(DataError, match="points outside the archive") as caught:
        open_zip(path)
    assert "de.csv" not in caught.value.message
    assert [file.name for file in tmp_path.rglob("*")] == ["a.zip"]


def test_a_member_that_unpacks_to_absurd_size_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "bomb.zip", {"fa.csv": bytes(4 << 20)})
    with pytest.raises(DataError, match=r"'fa.csv' would unpack [\d,]+ bytes to 4,194,304"):
        open_zip(path)


def test_a_small_member_may_pack_well(tmp_path: Path) -> None:
    with open_zip(_archive(tmp_path / "a.zip", {"fa.csv": bytes(1 << 20)})) as archive:
        assert len(read_member(archive, "fa.csv")) == 1 << 20


def test_all_unfit_members_are_named_together(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.zip", {"../one": b"", "/two": b"", "three": bytes(4 << 20)})
    with pytest.raises(DataError) as caught:
        open_zip(path)
    assert all(name in caught.value.message for name in ("'../one'", "'/two'", "'three'"))


def test_leftovers_of_file_managers_and_folders_are_no_members(tmp_path: Path) -> None:
    names = ["b.csv", "probes/a.csv", "probes/", "probes/.DS_Store", "__MACOSX/probes/._a.csv", "._b.csv"]
    with open_zip(_archive(tmp_path / "a.zip", dict.fromkeys(names, b""))) as archive:
        assert members(archive) == ["b.csv", "probes/a.csv"]


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK but not really")
    with pytest.raises(DataError, match="not a readable zip archive"):
        open_zip(tmp_path / "a.zip")


def test_a_damaged_member(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.zip", {"fa.csv": b"0123456789" * 100})
    content = bytearray(path.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with open_zip(path) as archive, pytest.raises(DataError, match="cannot be unpacked"):
        read_member(archive, "fa.csv")
