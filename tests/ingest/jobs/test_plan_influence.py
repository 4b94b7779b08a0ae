"""Planning influence and validation jobs: which probes, which checkpoints, which attribution, and what is refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from finished_jobs import MODEL
from planned import Jobs
from traced_study import Runs, add_runs, ask, last_of

from mlv.cli.compute.options import read_request
from mlv.compute.models import files
from mlv.ingest.jobs import influence, validate
from mlv.ingest.jobs.attributions import ALL_MODULES, Choices, named, named_all
from mlv.ingest.jobs.planning import update_model_paths
from mlv.ingest.jobs.traced_probes import NotAnsweredError
from mlv.schema.errors import DataError, MlvError, NotFoundError, UsageError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.attribution import Attribution, Gradients, attribution_name
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.validate import ValidateSpec
from mlv.schema.store.opening import connect

QUESTIONS_A_LANGUAGE = 24


class Study:
    """A store with the runs of :mod:`traced_study`, and the planning of jobs on them."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection, runs: Runs) -> None:
        self.folder, self.connection, self.runs = folder, connection, runs
        self.store, self.jobs = folder / "store.duckdb", Jobs(folder / "jobs", {"arguments": ["test"]})

    def influence(self, **request: Any) -> JobDirectory:
        """Plan the tracing of the traced run, or of another."""
        request = {"run": self.runs.traced, "top_k": 5, **request}
        return self.jobs.plan(self.connection, "influence", read_request(influence.Request, request))

    def validation(self, **request: Any) -> JobDirectory:
        """Plan its validation; the model that it started from is there."""
        start = self.folder / "nano"
        start.mkdir(exist_ok=True)
        JobDirectory(self.jobs.folder / self.runs.traced).update_provenance(model_paths={MODEL.name: str(start)})
        request = {"run": self.runs.traced, **request}
        return self.jobs.plan(self.connection, "validate", read_request(validate.Request, request))


@pytest.fixture(scope="module")
def template(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs]:
    folder = tmp_path_factory.mktemp("traced")
    store = Path(shutil.copyfile(study_store, folder / "store.duckdb"))
    return folder, add_runs(store)


@pytest.fixture
def study(template: tuple[Path, Runs], tmp_path: Path) -> Iterator[Study]:
    folder, runs = template
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with connect(tmp_path / "store.duckdb", read_only=False) as connection:
        yield Study(tmp_path, connection, runs)


def _spec(job: JobDirectory) -> InfluenceSpec:
    spec = job.spec()
    assert isinstance(spec, InfluenceSpec)
    return spec


def _validation_spec(job: JobDirectory) -> ValidateSpec:
    spec = job.spec()
    assert isinstance(spec, ValidateSpec)
    return spec


def _targets(job: JobDirectory) -> pl.DataFrame:
    return pl.read_parquet(job.inputs / "targets.parquet")


def _by_language(probes: pl.DataFrame) -> dict[str, int]:
    """How many probes are in each language."""
    return dict(probes.group_by("language").len().sort("language").iter_rows())


def _asked(study: Study) -> pl.DataFrame:
    """The probes in the order by which the hand-written answers number them."""
    return frame_of(study.connection, "SELECT language, question FROM v_probe ORDER BY language, number, question")


# Targets ---------------------------------------------------------------------------------------------------------


def test_shifted_values_are_traced_with_their_answers_and_the_way_they_moved(study: Study) -> None:
    probes = _asked(study)
    # 72 rows in fa, hi and ko; the traced run lifts rows 1, 6, 11, ... over 0, the Farsi run pushes 2, 7, 12, ... below
    for run, first, answer, moved in ((study.runs.traced, 1, 1, 1), (study.runs.farsi, 2, 2, -1)):
        targets = _targets(study.influence(run=run))
        assert targets.select("language", "question").rows() == [probes.row(row) for row in range(first, 72, 5)]
        assert targets["target"].to_list() == list(range(targets.height))
        assert set(targets["answer"]) == {answer}
        assert set(targets["shift_sign"]) == {moved}
    assert dict(targets.schema) == {
        "target": pl.Int32,
        "language": pl.String,
        "question": pl.String,
        "template": pl.String,
        "answer_first": pl.String,
        "answer_second": pl.String,
        "answer": pl.Int8,
        "shift_sign": pl.Int8,
    }


