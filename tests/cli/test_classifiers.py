"""Classifiers from labelled texts to accuracies: what a user types, and what then is in the store."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from classified_study import SMALL, TRAIN, labelled_store, train_classifier
from command_line import Mlv
from tiny_encoder import LANGUAGES

from mlv.cli.edge import ExitCode
from mlv.ingest.jobs.classify import COST, Request
from mlv.schema.jobs.directory import JobDirectory


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    """A store with labelled texts, a task, and an encoder beside it."""
    return labelled_store(tmp_path_factory.mktemp("filled"))


@pytest.fixture(scope="module")
def trained(filled: Mlv) -> Mlv:
    """With a classifier that was trained and asked."""
    train_classifier(filled, "--examples", "100", "--epochs", "4")
    return filled


def test_a_classifier_learns_and_its_checkpoints_open_as_pipelines(trained: Mlv) -> None:
    from transformers import pipeline

    ((path,),) = trained.rows("SELECT path FROM v_checkpoint WHERE is_final AND run IS NOT NULL")
    folder = trained.folder / path
    classify = pipeline("text-classification", model=str(folder), device="cpu")
    assert classify.model.config.label2id == {"negative": 0, "positive": 1}
    assert classify.model.config.finetuning_task == "praise"
    texts = trained.rows(
        "SELECT g.text, p.predicted, p.p_predicted FROM v_prediction p JOIN v_segment g USING (segment_id) ORDER BY ALL"
    )
    assert len(texts) == 3 * 40
    said = classify([text for text, *_ in texts])
    for (_, predicted, probability), found in zip(texts, said, strict=True):
        assert classify.model.config.label2id[found["label"]] == predicted - 1
        assert found["score"] == pytest.approx(probability, abs=1e-5)


def test_accuracies_are_the_share_of_labels_that_were_told(trained: Mlv) -> None:
    done = trained("query", "run", "accuracy", "--format", "json", "--output", str(trained.folder / "a.json"))
    assert done.code == 0
    rows = {row["language"]: row for row in pl.read_json(trained.folder / "a.json").iter_rows(named=True)}
    counted = trained.rows(
        "SELECT language, 100.0 * count(*) FILTER (correct) / count(*), count(*) FROM v_prediction GROUP BY language"
    )
    assert {(code, row["accuracy"], row["texts"]) for code, row in rows.items() if code != "all"} == set(counted)
    assert rows["all"]["texts"] == 120
    assert all(row["accuracy"] > 90 for row in rows.values())
    assert all(row["majority"] < 75 for row in rows.values())


def test_examples_are_the_same_texts_in_all_languages_and_none_is_for_development(trained: Mlv) -> None:
    keys = trained.rows(
        "SELECT language, list(parallel_key ORDER BY parallel_key) FROM v_training_example WHERE split = 'train' "
        "GROUP BY language ORDER BY language"
    )
    assert [language for language, _ in keys] == list(LANGUAGES)
    assert len({tuple(some) for _, some in keys}) == 1
    assert len(keys[0][1]) == 100
    others = trained.rows("SELECT DISTINCT parallel_key FROM v_training_example WHERE split = 'development'")
    assert len(others) == 30
    assert {key for (key,) in others}.isdisjoint(keys[0][1])


def test_the_best_epoch_is_that_of_the_highest_accuracy(trained: Mlv) -> None:
    measured = trained.rows("SELECT epoch::INTEGER, value FROM v_metric WHERE name = 'eval_accuracy' ORDER BY epoch")
    best = max(value for _, value in measured)
    first = next(epoch for epoch, value in measured if value == best)
    assert trained.rows("SELECT epoch FROM v_checkpoint WHERE is_final AND run IS NOT NULL") == [(first,)]


def test_nothing_is_asked_twice_and_the_store_is_in_order(trained: Mlv) -> None:
    ((run,),) = trained.rows("SELECT run FROM v_run WHERE kind = 'classify'")
    before = trained.rows("SELECT count(*) FROM class_logit")
    assert trained("compute", "predict", run, "--split", "test").code == 0
    assert trained.rows("SELECT count(*) FROM class_logit") == before
    assert trained("compute", "predict", run, "--split", "dev", "--language", "de").code == 0
    assert trained.rows("SELECT count(DISTINCT segment_id) FROM v_prediction WHERE split = 'dev'") == [(30,)]
    assert trained("db", "check").code == 0


def test_some_texts_alone_are_asked_and_later_the_others(filled: Mlv, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_classifier(filled, "--examples", "40", "--epochs", "1", "--patience", "0", "--seed", "9")
    assert filled("compute", "predict", run, "--split", "dev", "--most", "7").code == 0
    asked = (
        "SELECT language, count(*), list(key ORDER BY key) FROM v_prediction "
        f"JOIN v_checkpoint k USING (checkpoint_id) WHERE k.run = '{run}' AND split = 'dev' GROUP BY ALL ORDER BY 1"
    )
    rows = filled.rows(asked)
    assert [row[:2] for row in rows] == [(code, 7) for code in LANGUAGES]
    assert rows[0][2] == rows[1][2] == rows[2][2]
    again = Mlv(filled.folder, capsys)("compute", "predict", run, "--split", "dev", "--most", "7")
    assert (again.code, "has predicted all that is asked" in again.err) == (0, True)
    assert filled("compute", "predict", run, "--split", "dev").code == 0
    assert [row[1] for row in filled.rows(asked)] == [30, 30, 30]


def test_a_store_with_classifiers_is_made_again_row_for_row(trained: Mlv, tmp_path: Path) -> None:
    copy = Mlv(Path(shutil.copytree(trained.folder, tmp_path / "copy")))
    assert copy("db", "rebuild").code == 0
    assert copy.rows("SELECT count(*) FROM class_logit") == trained.rows("SELECT count(*) FROM class_logit")
    for run in [name for (name,) in copy.rows("SELECT run FROM v_run ORDER BY kind DESC")]:
        assert copy("runs", "delete", run, "--yes").code == 0
    for table in ("class_logit", "prediction_run", "classification_run", "training_example"):
        assert copy.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert copy("db", "check").code == 0


def test_left_out_and_added_languages(filled: Mlv) -> None:
    model = str(filled.folder / "encoder")
    options = ("--model", model, "--examples", "40", "--epochs", "1", "--patience", "0", "--seed", "5")
    assert filled(*TRAIN, *SMALL, *options, "--leave-out", "fr", "--add", "en=50").code == 0
    ((run, languages, sentences, out, added, percent),) = filled.rows(
        "SELECT run, ft_languages, sentences, left_out, added_language, added_percent FROM v_classification_run "
        "WHERE seed = 5"
    )
    assert (languages, sentences, out, added, percent) == ("de,en", 100, "fr", "en", 50)
    counts = filled.rows(
        f"SELECT language, count(*) FROM v_training_example WHERE run = '{run}' AND split = 'train' "
        "GROUP BY ALL ORDER BY 1"
    )
    assert counts == [("de", 40), ("en", 60)]


def test_a_run_like_another_is_expected_to_take_as_long(trained: Mlv) -> None:
    asked = {"model": "encoder", "task": "praise", "languages": ["de", "en", "fr"], "learning_rate": 3e-3}
    request = Request.model_validate({**asked, "examples": 100, "epochs": 4, "batch_size": 16})
    ((run, units),) = trained.rows(f"SELECT name, units FROM ({COST.measured}) JOIN run USING (run_id) WHERE seed = 1")
    spec = JobDirectory(trained.folder / "jobs" / run).spec()
    assert COST.alike(spec, request)
    # more of the same takes longer in proportion, and other texts at a time or other lengths another time each
    assert COST.alike(spec, request.model_copy(update={"examples": 50, "epochs": 1, "seed": 7}))
    assert not COST.alike(spec, request.model_copy(update={"batch_size": 8}))
    assert not COST.alike(spec, request.model_copy(update={"max_tokens": 64}))
    assert not COST.alike(spec, request.model_copy(update={"freeze": ("embeddings",)}))
    assert COST.units(None, request, None) == units == 1200  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--examples", "500"), ExitCode.DATA, "500 examples of each language are needed; there are 120 in de, 120 in"),
        (("--task", "nothing"), ExitCode.NOT_FOUND, "The store has no task nothing; it has praise"),
        (("--split", "nowhere"), ExitCode.NOT_FOUND, "It has dev (de,en,fr), test (de,en,fr), train (de,en,fr)"),
        (("--leave-out", "ko"), ExitCode.USAGE, "ko is left out, and is none of the languages de, en, fr"),
        (("--leave-out", "de,en,fr"), ExitCode.USAGE, "No language is left to train on"),
        (("--leave-out", "fr", "--add", "fr=50"), ExitCode.USAGE, "Examples of fr are added, which is not trained on"),
        (("--add", "fr=50", "--add", "de=50"), ExitCode.USAGE, "Examples are added of one language at a time"),
        (
            ("--examples", "100", "--add", "fr=50"),
            ExitCode.DATA,
            "fr has 20 examples beyond those of all languages",
        ),
        (("--examples", "1"), ExitCode.DATA, "do not have every class"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_what_to_do(
    filled: Mlv, options: tuple[str, ...], code: ExitCode, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mlv = Mlv(filled.folder, capsys)
    done = mlv(*TRAIN, "--model", str(filled.folder / "encoder"), "--plan-only", *options)
    assert done.code == code, done.err
    assert said in done.err


def test_a_model_without_a_classifier_is_not_asked(filled: Mlv, capsys: pytest.CaptureFixture[str]) -> None:
    mlv = Mlv(filled.folder, capsys)
    encoder = str(filled.folder / "encoder")
    done = mlv("compute", "predict", encoder)
    assert done.code == ExitCode.USAGE
    assert "its task is not known" in done.err
    done = mlv("compute", "predict", encoder, "--task", "praise")
    assert done.code == ExitCode.DATA
    assert "holds an encoder without a classifier" in done.err
