"""TRAK by its authors' library, traker, on an encoder-decoder: what ours is compared with.

The library has no task with target sequences, so that the output function is given here: an example's weighted sum of
log-probabilities, of which ours takes the gradient too. Its gradients are made by vmap, in which the masks that
transformers makes of two-dimensional ones fail; a mask that is ready for use passes.
"""

import contextlib
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from trak import TRAKer
from trak.modelout_functions import AbstractModelOutput

from mlv.compute.training.objective import WeightedInput


class SummedLogProbability(AbstractModelOutput):  # type: ignore[misc]
    """The sum over an example's target tokens of their log-probabilities times their factors."""

    def __init__(self) -> None:
        pass

    @staticmethod
    def get_output(model: Any, weights: Any, buffers: Any, *example: Tensor) -> Tensor:
        """Of one example: tokens [inputs], mask [1, 1, inputs], fed, labels and factors [targets]."""
        inputs, mask, fed, labels, factors = example
        arguments = {"input_ids": inputs[None], "attention_mask": mask[None], "decoder_input_ids": fed[None]}
        said = torch.func.functional_call(model, (weights, buffers), (), arguments | {"use_cache": False})
        logprobs = said.logits[0].log_softmax(-1).gather(1, labels[:, None])[:, 0]
        weighted: Tensor = (logprobs * factors).sum()
        return weighted

    def get_out_to_loss_grad(self, _model: Any, _weights: Any, _buffers: Any, batch: Sequence[Tensor]) -> Tensor:
        """TRAK's Q, which is left out: 1 for every example, [examples, 1]."""
        return torch.ones(len(batch[0]), 1)


def batch(rows: Sequence[WeightedInput], start: int) -> tuple[Tensor, ...]:
    """What :meth:`SummedLogProbability.get_output` takes, for all rows; ``start`` is the decoder's start token."""
    inputs, labels = (
        pad_sequence([torch.as_tensor(tokens) for tokens in side], batch_first=True)
        for side in ([row.inputs for row in rows], [row.decoder for row in rows])
    )
    mask = torch.zeros(len(rows), 1, 1, inputs.shape[1])
    factors = torch.zeros(labels.shape)
    for number, row in enumerate(rows):
        mask[number, ..., len(row.inputs) :] = torch.finfo(mask.dtype).min
        factors[number, len(row.decoder) - row.scored : len(row.decoder)] = row.weight
    fed = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], 1)
    return inputs, mask, fed, labels, factors


class Reference:
    """TRAK scores of examples for targets, with a dense Gaussian projection in 32 bits on the CPU."""

    def __init__(self, model: Any, parameters: Sequence[str], dimensions: int, folder: Path) -> None:
        self._model, self._parameters, self._dimensions, self._folder = model, parameters, dimensions, folder

    def featurise(self, rows: Sequence[WeightedInput], seed: int) -> float:
        """Take and project the gradients of ``rows``, all in one batch; return the seconds it took."""
        self._trak = TRAKer(
            self._model,
            SummedLogProbability(),
            len(rows),
            save_dir=str(self._folder / str(seed)),
            device="cpu",
            logging_level="ERROR",
            proj_dim=self._dimensions,
            use_half_precision=False,
            projector_seed=seed,
            grad_wrt=self._parameters,
        )
        self._trak.load_checkpoint(self._model.state_dict(), model_id=0)
        examples = batch(rows, self._model.config.decoder_start_token_id)
        began = time.perf_counter()
        self._trak.featurize(examples, num_samples=len(rows))
        return time.perf_counter() - began

    def scores(self, targets: Sequence[WeightedInput], damping: float) -> Tensor:
        """Scores of the featurised examples, [targets, examples]; lambda in units of their mean squared norm."""
        features = torch.from_numpy(self._trak.saver.current_store["grads"][:])
        self._trak.score_computer.lambda_reg = damping * float(features.square().sum(1).mean())
        # it draws bars whoever watches
        with contextlib.redirect_stderr(io.StringIO()):
            self._trak.finalize_features()
            self._trak.start_scoring_checkpoint("bench", self._model.state_dict(), 0, len(targets))
            self._trak.score(batch(targets, self._model.config.decoder_start_token_id), num_samples=len(targets))
            return torch.from_numpy(self._trak.finalize_scores("bench")[:]).T

    def squared_norms(self, rows: Sequence[WeightedInput]) -> Tensor:
        """Squared norms of the gradients before they are projected, [rows]."""
        examples = batch(rows, self._model.config.decoder_start_token_id)
        gradients = self._trak.gradient_computer.compute_per_sample_grad(examples)
        return sum((part.flatten(1).square().sum(1) for part in gradients.values()), torch.zeros(len(rows)))
