"""Journals that are damaged: their sound lines are read, all others are counted."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from fuzzing import damaged, examples
from hypothesis import given
from hypothesis import strategies as st

from mlv.ingest.journal import Entry, Ingest, Reading, RunEvent, SourceFile, read_journal, write_journal

AT = datetime(2026, 1, 2, 3, 4, 5)
FILES = (SourceFile("/data/a.zip", "ab" * 32, "fa.csv", "arora/fa"), SourceFile("vref.txt", "cd" * 32))
ENTRIES: list[Entry] = [
    Ingest("probes", {"collection": "arora", "language": None}, FILES, AT),
    RunEvent("committed", "probe-0123456789ab", AT),
    RunEvent("deleted", "probe-0123456789ab", AT),
    Reading("respond-0123456789ab", 2, AT),
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "mlv.duckdb.journal.jsonl"
    write_journal(path, ENTRIES)
    return path


def test_a_journal_is_read_as_it_was_written(journal: Path) -> None:
    assert read_journal(journal) == (ENTRIES, [])
    assert [entry.at for entry in read_journal(journal)[0]] == [AT] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"at": "2026-01-02T03:04:05+01:00"},
        {"at": None},
        {"event": "renamed"},
        {"event": "ingested"},
        {"run": ["probe-0123456789ab"]},
        {"run": None},
    ],
)
def test_a_line_of_another_form_is_counted(journal: Path, change: dict[str, object]) -> None:
    lines = journal.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    lines.append("[" * 100_000)
    journal.write_text("\n".join(lines))
    assert read_journal(journal) == ([ENTRIES[0], *ENTRIES[2:]], [2, 5])


@examples(100)
@given(data=st.data())
def test_no_damage_keeps_a_journal_from_being_read(journal: Path, data: st.DataObject) -> None:
    write_journal(journal, ENTRIES)
    journal.write_bytes(data.draw(damaged([journal.read_bytes()], gzipped=False)))
    entries, wrong = read_journal(journal)
    assert len(entries) + len(wrong) == len(journal.read_bytes().splitlines())
    write_journal(journal, entries)
    assert read_journal(journal) == (entries, [])
