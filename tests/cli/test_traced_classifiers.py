"""Classifiers whose predictions are traced to their training examples, and the proof of it by retraining."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from classified_study import labelled_store, train_classifier
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.influence import InfluenceSpec

TOP_K = 20
TRACE = ("--preset", "languages", "--per-language", "4", "--top-k", str(TOP_K), "--device", "cpu", "--threads", "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    """A store with a classifier that was asked texts."""
    mlv = labelled_store(tmp_path_factory.mktemp("traced"))
    train_classifier(mlv, "--examples", "60", "--epochs", "3", "--patience", "0")
    return mlv


@pytest.fixture(scope="module")
def traced(trained: Mlv) -> Mlv:
    """With its predictions traced."""
    done = trained("compute", "influence", _run(trained, "classify"), *TRACE, "--keep-scores")
    assert done.code == 0, done.err
    return trained


def _run(mlv: Mlv, kind: str) -> str:
    ((run,),) = mlv.rows(f"SELECT run FROM v_run WHERE kind = '{kind}' ORDER BY run_id LIMIT 1")
    return str(run)


def _gradients(folder: Path, texts: list[tuple[str, int]]) -> Any:
    """Gradients by autograd in 64 bits of the cross entropy of each text with its class, [texts, parameters]."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).double().eval()
    found = []
    for text, number in texts:
        model.zero_grad()
        given = tokenizer(text, return_tensors="pt")
        model(**given, labels=torch.tensor([number])).loss.backward()
        parts = [
            torch.zeros_like(tensor).flatten() if tensor.grad is None else tensor.grad.flatten()
            for name, tensor in model.named_parameters()
        ]
        found.append(torch.cat(parts))
    return torch.stack(found)


def test_scores_are_cosines_by_autograd_summed_over_the_epochs(traced: Mlv) -> None:
    """H section 4.2, with every parameter; the rankings are those of the scores."""
    import torch

    classes, run = {"minus": 0, "plus": 1}, _run(traced, "classify")
    examples = traced.rows(
        "SELECT position, text, label FROM v_training_example "
        f"WHERE run = '{run}' AND split = 'train' ORDER BY position"
    )
    targets = traced.rows(
        "SELECT t.language, t.question, g.text, g.label, t.influence_target_id FROM v_influence_target t "
        "JOIN v_segment g ON g.language = t.language AND g.parallel_key = t.question "
        f"WHERE t.traced_run = '{run}' AND t.epoch IS NULL ORDER BY t.language, g.position"
    )
    assert len(targets) == 3 * 4
    folders = traced.rows(f"SELECT path FROM v_checkpoint WHERE run = '{run}' ORDER BY epoch")
    assert len(folders) == 3
    expected = torch.zeros(len(targets), len(examples), dtype=torch.float64)
    for (path,) in folders:
        of_examples = _gradients(traced.folder / path, [(text, classes[label]) for _, text, label in examples])
        of_targets = _gradients(traced.folder / path, [(text, classes[label]) for _, _, text, label, _ in targets])
        norms = of_targets.norm(dim=1)[:, None] * of_examples.norm(dim=1)
        expected += of_targets @ of_examples.T / norms
    job = JobDirectory(traced.folder / "jobs" / _run(traced, "influence"))
    found = pl.read_parquet(job.outputs / "scores.parquet").filter(pl.col("target") < len(targets))
    wide = found.pivot("target", index="position", values="score").sort("position").drop("position").to_numpy().T
    assert float((torch.tensor(wide) - expected).abs().max()) < 1e-5 * 3
    for place, (*_, target) in enumerate(targets):
        ranked = traced.rows(
            "SELECT e.position, k.score FROM v_influence_ranking k "
            "JOIN v_training_example e USING (training_example_id) "
            f"WHERE k.influence_target_id = {target} AND k.direction = 'positive' ORDER BY k.rank"
        )
        best = expected[place].topk(TOP_K).values.tolist()
        assert [score for _, score in ranked] == pytest.approx(best, abs=1e-4)
        order = {position: number for number, (position, *_) in enumerate(examples)}
        assert [float(expected[place][order[position]]) for position, _ in ranked] == pytest.approx(best, abs=1e-4)


