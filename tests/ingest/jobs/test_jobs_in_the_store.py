"""Planning, committing, finding and deleting runs, with workers' outputs written by hand."""

import json
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest
from finished_jobs import FARSI, MODEL, dump, finetuned, probed
from planned import Jobs, plan_finetune, plan_pretrain, plan_probe
from pydantic import ValidationError

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.jobs.finetune import Request
from mlv.ingest.jobs.lookup import canonical_name, check_folder, default_probe_set, find_model, find_run
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import delete_run, dependants
from mlv.queries import install_macros
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.errors import DataError, JobError, NotFoundError, StoreError, UsageError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import SkippedProbe, SkippedProbes
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.spec import ModelRef


def _where(jobs: Jobs) -> Path:
    return jobs.folder.parent / "store.duckdb"


def test_a_monolingual_run_gets_consecutive_sentences_split_80_to_20(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    job = plan_finetune(study, jobs, MODEL, FARSI)
    examples = pl.read_parquet(job.inputs / "examples.parquet")
    assert examples["position"].to_list() == list(range(20))
    assert examples["segment_position"].to_list() == list(range(20))
    assert examples["split"].value_counts(sort=True).rows() == [("train", 16), ("development", 4)]
    assert job.read_json("provenance.json") == {"arguments": ["test"], "model_paths": {"nano": "/models/nano"}}


def test_a_sentence_and_its_translation_fall_on_the_same_side(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = plan_finetune(study, jobs, MODEL, ("fa", "ko"))
    examples = pl.read_parquet(job.inputs / "examples.parquet")
    sides = examples.group_by("parallel_key").agg(pl.col("split").n_unique(), pl.col("language").n_unique())
    assert sides["split"].unique().to_list() == [1]
    assert sides["language"].unique().to_list() == [2]
    assert examples.filter(split="development").height == 8


def test_the_same_request_is_the_same_job_and_another_seed_another(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    first = plan_finetune(study, jobs, MODEL, FARSI)
    assert plan_finetune(study, jobs, MODEL, FARSI).path == first.path
    other = plan_finetune(study, jobs, MODEL, FARSI, seed=2)
    assert other.path != first.path
    splits = [pl.read_parquet(job.inputs / "examples.parquet")["split"].to_list() for job in (first, other)]
    assert splits[0] != splits[1]


def test_the_mask_of_a_training_is_recorded(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    tuned = [plan_finetune(study, jobs, MODEL, FARSI, **settings).spec() for settings in ({}, {"mask": "t5"})]
    made = [plan_pretrain(study, jobs, name="n", **settings).spec() for settings in ({}, {"mask": "t5"})]
    for specs in (tuned, made):
        assert [spec.settings()["mask"] for spec in specs] == ["anywhere", "t5"]
        assert job_name(specs[0]) != job_name(specs[1])


def test_the_settings_of_an_adapter_are_recorded_and_make_another_run(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    asked: list[dict[str, object]] = [{}, {"lora": 4}, {"lora": 4, "lora_alpha": 16, "lora_targets": ("q", "k")}]
    specs = [plan_finetune(study, jobs, MODEL, FARSI, **settings).spec() for settings in asked]
    names = ("lora", "lora_alpha", "lora_dropout", "lora_targets")
    found = [[spec.settings()[name] for name in names] for spec in specs]
    assert found == [[None] * 4, [4, 8.0, 0.0, ["q", "v"]], [4, 16.0, 0.0, ["q", "k"]]]
    assert len({job_name(spec) for spec in specs}) == 3
    plain, adapted, _ = (" ".join(words(spec.settings())) for spec in specs)
    assert "lora" not in plain
    assert "lora=4 lora_alpha=8.0 lora_dropout=0.0 lora_targets=q,v" in adapted


def test_the_course_of_a_training_is_recorded_where_it_is_not_the_usual(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    usual = {"gradient_accumulation": 1, "schedule": "linear", "warmup": 0, "weight_decay": 0.0, "patience": None}
    other = {"gradient_accumulation": 2, "schedule": "cosine", "warmup": 0.1, "weight_decay": 0.01, "patience": 3}
    asked: list[dict[str, object]] = [{}, usual, *({name: value} for name, value in other.items()), other]
    specs = [plan_finetune(study, jobs, MODEL, FARSI, **settings).spec() for settings in asked]
    assert job_name(specs[0]) == job_name(specs[1])
    assert len({job_name(spec) for spec in specs}) == 1 + len(other) + 1
    said = [{word for word in words(spec.settings()) if word.partition("=")[0] in usual} for spec in specs]
    every = {"gradient_accumulation=2", "patience=3", "schedule=cosine", "warmup=0.1", "weight_decay=0.01"}
    assert said[:2] == [set(), set()]
    assert set.union(*said[2:-1]) == said[-1] == every


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gradient_accumulation": 0}, "greater than or equal to 1"),
        ({"schedule": "polynomial"}, "'linear', 'constant' or 'cosine'"),
        ({"warmup": 1}, "less than 1"),
        ({"warmup": -0.1}, "greater than or equal to 0"),
        ({"weight_decay": -0.1}, "greater than or equal to 0"),
        ({"patience": 0}, "greater than or equal to 1"),
        ({"patience": 1, "sentences": 2}, "patience watches the loss of development sentences, and of 2 in a language"),
        ({"patience": 1, "sentences": 4, "languages": ["fa", "ko"]}, "and of 2 in a language none is one"),
    ],
)
def test_a_course_that_cannot_be_taken_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Request.model_validate({"model": "m", "source": "lines", "languages": ["fa"], **settings})
    assert Request.model_validate({"model": "m", "source": "lines", "languages": ["fa"], "patience": 1, "sentences": 3})


def test_settings_of_an_adapter_that_is_not_asked_for_are_refused() -> None:
    asked = {"model": "m", "source": "lines", "languages": ["fa"]}
    with pytest.raises(ValidationError, match=r"lora_alpha, lora_targets: of an adapter.* rank"):
        Request.model_validate({**asked, "lora_alpha": 8, "lora_targets": ["q"]})
    assert Request.model_validate({**asked, "lora_alpha": None}).lora_alpha is None


def test_the_store_says_which_adapter_a_model_has(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = finetuned(study, jobs)
    facts = job.read_json("outputs/model.json") | {"adapter": "LoRA alpha=8 rank=4 targets=q,v"}
    (job.outputs / "model.json").write_text(json.dumps(facts))
    commit_job(study, job, _where(jobs))
    rows = study.execute("SELECT name, digest, adapter FROM base_model").fetchall()
    assert rows == [("nano", "digest-0", "LoRA alpha=8 rank=4 targets=q,v")]


def test_pretraining_takes_what_is_selected_and_says_what_is_missing(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    settings = {"name": "n", "preset": "nano", "vocabulary": 500, "steps": 1, "batch_size": 2, "learning_rate": 0.1}
    job = plan_pretrain(study, jobs, sources=[], languages=["ko"], segments=7, **settings)
    segments = pl.read_parquet(job.inputs / "segments.parquet")
    assert segments.select("source", "language").unique().rows() == [("lines", "ko")]
    assert segments["position"].to_list() == list(range(7))
    with pytest.raises(NotFoundError, match="no corpus of pbc in any language"):
        plan_pretrain(study, jobs, sources=["pbc"], languages=[], **settings)


def test_probing_asks_only_what_was_not_answered(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    probe_set = default_probe_set(study)
    job = probed(plan_probe(study, jobs, MODEL, probe_set=probe_set, languages=["fa"]))
    commit_job(study, job, _where(jobs))
    rest = plan_probe(study, jobs, MODEL, probe_set=probe_set)
    assert rest is not None
    assert "fa" not in pl.read_parquet(rest.inputs / "probes.parquet")["language"].to_list()
    commit_job(study, probed(rest), _where(jobs))
    assert plan_probe(study, jobs, MODEL, probe_set=probe_set) is None
    assert violations(study) == []


@pytest.mark.parametrize("code", ["wvs7-all", "echoes-2024"])
def test_the_default_probe_set_is_that_of_queries_not_the_widest(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, code: str
) -> None:
    study.execute(
        "INSERT INTO probe_set SELECT 9, ?, any_value(probe_collection_id), 'one question' FROM probe_set", [code]
    )
    study.execute("INSERT INTO probe_set_member SELECT 9, min(question_id), '1' FROM probe_set_member")
    job = plan_probe(study, jobs, MODEL)
    assert job is not None
    assert pl.read_parquet(job.inputs / "probes.parquet")["question"].n_unique() == 1
    assert job.read_json("job.json")["probe_set"] == default_probe_set(study) == code
    install_macros(study)
    assert study.execute("SELECT echoes_probe_set()").fetchone() == (code,)


def test_unknown_probe_sets_and_languages_are_named_with_those_there_are(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    with pytest.raises(NotFoundError, match=r"no probe set wvs; it has demo-all"):
        plan_probe(study, jobs, MODEL, probe_set="wvs")
    with pytest.raises(DataError, match=r"No probes in bn, de") as caught:
        plan_probe(study, jobs, MODEL, probe_set="demo-all", languages=["fa", "de", "bn"])
    assert "fa, hi, ko, ru" in caught.value.hint


def test_a_committed_run_leads_back_to_everything(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = finetuned(study, jobs)
    done = commit_job(study, job, _where(jobs))
    assert done.rows == {"run_event": 2, "metric": 1, "run_corpus": 1, "checkpoint": 2, "training_example": 20}
    assert study.execute("SELECT kind, source, ft_languages, strategy, sentences, seed FROM v_run").fetchall() == [
        ("finetune", "lines", "fa", "monolingual", 20, 1)
    ]
    assert study.execute(
        "SELECT model, strategy, epoch, is_final, base_checkpoint_id, path FROM v_checkpoint ORDER BY checkpoint_id"
    ).fetchall() == [
        ("nano", "pretrained", 0, True, 1, "nano"),
        ("nano", "monolingual", 1, False, 1, f"jobs/{job.path.name}/checkpoints/epoch-1"),
        ("nano", "monolingual", 2, True, 1, f"jobs/{job.path.name}/checkpoints/epoch-2"),
    ]
    assert study.execute("SELECT architecture, parameters, vocabulary FROM base_model").fetchall() == [("mt5", 5, 7)]
    texts = study.execute("SELECT position, text FROM v_training_example ORDER BY position").fetchall()
    assert texts == pl.read_parquet(job.inputs / "examples.parquet").select("position", "text").rows()


def test_committing_twice_changes_nothing(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = finetuned(study, jobs)
    first = commit_job(study, job, _where(jobs))
    before = dump(study)
    again = commit_job(study, job, _where(jobs))
    assert again.already_there
    assert again.run_id == first.run_id
    assert dump(study) == before


def test_answers_and_profiles_follow_from_the_logits(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    commit_job(study, probed(plan_probe(study, jobs, MODEL, probe_set="demo-all")), _where(jobs))
    margins = study.execute(
        "SELECT score, answer, margin FROM v_answer WHERE language = 'fa' AND question IN ('1', '2') ORDER BY ALL"
    ).fetchall()
    # Farsi is first: its first two rows have margins -2 and -1 in sums, half of that per token, 0 in first tokens.
    assert margins == [
        ("first", 1, 0.0),
        ("first", 1, 0.0),
        ("mean", 2, -1.0),
        ("mean", 2, -0.5),
        ("sum", 2, -2.0),
        ("sum", 2, -1.0),
    ]
    assert study.execute("SELECT count(*) FROM v_model_profile WHERE score = 'mean'").fetchone() == (96,)


def test_shifts_compare_with_the_checkpoint_that_the_run_started_from(
    study: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    commit_job(study, probed(plan_probe(study, jobs, MODEL, probe_set="demo-all")), _where(jobs))
    tuned = commit_job(study, finetuned(study, jobs), _where(jobs))
    last = ModelRef(name=f"{tuned.run}/epoch-2", digest=f"{tuned.run}-2")
    commit_job(study, probed(plan_probe(study, jobs, last, probe_set="demo-all"), shift=1.0), _where(jobs))
    shifted = study.execute("SELECT count(*) FROM v_shift WHERE shifted AND score = 'sum'").fetchone()
    total = study.execute("SELECT count(*) FROM v_shift WHERE score = 'sum'").fetchone()
    # margins -2 to 2 become -1 to 3: one row in five, that of -1, passes 0
    probes = pl.read_parquet(next(jobs.folder.glob("probe-*")) / "inputs" / "probes.parquet").height
    assert total == (probes,) == (96,)
    assert shifted == (len([row for row in range(96) if row % 5 == 1]),)


def test_a_checkpoint_has_to_be_in_the_store_before_its_answers(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    last = ModelRef(name="finetune-0123456789ab/epoch-2", digest="unknown")
    job = probed(plan_probe(study, jobs, last, probe_set="demo-all"))
    before = dump(study)
    with pytest.raises(JobError) as caught:
        commit_job(study, job, _where(jobs))
    assert caught.value.hint.endswith("mlv runs resume finetune-0123456789ab")
    assert dump(study) == before


def test_a_job_that_is_not_done_is_not_committed(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = plan_finetune(study, jobs, MODEL, FARSI)
    with pytest.raises(JobError, match="is not finished: there is nothing to commit"):
        commit_job(study, job, _where(jobs))


def _corrupt(path: Path) -> None:
    path.write_bytes(b"PAR1 this is no parquet file PAR1")


def _lack_corpus(path: Path) -> None:
    frame = pl.read_parquet(path).with_columns(segment_position=pl.col("segment_position") + 10_000)
    frame.write_parquet(path)


@pytest.mark.parametrize(
    ("spoil", "name", "message"),
    [
        (_corrupt, "outputs/metrics.parquet", "is not a readable parquet file"),
        (_corrupt, "outputs/checkpoints.parquet", "is not a readable parquet file"),
        (Path.unlink, "outputs/checkpoints.parquet", "is missing although the job is finished"),
        (_lack_corpus, "inputs/examples.parquet", "20 training examples"),
    ],
)
def test_damaged_outputs_leave_the_store_as_it_was(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, spoil: object, name: str, message: str
) -> None:
    job = finetuned(study, jobs)
    assert callable(spoil)
    spoil(job.path / name)
    before = dump(study)
    with pytest.raises(JobError, match=message):
        commit_job(study, job, _where(jobs))
    assert dump(study) == before


def test_logits_of_probes_that_the_store_lacks_are_refused(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = probed(plan_probe(study, jobs, MODEL, probe_set="demo-all"))
    path = job.outputs / "probe_logits.parquet"
    pl.read_parquet(path).with_columns(question=pl.lit("999")).write_parquet(path)
    before = dump(study)
    with pytest.raises(JobError, match="belong to probes that the store lacks"):
        commit_job(study, job, _where(jobs))
    assert dump(study) == before


@pytest.fixture
def tuned_and_probed(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> tuple[str, str]:
    """Names of a committed fine-tuning run and of the probing of its last checkpoint."""
    tuned = commit_job(study, finetuned(study, jobs), _where(jobs))
    last = ModelRef(name=f"{tuned.run}/epoch-2", digest=f"{tuned.run}-2")
    asked = commit_job(study, probed(plan_probe(study, jobs, last, probe_set="demo-all")), _where(jobs))
    return tuned.run, asked.run


def test_models_are_found_by_the_names_the_store_has_for_them(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, tuned_and_probed: tuple[str, str]
) -> None:
    run, _ = tuned_and_probed
    store = _where(jobs)
    for epoch, name in ((2, run), (2, f"{run}/epoch-2"), (1, f"{run}/epoch-1")):
        folder = jobs.folder / run / "checkpoints" / f"epoch-{epoch}"
        expected = ModelRef(name=f"{run}/epoch-{epoch}", digest=f"{run}-{epoch}", path=str(folder))
        assert find_model(study, store, name) == expected
    assert find_model(study, store, "google/mt5-small") is None
    assert canonical_name(study, ModelRef(name="a copy", digest=f"{run}-1")) == f"{run}/epoch-1"
    assert canonical_name(study, ModelRef(name="a copy", digest="digest-0")) == "nano"
    assert canonical_name(study, ModelRef(name="new", digest="other")) == "new"


def test_a_checkpoint_whose_folder_is_gone_is_named(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, tuned_and_probed: tuple[str, str]
) -> None:
    run, _ = tuned_and_probed
    (jobs.folder / run / "checkpoints" / "epoch-2").rmdir()
    model = find_model(study, _where(jobs), run)
    assert model is not None
    with pytest.raises(NotFoundError, match=f"{run}/checkpoints/epoch-2"):
        check_folder(model)


def test_a_run_is_found_by_the_beginning_of_its_name(
    study: duckdb.DuckDBPyConnection, tuned_and_probed: tuple[str, str]
) -> None:
    run, probe = tuned_and_probed
    assert find_run(study, run[:12])[1] == run
    assert find_run(study, probe)[1] == probe
    with pytest.raises(NotFoundError, match="no run nothing"):
        find_run(study, "nothing")


def test_deleting_takes_dependants_first_and_everything_with_it(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, tuned_and_probed: tuple[str, str]
) -> None:
    run, probe = tuned_and_probed
    tuned_id, _ = find_run(study, run)
    assert dependants(study, tuned_id) == [probe]
    with pytest.raises(DataError, match=f"{probe} depend on it"):
        delete_run(study, tuned_id, run, jobs.folder)
    for name in (probe, run):
        delete_run(study, find_run(study, name)[0], name, jobs.folder)
    left = {table: rows for table, rows in dump(study).items() if rows}
    assert left.keys().isdisjoint(
        {"run", "run_corpus", "run_event", "metric", "training_example", "probe_logit", "probe_answer", "profile"}
    )
    assert [row[-1] for row in left["checkpoint"]] == ["digest-0"]
    assert list(jobs.folder.iterdir()) == []
    assert violations(study) == []


@pytest.mark.parametrize("deleted", [0, 1])
def test_deleting_one_of_two_probing_runs_leaves_the_profiles_of_the_other(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, deleted: int
) -> None:
    study.execute("INSERT INTO probe_set VALUES (99, 'few', 1, 'three questions')")
    study.execute(
        "INSERT INTO probe_set_member SELECT 99, question_id, code FROM question WHERE code IN ('1', '2', '46')"
    )
    draw_resamples(study, 99)
    names = []
    for probe_set in ("few", "demo-all"):
        job = probed(plan_probe(study, jobs, MODEL, probe_set=probe_set, languages=["fa"]))
        names.append(commit_job(study, job, _where(jobs)).run)
    delete_run(study, find_run(study, names[deleted])[0], names[deleted], jobs.folder)
    left = "SELECT question FROM {} WHERE score = 'mean' ORDER BY question"
    answers = study.execute(left.format("v_answer")).fetchall()
    assert len(answers) == (21, 3)[deleted]
    assert study.execute(left.format("v_model_profile")).fetchall() == answers
    assert violations(study) == []


def test_two_runs_may_end_with_the_same_weights(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    runs = []
    for seed in (1, 2):
        job = finetuned(study, jobs, seed=seed)
        path = job.outputs / "checkpoints.parquet"
        pl.read_parquet(path).with_columns(digest=pl.lit("same")).write_parquet(path)
        done = commit_job(study, job, _where(jobs))
        assert done.rows["checkpoint"] == 2
        runs.append(done.run)
    for run in runs:
        last = ModelRef(name=f"{run}/epoch-2", digest="same")
        assert canonical_name(study, last) == last.name
        commit_job(study, probed(plan_probe(study, jobs, last, probe_set="demo-all")), _where(jobs))
    rows = study.execute(
        "SELECT run, count(*) FROM v_answer JOIN v_checkpoint USING (checkpoint_id) WHERE score = 'sum' GROUP BY ALL"
    ).fetchall()
    assert sorted(rows) == sorted((run, 96) for run in runs)
    assert violations(study) == []


def test_two_models_of_one_name_are_told_apart(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    for digest in ("digest-0", "digest-1"):
        model = ModelRef(name="nano", digest=digest)
        commit_job(study, probed(plan_probe(study, jobs, model, probe_set="demo-all")), _where(jobs))
    assert study.execute("SELECT model FROM v_checkpoint ORDER BY ALL").fetchall() == [("nano",), ("nano@digest-1",)]


def test_a_pretrained_model_needs_a_name_of_its_own(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    commit_job(study, probed(plan_probe(study, jobs, MODEL, probe_set="demo-all")), _where(jobs))
    settings = {"preset": "nano", "vocabulary": 500, "steps": 1, "batch_size": 2, "learning_rate": 0.1}
    with pytest.raises(UsageError, match="another model called nano"):
        plan_pretrain(study, jobs, sources=[], languages=[], segments=1, name="nano", **settings)


def test_a_preset_says_what_is_learnt_and_which_settings_that_has(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    specs = {}
    for preset in ("nano", "nano-encoder", "nano-decoder"):
        spec = plan_pretrain(study, jobs, name=preset, preset=preset, segments=1).spec()
        names = ("objective", "noise_density", "mask", "mean_span_length", "max_tokens")
        specs[preset] = [spec.settings()[name] for name in names]
    assert specs == {
        "nano": ["span_corruption", 0.15, "anywhere", 3.0, 64],
        "nano-encoder": ["masked_words", 0.15, None, None, 126],
        "nano-decoder": ["next_token", None, None, None, 126],
    }
    with pytest.raises(ValidationError, match="mask: a setting of span_corruption, and nano-encoder learns by masked_"):
        plan_pretrain(study, jobs, name="other", preset="nano-encoder", mask="t5")


def test_probes_that_were_left_out_are_not_planned_again(study: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = plan_probe(study, jobs, MODEL, probe_set="demo-all", languages=["fa"])
    assert job is not None
    done = probed(job)
    path = done.outputs / "probe_logits.parquet"
    pl.read_parquet(path).filter(pl.col("question") != "1").write_parquet(path)
    done.log(SkippedProbes(probes=(SkippedProbe(question="1", language="fa", reason="alike"),)))
    commit_job(study, done, _where(jobs))
    assert plan_probe(study, jobs, MODEL, probe_set="demo-all", languages=["fa"]) is None


def test_a_deletion_that_was_interrupted_hides_the_run_and_can_be_finished(
    study: duckdb.DuckDBPyConnection, jobs: Jobs, tuned_and_probed: tuple[str, str]
) -> None:
    run, probe = tuned_and_probed
    study.execute("UPDATE run SET status = 'deleting' WHERE name = ?", [probe])
    assert study.execute("SELECT count(*) FROM v_run WHERE run = ?", [probe]).fetchone() == (0,)
    assert violations(study) == ["1 runs whose deletion was interrupted"]
    with pytest.raises(StoreError, match="was interrupted") as caught:
        commit_job(study, JobDirectory(jobs.folder / probe), _where(jobs))
    assert caught.value.hint == f"Finish it: mlv runs delete {probe} --yes"
    delete_run(study, find_run(study, probe)[0], probe, jobs.folder)
    assert violations(study) == []
    assert find_run(study, run)[1] == run


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("INSERT INTO metric VALUES (99, 'loss', 1, 1, 1)", "1 rows of metric have a run_id that run lacks"),
        ("INSERT INTO probe_logit FROM probe_logit LIMIT 1", r"\(checkpoint_id, probe_id, answer\) occur more than"),
        ("UPDATE probe_logit SET logprob_sum = -1 WHERE answer = 1", "answers that do not follow from the logits"),
        ("DELETE FROM probe_answer WHERE probe_id = 1", "whose answers are incomplete"),
    ],
)
@pytest.mark.usefixtures("tuned_and_probed")
def test_what_must_not_be_is_found(study: duckdb.DuckDBPyConnection, statement: str, message: str) -> None:
    assert violations(study) == []
    study.execute(statement)
    found = violations(study)
    assert any(re.search(message, line) for line in found), found
