"""Figures of the study that take more than the columns of their query."""

from itertools import combinations

import polars as pl
import pytest
from matplotlib.figure import Figure

from mlv.queries.figures.style import PAGE_WIDTH
from mlv.queries.stereotypes.figures import emotion_similarity, recall_at_k
from mlv.queries.stereotypes.setups import MODELS


def _titles(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts if text.get_gid() == "title"]


def test_the_nine_models_of_the_paper_fit_on_a_page() -> None:
    """Their names are broken, and without their owners."""
    rows = [(f"owner/{a}", f"owner/{b}", "all", 0.2) for a, b in combinations(MODELS.values(), 2)]
    columns = ["checkpoint_a", "checkpoint_b", "category", "rho"]
    figure = emotion_similarity(pl.DataFrame(rows, schema=columns, orient="row"))
    assert figure.get_size_inches()[0] <= PAGE_WIDTH
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "bert-large-\nuncased"
    assert [label.replace("\n", "") for label in labels] == list(MODELS.values())[1:]


def test_names_of_epochs_are_whole() -> None:
    columns = {"checkpoint_a": "alpha", "checkpoint_b": "finetune-0123456789ab/epoch-1", "category": "all", "rho": 0.2}
    (label,) = emotion_similarity(pl.DataFrame([columns])).axes[0].get_yticklabels()
    assert label.get_text() == "finetune-\n0123456789ab/\nepoch-1"


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_recall_is_drawn_in_the_order_of_its_rows(share: float) -> None:
    states = [("alpha", None, None, None, 0), ("alpha", "wire", share, 2, 1), ("alpha", "wire", share, 1, 1)]
    rows = [
        (*state, f"checkpoint-{place}", category, k, 10.0)
        for place, state in enumerate(states)
        for category in ("race", "age", "mean")
        for k in (1, 5)
    ]
    columns = ["model", "source", "share", "seed", "epoch", "checkpoint", "category", "k", "recall"]
    figure = recall_at_k(pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None))
    shares = f"wire, {share:.0%} of the articles"
    assert [title.replace("\n", " ") for title in _titles(figure)] == [
        "epoch 0",
        f"{shares}, seed 2, epoch 1",
        f"{shares}, seed 1, epoch 1",
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["age", "race"]
