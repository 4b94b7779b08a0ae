"""EK-FAC (Grosse et al. 2023) by kronfluence on a finished validation job: does it predict the same retrained models?

``python bench/ekfac.py jobs/validate-...`` prints linear datamodeling scores of the default attribution and of
EK-FAC, with intervals from the job's own resamples. kronfluence is installed by hand, since it asks for torchvision,
which it does not need: ``pip install --no-deps kronfluence einconv opt-einsum einops``.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from kronfluence.utils.dataset import DataLoaderKwargs
from torch import Tensor, nn

from mlv.compute.attribution.weights import epoch_weights
from mlv.compute.jobs.influence import score_matrix
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.tensors import pad
from mlv.compute.training.objective import WeightedInput, read_splits
from mlv.compute.training.retraining import logprobs_of
from mlv.compute.validation import lds
from mlv.compute.validation.study import Study, read_study
from mlv.schema.jobs.attribution import Attribution, Gradients, attribution_name
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.validate import ValidateSpec

ROWS_AT_ONCE: Final = 32

Batch = dict[str, Tensor]


class Spans(Task):  # type: ignore[misc]
    """The summed log-probability of the decoder's scored tokens, times a factor for each row."""

    def compute_train_loss(self, batch: Batch, model: nn.Module, sample: bool = False) -> Tensor:
        """The loss, of labels that the model draws itself where a Fisher matrix is estimated."""
        logprobs = _logprobs(model, batch)
        labels = batch["labels"]
        if sample:
            with torch.no_grad():
                labels = torch.multinomial(logprobs.detach().exp().flatten(0, 1), 1).reshape(labels.shape)
        return -_summed(logprobs, labels, batch)

    def compute_measurement(self, batch: Batch, model: nn.Module) -> Tensor:
        """What is traced, as a loss: a positive score then supports it."""
        return -_summed(_logprobs(model, batch), batch["labels"], batch)

    def get_attention_mask(self, batch: Batch) -> dict[str, Tensor]:
        """Which tokens each linear layer sees."""
        return _Masks(batch)


class _Masks(dict[str, Tensor]):
    """The encoder's tokens for the encoder and what the decoder takes of it, the decoder's for all else."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self._sides = batch["attention"], batch["given"]

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> Tensor:
        of_encoder = name.startswith("encoder.") or name.endswith(("EncDecAttention.k", "EncDecAttention.v"))
        return self._sides[0 if of_encoder else 1]


def _logprobs(model: Any, batch: Batch) -> Tensor:
    """Log-probabilities, [rows, tokens, vocabulary]."""
    start = torch.full_like(batch["labels"][:, :1], model.config.decoder_start_token_id)
    fed = torch.cat([start, batch["labels"][:, :-1]], 1)
    out = model(input_ids=batch["inputs"], attention_mask=batch["attention"], decoder_input_ids=fed, use_cache=False)
    logprobs: Tensor = out.logits.float().log_softmax(-1)
    return logprobs


def _summed(logprobs: Tensor, labels: Tensor, batch: Batch) -> Tensor:
    return (logprobs.gather(2, labels[..., None])[..., 0] * batch["factors"]).sum()


def _collate(rows: Sequence[WeightedInput]) -> Batch:
    inputs, attention = pad([row.inputs for row in rows], device="cpu")
    labels, given = pad([row.decoder for row in rows], device="cpu")
    factors = torch.zeros(labels.shape)
    for place, row in enumerate(rows):
        factors[place, len(row.decoder) - row.scored : len(row.decoder)] = row.weight
    return {"inputs": inputs, "attention": attention, "labels": labels, "given": given, "factors": factors}


def ekfac(job: JobDirectory, spec: ValidateSpec, study: Study, quantity: Quantity) -> FloatArray:
    """Scores of the training examples for the targets, [targets, examples]."""
    folder = files.locate(job, spec.model)
    loaded = loading.load(folder, SPAN, device="cpu")
    weights, objective = epoch_weights(spec.training, Gradients(), spec.training.epochs), study.objective
    splits = read_splits(job, objective, loaded.tokenizer)
    examples = _flat(objective.example_rows(splits["train"], loaded.tokenizer, weights))
    targets = _flat(objective.target_rows(study.targets, loaded.tokenizer, quantity))
    task = Spans()
    model = prepare_model(loaded.model.eval(), task)
    kwargs = DataLoaderKwargs(collate_fn=_collate)
    with tempfile.TemporaryDirectory() as place:
        analyzer = Analyzer("ekfac", model, task, cpu=True, output_dir=place, disable_tqdm=True)
        analyzer.fit_all_factors(
            "factors",
            [row._replace(weight=1.0) for row in examples],
            ROWS_AT_ONCE,
            dataloader_kwargs=kwargs,
            factor_args=FactorArguments(strategy="ekfac"),
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "factors",
            targets,
            examples,
            ROWS_AT_ONCE,
            ROWS_AT_ONCE,
            dataloader_kwargs=kwargs,
            score_args=ScoreArguments(damping_factor=None),
        )
        found = analyzer.load_pairwise_scores("scores")["all_modules"].double().numpy()
    sums = np.zeros((study.targets.height, study.examples.height))
    np.add.at(sums, np.ix_([row.example for row in targets], [row.example for row in examples]), found)
    return sums


def _flat(rows: Sequence[Sequence[WeightedInput]]) -> list[WeightedInput]:
    return [row for some in rows for row in some]


def main() -> None:
    """Print the scores of the job that the command line names."""
    job = JobDirectory(Path(sys.argv[1]).resolve())
    spec = ValidateSpec.model_validate(job.read_json("job.json"))
    study, first = read_study(job, spec), Attribution()
    answers = pl.read_parquet(job.outputs / "retrainings.parquet")
    said = logprobs_of(answers, study.targets.height)
    means = dict(zip(answers["id"].unique(maintain_order=True), said, strict=True))
    checkpoints = (spec.model,) if first.method == "trak" else spec.checkpoints
    scores = {
        quantity: {
            attribution_name(first): score_matrix(
                job, spec, checkpoints, first, quantity, study.targets, ExecuteOptions()
            ),
            "ek-fac": ekfac(job, spec, study, quantity),
        }
        for quantity in spec.quantities
    }
    found = lds.measure(study, scores, lds.plan_subsets(study), means).lds
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200):
        print(found.filter(pl.col("draws") == 1).drop("draws", "null_mean"))


if __name__ == "__main__":
    main()
