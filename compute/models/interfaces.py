"""What mlv uses of the models, tokenizers and configurations of transformers, which come without types.

A class of transformers is one of these by having what is listed; nothing inherits from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle


class Vocabulary(Protocol):
    """What can be looked up without reading text."""

    def get_vocab(self) -> dict[str, int]:
        """Ids of all tokens by name."""


class Tokenizer(Vocabulary, Protocol):
    """A tokenizer."""

    bos_token_id: int
    eos_token_id: int
    pad_token_id: int
    mask_token_id: int | None
    cls_token_id: int
    sep_token_id: int
    all_special_ids: list[int]
    is_fast: bool
    """Whether it knows where its tokens stand in a text."""

    vocab_files_names: Mapping[str, str]
    """Files that tokenizers of its class read, by what they are; empty of one that reads bytes."""

    def __len__(self) -> int:
        """Entries of the vocabulary, added ones included."""

    def __call__(
        self,
        text: Sequence[str],
        text_pair: Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: Literal["longest_first"] | bool = False,
        max_length: int | None = None,
        verbose: bool = True,
        return_offsets_mapping: bool = False,
    ) -> Mapping[str, Any]:
        """``input_ids`` of every text or pair, and ``token_type_ids`` for a model that is told texts apart by them;
        asked for them ``offset_mapping``, where each token begins and ends in its text, in characters."""

    chat_template: str | Mapping[str, str] | None
    """How a conversation is put; None if the model was not made for any."""

    def apply_chat_template(
        self, conversation: Sequence[Mapping[str, str]], *, tokenize: Literal[False], **settings: object
    ) -> str:
        """A conversation as the text that the model is given; ``settings`` are known to the template by their names."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        """The text of tokens."""

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Names of tokens."""

    def save_pretrained(self, folder: Path) -> object:
        """Write its files into a folder."""


class ModelConfig(Protocol):
    """A model's configuration."""

    model_type: str
    vocab_size: int
    hidden_size: int
    """Width of the layers; of a T5 it is called ``d_model``, and known by this name, too."""

    num_hidden_layers: int
    num_attention_heads: int
    """Of an encoder: attention heads of a layer."""

    is_encoder_decoder: bool
    tie_word_embeddings: bool

    eos_token_id: int | list[int] | None
    """What ends a text."""

    pad_token_id: int

    max_position_embeddings: int
    """Most tokens of a text; decoders without such a limit lack it."""

    decoder_start_token_id: int
    """Of an encoder-decoder alone."""

    num_labels: int
    """Classes of a classifier."""

    finetuning_task: str
    """Of a classifier alone: what it tells apart."""

    initializer_range: float
    """Standard deviation of new weights of an encoder."""


class CacheLayer(Protocol):
    """Keys and values of one layer."""


class Cache(Protocol):
    """Keys and values of what a decoder has read."""

    layers: list[CacheLayer]

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows, in this order; one may come several times."""


class GenerationConfig(Protocol):
    """How a model generates text by default."""

    eos_token_id: int | list[int] | None


class ModelOutput(Protocol):
    """What a forward pass returns."""

    logits: Tensor
    """[batch, tokens, vocabulary], of a classifier [batch, classes]."""

    past_key_values: Cache
    """Of a decoder alone."""

    last_hidden_state: Tensor
    """Of an encoder alone, [batch, tokens, width]."""


class Model(Protocol):
    """A model with its head."""

    config: ModelConfig
    generation_config: GenerationConfig
    """Of what generates text alone."""

    training: bool

    @property
    def base_model(self) -> nn.Module:
        """The model without its head."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""

    def __call__(self, **inputs: object) -> ModelOutput:
        """A forward pass."""

    def forward(self, **inputs: object) -> ModelOutput:
        """The same; its parameters tell which inputs the architecture knows."""

    def get_encoder(self) -> Callable[..., ModelOutput]:
        """The encoder of an encoder-decoder."""

    def register_forward_pre_hook(
        self,
        hook: Callable[[object, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]],
        *,
        with_kwargs: Literal[True],
    ) -> RemovableHandle:
        """Have what the model is given put in order by a hook."""

    def get_input_embeddings(self) -> nn.Embedding:
        """The input embedding, [vocabulary, width]."""

    def get_output_embeddings(self) -> nn.Linear:
        """The output matrix, [vocabulary, width]; a classifier has none."""

    def get_submodule(self, target: str) -> nn.Module:
        """The module of a name."""

    def modules(self) -> Iterator[nn.Module]:
        """All modules, shared ones once."""

    def named_modules(self, *, remove_duplicate: bool = True) -> Iterator[tuple[str, nn.Module]]:
        """All modules by name."""

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """What a decoder is given so that it says ``labels``: these, shifted; only of encoder-decoders."""

    def named_parameters(self, *, remove_duplicate: bool = True) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters by name, shared ones once unless duplicates are kept: then by each of their names."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters, shared ones once."""

    def state_dict(self) -> dict[str, Tensor]:
        """All tensors by name."""

    def eval(self) -> Self:
        """Switch to evaluation: no dropout."""

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Whether weights get gradients."""

    def to(self, device: str) -> Self:
        """Move to a device."""

    def save_pretrained(self, folder: Path) -> object:
        """Write configuration and weights into a folder."""
