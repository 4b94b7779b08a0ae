"""Claims and numbers that are concluded from several rows: each claim on rows that satisfy it and on rows that do not.

Rows are made up by query: a value for every setup and key that the paper has, and then another one somewhere.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

import polars as pl
import pytest

from mlv.queries.published import Cell, Found, PublishedNumbers, cells
from mlv.queries.sharing import STUDY
from mlv.queries.sharing.claims import CLAIMS
from mlv.queries.sharing.lookups import (
    BY_EPOCH,
    CLASSES,
    CONTRIBUTION,
    CONVERGED,
    DEVELOPMENT,
    EPOCH_TESTS,
    EXAMPLES,
    IMBALANCE,
    MEAN,
    RECURRING,
    REMOVAL,
    SCRIPTS,
    TEST,
    TRANSLATIONS,
    ZERO_SHOT,
    Rows,
)
from mlv.queries.sharing.numbers import NUMBERS
from mlv.queries.sharing.setups import ATTRIBUTION, QUANTITY, Setup
from mlv.schema.papers import sharing
from mlv.schema.papers.sharing import MODEL, TASKS

Values = dict[tuple[Any, ...], float]

XNLI, PAWSX, MARC = (Setup(task) for task in TASKS)
WITHOUT_KO, WITHOUT_ES = (Setup("PAWS-X", left_out=language) for language in ("ko", "es"))
MORE = {language: Setup("PAWS-X", None, language, 100) for language in PAWSX.languages}
DIRECTIONS = ("positive", "negative")


def checkpoints(setups: Iterable[Setup]) -> pl.DataFrame:
    """Final checkpoints of runs that are called like their setups."""
    known = list(dict.fromkeys(setups))
    return pl.DataFrame(
        {
            "run": [str(setup) for setup in known],
            "model": f"FacebookAI/{MODEL}",
            "source": [TASKS[setup.task].source for setup in known],
            "ft_languages": [",".join(setup.languages) for setup in known],
            "sentences": [setup.sentences for setup in known],
            "settings": [" ".join([*setup.settings, "batch_size=8"]) for setup in known],
        }
    )


def rows_of(rows: Rows, values: Values, targets: int = sharing.TARGETS) -> pl.DataFrame:
    """A query's rows as far as they are read. Where a share is read, its numerator is a column."""
    name = rows.value if isinstance(rows.value, str) else "significant"
    scale = 1 if isinstance(rows.value, str) else targets
    frame = pl.DataFrame(
        [(str(setup), *keys, scale * value) for (setup, *keys), value in values.items()],
        schema=["traced_run", *rows.keys, name],
        orient="row",
    )
    only = {column: pl.lit(value) for column, value in rows.only if column not in rows.keys}
    return frame.with_columns(
        run=pl.format("job of {}", "traced_run"),
        targets=pl.lit(targets),
        quantity=pl.lit(QUANTITY),
        attribution=pl.lit(ATTRIBUTION),
        **only,
    )


def found_in(
    numbers: PublishedNumbers, rows: Rows, values: Values, targets: int = sharing.TARGETS
) -> dict[Cell, Found]:
    """What is found, by cell."""
    runs = checkpoints(setup for setup, *_ in values)
    return {item.cell: item for item in numbers.find(rows_of(rows, values, targets), runs)}


def shares(*setups: Setup, **leading: float) -> Values:
    """Shares of the training languages in each direction and test language: 10, and of some another one."""
    return {
        (setup, direction, tested, trained): leading.get(trained, 10.0)
        for setup in setups
        for direction in DIRECTIONS
        for tested in setup.tested
        for trained in setup.languages
    }


def own(values: Values, share: float = 60.0) -> Values:
    """With another share of the test language itself."""
    return {key: share if key[-1] == key[-2] else value for key, value in values.items()}


def means(*setups: Setup, **leading: float) -> Values:
    """Mean influence, of 0.5 but for some training languages."""
    return {
        (setup, tested, trained): leading.get(trained, 0.5)
        for setup in setups
        for tested in setup.tested
        for trained in setup.languages
    }


def by_test(value: float, *setups: Setup, directions: tuple[str, ...] = DIRECTIONS) -> Values:
    """One value for each direction and test language."""
    return {
        (setup, direction, tested): value for setup in setups for direction in directions for tested in setup.tested
    }


def removals(setup: Setup, positive: float, negative: float) -> Values:
    return {
        (setup, direction, k): change
        for direction, change in (("positive", positive), ("negative", negative))
        for k in sharing.REMOVAL_K
    }


