"""The study of classifiers with a real multilingual encoder on real texts, in miniature."""

import json
from pathlib import Path

import pytest
from command_line import Mlv

pytestmark = pytest.mark.real

LANGUAGES = "en,ko"


@pytest.fixture(scope="module")
def study(real_data: Path, real_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    """A store with topics of sentences in two languages, and a classifier that was trained, asked and traced."""
    mlv = Mlv(tmp_path_factory.mktemp("encoder"))
    texts = [
        str(path)
        for code in ("eng_Latn", "kor_Hang")
        for path in sorted((real_data / "classification" / "sib200").glob(f"{code}.*.tsv.gz"))
    ]
    assert mlv("db", "upgrade").code == 0
    assert mlv("ingest", "corpus", "--source", "sib200", *texts).code == 0
    how = ("--freeze", "embeddings", "--learning-rate", "3e-4", "--batch-size", "8", "--patience", "0")
    few = ("--examples", "42", "--balanced", "--epochs", "2", "--development-examples", "5", "--device", "cpu")
    asked = ("--model", str(real_encoder), "--task", "sib200-topic", "--language", LANGUAGES)
    done = mlv("compute", "classify", *asked, *how, *few)
    assert done.code == 0, done.err
    assert mlv("compute", "predict", _run(mlv), "--most", "40").code == 0
    trace = ("--preset", "languages", "--per-language", "3", "--pick", "random", "--top-k", "10", "--checkpoints", "2")
    done = mlv("compute", "influence", _run(mlv), *trace)
    assert done.code == 0, done.err
    return mlv


def _run(mlv: Mlv) -> str:
    ((run,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'classify'")
    return str(run)


def test_a_real_encoder_learns_topics_from_a_few_sentences(study: Mlv, capsys: pytest.CaptureFixture[str]) -> None:
    """Six of each class in a language: well above the most frequent one, in a script with words and in Hangul."""
    done = Mlv(study.folder, capsys)("query", "run", "accuracy", "--format", "jsonl")
    rows = {row["language"]: row for row in map(json.loads, done.out.splitlines())}
    assert set(rows) == {"en", "ko", "all"}
    assert rows["all"]["accuracy_low"] > rows["all"]["majority"]


def test_its_predictions_are_traced_without_what_was_frozen(study: Mlv, capsys: pytest.CaptureFixture[str]) -> None:
    ((modules, examples),) = study.rows("SELECT modules, examples FROM v_influence_run")
    assert ("embedding" in modules.split(","), examples) == (False, 84)
    done = Mlv(study.folder, capsys)("query", "run", "label_agreement", "--format", "jsonl")
    rows = [json.loads(line) for line in done.out.splitlines()]
    own = {(row["direction"], row["language"]): row["lift"] for row in rows}
    assert all(own["positive", code] > 1 > own["negative", code] for code in ("en", "ko"))
    assert study("db", "check").code == 0
