"""Identity and durability of job directories."""

import json
from pathlib import Path

import pytest

from mlv.schema.errors import JobError
from mlv.schema.events import Started
from mlv.schema.jobs import (
    FinetuneSpec,
    JobDirectory,
    ModelRef,
    ProbeSpec,
    canonical_json,
    job_name,
    spec_hash,
    written_aside,
)

MODEL = ModelRef(name="google/mt5-small", revision="abc", digest="d1", path="/somewhere")


def _finetune(**changes: object) -> FinetuneSpec:
    fields = {
        "model": MODEL,
        "source": "pbc",
        "languages": ("fa",),
        "sentences": 10,
        "corpora": (),
        "inputs_digest": "i",
    }
    return FinetuneSpec.model_validate(fields | changes)


def test_a_model_counts_by_content_not_by_name_or_place() -> None:
    renamed = MODEL.model_copy(update={"name": "copy", "revision": "", "path": "/elsewhere"})
    assert spec_hash(_finetune(model=renamed)) == spec_hash(_finetune())
    assert spec_hash(_finetune(model=MODEL.model_copy(update={"digest": "d2"}))) != spec_hash(_finetune())


def test_a_checkpoint_that_a_job_made_counts_by_that_job() -> None:
    made = [MODEL.model_copy(update={"name": f"finetune-{'0' * 11}{run}/epoch-5"}) for run in (1, 2)]
    assert spec_hash(_finetune(model=made[0])) != spec_hash(_finetune(model=made[1]))


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_no_library_takes_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        _finetune(seed=seed)


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"epochs": 4}, {"learning_rate": 1e-4}, {"inputs_digest": "j"}, {"precision": "bf16"}]
)
def test_whatever_changes_the_result_changes_the_identity(change: dict[str, object]) -> None:
    assert spec_hash(_finetune(**change)) != spec_hash(_finetune())


def test_the_identity_does_not_depend_on_the_order_of_fields() -> None:
    shuffled = dict(reversed(json.loads(canonical_json(_finetune())).items()))
    assert spec_hash(FinetuneSpec.model_validate(shuffled)) == spec_hash(_finetune())


def test_a_directory_gives_back_its_specification_and_state(tmp_path: Path) -> None:
    spec = _finetune()
    job = JobDirectory.create(tmp_path, spec, {"model_path": "/somewhere"})
    assert job.path.name == job_name(spec)
    assert canonical_json(job.spec()) == canonical_json(spec)
    assert job.state() == "planned"
    job.set_state("failed", error="disk")
    again = JobDirectory.create(tmp_path, spec, {"model_path": "/other"})
    assert again.state() == "failed"
    assert again.read_json("provenance.json") == {"model_path": "/somewhere"}


def test_a_line_cut_off_by_a_kill_does_not_spoil_the_log(tmp_path: Path) -> None:
    job = JobDirectory.create(tmp_path, _finetune(), {})
    job.log(Started(node="n1"))
    with (job.path / "log.jsonl").open("a") as log:
        log.write('{"at": "2026-')
    assert [happened.event for happened in job.events()] == [Started(node="n1")]


@pytest.mark.parametrize("text", ["", "{", '{"kind": "finetune"}', '{"kind": "other"}'])
def test_a_damaged_specification_is_named(tmp_path: Path, text: str) -> None:
    job = JobDirectory.create(tmp_path, _finetune(), {})
    (job.path / "job.json").write_text(text)
    with pytest.raises(JobError, match=r"job\.json is damaged"):
        job.spec()


def test_a_folder_that_is_no_job_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="not a job directory"):
        JobDirectory(tmp_path).spec()


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="epoch_count"):
        _finetune(epoch_count=3)
    with pytest.raises(ValueError, match="fp16"):
        ProbeSpec.model_validate(
            {
                "model": MODEL,
                "collection": "c",
                "probe_set": "s",
                "languages": ["fa"],
                "inputs_digest": "i",
                "precision": "fp16",
            }
        )


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with written_aside(path) as aside:
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]
