"""A small mT5 from scratch: a Unigram tokenizer and span-corruption pretraining on a job's corpora.

For machines without a hub, for demonstrations, and as a controlled starting point in a study. Reads
``inputs/segments.parquet``; leaves ``checkpoints/epoch-0``, ``outputs/checkpoints.parquet``,
``outputs/metrics.parquet`` and ``outputs/model.json``.

Architecture and objective are mT5's (Xue et al. 2021): gated GELU, an output matrix of its own, 15% noise in spans of
3. Languages are drawn with probability proportional to (number of segments)^0.3, mT5's exponent (section 3.1), and the
segments of a language in random order, all of them before any comes again; the tokenizer learns from the same draws.
A segment is an example of its own, cut off at ``max_tokens``; draws of alike length share a batch. Every draw is
corrupted by its number, so that a segment that comes again is corrupted otherwise. The learning rate rises over the
first 5% of the steps and falls linearly to 0.

The tokenizer has ``<pad> </s> <unk>`` as 0, 1, 2, then 256 byte pieces, which keep a script that it never saw from
becoming ``<unk>``, then the learnt pieces, and at the end ``<extra_id_99>`` down to ``<extra_id_0>``, as in mT5.
"""

import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.streams import IntArray, Purpose, Stream
from mlv.compute.models import loading
from mlv.compute.models.interfaces import Model, Tokenizer
from mlv.compute.training.corruption import SpanCorruption
from mlv.compute.training.course import note_cut
from mlv.compute.training.spans import CorruptedExamples, collate
from mlv.schema.errors import DataError, UsageError
from mlv.schema.files import folder_aside, write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.pretrain import PRESETS, Preset, PretrainSpec

if TYPE_CHECKING:
    import transformers

    from mlv.compute.training.trainer import LogEntry

COLUMNS: Final = ("source", "language", "edition", "position", "text")

SPECIAL_TOKENS: Final = ("<pad>", "</s>", "<unk>")
SENTINELS: Final = 100
BYTE_PIECES: Final = tuple(f"<0x{byte:02X}>" for byte in range(256))
RESERVED: Final = len(SPECIAL_TOKENS) + len(BYTE_PIECES) + SENTINELS
"""Entries of a vocabulary that are not learnt."""

TOKENIZER_SEGMENTS: Final = 100_000
"""Draws that the tokenizer learns from, at most."""

CHARACTER_COVERAGE: Final = 0.9999
"""Share of characters that get a piece; rare ones are spelt in bytes."""

LONGEST_SEGMENT: Final = 2**20
"""Bytes of a segment above which sentencepiece would leave it out; its own limit of 4,192 is short of some news."""

LANGUAGE_EXPONENT: Final = 0.3
"""Exponent that evens languages out (mT5; Xue et al. 2021, section 3.1)."""

WARMUP_SHARE: Final = 0.05
"""Share of the steps over which the learning rate rises."""

BATCHES_SORTED: Final = 64
"""Batches whose examples are sorted by length together: less padding, yet batches stay mixed."""

SAVES: Final = 10
"""Training states that a run writes, so that a broken-off job repeats a tenth at most."""


