"""Where results go and where statements come from: formats by ending, files that cannot be read, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command_line import Mlv

from mlv.cli import edge
from mlv.cli.output import chosen_format
from mlv.ingest.readers.download import Origin
from mlv.schema.errors import UsageError


@pytest.mark.parametrize(
    ("name", "expected"),
    [("X.CSV", "csv"), ("x.Md", "markdown"), ("x.txt", "table"), ("x", "table"), ("a.b/x.jsonl", "jsonl")],
)
def test_the_ending_gives_the_format_in_any_case(name: str, expected: str) -> None:
    assert chosen_format(None, Path(name)) == expected
    assert chosen_format("latex", Path(name)) == "latex"


def test_an_unknown_ending_needs_a_format() -> None:
    assert chosen_format("csv", Path("x.tsv")) == "csv"
    with pytest.raises(UsageError, match=r"x\.tsv") as caught:
        chosen_format(None, Path("x.tsv"))
    assert "--format" in caught.value.hint


WRITERS = (
    ("sql", "SELECT 1 AS one"),
    ("query", "run", "coverage"),
    ("db", "check"),
    ("runs", "list"),
    ("influence", "list"),
)


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
def test_what_a_link_leads_to_is_written_and_keeps_its_mode(
    on_empty: Mlv, tmp_path: Path, command: tuple[str, ...]
) -> None:
    there, link = tmp_path / "there", tmp_path / "latest.json"
    there.mkdir()
    target = there / "table.json"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert on_empty(*command, "-o", str(link)).code == 0
    assert link.is_symlink()
    json.loads(target.read_text())
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in there.iterdir()] == ["table.json"]


def test_a_result_goes_into_a_device_and_a_pipe(on_empty: Mlv, tmp_path: Path) -> None:
    assert on_empty("sql", "SELECT 1 AS one", "-o", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert on_empty("sql", "SELECT 1 AS one", "-o", str(pipe), "--format", "csv").code == 0
    reader.join(10)
    assert read == ["one\n1\n"]
    assert pipe.is_fifo()


def test_nothing_is_changed_if_the_result_cannot_be_written(on_empty: Mlv, tmp_path: Path) -> None:
    target = tmp_path / "x.tsv"
    done = on_empty("sql", "--write", "CREATE TABLE refused (a INTEGER)", "-o", str(target))
    assert done.code == edge.ExitCode.USAGE
    assert not target.exists()
    assert on_empty.rows("SELECT * FROM duckdb_tables() WHERE table_name = 'refused'") == []


def test_a_statement_that_cannot_be_read_is_named(on_empty: Mlv, tmp_path: Path) -> None:
    missing = on_empty("sql", "-f", str(tmp_path / "missing.sql"))
    assert (missing.code, "missing.sql" in missing.err) == (edge.ExitCode.NOT_FOUND, True)
    (tmp_path / "latin.sql").write_bytes("SELECT 'K\u00fcche'".encode("latin-1"))
    latin = on_empty("sql", "-f", str(tmp_path / "latin.sql"))
    assert (latin.code, "latin.sql is not UTF-8: byte 9" in latin.err) == (edge.ExitCode.DATA, True)
    assert on_empty("sql", "-f", str(tmp_path)).code == edge.ExitCode.DATA


def test_a_download_goes_into_one_folder(on_empty: Mlv) -> None:
    done = on_empty("ingest", "corpus", "a", "b", "--source", "pbc", "--download")
    assert done.code == edge.ExitCode.USAGE
    assert "2 paths" in done.err


@pytest.mark.parametrize(("given", "kept"), [([], "CC BY 9.9"), (["--licence", "mine"], "mine")])
def test_a_downloaded_text_has_the_licence_of_its_origin(
    on_empty: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], kept: str
) -> None:
    text = tmp_path / "fa.txt"
    text.write_text("\u06cc\u06a9\n", encoding="utf-8")
    origin = Origin("lines-own", "fa", "https://example.org/fa.txt", "0", 1, "CC BY 9.9")
    monkeypatch.setattr("mlv.ingest.readers.download.origins", lambda *_: [origin])
    monkeypatch.setattr("mlv.ingest.readers.download.fetch", lambda *_: text)
    publication = kept.replace(" ", "-")
    arguments = ("ingest", "corpus", "--source", "lines", "--publication", publication, "--download", *given)
    assert on_empty(*arguments).code == 0
    assert on_empty.rows("SELECT licence FROM corpus ORDER BY corpus_id DESC LIMIT 1") == [(kept,)]


# the signal comes when all is imported and the statement runs
INTERRUPTED = """
import os, signal, sys, threading
import duckdb, polars, mlv.queries.engine.rendering
from mlv.cli.main import main
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
main()
"""


def test_ctrl_c_ends_a_long_statement_with_a_message(on_empty: Mlv) -> None:
    statement = "SELECT sum(hash(a.range, b.range)) FROM range(10000000) a, range(10000000) b"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "sql", statement, "--db", str(on_empty.store)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # a shell that starts tests in the background lets its children ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout) == (edge.ExitCode.INTERRUPTED, "")
    assert done.stderr == "interrupted; finished work is kept\n"
    assert time.monotonic() - began < 20
