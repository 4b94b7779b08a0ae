"""A study from beginning to end through the command line, and what happens when things go wrong in it."""

import fcntl
import json
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl
import pytest
from command_line import Done, Mlv
from tiny_study import ingest_survey

from mlv.cli import edge

DEMO = Path(str(files("mlv.ingest") / "demo"))
FINETUNE = ("compute", "finetune", "--model", "nano", "--source", "lines", "--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def _base(nano_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the demo's data and a model pretrained for a moment."""
    folder = Path(shutil.copytree(nano_study, tmp_path_factory.mktemp("base"), dirs_exist_ok=True))
    ingest_survey(Mlv(folder))
    return folder


def _finetune(mlv: Mlv, *more: str) -> Done:
    return mlv(*FINETUNE, "--language", "fa", "--sentences", "40", "--epochs", "2", *more)


def test_finetuning_probes_before_and_after_commits_and_prints_what_changed(mlv: Mlv) -> None:
    done = _finetune(mlv)
    assert done.code == 0, done.err
    assert mlv.rows("SELECT kind FROM v_run ORDER BY run_id") == [
        ("pretrain",),
        ("probe",),
        ("finetune",),
        ("probe",),
    ]
    assert mlv.rows("SELECT epoch, is_final FROM v_checkpoint ORDER BY checkpoint_id") == [
        (0, True),
        (1, False),
        (2, True),
    ]
    printed = [line.split() for line in done.out.splitlines()[2:]]
    assert [row[-3] for row in printed] == ["fa", "hi", "ko", "ru"]
    stored = mlv.rows(
        "SELECT language, 100.0 * count(*) FILTER (NOT shifted) / count(*) FROM v_shift WHERE score = 'mean' "
        "GROUP BY language ORDER BY language"
    )
    assert [row[-3] for row in printed] == [language for language, _ in stored]
    assert [float(row[-2]) for row in printed] == pytest.approx([value for _, value in stored], abs=5e-4)
    assert mlv("db", "check").code == 0


def test_what_is_done_is_not_done_again(mlv: Mlv) -> None:
    _finetune(mlv)
    before = mlv.rows("SELECT name, committed_at FROM run ORDER BY run_id")
    done = _finetune(mlv)
    assert done.code == 0
    assert "already committed" in done.err
    assert "has answered all probes" in done.err
    assert mlv.rows("SELECT name, committed_at FROM run ORDER BY run_id") == before


def test_the_model_that_a_run_made_starts_another_run(mlv: Mlv) -> None:
    _finetune(mlv)
    ((run,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'finetune'")
    again = mlv(*FINETUNE[:3], str(run), *FINETUNE[4:], "--language", "ko", "--sentences", "20", "--epochs", "1")
    assert again.code == 0, again.err
    ((parent,),) = mlv.rows(
        "SELECT p.name FROM run r JOIN run p ON p.run_id = r.parent_run_id WHERE r.kind = 'finetune'"
        " AND p.kind = 'finetune'"
    )
    assert parent == run


def test_multilingual_runs_take_as_many_sentences_of_each_language(mlv: Mlv) -> None:
    done = mlv(*FINETUNE, "--language", "fa,ko", "--sentences", "40", "--epochs", "1")
    assert done.code == 0, done.err
    assert mlv.rows("SELECT language, count(*) FROM v_training_example GROUP BY ALL ORDER BY ALL") == [
        ("fa", 20),
        ("ko", 20),
    ]
    assert mlv.rows("SELECT strategy, ft_languages FROM v_run WHERE kind = 'finetune'") == [("multilingual", "fa,ko")]


def test_show_and_diff_name_specification_and_provenance(mlv: Mlv) -> None:
    _finetune(mlv)
    _finetune(mlv, "--seed", "2")
    (first,), (second,) = mlv.rows("SELECT run FROM v_run WHERE kind = 'finetune' ORDER BY run_id")
    shown = json.loads(mlv("runs", "show", str(first)).out)
    assert shown["spec"]["learning_rate"] == 5e-5
    assert shown["provenance"]["environment"]["packages"]["torch"]
    assert shown["events"][0]["event"] == "started"
    differing = mlv("runs", "diff", str(first), str(second)).out.splitlines()
    assert "spec.seed: 1 -> 2" in differing
    # the seed draws the development split, so the inputs differ with it
    assert {line.partition(":")[0] for line in differing if line.startswith("spec.")} == {
        "spec.seed",
        "spec.inputs_digest",
    }


def test_deleting_is_a_dry_run_unless_asked_for(mlv: Mlv) -> None:
    _finetune(mlv)
    ((probe,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'probe' ORDER BY run_id DESC LIMIT 1")
    assert "would delete" in mlv("runs", "delete", str(probe)).err
    assert len(mlv.rows("FROM v_run")) == 4
    assert mlv("runs", "delete", str(probe), "--yes").code == 0
    assert len(mlv.rows("FROM v_run")) == 3
    assert not (mlv.folder / "jobs" / str(probe)).exists()


def test_a_planned_job_is_run_without_a_store_and_committed_later(
    mlv: Mlv, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert _finetune(mlv, "--plan-only").code == 0
    assert len(mlv.rows("FROM v_run")) == 1
    assert "not committed: finetune-" in mlv("runs", "list").err
    planned = [str(path) for path in sorted((mlv.folder / "jobs").iterdir()) if path.name.startswith("finetune-")]
    worker = subprocess.run(
        [sys.executable, "-c", "from mlv.cli.main import main; main()", "compute", "run", *planned],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    assert "finished" in worker.stderr
    assert len(mlv.rows("FROM v_run")) == 1
    assert mlv("runs", "resume", "--threads", "1", "--device", "cpu").code == 0
    assert {kind for (kind,) in mlv.rows("SELECT kind FROM v_run")} == {"pretrain", "finetune", "probe"}
    assert "nothing to resume" in mlv("runs", "resume").err


def _wait_for(path: Path, process: "subprocess.Popen[str]", seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_job_that_was_killed_ends_as_an_unbroken_one(mlv: Mlv, tmp_path_factory: pytest.TempPathFactory) -> None:
    unbroken = Mlv(tmp_path_factory.mktemp("unbroken"))
    shutil.copytree(mlv.folder, unbroken.folder, dirs_exist_ok=True)
    settings = (*FINETUNE, "--language", "fa", "--sentences", "60", "--epochs", "8")
    assert unbroken(*settings).code == 0
    ((run,),) = unbroken.rows("SELECT run FROM v_run WHERE kind = 'finetune'")

    killed = mlv.process(*settings)
    _wait_for(mlv.folder / "jobs" / str(run) / "checkpoints" / "epoch-1", killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert mlv.rows("SELECT count(*) FROM v_run WHERE kind = 'finetune'") == [(0,)]
    assert mlv("runs", "resume", str(run), "--threads", "1", "--device", "cpu").code == 0
    assert mlv(*settings).code == 0
    question = "SELECT epoch, digest FROM v_checkpoint ORDER BY epoch"
    assert mlv.rows(question) == unbroken.rows(question)
    margins = "SELECT checkpoint_id, language, question, score, margin FROM v_answer ORDER BY ALL"
    assert mlv.rows(margins) == unbroken.rows(margins)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--language", "hi", "--sentences", "40"], 4, "hi"),
        (["--language", "fa", "--sentences", "4000"], 3, "240"),
        (["--language", "fa,ko", "--sentences", "41"], 2, "Each gets as many: 40"),
        (["--language", "fa", "--sentences", "40", "--test-language", "de"], 3, "fa, hi, ko, ru"),
        (["--language", "fa", "--sentences", "40", "--probe-set", "none"], 4, "demo-all"),
        (["--language", "fa", "--sentences", "40", "--edition", "nonsense"], 2, "--edition fa="),
    ],
)
def test_wrong_requests_are_refused_before_anything_runs(mlv: Mlv, more: list[str], code: int, said: str) -> None:
    before = mlv.store.read_bytes()
    done = mlv(*FINETUNE, *more)
    assert done.code == code, done.err
    assert said in done.err
    assert mlv.store.read_bytes() == before


def test_a_checkpoint_that_is_gone_is_named(mlv: Mlv) -> None:
    ((run,),) = mlv.rows("SELECT run FROM v_run")
    shutil.rmtree(mlv.folder / "jobs" / str(run) / "checkpoints")
    done = _finetune(mlv)
    assert done.code == edge.ExitCode.NOT_FOUND
    assert "checkpoints/epoch-0" in done.err


def test_check_finds_a_checkpoint_that_is_gone(mlv: Mlv) -> None:
    assert mlv("db", "check").code == 0
    shutil.rmtree(next((mlv.folder / "jobs").glob("pretrain-*/checkpoints/epoch-0")))
    checked = mlv("db", "check")
    assert checked.code == edge.ExitCode.STORE
    assert "checkpoints/epoch-0 is gone" in checked.out


def test_probes_whose_answers_tokenise_alike_are_refused_or_left_out(mlv: Mlv, tmp_path: Path) -> None:
    lines = (DEMO / "probes" / "wvs" / "fa.csv").read_text(encoding="utf-8").splitlines()
    row = lines[1].split("\t")
    # different texts, but the tokenizer reads wide letters as narrow ones
    row[3:] = ["ＯＫ", "OK"]
    (tmp_path / "fa.csv").write_text("\n".join([lines[0], "\t".join(row), *lines[2:]]), encoding="utf-8")
    mlv("ingest", "probes", str(tmp_path / "fa.csv"), "--collection", "alike", "--citation", "own")
    before = mlv.store.read_bytes()
    arguments = ("compute", "probe", "--model", "nano", "--probe-set", "alike-all", "--threads", "1")
    refused = mlv(*arguments)
    assert refused.code == edge.ExitCode.DATA
    assert "--skip-ambiguous" in refused.err
    assert mlv.store.read_bytes() == before
    assert mlv(*arguments, "--skip-ambiguous").code == 0
    assert mlv.rows("SELECT count(*) FROM v_answer WHERE score = 'mean'") == [(23,)]
    ((detail,),) = mlv.rows("SELECT detail FROM run_event WHERE event = 'skipped_probes'")
    assert [probe["question"] for probe in json.loads(detail)["probes"]] == ["1"]


def test_a_store_that_another_process_holds_keeps_the_job(mlv: Mlv) -> None:
    assert _finetune(mlv, "--plan-only").code == 0
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(mlv.store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = _finetune(mlv)
        assert done.code == edge.ExitCode.LOCKED
        assert str(holder.pid) in done.err
        holder.kill()
    assert _finetune(mlv).code == 0


def test_damaged_outputs_are_named_and_the_store_stays_as_it_was(mlv: Mlv) -> None:
    _finetune(mlv)
    ((probe,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'probe' ORDER BY run_id DESC LIMIT 1")
    job = mlv.folder / "jobs" / str(probe)
    kept = shutil.copytree(job, mlv.folder / "kept")
    assert mlv("runs", "delete", str(probe), "--yes").code == 0
    shutil.copytree(kept, job)
    (job / "outputs" / "probe_logits.parquet").write_bytes(b"PAR1 no PAR1")
    before = mlv.rows("SELECT count(*) FROM probe_logit")
    done = mlv("runs", "resume", str(probe))
    assert done.code == edge.ExitCode.JOB
    assert "store is unchanged" in done.err
    assert mlv.rows("SELECT count(*) FROM probe_logit") == before


def test_results_can_be_read_in_a_notebook(mlv: Mlv) -> None:
    from mlv.queries import open_store as door

    _finetune(mlv)
    with door(mlv.store) as store:
        frame = store.query("unchanged", score="sum")
    assert isinstance(frame, pl.DataFrame)
    assert frame["language"].to_list() == ["fa", "hi", "ko", "ru"]
    with duckdb.connect(str(mlv.store), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM v_shift WHERE score = 'sum'").fetchone() == (96,)


def _job(mlv: Mlv, kind: str) -> Path:
    """The one job directory of a kind."""
    (path,) = (mlv.folder / "jobs").glob(f"{kind}-*")
    return path


def test_a_language_is_one_however_it_is_spelt_and_placed(mlv: Mlv) -> None:
    settings = ("--sentences", "40", "--epochs", "1", "--plan-only")
    for spelt in ("fa,ko", "Korean,Farsi", "kor,pes"):
        assert mlv(*FINETUNE, "--language", spelt, "--test-language", "Hindi", *settings).code == 0
    assert json.loads((_job(mlv, "finetune") / "job.json").read_text())["languages"] == ["fa", "ko"]
    assert json.loads((_job(mlv, "probe") / "job.json").read_text())["languages"] == ["hi"]
    assert mlv(*FINETUNE, "--language", "Klingonese", *settings).code == edge.ExitCode.USAGE


def test_a_run_says_whose_translations_its_sentences_have(mlv: Mlv) -> None:
    settings = ("--language", "fa", "--sentences", "40", "--epochs", "1", "--plan-only")
    done = mlv(*FINETUNE, *settings)
    assert "sentences that fa, ko share (others: --parallel-with)" in done.err
    assert json.loads((_job(mlv, "finetune") / "job.json").read_text())["parallel_with"] == ["fa", "ko"]
    shutil.rmtree(_job(mlv, "finetune"))
    alone = mlv(*FINETUNE, *settings, "--parallel-with", "none")
    assert "share" not in alone.err
    assert json.loads((_job(mlv, "finetune") / "job.json").read_text())["parallel_with"] is None
    refused = mlv(*FINETUNE, *settings, "--parallel-with", "none,fa")
    assert (refused.code, "--parallel-with: There is no language 'none'" in refused.err) == (edge.ExitCode.USAGE, True)


def test_a_study_that_was_moved_goes_on(mlv: Mlv, tmp_path_factory: pytest.TempPathFactory) -> None:
    arguments = ("compute", "probe", "--model", "nano", "--language", "fa", "--plan-only")
    assert mlv(*arguments).code == 0
    moved = Mlv(tmp_path_factory.mktemp("moved") / "study")
    shutil.move(mlv.folder, moved.folder)
    done = moved("runs", "resume", "--threads", "1", "--device", "cpu")
    assert done.code == 0
    provenance = json.loads((_job(moved, "probe") / "provenance.json").read_text())
    assert all(path.startswith(str(moved.folder)) for path in provenance["model_paths"].values())


def test_a_damaged_job_keeps_no_other_from_being_listed_and_resumed(mlv: Mlv) -> None:
    assert mlv("compute", "probe", "--model", "nano", "--language", "fa", "--plan-only").code == 0
    planned = _job(mlv, "probe")
    for name, content in (("finetune-00000000dead", "{"), ("probe-00000000beef", '{"kind": "dance"}')):
        (mlv.folder / "jobs" / name).mkdir()
        (mlv.folder / "jobs" / name / "job.json").write_text(content)
    listed = mlv("runs", "list")
    assert listed.code == edge.ExitCode.JOB
    assert "pretrain-" in listed.out
    assert f"not committed: {planned.name} (planned)" in listed.err
    resumed = mlv("runs", "resume", "--threads", "1", "--device", "cpu")
    assert resumed.code == edge.ExitCode.JOB
    assert "problems with finetune-00000000dead, probe-00000000beef" in resumed.err
    assert mlv.rows("SELECT run FROM v_run WHERE kind = 'probe'") == [(planned.name,)]


def test_a_job_that_fails_keeps_no_other_from_being_resumed(mlv: Mlv) -> None:
    for language in ("fa", "ko"):
        assert mlv("compute", "probe", "--model", "nano", "--language", language, "--plan-only").code == 0
    broken, whole = sorted((mlv.folder / "jobs").glob("probe-*"))
    (broken / "inputs" / "probes.parquet").write_bytes(b"PAR1 no PAR1")
    resumed = mlv("runs", "resume", "--threads", "1", "--device", "cpu")
    assert resumed.code == edge.ExitCode.JOB
    assert f"{broken.name} failed" in resumed.err
    assert mlv.rows("SELECT run FROM v_run WHERE kind = 'probe'") == [(whole.name,)]


def test_a_job_that_another_process_runs_is_skipped_unless_it_is_named(mlv: Mlv) -> None:
    assert mlv("compute", "probe", "--model", "nano", "--language", "fa", "--plan-only").code == 0
    job = _job(mlv, "probe")
    with (job / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4242")
        lock.flush()
        skipped = mlv("runs", "resume")
        named = mlv("runs", "resume", job.name)
    assert skipped.code == 0
    assert f"left alone: {job.name} is being run by process 4242" in skipped.err
    assert named.code == edge.ExitCode.JOB
    assert json.loads((job / "status.json").read_text())["state"] == "planned"
    assert mlv("runs", "resume", job.name, "--threads", "1", "--device", "cpu").code == 0


def test_resuming_by_name_finds_what_is_committed_and_refuses_what_is_not_one(mlv: Mlv) -> None:
    ((run,),) = mlv.rows("SELECT run FROM v_run")
    for name in (run, run[:12]):
        done = mlv("runs", "resume", name)
        assert (done.code, done.err) == (0, f"{run}: already committed\n")
    shutil.rmtree(mlv.folder / "jobs" / run)
    assert mlv("runs", "resume", run).err == f"{run}: already committed\n"
    unknown = mlv("runs", "resume", "finetune-1")
    assert unknown.code == edge.ExitCode.NOT_FOUND
    assert "mlv runs list" in unknown.err
    for language in ("fa", "ko"):
        (mlv.folder / "jobs" / f"probe-{language}").mkdir(parents=True)
        (mlv.folder / "jobs" / f"probe-{language}" / "job.json").write_text("{")
    ambiguous = mlv("runs", "resume", "probe-")
    assert ambiguous.code == edge.ExitCode.NOT_FOUND
    assert "probe-fa, probe-ko" in ambiguous.err


def test_results_that_were_deleted_are_made_again(mlv: Mlv) -> None:
    arguments = ("compute", "probe", "--model", "nano", "--language", "fa", "--threads", "1", "--device", "cpu")
    assert mlv(*arguments).code == 0
    job = _job(mlv, "probe")
    answers = mlv.rows("SELECT * FROM v_answer ORDER BY ALL")
    kept = shutil.copytree(job, mlv.folder / "kept")
    assert mlv("runs", "delete", job.name, "--yes").code == 0
    shutil.copytree(kept, job)
    shutil.rmtree(job / "outputs")
    assert mlv("runs", "resume", job.name, "--threads", "1", "--device", "cpu").code == 0
    assert mlv.rows("SELECT * FROM v_answer ORDER BY ALL") == answers


def test_what_is_printed_is_about_the_probes_that_were_asked(mlv: Mlv) -> None:
    # the query's default is demo-all, of which the first run answers nothing
    mlv("ingest", "probes", str(DEMO / "probes" / "wvs" / "fa.csv"), "--collection", "other", "--citation", "own")
    before = mlv.rows("SELECT DISTINCT probe_set FROM v_probe_set ORDER BY ALL")
    assert ("demo-all",) in before and ("other-all",) in before
    for probe_set, language in (("other-all", "fa"), ("demo-all", "ko")):
        done = _finetune(mlv, "--probe-set", probe_set, "--test-language", language, "--epochs", "1")
        assert done.code == 0, done.err
        assert [line.split()[-3] for line in done.out.splitlines()[2:]] == [language]


def test_a_resumed_model_is_to_be_probed(mlv: Mlv) -> None:
    assert _finetune(mlv, "--plan-only", "--epochs", "1").code == 0
    job = _job(mlv, "finetune")
    done = mlv("runs", "resume", job.name, "--threads", "1", "--device", "cpu")
    assert f"probe it: mlv compute probe --model {job.name} --db {mlv.store}" in done.err


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
from mlv.cli.main import main
main()
"""


def test_a_disk_that_is_full_while_committing_leaves_the_store_as_it_was(mlv: Mlv) -> None:
    assert _finetune(mlv).code == 0
    ((probe,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'probe' ORDER BY run_id DESC LIMIT 1")
    job = mlv.folder / "jobs" / str(probe)
    kept = shutil.copytree(job, mlv.folder / "kept")
    assert mlv("runs", "delete", str(probe), "--yes").code == 0
    shutil.copytree(kept, job)
    before = mlv.rows("SELECT count(*) FROM probe_logit")
    command = [sys.executable, "-c", LIMITED, "runs", "resume", str(probe), "--db", str(mlv.store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == edge.ExitCode.JOB, done.stderr
    assert "store is unchanged" in done.stderr
    assert mlv.rows("SELECT count(*) FROM probe_logit") == before
    assert mlv("db", "check").code == 0
    assert mlv("runs", "resume", str(probe)).code == 0
    assert mlv.rows("SELECT count(*) FROM probe_logit") != before
