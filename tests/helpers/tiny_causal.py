"""Tiny random decoders with a tokenizer of bytes and a few merges, and a chat template."""

from functools import cache
from pathlib import Path
from typing import Any

END, USER, ASSISTANT = "<|end|>", "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{% for message in messages %}<|user|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = "I have no confidence in the press. Agree or disagree? agree, disagree, don't know. Familie ist sehr wichtig."

_SHAPE: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 512,
}
_SHAPES: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 24, "n_layer": 2, "n_head": 4},
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "alibi": True},
    "gemma": {**_SHAPE, "head_dim": 8},
    "gemma2": {**_SHAPE, "head_dim": 8, "sliding_window": 5, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_SHAPE, "head_dim": 8, "sliding_window": 5, "query_pre_attn_scalar": 8},
    "cohere2": {**_SHAPE, "sliding_window": 5},
    "gpt2": {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "mistral": {**_SHAPE, "sliding_window": 5},
    "opt": {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_dim": 40,
        "word_embed_proj_dim": 24,
        "max_position_embeddings": 512,
    },
    "stablelm": {**_SHAPE, "hidden_size": 32},
    "phi": {**_SHAPE, "hidden_size": 32},
    "xglm": {"d_model": 24, "num_layers": 2, "attention_heads": 4, "ffn_dim": 40, "max_position_embeddings": 512},
}


@cache
def causal_tokenizer(*, chat: bool = True) -> Any:
    """Every text has tokens, and the tokens of two texts may merge where they meet."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=[END, USER, ASSISTANT], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([TEXT], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, pad_token=END)
    if chat:
        tokenizer.chat_template = TEMPLATE
    return tokenizer


def save_causal(folder: Path, architecture: str = "llama", *, chat: bool = True, scale: float = 1.0) -> Path:
    """A random decoder; ``scale`` makes its answers more (above 1) or less certain."""
    import torch
    import transformers

    tokenizer = causal_tokenizer(chat=chat)
    config = transformers.AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
        **_SHAPES.get(architecture, _SHAPE),
    )
    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8 * scale)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
