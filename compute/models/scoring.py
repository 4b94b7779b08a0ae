"""Scoring the answers of probes by teacher forcing (E section 3.4).

``[MASK]`` in a probe's template becomes the first sentinel; the decoder is given the sentinel and then an answer, and
the answer's own tokens are scored: their logits, and their log-probabilities over the full vocabulary in nats. What
the decoder would generate after the answer (``<extra_id_1>``) cannot change these and is left out.

The template is tokenised with the sentinel in it, as the model's own tokenizer reads it: mT5's treats text after the
sentinel without a space (``[MASK].``, ``[MASK]dir``) as a continuation, others begin a word there. The sentinel itself
always begins a word, so a prefix (``ber[MASK]``) is set apart. If a tokenizer splits a sentinel inside a text into
pieces, the parts before and after it are tokenised separately. Answers are tokenised as texts of their own.

Each probe is encoded once for both answers. Probes of similar length share a batch; only decoder states at answer
positions are projected to the vocabulary, a bounded number at a time.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from mlv.compute.machine.options import SILENT, Progress
from mlv.compute.models import loading
from mlv.compute.models.families import sentinel_ids
from mlv.compute.models.interfaces import Tokenizer
from mlv.schema.errors import DataError
from mlv.schema.papers.echoes import SENTINEL

if TYPE_CHECKING:
    from torch import Tensor, nn

MASK: Final = "[MASK]"

COLUMNS: Final = ("question", "language", "template", "answer_first", "answer_second")

SCORES: Final = {
    "question": pl.String,
    "language": pl.String,
    "answer": pl.Int64,
    "tokens": pl.Int64,
    "logit_sum": pl.Float64,
    "logprob_sum": pl.Float64,
    "logprob_first": pl.Float64,
}
"""Columns of ``outputs/probe_logits.parquet``; sums are over the answer's tokens, log-probabilities in nats."""

LOGITS_AT_ONCE: Final = 2**24
"""Logits in memory at a time: 64 MB in 32 bits, 67 positions of mT5's vocabulary."""

ANSWER_SHARE: Final = 4
"""A batch of probes is decoded with this part of its token budget at a time, answers of similar length together."""


class Probe(NamedTuple):
    """A probe as token ids."""

    question: str
    language: str
    inputs: list[int]
    """Template with the sentinel and the end of sequence."""

    answers: tuple[list[int], list[int]]
    """Tokens of the first and second answer, without special tokens."""


class Ambiguous(NamedTuple):
    """A probe that cannot be scored, and why."""

    question: str
    language: str
    reason: str


def tokenise(frame: pl.DataFrame, tokenizer: Tokenizer) -> list[Probe]:
    """Token ids of all probes, in the order of ``frame``. Raises DataError unless every template has one mask."""
    _check_masks(frame)
    first, second = (
        tokenizer(frame[side].to_list(), add_special_tokens=False)["input_ids"]
        for side in ("answer_first", "answer_second")
    )
    return [
        Probe(question, language, [*inputs, tokenizer.eos_token_id], (one, two))
        for question, language, inputs, one, two in zip(
            frame["question"],
            frame["language"],
            _inputs(frame["template"].to_list(), tokenizer),
            first,
            second,
            strict=True,
        )
    ]


