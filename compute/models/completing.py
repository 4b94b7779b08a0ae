"""Completing sentences about social groups by a masked model (D6 section 6.4).

A sentence is put as the tokenizer puts it, special tokens once, with ``[MASK]`` as the model's own mask, which is found
by its number: the model says of every token of its vocabulary how likely it is there. The prior is what it says at the
same place when masks stand for the group, too (D6 equation 6.2); of tokens it is taken by their numbers, never by their
texts, of which a tokenizer may know none.

Only the place that is asked for is projected to the vocabulary, with one log-sum-exp over all of it, in 32 bits.
Sentences of similar length share a batch, and none of it changes what is found but for the last digits.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from mlv.compute.machine.options import SILENT, Progress
from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.models.families import mask_ids
from mlv.compute.models.interfaces import Model, Tokenizer
from mlv.compute.models.loading import LoadedModel
from mlv.compute.models.scoring import MASK, batches
from mlv.schema.errors import DataError
from mlv.schema.papers.stereotypes import PUBLISHED_PRIOR, Prior

if TYPE_CHECKING:
    from torch import Tensor

GROUP: Final = "[GROUP]"
"""What stands for a group's words in ``prior_text``."""

LOGITS_AT_ONCE: Final = 2**26
"""Logits in memory at a time: 256 MB in 32 bits, 268 places of XLM-R's vocabulary."""

PADDED_POSITIONS: Final = ("roberta", "xlm-roberta")
"""Architectures that count positions from the one after the padding's number."""

UNREADABLE: Final = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer decodes part of a character as."""


class Sentence(NamedTuple):
    """A sentence as token ids, with a place to fill."""

    text: str
    tokens: tuple[int, ...]
    """With all special tokens."""

    place: int
    """Of the mask that is asked for."""


class Cloze(NamedTuple):
    """A sentence about a group, and what it is compared with."""

    sentence: Sentence
    prior: Sentence | None
    """None where the group does not stand in the sentence."""


class Likeliest(NamedTuple):
    """The likeliest tokens at a place, the likeliest first, equally likely ones by number."""

    tokens: IntArray
    logprobs: FloatArray
    """Over the whole vocabulary, nats."""


class Texts:
    """Texts of tokens, stripped: without the mark of a word's beginning, with that of a word's continuation."""

    def __init__(self, tokenizer: Tokenizer, entries: int) -> None:
        """``entries`` are those of the model's vocabulary, of which the tokenizer may know fewer."""
        self._tokenizer = tokenizer
        self._numbers = np.full(entries, -1)
        self._texts: dict[str, int] = {}

    def numbers(self, tokens: IntArray) -> IntArray:
        """Numbers of the texts of ``tokens`` [any shape], the same for the same text."""
        for token in np.unique(tokens[self._numbers[tokens] < 0]).tolist():
            text = self._look_up(token)
            self._numbers[token] = self._texts.setdefault(text, len(self._texts))
        found: IntArray = self._numbers[tokens]
        return found

    def __call__(self, tokens: IntArray) -> list[str]:
        """The texts of ``tokens`` [tokens]; a part of a character is called as the vocabulary does."""
        numbers, texts = self.numbers(tokens), list(self._texts)
        return [texts[number] for number in numbers.tolist()]

    def _look_up(self, token: int) -> str:
        text = self._tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if UNREADABLE in text:
            (text,) = self._tokenizer.convert_ids_to_tokens([token])
        return text.strip()


def encode(frame: pl.DataFrame, tokenizer: Tokenizer, prior: Prior, longest: int | None) -> list[Cloze | str]:
    """``[text, prior_text]`` as the tokenizer puts them, in order; why not, of a sentence that cannot be completed.

    ``longest`` is the most tokens that the model reads.
    """
    reader = _Reader(tokenizer, longest)
    texts, priors = frame["text"].to_list(), frame["prior_text"].to_list()
    sentences = reader.read([text.replace(MASK, reader.mask) for text in texts], [(0, 1)] * len(texts))
    counts = reader.group_tokens(texts, priors)
    if prior == "published":
        priors = [PUBLISHED_PRIOR] * len(texts)
    masks = [count if prior == "as_many" and not isinstance(count, str) else None for count in counts]
    compared = reader.priors(priors, masks)
    return [_cloze(*parts) for parts in zip(sentences, counts, compared, strict=True)]


def _cloze(sentence: Sentence | str, count: list[int] | str, prior: Sentence | str | None) -> Cloze | str:
    """A sentence and its prior, or what is wrong with it, its group or its prior."""
    if isinstance(sentence, str):
        return sentence
    if isinstance(count, str):
        return count
    return f"in its prior, {prior}" if isinstance(prior, str) else Cloze(sentence, prior)


