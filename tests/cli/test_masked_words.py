"""Fine-tuning on masked words as a user types it: articles of an outlet, what is in the store, what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import Mlv
from tiny_encoder import save_encoder

from mlv.cli.edge import ExitCode
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.store.opening import connect

TRAIN = ("compute", "finetune", "--objective", "masked_words", "--source", "table-news", "--language", "en")
SMALL = ("--epochs", "2", "--batch-size", "4", "--max-tokens", "12", "--threads", "1")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    """A store with eight articles of four sentences, and an encoder that knows their words."""
    mlv = Mlv(tmp_path_factory.mktemp("words"))
    save_encoder(mlv.folder / "encoder")
    random = np.random.default_rng(2)
    rows = [
        f"a{article}:{part}\t" + " ".join(f"w{word}" for word in random.integers(0, 12, 4 + part))
        for article in range(8)
        for part in range(4)
    ]
    table = mlv.folder / "news.tsv"
    table.write_text("key\ttext\n" + "\n".join(rows) + "\n")
    assert mlv("db", "upgrade").code == 0
    columns = ("--columns", "key=key,text=text", "--publication", "news")
    done = mlv("ingest", "corpus", "--source", "table", str(table), "--language", "en", *columns)
    assert done.code == 0, done.err
    return mlv


@pytest.fixture
def mlv(written: Mlv, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """A copy of it."""
    return Mlv(Path(shutil.copytree(written.folder, tmp_path / "copy")), capsys)


def test_articles_train_a_model_that_is_compared_with_its_start(mlv: Mlv) -> None:
    model = ("--model", str(mlv.folder / "encoder"))
    done = mlv(*TRAIN, *model, "--articles", "6", "--share", "0.5", *SMALL)
    assert done.code == 0, done.err
    assert "mlv compute complete --model finetune-" in done.err
    ((run, sentences),) = mlv.rows("SELECT run, sentences FROM v_run WHERE kind = 'finetune'")
    assert sentences == 12
    assert mlv.rows("SELECT share, objective, epoch, is_final FROM v_checkpoint WHERE run NOTNULL ORDER BY epoch") == [
        (0.5, "masked_words", 1, False),
        (0.5, "masked_words", 2, True),
    ]
    assert mlv.rows("SELECT DISTINCT share FROM v_checkpoint WHERE run IS NULL") == [(None,)]
    ((settings,),) = mlv.rows("SELECT DISTINCT settings FROM v_checkpoint WHERE run NOTNULL")
    assert "objective=masked_words" in settings
    assert not {"mask=", "mean_span_length=", "share="} & {word.partition("=")[0] + "=" for word in settings.split()}
    assert mlv.rows("SELECT split, count(*) FROM training_example GROUP BY ALL") == [("train", 12)]
    # the losses are printed by epoch
    assert [line.split()[0] for line in done.out.splitlines() if line.strip()[:1].isdigit()] == ["1.000", "2.000"]
    again = mlv(*TRAIN, *model, "--articles", "6", "--share", "0.5", *SMALL)
    assert again.code == 0
    assert mlv.rows("SELECT count(*) FROM v_run") == [(1,)]
    assert mlv("db", "check").code == 0
    with connect(mlv.store) as connection:
        before = fingerprints(connection)
    assert mlv("db", "rebuild").code == 0
    with connect(mlv.store) as connection:
        assert fingerprints(connection) == before
    refused = mlv("compute", "influence", run)
    assert refused.code == ExitCode.USAGE
    assert "was trained on masked words; what can be traced is" in refused.err


def test_sentences_train_too_and_a_part_develops(mlv: Mlv) -> None:
    done = mlv(*TRAIN, "--model", str(mlv.folder / "encoder"), "--sentences", "30", "--patience", "1", *SMALL)
    assert done.code == 0, done.err
    assert mlv.rows("SELECT split, count(*) FROM training_example GROUP BY ALL ORDER BY ALL") == [
        ("development", 6),
        ("train", 24),
    ]
    assert mlv.rows("SELECT share FROM v_checkpoint WHERE run NOTNULL") == [(None,)] * 2


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--articles", "9"), ExitCode.DATA, "table-news has 8 articles in en; 9 are needed"),
        (("--share", "0.5"), ExitCode.USAGE, "share: of articles"),
        (("--articles", "4", "--patience", "1"), ExitCode.USAGE, "patience watches development sentences"),
        (("--articles", "4", "--share", "1.5"), ExitCode.USAGE, "share"),
        (("--mask", "t5"), ExitCode.USAGE, "mask: of span corruption"),
        (("--lora", "4"), ExitCode.USAGE, "lora: of span corruption"),
        (("--articles", "4", "--parallel-with", "de"), ExitCode.USAGE, "parallel_with: of sentences"),
    ],
)
def test_what_does_not_go_together_is_refused(mlv: Mlv, options: tuple[str, ...], code: ExitCode, said: str) -> None:
    done = mlv(*TRAIN, "--model", str(mlv.folder / "encoder"), *options)
    assert (done.code, said in done.err) == (code, True), done.err
    assert mlv.rows("SELECT count(*) FROM run") == [(0,)]


@pytest.mark.parametrize("option", [("--articles", "4"), ("--freeze", "embeddings")])
def test_span_corruption_has_none_of_it(mlv: Mlv, option: tuple[str, str]) -> None:
    words = (
        "compute",
        "finetune",
        "--source",
        "table-news",
        "--language",
        "en",
        "--model",
        str(mlv.folder / "encoder"),
    )
    done = mlv(*words, *option)
    assert done.code == ExitCode.USAGE
    assert "of masked words" in done.err
