"""Predictions under masks: each language under its own, the others as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from labelled_heads import CARRIERS, SHAPE, save_classifier
from numpy.typing import NDArray
from tiny_encoder import LANGUAGES, labelled_rows
from workers import run_job

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files
from mlv.schema.errors import DataError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.jobs.predict import PredictSpec

OPTIONS = ExecuteOptions(device="cpu", threads=1)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that has one head for German and one for English, and none for French."""
    return save_classifier(tmp_path_factory.mktemp("models") / "carried")


def only(language: str) -> Mask:
    """The mask of the one head that carries a language."""
    return Mask.of([[(layer, head) == CARRIERS[language] for head in range(SHAPE[1])] for layer in range(SHAPE[0])])


def planned(folder: Path, model: Path, masks: dict[str, Mask] | None = None) -> JobDirectory:
    """A job of 5 texts in each of three languages."""
    reference = files.resolve(str(model))
    given = {name: Subnetwork(name=f"of-{name}", mask=mask, origin="pruned") for name, mask in (masks or {}).items()}
    spec = PredictSpec(
        model=reference,
        task="praise",
        classes=("negative", "positive"),
        source="words",
        split="test",
        languages=LANGUAGES,
        corpora=(),
        inputs_digest="0",
        masks={language: part.name for language, part in given.items()} or None,
        subnetworks=tuple(given.values()) or None,
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    rows = pl.DataFrame(labelled_rows({"test": 5}))
    rows.select(
        pl.col("lang").alias("language"),
        pl.int_range(pl.len()).over("lang").alias("position"),
        "text",
        pl.lit(None, pl.String).alias("text_pair"),
    ).write_parquet(job.inputs / "segments.parquet")
    return job


def logits(job: JobDirectory) -> dict[str, NDArray[np.float64]]:
    """By language, [texts, classes]."""
    run_job(job, OPTIONS)
    frame = pl.read_parquet(job.outputs / "class_logits.parquet").sort("language", "position", "class_number")
    return {name: frame.filter(language=name)["logit"].to_numpy().reshape(-1, 2) for name in LANGUAGES}


def test_each_language_is_put_through_its_own_subnetwork(classifier: Path, tmp_path: Path) -> None:
    plain = logits(planned(tmp_path / "plain", classifier))
    own = logits(planned(tmp_path / "own", classifier, {name: only(name) for name in CARRIERS}))
    crossed = logits(planned(tmp_path / "crossed", classifier, {"de": only("en"), "en": only("de")}))
    for language in CARRIERS:
        assert np.abs(plain[language]).min() > 0.1
        np.testing.assert_allclose(own[language], plain[language], rtol=1e-5)
        np.testing.assert_allclose(crossed[language], 0, atol=1e-6)
    assert np.array_equal(own["fr"], plain["fr"])


def test_a_mask_of_all_heads_changes_nothing_to_the_bit(classifier: Path, tmp_path: Path) -> None:
    every = Mask.of([[True] * SHAPE[1]] * SHAPE[0])
    plain = logits(planned(tmp_path / "plain", classifier))
    masked = logits(planned(tmp_path / "masked", classifier, {"de": every}))
    assert np.array_equal(masked["de"], plain["de"])


def test_a_mask_of_another_model_is_refused(classifier: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, classifier, {"de": Mask.of([[True] * 12] * 12)})
    with pytest.raises(DataError, match=r"The mask of de is of 12 x 12 attention heads .* the model has 2 x 4"):
        run_job(job, OPTIONS)


def test_languages_that_were_finished_stay(classifier: Path, tmp_path: Path) -> None:
    whole, broken = (planned(tmp_path / name, classifier, {"en": only("de")}) for name in ("whole", "broken"))

    class Ends:
        """Breaks off in the second language."""

        asked = 0

        def start(self, *_: object) -> None:
            """Nothing."""

        def advance(self, *_: Any, **__: Any) -> None:
            """A batch."""
            self.asked += 1
            if self.asked == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(broken, OPTIONS, Ends())
    expected, found = logits(whole), logits(broken)
    assert all(np.array_equal(expected[name], found[name]) for name in LANGUAGES)