def run(job: JobDirectory, spec: PretrainSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a pretraining job to its end, from where it was interrupted.

    Raises JobError for damaged inputs, UsageError for an unknown preset, DataError for too little text.
    """
    chosen = preset(spec.preset)
    device = runtime.prepare(options.device, options.threads, spec.seed)
    runtime.fit_threads(chosen.width)
    frame = read_table(job.inputs / "segments.parquet", COLUMNS).sort("source", "language", "edition", "position")
    draws = draw_segments(frame["language"].to_numpy(), spec.steps * spec.batch_size, spec.seed)
    tokenizer = _tokenizer(job, spec, frame["text"], draws, progress)
    loaded = loading.LoadedModel(new_model(spec.preset, len(tokenizer), device), tokenizer, device)
    history = _train(job, spec, loaded, frame["text"].to_list(), draws, progress)
    _write_outputs(job, spec, loaded, history)


def preset(name: str) -> Preset:
    """The preset called ``name``. Raises UsageError where there is none."""
    if name not in PRESETS:
        raise UsageError(f"Unknown preset {name!r}", f"Choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def new_model(name: str, vocabulary: int, device: str = "cpu") -> Model:
    """An untrained mT5 of a preset, with an output matrix of its own; random numbers are torch's global ones."""
    import torch
    import transformers

    chosen = preset(name)
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
    untrained: Model = model.to(device)
    return untrained


def draw_segments(languages: npt.ArrayLike, count: int, seed: int) -> IntArray:
    """Which segments to train on, in order: indices into ``languages`` [segments], [count]."""
    names, language_of = np.unique(np.asarray(languages, dtype=str), return_inverse=True)
    sizes = np.bincount(language_of)
    shares = sizes**LANGUAGE_EXPONENT / (sizes**LANGUAGE_EXPONENT).sum()
    uniform = Stream(seed, Purpose.LANGUAGE).uniform(count)
    drawn = np.minimum(np.searchsorted(shares.cumsum(), uniform, side="right"), len(names) - 1)
    draws = np.empty(count, dtype=np.int64)
    for language in range(len(names)):
        members, places = np.flatnonzero(language_of == language), np.flatnonzero(drawn == language)
        draws[places] = members[_rounds(len(members), len(places), seed, language)]
    return draws


def _rounds(members: int, count: int, seed: int, language: int) -> IntArray:
    """``count`` numbers below ``members``: permutation after permutation, [count]."""
    rounds = [
        Stream(seed, Purpose.ORDER, number, language).permutation(members)
        for number in range(math.ceil(count / members))
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *rounds])[:count]


def batch_order(lengths: IntArray, batch_size: int, seed: int) -> IntArray:
    """Order of the draws such that draws of alike length share a batch, [draws]; the order of batches is random."""
    window = batch_size * BATCHES_SORTED
    order = np.concatenate(
        [start + np.argsort(lengths[start : start + window], kind="stable") for start in range(0, len(lengths), window)]
    )
    batches = order.reshape(-1, batch_size)
    for number, start in enumerate(range(0, len(batches), BATCHES_SORTED)):
        some = batches[start : start + BATCHES_SORTED]
        batches[start : start + BATCHES_SORTED] = some[Stream(seed, Purpose.BATCHES, number).permutation(len(some))]
    return batches.ravel()


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A Unigram tokenizer of at most ``vocabulary`` entries, sentinels and byte pieces included, for transformers.

    Raises UsageError for a vocabulary without room for learnt pieces, DataError where the text needs a larger one.
    """
    import transformers
    from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers import Tokenizer as Backend

    if vocabulary <= RESERVED:
        raise UsageError(
            f"A vocabulary of {vocabulary} has no room: {RESERVED} entries are reserved",
            "Use `--vocabulary 1000` or more.",
        )
    pieces = _learnt_pieces(texts, vocabulary - RESERVED)
    lowest = min(score for _, score in pieces) - 10.0
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(SENTINELS))]
    entries = [
        *((token, 0.0) for token in SPECIAL_TOKENS),
        *((piece, lowest) for piece in BYTE_PIECES),
        *pieces,
        *((token, 0.0) for token in sentinels),
    ]
    backend = Backend(models.Unigram(entries, unk_id=2, byte_fallback=True))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    backend.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    backend.add_special_tokens([AddedToken(token, special=True) for token in (*SPECIAL_TOKENS, *sentinels)])
    tokenizer: Tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, **dict(zip(("pad_token", "eos_token", "unk_token"), SPECIAL_TOKENS, strict=True))
    )
    return tokenizer


def _learnt_pieces(texts: Iterable[str], count: int) -> list[tuple[str, float]]:
    """At most ``count`` pieces with their log-probabilities, as many as the text gives.

    sentencepiece learns them, as for mT5: unlike that of tokenizers its trainer gives the same pieces every time.
    """
    import sentencepiece

    trained = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=trained,
            model_type="unigram",
            vocab_size=count + len(SPECIAL_TOKENS),
            hard_vocab_limit=False,
            character_coverage=CHARACTER_COVERAGE,
            normalization_rule_name="nfkc",
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            max_sentence_length=LONGEST_SEGMENT,
            # sums are split by threads, so that another number of them gives other pieces
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"No tokenizer of {count} pieces could be learnt from the corpora: {error}",
            "Use a larger `--vocabulary`, fewer scripts, or more text.",
        ) from error
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    return [
        (pieces.id_to_piece(number), pieces.get_score(number))
        for number in range(len(SPECIAL_TOKENS), pieces.get_piece_size())
    ]


def _tokenizer(
    job: JobDirectory, spec: PretrainSpec, texts: pl.Series, draws: IntArray, progress: Progress
) -> Tokenizer:
    """The job's tokenizer: that of a broken-off run where there is one."""
    folder = job.work / "tokenizer"
    if not folder.exists():
        progress.start(1, "tokenizer", "learning a tokenizer")
        with folder_aside(folder) as aside:
            learnt_from = texts.gather(np.sort(draws[:TOKENIZER_SEGMENTS]))
            train_tokenizer(learnt_from.to_list(), spec.vocabulary).save_pretrained(aside)
        progress.advance(1)
    return loading.load_tokenizer(folder)


