"""The specification of a count of words."""

from typing import ClassVar, Literal

from mlv.schema.jobs.spec import CorpusRef, Spec


class WordcountSpec(Spec):
    """Count the words of corpora. Reads ``inputs/segments.parquet``. The seed has no effect."""

    OUTPUTS: ClassVar = ("words.parquet",)
    NOT_COMPARED: ClassVar = {**Spec.NOT_COMPARED, "corpora": "an input"}

    kind: Literal["wordcount"] = "wordcount"
    corpora: tuple[CorpusRef, ...]
    shortest: int
    """Characters that a word has at least."""
