"""A store with labelled texts and a task, and a small classifier that was trained on them and asked others."""

from pathlib import Path

from command_line import Mlv
from tiny_encoder import TASK, labelled_rows, save_encoder, write_table

SPLITS = {"train": 120, "dev": 30, "test": 40}
TRAIN = ("compute", "classify", "--task", "praise", "--language", "de,en,fr", "--device", "cpu", "--threads", "1")
SMALL = ("--learning-rate", "3e-3", "--batch-size", "16")


def labelled_store(folder: Path, heads: int = 2) -> Mlv:
    """Labelled texts, a task, and an encoder beside them with so many attention heads in each of its two layers."""
    mlv = Mlv(folder)
    (folder / "task.toml").write_text(TASK)
    table = write_table(folder / "words.csv", labelled_rows(SPLITS))
    save_encoder(folder / "encoder", heads)
    columns = "key=id,language=lang,split=split,text=text,label=label"
    assert mlv("db", "upgrade").code == 0
    read = ("ingest", "corpus", "--source", "table", "--publication", "words", "--columns", columns)
    assert mlv(*read, str(table)).code == 0
    assert mlv("ingest", "task", str(folder / "task.toml")).code == 0
    return mlv


def train_classifier(mlv: Mlv, *options: str) -> str:
    """Train the encoder, ask it the test split, and return the name of the training."""
    before = set(mlv.rows("SELECT run FROM v_run WHERE kind = 'classify'"))
    done = mlv(*TRAIN, *SMALL, "--model", str(mlv.folder / "encoder"), *options)
    assert done.code == 0, done.err
    (run,) = {*mlv.rows("SELECT run FROM v_run WHERE kind = 'classify'")} - before
    assert mlv("compute", "predict", str(run[0]), "--split", "test").code == 0
    return str(run[0])