def test_what_is_shifted_is_what_the_view_says(study: Study) -> None:
    seen = study.connection.execute(
        "SELECT language, question FROM v_shift JOIN v_checkpoint USING (checkpoint_id) "
        "WHERE run = ? AND score = 'mean' AND shifted",
        [study.runs.traced],
    ).fetchall()
    assert sorted(_targets(study.influence()).select("language", "question").rows()) == sorted(seen)


def test_all_values_are_traced_where_that_is_asked_for(study: Study) -> None:
    job = study.influence(targets="all", languages=["ko"])
    targets = _targets(job)
    assert targets.height == QUESTIONS_A_LANGUAGE
    # rows 48 to 71, whose margins after fine-tuning are r mod 5 - 1
    assert targets["answer"].to_list() == [1 if row % 5 >= 1 else 2 for row in range(48, 72)]
    assert (_spec(job).selection, _spec(job).languages) == ("all", ("ko",))


def test_chosen_probes_are_traced_whether_they_shifted_or_not(study: Study) -> None:
    # questions 1 and 2 are rows 0 and 1 of Farsi
    job = study.influence(items=["2", "1"], languages=["fa"])
    assert _targets(job).select("question", "answer").rows() == [("1", 2), ("2", 1)]
    assert _spec(job).selection == "chosen"


def test_a_probe_that_one_model_was_not_asked_is_no_target(study: Study) -> None:
    # Russian was asked of the pretrained model alone
    assert set(_targets(study.influence(targets="all"))["language"]) == {"fa", "hi", "ko"}


# The job ---------------------------------------------------------------------------------------------------------


def test_the_job_gets_the_examples_byte_by_byte_and_the_folders_of_all_models(study: Study) -> None:
    job = study.influence(checkpoints="all")
    traced = study.jobs.folder / study.runs.traced
    copied = job.inputs / "examples.parquet"
    assert copied.read_bytes() == (traced / "inputs" / "examples.parquet").read_bytes()
    spec, provenance = _spec(job), job.read_json("provenance.json")
    assert content_digest(pl.read_parquet(copied)) == spec.training.inputs_digest
    assert content_digest(_targets(job)) == spec.inputs_digest
    assert provenance["arguments"] == ["test"]
    assert provenance["model_paths"] == {
        f"{study.runs.traced}/epoch-1": str(traced / "checkpoints" / "epoch-1"),
        f"{study.runs.traced}/epoch-2": str(traced / "checkpoints" / "epoch-2"),
        "nano": "/models/nano",
    }
    assert spec.model == last_of(study.runs.traced)
    assert spec.training == JobDirectory(traced).spec()


def test_the_same_request_is_the_same_job_however_it_is_put(study: Study) -> None:
    gradients = ["output", "attention"]
    first = study.influence(run="finetune-" + study.runs.traced[9:15], modules=gradients)
    kept = (first.inputs / "targets.parquet").stat().st_mtime_ns
    again = study.influence(languages=["ko", "hi", "fa"], method="trak", modules=gradients[::-1], checkpoints="last")
    assert again.path == first.path
    assert (again.inputs / "targets.parquet").stat().st_mtime_ns == kept
    assert _spec(first).attribution.gradients.modules == ("attention", "output")


@pytest.mark.parametrize(
    "request_",
    [
        {"quantity": "answer"},
        {"targets": "all"},
        {"languages": ["fa"]},
        {"top_k": 4},
        {"keep_scores": True},
        {"checkpoints": "1"},
        {"seed": 3},
        {"damping": 0.5},
    ],
)
def test_another_request_is_another_job(study: Study, request_: dict[str, Any]) -> None:
    assert study.influence(**request_).path.name != study.influence().path.name


