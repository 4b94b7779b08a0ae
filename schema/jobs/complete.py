"""The specification of a job that lets a masked model complete sentences about social groups."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlv.schema.jobs.spec import ModelRef, Precision, Spec
from mlv.schema.papers import stereotypes
from mlv.schema.papers.stereotypes import Prior


class CompleteSpec(Spec):
    """Rank the likeliest tokens at the mask of ``inputs/clozes.parquet``, and compare with a prior (D6 section 6.4).

    Probabilities are over the whole vocabulary, and of tokens by their number, never by their text. Of tokens whose
    stripped texts are the same the likelier is kept. The seed has no effect.
    """

    OUTPUTS: ClassVar = ("model.json", "completions.parquet", "skipped.parquet")
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "what completes",
        "group_list": "an input",
        "languages": "completions are compared sentence by sentence",
    }

    kind: Literal["complete"] = "complete"
    model: ModelRef
    group_list: str
    """Name of the list of groups that the sentences speak of."""

    languages: tuple[str, ...]
    top_k: Annotated[int, Field(ge=1)] = stereotypes.TOP_K
    """Likeliest tokens of a sentence that are kept."""

    prior: Prior = "one_mask"
    """What stands for the group in the prior."""

    precision: Precision = "fp32"

    def models(self) -> tuple[ModelRef, ...]:
        """The masked model."""
        return (self.model,)
