"""Asking a model the probes of a set by teacher forcing (E section 3.4).

``[MASK]`` in a probe's template becomes the first sentinel; the decoder is given the sentinel and then an answer, and
the answer's own tokens are scored: their logits, and their log-probabilities over the full vocabulary in nats. What
the decoder would say after the answer (``<extra_id_1>``) cannot change these and is left out.

The template is tokenised with the sentinel in it, as the model's own tokenizer reads it: mT5's keeps what follows the
sentinel without a space (``[MASK].``, ``[MASK]dir``) a continuation, others begin a word there. The sentinel itself
always begins a word, so a prefix (``ber[MASK]``) is set apart. Where a tokenizer takes a sentinel inside a text to
pieces, the parts before and after it are tokenised apart. Answers are tokenised as texts of their own.

Each probe is encoded once for both answers. Probes of alike length share a batch; only decoder states at answer
positions are projected to the vocabulary, a bounded number at a time. A language is the unit of work that a
broken-off job keeps.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from mlv.compute import models, runtime
from mlv.compute.corruption import sentinel_ids
from mlv.compute.files import read_table, write_table
from mlv.compute.options import SILENT, ExecuteOptions, Progress
from mlv.schema.errors import DataError, JobError
from mlv.schema.events import LanguageProbed, SkippedProbe, SkippedProbes
from mlv.schema.jobs import JobDirectory, ProbeSpec, write_json
from mlv.schema.paper import SENTINEL

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
"""Logits held at a time: 64 MB in 32 bits, 67 positions of mT5's vocabulary."""


ANSWER_SHARE: Final = 4
"""A batch of probes is decoded with this part of its token budget at a time, answers of alike length together."""


class Probe(NamedTuple):
    """A probe as token ids."""

    question: str
    language: str
    inputs: list[int]
    """Template with the sentinel and the end of sequence."""

    answers: tuple[list[int], list[int]]
    """Tokens of the first and second answer, nothing around them."""


class Ambiguous(NamedTuple):
    """A probe that cannot be asked, and why."""

    question: str
    language: str
    reason: str