def test_a_job_keeps_its_name_and_finds_its_models_where_a_study_was_moved(
    study: Study, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = study.influence(checkpoints="all").path.name
    study.connection.close()
    moved = tmp_path_factory.mktemp("moved") / "study"
    shutil.move(study.folder, moved)
    with connect(moved / "store.duckdb") as connection:
        there = Study(moved, connection, study.runs)
        job = JobDirectory(there.jobs.folder / name)
        update_model_paths(connection, job, job.spec(), there.store)
        provenance = job.read_json("provenance.json")
        checkpoints = moved / "jobs" / study.runs.traced / "checkpoints"
        assert provenance["model_paths"] == {
            f"{study.runs.traced}/epoch-1": str(checkpoints / "epoch-1"),
            f"{study.runs.traced}/epoch-2": str(checkpoints / "epoch-2"),
            # no run of this store made it
            "nano": "/models/nano",
        }
        assert there.influence(checkpoints="all").path == job.path


def test_a_model_is_located_by_its_name(study: Study, tmp_path: Path) -> None:
    references = {}
    for name in ("run/epoch-1", "run/epoch-2"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(f'{{"name": "{name}"}}')
        (folder / "model.safetensors").write_bytes(name.encode())
        (folder / "tokenizer.json").touch()
        references[name] = ModelRef(name=name, digest=files.digest(folder))
    first, last = references.values()
    changes = {"model": last, "checkpoints": (first, last)}
    spec = _spec(study.influence()).model_copy(update=changes)
    folders = {name: str(tmp_path / "models" / name) for name in references}
    job = JobDirectory.create(tmp_path / "other", spec, {"model_paths": {last.name: folders[last.name]}})
    assert files.locate(job, last) == Path(folders[last.name])
    with pytest.raises(NotFoundError, match="run/epoch-1"):
        files.locate(job, first)
    job.update_provenance(model_paths=folders)
    assert files.locate(job, first) == Path(folders[first.name])
    # never another model's content
    job.update_provenance(model_paths={last.name: folders[first.name]})
    with pytest.raises(MlvError, match="its content has changed"):
        files.locate(job, last)


@pytest.mark.parametrize(
    ("request_", "traced"),
    [
        ({}, "shift"),
        ({"quantity": "answer"}, "answer"),
        ({"preset": "echoes"}, "answer"),
        ({"preset": "languages"}, "answer"),
        ({"preset": "echoes", "quantity": "margin"}, "margin"),
    ],
)
def test_the_shift_is_traced_unless_a_paper_or_a_request_says_otherwise(
    study: Study, request_: dict[str, Any], traced: str
) -> None:
    assert _spec(study.influence(**request_)).quantity == traced


def test_directions_are_learnt_from_probes_of_all_languages_whatever_is_traced(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlv.ingest.jobs.traced_probes.REFERENCE_PROBES", 30)
    jobs = [study.influence(), study.influence(items=["1"], languages=["fa"]), study.validation()]
    samples = [pl.read_parquet(job.inputs / "reference.parquet") for job in jobs]
    assert samples[0].equals(samples[1]) and samples[0].equals(samples[2])
    assert samples[0].columns == ["language", "question", "template", "answer_first", "answer_second"]
    assert _by_language(samples[0]) == {"fa": 10, "hi": 10, "ko": 10}
    assert {_spec(jobs[0]).reference_digest, _validation_spec(jobs[2]).reference_digest} == {content_digest(samples[0])}


# Checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "checkpoints", "epochs"),
    [
        ("trak", None, [2]),
        ("tracin", None, [1, 2]),
        ("tracin", "last", [2]),
        ("trak", "all", [1, 2]),
        ("trak", "1", [1]),
        ("trak", "2, 1", [1, 2]),
    ],
)
def test_each_method_has_its_checkpoints_unless_told_otherwise(
    study: Study, method: str, checkpoints: str | None, epochs: list[int]
) -> None:
    spec = _spec(study.influence(method=method, checkpoints=checkpoints))
    assert [model.name for model in spec.checkpoints] == [f"{study.runs.traced}/epoch-{epoch}" for epoch in epochs]
    assert spec.model == last_of(study.runs.traced)


def test_runs_with_other_seeds_add_their_last_checkpoints(study: Study) -> None:
    job = study.influence(with_runs=[study.runs.other_seed])
    spec = _spec(job)
    assert spec.checkpoints == (last_of(study.runs.traced), last_of(study.runs.other_seed))
    assert set(job.read_json("provenance.json")["model_paths"]) == {model.name for model in spec.checkpoints} | {"nano"}


# Attributions ----------------------------------------------------------------------------------------------------


FEW_MODULES = Gradients(modules=("attention", "output"))


def test_a_request_without_options_is_the_default_of_the_specification() -> None:
    assert Choices().attribution() == Attribution()


@pytest.mark.parametrize(
    ("choices", "gradients"),
    [
        (Choices(projection="none"), Gradients(projection="none", dimensions=0)),
        (Choices(projection="dense"), Gradients(projection="dense", dimensions=4096)),
        (Choices(projection="dense", dimensions=64), Gradients(projection="dense", dimensions=64)),
        (Choices(projection="random", seed=4), Gradients(projection="random", seed=4)),
        (Choices(dimensions=8, output="log_odds"), Gradients(dimensions=8, output="log_odds")),
        (Choices(corruptions="epoch", stacks=["decoder"]), Gradients(corruptions="epoch", stacks=("decoder",))),
        (Choices(stacks=["decoder", "encoder"], modules=["output", "attention", "output"]), FEW_MODULES),
    ],
)
def test_options_change_the_gradients(choices: Choices, gradients: Gradients) -> None:
    assert choices.attribution() == Attribution(gradients=gradients)


def test_tracin_compares_by_cosine_unless_told_otherwise() -> None:
    assert Choices(method="tracin").attribution() == Attribution(method="tracin", similarity="cosine", damping=0)
    assert Choices(method="tracin", similarity="dot").attribution().similarity == "dot"


def test_the_presets_are_those_of_the_papers() -> None:
    echoes = Choices(preset="echoes").attribution()
    assert (echoes.method, echoes.similarity, echoes.confidence) == ("trak", "dot", True)
    assert 0 < echoes.damping < 1e-3
    assert echoes.gradients == Gradients(
        output="log_odds", corruptions="epoch", modules=ALL_MODULES, projection="dense", dimensions=4096
    )
    languages = Choices(preset="languages").attribution()
    assert (languages.method, languages.similarity, languages.weights) == ("tracin", "cosine", "equal")
    assert languages.gradients == Gradients(corruptions="epoch", modules=ALL_MODULES, projection="none", dimensions=0)


def test_an_option_wins_over_the_preset() -> None:
    echoes = Choices(preset="echoes").attribution()
    assert Choices(preset="echoes", damping=2.0).attribution() == echoes.model_copy(update={"damping": 2.0})
    # 4,096 directions in all are not so many on each side of a matrix
    assert Choices(preset="echoes", projection="principal").attribution().gradients.dimensions == Gradients().dimensions
    tracin = Choices(preset="echoes", method="tracin").attribution()
    assert tracin == Attribution(method="tracin", similarity="cosine", damping=0, gradients=echoes.gradients)


@pytest.mark.parametrize(
    "name",
    [
        "trak-principal-32",
        "trak-random-8",
        "trak-dense-4096",
        "trak-exact",
        "trak-cosine-exact",
        "tracin-exact",
        "tracin-cosine-principal-16",
        "trak-principal-16 damping=0.1 kernel=joint",
        "trak-cosine-exact kernel=diagonal corruptions=epoch modules=attention,output",
    ],
)
def test_the_name_of_an_attribution_leads_back_to_it(name: str) -> None:
    assert attribution_name(named(name, 0)) == name


def test_attributions_are_told_apart_by_their_names() -> None:
    default = attribution_name(Attribution())
    both = named_all(["default", "exact", default], 0)
    assert [attribution_name(one) for one in both] == [default, "trak-exact"]
    dense = named_all(["echoes", "trak-dense-4096"], 0)
    assert len({attribution_name(one) for one in dense}) == len(dense) == 2


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("trak-wide-3", "There is no attribution trak-wide-3"),
        (" ", "There is no attribution : use default, exact, echoes, languages"),
        ("exact kernel=square", "exact kernel=square: kernel: should be 'joint', 'module' or 'diagonal', not 'square'"),
        ("exact kernels=joint", "kernels: there is no such key. Known here: preset, method"),
        ("tracin-exact kernel=joint", "kernel: It belongs to TRAK"),
        ("exact modules=brain", "modules.* not 'brain'"),
        ("exact damping", "damping: should be a valid number"),
    ],
)
def test_a_name_that_means_no_attribution_is_refused(name: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        named_all([name], 0)


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"preset": "paper"}, "--preset: should be 'echoes', 'languages' or 'modularity', not 'paper'"),
        ({"method": "shapley"}, "--method: should be 'trak' or 'tracin', not 'shapley'"),
        ({"damping": -1.0}, "--lambda: should be greater than 0, not -1.0"),
        ({"damping": 0.0}, "--lambda: should be greater than 0, not 0.0"),
        ({"damping": float("nan")}, "--lambda: should be a finite number, not nan"),
        ({"method": "tracin", "damping": 1.0}, "--lambda: It belongs to TRAK"),
        ({"preset": "languages", "damping": 1.0}, "--lambda: It belongs to TRAK"),
        ({"method": "tracin", "kernel": "module"}, "--kernel: It belongs to TRAK"),
        ({"kernel": "block"}, "--kernel: should be 'joint', 'module' or 'diagonal', not 'block'"),
        ({"modules": ["attention", "brain"]}, "--modules: should be 'attention'.* not 'brain'"),
        ({"stacks": ["tower"]}, "--stacks: should be 'encoder' or 'decoder', not 'tower'"),
        ({"weights": "heavy"}, "--weights: should be 'learning_rate' or 'equal', not 'heavy'"),
        ({"dimensions": 0}, "--dimensions: should be greater than or equal to 1, not 0"),
        ({"projection": "none", "dimensions": 8}, "--dimensions: It belongs to a projection"),
        ({"preset": "languages", "dimensions": 8}, "--dimensions: It belongs to a projection"),
        ({"seed": -1}, "--seed: should be greater than or equal to 0, not -1"),
        ({"quantity": "truth"}, "--trace: should be 'answer', 'margin', 'shift' or 'label', not 'truth'"),
        ({"targets": "chosen"}, "--targets: should be 'shifted' or 'all', not 'chosen'"),
        ({"targets": "all", "items": ["1"]}, "say in several ways what is traced"),
        ({"items": ["1", "999"]}, "demo-all has no question 999"),
        ({"checkpoints": "1,3"}, r"has no epoch 3. Use last, all, or some of 1,2"),
        ({"checkpoints": "first"}, "has no epoch first"),
        ({"top_k": 17}, r"A top k of 17: .* has 32 training examples, so that 16 can be .*\(--top-k 16\)"),
        ({"top_k": 33, "allow_overlap": True}, "or up to 32 with --allow-overlap"),
    ],
)
def test_options_that_do_not_fit_are_named(study: Study, request_: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        study.influence(**request_)
    assert list(study.jobs.folder.glob("influence-*")) == []


@pytest.mark.parametrize(("top_k", "overlap"), [(16, False), (17, True), (32, True)])
def test_highest_and_lowest_share_examples_only_where_that_is_allowed(study: Study, top_k: int, overlap: bool) -> None:
    spec = study.influence(top_k=top_k, allow_overlap=overlap).spec()
    assert spec.settings()["top_k"] == top_k
    assert "allow_overlap" not in type(spec).model_fields


def test_all_options_that_do_not_fit_are_named_together(study: Study) -> None:
    with pytest.raises(UsageError) as caught:
        study.influence(method="tracin", damping=-1.0, modules=["brain"], dimensions=0, top_k=0)
    first, *faults = caught.value.message.split("\n  - ")
    assert first == "4 options do not fit:"
    for option in ("lambda", "dimensions", "modules", "top-k"):
        assert any(fault.startswith(f"--{option}") for fault in faults), option


def test_all_that_does_not_fit_the_run_is_named_together(study: Study) -> None:
    with pytest.raises(UsageError) as caught:
        study.influence(with_runs=[study.runs.farsi, study.runs.traced], items=["x"], top_k=99)
    first, *faults = caught.value.message.split("\n  - ")
    assert first == "4 settings do not fit:"
    for words in ("has no question x", "A top k of 99", "was not trained as", "is the traced run"):
        assert any(words in fault for fault in faults), words


def test_runs_that_are_not_the_same_training_are_not_averaged(study: Study) -> None:
    with pytest.raises(UsageError, match="they differ in languages, corpora, sentences"):
        study.influence(with_runs=[study.runs.farsi])
    with pytest.raises(UsageError, match="is the traced run"):
        study.influence(with_runs=[study.runs.traced])
    with pytest.raises(UsageError, match="TracIn follows the epochs of one run"):
        study.influence(with_runs=[study.runs.other_seed], method="tracin")
    with pytest.raises(NotFoundError, match="no run finetune-x"):
        study.influence(with_runs=["finetune-x"])


def test_what_is_no_fine_tuning_run_is_not_traced(study: Study) -> None:
    with pytest.raises(NotFoundError, match="no run nothing"):
        study.influence(run="nothing")
    ((probing,),) = study.connection.execute("SELECT run FROM v_run WHERE kind = 'probe' LIMIT 1").fetchall()
    with pytest.raises(UsageError, match=f"{probing} is a probe run"):
        study.influence(run=probing)


def test_a_run_that_trained_an_adapter_is_not_traced(study: Study) -> None:
    study.connection.execute(
        "UPDATE run SET spec = json_merge_patch(spec, '{\"lora\": 4}') WHERE name = ?", [study.runs.traced]
    )
    for plan in (study.influence, study.validation):
        with pytest.raises(UsageError, match=rf"{study.runs.traced} trained a LoRA adapter of rank 4") as caught:
            plan()
        assert "--lora" in caught.value.hint


def test_a_run_is_traced_at_its_final_checkpoint_and_by_those_before(study: Study) -> None:
    run = study.runs.traced
    study.connection.execute(
        "UPDATE checkpoint SET is_final = (epoch = 1) FROM run WHERE run.run_id = checkpoint.run_id AND name = ?", [run]
    )
    with pytest.raises(NotAnsweredError, match=f"{run}/epoch-1 lacks answers"):
        study.influence()
    ask(study.connection, study.jobs, study.store, ModelRef(name=f"{run}/epoch-1", digest=f"{run}-1"), 1.0)
    for spec in (_spec(study.influence(method="tracin")), _validation_spec(study.validation())):
        assert spec.model.name == f"{run}/epoch-1"
        assert spec.checkpoints == (spec.model,)
    with pytest.raises(UsageError, match=rf"{run} has no epoch 2. Use last, all, or some of 1\."):
        study.influence(checkpoints="2")


def test_a_run_that_was_not_probed_says_how_to(study: Study) -> None:
    other = study.runs.other_seed
    with pytest.raises(NotAnsweredError, match=f"{other}/epoch-2 lacks answers to demo-all in fa,hi,ko,ru") as caught:
        study.influence(run=other)
    ((model, probe_set, languages),) = caught.value.missing
    assert (model.key, probe_set, languages) == (last_of(other).key, "demo-all", ("fa", "hi", "ko", "ru"))
    with pytest.raises(NotAnsweredError, match="lacks answers to demo-all in ru") as caught:
        study.influence(languages=["fa", "ru"])
    assert [(one.model.key, one.languages) for one in caught.value.missing] == [
        (last_of(study.runs.traced).key, ("ru",))
    ]


def test_a_start_that_was_not_probed_says_how_to(study: Study) -> None:
    study.connection.execute("DELETE FROM probe_answer WHERE checkpoint_id = 1")
    with pytest.raises(NotAnsweredError, match=r"^nano lacks .* in fa,hi,ko,ru; finetune-.* lacks .* in ru\.\n"):
        study.influence()
    with pytest.raises(NotAnsweredError, match=r"^nano lacks answers to demo-all in ko\.\n") as caught:
        study.influence(languages=["ko"])
    assert [one.model.path for one in caught.value.missing] == ["/models/nano"]


def test_two_models_that_answered_different_probes_are_both_to_be_asked_again(study: Study) -> None:
    questions = "(SELECT probe_id FROM v_probe WHERE number % 2 = {})"
    for checkpoint, rest in (("checkpoint_id = 1", 0), ("checkpoint_id <> 1", 1)):
        study.connection.execute(
            f"DELETE FROM probe_answer WHERE {checkpoint} AND probe_id IN {questions.format(rest)}"
        )
    with pytest.raises(NotAnsweredError, match=r"^nano lacks .* in ko; finetune-.* lacks .* in ko") as caught:
        study.influence(languages=["ko"], targets="all")
    assert len(caught.value.missing) == 2


def test_a_start_from_another_run_is_asked_by_its_name(study: Study) -> None:
    start = f"{study.runs.other_seed}/epoch-2"
    ((spec,),) = study.connection.execute("SELECT spec FROM run WHERE name = ?", [study.runs.traced]).fetchall()
    fields = json.loads(spec)
    fields["model"]["name"] = start
    study.connection.execute("UPDATE run SET spec = ? WHERE name = ?", [json.dumps(fields), study.runs.traced])
    study.connection.execute("DELETE FROM probe_answer WHERE checkpoint_id = 1")
    with pytest.raises(NotAnsweredError) as caught:
        study.influence(languages=["ko"])
    assert [one.model.name for one in caught.value.missing] == [start]


def test_a_probe_that_was_not_answered_is_not_traced(study: Study) -> None:
    probe = "(SELECT probe_id FROM v_probe WHERE language = 'fa' AND question = '1')"
    study.connection.execute(f"DELETE FROM probe_answer WHERE probe_id = {probe}")
    with pytest.raises(NotFoundError, match="1 was not answered both before and after"):
        study.influence(items=["1", "2"], languages=["fa"])


def test_where_no_value_shifted_there_is_nothing_to_trace(study: Study) -> None:
    ask(study.connection, study.jobs, study.store, last_of(study.runs.other_seed), 0.0)
    with pytest.raises(NotFoundError, match="shifted none of its 48 values in fa, ko") as caught:
        study.influence(run=study.runs.other_seed, languages=["ko", "fa"])
    assert "--targets all" in caught.value.hint
    assert _targets(study.influence(run=study.runs.other_seed, targets="all")).height == 72


def test_unknown_probe_sets_and_languages_are_named(study: Study) -> None:
    with pytest.raises(NotFoundError, match="no probe set wvs"):
        study.influence(probe_set="wvs")
    with pytest.raises(DataError, match="No probes in de"):
        study.influence(languages=["de"])


def test_checkpoints_and_examples_that_are_gone_or_changed_are_named(study: Study) -> None:
    traced = study.jobs.folder / study.runs.traced
    examples = traced / "inputs" / "examples.parquet"
    pl.read_parquet(examples).with_columns(text=pl.lit("other")).write_parquet(examples)
    with pytest.raises(DataError, match=r"examples.parquet has changed since"):
        study.influence()
    examples.write_bytes(b"PAR1 no PAR1")
    with pytest.raises(DataError, match=r"examples.parquet is not a readable parquet file"):
        study.influence()
    examples.unlink()
    with pytest.raises(NotFoundError, match=r"inputs/examples.parquet, and are not"):
        study.influence()
    (traced / "checkpoints" / "epoch-1").rmdir()
    with pytest.raises(NotFoundError, match=r"checkpoints/epoch-1, and is not"):
        study.influence(checkpoints="all")
    assert list(study.jobs.folder.glob("influence-*")) == []


# Validation ------------------------------------------------------------------------------------------------------


HALF = QUESTIONS_A_LANGUAGE // 2
"""Probes of a language that no directions are learnt from, if all questions fit into the reference."""


def test_validation_draws_from_all_test_languages_alike_without_looking_at_answers(study: Study) -> None:
    drawn = _targets(study.validation()).drop("target", "answer", "shift_sign")
    assert _by_language(drawn) == {"fa": HALF, "hi": HALF, "ko": HALF}
    fewer = _targets(study.validation(most=7)).drop("target", "answer", "shift_sign")
    assert fewer.rows() == drawn.rows()[:7]
    assert sorted(_by_language(fewer).values()) == [2, 2, 3]
    # not in the order of the probe set, whose first questions are of one kind
    farsi = drawn.filter(language="fa")["question"].to_list()
    assert farsi != [question for question in _asked(study).filter(language="fa")["question"] if question in farsi]
    assert _targets(study.validation(seed=1)).drop("target", "answer", "shift_sign").rows() != drawn.rows()
    # other answers, the same draw
    study.connection.execute("UPDATE probe_answer SET answer = 3 - answer, margin = -margin")
    assert _targets(study.validation()).drop("target", "answer", "shift_sign").rows() == drawn.rows()


@pytest.mark.parametrize("targets", ["random", "shifted", "all"])
def test_no_directions_are_learnt_from_probes_that_are_validated(study: Study, targets: str) -> None:
    job = study.validation(targets=targets)
    reference, probes = pl.read_parquet(job.inputs / "reference.parquet"), _targets(job)
    assert _by_language(reference) == {"fa": HALF, "hi": HALF, "ko": HALF}
    both = reference.join(probes, on=["language", "question"])
    assert both.is_empty()


def test_a_validation_without_probes_that_are_held_out_is_refused(study: Study) -> None:
    study.connection.execute(
        "DELETE FROM probe_answer WHERE probe_id NOT IN "
        "(SELECT min(probe_id) FROM v_probe WHERE language IN ('fa', 'ko') GROUP BY language)"
    )
    with pytest.raises(NotFoundError, match="answered too few to learn directions from some") as caught:
        study.validation()
    assert "mlv compute probe" in caught.value.hint


def test_validation_takes_the_languages_that_were_probed(study: Study) -> None:
    study.connection.execute(
        "DELETE FROM probe_answer WHERE probe_id IN (SELECT probe_id FROM v_probe WHERE language IN ('fa', 'ko'))"
    )
    assert _by_language(_targets(study.validation())) == {"hi": HALF}


def test_validation_of_shifted_or_all_values(study: Study) -> None:
    job = study.validation(targets="shifted", languages=["hi"])
    learnt_from = set(pl.read_parquet(job.inputs / "reference.parquet").filter(language="hi")["question"])
    # rows 26, 31, 36, 41, 46 of the 24 from row 24 on
    shifted = {_asked(study)["question"][row] for row in (26, 31, 36, 41, 46)}
    assert set(_targets(job)["question"]) == shifted - learnt_from
    assert 0 < len(shifted - learnt_from) < 5
    assert _targets(study.validation(targets="all")).height == 3 * HALF


def test_a_validation_job_has_all_checkpoints_and_the_start(study: Study) -> None:
    job = study.validation(attributions=["exact", "tracin-cosine-exact"], removal_k=[20, 10, 20], halves=3)
    spec, paths = _validation_spec(job), job.read_json("provenance.json")["model_paths"]
    assert [model.name for model in spec.checkpoints] == [f"{study.runs.traced}/epoch-{epoch}" for epoch in (1, 2)]
    assert [attribution_name(one) for one in spec.attributions] == ["trak-exact", "tracin-cosine-exact"]
    assert (spec.removal_k, spec.halves, spec.other_seed_halves) == ((10, 20), 3, 64)
    assert spec.quantities == ("shift", "answer")
    assert paths[MODEL.name] == str(study.folder / "nano")
    examples = JobDirectory(study.jobs.folder / study.runs.traced).inputs / "examples.parquet"
    assert (job.inputs / "examples.parquet").read_bytes() == examples.read_bytes()
    assert isinstance(spec.training, FinetuneSpec)
    assert spec.training.model.name == MODEL.name


def test_models_that_are_trained_are_counted() -> None:
    """All examples once for every seed, halves, eight without each of several languages, and for every k and seed two
    for a target and ten at random."""
    counts = {"halves": 3, "other_seed_halves": 5, "removal_targets": 4, "removal_k": (1, 2), "removal_seeds": 2}
    assert validate.Request(run="r", **counts).retrainings(1) == 2 + 3 + 5 + 2 * 2 * (2 * 4 + 10)
    assert validate.Request(run="r", **counts | {"removal_targets": 0}).retrainings(3) == 1 + 3 + 5 + 3 * 8


def test_a_validation_without_the_model_that_the_run_started_from_is_refused(study: Study) -> None:
    request = validate.Request(run=study.runs.traced)
    with pytest.raises(NotFoundError, match="cannot be trained again: nano is not at /models/nano") as caught:
        study.jobs.plan(study.connection, "validate", request)
    assert f"{study.runs.traced}/provenance.json" in caught.value.hint


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (
            {"attributions": ["best"]},
            "--attribution: There is no attribution best: use default, exact, echoes",
        ),
        ({"attributions": ["trak-random-0"]}, "--attribution: "),
        ({"targets": "some"}, "--targets: should be 'random', 'shifted', 'all' or 'correct', not 'some'"),
        ({"targets": "all", "most": 3}, "Most is how many are drawn"),
        ({"halves": 1}, "--halves: A rank correlation needs 2"),
        ({"other_seed_halves": 1}, "--other-seed-halves: A rank"),
        ({"quantities": ["truth"]}, "--trace: should be 'answer', 'margin', 'shift' or 'label', not 'truth'"),
        ({"removal_k": [0, 5]}, "--k: should be greater than or equal to 1, not 0"),
        ({"halves": 0, "other_seed_halves": 0, "without_language": 0, "removal_targets": 0}, "nothing to retrain"),
        ({"halves": 1, "targets": "some"}, "2 options do not fit"),
    ],
)
def test_validations_that_cannot_be_are_refused(study: Study, request_: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        study.validation(**request_)
    assert list(study.jobs.folder.glob("validate-*")) == []
