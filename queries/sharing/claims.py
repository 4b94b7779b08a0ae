"""What H's text says of its figures without a number, each as a predicate over the rows of a query:
``published/claims.csv`` has them with their sentences.

A predicate names what is against its claim; a claim holds where nothing is, and is not yet run where a row lacks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from mlv.queries.published import Cell, PublishedNumbers, against
from mlv.queries.sharing.lookups import (
    BY_EPOCH,
    CLASSES,
    CONTRIBUTION,
    EPOCH_TESTS,
    IMBALANCE,
    MEAN,
    REMOVAL,
    TRANSLATIONS,
    Rows,
    Values,
    concluded,
)
from mlv.queries.sharing.setups import Setup, resting_on
from mlv.schema.papers import sharing
from mlv.schema.papers.sharing import TASKS

Contradictions = Callable[[Values], Iterable[str]]

_XNLI, _PAWSX, _MARC = (Setup(task) for task in TASKS)
_PARALLEL: Final = (_XNLI, _PAWSX)
_WITHOUT_KO: Final = _PAWSX._replace(left_out="ko")
_DOUBLED: Final = {
    language: _PAWSX._replace(added_language=language, added_percent=100) for language in _PAWSX.languages
}


def _claim(
    place: str,
    row: str,
    rows: Rows,
    setups: Sequence[Setup],
    reading: str,
    contradictions: Contradictions,
    of: str = "",
) -> PublishedNumbers:
    """A claim; ``of`` names its tasks where the setups do not."""
    cell = Cell(row, of or " and ".join(setup.task for setup in setups))
    find = concluded(rows, setups, cell, against(contradictions))
    return PublishedNumbers(
        place, rows.query, 0, 0.0, "", reading, find, resting_on(rows.kind, lambda _: setups), rows=(row,)
    )


def _led(
    setups: Sequence[Setup], leaders: Callable[[Setup], Mapping[str, str]], *at: str, beside: bool = False
) -> Contradictions:
    """In the row of each test language, a training language has the highest value, or the highest beside its own."""

    def found(values: Values) -> Iterator[str]:
        for setup in setups:
            for tested, leader in leaders(setup).items():
                others = [trained for trained in setup.languages if not (beside and trained == tested)]
                highest = max(values[setup, *at, tested, trained] for trained in others)
                if values[setup, *at, tested, leader] < highest:
                    yield f"{setup.task} {tested}"

    return found


def _itself(setup: Setup) -> Mapping[str, str]:
    return {language: language for language in setup.tested}


def _always(leader: str, *but: str) -> Callable[[Setup], Mapping[str, str]]:
    return lambda setup: dict.fromkeys((language for language in setup.tested if language not in but), leader)


def _each_other(_: Setup) -> Mapping[str, str]:
    return {"es": "fr", "fr": "es"}


def _extreme_of_en(setup: Setup, sign: int) -> Contradictions:
    """English has the largest (1) or smallest (-1) share of the lowest scores, mean over the test languages."""

    def found(values: Values) -> Iterator[str]:
        means = {
            trained: sign * fmean(values[setup, "negative", tested, trained] for tested in setup.tested)
            for trained in setup.languages
        }
        yield from (trained for trained, mean in means.items() if mean > means["en"])

    return found


def _moves(setup: Setup, direction: str, sign: int, ks: Iterable[int] = sharing.REMOVAL_K) -> Contradictions:
    """Confidence rises (1) or falls (-1) without the examples of a direction."""

    def found(values: Values) -> Iterator[str]:
        yield from (f"k = {k}" for k in ks if sign * values[setup, direction, k] <= 0)

    return found


def _rises_less(values: Values) -> Iterator[str]:
    rise, fall = values[_XNLI, "negative", sharing.TOP_K], -values[_XNLI, "positive", sharing.TOP_K]
    if rise >= fall / 2:
        yield f"a rise of {rise:.3f} beside a fall of {fall:.3f}"


def _higher_for_xnli(values: Values) -> Iterator[str]:
    xnli, pawsx = (
        fmean(values[setup, tested, trained] for tested in setup.tested for trained in setup.languages)
        for setup in _PARALLEL
    )
    if xnli <= pawsx:
        yield f"{xnli:.3f} of XNLI, {pawsx:.3f} of PAWS-X"


def _translated(setup: Setup, sign: int, *but: tuple[str, str]) -> Contradictions:
    """More (1) or less (-1) than half, in each direction and test language but some."""
    cells = [(direction, tested) for direction in ("positive", "negative") for tested in setup.tested]

    def found(values: Values) -> Iterator[str]:
        shares = {cell: values[setup, *cell] for cell in cells if cell not in but}
        yield from (
            f"{tested} {direction}" for (direction, tested), share in shares.items() if sign * (share - 50) <= 0
        )

    return found


def _falls_after_2(values: Values) -> Iterator[str]:
    for setup in _PARALLEL:
        last = max((epoch for of, _, epoch, *_ in values if of == setup), default=0)
        if last <= 2:
            raise KeyError((setup, "an epoch after 2"))
        before, after = (
            fmean(values[setup, "positive", epoch, tested, tested] for tested in setup.tested) for epoch in (2, last)
        )
        if after >= before:
            yield f"{setup.task}: {before:.1f}% after epoch 2, {after:.1f}% after {last}"


def _epochs_differ(values: Values) -> Iterator[str]:
    for setup in _PARALLEL:
        for tested in setup.tested:
            pairs = {key[2:]: share for key, share in values.items() if key[:2] == (setup, tested)}
            if not pairs:
                raise KeyError((setup, tested))
            yield from (f"{setup.task} {tested} {a}-{b}" for (a, b), share in pairs.items() if share < 1)


def _relies_on_one(values: Values) -> Iterator[str]:
    shares = {trained: values[_WITHOUT_KO, "positive", "ko", trained] for trained in _WITHOUT_KO.languages}
    yield from (f"{trained} {share:.0f}%" for trained, share in shares.items() if share > 50)


def _rise(values: Values, direction: str, language: str) -> float:
    """Points that the share of a language's own examples gains where there are twice as many."""
    return values[_DOUBLED[language], direction, language] - values[_PAWSX, direction, language]


