"""The plane in which profiles differ most: principal component analysis, centred and not scaled (E Figures 4, 11, 13).

Profiles are probabilities, all on one scale already: scaling would let questions on which nobody differs count as much
as those that divide. The plane is fitted to all profiles together, those before fine-tuning as well as those after.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions, Progress
from mlv.schema.errors import DataError
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.pca import PROFILE_KEYS, PcaSpec

MOST_ALIKE = 1e-9
"""Up to this relative difference two loadings are of one size, and the first of them decides the sign."""


class Plane(NamedTuple):
    """Where profiles lie, and how much of them that tells."""

    points: NDArray[np.float64]
    """Coordinates along the first two components, [profiles, 2]."""

    explained: tuple[float, float]
    """Share of the total variance along either."""


def fit_plane(profiles: NDArray[np.float64]) -> Plane:
    """The first two principal components of profiles [profiles, questions].

    The largest loading of either is positive, so that a figure is not mirrored from one machine to the next. A
    direction without variance has coordinates 0. Raises DataError where all profiles are alike.
    """
    from scipy.linalg import svd

    centred = profiles - profiles.mean(axis=0)
    left, sizes, loadings = svd(centred, full_matrices=False)
    if sizes[0] <= _rounding(profiles):
        raise DataError(
            f"The {len(profiles)} profiles are all alike: there is no direction in which they differ.",
            "Compare other profiles: mlv compute pca --help",
        )
    sizes = np.where(sizes > _rounding(profiles), sizes, 0.0)
    along = left * sizes * [_sign(row) for row in loadings]
    points = np.zeros((len(profiles), 2))
    points[:, : min(2, along.shape[1])] = along[:, :2]
    shares = [*(sizes**2 / np.sum(sizes**2)), 0.0]
    return Plane(points, (float(shares[0]), float(shares[1])))


def _rounding(profiles: NDArray[np.float64]) -> float:
    """Singular values up to this are of rounding alone."""
    return float(np.finfo(np.float64).eps * max(profiles.shape) * np.linalg.norm(profiles))


def _sign(loadings: NDArray[np.float64]) -> float:
    """1, or -1 where the largest loading is negative."""
    sizes = np.abs(loadings)
    return float(np.sign(loadings[np.argmax(sizes >= sizes.max() * (1 - MOST_ALIKE))]))


def run(job: JobDirectory, spec: PcaSpec, options: ExecuteOptions, progress: Progress) -> None:
    """Write ``outputs/points.parquet``, a profile a row, and ``outputs/run.json``."""
    runtime.prepare("cpu", options.threads, spec.seed)
    profiles = read_table(job.inputs / "profiles.parquet", ["profile", *PROFILE_KEYS, "question", "p_first"])
    profiles = profiles.sort("profile", "question")
    keys = profiles.select("profile", *PROFILE_KEYS).unique(maintain_order=True)
    progress.start(keys.height, "profile", "pca")
    plane = fit_plane(profiles["p_first"].to_numpy().reshape(keys.height, -1))
    x, y = plane.points.T
    write_table(job.outputs / "points.parquet", keys.drop("profile").with_columns(x=pl.Series(x), y=pl.Series(y)))
    questions = profiles.height // keys.height
    explained = dict(zip(("explained_x", "explained_y"), plane.explained, strict=True))
    write_json(job.outputs / "run.json", {"profiles": keys.height, "questions": questions, **explained})
    progress.advance(keys.height)
