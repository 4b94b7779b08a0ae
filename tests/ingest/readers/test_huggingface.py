"""Data sets of the Hugging Face hub, from folders: a test reaches no network."""

import json
from pathlib import Path

import pytest

from mlv.ingest.readers import table
from mlv.ingest.readers.huggingface import fetch_dataset
from mlv.schema.errors import DownloadError

datasets = pytest.importorskip("datasets")

ROWS = [
    {"id": "1", "translation": {"de": "ja", "sw": "ndiyo"}},
    {"id": "2", "translation": {"de": "nein", "sw": "hapana"}},
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A data set as ``save_to_disk`` leaves it, with two splits."""
    splits = {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS[:1])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "own set")
    return tmp_path / "own set"


def test_a_split_is_written_once_and_read_as_a_table(saved: Path, tmp_path: Path) -> None:
    path = fetch_dataset(str(saved), tmp_path / "downloads", split="train")
    assert path == tmp_path / "downloads" / "huggingface" / "own-set-train.jsonl"
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == ROWS
    german, swahili = table.read(path, "key=id,de=translation.de,sw=translation.sw")
    assert german.segments["text"].to_list() == ["ja", "nein"]
    assert swahili.segments["parallel_key"].to_list() == ["1", "2"]
    path.write_text("kept", encoding="utf-8")
    assert fetch_dataset(str(saved), tmp_path / "downloads").read_text(encoding="utf-8") == "kept"


def test_a_data_set_without_splits(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    path = fetch_dataset(str(tmp_path / "one"), tmp_path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_a_split_that_is_not_there_is_an_error_that_leaves_nothing(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be loaded") as caught:
        fetch_dataset(str(saved), tmp_path / "downloads", split="validation")
    assert "--split" in caught.value.hint
    assert not list((tmp_path / "downloads").rglob("*.jsonl"))


def test_numbers_of_classes_are_written_as_their_names(tmp_path: Path) -> None:
    kinds = datasets.Features({"tweet": datasets.Value("string"), "label": datasets.ClassLabel(names=["good", "bad"])})
    rows = [{"tweet": "a", "label": 1}, {"tweet": "b", "label": 0}, {"tweet": "c", "label": -1}]
    datasets.Dataset.from_list(rows, features=kinds).save_to_disk(tmp_path / "tweets")
    lines = fetch_dataset(str(tmp_path / "tweets"), tmp_path).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["bad", "good", -1]