def epochs(*setups: Setup, last: int = 4) -> Values:
    """Shares of the test language itself that fall by 5 points an epoch."""
    return {
        (setup, direction, epoch, tested, trained): (60.0 - 5 * epoch if tested == trained else 10.0)
        for setup in setups
        for direction in DIRECTIONS
        for epoch in range(1, last + 1)
        for tested in setup.tested
        for trained in setup.languages
    }


def epoch_tests(*setups: Setup) -> Values:
    """All test examples differ significantly between two of three epochs."""
    return {
        (setup, tested, *pair): 1.0 for setup in setups for tested in setup.tested for pair in ((1, 2), (1, 3), (2, 3))
    }


def imbalance() -> Values:
    """Own shares of 20, and of 40 where there are twice as many; of English and Korean 45 then."""
    doubled = {
        (MORE[language], direction, language): 45.0 if language in ("en", "ko") else 40.0
        for direction, language in product(DIRECTIONS, MORE)
    }
    return by_test(20.0, PAWSX) | doubled


class Case(NamedTuple):
    """Rows on which a claim holds, and a value with which it does not."""

    place: str
    row: str
    rows: Rows
    values: Values
    key: tuple[Any, ...]
    other: float
    against: str


OWN = "every test language's largest positive contributor is itself"
LEAST = "en is the smallest negative contributor"
PAIR = "es and fr are each other's largest positive contributors beside themselves"
PAIRED = own(shares(PAWSX) | shares(MARC)) | {
    (setup, "positive", tested, other): 30.0
    for setup in (PAWSX, MARC)
    for tested, other in (("es", "fr"), ("fr", "es"))
}


def _of(setup: Setup, values: Values) -> Values:
    return {key: value for key, value in values.items() if key[0] == setup}


