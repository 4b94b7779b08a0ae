"""The published numbers of the study: what was copied from the paper, and an empty store that lacks all of it."""

import csv
from importlib.resources import files
from pathlib import Path
from statistics import fmean

import pytest

from mlv.ingest.jobs.attributions import PRESETS
from mlv.queries import catalogue
from mlv.queries.modularity import STUDY
from mlv.queries.modularity.numbers import NUMBERS
from mlv.queries.modularity.setups import ATTRIBUTION, PRUNING, Setup
from mlv.queries.published import Cell, PublishedNumbers, cells
from mlv.queries.reproduction import reproduce
from mlv.schema.jobs.attribution import attribution_name
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.prune import PruneSpec
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers import modularity, sharing
from mlv.schema.papers.sharing import LEFT_OPEN, MODEL, TASKS
from mlv.schema.store.opening import open_store


def _file(name: str) -> list[dict[str, str]]:
    text = files("mlv.queries").joinpath(f"modularity/published/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()[1:]))


def _table(place: str) -> PublishedNumbers:
    (found,) = [one for one in NUMBERS if one.place == place and not one.rows]
    return found


def test_tables_are_whole() -> None:
    sparsity = {one.cell: one.number for one in cells(STUDY.code, _table("Table C.1"))}
    assert set(sparsity) == {Cell(task, language) for task in TASKS for language in TASKS[task].languages}
    # a tenth of 144 heads at a time, rounded down
    assert {number % 14 for number in sparsity.values()} == {0}
    accuracies = {one.cell: one.number for one in cells(STUDY.code, _table("Table C.2"))}
    assert len(accuracies) == 20
    means = {
        column: fmean(number for cell, number in accuracies.items() if cell.column == column)
        for column in ("PAWS-X full", "PAWS-X SFT", "MARC full", "MARC SFT")
    }
    assert means == pytest.approx({"PAWS-X full": 74.8, "PAWS-X SFT": 78.4, "MARC full": 74.54, "MARC SFT": 75.66})


def test_every_number_of_the_text_and_every_claim_is_read_once_and_has_a_query() -> None:
    quoted = [numbers for numbers in NUMBERS if numbers.rows]
    keys = [numbers.key for numbers in NUMBERS]
    assert len(set(keys)) == len(keys)
    facts = [(row["place"], row["row"], row["column"]) for row in _file("text") + _file("claims")]
    read = [(numbers.place, *one.cell) for numbers in quoted for one in cells(STUDY.code, numbers)]
    assert sorted(read) == sorted(facts)
    assert len(set(facts)) == len(facts)
    assert len(_file("claims")) == 20
    assert {numbers.query.partition("@")[0] for numbers in NUMBERS} <= {query.name for query in catalogue()}
    assert sorted(one.key for one in STUDY.published) == sorted(keys)


def test_every_remark_is_of_a_cell() -> None:
    published = {(numbers.place, *one.cell): one for numbers in NUMBERS for one in cells(STUDY.code, numbers)}
    for row in _file("remarks"):
        assert published[row["place"], row["row"], row["column"]].remark.endswith(row["remark"])


def test_the_settings_that_the_paper_gives_are_the_constants_elsewhere() -> None:
    given = {(row["row"], row["setting"]): row["value"] for row in _file("settings")}
    assert given["all", "model"] == MODEL
    assert int(given["all", "training examples per language"]) == sharing.EXAMPLES
    assert int(given["all", "epochs at most"]) == sharing.EPOCHS
    assert int(given["all", "patience"]) == sharing.PATIENCE
    assert float(given["all", "heads disabled at a time"]) == modularity.STEP
    assert float(given["all", "accuracy kept"]) == modularity.THRESHOLD
    assert int(given["all", "dimension of projections"]) == modularity.PROJECTION_ROWS**2
    assert int(given["all", "test examples per language"]) == modularity.TEST_EXAMPLES
    assert int(given["all", "top k"]) == modularity.TOP_K
    assert int(given["PAWS-X", "seeds of random masks"]) == modularity.RANDOM_SEEDS
    for name, task in TASKS.items():
        assert float(given[name, "learning rate"]) == task.learning_rate


def test_the_attribution_is_that_of_the_preset() -> None:
    assert attribution_name(PRESETS["modularity"]) == ATTRIBUTION


def _training(setup: Setup) -> ClassifySpec:
    task = TASKS[setup.task]
    return ClassifySpec(
        inputs_digest="",
        model=ModelRef(name=MODEL, digest="d"),
        source=task.source,
        languages=setup.languages,
        corpora=(),
        task=task.code,
        classes=("yes", "no"),
        examples=sharing.EXAMPLES,
        development=(),
        learning_rate=task.learning_rate,
        patience=sharing.PATIENCE,
        masks=None if setup.training == "full" else dict.fromkeys(setup.languages, "prune-0123456789ab"),
        updates=None if setup.training == "full" else "gradient",
    )


@pytest.mark.parametrize("setup", [Setup("XNLI"), Setup("PAWS-X", "identified"), Setup("MARC", language="zh")])
def test_a_setup_is_known_by_the_words_of_its_specification(setup: Setup) -> None:
    shown = words(_training(setup).settings())
    assert sorted(word for word in shown if word.partition("=")[0] not in {*LEFT_OPEN, "masks"}) == setup.settings


def test_pruning_is_known_by_the_words_of_its_specification() -> None:
    spec = PruneSpec(
        inputs_digest="",
        model=ModelRef(name="m", digest="d"),
        training=_training(Setup("XNLI", language="de")),
        language="de",
        development=(),
    )
    said = spec.model_dump(mode="json")
    assert words({name: said[name] for name in ("step", "threshold", "importance", "normalise")}) == sorted(
        PRUNING.split()
    )


def test_an_empty_store_has_none_and_lacks_every_job_once(empty_store: Path) -> None:
    with open_store(empty_store) as connection:
        frame = reproduce(connection, STUDY).result.frame
    assert frame["status"].unique().to_list() == ["not yet run"]
    assert frame["missing"].null_count() == 0
    assert frame.height == 15 + 20 + len(_file("text")) + 20
    fig = frame.filter(place="Figure 5.3").row(0, named=True)["missing"]
    assert fig == (
        "labelled texts of pawsx; xlm-roberta-base on pawsx-paraphrase in de,en,es,fr,ko, traced; "
        "xlm-roberta-base on pawsx-paraphrase in de,en,es,fr,ko, traced under shuffled masks"
    )
