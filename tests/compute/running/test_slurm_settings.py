"""What is read of ``slurm.toml`` and of ``--slurm``, and how faults are told. Needs no Slurm."""

from pathlib import Path

import pytest

from mlv.compute.running.slurm_settings import read_settings
from mlv.schema.errors import DataError
from mlv.schema.jobs.kinds import KINDS

FILE = """
partition = "gpu"
time = "8:00:00"
setup = "module load cuda/12.4"
[finetune]
time = "1-12"
gpus = "a100:1"
[sbatch]
mail-type = "FAIL"
exclusive = true
"""


def test_kinds_have_what_is_common_and_what_is_their_own(tmp_path: Path) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text(FILE)
    settings = read_settings(path, ["finetune.cpus=8", "sbatch.mail-type=END", "memory=16000", "queued=50"])
    trained, asked = settings.of("finetune"), settings.of("probe")
    assert (trained.partition, trained.time, trained.gpus, trained.cpus) == ("gpu", 36 * 60, "a100:1", 8)
    assert (asked.partition, asked.time, asked.gpus, asked.cpus) == ("gpu", 480, None, 2)
    assert asked.setup == ("module load cuda/12.4",)
    assert asked.sbatch == {"mail-type": "END", "exclusive": True}
    assert asked.memory == "16000"
    assert settings.queued == 50
    # a job of another kind is given what is common
    assert settings.of("pretrain") == asked


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_may_have_its_own(tmp_path: Path, kind: str) -> None:
    settings = read_settings(tmp_path / "none", [f"{kind}.cpus=7"])
    assert {other: settings.of(other).cpus for other in KINDS} == {**dict.fromkeys(KINDS, 2), kind: 7}


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "slurm.toml").time == 240


@pytest.mark.parametrize(
    ("given", "minutes"),
    [
        ("90", 90),
        ("90:30", 91),
        ("8:00:00", 480),
        ("1:02:03", 63),
        ("2-0", 2880),
        ("1-2:30", 1590),
        ("1-2:30:01", 1591),
    ],
)
def test_times_are_written_as_slurm_has_them(tmp_path: Path, given: str, minutes: int) -> None:
    assert read_settings(tmp_path / "none", [f"time={given}"]).time == minutes


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text('time = "soon"\ncpus = 0\npartitoin = "gpu"\n[probe]\nmemory = "much"\n')
    with pytest.raises(DataError) as error:
        read_settings(path)
    for said in ("time: Write it as minutes", "cpus: should be greater", "partitoin: there is no such key"):
        assert said in error.value.message
    path.write_text("[probe]\nmemory = 'much'\nqueued = 3\n[sbatch]\narray = '0-3'\n")
    with pytest.raises(DataError) as error:
        read_settings(path)
    assert "sbatch: array is set by mlv" in error.value.message
    path.write_text("[probe]\nmemory = 'much'\nqueued = 3\n")
    with pytest.raises(DataError, match=r"probe\.memory: .*probe\.queued: there is no such key"):
        read_settings(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("partition", "has no value"),
        ("time.hours=3", "Write it as minutes"),
        ("setup=a\nb", "setup #1: String should match"),
        ("partition=a b", "partition: String should match"),
        ("sbatch=wide", "sbatch: "),
        ("probe=5", "- probe: should be a valid dictionary, not 5"),
        ("time=2", "warning: 120 s before the end is before the start"),
    ],
)
def test_what_a_key_cannot_be_is_refused(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        read_settings(tmp_path / "none", [given])
    assert said in error.value.message


def test_a_key_of_what_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text('finetune = "x"\n')
    with pytest.raises(DataError, match="finetune has no keys"):
        read_settings(path, ["finetune.time=3"])
    path.write_text("time = \n")
    with pytest.raises(DataError, match="cannot be read"):
        read_settings(path)
