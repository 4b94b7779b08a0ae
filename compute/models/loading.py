"""Loading models with their tokenizers, by family.

The official mT5 and T5 1.1 checkpoints carry an output matrix (``lm_head``) apart from the input embedding and say so
with ``tie_word_embeddings: false``, which transformers 5 overrides; :func:`load` keeps both matrices apart and the
logits unscaled, also after saving and loading again. No code that comes with a model is ever run.

A LoRA adapter beside the weights is merged into them: what is loaded is a model like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlv.compute.machine import runtime
from mlv.compute.models import adapters
from mlv.compute.models.families import Family, sentinel_ids
from mlv.compute.models.folder import VOCABULARIES, check_tokenizer, has_adapter, quote, read_json, without_adapter
from mlv.compute.models.interfaces import Model, Tokenizer
from mlv.schema.errors import DataError
from mlv.schema.jobs.spec import Precision

if TYPE_CHECKING:
    import torch

REPLACE: Final = "Fetch or train the model again."
"""What to do about weights that cannot be used."""

LAYER_COUNTS: Final = ("num_layers", "num_decoder_layers", "num_hidden_layers", "n_layer")
"""What configurations call their numbers of layers."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode with its tokenizer."""

    model: Model
    tokenizer: Tokenizer
    device: str
    adapter: str = ""
    """The adapter that was merged into the weights, e.g. ``LoRA alpha=8 rank=4 targets=q,v``."""

    drawn: tuple[str, ...] = ()
    """Parameters that its files lack and that are new: those of a classifier."""

    @cached_property
    def sentinels(self) -> tuple[int, ...]:
        """Ids of the sentinels, ``<extra_id_0>`` first. Raises DataError if the tokenizer has none."""
        return sentinel_ids(self.tokenizer)

    def describe(self) -> dict[str, str | int]:
        """Architecture, parameters (shared ones once), vocabulary (rows of the embedding), and the adapter if any."""
        return {
            "architecture": self.model.config.model_type,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "vocabulary": self.model.config.vocab_size,
            **({"adapter": self.adapter} if self.adapter else {}),
        }


def check_architecture(folder: Path, family: Family) -> dict[str, Any]:
    """The raw configuration of a model of ``family``. Raises DataError if it is another model's or not JSON."""
    raw = read_json(folder / "config.json")
    model_type = raw.get("model_type", "unnamed")
    if model_type not in family.architectures:
        raise DataError(
            f"{folder} holds a model of type {model_type}, which is not {family.description} "
            f"({', '.join(family.architectures)})",
            family.hint,
        )
    return raw


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of the model in ``folder``. Raises DataError if it has none."""
    import transformers

    check_tokenizer(folder)
    hint = f"A model folder holds {' or '.join(VOCABULARIES[:2])} beside the weights, or what its own tokenizer reads."
    try:
        tokenizer: Tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    # the readers of its formats share no narrower base
    except Exception as error:
        raise DataError(f"The tokenizer in {folder} cannot be loaded: {quote(error)}", hint) from error
    read = tokenizer.vocab_files_names.values()
    # without any of these transformers makes an empty one up
    if read and not any((folder / name).exists() for name in (*read, "tokenizer.json")):
        raise DataError(f"The tokenizer of the model in {folder} reads {' and '.join(read)}, not there.", hint)
    return tokenizer


def load(folder: Path, family: Family, precision: Precision = "fp32", device: str = "cpu") -> LoadedModel:
    """Load a model of ``family`` with its tokenizer, in evaluation mode.

    Raises DataError if the folder holds another architecture, damaged or incomplete weights, an adapter that does not
    fit them, or a tokenizer that lacks the special tokens of the family or does not belong to the model;
    ModuleNotFoundError if there is an adapter and PEFT is not installed.
    """
    loaded, missing = read(folder, family, precision, device)
    if missing:
        raise lacking(folder, missing)
    return loaded


def lacking(folder: Path, parameters: Sequence[str]) -> DataError:
    """The error for weights that lack parameters."""
    return DataError(f"The weights in {folder} lack {', '.join(parameters)}", REPLACE)


def read(
    folder: Path, family: Family, precision: Precision = "fp32", device: str = "cpu", **settings: object
) -> tuple[LoadedModel, list[str]]:
    """A model as :func:`load` has it, and the parameters that its files lack; ``settings`` are put in place of its
    configuration's. Raises as that does but for what is lacking."""
    import torch

    raw = check_architecture(folder, family)
    tokenizer = load_tokenizer(folder)
    special = family.special_tokens(tokenizer)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model, missing = _load_weights(folder, family, raw, dtype, settings)
    if family.output_matrix and raw.get("tie_word_embeddings") is False:
        mark_untied(model, folder)
    adapter = adapters.merge(model, folder) if has_adapter(folder) else ""
    if max(special, default=-1) >= model.config.vocab_size:
        raise DataError(
            f"The tokenizer in {folder} has special tokens beyond the model's {model.config.vocab_size:,} entries.",
            "Take the tokenizer that belongs to the model: tokenizer_config.json and spiece.model or tokenizer.json.",
        )
    runtime.fit_threads(model.config.hidden_size)
    return LoadedModel(model.to(device).eval(), tokenizer, device, adapter), missing


def _load_weights(
    folder: Path, family: Family, raw: dict[str, Any], dtype: "torch.dtype", settings: Mapping[str, object]
) -> tuple[Model, list[str]]:
    """The model, and names of the parameters that its files lack: transformers makes these up."""
    import transformers

    with without_adapter(folder) as bare:
        try:
            _check_layers(folder, raw)
            model: Model
            model, report = getattr(transformers, family.auto_class).from_pretrained(
                bare,
                dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
                use_safetensors=True,
                trust_remote_code=False,
                **settings,
            )
        except MemoryError:
            raise
        # a configuration of other types than it should have fails anywhere in transformers or torch
        except Exception as error:
            reason = quote(error).replace(str(bare), str(folder))
            raise DataError(f"The weights in {folder} cannot be loaded: {reason}", REPLACE) from error
    return model, sorted(report["missing_keys"])


def _check_layers(folder: Path, raw: dict[str, Any]) -> None:
    """Raise ValueError if the configuration ``raw`` has more layers than the weights have tensors.

    transformers would make them all before it reads any weights. Reads only headers.
    """
    import safetensors

    tensors = 0
    for path in folder.glob("model*.safetensors"):
        with safetensors.safe_open(path, "np") as weights:
            tensors += len(weights.keys())
    for name in LAYER_COUNTS:
        if isinstance(raw.get(name), int) and raw[name] > tensors:
            raise ValueError(f"config.json has {name} {raw[name]}, and the weights have only {tensors} tensors")


def mark_untied(model: Model, folder: Path) -> None:
    """Record in the model's configuration that its output matrix is its own, so that saving keeps it so.

    Raises DataError if loading has tied it to the input embedding all the same.
    """
    if model.get_output_embeddings().weight is model.get_input_embeddings().weight:
        raise DataError(
            f"The model in {folder} has its own output matrix, but it was tied to the embedding while loading",
            "Its lm_head is missing from the weights, or this version of transformers ties it: upgrade transformers.",
        )
    model.config.tie_word_embeddings = False
