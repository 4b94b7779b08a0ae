"""The plane of profiles: against the covariance's eigenvectors, closed forms, and what must not change it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlv.compute.jobs.pca import fit_plane
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import execute
from mlv.schema.errors import DataError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.pca import PROFILE_KEYS, PcaSpec

Matrix = NDArray[np.float64]


def _profiles(seed: int, profiles: int = 9, questions: int = 20) -> Matrix:
    return np.random.default_rng(seed).random((profiles, questions))


def _distances(points: Matrix) -> Matrix:
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=2))


@pytest.mark.parametrize("shape", [(9, 20), (30, 5), (3, 2), (4, 3)])
def test_components_are_the_eigenvectors_of_the_covariance(shape: tuple[int, int]) -> None:
    profiles = _profiles(0, *shape)
    values, vectors = np.linalg.eigh(np.cov(profiles.T))
    plane = fit_plane(profiles)
    for place in (0, 1):
        loadings = vectors[:, -1 - place]
        loadings = loadings * np.sign(loadings[np.argmax(np.abs(loadings))])
        assert plane.points[:, place] == pytest.approx((profiles - profiles.mean(0)) @ loadings, abs=1e-12)
        assert plane.explained[place] == pytest.approx(values[-1 - place] / values.sum())
        assert plane.points[:, place].var(ddof=1) == pytest.approx(values[-1 - place])


def test_two_dimensions_are_kept_as_they_are() -> None:
    # along (3, 4) and across it: the lengths 10 and 2 are those of a rectangle's sides
    corners = np.array([[0, 0], [6, 8], [6 - 1.6, 8 + 1.2], [-1.6, 1.2]]) / 10
    plane = fit_plane(corners)
    assert _distances(plane.points) == pytest.approx(_distances(corners))
    assert plane.explained == pytest.approx((100 / 104, 4 / 104))
    assert plane.points[:, 0].tolist() == pytest.approx([-0.5, 0.5, 0.5, -0.5])


def test_the_order_of_profiles_and_questions_is_of_no_account() -> None:
    rng, profiles = np.random.default_rng(1), _profiles(1)
    rows, columns = rng.permutation(9), rng.permutation(20)
    one, other = fit_plane(profiles), fit_plane(profiles[np.ix_(rows, columns)])
    assert other.points == pytest.approx(one.points[rows], abs=1e-12)
    assert other.explained == pytest.approx(one.explained)


@pytest.mark.parametrize("seed", range(10))
def test_signs_stay_when_profiles_move_a_little_or_are_mirrored(seed: int) -> None:
    profiles = _profiles(seed)
    moved = fit_plane(profiles + np.random.default_rng(seed).normal(0, 1e-7, profiles.shape)).points
    assert moved == pytest.approx(fit_plane(profiles).points, abs=1e-4)
    # p_first of the other side: what was high is low, so points change sides
    assert fit_plane(1 - profiles).points == pytest.approx(-fit_plane(profiles).points, abs=1e-12)


def test_loadings_of_one_size_leave_the_sign_to_the_first() -> None:
    rising, falling = np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]]), np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
    for profiles in (rising, falling, rising + 1e-15, falling - 1e-15):
        # the first question decides, though the second is as large
        assert fit_plane(profiles).points[:, 0] == pytest.approx((profiles[:, 0] - 0.5) * 2**0.5)


def test_without_a_second_direction_y_is_0() -> None:
    line = np.array([[0.1] * 5, [0.2] * 5, [0.6] * 5])
    plane = fit_plane(line)
    assert plane.points[:, 1].tolist() == [0, 0, 0]
    assert plane.explained == (1.0, 0.0)
    assert plane.points[:, 0].tolist() == pytest.approx((np.array([-0.2, -0.1, 0.3]) * 5**0.5).tolist())
    assert fit_plane(line[:, :1]).points[:, 1].tolist() == [0, 0, 0]


def test_equal_variance_in_two_directions_keeps_distances() -> None:
    triangle = np.array([[0, 0], [1, 0], [0.5, 0.75**0.5]])
    plane = fit_plane(triangle)
    assert _distances(plane.points) == pytest.approx(_distances(triangle))
    assert plane.explained == pytest.approx((0.5, 0.5))


def test_adding_a_constant_to_a_question_changes_nothing_scaling_it_does() -> None:
    profiles = _profiles(2)
    shifted, scaled = profiles.copy(), profiles.copy()
    shifted[:, 3] += 0.5
    scaled[:, 3] *= 5
    assert fit_plane(shifted).points == pytest.approx(fit_plane(profiles).points, abs=1e-12)
    assert fit_plane(scaled).explained[0] > fit_plane(profiles).explained[0] + 0.1


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_profiles_that_are_all_alike_have_no_plane(value: float) -> None:
    with pytest.raises(DataError, match="The 4 profiles are all alike"):
        fit_plane(np.full((4, 7), value))


def _job(folder: Path, frame: pl.DataFrame) -> JobDirectory:
    spec = PcaSpec(
        checkpoints=("digest",),
        collection="demo",
        probe_set="all",
        languages=("de", "fa", "ko"),
        score="mean",
        survey="",
        countries=(),
        weighting="",
        inputs_digest="",
    )
    job = JobDirectory.create(folder, spec, {})
    frame.write_parquet(job.inputs / "profiles.parquet")
    return job


def test_a_job_writes_where_each_profile_lies(tmp_path: Path) -> None:
    matrix = _profiles(3, 3, 4)
    rows = [
        {"profile": i, "checkpoint": "digest", "language": language, "score": "mean"}
        | {"survey": None, "country": None, "weighting": None, "question": str(j), "p_first": matrix[i, j]}
        for i, language in enumerate(("de", "fa", "ko"))
        for j in range(4)
    ]
    texts = dict.fromkeys(PROFILE_KEYS, pl.String)
    job = _job(tmp_path, pl.DataFrame(rows, schema_overrides=texts).sample(fraction=1, shuffle=True, seed=1))
    assert execute(job.path, ExecuteOptions("cpu", 1))
    points = pl.read_parquet(job.outputs / "points.parquet")
    assert points.columns == [*PROFILE_KEYS, "x", "y"]
    assert points["language"].to_list() == ["de", "fa", "ko"]
    plane = fit_plane(matrix)
    assert points.select("x", "y").to_numpy() == pytest.approx(plane.points, abs=1e-14)
    facts = job.read_json("outputs/run.json")
    assert (facts["profiles"], facts["questions"]) == (3, 4)
    assert (facts["explained_x"], facts["explained_y"]) == pytest.approx(plane.explained)
    assert not execute(job.path, ExecuteOptions("cpu", 1))
