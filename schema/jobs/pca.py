"""The specification of a principal component analysis of profiles."""

from typing import Literal

from mlv.schema.jobs.spec import Seed, Spec

PROFILE_KEYS = ("checkpoint", "language", "score", "survey", "country", "weighting")
"""Natural key of a profile: the first three of a model's, the others of a country's."""


class ProjectSpec(Spec):
    """Fit a plane to profiles by principal component analysis (E Figures 4, 11 and 13).

    Reads ``inputs/profiles.parquet``: one row per profile and question, the profiles by :data:`PROFILE_KEYS`.
    """

    kind: Literal["project"] = "project"
    checkpoints: tuple[str, ...]
    """Model states whose profiles are compared, as :func:`checkpoint_key` names them."""

    collection: str
    """Probe collection behind the probe set and the models' profiles, e.g. arora-2023."""

    probe_set: str
    """Probe set that the questions are of: those that all profiles have."""

    languages: tuple[str, ...]
    """Test languages of the models' profiles."""

    score: Literal["sum", "mean", "first"] | None
    """Way of scoring behind the models' profiles; None where only countries are compared."""

    survey: str
    """Survey of the countries' profiles; empty where only models are compared, like ``weighting``."""

    countries: tuple[str, ...]
    weighting: Literal["weighted", "unweighted", ""]
    inputs_digest: str
    """SHA-256 of ``inputs/profiles.parquet`` by content."""

    seed: Seed = 0
    """A projection has no randomness; the field is there because every run has a seed."""
