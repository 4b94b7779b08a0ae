"""The grid of the study of self-alignment, against the paper and against a store without its models."""

from collections import Counter
from pathlib import Path

import duckdb
import pytest

from mlv.ingest.studies.cells import Cell
from mlv.ingest.studies.status import StudyStatus
from mlv.ingest.studies.study import read_study
from mlv.schema.papers import selfalign

NAMES = {
    "meta-llama/Meta-Llama-3-8B-Instruct": "Llama3-8B",
    "mistralai/Mistral-7B-Instruct-v0.2": "Mistral",
    "CohereForAI/c4ai-command-r-v01": "CommandR",
    "gemini-pro": "Gemini-pro",
    "bigscience/bloomz-7b1": "BLOOMz",
}
"""What Table 8.1 calls the models of the study."""

DECODING = {"Llama3-8B": (0.6, 0.9, 50), "CommandR": (0.3, 1.0, 50), "Gemini-pro": (1.0, 1.0, 0)}
"""Temperature, top-p and top-k (S appendix F.1) where they are not a library's defaults of 2024."""

CELLS = read_study("selfalign").cells


def _condition(cell: Cell) -> tuple[str | None, str, int]:
    return (cell.setting("strategy"), cell.setting("ordering"), cell.setting("draw"))


def test_every_model_is_asked_in_its_languages_in_three_conditions() -> None:
    """Zero-shot, its control, and demonstrations: 3 x 37, and four more of Llama 3 in English."""
    asked: dict[tuple[str | None, str, int], dict[str, list[str]]] = {}
    for cell in CELLS:
        asked.setdefault(_condition(cell), {}).setdefault(NAMES[cell.model], []).append(cell.setting("language"))
    paper = {name: list(languages) for name, languages in selfalign.LANGUAGES.items()}
    whole = [(None, "similar_last", 1), (None, "similar_last", 2), ("chrf", "similar_last", 1)]
    assert [asked.pop(condition) for condition in whole] == [paper] * 3
    others = [(strategy, "similar_last", 1) for strategy in ("random", "random_category", "chrf_category")]
    assert asked == {how: {"Llama3-8B": ["en"]} for how in (*others, ("chrf", "shuffled", 1))}
    assert len(CELLS) == 3 * sum(map(len, selfalign.LANGUAGES.values())) + 4 == 115


def test_every_cell_has_the_decoding_of_its_model() -> None:
    found = {(NAMES[cell.model], *(cell.setting(name) for name in ("temperature", "top_p", "top_k"))) for cell in CELLS}
    assert found == {(name, *DECODING.get(name, (1.0, 1.0, 50))) for name in selfalign.LANGUAGES}
    same = {(cell.setting("samples"), cell.setting("max_tokens"), cell.setting("scored")) for cell in CELLS}
    assert same == {(selfalign.SAMPLES, selfalign.MAX_TOKENS, False)}


@pytest.fixture
def status(tmp_path: Path) -> StudyStatus:
    """The study with models that are not fetched."""
    study = read_study("selfalign")
    return StudyStatus(
        study, tmp_path / "store.duckdb", tmp_path / "jobs", {}, dict.fromkeys(study.models), lambda _: None
    )


def test_without_probes_every_cell_is_blocked_with_what_helps(
    store: duckdb.DuckDBPyConnection, status: StudyStatus
) -> None:
    status.refresh(store)
    found = status.frame()
    assert found["state"].to_list() == ["blocked"] * 115
    assert found["note"].unique().to_list() == ["The store has no probes. Ingest some: mlv ingest probes PATH"]


def test_without_a_survey_zero_shot_can_be_asked_and_demonstrations_are_blocked(
    study: duckdb.DuckDBPyConnection, status: StudyStatus
) -> None:
    """The demo has two of the languages, fa and ko: the first CommandR's, the second also Gemini's."""
    status.refresh(study)
    found = [(NAMES[cell.model], *_condition(cell)[::2], status.statuses[cell]) for cell in CELLS]
    there = [
        (name, strategy, draw, one.state, one.note) for name, strategy, draw, one in found if one.state != "blocked"
    ]
    assert Counter(there) == {
        **{("CommandR", None, draw, "missing", "model not fetched"): 2 for draw in (1, 2)},
        **{("Gemini-pro", None, draw, "missing", ""): 1 for draw in (1, 2)},
    }
    notes = [one.note for _, strategy, _, one in found if one.state == "blocked" and strategy == "chrf"]
    assert notes.count("The store has no answers of any survey. Ingest a survey: mlv ingest survey PATH") == 3
    assert all("mlv ingest" in one.note for *_, one in found if one.state == "blocked")
    assert not status.jobs.exists()
