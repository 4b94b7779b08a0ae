"""Asking a model whose weights lie here.

Each prompt is read once. Its answers go on from the cache of what was read, and those that have drawn the same tokens
so far are one row: a tree, whose branches are split where samples differ. Only the last position is projected to the
vocabulary. Prompts of alike length share a batch, padded on the left. Random numbers hang on the prompt and the sample
alone, so that answers do not depend on batch, order and resumption (:mod:`mlv.compute.respondents.sampling`).
"""

import copy
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

from mlv.compute.machine.options import Progress
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models.interfaces import Cache, Model
from mlv.compute.models.loading import LoadedModel
from mlv.compute.models.scoring import batches
from mlv.compute.respondents import sampling
from mlv.compute.respondents.encoding import Encoded, encode
from mlv.compute.respondents.respondent import Answer, Finish, Keep, Reply, Score, Usage, Wanted, cut, random_numbers
from mlv.schema.errors import DataError
from mlv.schema.jobs.respond import RespondSpec

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

ANSWERING: Final = 16
"""Answers of a batch take so many times the memory of its prompts: each has a copy of its prompt's keys and values."""


@dataclass(frozen=True)
class _Read:
    """What the model has read of some rows."""

    cache: Cache
    attention: "Tensor"
    """[rows, tokens]: 1 for tokens, 0 for padding."""

    logits: "Tensor"
    """[rows, positions, vocabulary]: what follows the last token, or each of those that were read last."""

    def rows(self, chosen: Sequence[int]) -> "_Read":
        """Some rows, each as often as it is named; this one stays as it is."""
        import torch

        # layers put what they are given in the place of what they have, and change no tensor
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        if list(chosen) == list(range(len(self.attention))):
            return _Read(cache, self.attention, self.logits)
        places = torch.tensor(chosen, device=self.attention.device)
        cache.batch_select_indices(places)
        return _Read(cache, self.attention[places], self.logits[places])


class _Sample(NamedTuple):
    """An answer to be drawn."""

    row: int
    """Of its prompt."""

    number: int
    numbers: FloatArray
    """Random numbers for its tokens."""


class _End(NamedTuple):
    """How an answer ends."""

    text: str
    finish: Finish
    tokens: int
    """How many its text needs: not that by which it ends."""

    def answer(self, sample: int, logprobs: Sequence[float]) -> Answer:
        """The answer of a sample whose tokens have some log-probabilities."""
        return Answer(
            sample=sample,
            text=self.text,
            finish=self.finish,
            tokens=self.tokens,
            logprob=sum(logprobs[: self.tokens]),
        )


@dataclass
class _Branch:
    """Tokens that some samples have drawn, all of them alike."""

    row: int
    """Of what was read last."""

    samples: list[_Sample]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    """Of each token at temperature 1, nats."""

    ended: _End | None = None


class _Option(NamedTuple):
    """An option to be scored."""

    row: int
    """Of its prompt."""

    number: int
    tokens: list[int]