CASES = (
    Case(
        "Figure 1",
        "confidence falls without the highest scores, for every k",
        REMOVAL,
        removals(PAWSX, -0.1, 0.1),
        (PAWSX, "positive", 250),
        0.0,
        "k = 250",
    ),
    Case(
        "Figure 6",
        "confidence falls without the 100 highest scores",
        REMOVAL,
        removals(XNLI, -0.1, 0.1) | {(XNLI, "positive", 50): 0.1},
        (XNLI, "positive", 100),
        0.01,
        "k = 100",
    ),
    Case(
        "Figure 7",
        "confidence rises without the lowest scores, for every k",
        REMOVAL,
        removals(PAWSX, -0.1, 0.1),
        (PAWSX, "negative", 50),
        -0.01,
        "k = 50",
    ),
    Case(
        "Figure 8",
        "confidence does not rise alike without the 100 lowest scores",
        REMOVAL,
        removals(XNLI, -0.2, 0.05),
        (XNLI, "negative", 100),
        0.1,
        "a rise of 0.100 beside a fall of 0.200",
    ),
    Case("Figure 2a", OWN, CONTRIBUTION, own(shares(XNLI)), (XNLI, "positive", "ru", "de"), 61.0, "XNLI ru"),
    Case("Figure 2b", OWN, CONTRIBUTION, own(shares(PAWSX)), (PAWSX, "positive", "ko", "en"), 61.0, "PAWS-X ko"),
    Case(
        "Figure 2b",
        "ko is the largest negative contributor for every test language",
        CONTRIBUTION,
        shares(PAWSX, ko=50.0),
        (PAWSX, "negative", "de", "de"),
        51.0,
        "PAWS-X de",
    ),
    Case(
        "Figure 2a", LEAST, CONTRIBUTION, shares(XNLI, en=5.0), (XNLI, "negative", "de", "en"), 31.0, "de, es, fr, ru"
    ),
    Case("Figure 2b", LEAST, CONTRIBUTION, shares(PAWSX, en=5.0), (PAWSX, "negative", "de", "ko"), -20.0, "ko"),
    Case(
        "Figure 2c",
        "en is the largest negative contributor",
        CONTRIBUTION,
        shares(MARC, en=20.0),
        (MARC, "negative", "en", "zh"),
        70.0,
        "zh",
    ),
    Case("Figure 2b", PAIR, CONTRIBUTION, _of(PAWSX, PAIRED), (PAWSX, "positive", "es", "en"), 31.0, "PAWS-X es"),
    Case("Figure 2c", PAIR, CONTRIBUTION, _of(MARC, PAIRED), (MARC, "positive", "fr", "de"), 31.0, "MARC fr"),
    Case(
        "Table 3",
        "en has the highest mean influence on every test language but ko",
        MEAN,
        means(XNLI, PAWSX, en=0.6) | {(PAWSX, "ko", "ko"): 0.9},
        (PAWSX, "fr", "ko"),
        0.61,
        "PAWS-X fr",
    ),
    Case(
        "Table 6",
        "es has the highest mean influence on every test language",
        MEAN,
        means(MARC, es=0.6),
        (MARC, "zh", "zh"),
        0.61,
        "MARC zh",
    ),
    Case(
        "Table 3",
        "mean influence is higher for XNLI",
        MEAN,
        means(XNLI) | dict.fromkeys(means(PAWSX), 0.2),
        (PAWSX, "ko", "ko"),
        25.0,
        "0.500 of XNLI, 1.192 of PAWS-X",
    ),
    Case(
        "Table 4",
        "more than half of the contributions of other languages are translations",
        TRANSLATIONS,
        by_test(50.1, XNLI),
        (XNLI, "negative", "ru"),
        50.0,
        "ru negative",
    ),
    Case(
        "Table 4",
        "less than half of the contributions of other languages are translations",
        TRANSLATIONS,
        by_test(49.9, PAWSX) | {(PAWSX, "negative", "en"): 50.2},
        (PAWSX, "positive", "en"),
        50.0,
        "en positive",
    ),
    Case(
        "Figure 3",
        "the own-language share falls after epoch 2",
        BY_EPOCH,
        epochs(XNLI, PAWSX) | {(XNLI, "positive", 3, "de", "de"): 99.0},
        (PAWSX, "positive", 4, "ko", "ko"),
        90.0,
        "PAWS-X: 50.0% after epoch 2, 50.0% after 4",
    ),
    Case(
        "section 8.2",
        "scores differ between all epochs, p < 0.05",
        EPOCH_TESTS,
        epoch_tests(XNLI, PAWSX),
        (PAWSX, "ko", 1, 3),
        0.96,
        "PAWS-X ko 1-3",
    ),
    Case(
        "Figure 4",
        "without ko in training, ko relies on several languages",
        CONTRIBUTION,
        shares(WITHOUT_KO, en=50.0),
        (WITHOUT_KO, "positive", "ko", "en"),
        51.0,
        "en 51%",
    ),
    Case(
        "Figure 5",
        "own-language shares are higher at +100% than at +0%",
        IMBALANCE,
        imbalance(),
        (MORE["fr"], "negative", "fr"),
        20.0,
        "fr negative",
    ),
    Case(
        "Figure 5",
        "the positive own-language share is below 50% at +100% but for ko",
        IMBALANCE,
        imbalance() | {(MORE["ko"], "positive", "ko"): 80.0, (MORE["de"], "negative", "de"): 80.0},
        (MORE["es"], "positive", "es"),
        50.0,
        "es",
    ),
    Case(
        "Figure 5",
        "the positive own-language share of en rises fast, as that of ko",
        IMBALANCE,
        imbalance(),
        (MORE["es"], "positive", "es"),
        45.0,
        "es",
    ),
    Case(
        "appendix A",
        "the highest scores mostly have the test example's class, the lowest the other",
        CLASSES,
        by_test(80.0, XNLI, PAWSX, MARC, directions=("positive",))
        | by_test(20.0, XNLI, PAWSX, MARC, directions=("negative",)),
        (MARC, "negative", "zh"),
        50.0,
        "MARC zh negative",
    ),
)

BY_CLAIM = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.place} {case.row}")


def _claim(case: Case) -> PublishedNumbers:
    (numbers,) = [one for one in CLAIMS if one.place == case.place and one.rows == (case.row,)]
    assert numbers.query == case.rows.query
    return numbers


def _found(case: Case, values: Values, targets: int = sharing.TARGETS) -> Found:
    numbers = _claim(case)
    (one,) = cells(STUDY.code, numbers)
    return found_in(numbers, case.rows, values, targets)[one.cell]


def test_every_claim_is_tried() -> None:
    assert [(case.place, case.row) for case in CASES] == [(one.place, *one.rows) for one in CLAIMS]


@BY_CLAIM
def test_a_claim_holds_on_rows_that_satisfy_it(case: Case) -> None:
    assert _found(case, case.values)[1:] == (1.0, "", "")


