"""Downloads, from a server on this machine that also misbehaves."""

import gzip
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlv.ingest.readers.download import Origin, fetch, origins
from mlv.schema.errors import DownloadError, UsageError
from mlv.schema.papers import echoes

CONTENT = b"a verse\n" * 400_000
"""More than is read at once."""


class _Handler(BaseHTTPRequestHandler):
    """Serves ``/whole``, cuts ``/cut`` off in the middle, changes ``/changed``, and never ends ``/endless``."""

    def do_GET(self) -> None:
        """Answer."""
        name = self.path.rpartition("/")[0].strip("/")
        self.server.asked.append(name)  # type: ignore[attr-defined]
        if name == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        if name != "endless":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        body = {"cut": CONTENT[: len(CONTENT) // 2], "changed": CONTENT[:-1] + b"!", "endless": CONTENT * 3}
        self.wfile.write(body.get(name, CONTENT))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on loopback; ``asked`` lists what it was asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def origin(server: ThreadingHTTPServer) -> Callable[[str], Origin]:
    """An origin under a path of the server."""

    def make(path: str) -> Origin:
        url = f"http://127.0.0.1:{server.server_address[1]}/{path}/Farsi.xml"
        return Origin("pbc", "fa", url, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "CC0-1.0")

    return make


def _left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(tmp_path: Path, server: ThreadingHTTPServer, origin: Callable[[str], Origin]) -> None:
    path = fetch(origin("whole"), tmp_path)
    assert path == tmp_path / "pbc" / "Farsi.xml" and path.read_bytes() == CONTENT
    assert fetch(origin("whole"), tmp_path) == path
    assert server.asked == ["whole"] and _left(tmp_path) == ["Farsi.xml"]  # type: ignore[attr-defined]


def test_an_interrupted_download_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, origin: Callable[[str], Origin]
) -> None:
    with pytest.raises(DownloadError, match=r"cut off after 1,600,000 of 3,200,000 bytes") as caught:
        fetch(origin("cut"), tmp_path)
    assert caught.value.hint.startswith("Repeat it.") and _left(tmp_path) == []
    assert fetch(replace(origin("cut"), url=origin("whole").url), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["changed", "endless"])
def test_another_file_than_the_pinned_one_is_refused(
    tmp_path: Path, origin: Callable[[str], Origin], path: str
) -> None:
    with pytest.raises(DownloadError, match="is not the file it was: its SHA-256 is"):
        fetch(origin(path), tmp_path)
    assert _left(tmp_path) == []


def test_an_address_that_is_gone_is_named(tmp_path: Path, origin: Callable[[str], Origin]) -> None:
    with pytest.raises(DownloadError, match=r"/missing/Farsi\.xml cannot be fetched .* 404") as caught:
        fetch(origin("missing"), tmp_path)
    assert "mlv ingest corpus --source pbc FILE" in caught.value.hint and _left(tmp_path) == []


def test_without_a_network_the_hint_is_how_to_supply_the_file(tmp_path: Path, origin: Callable[[str], Origin]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/newstest.txt"
        with pytest.raises(DownloadError, match=r"cannot be fetched .* refused") as caught:
            fetch(replace(origin("whole"), url=url, source="lines-ntrex"), tmp_path)
    assert f"Fetch {url} on another machine" in caught.value.hint
    assert "mlv ingest corpus --source lines --publication ntrex FILE" in caught.value.hint
    assert _left(tmp_path) == []


def test_a_file_of_that_name_is_not_overwritten(tmp_path: Path, origin: Callable[[str], Origin]) -> None:
    goal = tmp_path / "pbc" / "Farsi.xml"
    goal.parent.mkdir()
    goal.write_text("mine")
    with pytest.raises(DownloadError, match="is there, but is not the file"):
        fetch(origin("whole"), tmp_path)
    assert goal.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, origin: Callable[[str], Origin]) -> None:
    (tmp_path / "pbc").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="cannot be fetched to"):
        fetch(origin("whole"), tmp_path)


def test_the_table_is_pinned_to_commits() -> None:
    known = [found for source in ("arora-2023", "pbc", "tanzil", "flores", "lines-ntrex") for found in origins(source)]
    assert all(found.url.startswith("https://raw.githubusercontent.com/") for found in known)
    assert all(len(found.url.split("/")[5]) == 40 and len(found.sha256) == 64 and found.size > 0 for found in known)
    assert len({found.url for found in known}) == len({found.sha256 for found in known}) == len(known)


@pytest.mark.parametrize("source", ["pbc", "tanzil", "flores", "lines-ntrex"])
def test_the_study_s_languages_can_be_fetched(source: str) -> None:
    found = origins(source, echoes.FINETUNING_LANGUAGES)
    assert {origin.language for origin in found} == set(echoes.FINETUNING_LANGUAGES)
    assert [origin.language for origin in origins(source, ["Farsi"])] == ["fa"]


def test_the_probes_are_ingested_by_their_own_command() -> None:
    (probes,) = origins("arora-2023")
    assert probes.by_hand.endswith("mlv ingest probes FILE")


@pytest.mark.parametrize("source", ["ebible", "news", "news-fox", "wvs7"])
def test_what_has_to_be_fetched_by_hand_is_explained(source: str) -> None:
    with pytest.raises(DownloadError, match="https://") as caught:
        origins(source)
    assert "mlv ingest " in caught.value.hint


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(UsageError, match="no download of 'bible'") as caught:
        origins("bible")
    assert (
        caught.value.hint == "There are downloads of arora-2023, ebible, flores, lines-ntrex, news, pbc, tanzil, wvs7."
    )
    with pytest.raises(UsageError, match="no download of tanzil in bn, tr"):
        origins("tanzil", ["tr", "bn", "fa"])


@pytest.mark.real
def test_the_pinned_checksums_are_those_of_the_real_files(real_data: Path) -> None:
    folders = {
        "arora-2023": real_data / "probes" / "arora_probes.zip",
        "pbc": real_data / "bible" / "christos-c",
        "tanzil": real_data / "quran",
        "flores": real_data / "flores" / "devtest",
        "lines-ntrex": real_data / "ntrex",
    }
    checked = 0
    for source, folder in folders.items():
        for found in origins(source):
            path = folder / f"{found.file_name}.gz" if folder.is_dir() else folder
            if path.exists():
                data = gzip.decompress(path.read_bytes()) if folder.is_dir() else path.read_bytes()
                assert (hashlib.sha256(data).hexdigest(), len(data)) == (found.sha256, found.size)
                checked += 1
    assert checked == 1 + 2 + 6 + 13 + 5
