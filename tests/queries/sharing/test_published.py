"""The published numbers of the study: what was copied from the paper, and a store in which some of them are found."""

import csv
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from study_store import UNTRACED, Study

from mlv.ingest.jobs.attributions import PRESETS
from mlv.queries import QueryResult, catalogue
from mlv.queries.published import Cell, PublishedNumbers, cells
from mlv.queries.reproduction import Reproduction, reproduce, summary
from mlv.queries.sharing import STUDY
from mlv.queries.sharing.numbers import NUMBERS, of
from mlv.queries.sharing.setups import ATTRIBUTION, QUANTITY, Setup
from mlv.schema.jobs.attribution import attribution_name
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.spec import CorpusRef, ModelRef
from mlv.schema.papers import sharing
from mlv.schema.papers.sharing import LEFT_OPEN, MODEL, TASKS
from mlv.schema.store.opening import open_store

# What was copied ----------------------------------------------------------------------------------------------------


def _file(name: str) -> list[dict[str, str]]:
    text = files("mlv.queries").joinpath(f"sharing/published/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()[1:]))


def _numbers(place: str, row: str | None = None, called: str = "") -> PublishedNumbers:
    """Those of a table, or of a row of the text."""
    (found,) = [
        one for one in NUMBERS if one.place == place and one.called == called and one.rows == ((row,) if row else ())
    ]
    return found


@pytest.mark.parametrize(("place", "task"), [("Table 3a", "XNLI"), ("Table 3b", "PAWS-X"), ("Table 6", "MARC")])
def test_tables_of_means_are_whole(place: str, task: str) -> None:
    languages = TASKS[task].languages
    published = [one.cell for one in cells(STUDY.code, _numbers(place))]
    assert published == [Cell(tested, trained) for tested in languages for trained in languages]


def test_languages_that_a_task_does_not_have_are_no_cells() -> None:
    published = [one.cell for one in cells(STUDY.code, _numbers("Table 4"))]
    assert len(published) == len(set(published)) == 20
    assert Cell("XNLI POS", "ko") not in published
    assert Cell("PAWS-X NEG", "ko") in published


def test_every_number_of_the_text_and_every_claim_is_read_once_and_has_a_query() -> None:
    quoted = [numbers for numbers in NUMBERS if numbers.rows]
    keys = [numbers.key for numbers in NUMBERS]
    assert len(set(keys)) == len(keys)
    read = {(numbers.place, *one.cell) for numbers in quoted for one in cells(STUDY.code, numbers)}
    facts = [(row["place"], row["row"], row["column"]) for row in _file("text") + _file("claims")]
    assert read == set(facts)
    assert len(set(facts)) == len(facts)


def test_there_are_24_claims() -> None:
    claims = [one for numbers in NUMBERS for one in cells(STUDY.code, numbers) if one.relation == "claim"]
    assert len(claims) == len(_file("claims")) == 24
    assert {one.number for one in claims} == {1}


def test_every_remark_is_of_a_cell_and_keeps_its_sentence() -> None:
    published = {(numbers.place, *one.cell): one for numbers in NUMBERS for one in cells(STUDY.code, numbers)}
    for row in _file("remarks"):
        one = published[row["place"], row["row"], row["column"]]
        assert one.remark.endswith(row["remark"])
        assert one.remark.startswith("“") == (not row["place"].startswith("Table") or one.relation == "claim")


AWAITED = {
    "data_imbalance",
    "influence_epoch_test",
    "influence_examples",
    "label_agreement",
    "script_share",
    "zero_shot_recovery",
}
"""Queries whose numbers are ready: a topic of their name takes them by ``of``."""


def test_what_a_query_makes_is_compared_as_soon_as_there_is_the_query() -> None:
    there = {query.name for query in catalogue()}
    compared = {numbers.query.partition("@")[0] for numbers in STUDY.published}
    assert {numbers.query.partition("@")[0] for numbers in NUMBERS} - there <= AWAITED
    assert compared == {numbers.query.partition("@")[0] for numbers in NUMBERS} & there
    for query in compared:
        assert of(query) == tuple(one for one in STUDY.published if one.query.startswith(f"{query}@"))


def test_a_query_without_published_numbers_is_no_slip_of_the_pen() -> None:
    with pytest.raises(KeyError, match="acuracy"):
        of("acuracy")


# Which runs are the paper's -------------------------------------------------------------------------------------------


def test_the_settings_that_the_paper_gives_are_the_constants_elsewhere() -> None:
    given = {(row["row"], row["setting"]): row["value"] for row in _file("settings")}
    assert given["all", "model"] == MODEL
    assert int(given["all", "epochs at most"]) == sharing.EPOCHS
    assert int(given["all", "patience"]) == sharing.PATIENCE
    assert int(given["all", "training examples per language"]) == sharing.EXAMPLES
    assert int(given["all", "test examples per language"]) == sharing.TARGETS
    assert int(given["all", "top k"]) == sharing.TOP_K
    assert tuple(map(int, given["PAWS-X and XNLI", "k left out"].split())) == sharing.REMOVAL_K
    for name, task in TASKS.items():
        assert float(given[name, "learning rate"]) == task.learning_rate
        assert tuple(given[name, "languages"].split()) == task.languages


def test_the_attribution_is_that_of_the_preset() -> None:
    assert attribution_name(PRESETS["languages"]) == ATTRIBUTION


@pytest.mark.parametrize("setup", [Setup("XNLI"), Setup("PAWS-X", left_out="ko"), Setup("PAWS-X", None, "ko", 50)])
def test_a_setup_is_known_by_the_words_of_its_specification(setup: Setup) -> None:
    task = TASKS[setup.task]
    corpora = tuple(
        CorpusRef(
            source=task.source,
            language=language,
            edition="train",
            sha256="",
            segments=sharing.EXAMPLES * (3 if language == setup.added_language else 2) // 2,
        )
        for language in setup.languages
    )
    spec = ClassifySpec(
        inputs_digest="",
        model=ModelRef(name=MODEL, digest="d"),
        source=task.source,
        languages=setup.languages,
        corpora=corpora,
        task=task.code,
        classes=("yes", "no"),
        examples=sharing.EXAMPLES,
        left_out=(setup.left_out,) if setup.left_out else None,
        added_language=setup.added_language,
        added_percent=setup.added_percent,
        development=(),
        learning_rate=task.learning_rate,
        patience=sharing.PATIENCE,
    )
    shown = [word for word in words(spec.settings()) if word.partition("=")[0] not in LEFT_OPEN]
    assert sorted(shown) == setup.settings
    assert sum(corpus.segments for corpus in spec.corpora) == setup.sentences


def test_added_examples_are_a_share_of_one_language() -> None:
    setup = Setup("PAWS-X", added_language="ko", added_percent=25)
    assert setup.sentences == 10_500
    assert {"added_language=ko", "added_percent=25"} <= set(setup.settings)
    assert str(setup).endswith("in de,en,es,fr,ko, 2,000 examples each, 25% more in ko")


# A store with some of the cells ---------------------------------------------------------------------------------------

XNLI = Setup("XNLI")
PAPERS = {
    **{"task": "xnli-entailment", "objective": "classification", "epochs": 10, "patience": 3, "learning_rate": 2e-05},
    **{"batch_size": 16, "draw_seed": 7, "precision": "bf16"},
}
RUNS = {"papers": PAPERS, "hot": PAPERS | {"learning_rate": 0.1}, "other-task": PAPERS | {"task": "xnli"}}
QUESTIONS = [str(number) for number in range(1, sharing.TARGETS + 1)]
AWAY = {("de", "de"): 0.0, ("de", "en"): 0.1, ("de", "es"): 0.3, ("de", "fr"): -0.0004}
"""How far the store is from the paper in some cells."""

UNTESTED = "ru"


def _mean(tested: str, trained: str) -> float:
    (row,) = [row for row in _file("table-3a") if row["test"] == tested]
    return float(row[trained]) + AWAY.get((tested, trained), 0.0)


def _study() -> Study:
    tested = [language for language in XNLI.languages if language != UNTESTED]
    targets = [(f"trace-{run}", language, question) for run in RUNS for language in tested for question in QUESTIONS]
    path = f"path/to/{MODEL}"
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    trained = [
        (run, path, run, "xnli", ",".join(XNLI.languages), XNLI.sentences, 1, 4, True, path, json.dumps(spec))
        for run, spec in RUNS.items()
    ]
    pretrained = (path, path, None, None, None, None, None, 0, True, None, None)
    spec = {"kind": "influence", "selection": "all", "quantity": QUANTITY, "top_k": 1}
    spec |= {"attribution": PRESETS["languages"].model_dump(mode="json")}
    answers = [(path, language, question, "mean", 1) for language in tested for question in QUESTIONS]
    profiles = {"checkpoint": path, "language": "de", "question": "1", "score": "mean", "p_first": 0.5}
    people = {"survey": "", "illustrative": True, "country": "DE", "weighting": "", "question": "1", "p_first": 0.5}

    def mean(influence: str, language: str, train: str) -> float:
        return _mean(language, train) if influence == "trace-papers" else 9.0

    return {
        "checkpoints": pl.DataFrame([pretrained, *trained], schema=[*columns, "base", "spec"], orient="row"),
        "answers": pl.DataFrame(
            answers, schema=["checkpoint", "language", "question", "score", "answer"], orient="row"
        ),
        "model_profiles": pl.DataFrame([profiles]).clear(),
        "country_profiles": pl.DataFrame([people]).clear(),
        "probe_sets": pl.DataFrame({"probe_set": "all", "question": QUESTIONS}),
        "segments": pl.DataFrame(
            [("xnli", language, "train", 1) for language in XNLI.languages],
            schema=["source", "language", "edition", "segments"],
            orient="row",
        ),
        "countries": pl.DataFrame(schema={"language": pl.String, "country": pl.String}),
        "questions": pl.DataFrame({"question": QUESTIONS, "category": "social_values"}),
        "influence_runs": pl.DataFrame(
            [(f"trace-{run}", run, json.dumps(spec)) for run in RUNS],
            schema=UNTRACED["influence_runs"].schema,
            orient="row",
        ),
        "training_examples": pl.DataFrame(
            [(run, language, 1) for run in RUNS for language in XNLI.languages],
            schema=UNTRACED["training_examples"].schema,
            orient="row",
        ),
        "rankings": pl.DataFrame(
            [(*target, None, "positive", 1, target[1], 0) for target in targets],
            schema=UNTRACED["rankings"].schema,
            orient="row",
        ),
        "summaries": pl.DataFrame(
            [
                (*target, None, language, mean(target[0], target[1], language), 0.1)
                for target in targets
                for language in XNLI.languages
            ],
            schema=UNTRACED["summaries"].schema,
            orient="row",
        ),
    }


@pytest.fixture(scope="module")
def made(make_store: Callable[[Study], Path]) -> Reproduction:
    with open_store(make_store(_study()), read_only=False) as connection:
        connection.execute("UPDATE segment SET label = 'neutral'")
        return reproduce(connection, STUDY)


@pytest.fixture(scope="module")
def reproduced(made: Reproduction) -> QueryResult:
    return made.result


def _cell(result: QueryResult, place: str, row: str, column: str) -> dict[str, object]:
    (found,) = result.frame.filter(place=place, row=row, column=column).to_dicts()
    return found


@pytest.mark.parametrize(
    ("trained", "status"), [("de", "exact"), ("en", "within tolerance"), ("es", "different"), ("fr", "exact")]
)
def test_cells_are_found_and_judged(reproduced: QueryResult, trained: str, status: str) -> None:
    """Of three runs that have the cell one has the paper's settings."""
    cell = _cell(reproduced, "Table 3a", "de", trained)
    assert cell["store"] == pytest.approx(_mean("de", trained), abs=1e-9)
    assert (cell["status"], cell["missing"], cell["remark"]) == (status, None, None)


def test_a_language_that_was_not_tested_is_no_number(reproduced: QueryResult) -> None:
    cell = _cell(reproduced, "Table 3a", UNTESTED, "de")
    assert (cell["store"], cell["status"], cell["missing"]) == (None, "not yet run", None)
    assert cell["remark"] == "nothing is left to run, but the query has no number"


def test_a_claim_is_judged_from_the_store(reproduced: QueryResult) -> None:
    """All that is ranked is in the test language, but Russian was not tested."""
    cell = _cell(reproduced, "Figure 2a", "every test language's largest positive contributor is itself", "XNLI")
    assert (cell["store"], cell["status"]) == (None, "not yet run")
    assert "the store's is without positive ru de of " in str(cell["remark"])


def test_what_is_not_there_is_named_with_its_texts(reproduced: QueryResult) -> None:
    cell = _cell(reproduced, "Figure 1", "confidence falls without the highest scores, for every k", "PAWS-X")
    assert cell["missing"] == (
        "labelled texts of pawsx; xlm-roberta-base on pawsx-paraphrase in de,en,es,fr,ko, 2,000 examples each, trained "
        "again without influential examples"
    )
    both = _cell(reproduced, "Table 3", "mean influence is higher for XNLI", "XNLI and PAWS-X")
    assert "xnli-entailment" not in str(both["missing"])
    assert str(both["missing"]).endswith("on pawsx-paraphrase in de,en,es,fr,ko, 2,000 examples each, traced")


def test_an_empty_store_has_none_and_lacks_every_job_once(empty_store: Path) -> None:
    with open_store(empty_store) as connection:
        made = reproduce(connection, STUDY)
    frame = made.result.frame
    assert frame["status"].unique().to_list() == ["not yet run"]
    assert frame["store"].null_count() == frame.height
    assert frame["missing"].null_count() == 0
    assert frame.height == sum(len(cells(STUDY.code, numbers)) for numbers in STUDY.published)


def test_the_summary_counts_claims_apart_from_their_table(reproduced: QueryResult) -> None:
    lines = list(summary(reproduced, STUDY))
    assert "Table 3a: 18 exact, 1 within tolerance, 1 different, 5 not yet run." in lines
    assert "Table 4: 20 not yet run." in lines
    claim = lines.index("Table 6, es has the highest mean influence on every test language: 1 not yet run.")
    assert lines[claim + 1] == "  Of the training languages, in each row."