@BY_CLAIM
def test_a_claim_does_not_hold_on_rows_that_do_not(case: Case) -> None:
    assert case.key in case.values
    found = _found(case, case.values | {case.key: case.other})
    assert found[1:] == (0.0, "", f"against it: {case.against}")


@BY_CLAIM
def test_a_claim_is_not_judged_without_a_row_that_it_needs(case: Case) -> None:
    """But for a pair of epochs among others: how many there are is the run's own."""
    gone = case.key[:2] if case.rows is EPOCH_TESTS else case.key[:3] if case.rows is BY_EPOCH else case.key
    found = _found(case, {key: value for key, value in case.values.items() if key[: len(gone)] != gone})
    assert found.value is None
    assert str(case.key[0]) in found.lacking


@BY_CLAIM
def test_a_claim_about_fewer_test_examples_is_not_the_papers(case: Case) -> None:
    assert _found(case, case.values, targets=24).lacking == "1 of 25 test examples"


@BY_CLAIM
def test_a_claim_needs_every_run_that_it_reads(case: Case) -> None:
    numbers = _claim(case)
    (one,) = cells(STUDY.code, numbers)
    named = {str(need.what).split(", traced")[0].split(", trained")[0] for need in numbers.needs(one.cell)}
    read = {str(case.key[0])}
    assert read <= named
    assert not list(numbers.find(rows_of(case.rows, case.values), checkpoints([Setup("MARC", left_out="de")])))


def test_rows_of_another_attribution_or_quantity_are_not_read() -> None:
    case = CASES[4]
    frame = rows_of(case.rows, case.values)
    runs = checkpoints([XNLI])
    for column in ("attribution", "quantity"):
        assert not list(_claim(case).find(frame.with_columns(pl.lit("other").alias(column)), runs))


def test_the_first_run_that_is_whole_is_judged() -> None:
    case = CASES[4]
    few = rows_of(case.rows, case.values | {case.key: case.other}, targets=5).with_columns(run=pl.lit("few"))
    (found,) = _claim(case).find(pl.concat([few, rows_of(case.rows, case.values)]), checkpoints([XNLI]))
    assert (found.value, found.lacking) == (1.0, "")


def test_the_mean_of_all_test_languages_is_read_where_there_is_one() -> None:
    case = CASES[0]
    frame = rows_of(case.rows, case.values).with_columns(language=pl.lit("avg."))
    other = frame.with_columns(language=pl.lit("ko"), change=pl.lit(1.0))
    (found,) = _claim(case).find(pl.concat([frame, other]), checkpoints([PAWSX]))
    assert found.value == 1.0


# What the paper's own tables say of its claims ------------------------------------------------------------------------


def _printed(place: str, key: Callable[[Cell], tuple[Any, ...]]) -> Values:
    (numbers,) = [one for one in NUMBERS if one.place == place and not one.rows]
    return {key(one.cell): one.number for one in cells(STUDY.code, numbers)}


PRINTED = {
    MEAN: {
        **_printed("Table 3a", lambda cell: (XNLI, *cell)),
        **_printed("Table 3b", lambda cell: (PAWSX, *cell)),
        **_printed("Table 6", lambda cell: (MARC, *cell)),
    },
    TRANSLATIONS: _printed(
        "Table 4",
        lambda cell: (
            Setup(cell.row.split()[0]),
            {"POS": "positive", "NEG": "negative"}[cell.row.split()[1]],
            cell.column,
        ),
    ),
}


@pytest.mark.parametrize("rows", PRINTED, ids=lambda rows: rows.query)
def test_claims_about_tables_hold_in_the_tables_as_printed(rows: Rows) -> None:
    claims = [numbers for numbers in CLAIMS if numbers.query == rows.query]
    for numbers in claims:
        (found,) = found_in(numbers, rows, PRINTED[rows]).values()
        assert found.value == 1.0, (numbers.rows, found.remark)


@pytest.mark.parametrize("rows", PRINTED, ids=lambda rows: rows.query)
def test_tables_are_found_where_they_are_as_printed(rows: Rows) -> None:
    for numbers in (one for one in NUMBERS if one.query == rows.query and not one.rows):
        found = found_in(numbers, rows, PRINTED[rows])
        assert {one.cell: one.number for one in cells(STUDY.code, numbers)}.items() <= {
            cell: item.value for cell, item in found.items()
        }.items()


# Numbers of the text --------------------------------------------------------------------------------------------------