def _train(
    job: JobDirectory,
    spec: PretrainSpec,
    loaded: loading.LoadedModel,
    texts: list[str],
    draws: IntArray,
    progress: Progress,
) -> "list[LogEntry]":
    """Train, publish ``checkpoints/epoch-0``, and return the Trainer's log."""
    from mlv.compute.training import trainer as training

    tokenizer = loaded.tokenizer
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    note_cut(job, sum(len(row) > spec.max_tokens for row in ids), len(ids), spec.max_tokens)
    tokens = [np.asarray(row[: spec.max_tokens], dtype=np.int64) for row in ids]
    lengths = np.asarray([len(row) for row in tokens])
    corruption = SpanCorruption(
        loaded.sentinels, tokenizer.eos_token_id, spec.seed, spec.noise_density, spec.mean_span_length, spec.mask
    )
    examples = CorruptedExamples([tokens[draw] for draw in draws], range(len(draws)), corruption, epoch=1)
    order = batch_order(lengths[draws], spec.batch_size, spec.seed)
    recorder = training.Recorder(job, examples, spec.steps, progress, lambda _: None)
    trainer = training.OrderedTrainer(
        order=training.EpochOrder(examples, lambda _: order),
        model=loaded.model,
        args=_arguments(job, spec, loaded.device),
        train_dataset=examples,
        data_collator=collate(tokenizer.pad_token_id),
        callbacks=[recorder],
    )
    training.train(job, trainer, progress, f"pretraining {spec.name}", spec.steps)
    training.publish(job, loaded, epoch=0)
    history: list[LogEntry] = trainer.state.log_history
    return history


def _arguments(job: JobDirectory, spec: PretrainSpec, device: str) -> "transformers.TrainingArguments":
    from mlv.compute.training import trainer as training

    return training.single_device_arguments(
        job.work,
        device,
        max_steps=spec.steps,
        num_train_epochs=1,
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        warmup_steps=math.ceil(spec.steps * WARMUP_SHARE),
        bf16=spec.precision == "bf16",
        seed=spec.seed,
        eval_strategy="no",
        save_strategy="steps",
        save_steps=math.ceil(spec.steps / SAVES),
        logging_strategy="steps",
        logging_steps=max(1, spec.steps // 100),
    )


def _write_outputs(
    job: JobDirectory, spec: PretrainSpec, loaded: loading.LoadedModel, history: "list[LogEntry]"
) -> None:
    from mlv.compute.training import trainer as training

    write_table(job.outputs / "metrics.parquet", training.metrics(history))
    write_json(job.outputs / "model.json", {**loaded.describe(), "name": spec.name})
    write_table(job.outputs / "checkpoints.parquet", training.checkpoint_table(job, [(0, spec.steps, True)]))
