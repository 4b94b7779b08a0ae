"""How influence scores are made of gradients: part of the specifications of jobs that trace a run."""

from typing import Any, Literal

from mlv.schema.jobs.masks import Masking, digest_of
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.spec import ModelRef, Seed, SpecPart

ModuleGroup = Literal["attention", "feed_forward", "embedding", "output", "norm", "bias", "position_bias"]
"""Parameters by role; ``output`` is the output matrix or the classifier, ``bias`` that of linear layers."""

Stack = Literal["encoder", "decoder"]

VOCABULARY_DIRECTIONS = 256
"""Directions on the vocabulary's side of a matrix, at least: it is far longer than others, its spectrum flatter."""


class Gradients(SpecPart):
    """Which per-example gradients are taken and how they are projected: with a model state, what an index holds."""

    output: Literal["loss", "log_odds"] = "loss"
    """Of which function of an example: the sum over its target tokens of log p, or TRAK's of log(p / (1 - p))."""

    corruptions: Literal["trained", "epoch"] = "trained"
    """Of which corruptions of an example: of all that training fed, weighted by the learning rate that they met, or of
    the checkpoint's own epoch alone."""

    modules: tuple[ModuleGroup, ...] = ("attention", "feed_forward", "embedding", "output")
    """Whose parameters take part."""

    stacks: tuple[Stack, ...] = ("encoder", "decoder")
    """In which halves of the model; what both share counts for either."""

    projection: Literal["none", "principal", "random", "dense"] = "principal"
    """none: exact. principal: on each side of a matrix the directions in which the reference probes' gradients are
    largest. random: Gaussian directions on each side. dense: one matrix of random signs over all parameters (TRAK)."""

    dimensions: int = 16
    """Directions on each side of a matrix, on the vocabulary's at least :data:`VOCABULARY_DIRECTIONS`; of a dense
    projection, all; of none, 0."""

    seed: Seed = 0
    """Of random directions."""


DAMPING = 1.0
"""TRAK's lambda unless another is given."""

TRACIN_DAMPING = 0.0
"""What stands for the lambda that TracIn does not have."""


class Attribution(SpecPart):
    """How scores are made of gradients."""

    method: Literal["trak", "tracin"] = "trak"
    similarity: Literal["dot", "cosine"] = "dot"
    """cosine: gradients are normalised first."""

    kernel: Literal["joint", "module", "diagonal"] = "module"
    """TRAK's second moments of the training gradients: of all features jointly; of those of each matrix by itself,
    whose scores add up; or of each feature by itself, as Adam's and EK-FAC's. TracIn has none."""

    damping: float = DAMPING
    """TRAK's lambda, in units of the mean squared norm of the features, of a matrix if the kernel is by module; of a
    diagonal kernel, of the mean second moment of a matrix's features. TracIn has none."""

    confidence: bool = False
    """Whether scores are multiplied by Q = 1 - p of the training example, p per token (TRAK)."""

    weights: Literal["learning_rate", "equal"] = "learning_rate"
    """How checkpoints count in the sum or mean: by the learning rate of their epoch, or alike."""

    gradients: Gradients = Gradients()

    @property
    def streams(self) -> bool:
        """Whether scores are plain products of exact gradients, which need not be kept for that."""
        return self.method == "tracin" and self.gradients.projection == "none" and not self.confidence


def attribution_name(attribution: Attribution) -> str:
    """What an attribution is called in tables: ``trak-principal-32``, ``tracin-cosine-exact``, then whatever of it is
    not the default, as in ``trak-principal-16 corruptions=epoch``. Two that differ have two names."""
    gradients = attribution.gradients
    cosine = "-cosine" if attribution.similarity == "cosine" else ""
    directions = "exact" if gradients.projection == "none" else f"{gradients.projection}-{gradients.dimensions}"
    every, said = (words(one.model_dump(mode="json")) for one in (attribution, _otherwise_default(attribution)))
    return " ".join([f"{attribution.method}{cosine}-{directions}", *(word for word in every if word not in said)])


def _otherwise_default(attribution: Attribution) -> Attribution:
    """The attribution that the beginning of its name stands for if nothing follows."""
    projection, dimensions = attribution.gradients.projection, attribution.gradients.dimensions
    return Attribution(
        method=attribution.method,
        similarity="cosine" if attribution.similarity == "cosine" else "dot",
        damping=TRACIN_DAMPING if attribution.method == "tracin" else DAMPING,
        gradients=Gradients(projection=projection, dimensions=0 if projection == "none" else dimensions),
    )


def gradients_of(
    checkpoint: ModelRef, gradients: Gradients, reference_digest: str, masking: Masking = None
) -> dict[str, Any]:
    """What gradients depend on beside the rows they are of: the part of an index's identity that a job decides."""
    return {
        "model": checkpoint.digest,
        "gradients": gradients.model_dump(mode="json"),
        "reference": reference_digest if gradients.projection == "principal" else "",
        "masks": digest_of(masking),
    }
