"""Archives from elsewhere: what is refused, what is skipped."""

import stat
import zipfile
from pathlib import Path

import pytest

from mlv.ingest.readers import archives
from mlv.ingest.readers.archives import members, open_zip, read_member
from mlv.ingest.readers.probes import read_archive
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


def test_leftovers_of_file_managers_and_folders_are_not_members(tmp_path: Path) -> None:
    names = ["b.csv", "probes/a.csv", "probes/", "probes/.DS_Store", "__MACOSX/probes/._a.csv", "._b.csv"]
    with open_zip(_archive(tmp_path / "a.zip", dict.fromkeys(names, b""))) as archive:
        assert members(archive) == ["b.csv", "probes/a.csv"]


def test_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
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


def _linked(path: Path, mode: int) -> Path:
    """An archive whose member ``fa.csv`` is a link, or another kind of file than a plain one."""
    member = zipfile.ZipInfo("fa.csv")
    member.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "/etc/passwd")
    return path


@pytest.mark.parametrize(
    ("mode", "problem"), [(stat.S_IFLNK, "is a link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device or a pipe")]
)
def test_a_member_that_is_not_a_plain_file_is_refused(tmp_path: Path, mode: int, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        open_zip(_linked(tmp_path / "a.zip", mode))


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_a_limit_are_refused(tmp_path: Path, packing: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", packing) as archive:
        archive.writestr("fa.csv", bytes(1 << 20))
    with pytest.raises(DataError, match="packed by another method"):
        open_zip(tmp_path / "a.zip")


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("fa.csv", "one")
        archive.writestr("fa.csv", "two")
    with pytest.raises(DataError, match=r"'fa\.csv' occurs 2 times"):
        open_zip(tmp_path / "a.zip")


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """Many entries over one packed block: the ratio of each is honest, their sum is not."""
    path = _archive(tmp_path / "a.zip", {f"{number}.csv": b"x" * 100 for number in range(3)})
    content = path.read_bytes()
    offsets = [number for number in range(len(content)) if content.startswith(b"PK\x01\x02", number)]
    for offset in offsets[1:]:
        content = content[: offset + 42] + bytes(4) + content[offset + 46 :]
    path.write_bytes(content)
    with pytest.raises(DataError, match="share bytes"):
        open_zip(path)


def test_too_many_members_and_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _archive(tmp_path / "a.zip", {f"{number}.csv": bytes(1000) for number in range(30)})
    monkeypatch.setattr(archives, "MAX_MEMBERS", 29)
    monkeypatch.setattr(archives, "MAX_BYTES", 29_999)
    with pytest.raises(DataError, match=r"30 members, more than 29(?s:.*)30,000 bytes, more than 29,999"):
        open_zip(path)


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = _archive(tmp_path / "inner.zip", {"de.csv": bytes(1 << 20)}).read_bytes()
    with pytest.raises(DataError, match="no probe file"):
        read_archive(_archive(tmp_path / "a.zip", {"probes/inner.zip": inner}))


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.zip", {"x": b"x"})
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    with pytest.raises(DataError, match="without a name"):
        open_zip(path)
