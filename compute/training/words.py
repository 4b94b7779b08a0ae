"""Training on masked words: sentences, or articles in blocks, of which a masked model finds hidden tokens (D6 section
6.6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import polars as pl

from mlv.compute.machine.streams import IntArray
from mlv.compute.models import classifiers, new_heads, word_heads
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.corruption import Corrupted
from mlv.compute.training.masking import word_masking
from mlv.compute.training.objective import Examples, cut
from mlv.compute.training.spans import DEVELOPMENT_EPOCH, CorruptedExamples, Spans, collate
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.training import IN_ARTICLE

if TYPE_CHECKING:
    from torch import Tensor

AROUND: Final = 2
"""Special tokens around an example."""

ARTICLE: Final = (
    pl.when(pl.col("parallel_key").str.starts_with(pl.col("edition") + ":"))
    .then("parallel_key")
    .otherwise(pl.col("parallel_key").str.replace(IN_ARTICLE, ""))
    .alias("article")
)
"""The article that a sentence is of; the key of a labelled text has its edition before the colon."""


@dataclass(frozen=True)
class Words:
    """The objective of a training on masked words."""

    spec: FinetuneSpec

    best: ClassVar = Spans.best
    columns: ClassVar = Spans.columns
    texts: ClassVar = Spans.texts

    def load(self, folder: Path, device: str) -> LoadedModel:
        """The masked model, with a new head if it has none yet."""
        loaded = word_heads.load(folder, device)
        if "embeddings" in (self.spec.freeze or ()):
            classifiers.freeze_embeddings(loaded.model)
        return loaded

    def begin(self, loaded: LoadedModel) -> None:
        """Draw the head by the seed, if it is new."""
        new_heads.draw(loaded, self.spec.seed)

    def tokenise(self, frame: pl.DataFrame, tokenizer: Tokenizer) -> Examples:
        """Tokens of the sentences or blocks, without those around them; a block's position is its number."""
        texts = frame["text"].to_list()
        ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        room = self.spec.max_tokens - AROUND
        if self.spec.articles is None:
            tokens = [np.asarray(row[:room], dtype=np.int64) for row in ids]
            return Examples(frame["position"].to_list(), tokens, sum(len(row) > room for row in ids))
        article = pl.struct("source", "language", "edition", ARTICLE).rle_id()
        found = blocks(ids, frame.select(article).to_series().to_list(), tokenizer.sep_token_id, room)
        return Examples(list(range(len(found))), found)

    def dataset(self, examples: Examples, tokenizer: Tokenizer, split: str) -> CorruptedExamples:
        """The examples, masked for each epoch; those for development always alike."""
        masking = word_masking(tokenizer, self.spec.seed, self.spec.noise_density)
        epoch = 1 if split == "train" else DEVELOPMENT_EPOCH
        return CorruptedExamples(examples.items, examples.positions, masking, epoch)

    def batches(self, _: Examples, order: IntArray, __: int) -> list[IntArray]:
        """Of examples one after another."""
        return cut(order, self.spec.batch_size)

    def collate(self, loaded: LoadedModel) -> "Callable[[list[Corrupted]], dict[str, Tensor]]":
        """:func:`mlv.compute.training.spans.collate`; a decoder is given what its encoder is, as when it completes."""
        padded, model = collate(loaded.tokenizer.pad_token_id), loaded.model
        if not model.config.is_encoder_decoder:
            return padded

        def with_decoder(examples: "list[Corrupted]") -> "dict[str, Tensor]":
            batch = padded(examples)
            return {**batch, "decoder_input_ids": model.prepare_decoder_input_ids_from_labels(batch["input_ids"])}

        return with_decoder

    def callbacks(self, _: LoadedModel) -> tuple[()]:
        """Nothing."""
        return ()

    def measures(self) -> None:
        """Nothing beside the loss."""


def blocks(sentences: Sequence[Sequence[int]], articles: Sequence[int], end: int, size: int) -> list[IntArray]:
    """Sentences joined, with the token ``end`` after each article, and cut to blocks of ``size`` tokens; the last may
    be short.

    Args:
        sentences: Token ids of each, in order.
        articles: Number of the article that each is of, [sentences].
    """
    last = np.diff(articles, append=-1) != 0
    pieces = [[*tokens, end] if ends else tokens for tokens, ends in zip(sentences, last, strict=True)]
    joined = np.asarray(list(chain.from_iterable(pieces)), dtype=np.int64)
    return np.split(joined, range(size, len(joined), size)) if len(joined) else []
