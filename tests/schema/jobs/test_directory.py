"""Job directories: what they give back, and how they are written."""

from pathlib import Path

import pytest
from example_specs import EXAMPLES, FINETUNE

from mlv.schema.errors import JobError
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Started
from mlv.schema.jobs.identity import canonical_json, job_name
from mlv.schema.jobs.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_gives_back_its_specification_and_state(kind: str, tmp_path: Path) -> None:
    spec = EXAMPLES[kind]
    job = JobDirectory.create(tmp_path, spec, {"model_paths": {"nano": "/somewhere"}})
    assert job.path.name == job_name(spec)
    assert canonical_json(job.spec()) == canonical_json(spec)
    assert job.state() == "planned"
    job.set_state("failed", error="disk")
    again = JobDirectory.create(tmp_path, spec, {"model_paths": {"nano": "/other"}})
    assert again.state() == "failed"
    assert again.read_json("provenance.json") == {"model_paths": {"nano": "/somewhere"}}


def test_a_line_cut_off_by_a_kill_does_not_spoil_the_log(tmp_path: Path) -> None:
    job = JobDirectory.create(tmp_path, FINETUNE, {})
    job.log(Started(node="n1"))
    with (job.path / "log.jsonl").open("a") as log:
        log.write('{"at": "2026-')
    assert [logged.event for logged in job.events()] == [Started(node="n1")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "it holds no JSON object"),
        ('{"kind": "finetune"}', "validation errors for FinetuneSpec"),
        ('{"kind": "other"}', "there is no kind of job 'other'"),
    ],
)
def test_a_damaged_specification_is_named(tmp_path: Path, text: str, fault: str) -> None:
    job = JobDirectory.create(tmp_path, FINETUNE, {})
    (job.path / "job.json").write_text(text)
    with pytest.raises(JobError, match=rf"job\.json is damaged: .*{fault}"):
        job.spec()


def test_a_folder_that_is_no_job_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="not a job directory"):
        JobDirectory(tmp_path).spec()


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