def run(job: JobDirectory, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a probing job to its end; languages that are finished already are not asked again.

    Raises DataError, before weights are loaded, where answers tokenise alike and ``skip_ambiguous`` is off.
    """
    spec = job.spec()
    if not isinstance(spec, ProbeSpec):
        raise JobError(f"{job.path} is a {spec.kind} job, not probing", "Name a probe-... folder.")
    device = runtime.prepare(options.device, options.threads, spec.seed)
    runtime.check_precision(spec.precision, device)
    folder = models.locate(job, spec.model)
    models.check_architecture(folder)
    tokenizer = models.load_tokenizer(folder)
    frame = read_table(job.inputs / "probes.parquet", COLUMNS)
    asked = tokenise(frame, tokenizer)
    ambiguous = find_ambiguous(asked, tokenizer)
    if ambiguous and not options.skip_ambiguous:
        raise _ambiguity(ambiguous)
    probes = _without(asked, ambiguous)
    loaded = models.load(folder, spec.precision, device)
    _write_parts(job, loaded, probes, options.batch_tokens, progress)
    _write_outputs(job, spec, loaded, probes, ambiguous)


def tokenise(frame: pl.DataFrame, tokenizer: Any) -> list[Probe]:
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


def _inputs(templates: list[str], tokenizer: Any) -> list[list[int]]:
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


def find_ambiguous(probes: Sequence[Probe], tokenizer: Any) -> list[Ambiguous]:
    """Probes whose answers the tokenizer cannot tell apart, or that have an answer without tokens. Needs no weights."""
    return [
        Ambiguous(probe.question, probe.language, reason)
        for probe in probes
        if (reason := _ambiguous_reason(probe, tokenizer))
    ]


def score(
    loaded: models.LoadedModel, probes: Sequence[Probe], batch_tokens: int, progress: Progress = SILENT
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
    """Indices of rows of alike length: at most ``budget`` tokens a batch with padding, at least one row."""
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
    loaded: models.LoadedModel, probes: Sequence[Probe], budget: int
) -> dict[tuple[int, int], AnswerScore]:
    """Scores of a batch of probes, by row of the batch and answer; ``budget`` decoder tokens at a time."""
    import torch

    keys = [(row, answer) for row in range(len(probes)) for answer in (1, 2)]
    answers = [probes[row].answers[answer - 1] for row, answer in keys]
    scores: dict[tuple[int, int], AnswerScore] = {}
    with torch.inference_mode():
        inputs, attention = _padded([probe.inputs for probe in probes], loaded.device)
        encoded = loaded.model.get_encoder()(input_ids=inputs, attention_mask=attention).last_hidden_state
        for some in batches([1 + len(answer) for answer in answers], budget):
            rows = torch.tensor([keys[index][0] for index in some], device=loaded.device)
            chosen = [answers[index] for index in some]
            states = _answer_states(loaded, encoded[rows], attention[rows], chosen)
            found = _score_answers(loaded.model.lm_head, states, chosen)
            scores.update(zip([keys[index] for index in some], found, strict=True))
    return scores


def _answer_states(loaded: models.LoadedModel, encoded: Any, attention: Any, answers: list[list[int]]) -> Any:
    """What the output matrix is given at the positions that predict answer tokens, [answer tokens, width].

    ``encoded`` [answers, tokens, width] and ``attention`` [answers, tokens] are those of each answer's probe.
    """
    import torch

    start, sentinel = loaded.model.config.decoder_start_token_id, loaded.sentinels[0]
    # the last token of an answer predicts nothing that is scored
    fed, _ = _padded([[start, sentinel, *answer[:-1]] for answer in answers], loaded.device)
    lengths = torch.tensor([len(answer) for answer in answers], device=loaded.device)
    places = torch.arange(fed.shape[1], device=loaded.device)
    with _head_input(loaded.model) as states:
        loaded.model(encoder_outputs=(encoded,), attention_mask=attention, decoder_input_ids=fed, use_cache=False)
    return states[0][(places >= 1) & (places <= lengths[:, None])]


@contextlib.contextmanager
def _head_input(model: Any) -> Iterator[list[Any]]:
    """Catch what the output matrix is given, [batch, tokens, width], and let it project nothing.

    Caught there, the states are scaled by the model's own rule, which differs between T5 and mT5.
    """
    caught: list[Any] = []

    def catch(_: Any, arguments: tuple[Any, ...]) -> tuple[Any]:
        caught.append(arguments[0])
        return (arguments[0][:, :0],)

    handle = model.lm_head.register_forward_pre_hook(catch)
    try:
        yield caught
    finally:
        handle.remove()


def _score_answers(head: Any, states: Any, answers: list[list[int]]) -> list[AnswerScore]:
    """Scores of answers whose tokens are predicted from ``states`` [answer tokens, width], in their order."""
    import torch

    targets = torch.tensor([token for answer in answers for token in answer], device=states.device)
    logits, logprobs = _score_states(head, states, targets)
    ends = list(accumulate(map(len, answers), initial=0))
    return [
        AnswerScore(end - start, sum(logits[start:end]), sum(logprobs[start:end]), logprobs[start])
        for start, end in pairwise(ends)
    ]


def _score_states(head: Any, states: Any, targets: Any) -> tuple[list[float], list[float]]:
    """Logit and log-probability of each target token, [positions] each; a bounded number of logits at a time."""
    import torch

    logits, logprobs = [], []
    chunk = max(1, LOGITS_AT_ONCE // head.out_features)
    for some, wanted in zip(states.split(chunk), targets.split(chunk), strict=True):
        rows = head(some).float()
        picked = rows.gather(1, wanted[:, None]).squeeze(1)
        logits.append(picked)
        logprobs.append(picked - torch.logsumexp(rows, dim=1))
    return torch.cat(logits).tolist(), torch.cat(logprobs).tolist()


def _padded(rows: list[list[int]], device: str) -> tuple[Any, Any]:
    """Rows padded with 0, and where they are not padding; both [rows, longest]."""
    import torch

    lengths = torch.tensor([len(row) for row in rows])
    longest = int(lengths.max())
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return ids.to(device), (torch.arange(longest) < lengths[:, None]).long().to(device)


def _check_masks(frame: pl.DataFrame) -> None:
    wrong = frame.filter(pl.col("template").str.count_matches(MASK, literal=True) != 1)
    if wrong.height:
        named = ", ".join(f"{row['question']} ({row['language']})" for row in wrong.iter_rows(named=True))
        raise DataError(
            f"Probes without exactly one {MASK}: {named}", "Correct the probes' source and ingest it again."
        )


def _ambiguous_reason(probe: Probe, tokenizer: Any) -> str:
    """Why a probe cannot be asked; empty where it can."""
    first, second = probe.answers
    empty = [side for side, answer in (("first", first), ("second", second)) if not answer]
    if empty:
        return f"the {' and the '.join(empty)} answer has no tokens"
    if first == second:
        return f"both answers tokenise as {' '.join(tokenizer.convert_ids_to_tokens(first))}"
    return ""


def _ambiguity(ambiguous: list[Ambiguous]) -> DataError:
    listed = "\n".join(f"  {row.question} ({row.language}): {row.reason}" for row in ambiguous)
    return DataError(
        f"{len(ambiguous)} probes cannot be asked, for this tokenizer does not tell their answers apart:\n{listed}",
        "Leave them out with `--skip-ambiguous`; they are listed with the run's results.",
    )


def _without(probes: list[Probe], ambiguous: list[Ambiguous]) -> list[Probe]:
    left_out = {(row.question, row.language) for row in ambiguous}
    return [probe for probe in probes if (probe.question, probe.language) not in left_out]


def _part(job: JobDirectory, language: str) -> Path:
    return job.work / f"probe_logits-{language}.parquet"


def _write_parts(
    job: JobDirectory, loaded: models.LoadedModel, probes: list[Probe], batch_tokens: int, progress: Progress
) -> None:
    """Score the languages that have no part in ``work/`` yet."""
    by_language: dict[str, list[Probe]] = {}
    for probe in probes:
        if not _part(job, probe.language).exists():
            by_language.setdefault(probe.language, []).append(probe)
    progress.start(sum(map(len, by_language.values())), "probe", "probing")
    for language, some in by_language.items():
        write_table(_part(job, language), score(loaded, some, batch_tokens, progress))
        job.log(LanguageProbed(language=language, probes=len(some)))


def _write_outputs(
    job: JobDirectory,
    spec: ProbeSpec,
    loaded: models.LoadedModel,
    probes: list[Probe],
    ambiguous: list[Ambiguous],
) -> None:
    languages = list(dict.fromkeys(probe.language for probe in probes))
    parts = [read_table(_part(job, language), list(SCORES)) for language in languages]
    skipped = {"question": pl.String, "language": pl.String, "reason": pl.String}
    write_table(job.outputs / "skipped.parquet", pl.DataFrame(ambiguous, schema=skipped, orient="row"))
    if ambiguous:
        job.log(SkippedProbes(probes=tuple(SkippedProbe(**row._asdict()) for row in ambiguous)))
    write_json(job.outputs / "model.json", {**loaded.describe(), "model": spec.model.model_dump(mode="json")})
    write_table(job.outputs / "probe_logits.parquet", pl.concat(parts) if parts else pl.DataFrame(schema=SCORES))