class _Reader:
    """A tokenizer that reads sentences with masks."""

    def __init__(self, tokenizer: Tokenizer, longest: int | None) -> None:
        self._tokenizer, self._longest = tokenizer, longest
        (self._mask_id,) = mask_ids(tokenizer)
        (self.mask,) = tokenizer.convert_ids_to_tokens([self._mask_id])

    def read(self, texts: Sequence[str], asked: Sequence[tuple[int, int]]) -> list[Sentence | str]:
        """Texts as token ids; ``asked`` are which of their masks is the place, from 0, and how many they have."""
        if not texts:
            return []
        rows = self._tokenizer(texts, verbose=False)["input_ids"]
        return [self._sentence(text, row, *one) for text, row, one in zip(texts, rows, asked, strict=True)]

    def _sentence(self, text: str, tokens: list[int], number: int, count: int) -> Sentence | str:
        places = [place for place, token in enumerate(tokens) if token == self._mask_id]
        if len(places) != count:
            return f"the tokenizer finds {len(places)} masks where there is to be {count}"
        if self._longest is not None and len(tokens) > self._longest:
            return f"it has {len(tokens):,} tokens, and the model reads {self._longest:,}"
        return Sentence(text, tuple(tokens), places[number])

    def priors(
        self, texts: Sequence[str | None], counts: Sequence[Sequence[int] | None]
    ) -> list[Sentence | str | None]:
        """Sentences with masks for the group, so many at each of its places, or one where no count is given."""
        put = [self._masked(text, some) if text is not None else None for text, some in zip(texts, counts, strict=True)]
        # most sentences share theirs
        different = list(dict.fromkeys(one for one in put if one))
        read = dict(
            zip(different, self.read([text for text, _ in different], [one for _, one in different]), strict=True)
        )
        return [read[one] if one else None for one in put]

    def _masked(self, text: str, counts: Sequence[int] | None) -> tuple[str, tuple[int, int]]:
        """A prior's text, which of its masks is asked for, and how many it has."""
        parts = text.split(GROUP)
        repeated = [1] * (len(parts) - 1) if counts is None else counts
        before = sum(count for count, so_far in zip(repeated, accumulate(parts), strict=False) if MASK not in so_far)
        masks = [" ".join([self.mask] * count) for count in repeated]
        put = "".join(part + mask for part, mask in zip(parts, [*masks, ""], strict=True))
        return put.replace(MASK, self.mask), (before, sum(repeated) + 1)

    def group_tokens(self, texts: Sequence[str], priors: Sequence[str | None]) -> list[list[int] | str]:
        """How many tokens the group has at each of its places in every sentence, or what is wrong with it."""
        put = [text.replace(MASK, self.mask) for text in texts]
        spans = [
            _spans(text, prior.replace(MASK, self.mask).split(GROUP)) if prior is not None else []
            for text, prior in zip(put, priors, strict=True)
        ]
        counted = self._with_offsets if self._tokenizer.is_fast else self._alone
        counts = counted(put, [some or [] for some in spans])
        return [
            "the group does not stand where its prior has it"
            if there is None
            else some
            if all(some)
            else "the group has no tokens"
            for there, some in zip(spans, counts, strict=True)
        ]

    def _with_offsets(self, texts: Sequence[str], spans: "Sequence[list[_Span]]") -> list[list[int]]:
        """How many tokens are in each span, also in part."""
        offsets = self._tokenizer(texts, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        return [
            [sum(begin < end and last > start for begin, last in own) for start, end in some]
            for own, some in zip(offsets, spans, strict=True)
        ]

    def _alone(self, texts: Sequence[str], spans: "Sequence[list[_Span]]") -> list[list[int]]:
        """How many tokens the words of each span have as a text of their own: of a tokenizer that cannot say more."""
        words = [[text[start:end] for start, end in some] for text, some in zip(texts, spans, strict=True)]
        return [
            [len(row) for row in self._tokenizer(some, add_special_tokens=False)["input_ids"]] if some else []
            for some in words
        ]


_Span = tuple[int, int]
"""Where something begins and ends in a text, in characters."""


def _spans(text: str, parts: Sequence[str]) -> list[_Span] | None:
    """What stands between parts of a text; None if the text is not made of these and something between them."""
    *first, last = parts
    end = len(text) - len(last)
    if not first:
        return [] if text == last else None
    if not text.startswith(first[0]) or not text.endswith(last):
        return None
    starts, spans = [len(first[0])], []
    for part in first[1:]:
        found = text.find(part, starts[-1] + 1)
        spans.append((starts[-1], found))
        starts.append(found + len(part))
    spans.append((starts[-1], end))
    return spans if all(start < stop for start, stop in spans) else None


def longest_input(model: Model) -> int | None:
    """Most tokens that a model reads; None for any number."""
    most: int | None = getattr(model.config, "max_position_embeddings", None)
    if most is not None and model.config.model_type in PADDED_POSITIONS:
        most -= model.config.pad_token_id + 1
    return most


def likeliest(
    loaded: LoadedModel,
    sentences: Sequence[Sentence],
    top_k: int,
    texts: Texts,
    batch_tokens: int,
    progress: Progress = SILENT,
) -> list[Likeliest]:
    """The ``top_k`` likeliest tokens of each sentence, of which no two have the same text: the likelier is kept.

    Raises DataError if what the model says of one is not finite.
    """
    found: dict[int, Likeliest] = {}
    for batch, logits in _logits(loaded, sentences, batch_tokens):
        totals = logits.logsumexp(1, keepdim=True)
        tokens = _distinct(logits, top_k, texts)
        logprobs = (logits.gather(1, _tensor(tokens, logits)) - totals).double().cpu().numpy()
        _check([sentences[index] for index in batch], logprobs)
        found.update(zip(batch, map(Likeliest, tokens, logprobs), strict=True))
        progress.advance(len(batch))
    return [found[index] for index in range(len(sentences))]


def logprobs_of(
    loaded: LoadedModel, sentences: Sequence[Sentence], tokens: Sequence[IntArray], batch_tokens: int
) -> list[FloatArray]:
    """Log-probabilities of some tokens of each sentence. Raises DataError if one is not finite."""
    found: dict[int, FloatArray] = {}
    for batch, logits in _logits(loaded, sentences, batch_tokens):
        totals = logits.logsumexp(1)
        for row, index in enumerate(batch):
            picked = logits[row][_tensor(tokens[index], logits)] - totals[row]
            found[index] = picked.double().cpu().numpy()
            _check([sentences[index]], found[index][None])
    return [found[index] for index in range(len(sentences))]


def _logits(
    loaded: LoadedModel, sentences: Sequence[Sentence], batch_tokens: int
) -> "Iterator[tuple[list[int], Tensor]]":
    """Logits at the place of each sentence, [some of them, vocabulary] in 32 bits, with their indices."""
    import torch

    from mlv.compute.models.tensors import only_at, pad

    # an encoder-decoder is given what its encoder reads, moved by one, and needs no cache of it
    settings = {"use_cache": False} if loaded.model.config.is_encoder_decoder else {}
    most = max(1, LOGITS_AT_ONCE // loaded.model.config.vocab_size)
    for batch in batches([len(sentence.tokens) for sentence in sentences], batch_tokens):
        for some in (batch[start : start + most] for start in range(0, len(batch), most)):
            tokens = [sentences[index].tokens for index in some]
            inputs, attention = pad(tokens, loaded.tokenizer.pad_token_id or 0, loaded.device)
            places = torch.tensor([sentences[index].place for index in some], device=loaded.device)
            with torch.inference_mode(), only_at(loaded.model.base_model, places):
                logits = loaded.model(input_ids=inputs, attention_mask=attention, **settings).logits
                yield some, logits[:, 0].float()


def _distinct(logits: "Tensor", top_k: int, texts: Texts) -> list[IntArray]:
    """Ids of the largest logits [rows, vocabulary] without those whose text a larger one has; equally many a row."""
    vocabulary = logits.shape[1]
    wanted = top_k + top_k // 2 + 8
    while True:
        kept = [_without_twins(row, texts)[:top_k] for row in _largest(logits, min(wanted, vocabulary))]
        if wanted >= vocabulary or all(len(row) == top_k for row in kept):
            return kept
        wanted *= 2


def _largest(logits: "Tensor", count: int) -> Iterator[IntArray]:
    """Ids of the ``count`` largest logits of each row, largest first, equal ones by id; all that equal the last one."""
    found = logits.topk(min(count + 1, logits.shape[1]))
    values, ids = (part.cpu().numpy() for part in found)
    for row, (own_values, own) in enumerate(zip(values, ids, strict=True)):
        if count < logits.shape[1] and own_values[-1] == own_values[-2]:
            # which of equal ones are among the largest is torch's choice
            own = (logits[row] >= own_values[-1].item()).nonzero()[:, 0].cpu().numpy()  # noqa: PLW2901
            own_values = logits[row].cpu().numpy()[own]  # noqa: PLW2901
        yield own[np.lexsort((own, -own_values))]


def _without_twins(tokens: IntArray, texts: Texts) -> IntArray:
    _, first = np.unique(texts.numbers(tokens), return_index=True)
    return tokens[np.sort(first)]


def _tensor(tokens: "IntArray | Sequence[IntArray]", like: "Tensor") -> "Tensor":
    import torch

    return torch.from_numpy(np.asarray(tokens)).to(like.device)


def _check(sentences: Sequence[Sentence], logprobs: FloatArray) -> None:
    """Raise DataError if log-probabilities [sentences, tokens] are not finite."""
    for sentence, row in zip(sentences, logprobs, strict=True):
        if not np.isfinite(row).all():
            raise DataError(
                f"What the model says of {sentence.text!r} is not finite.",
                "Complete in fp32; if the model is of a training run, that run may have diverged: look at its losses.",
            )