def _not_higher(values: Values) -> Iterator[str]:
    cells = [(direction, language) for direction in ("positive", "negative") for language in _DOUBLED]
    yield from (f"{language} {direction}" for direction, language in cells if _rise(values, direction, language) <= 0)


def _half_or_more(values: Values) -> Iterator[str]:
    others = [language for language in _DOUBLED if language != "ko"]
    yield from (language for language in others if values[_DOUBLED[language], "positive", language] >= 50)


def _rises_faster(values: Values) -> Iterator[str]:
    rises = {language: _rise(values, "positive", language) for language in _DOUBLED}
    yield from (language for language in rises if language not in ("en", "ko") and rises[language] >= rises["en"])


def _other_class(values: Values) -> Iterator[str]:
    for setup in (_XNLI, _PAWSX, _MARC):
        for direction, sign in (("positive", 1), ("negative", -1)):
            for tested in setup.tested:
                if sign * (values[setup, direction, tested] - 50) <= 0:
                    yield f"{setup.task} {tested} {direction}"


_OWN: Final = "every test language's largest positive contributor is itself"
_LEAST: Final = "en is the smallest negative contributor"
_PAIR: Final = "es and fr are each other's largest positive contributors beside themselves"
_SHARE: Final = "By the percentage of the highest scores, mean over test examples."
_MEAN_SHARE: Final = "By the percentage of the lowest scores, mean over test examples and test languages."
_POINTS: Final = "In points, mean over the test examples; random examples are not subtracted."

