"""The published tables of H, and what in a store is theirs."""

from collections.abc import Sequence
from typing import Final

from mlv.queries.published import Cell, PublishedNumbers
from mlv.queries.sharing.lookups import EXAMPLES, MEAN, TEST, TRANSLATIONS, each
from mlv.queries.sharing.setups import Setup, resting_on

_DIRECTIONS: Final = {"positive": "POS", "negative": "NEG"}


def _mean(place: str, task: str, tolerance: float, because: str) -> PublishedNumbers:
    setup = Setup(task)
    return PublishedNumbers(
        place,
        MEAN.query,
        3,
        tolerance,
        because,
        f"{task}; exact gradients of all parameters, cosines summed over the epochs up to the best one.",
        each(MEAN, [setup], lambda _, tested, trained: Cell(tested, trained)),
        resting_on(MEAN.kind, lambda _: [setup]),
    )


_ROWS = "two standard deviations of the table's own rows, each of which is of 25 other test examples"

TABLE_3A: Final = _mean("Table 3a", "XNLI", 0.18, _ROWS)
TABLE_3B: Final = _mean("Table 3b", "PAWS-X", 0.11, _ROWS)
TABLE_6: Final = _mean(
    "Table 6", "MARC", 0.11, "as of Table 3b; the table's own rows are alike within 0.02, which other seeds need not be"
)

_PARALLEL: Final = [Setup("XNLI"), Setup("PAWS-X")]

TABLE_4: Final = PublishedNumbers(
    "Table 4",
    TRANSLATIONS.query,
    0,
    10.0,
    "a guess: test examples and seeds have not been tried; XNLI and PAWS-X are 15 points apart",
    "Of the 100 highest or lowest scores, the percentage of a test example, then the mean over the test examples.",
    each(
        TRANSLATIONS,
        _PARALLEL,
        lambda setup, direction, tested: Cell(f"{setup.task} {_DIRECTIONS[direction]}", tested),
    ),
    resting_on(TRANSLATIONS.kind, lambda cell: [Setup(cell.row.rpartition(" ")[0])]),
)

TABLE_C2: Final = PublishedNumbers(
    "dissertation Table C.2",
    TEST.query,
    1,
    5.0,
    "a guess: other examples and seeds",
    "Accuracies on the test split of a model that was trained alike, for chapter 5.",
    each(TEST, [Setup("PAWS-X"), Setup("MARC")], lambda setup, tested: Cell(setup.task, tested)),
    resting_on(TEST.kind, lambda cell: [Setup(cell.row)]),
)


def _examples(place: str, task: str, language: str, row: str) -> PublishedNumbers:
    """The ends of a ranking; a score as 4.19 is of at most as many epochs as there are."""
    setup = Setup(task)

    def cell(_: Setup, tested: str, key: str, direction: str, rank: int) -> Cell:
        shown = (tested, key) == (language, row)
        return Cell(f"{direction} {rank}" if shown else "of another test example", "score")

    return PublishedNumbers(
        place,
        EXAMPLES.query,
        2,
        0.5,
        "a guess: the training examples are drawn anew, so that others are the most influential ones",
        f"The test example in row {row} of {task}'s {language} test file, where texts are known by their rows.",
        each(EXAMPLES, [setup], cell),
        resting_on(EXAMPLES.kind, lambda _: [setup]),
    )


TABLES: Final[Sequence[PublishedNumbers]] = (
    TABLE_3A,
    TABLE_3B,
    TABLE_6,
    TABLE_4,
    TABLE_C2,
    _examples("Table 1", "PAWS-X", "es", "2"),
    _examples("Table 2", "PAWS-X", "es", "4"),
    _examples("Table 5", "XNLI", "de", "16"),
)
"""All of them; which are compared: :mod:`mlv.queries.sharing.numbers`."""
