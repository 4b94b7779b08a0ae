"""The specification of an influence job."""

from typing import ClassVar, Literal

from mlv.schema.jobs.attribution import Attribution
from mlv.schema.jobs.masks import Mask, Masking, Subnetwork, TrainingMasks, masks_by_language
from mlv.schema.jobs.tracing import Quantity, TracingSpec
from mlv.schema.papers import echoes

TargetSelection = Literal["shifted", "all", "chosen", "correct"]


class InfluenceSpec(TracingSpec):
    """Trace a run's predictions back to its training examples (E section 7; H section 4.2).

    Scores at several checkpoints are averaged (TRAK) or summed (TracIn).
    """

    OUTPUTS: ClassVar = (
        "model.json",
        "run.json",
        "targets.parquet",
        "rankings.parquet",
        "summaries.parquet",
        "histograms.parquet",
    )
    IF_GIVEN: ClassVar = TracingSpec.IF_GIVEN | {"masks", "subnetworks", "training_masks"}
    NOT_COMPARED: ClassVar = {
        **TracingSpec.NOT_COMPARED,
        "subnetworks": "what the names in masks stand for",
        "keep_scores": "what is kept beside the results does not change them",
    }

    kind: Literal["influence"] = "influence"
    attribution: Attribution
    selection: TargetSelection = "shifted"
    """Which targets are traced. correct: labelled texts that the traced checkpoint has right (H section 5)."""

    quantity: Quantity = "shift"
    top_k: int = echoes.INFLUENCE_TOP_K
    keep_scores: bool = False
    """Whether all scores are kept, in ``outputs/scores.parquet``."""

    masks: dict[str, str] | None = None
    """Name of the subnetwork that targets in each language are traced under; None: the whole model (D5 5.5.1)."""

    subnetworks: tuple[Subnetwork, ...] | None = None
    """These, and those that they are derived from, each before what is derived from it."""

    training_masks: TrainingMasks | None = None
    """Where there are masks, under which the gradients of training examples are taken."""

    def masks_of_targets(self) -> dict[str, Mask]:
        """By language, the masks that targets are traced under."""
        return masks_by_language(self.masks, self.subnetworks)

    def masking_of_examples(self, language: str) -> Masking:
        """Under which masks the gradients of training examples are taken that targets in a language meet."""
        masks = self.masks_of_targets()
        return {"test": masks.get(language), "own": masks, "none": None}[self.training_masks or "test"]

    def methods(self) -> tuple[Attribution, ...]:
        """The one attribution."""
        return (self.attribution,)
