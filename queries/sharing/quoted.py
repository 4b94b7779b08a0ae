"""The numbers in H's text, and what in a store is theirs: ``published/text.csv`` has them with their sentences."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final

from mlv.queries.published import Cell, PublishedNumbers
from mlv.queries.sharing.lookups import (
    CONTRIBUTION,
    CONVERGED,
    DEVELOPMENT,
    RECURRING,
    REMOVAL,
    SCRIPTS,
    ZERO_SHOT,
    Find,
    Rows,
    Values,
    concluded,
    each,
)
from mlv.queries.sharing.setups import Setup, resting_on
from mlv.schema.papers import sharing
from mlv.schema.papers.sharing import TASKS

_FULL: Final = Setup("PAWS-X")
_WITHOUT: Final = [Setup("PAWS-X", left_out="ko"), Setup("PAWS-X", left_out="es")]
_ALL: Final = [Setup(task) for task in TASKS]

_GUESS: Final = "a guess: how far seeds and test examples differ has not been measured"
_LEVELLED: Final = 0.9
"""Share of the largest change at which it counts as levelled off."""


def _of_task(cell: Cell) -> list[Setup]:
    return [Setup(cell.column)]


def _without(cell: Cell) -> list[Setup]:
    return [Setup("PAWS-X", left_out=cell.column.rpartition(" ")[2])]


def _with_and_without(cell: Cell) -> list[Setup]:
    return [_FULL, *_without(cell)]


def _number(
    place: str,
    row: str,
    rows: Rows,
    tolerance: float,
    reading: str,
    find: Find,
    setups: Callable[[Cell], list[Setup]],
    *,
    called: str = "",
    because: str = _GUESS,
) -> PublishedNumbers:
    needs = resting_on(rows.kind, setups)
    return PublishedNumbers(place, rows.query, 0, tolerance, because, reading, find, needs, called=called, rows=(row,))


def _overall(row: str, rows: Rows, setups: Sequence[Setup]) -> Find:
    """A value of all test languages together, of runs about a task."""
    return each(
        rows, setups, lambda setup, tested: Cell(row, setup.task if tested == "all" else f"{setup.task} {tested}")
    )


def _accuracy_without(called: str, reading: str, of: Callable[[str | None, str], bool]) -> PublishedNumbers:
    row = "accuracy without the language"

    def cell(setup: Setup, tested: str) -> Cell:
        return Cell(row if of(setup.left_out, tested) else "of other languages", f"PAWS-X {setup.left_out}")

    find = each(DEVELOPMENT, _WITHOUT, cell)
    return _number("section 8.3", row, DEVELOPMENT, 3.0, reading, find, _without, called=called)


def _recovery(row: str, rows: Rows, reading: str) -> PublishedNumbers:
    find = each(rows, [_FULL], lambda _, tested: Cell(row, f"PAWS-X {tested}"))
    return _number("section 8.3", row, rows, 5.0, reading, find, _with_and_without)


def _levelled(values: Values) -> tuple[float, str]:
    """The first k whose change is near the largest one."""
    changes = {k: values[_FULL, "positive", k] for k in sharing.REMOVAL_K}
    lowest = min(changes.values())
    return float(next(k for k, change in changes.items() if change <= _LEVELLED * lowest or change == lowest)), ""


def _share_of_ko(values: Values) -> tuple[float, str]:
    return fmean(values[_FULL, "positive", tested, "ko"] for tested in _FULL.tested if tested != "ko"), ""


def _own_share(values: Values, setup: Setup) -> float:
    """Percentage of the highest scores that are in the test language, mean over the test languages."""
    return fmean(values[setup, "positive", tested, tested] for tested in setup.tested)


def _above_parallel(values: Values) -> tuple[float, str]:
    xnli, pawsx, marc = (_own_share(values, setup) for setup in _ALL)
    return marc - (xnli + pawsx) / 2, ""


_KO: Final = Cell("share of the highest scores of the other test languages", "PAWS-X ko")
_MARC: Final = Cell("own-language share above that of XNLI and PAWS-X", "MARC")
_LEVEL: Final = Cell("examples from which on the change levels off", "PAWS-X")

QUOTED: Final[Sequence[PublishedNumbers]] = (
    _number(
        "section 4.1",
        "development accuracy",
        DEVELOPMENT,
        3.0,
        "Of the best epoch, on the development split of all five languages together.",
        _overall("development accuracy", DEVELOPMENT, _ALL),
        _of_task,
    ),
    _number(
        "section 4.1",
        "converged at epoch",
        CONVERGED,
        1.0,
        "The best epoch, with the highest accuracy on the development split.",
        _overall("converged at epoch", CONVERGED, _ALL),
        _of_task,
    ),
    _number(
        "section 6",
        _LEVEL.row,
        REMOVAL,
        50.0,
        f"The first k whose change is at least {_LEVELLED:.0%} of the largest of any k, in points, positive.",
        concluded(REMOVAL, [_FULL], _LEVEL, _levelled),
        _of_task,
        because="the k next to it",
    ),
    _number(
        "section 7.1",
        _KO.row,
        CONTRIBUTION,
        5.0,
        "Mean over the other test languages, as in Figure 2b.",
        concluded(CONTRIBUTION, [_FULL], _KO, _share_of_ko),
        lambda _: [_FULL],
    ),
    _number(
        "section 7.1",
        "of these examples fully in Hangul",
        SCRIPTS,
        5.0,
        "Of the Korean examples with the highest scores.",
        each(SCRIPTS, [_FULL], lambda _, trained: Cell("of these examples fully in Hangul", f"PAWS-X {trained}")),
        lambda _: [_FULL],
    ),
    _number(
        "section 7.2",
        _MARC.row,
        CONTRIBUTION,
        5.0,
        "In points, of the highest scores, mean over the test languages; above the mean of XNLI and PAWS-X.",
        concluded(CONTRIBUTION, _ALL, _MARC, _above_parallel),
        lambda _: _ALL,
    ),
    _accuracy_without(
        "all languages",
        "On the development split of all five languages, as in section 4.1.",
        lambda _, tested: tested == "all",
    ),
    _accuracy_without(
        "the language",
        "On the development split of the language that is left out.",
        lambda left_out, tested: tested == left_out,
    ),
    _recovery(
        "highest scores that translate the full model's in the language",
        ZERO_SHOT,
        "Of the 100 highest scores of the model without the language, mean over the test examples that both have.",
    ),
    _recovery(
        "highest scores of the full model in other languages that recur",
        RECURRING,
        "Of the full model's 100 highest scores those in other languages, mean over the test examples that both have.",
    ),
)
"""All of them; which are compared: :mod:`mlv.queries.sharing.numbers`."""
