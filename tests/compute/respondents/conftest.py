"""A tiny decoder, and jobs that ask it or an endpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_causal import save_causal

from mlv.compute.models import files, loading
from mlv.compute.models.families import CAUSAL
from mlv.compute.models.loading import LoadedModel
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.respond import RespondSpec
from mlv.schema.jobs.spec import ModelRef

OPTIONS = ("agree", "disagree strongly")


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("decoder") / "tiny-llama")


@pytest.fixture(scope="session")
def decoder(decoder_folder: Path) -> LoadedModel:
    return loading.load(decoder_folder, CAUSAL)


@pytest.fixture(scope="session")
def decoder_reference(decoder_folder: Path) -> ModelRef:
    return files.resolve(str(decoder_folder))


def spec_of_answers(**settings: Any) -> RespondSpec:
    given = {
        **{"collection": "made-up", "probe_set": "all", "language": "en", "form": "gap", "form_sha256": "0"},
        **{"parser": 1, "inputs_digest": "0", "samples": 4},
    }
    return RespondSpec(**{**given, **settings})


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., RespondSpec]:
    """The specification of a job with some settings."""
    return spec_of_answers


@pytest.fixture
def respond_job(tmp_path: Path) -> Callable[..., JobDirectory]:
    """Plans some prompts for a model at a path or address."""

    def plan(where: str, prompts: int = 5, samples: int = 4, **settings: Any) -> JobDirectory:
        spec = spec_of_answers(samples=samples, **settings)
        paths = {"model_paths": {model.name: where for model in spec.models()}}
        job = JobDirectory.create(tmp_path / "jobs", spec, paths)
        # of thousands of prompts the last ones are short
        texts = ["q " * number if number < 1000 else f"q{number} " for number in range(1, prompts + 1)]
        rows = [
            (number, f"Q{number}", 1, samples, "The press is _.", f"{text}Answer:", list(OPTIONS))
            for number, text in enumerate(texts, start=1)
        ]
        columns = ["prompt", "question", "variant", "samples", "sentence", "text", "options"]
        pl.DataFrame(rows, columns, orient="row").write_parquet(job.inputs / "prompts.parquet")
        return job

    return plan
