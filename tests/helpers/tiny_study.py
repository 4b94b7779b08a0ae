"""A study that real workers run within seconds: a store with the demo's data and a model pretrained for a moment."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from command_line import Mlv
from tiny_model import smaller_presets

DEMO = Path(str(files("mlv.ingest") / "demo"))
STUDY = """
[defaults.probe]
languages = ["fa", "ko"]
[[job]]
name = "pretrained"
kind = "probe"
model = "nano"
[[job]]
name = "trained"
kind = "finetune"
model = "@pretrained"
source = "lines"
languages = [["fa"], ["ko"]]
sentences = 20
epochs = 2
learning_rate = 1e-3
[[job]]
name = "probed"
kind = "probe"
model = "@trained"
[[job]]
kind = "influence"
run = "@probed"
top_k = 3
"""
"""7 cells: the model is asked; a Farsi and a Korean run are trained, asked and traced."""


def demo_store(folder: Path) -> Mlv:
    """Make a store in a folder, with the demo's probes and two of its corpora."""
    mlv = Mlv(folder)
    mlv("db", "upgrade")
    mlv("ingest", "probes", str(DEMO / "probes"), "--collection", "demo", "--citation", "own")
    for language in ("fa", "ko"):
        text = str(DEMO / "corpus" / f"{language}.txt")
        mlv("ingest", "corpus", text, "--source", "lines", "--language", language)
    return mlv


def ingest_survey(mlv: Mlv) -> None:
    """Add the demo's survey to a store."""
    mlv("ingest", "survey", str(DEMO / "survey.csv"), "--name", "illustrative", "--illustrative")


def pretrain_nano(mlv: Mlv) -> None:
    """Pretrain a model for a moment."""
    settings = ("--steps", "4", "--batch-size", "8", "--vocabulary", "900", "--threads", "1", "--device", "cpu")
    with smaller_presets():
        assert mlv("compute", "pretrain", "--name", "nano", *settings).code == 0


def make_study(folder: Path) -> Mlv:
    """Make the store in a folder, and ``study.toml`` beside it."""
    mlv = demo_store(folder)
    pretrain_nano(mlv)
    (folder / "study.toml").write_text(STUDY)
    return mlv


def found(mlv: Mlv) -> dict[str, list[tuple[Any, ...]]]:
    """All that the runs of a store found, by natural keys."""
    return {
        "runs": mlv.rows("SELECT run, spec FROM v_run ORDER BY ALL"),
        "checkpoints": mlv.rows("SELECT run, epoch, digest FROM v_checkpoint ORDER BY ALL"),
        "metrics": mlv.rows(
            "SELECT run, name, epoch, step, value FROM metric JOIN v_run USING (run_id) WHERE name LIKE '%loss' "
            "ORDER BY ALL"
        ),
        "logits": mlv.rows(
            "SELECT run, epoch, language, question, answer, logit_sum, logprob_sum, logprob_first "
            "FROM v_logit JOIN v_checkpoint USING (checkpoint_id) ORDER BY ALL"
        ),
        "influence": mlv.rows(
            "SELECT run, language, question, direction, rank, score, train_language, parallel_key "
            "FROM v_influence ORDER BY ALL"
        ),
    }