def _quoted(row: str, rows: Rows, values: Values, called: str = "") -> dict[str, float | None]:
    (numbers,) = [one for one in NUMBERS if one.rows == (row,) and one.called == called]
    wanted = {one.cell for one in cells(STUDY.code, numbers)}
    found = found_in(numbers, rows, values)
    return {cell.column: item.value for cell, item in found.items() if cell in wanted}


@pytest.mark.parametrize(
    ("changes", "k"),
    [([-0.1, -0.185, -0.19, -0.2, -0.2], 100), ([-0.3, -0.2, -0.1, -0.1, -0.1], 50), ([0.3, 0.2, 0.1, 0.1, 0.05], 250)],
)
def test_a_change_levels_off_near_the_largest_one(changes: list[float], k: int) -> None:
    values = {(PAWSX, "positive", at): change for at, change in zip(sharing.REMOVAL_K, changes, strict=True)}
    assert _quoted("examples from which on the change levels off", REMOVAL, values) == {"PAWS-X": k}


def test_the_share_of_korean_is_over_the_other_test_languages() -> None:
    values = shares(PAWSX, ko=10.0) | {(PAWSX, "positive", "ko", "ko"): 99.0, (PAWSX, "positive", "de", "ko"): 30.0}
    assert _quoted("share of the highest scores of the other test languages", CONTRIBUTION, values) == {
        "PAWS-X ko": (30 + 3 * 10) / 4
    }


def test_own_shares_of_marc_are_above_the_mean_of_the_parallel_tasks() -> None:
    values = own(shares(XNLI), 30.0) | own(shares(PAWSX), 40.0) | own(shares(MARC), 47.0)
    assert _quoted("own-language share above that of XNLI and PAWS-X", CONTRIBUTION, values) == {"MARC": 12.0}


def test_accuracies_are_of_all_languages_or_of_the_one_that_is_left_out() -> None:
    values = {(setup, "all"): 80.0 for setup in (XNLI, PAWSX, MARC, WITHOUT_KO, WITHOUT_ES)}
    values |= {(WITHOUT_KO, "ko"): 60.0, (WITHOUT_KO, "es"): 70.0, (WITHOUT_ES, "es"): 65.0}
    assert _quoted("development accuracy", DEVELOPMENT, values) == {"XNLI": 80.0, "PAWS-X": 80.0, "MARC": 80.0}
    row = "accuracy without the language"
    assert _quoted(row, DEVELOPMENT, values, "all languages") == {"PAWS-X ko": 80.0, "PAWS-X es": 80.0}
    assert _quoted(row, DEVELOPMENT, values, "the language") == {"PAWS-X ko": 60.0, "PAWS-X es": 65.0}
    assert _quoted("converged at epoch", CONVERGED, {(MARC, "all"): 5, (MARC, "de"): 4}) == {"MARC": 5}


def test_what_recurs_without_a_language_is_of_that_language() -> None:
    values: Values = {(PAWSX, tested): place for place, tested in enumerate(PAWSX.tested, 1)}
    both = {"PAWS-X es": 3, "PAWS-X ko": 5}
    assert _quoted("highest scores that translate the full model's in the language", ZERO_SHOT, values) == both
    assert _quoted("highest scores of the full model in other languages that recur", RECURRING, values) == both
    assert _quoted("of these examples fully in Hangul", SCRIPTS, values) == {"PAWS-X ko": 5}


def test_scores_of_examples_are_those_of_the_test_example_that_is_shown() -> None:
    values: Values = {
        (PAWSX, language, key, direction, rank): place
        for place, (language, key, direction, rank) in enumerate(
            product(("es", "ko"), ("2", "4"), DIRECTIONS, (1, 2, 3, 4))
        )
    }
    for place, key in (("Table 1", "2"), ("Table 2", "4")):
        (numbers,) = [one for one in NUMBERS if one.place == place]
        found = found_in(numbers, EXAMPLES, values)
        for one in cells(STUDY.code, numbers):
            direction, rank = one.cell.row.split()
            assert found[one.cell].value == values[PAWSX, "es", key, direction, int(rank)]


def test_test_accuracies_are_found_by_language() -> None:
    (numbers,) = [one for one in NUMBERS if one.place == "dissertation Table C.2"]
    found = found_in(numbers, TEST, {(MARC, "zh"): 69.0, (PAWSX, "ko"): 66.0})
    assert {cell: item.value for cell, item in found.items()} == {Cell("MARC", "zh"): 69.0, Cell("PAWS-X", "ko"): 66.0}