def test_the_first_texts_that_are_told_right_are_traced(traced: Mlv) -> None:
    asked = traced.rows("SELECT language, key FROM v_prediction WHERE correct ORDER BY language, segment_id")
    of_language: dict[str, list[str]] = {}
    for language, key in asked:
        of_language.setdefault(language, []).append(key)
    found = traced.rows("SELECT DISTINCT language, question FROM v_influence_target")
    assert set(found) == {(language, key) for language, keys in of_language.items() for key in keys[:4]}
    assert traced.rows("SELECT selection, quantity, checkpoints FROM v_influence_run") == [("correct", "label", 3)]
    # the value is the log-probability of the class
    values = traced.rows(
        "SELECT exp(t.value), p.p_gold FROM v_influence_target t JOIN v_prediction p ON p.language = t.language "
        "AND p.key = t.question WHERE t.epoch IS NULL"
    )
    assert [value for value, _ in values] == pytest.approx([p for _, p in values], abs=1e-5)


def test_queries_and_the_examples_behind_a_prediction_are_there(
    traced: Mlv, capsys: pytest.CaptureFixture[str]
) -> None:
    run, traced = _run(traced, "influence"), Mlv(traced.folder, capsys)
    for query in ("language_contribution", "influence_mean", "influence_by_epoch", "translation_share"):
        done = traced("query", "run", query, "-p", f"run={run}", "--format", "jsonl", "--ci", "questions")
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in done.out.splitlines()]
        assert {row["language"] for row in rows} == {"de", "en", "fr"}
    ((language, key, text, label),) = traced.rows(
        "SELECT t.language, t.question, g.text, g.label FROM v_influence_target t JOIN v_segment g "
        "ON g.language = t.language AND g.parallel_key = t.question ORDER BY ALL LIMIT 1"
    )
    shown = traced("influence", "show", run, "--item", key, "--language", language, "--top", "1", "--format", "jsonl")
    assert shown.err.splitlines() == [text, f"  {label}; positive influence raises the probability of its class"]
    highest, _ = (json.loads(line) for line in shown.out.splitlines())
    assert highest["label"] == label


def test_another_run_traces_the_same_texts(traced: Mlv) -> None:
    """What a comparison with a run without a language needs."""
    first = _run(traced, "influence")
    other = train_classifier(
        traced, "--examples", "60", "--epochs", "2", "--patience", "0", "--leave-out", "fr", "--seed", "4"
    )
    done = traced("compute", "influence", other, "--preset", "languages", "--top-k", "9", "--items-of", first)
    assert done.code == 0, done.err
    ((run,),) = traced.rows(f"SELECT run FROM v_influence_run WHERE traced_run = '{other}'")
    wanted = set(traced.rows(f"SELECT DISTINCT language, question FROM v_influence_target WHERE run = '{first}'"))
    checkpoint = f"(SELECT checkpoint_id FROM v_checkpoint WHERE run = '{other}' AND is_final)"
    right = set(traced.rows(f"SELECT language, key FROM v_prediction WHERE correct AND checkpoint_id = {checkpoint}"))
    found = set(traced.rows(f"SELECT DISTINCT language, question FROM v_influence_target WHERE run = '{run}'"))
    assert found == wanted & right
    assert {language for language, _ in found} == {"de", "en", "fr"}


def test_retraining_shows_what_scores_are_worth(traced: Mlv) -> None:
    few = ("--halves", "3", "--other-seed-halves", "0", "--without-language", "0", "--removal-targets", "2", "--k", "5")
    run = _run(traced, "classify")
    done = traced("compute", "validate-influence", run, "--attribution", "languages", "--most", "6", *few)
    assert done.code == 0, done.err
    rows = traced.rows(
        "SELECT test, quantity, count(*), count(DISTINCT language) FROM v_validation_result "
        "WHERE scores LIKE 'tracin-cosine%' GROUP BY ALL ORDER BY test"
    )
    assert rows == [("lds", "label", 6, 3), ("removal", "label", 2 * 2, 2)]
    drawn = set(traced.rows("SELECT language, question FROM v_validation_result WHERE test = 'lds'"))
    assert len(drawn) == 6
    assert traced("db", "check").code == 0


def test_what_is_said_of_probes_is_no_validation_of_a_classifier(
    trained: Mlv, capsys: pytest.CaptureFixture[str]
) -> None:
    mlv, run = Mlv(trained.folder, capsys), _run(trained, "classify")
    for options, said in (
        (("--trace", "label,margin"), "quantities: of probes"),
        (("--targets", "shifted"), "targets shifted: of probes"),
        (("--probe-set", "demo-all"), "probe set: of probes"),
    ):
        done = mlv("compute", "validate-influence", run, "--plan-only", *options)
        assert (done.code, said in done.err) == (ExitCode.USAGE, True), done.err


