"""The study file: what is refused and how that is said, and the cells that a grid comes to."""

from collections import Counter
from pathlib import Path

import pytest

from mlv.ingest.studies.grid import Cell, Run, Study, bundled, cells, read_study
from mlv.schema.errors import DataError, NotFoundError
from mlv.schema.papers import echoes


def _study(**fields: object) -> Study:
    return Study.model_validate({"models": ["nano"]} | fields)


def test_a_grid_is_every_source_language_size_and_seed_and_all_languages_together() -> None:
    grid = {"sources": ["a", "b"], "languages": ["ko", "fa"], "sentences": [10, 20], "multilingual": [40]}
    found = cells(_study(grid=[grid], seeds=[1, 2]))
    # per source: 2 languages x 2 sizes and 1 multilingual run, with 2 seeds
    assert Counter(cell.kind for cell in found) == {"finetune": 2 * 5 * 2, "probe": 1 + 2 * 5 * 2}
    assert Cell("finetune", "nano", Run("b", ("fa", "ko"), 40, 2)) in found
    assert Cell("finetune", "nano", Run("a", ("ko",), 20, 1)) in found


def test_what_a_cell_needs_comes_before_it() -> None:
    grid = {"sources": ["a"], "languages": ["fa", "ko"], "multilingual": [40]}
    found = cells(_study(models=["nano", "tiny"], grid=[grid], influence={"runs": "all"}))
    place = {cell: number for number, cell in enumerate(found)}
    assert all(place[needed] < place[cell] for cell in found for needed in cell.needs)
    run = Run("a", ("fa",), echoes.SENTENCES, 1)
    asked, trained = Cell("probe", "tiny", run), Cell("finetune", "tiny", run)
    assert Cell("influence", "tiny", run).needs == (Cell("probe", "tiny"), asked)
    assert asked.needs == (trained,)
    assert trained.needs == (Cell("probe", "tiny"),)
    assert Cell("probe", "tiny").needs == ()


@pytest.mark.parametrize(("runs", "traced"), [("multilingual", 1), ("monolingual", 2), ("all", 3)])
def test_influence_says_which_runs_are_traced(runs: str, traced: int) -> None:
    grid = {"sources": ["a"], "languages": ["fa", "ko"], "multilingual": [40]}
    influence = {"runs": runs, "models": ["tiny"]}
    found = cells(_study(models=["nano", "tiny"], grid=[grid], influence=influence))
    assert [cell.model for cell in found if cell.kind == "influence"] == ["tiny"] * traced


def test_a_run_of_two_grids_is_one_cell() -> None:
    grid = {"sources": ["a"], "languages": ["fa", "ko"], "multilingual": [40]}
    again = {"sources": ["a"], "languages": ["Korean", "farsi"], "multilingual": [40], "seeds": [1, 2]}
    assert len(cells(_study(grid=[grid, grid]))) == len(cells(_study(grid=[grid])))
    assert Counter(cell.kind for cell in cells(_study(grid=[grid, again])))["finetune"] == 6


def test_a_grid_may_have_models_of_its_own() -> None:
    grid = {"sources": ["a"], "languages": ["fa"], "models": ["large"]}
    assert [str(cell) for cell in cells(_study(grid=[grid]))] == [
        "probe nano",
        "probe large",
        "finetune large a fa 2,000 seed 1",
        "probe large a fa 2,000 seed 1",
    ]


def test_the_papers_grid_has_as_many_cells_as_counted_by_hand() -> None:
    """Per model: FLORES 4 runs; PBC and Tanzil 4 languages x 2 sizes + 1 each; news 3; that is 25.

    mT5-small has PBC's 9 with two more seeds, and all its runs are traced.
    """
    found = Counter(cell.kind for cell in cells(read_study("echoes")))
    assert found == {"finetune": 3 * 25 + 2 * 9, "probe": 3 + 3 * 25 + 2 * 9, "influence": 25 + 2 * 9}
    assert read_study("echoes").finetuning.model_dump() == {
        "epochs": 5,
        "batch_size": 8,
        "learning_rate": 5e-5,
        "max_tokens": 256,
        "precision": "fp32",
    }


def test_every_study_that_comes_with_mlv_can_be_read() -> None:
    assert bundled() == ["demo", "echoes"]
    assert all(cells(read_study(name)) for name in bundled())


def test_all_that_is_wrong_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        """
        modls = ["nano"]
        seeds = [1, -2]
        [finetuning]
        epoch = 5
        [influence]
        preset = "ecoes"
        [[grid]]
        sources = ["pbc"]
        languages = ["fa", "xx-no"]
        [[grid]]
        sources = ["pbc", "pbc"]
        languages = ["fa"]
        [[grid]]
        sources = ["pbc"]
        languages = ["fa", "ko", "hi"]
        multilingual = [10000]
        [[grid]]
        sources = ["pbc"]
        languages = ["fa"]
        multilingual = [10000]
        """
    )
    with pytest.raises(DataError) as caught:
        read_study(str(file))
    said = caught.value.message.splitlines()
    expected = [
        "9 problems",
        "models: it is missing",
        "seeds #2: ",
        "finetuning.epoch: there is no such key. Known here: epochs, batch_size",
        "influence: There is no preset ecoes: use echoes or languages.",
        "grid #1.languages #2: There is no language 'xx-no'",
        "grid #2.sources: Something is listed twice",
        "grid #3: multilingual: 10,000 sentences do not divide into 3 languages. Each gets as many: 9,999",
        "grid #4: multilingual needs two languages or more",
        "modls: there is no such key. Known here: models, seeds",
    ]
    assert len(said) == len(expected)
    for line, part in zip(said, expected, strict=True):
        assert part in line


def test_a_traced_model_has_to_be_one_of_the_study(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text('models = ["nano"]\n[influence]\nmodels = ["tiny"]\n')
    with pytest.raises(DataError, match=r"influence\.models: tiny is no model of the study\. It has nano\."):
        read_study(str(file))


def test_a_file_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("models = ['nano' 'tiny']")
    with pytest.raises(DataError, match=r"no TOML.*line 1"):
        read_study(str(file))
    with pytest.raises(NotFoundError, match="no study file echos") as caught:
        read_study("echos")
    assert "demo, echoes" in caught.value.hint
