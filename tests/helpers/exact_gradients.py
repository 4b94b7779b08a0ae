"""Gradients by autograd in 64 bits, one example at a time: what ``mlv.compute.attribution`` has to agree with.

The objectives are written as the papers do, ``log p`` and ``log(p / (1 - p))``, not as their gradients.
"""

import copy
from typing import Any

import torch
from torch import Tensor

from mlv.compute.training.objective import WeightedInput

MDEBERTA: Any = {
    "relative_attention": True,
    "position_buckets": 4,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pad_token_id": 0,
}
"""What mDeBERTa v3's configuration says otherwise than its class."""


def tiny_classifier(kind: str, **settings: Any) -> Any:
    """A random XLM-R, BERT or DeBERTa with three classes; dimensions all differ, and dropout is on while it trains."""
    import transformers

    config_class, model_class = {
        "xlmr": (transformers.XLMRobertaConfig, transformers.XLMRobertaForSequenceClassification),
        "bert": (transformers.BertConfig, transformers.BertForSequenceClassification),
        "deberta": (transformers.DebertaV2Config, transformers.DebertaV2ForSequenceClassification),
    }[kind]
    dimensions = {
        "vocab_size": 90,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 34,
        "num_labels": 3,
        "initializer_range": 0.3,
    }
    if kind == "deberta":
        dimensions |= MDEBERTA
    torch.manual_seed(11)
    return model_class(config_class(**dimensions, **settings)).eval()


class Exact:
    """A copy of a model, in 64 bits."""

    def __init__(self, model: Any) -> None:
        self.model = copy.deepcopy(model).double().eval().requires_grad_(True)

    def gradients(self, row: WeightedInput, output: str = "loss") -> dict[str, Tensor]:
        """Gradient of a row's weighted objective, by parameter, as matrices [rows, columns]."""
        self.model.zero_grad()
        logprobs = self._logprobs(row)
        objective = logprobs if output == "loss" else logprobs - torch.log1p(-logprobs.exp())
        torch.autograd.backward(row.weight * objective.sum())
        return {
            name: (torch.zeros_like(tensor) if tensor.grad is None else tensor.grad.clone()).reshape(len(tensor), -1)
            for name, tensor in self.model.named_parameters()
        }

    def logprob(self, row: WeightedInput) -> float:
        """Summed log-probability of what is scored, nats."""
        with torch.no_grad():
            return float(self._logprobs(row).sum())

    def _logprobs(self, row: WeightedInput) -> Tensor:
        """Log-probabilities of what is scored, [scored]."""
        inputs = torch.tensor([list(row.inputs)])
        if not self.model.config.is_encoder_decoder:
            classes: Tensor = self.model(input_ids=inputs).logits.log_softmax(-1)[0]
            return classes[row.scored][None]
        labels = torch.tensor([list(row.decoder)])
        tokens = self.model(input_ids=inputs, labels=labels).logits.log_softmax(-1)[0]
        picked: Tensor = tokens.gather(1, labels[0][:, None])[:, 0]
        return picked[len(row.decoder) - row.scored :]