def test_trak_traces_classifiers_too(traced: Mlv) -> None:
    done = traced("compute", "influence", _run(traced, "classify"), "--top-k", "9", "--per-language", "2")
    assert done.code == 0, done.err
    rows = traced.rows("SELECT method, projection FROM v_influence_run WHERE method = 'trak'")
    assert rows == [("trak", "principal")]


def test_a_store_with_traced_classifiers_is_made_again_row_for_row(traced: Mlv, tmp_path: Path) -> None:
    copy = Mlv(Path(shutil.copytree(traced.folder, tmp_path / "copy")))
    assert copy("db", "rebuild").code == 0
    for table in ("influence_target", "influence_ranking", "validation_result"):
        assert copy.rows(f"SELECT count(*) FROM {table}") == traced.rows(f"SELECT count(*) FROM {table}")
    assert copy("db", "check").code == 0
    for (run,) in copy.rows("SELECT run FROM v_run WHERE kind IN ('influence', 'validate')"):
        assert copy("runs", "delete", run, "--yes").code == 0
    assert copy.rows("SELECT count(*) FROM influence_target") == [(0,)]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--targets", "all"), ExitCode.USAGE, "targets: of probes"),
        (("--trace", "margin"), ExitCode.USAGE, "quantity: of probes"),
        (("--split", "dev"), ExitCode.NOT_FOUND, "was not asked dev"),
        (("--language", "de,sw"), ExitCode.NOT_FOUND, "was not asked test in sw"),
        (("--per-language", "400"), ExitCode.DATA, "Of 400 texts in each language that the classifier has right"),
        (("--item", "test:1"), ExitCode.NOT_FOUND, "The classifier was not asked test:1"),
        (("--items-of", "nothing"), ExitCode.NOT_FOUND, "nothing"),
        (("--item", "test:1", "--per-language", "3"), ExitCode.USAGE, "give one"),
        (("--top-k", "999"), ExitCode.USAGE, "A top k of 999"),
    ],
)
def test_what_cannot_be_traced_is_refused_with_what_to_do(
    trained: Mlv, options: tuple[str, ...], code: ExitCode, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mlv = Mlv(trained.folder, capsys)
    before = sorted(path.name for path in (mlv.folder / "jobs").iterdir())
    done = mlv("compute", "influence", _run(trained, "classify"), "--preset", "languages", "--top-k", "9", *options)
    assert said in done.err
    assert (done.code, done.out) == (code, "")
    assert sorted(path.name for path in (mlv.folder / "jobs").iterdir()) == before


def test_texts_that_the_run_has_seen_are_traced_only_if_that_is_meant(
    trained: Mlv, capsys: pytest.CaptureFixture[str]
) -> None:
    mlv, run = Mlv(trained.folder, capsys), _run(trained, "classify")
    assert mlv("compute", "predict", run, "--split", "dev").code == 0
    asked = ("compute", "influence", run, "--preset", "languages", "--top-k", "9", "--split", "dev", "--plan-only")
    done = mlv(*asked, "--per-language", "2")
    assert (done.code, "was trained or watched on dev:" in done.err) == (ExitCode.DATA, True)
    assert mlv(*asked, "--per-language", "2", "--allow-seen").code == 0


def test_parameters_that_were_not_trained_have_no_part_in_scores(
    trained: Mlv, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = ("--freeze", "embeddings", "--examples", "20", "--epochs", "1", "--patience", "0", "--seed", "8")
    run = train_classifier(trained, *frozen)
    asked = ("compute", "influence", run, "--top-k", "5", "--per-language", "1", "--plan-only")
    mlv = Mlv(trained.folder, capsys)
    done = mlv(*asked, "--preset", "languages")
    (name,) = (word for word in done.err.split() if "influence-" in word)
    spec = JobDirectory(Path(name)).spec()
    assert isinstance(spec, InfluenceSpec)
    assert spec.attribution.gradients.modules == (
        "attention",
        "feed_forward",
        "output",
        "norm",
        "bias",
        "position_bias",
    )
    refused = mlv(*asked, "--modules", "embedding")
    assert (refused.code, "trained no embeddings" in refused.err) == (ExitCode.USAGE, True)
