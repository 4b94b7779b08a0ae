"""Fine-tuning on masked words: sentences and articles in blocks, a head of its own, and resumption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from resuming import BreaksAfter, BrokenOffError, assert_same_run
from tiny_encoder import save_encoder, tiny_tokenizer
from tiny_model import save_random
from workers import run_job, spec_of

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files, loading
from mlv.compute.models.families import MASKED
from mlv.compute.training.course import epoch_order
from mlv.compute.training.objective import IGNORED, read_splits
from mlv.compute.training.objectives import objective_of, traceable
from mlv.compute.training.words import Words, blocks
from mlv.schema.errors import DataError, JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.spec import ModelRef

OPTIONS = ExecuteOptions(device="cpu", threads=1)
Plan = Callable[..., JobDirectory]
DEFAULTS = {"objective": "masked_words", "epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "max_tokens": 12}


def planned(folder: Path, model: Path, articles: int | None = None, **settings: Any) -> JobDirectory:
    """Sentences of 3 to 9 of the encoder's words, four to an article; every seventh is for development, of articles
    none is."""
    reference = ModelRef(name=model.name, digest=files.digest(model), path=str(model))
    spec = FinetuneSpec(
        model=reference,
        source="made-up",
        languages=("en",),
        sentences=40,
        articles=articles,
        corpora=(),
        inputs_digest="0",
        **{**DEFAULTS, **settings},
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    random = np.random.default_rng(4)
    rows = [
        {
            "position": n,
            "split": "development" if articles is None and n % 7 == 6 else "train",
            "source": "made-up",
            "language": "en",
            "edition": "a",
            "segment_position": n,
            "parallel_key": f"text{n // 4}:{n % 4}",
            "text": " ".join(f"w{word}" for word in random.integers(0, 12, 3 + n % 7)),
        }
        for n in range(40)
    ]
    pl.DataFrame(rows).write_parquet(job.inputs / "examples.parquet")
    return job


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


def test_articles_are_joined_with_an_end_after_each_and_cut() -> None:
    sentences = [[1, 2, 3], [4], [5, 6], [], [7, 8, 9, 10]]
    found = blocks(sentences, [0, 0, 1, 1, 2], 99, 4)
    assert [block.tolist() for block in found] == [[1, 2, 3, 4], [99, 5, 6, 99], [7, 8, 9, 10], [99]]
    assert blocks([], [], 99, 4) == []


def test_of_articles_every_token_is_in_a_block_and_of_sentences_what_fits(encoder: Path, tmp_path: Path) -> None:
    tokenizer = loading.load_tokenizer(encoder)
    whole, single = planned(tmp_path / "whole", encoder, articles=10), planned(tmp_path / "single", encoder)
    texts = pl.read_parquet(whole.inputs / "examples.parquet")["text"].to_list()
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    of_articles = read_splits(whole, objective_of(spec_of(whole, FinetuneSpec)), tokenizer)
    joined = [token for n, row in enumerate(ids) for token in [*row, *([tokenizer.sep_token_id] * (n % 4 == 3))]]
    assert np.concatenate(of_articles["train"].items).tolist() == joined
    assert {len(block) for block in of_articles["train"].items[:-1]} == {10}
    assert of_articles["train"].positions == list(range(len(of_articles["train"].items)))
    assert of_articles["development"].items == []
    splits = read_splits(single, objective_of(spec_of(single, FinetuneSpec)), tokenizer)
    assert len(splits["development"].items) == 5
    assert [row.tolist() for row in splits["train"].items[:3]] == ids[:3]


def test_what_is_fed_hangs_on_seed_epoch_and_place_alone(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, articles=10)
    tokenizer = loading.load_tokenizer(encoder)
    objective = objective_of(spec_of(job, FinetuneSpec))
    examples = read_splits(job, objective, tokenizer)["train"]
    fed = objective.dataset(examples, tokenizer, "train")
    first = [fed[place] for place in epoch_order(1, 1, len(fed))]
    again = objective.dataset(examples.kept(np.arange(len(fed)) == 3), tokenizer, "train")
    np.testing.assert_array_equal(again[0].inputs, fed[3].inputs)
    fed.epoch = 2
    assert any(
        (fed[place].inputs != row.inputs).any() for place, row in zip(epoch_order(1, 1, len(fed)), first, strict=True)
    )
    for row in first:
        assert row.inputs[0] == tokenizer.cls_token_id
        assert row.inputs[-1] == tokenizer.sep_token_id
        assert len(row.inputs) == len(row.targets) <= 12
        assert (row.targets != IGNORED).sum() >= 1


def test_training_lowers_the_loss_and_leaves_a_masked_model(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, epochs=6, learning_rate=3e-3)
    run_job(job, OPTIONS)
    losses = pl.read_parquet(job.outputs / "metrics.parquet").filter(name="eval_loss").sort("epoch")["value"].to_list()
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.2
    model = transformers.AutoModelForMaskedLM.from_pretrained(job.checkpoints / "epoch-6").eval()
    # the loss that was logged last is that of the checkpoint on the development examples
    loaded = loading.load(job.checkpoints / "epoch-6", MASKED)
    objective = objective_of(spec_of(job, FinetuneSpec))
    development = read_splits(job, objective, loaded.tokenizer)["development"]
    fed = objective.dataset(development, loaded.tokenizer, "development")
    batch = objective.collate(loaded)([fed[place] for place in range(len(fed))])
    with torch.inference_mode():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    by_batch = [
        torch.nn.functional.cross_entropy(logits[rows].flatten(0, 1), batch["labels"][rows].flatten()).item()
        for rows in (slice(0, 4), slice(4, 5))
    ]
    asked = (batch["labels"] != IGNORED).sum(dim=1)
    expected = np.average(by_batch, weights=[int(asked[:4].sum()), int(asked[4:].sum())])
    plain = np.average(by_batch, weights=[4, 1])
    assert min(abs(losses[-1] - expected), abs(losses[-1] - plain)) < 1e-3


@pytest.mark.parametrize("articles", [None, 10])
def test_a_broken_off_job_ends_with_the_weights_of_an_unbroken_one(
    encoder: Path, tmp_path: Path, articles: int | None
) -> None:
    whole, broken = (planned(tmp_path / name, encoder, articles) for name in ("whole", "broken"))
    run_job(whole, OPTIONS)
    with pytest.raises(BrokenOffError):
        run_job(broken, OPTIONS, BreaksAfter(9))
    run_job(broken, OPTIONS)
    assert_same_run(broken, whole, epochs=2)


def test_an_encoder_without_a_head_gets_one_by_the_seed(tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder")
    transformers.XLMRobertaModel.from_pretrained(encoder, add_pooling_layer=False).save_pretrained(encoder)
    heads: list[np.ndarray] = []
    for seed in (1, 1, 2):
        objective = Words(spec_of(planned(tmp_path / f"jobs{len(heads)}", encoder, seed=seed), FinetuneSpec))
        loaded = objective.load(encoder, "cpu")
        objective.begin(loaded)
        state = loaded.model.state_dict()
        assert (state["lm_head.layer_norm.weight"] == 1).all()
        assert (state["lm_head.bias"] == 0).all()
        assert loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight
        heads.append(state["lm_head.dense.weight"].numpy().copy())
    np.testing.assert_array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])
    # 1,024 draws of a normal distribution
    assert abs(heads[0].std() - 0.02) < 0.002


def test_embeddings_that_are_frozen_stay_as_they_are(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, epochs=1, freeze=("embeddings",))
    run_job(job, OPTIONS)
    before, after = (loading.load(path, MASKED).model.state_dict() for path in (encoder, job.checkpoints / "epoch-1"))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert not [name for name in moved if ".embeddings." in name]
    assert any(".encoder." in name for name in moved)


@pytest.mark.parametrize("architecture", MASKED.architectures)
def test_every_masked_architecture_trains(architecture: str, tmp_path: Path) -> None:
    save_random(tmp_path / "model", MASKED, architecture)
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    job = planned(tmp_path / "jobs", tmp_path / "model", epochs=1)
    run_job(job, OPTIONS)
    before, after = (
        loading.load(path, MASKED).model.state_dict() for path in (tmp_path / "model", job.checkpoints / "epoch-1")
    )
    assert before.keys() == after.keys()
    assert not all(torch.equal(value, after[name]) for name, value in before.items())


def test_another_family_is_refused(finetune_job: Plan, options: ExecuteOptions, tmp_path: Path) -> None:
    job = finetune_job(tmp_path, objective="masked_words")
    with pytest.raises(DataError, match="which is not a model that predicts masked words"):
        run_job(job, options)


def test_such_trainings_are_not_traced(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="A training by masked_words cannot be traced"):
        traceable(spec_of(planned(tmp_path, encoder), FinetuneSpec))


@pytest.mark.parametrize(
    "wrong", [{"mask": "t5"}, {"mean_span_length": 3.0}, {"share": 0.5}, {"objective": "span_corruption", "mask": None}]
)
def test_settings_of_another_objective_are_no_specification(
    encoder: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"span corruption|share"):
        planned(tmp_path, encoder, **wrong)
