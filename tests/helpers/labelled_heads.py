"""A classifier made by hand, each of whose languages is told apart by one attention head alone.

Its attention is uniform, its feed-forward parts are nothing. A head of the first layer carries what the German words
say to the beginning of the text, one of the second layer what the English words do; the other heads carry nothing.
"""

from pathlib import Path
from typing import Any, Final

from tiny_encoder import tiny_tokenizer

CARRIERS: Final = {"de": (0, 1), "en": (1, 2)}
"""Layer and head that carry a language's labels, both from 0."""

SHAPE: Final = (2, 4)
WIDTH: Final = 32
_WORDS: Final = {"de": ("gut", "schlecht"), "en": ("good", "bad")}


def save_classifier(folder: Path) -> Path:
    """Write the classifier to ``folder``; return it."""
    import torch
    import transformers

    tokenizer = tiny_tokenizer()
    config = transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=SHAPE[0],
        num_attention_heads=SHAPE[1],
        intermediate_size=16,
        max_position_embeddings=40,
        type_vocab_size=1,
        id2label={0: "negative", 1: "positive"},
    )
    model: Any = transformers.XLMRobertaForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1 if name.endswith("LayerNorm.weight") else 0)
        words = model.roberta.embeddings.word_embeddings.weight
        # what is added anywhere is taken away elsewhere: averages stay zero, and norms pass nothing between places
        words[:, 16:] = torch.tensor([1.0, -1.0]).repeat(8)
        for place, (language, (layer, head)) in enumerate(CARRIERS.items()):
            for word, sign in zip(_WORDS[language], (3.0, -3.0), strict=True):
                words[tokenizer.convert_tokens_to_ids(word), [place, 8 + place]] = torch.tensor([sign, -sign])
            attention = model.roberta.encoder.layer[layer].attention
            column = head * WIDTH // SHAPE[1]
            attention.self.value.weight[column, place] = 1
            attention.output.dense.weight[[4 + place, 12 + place], column] = torch.tensor([1.0, -1.0])
            model.classifier.dense.weight[place, 4 + place] = 1
            model.classifier.out_proj.weight[:, place] = torch.tensor([-1.0, 1.0])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