def _inputs(templates: list[str], tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of templates with the first sentinel in the mask's place, no end of sequence."""
    sentinel = sentinel_ids(tokenizer)[0]
    halves = [template.split(MASK) for template in templates]
    whole = tokenizer([f"{before.rstrip()} {SENTINEL}{after}" for before, after in halves], add_special_tokens=False)
    before, after = (
        tokenizer([half[side] for half in halves], add_special_tokens=False)["input_ids"] for side in (0, 1)
    )
    return [
        ids if ids.count(sentinel) == 1 else [*head, sentinel, *tail]
        for ids, head, tail in zip(whole["input_ids"], before, after, strict=True)
    ]


def find_ambiguous(probes: Sequence[Probe], tokenizer: Tokenizer) -> list[Ambiguous]:
    """Probes whose two answers have the same tokens, or one of whose answers has none. Needs no weights."""
    return [
        Ambiguous(probe.question, probe.language, reason)
        for probe in probes
        if (reason := _ambiguous_reason(probe, tokenizer))
    ]


def score(
    loaded: loading.LoadedModel, probes: Sequence[Probe], batch_tokens: int, progress: Progress = SILENT
) -> pl.DataFrame:
    """Score both answers of all probes: columns :data:`SCORES`, two rows a probe, in the order of ``probes``."""
    scores: dict[tuple[int, int], AnswerScore] = {}
    for batch in batches([len(probe.inputs) for probe in probes], batch_tokens):
        found = _score_batch(loaded, [probes[index] for index in batch], batch_tokens // ANSWER_SHARE)
        scores.update({(batch[row], answer): value for (row, answer), value in found.items()})
        progress.advance(len(batch))
    rows = [
        (probe.question, probe.language, answer, *scores[index, answer])
        for index, probe in enumerate(probes)
        for answer in (1, 2)
    ]
    return pl.DataFrame(rows, schema=SCORES, orient="row")


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of rows of similar length: at most ``budget`` tokens a batch with padding, at least one row."""
    longest_first = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    start = 0
    while start < len(longest_first):
        size = max(1, budget // lengths[longest_first[start]])
        yield longest_first[start : start + size]
        start += size


class AnswerScore(NamedTuple):
    """Score of one answer."""

    tokens: int
    logit_sum: float
    logprob_sum: float
    logprob_first: float


def _score_batch(
    loaded: loading.LoadedModel, probes: Sequence[Probe], budget: int
) -> dict[tuple[int, int], AnswerScore]:
    """Scores of a batch of probes, by row of the batch and answer; ``budget`` decoder tokens at a time."""
    import torch

    from mlv.compute.models.tensors import pad

    keys = [(row, answer) for row in range(len(probes)) for answer in (1, 2)]
    answers = [probes[row].answers[answer - 1] for row, answer in keys]
    scores: dict[tuple[int, int], AnswerScore] = {}
    with torch.inference_mode():
        inputs, attention = pad([probe.inputs for probe in probes], device=loaded.device)
        encoded = loaded.model.get_encoder()(input_ids=inputs, attention_mask=attention).last_hidden_state
        for some in batches([1 + len(answer) for answer in answers], budget):
            rows = torch.tensor([keys[index][0] for index in some], device=loaded.device)
            chosen = [answers[index] for index in some]
            states = _answer_states(loaded, encoded[rows], attention[rows], chosen)
            found = _score_answers(loaded.model.get_output_embeddings(), states, chosen)
            scores.update(zip([keys[index] for index in some], found, strict=True))
    return scores


def _answer_states(
    loaded: loading.LoadedModel, encoded: "Tensor", attention: "Tensor", answers: list[list[int]]
) -> "Tensor":
    """What the output matrix is given at the positions that predict answer tokens, [answer tokens, width].

    ``encoded`` [answers, tokens, width] and ``attention`` [answers, tokens] are those of each answer's probe.
    """
    import torch

    from mlv.compute.models.tensors import head_input, pad

    start, sentinel = loaded.model.config.decoder_start_token_id, loaded.sentinels[0]
    # the last token of an answer predicts nothing that is scored
    decoder, _ = pad([[start, sentinel, *answer[:-1]] for answer in answers], device=loaded.device)
    lengths = torch.tensor([len(answer) for answer in answers], device=loaded.device)
    places = torch.arange(decoder.shape[1], device=loaded.device)
    with head_input(loaded.model.get_output_embeddings()) as states:
        loaded.model(encoder_outputs=(encoded,), attention_mask=attention, decoder_input_ids=decoder, use_cache=False)
    return states[0][(places >= 1) & (places <= lengths[:, None])]


def _score_answers(head: "nn.Linear", states: "Tensor", answers: list[list[int]]) -> list[AnswerScore]:
    """Scores of answers whose tokens are predicted from ``states`` [answer tokens, width], in their order."""
    import torch

    targets = torch.tensor([token for answer in answers for token in answer], device=states.device)
    logits, logprobs = _score_states(head, states, targets)
    ends = list(accumulate(map(len, answers), initial=0))
    return [
        AnswerScore(end - start, sum(logits[start:end]), sum(logprobs[start:end]), logprobs[start])
        for start, end in pairwise(ends)
    ]


def _score_states(head: "nn.Linear", states: "Tensor", targets: "Tensor") -> tuple[list[float], list[float]]:
    """Logit and log-probability of each target token, [positions] each; a bounded number of logits at a time."""
    import torch

    logits, logprobs = [], []
    chunk = max(1, LOGITS_AT_ONCE // head.out_features)
    for some, wanted in zip(torch.split(states, chunk), torch.split(targets, chunk), strict=True):
        rows = head(some).float()
        picked = rows.gather(1, wanted[:, None]).squeeze(1)
        logits.append(picked)
        logprobs.append(picked - torch.logsumexp(rows, dim=1))
    return torch.cat(logits).tolist(), torch.cat(logprobs).tolist()


def _check_masks(frame: pl.DataFrame) -> None:
    wrong = frame.filter(pl.col("template").str.count_matches(MASK, literal=True) != 1)
    if wrong.height:
        named = ", ".join(f"{row['question']} ({row['language']})" for row in wrong.iter_rows(named=True))
        raise DataError(
            f"Probes without exactly one {MASK}: {named}", "Correct the probes' source and ingest it again."
        )


def _ambiguous_reason(probe: Probe, tokenizer: Tokenizer) -> str:
    """Why a probe cannot be scored; empty if it can."""
    first, second = probe.answers
    empty = [side for side, answer in (("first", first), ("second", second)) if not answer]
    if empty:
        return f"the {' and the '.join(empty)} answer has no tokens"
    if first == second:
        return f"both answers tokenise as {' '.join(tokenizer.convert_ids_to_tokens(first))}"
    return ""