class LocalModel:
    """A decoder as a respondent."""

    def __init__(self, loaded: LoadedModel, spec: RespondSpec, batch_tokens: int) -> None:
        """``batch_tokens``: most tokens of prompts, padding included, that are read at a time."""
        self._loaded, self._spec, self._budget = loaded, spec, batch_tokens
        self._ends = _ends(loaded)
        self._takes_positions = "position_ids" in inspect.signature(loaded.model.forward).parameters

    def describe(self) -> dict[str, object]:
        """Architecture, parameters and vocabulary."""
        return dict(self._loaded.describe())

    def ask(self, wanted: Sequence[Wanted], keep: Keep, progress: Progress) -> None:
        """Ask all that is wanted, batch by batch. Raises DataError if a prompt is too long or cannot be put."""
        encoded = encode(wanted, self._loaded.tokenizer, self._spec.chat)
        _check_tokens(self._loaded.model, encoded, self._spec.decoding.max_tokens)
        for batch in batches([len(one.prompt) for one in encoded], self._budget):
            some = [wanted[place] for place in batch]
            keep(self._ask([encoded[place] for place in batch], some))
            progress.advance(sum(one.answers for one in some))

    def _ask(self, encoded: Sequence[Encoded], wanted: Sequence[Wanted]) -> list[Reply]:
        import torch

        with torch.inference_mode():
            read = self._begin([one.prompt for one in encoded])
            answers = self._sample(read, wanted)
            scores = self._score(read, encoded)
        return [
            Reply(
                prompt=one.prompt.number,
                tokens=len(tokens.prompt),
                answers=tuple(answers[row]),
                scores=tuple(scores[row]),
                usage=Usage(
                    prompt_tokens=len(tokens.prompt),
                    completion_tokens=sum(answer.tokens or 0 for answer in answers[row]),
                ),
            )
            for row, (one, tokens) in enumerate(zip(wanted, encoded, strict=True))
        ]

    def _begin(self, prompts: Sequence[Sequence[int]]) -> _Read:
        """Read prompts, padded on the left."""
        import torch

        longest = max(map(len, prompts))
        tokens = torch.zeros(len(prompts), longest, dtype=torch.int64)
        attention = torch.zeros_like(tokens)
        for row, prompt in enumerate(prompts):
            tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
            attention[row, longest - len(prompt) :] = 1
        return self._forward(tokens, attention.to(self._loaded.device), None, 1)

    def _go_on(self, read: _Read, tokens: "Tensor", kept: int) -> _Read:
        """Read more tokens [rows, new]; logits follow the last ``kept`` of them, 0 for all."""
        import torch

        attention = torch.cat([read.attention, read.attention.new_ones(tokens.shape)], dim=1)
        return self._forward(tokens, attention, read.cache, kept)

    def _forward(self, tokens: "Tensor", attention: "Tensor", cache: Cache | None, kept: int) -> _Read:
        positions = (attention.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        out = self._loaded.model(
            input_ids=tokens.to(attention.device),
            attention_mask=attention,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=kept,
            **({"position_ids": positions} if self._takes_positions else {}),
        )
        return _Read(out.past_key_values, attention, out.logits)

    def _sample(self, read: _Read, wanted: Sequence[Wanted]) -> list[list[Answer]]:
        """Sampled answers of each row."""
        spec, length = self._spec, self._spec.decoding.max_tokens
        samples = [
            _Sample(row, sample, random_numbers(spec.seed, spec.draw, one.prompt, sample).uniform(length))
            for row, one in enumerate(wanted)
            for sample in one.samples
        ]
        answers: list[list[Answer]] = [[] for _ in wanted]
        for some in self._parts(samples, read.attention.shape[1] + length):
            for sample, answer in self._grow(read, some):
                answers[sample.row].append(answer)
        return [sorted(own, key=lambda answer: answer.sample) for own in answers]

    def _parts(self, rows: Sequence[T], tokens: int, logits: int = 1) -> Iterator[Sequence[T]]:
        """Rows of so many tokens and logits, as many at a time as there is memory for."""
        size = max(1, min(ANSWERING * self._budget // tokens, sampling.LOGITS_AT_ONCE // logits))
        return (rows[start : start + size] for start in range(0, len(rows), size))

    def _grow(self, read: _Read, samples: Sequence[_Sample]) -> Iterator[tuple[_Sample, Answer]]:
        """Draw answers, as a tree for each prompt."""
        import torch

        rows = sorted({sample.row for sample in samples})
        branches = [_Branch(place, [s for s in samples if s.row == row]) for place, row in enumerate(rows)]
        read = read.rows(rows)
        while True:
            branches = self._split(branches, read.logits[:, -1])
            for branch in branches:
                if end := branch.ended:
                    yield from ((sample, end.answer(sample.number, branch.logprobs)) for sample in branch.samples)
            branches = [branch for branch in branches if not branch.ended]
            if not branches:
                return
            drawn = torch.tensor([[branch.tokens[-1]] for branch in branches])
            read = self._go_on(read.rows([branch.row for branch in branches]), drawn, 1)
            for place, branch in enumerate(branches):
                branch.row = place

    def _split(self, branches: Sequence[_Branch], logits: "Tensor") -> list[_Branch]:
        """Branches one token longer, where samples that draw the same stay together; ``logits`` [rows, vocabulary]."""
        numbers = [np.array([s.numbers[len(branch.tokens)] for s in branch.samples]) for branch in branches]
        longer: dict[tuple[int, int], _Branch] = {}
        for branch, drawn in zip(branches, sampling.draw(logits, self._spec.decoding, numbers), strict=True):
            for sample, (token, logprob) in zip(branch.samples, drawn, strict=True):
                if (branch.row, token) not in longer:
                    tokens, logprobs = [*branch.tokens, token], [*branch.logprobs, logprob]
                    longer[branch.row, token] = _Branch(branch.row, [], tokens, logprobs, self._end(tokens))
                longer[branch.row, token].samples.append(sample)
        return list(longer.values())

    def _end(self, tokens: list[int]) -> _End | None:
        """How an answer ends with its last token; None if it goes on."""
        decoding = self._spec.decoding
        if tokens[-1] in self._ends:
            return _End(self._text(tokens[:-1]), "stop", len(tokens) - 1)
        longest = len(tokens) == decoding.max_tokens
        if not (longest or decoding.stop):
            return None
        text = self._text(tokens)
        before = cut(text, decoding.stop)
        if before is not None:
            return _End(before, "stop", self._needed(tokens, before))
        return _End(text, "length", len(tokens)) if longest else None

    def _needed(self, tokens: list[int], text: str) -> int:
        """How many of the first tokens a text needs that theirs begins with."""
        count = len(tokens)
        while count and self._text(tokens[: count - 1]).startswith(text):
            count -= 1
        return count

    def _text(self, tokens: list[int]) -> str:
        return self._loaded.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _score(self, read: _Read, encoded: Sequence[Encoded]) -> list[list[Score]]:
        """Scores of the options of each row."""
        options = [
            _Option(row, number, tokens)
            for row, one in enumerate(encoded)
            for number, tokens in enumerate(one.options, 1)
        ]
        found: list[list[Score]] = [[] for _ in encoded]
        longest = max((len(option.tokens) for option in options), default=0)
        for some in self._parts(options, read.attention.shape[1] + longest, longest * read.logits.shape[-1] or 1):
            for option, logits in zip(some, self._option_logits(read, some), strict=True):
                logprobs = sampling.logprobs(logits[: len(option.tokens)], option.tokens)
                score = Score(
                    number=option.number,
                    tokens=len(option.tokens),
                    logprob_sum=float(logprobs.sum()),
                    logprob_first=float(logprobs[0]),
                )
                found[option.row].append(score)
        return found

    def _option_logits(self, read: _Read, options: Sequence[_Option]) -> "Tensor":
        """Logits before each token of each option, [options, longest, vocabulary]."""
        import torch

        from mlv.compute.models.tensors import pad

        first = read.rows([option.row for option in options])
        if max(len(option.tokens) for option in options) == 1:
            return first.logits
        # the last token of an option predicts nothing that is scored, and padding comes after all that is
        tokens, _ = pad([option.tokens[:-1] for option in options])
        return torch.cat([first.logits, self._go_on(first, tokens, 0).logits], dim=1)


def _ends(loaded: LoadedModel) -> frozenset[int]:
    """Ids of the tokens that end a text, by the model's settings, its configuration and its tokenizer."""
    named = (getattr(place, "eos_token_id", None) for place in (loaded.model.generation_config, loaded.model.config))
    ends: set[int] = set()
    for end in (*named, loaded.tokenizer.eos_token_id):
        ends.update([] if end is None else [end] if isinstance(end, int) else end)
    return frozenset(ends)


def _check_tokens(model: Model, encoded: Sequence[Encoded], new: int) -> None:
    """Raise DataError if prompts with ``new`` tokens or an option are longer than the model reads, or are another's."""
    most = getattr(model.config, "max_position_embeddings", None)
    lengths = [len(one.prompt) + max([new, *map(len, one.options)]) for one in encoded]
    if most and max(lengths, default=0) > most:
        raise DataError(
            f"{sum(length > most for length in lengths):,} prompts have up to {max(lengths):,} tokens with the answer, "
            f"and the model reads {most:,}.",
            "Plan the job with fewer demonstrations, or a smaller --max-tokens.",
        )
    entries = model.get_input_embeddings().num_embeddings
    if any(max(one.prompt + [token for option in one.options for token in option]) >= entries for one in encoded):
        raise DataError(
            f"The tokenizer has tokens beyond the model's {entries:,} entries.",
            "Take the tokenizer that belongs to the model.",
        )
