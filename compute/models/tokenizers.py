"""Unigram tokenizers learnt from text, laid out as those of mT5, of XLM-R and of Llama 2.

All have 256 byte pieces, which keep a script that was never seen from becoming ``<unk>``; XLM-R's own has none, since
it was learnt from a hundred languages.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlv.compute.models.interfaces import Tokenizer
from mlv.schema.errors import DataError, UsageError

SENTINELS: Final = 100
BYTE_PIECES: Final = tuple(f"<0x{byte:02X}>" for byte in range(256))

CHARACTER_COVERAGE: Final = 0.9999
"""Share of characters that get a piece; rare ones are spelt in bytes."""

LONGEST_SEGMENT: Final = 2**20
"""Bytes of a segment above which sentencepiece would leave it out; its own limit of 4,192 is short of some news."""

SMALLEST_USEFUL: Final = 1000
"""Entries of a vocabulary that leaves room for pieces, in any layout."""


LONGEST_INPUT: Final = 512
"""Most tokens that an XLM-R is given, special ones included."""


@dataclass(frozen=True)
class Layout:
    """Where a tokenizer has its special tokens, and how they frame a text."""

    first: tuple[str, ...]
    """Special tokens before bytes and learnt pieces."""

    last: tuple[str, ...]
    """Special tokens after them."""

    roles: Mapping[str, str]
    """What transformers calls them, e.g. ``pad_token``."""

    single: tuple[str, ...]
    """A text, ``$A``, as a model is given it."""

    pair: tuple[str, ...]
    """Two texts, ``$A`` and ``$B``."""

    longest: int | None = None
    """Most tokens that a model is given; None for any number."""

    continues: bool = False
    """Whether what follows a special token without a space continues a word (``<mask>.``), as when it hides a word in
    training. If not, it begins one."""

    @property
    def reserved(self) -> int:
        """Entries that are not learnt."""
        return len(self.first) + len(BYTE_PIECES) + len(self.last)


MT5: Final = Layout(
    first=("<pad>", "</s>", "<unk>"),
    last=tuple(f"<extra_id_{number}>" for number in reversed(range(SENTINELS))),
    roles={"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    single=("$A", "</s>"),
    pair=("$A", "</s>", "$B", "</s>"),
)
"""``<pad> </s> <unk>`` as 0, 1, 2, and at the end ``<extra_id_99>`` down to ``<extra_id_0>``."""

XLM_R: Final = Layout(
    first=("<s>", "<pad>", "</s>", "<unk>"),
    last=("<mask>",),
    roles={
        **{"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
        **{"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"},
    },
    single=("<s>", "$A", "</s>"),
    pair=("<s>", "$A", "</s>", "</s>", "$B", "</s>"),
    longest=LONGEST_INPUT,
    continues=True,
)
"""``<s> <pad> </s> <unk>`` as 0 to 3, and at the end ``<mask>``, which takes the space before it along."""

LLAMA: Final = Layout(
    first=("<unk>", "<s>", "</s>", "<pad>"),
    last=(),
    roles={"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
    single=("<s>", "$A"),
    pair=("<s>", "$A", "<s>", "$B"),
)
"""``<unk> <s> </s>`` as 0, 1, 2, and ``<pad>``, which Llama has none of. No end follows a text: it is continued."""


def train_tokenizer(texts: Iterable[str], vocabulary: int, layout: Layout = MT5) -> Tokenizer:
    """A Unigram tokenizer of at most ``vocabulary`` entries, special tokens and bytes included, for transformers.

    Raises UsageError for a vocabulary without room for learnt pieces, DataError where the text needs a larger one.
    """
    import transformers

    if vocabulary <= layout.reserved:
        raise UsageError(
            f"A vocabulary of {vocabulary} has no room: {layout.reserved} entries are reserved",
            f"Use `--vocabulary {SMALLEST_USEFUL}` or more.",
        )
    limit = {"model_max_length": layout.longest} if layout.longest else {}
    tokenizer: Tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=_backend(_learnt_pieces(texts, vocabulary - layout.reserved), layout), **layout.roles, **limit
    )
    return tokenizer


def _backend(pieces: list[tuple[str, float]], layout: Layout) -> Any:
    """A tokenizer of the library ``tokenizers`` with some learnt pieces and their log-probabilities."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, processors

    lowest = min(score for _, score in pieces) - 10.0
    entries = [
        *((token, 0.0) for token in layout.first),
        *((piece, lowest) for piece in BYTE_PIECES),
        *pieces,
        *((token, 0.0) for token in layout.last),
    ]
    ids = {token: number for number, (token, _) in enumerate(entries)}
    backend = Tokenizer(models.Unigram(entries, unk_id=ids["<unk>"], byte_fallback=True))
    backend.normalizer, backend.pre_tokenizer = _words(layout)
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    framing = [(token, ids[token]) for token in layout.first if token in {*layout.single, *layout.pair}]
    backend.post_processor = processors.TemplateProcessing(
        single=list(layout.single), pair=list(layout.pair), special_tokens=framing
    )
    mask = layout.roles.get("mask_token")
    backend.add_special_tokens(
        [AddedToken(token, special=True, lstrip=token == mask) for token in (*layout.first, *layout.last)]
    )
    return backend


def _words(layout: Layout) -> tuple[Any, Any]:
    """How a text is normalised and parted into words."""
    from tokenizers import Regex, normalizers, pre_tokenizers

    if not layout.continues:
        words = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        return normalizers.NFKC(), pre_tokenizers.Sequence(words)
    # only the beginning of a text and a space begin a word, so that white space has to be one
    spaces = [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(left=False)]
    return normalizers.Sequence(spaces), pre_tokenizers.Metaspace(prepend_scheme="first")


def _learnt_pieces(texts: Iterable[str], count: int) -> list[tuple[str, float]]:
    """At most ``count`` pieces with their log-probabilities, as many as the text gives.

    sentencepiece learns them, as for mT5: unlike that of tokenizers its trainer gives the same pieces every time.
    """
    import sentencepiece

    # its own special tokens are not kept
    own = 3
    trained = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=trained,
            model_type="unigram",
            vocab_size=count + own,
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
    return [(pieces.id_to_piece(number), pieces.get_score(number)) for number in range(own, pieces.get_piece_size())]
