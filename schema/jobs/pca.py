"""The specification of a principal component analysis of profiles."""

from typing import ClassVar, Literal

from mlv.schema.jobs.spec import ModelRef, Spec

PROFILE_KEYS = ("checkpoint", "language", "score", "survey", "country", "weighting")
"""Natural key of a profile: the first three of a model's, the others of a country's."""


class PcaSpec(Spec):
    """Fit a plane to profiles by principal component analysis (E Figures 4, 11 and 13). The seed has no effect.

    Reads ``inputs/profiles.parquet``: one row per profile and question, the profiles by :data:`PROFILE_KEYS`.
    """

    OUTPUTS: ClassVar = ("run.json", "points.parquet")
    PROFILE_INPUTS: ClassVar = ("profiles.parquet",)
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        **dict.fromkeys(("checkpoints", "languages", "survey", "countries"), "what is compared"),
    }

    kind: Literal["pca"] = "pca"
    checkpoints: tuple[str, ...]
    """Model states whose profiles are compared, by :attr:`ModelRef.key`."""

    collection: str
    """Probe collection behind the probe set and the models' profiles, e.g. arora-2023."""

    probe_set: str
    """Probe set that the questions are of: those that all profiles have."""

    languages: tuple[str, ...]
    """Test languages of the models' profiles."""

    score: Literal["sum", "mean", "first"] | None
    """Way of scoring behind the models' profiles; None if only countries are compared."""

    survey: str
    """Survey of the countries' profiles; empty if only models are compared, like ``weighting``."""

    countries: tuple[str, ...]
    weighting: Literal["weighted", "unweighted", ""]

    def builds_on(self) -> frozenset[str]:
        """The jobs that made the model states; their probing is not named."""
        made = (ModelRef(name=key, digest=key).made_by for key in self.checkpoints)
        return frozenset(found.job for found in made if found)