CLAIMS: Final[Sequence[PublishedNumbers]] = (
    _claim(
        "Figure 1",
        "confidence falls without the highest scores, for every k",
        REMOVAL,
        [_PAWSX],
        _POINTS,
        _moves(_PAWSX, "positive", -1),
    ),
    _claim(
        "Figure 6",
        "confidence falls without the 100 highest scores",
        REMOVAL,
        [_XNLI],
        _POINTS,
        _moves(_XNLI, "positive", -1, [sharing.TOP_K]),
    ),
    _claim(
        "Figure 7",
        "confidence rises without the lowest scores, for every k",
        REMOVAL,
        [_PAWSX],
        _POINTS,
        _moves(_PAWSX, "negative", 1),
    ),
    _claim(
        "Figure 8",
        "confidence does not rise alike without the 100 lowest scores",
        REMOVAL,
        [_XNLI],
        f"{_POINTS} Less than half of what it falls without the 100 highest.",
        _rises_less,
    ),
    _claim("Figure 2a", _OWN, CONTRIBUTION, [_XNLI], _SHARE, _led([_XNLI], _itself, "positive")),
    _claim("Figure 2b", _OWN, CONTRIBUTION, [_PAWSX], _SHARE, _led([_PAWSX], _itself, "positive")),
    _claim(
        "Figure 2b",
        "ko is the largest negative contributor for every test language",
        CONTRIBUTION,
        [_PAWSX],
        "By the percentage of the lowest scores, mean over test examples.",
        _led([_PAWSX], _always("ko"), "negative"),
    ),
    _claim("Figure 2a", _LEAST, CONTRIBUTION, [_XNLI], _MEAN_SHARE, _extreme_of_en(_XNLI, -1)),
    _claim("Figure 2b", _LEAST, CONTRIBUTION, [_PAWSX], _MEAN_SHARE, _extreme_of_en(_PAWSX, -1)),
    _claim(
        "Figure 2c",
        "en is the largest negative contributor",
        CONTRIBUTION,
        [_MARC],
        _MEAN_SHARE,
        _extreme_of_en(_MARC, 1),
    ),
    _claim("Figure 2b", _PAIR, CONTRIBUTION, [_PAWSX], _SHARE, _led([_PAWSX], _each_other, "positive", beside=True)),
    _claim("Figure 2c", _PAIR, CONTRIBUTION, [_MARC], _SHARE, _led([_MARC], _each_other, "positive", beside=True)),
    _claim(
        "Table 3",
        "en has the highest mean influence on every test language but ko",
        MEAN,
        _PARALLEL,
        "Of the training languages, in each row; the row of Korean may be led by any.",
        _led(_PARALLEL, _always("en", "ko")),
    ),
    _claim(
        "Table 6",
        "es has the highest mean influence on every test language",
        MEAN,
        [_MARC],
        "Of the training languages, in each row.",
        _led([_MARC], _always("es")),
    ),
    _claim(
        "Table 3",
        "mean influence is higher for XNLI",
        MEAN,
        _PARALLEL,
        "Mean of all cells of Table 3a, and of 3b; sums over epochs, of which XNLI may have fewer.",
        _higher_for_xnli,
    ),
    _claim(
        "Table 4",
        "more than half of the contributions of other languages are translations",
        TRANSLATIONS,
        [_XNLI],
        "In each direction and test language.",
        _translated(_XNLI, 1),
    ),
    _claim(
        "Table 4",
        "less than half of the contributions of other languages are translations",
        TRANSLATIONS,
        [_PAWSX],
        "In each direction and test language, but of English negative ones, for which 50% is printed.",
        _translated(_PAWSX, -1, ("negative", "en")),
    ),
    _claim(
        "Figure 3",
        "the own-language share falls after epoch 2",
        BY_EPOCH,
        _PARALLEL,
        "Of the highest scores, mean over the test languages, by the last traced epoch below that of epoch 2.",
        _falls_after_2,
    ),
    _claim(
        "section 8.2",
        "scores differ between all epochs, p < 0.05",
        EPOCH_TESTS,
        _PARALLEL,
        "Of every traced test example, of each pair of epochs, not corrected for their number.",
        _epochs_differ,
    ),
    _claim(
        "Figure 4",
        "without ko in training, ko relies on several languages",
        CONTRIBUTION,
        [_WITHOUT_KO],
        "No training language has more than half of the highest scores.",
        _relies_on_one,
    ),
    _claim(
        "Figure 5",
        "own-language shares are higher at +100% than at +0%",
        IMBALANCE,
        [_PAWSX, *_DOUBLED.values()],
        "Of every language, positive and negative.",
        _not_higher,
        of="PAWS-X",
    ),
    _claim(
        "Figure 5",
        "the positive own-language share is below 50% at +100% but for ko",
        IMBALANCE,
        [setup for language, setup in _DOUBLED.items() if language != "ko"],
        "Of every other language.",
        _half_or_more,
        of="PAWS-X",
    ),
    _claim(
        "Figure 5",
        "the positive own-language share of en rises fast, as that of ko",
        IMBALANCE,
        [_PAWSX, *_DOUBLED.values()],
        "From +0% to +100% by more points than those of German, Spanish and French.",
        _rises_faster,
        of="PAWS-X",
    ),
    _claim(
        "appendix A",
        "the highest scores mostly have the test example's class, the lowest the other",
        CLASSES,
        [_XNLI, _PAWSX, _MARC],
        "More than half of the highest scores, less than half of the lowest, in every task and test language.",
        _other_class,
        of="XNLI, PAWS-X and MARC",
    ),
)
"""All of them; which are compared: :mod:`mlv.queries.sharing.numbers`."""
