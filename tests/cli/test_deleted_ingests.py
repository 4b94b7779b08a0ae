"""`mlv ingest list` and `delete`: a corrected file takes the place of another, also in a store made again."""

import shutil
from pathlib import Path

import pytest
from command_line import Mlv
from tiny_study import DEMO, demo_store, ingest_survey

from mlv.cli import edge
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.store.opening import connect


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    ingest_survey(demo_store(folder))
    return folder


def _prints(store: Path) -> dict[str, tuple[int, int]]:
    with connect(store) as connection:
        return fingerprints(connection)


def test_what_was_ingested_is_listed_by_the_names_that_delete_takes(mlv: Mlv) -> None:
    done = mlv("ingest", "list", "--format", "csv")
    assert done.code == 0
    listed = [line.split(",")[:5] for line in done.out.splitlines()]
    assert listed == [
        ["kind", "name", "files", "rows", "rejected"],
        ["corpus", "lines/fa/fa", "1", "240", "0"],
        ["corpus", "lines/ko/ko", "1", "240", "0"],
        ["probes", "demo", "4", "96", "0"],
        ["survey", "illustrative", "1", "560", "0"],
    ]
    for line in listed[1:]:
        assert mlv("ingest", "delete", line[1], "--yes").code == 0
    assert mlv("ingest", "list", "--format", "csv").out.splitlines() == ["kind,name,files,rows,rejected,ingested_at"]


def test_a_deletion_is_said_first_and_done_with_yes(mlv: Mlv) -> None:
    before = _prints(mlv.store)
    done = mlv("ingest", "delete", "lines/ko/ko")
    assert done.code == 0
    assert done.err.splitlines() == [
        "would delete corpus lines/ko/ko:",
        "  1 ingest_file, 240 segment, 1 corpus",
        "  do it: --yes",
    ]
    assert _prints(mlv.store) == before
    assert "deleted corpus lines/ko/ko" in mlv("ingest", "delete", "lines/ko/ko", "--yes").err
    assert mlv("ingest", "delete", "lines/ko/ko", "--yes").code == edge.ExitCode.NOT_FOUND
    assert mlv("db", "check").code == 0


def test_a_corrected_file_is_what_a_store_is_made_again_from(mlv: Mlv) -> None:
    text = mlv.folder / "corrected" / "ko.txt"
    text.parent.mkdir()
    lines = (DEMO / "corpus" / "ko.txt").read_text(encoding="utf-8").splitlines()
    text.write_text("\n".join(["고친 줄", *lines[1:]]) + "\n", encoding="utf-8")
    ingest = ("ingest", "corpus", str(text), "--source", "lines", "--language", "ko")
    refused = mlv(*ingest)
    assert refused.code == edge.ExitCode.DATA
    assert "If what is there is wrong: mlv ingest delete lines/ko/ko" in refused.err
    assert mlv("ingest", "delete", "lines/ko/ko", "--yes").code == 0
    assert mlv(*ingest).code == 0
    assert mlv("ingest", "delete", "illustrative", "--yes").code == 0
    before = _prints(mlv.store)
    made = mlv("db", "rebuild")
    assert made.code == 0, made.err
    assert "it has the same rows as the old store in every table" in made.err
    assert _prints(mlv.store) == before
    assert mlv.rows("SELECT text FROM v_segment WHERE language = 'ko' AND position = 0") == [("고친 줄",)]


def test_what_was_deleted_is_not_ingested_again_when_the_store_is_lost(mlv: Mlv) -> None:
    assert mlv("ingest", "delete", "demo", "--yes").code == 0
    before = _prints(mlv.store)
    mlv.store.unlink()
    assert mlv("db", "rebuild").code == 0
    assert _prints(mlv.store) == before


def test_a_source_of_what_was_deleted_is_not_missed(mlv: Mlv) -> None:
    own = Path(shutil.copyfile(DEMO / "survey.csv", mlv.folder / "own.csv"))
    assert mlv("ingest", "survey", str(own), "--name", "own").code == 0
    own.unlink()
    assert mlv("db", "check", "--files").code == edge.ExitCode.STORE
    assert mlv("ingest", "delete", "own", "--yes").code == 0
    assert mlv("db", "check", "--files").code == 0
    assert mlv("db", "rebuild").code == 0
