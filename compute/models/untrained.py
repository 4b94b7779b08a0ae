"""Models before any training: a small mT5, a small XLM-R with a head for masked words, a small Llama. Random numbers
are torch's global ones."""

from mlv.compute.models.interfaces import Model
from mlv.compute.models.tokenizers import LLAMA, LONGEST_INPUT
from mlv.schema.errors import UsageError
from mlv.schema.jobs.pretrain import PRESETS, Preset


def preset(name: str) -> Preset:
    """The preset called ``name``. Raises UsageError where there is none."""
    if name not in PRESETS:
        raise UsageError(f"Unknown preset {name!r}", f"Choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def new_mt5(chosen: Preset, vocabulary: int) -> Model:
    """An mT5 of a preset's size, with an output matrix of its own."""
    import torch
    import transformers

    config = transformers.MT5Config(
        vocab_size=vocabulary,
        d_model=chosen.width,
        d_ff=chosen.feed_forward,
        d_kv=chosen.head_width,
        num_layers=chosen.layers,
        num_heads=chosen.heads,
    )
    model = transformers.MT5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
    # logits of about unit variance at the start, as in T5's own code; transformers draws with unit variance instead
    torch.nn.init.normal_(model.lm_head.weight, std=chosen.width**-0.5)
    model.config.tie_word_embeddings = False
    model.tie_weights()
    untrained: Model = model
    return untrained


def new_xlm_r(chosen: Preset, vocabulary: int) -> Model:
    """An XLM-R of a preset's size, whose output matrix is its embedding, as in its official configuration."""
    import transformers

    config = transformers.XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=chosen.width,
        intermediate_size=chosen.feed_forward,
        num_hidden_layers=chosen.layers,
        num_attention_heads=chosen.heads,
        # positions are counted from 2, after the id of padding
        max_position_embeddings=LONGEST_INPUT + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    model: Model = transformers.XLMRobertaForMaskedLM(config)
    return model


def new_llama(chosen: Preset, vocabulary: int) -> Model:
    """A Llama of a preset's size, with an output matrix of its own."""
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=chosen.width,
        intermediate_size=chosen.feed_forward,
        num_hidden_layers=chosen.layers,
        num_attention_heads=chosen.heads,
        pad_token_id=LLAMA.first.index("<pad>"),
    )
    model: Model = transformers.LlamaForCausalLM(config)
    return model
