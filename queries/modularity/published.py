"""The published tables of D5, and the numbers in its text: ``published/text.csv`` has them with their sentences."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from statistics import fmean
from typing import Final

from mlv.queries.modularity.lookups import TABLES, Conclusion, Find, Values, each
from mlv.queries.modularity.setups import Job, Masks, Setup, alone, resting_on
from mlv.queries.published import Cell, PublishedNumbers
from mlv.schema.papers.sharing import TASKS

_GUESS: Final = "a guess: how far seeds, projections and test examples differ has not been measured"

_PAIR: Final = ("language_a", "language_b")
_SPARSE: Final = [Setup(task, training) for task in ("PAWS-X", "MARC") for training in ("full", "identified")]


def _named(setup: Setup) -> str:
    return f"{setup.task} {'full' if setup.training == 'full' else 'SFT'}"


TABLE_C1: Final = PublishedNumbers(
    "Table C.1",
    TABLES.sparsity,
    0,
    14.0,
    "one iteration of pruning, a tenth of 144 heads",
    "Of a model that is fine-tuned on 2,000 examples in the language alone; the last mask with 95% of its accuracy.",
    each(
        "disabled",
        ["language"],
        [setup for task in TASKS for setup in alone(task)],
        lambda setup, language: Cell(setup.task, language) if language == setup.language else None,
    ),
    resting_on(lambda cell: [Job(Setup(cell.row, language=cell.column), "prune")]),
)

TABLE_C2: Final = PublishedNumbers(
    "Table C.2",
    TABLES.accuracy,
    1,
    5.0,
    _GUESS,
    "On test texts under the mask of their language.",
    each("accuracy", ["language"], _SPARSE, lambda setup, language: Cell(language, _named(setup)), masks="identified"),
    resting_on(lambda cell: [Job(setup, "predict", "identified") for setup in _SPARSE if _named(setup) == cell.column]),
)


def _number(
    place: str,
    row: str,
    query: str,
    tolerance: float,
    reading: str,
    find: Find,
    jobs: Callable[[Cell], Iterable[Job]],
    decimals: int = 0,
) -> PublishedNumbers:
    return PublishedNumbers(place, query, decimals, tolerance, _GUESS, reading, find, resting_on(jobs), rows=(row,))


def traced(setup: Setup, masks: Masks) -> list[Job]:
    """A classifier under masks, and the full model without."""
    return [Job(Setup(setup.task), "influence"), Job(setup, "influence", masks)]


def _positive(
    place: str, row: str, column: str, setups: Sequence[Setup], reading: str, masks: Masks = "identified"
) -> PublishedNumbers:
    """What a training language contributes to a test language, in cells such as ``MARC de from en``."""
    find = each(
        column,
        ["language", "ft_language"],
        setups,
        lambda setup, tested, trained: Cell(row, f"{setup.task} {tested} from {trained}"),
        direction="positive",
        masks=masks,
    )
    return _number(place, row, TABLES.change, 5.0, reading, find, lambda _: traced(setups[0], masks))


_FULL: Final = [Setup(task) for task in TASKS]
_PAWSX: Final = [Setup("PAWS-X")]
_MARC: Final = [Setup("MARC")]
_SFT: Final = [Setup("PAWS-X", "identified")]
_RANDOM_SFT: Final = [Setup("PAWS-X", "shuffled")]


def own_changes(values: Values, setup: Setup, masks: Masks = "identified") -> dict[str, float]:
    """By language the change of the share of its own examples under its mask, in points."""
    return {
        language: values(setup, "change", masks=masks, direction="positive", language=language, ft_language=language)
        for language in setup.languages
    }


def _extreme_gain(row: str, choose: Callable[[Iterable[float]], float], column: str) -> PublishedNumbers:
    def conclude(values: Values) -> tuple[float, str]:
        gains = {
            f"{setup.task} {language}": change
            for setup in _FULL
            for language, change in own_changes(values, setup).items()
        }
        extreme = choose(gains.values())
        return extreme, next(name for name, gain in gains.items() if gain == extreme)

    find = Conclusion(Cell(row, column), _FULL, conclude).find
    reading = "Of every task and language, XNLI's English among them, which the next sentences except."
    return _number(
        "section 5.5.1",
        row,
        TABLES.change,
        5.0,
        reading,
        find,
        lambda _: [job for setup in _FULL for job in traced(setup, "identified")],
    )


def _under_another(row: str, other: str) -> PublishedNumbers:
    find = each(
        "change",
        ["language", "ft_language", "mask_languages"],
        _PAWSX,
        lambda setup, tested, trained, mask: (
            Cell(row, f"{setup.task} {tested} from {trained}") if mask == other else None
        ),
        direction="negative",
        masks="other",
    )
    reading = "On German test texts, which the sentence leaves open."
    return _number("section 5.5.2", row, TABLES.change, 5.0, reading, find, lambda _: traced(_PAWSX[0], "other"))


def _mean_accuracy(values: Values, setup: Setup, masks: Masks = "identified") -> float:
    return fmean(values(setup, "accuracy", masks=masks, language=language) for language in setup.languages)


def _accuracies(
    place: str, row: str, setup: Setup, column: str, conclude: Callable[[Values], float], masks: Masks, *also: Setup
) -> PublishedNumbers:
    setups = [setup, *also]
    find = Conclusion(Cell(row, column), setups, lambda values: (conclude(values), "")).find
    return _number(
        place,
        row,
        TABLES.accuracy,
        5.0,
        "Mean over the languages, each under its mask.",
        find,
        lambda _: [Job(one, "predict", masks) for one in setups],
        1,
    )


def last_epoch(values: Values, setup: Setup, masks: Masks) -> int:
    """The last epoch that is traced by itself."""
    return int(max(values.each(setup, "epoch", masks=masks, direction="positive")))


def own_share(values: Values, setup: Setup, masks: Masks, language: str, epoch: int) -> float:
    """The share of a language's own examples, in percent, by the checkpoint of an epoch."""
    return values(setup, "own_share", masks=masks, direction="positive", language=language, epoch=epoch)


def _at_the_end(setup: Setup, masks: Masks, called: str) -> PublishedNumbers:
    row = f"own share at the last epoch, {called}"

    def conclude(values: Values) -> tuple[float, str]:
        epoch = last_epoch(values, setup, masks)
        shares = [own_share(values, setup, masks, language, epoch) for language in setup.languages]
        return fmean(shares), f"epoch {epoch}"

    find = Conclusion(Cell(row, setup.task), [setup], conclude).find
    reading = "Mean over the test languages, by the last checkpoint alone; chance is 20."
    return _number(
        "section 5.7.3", row, TABLES.specialization, 5.0, reading, find, lambda _: [Job(setup, "influence", masks)]
    )


def _shared(place: str) -> PublishedNumbers:
    """Shares of a subnetwork, in cells such as ``PAWS-X de in en``."""
    row = "heads of a subnetwork that another one has too"
    setups = [alone(task)[0] for task in TASKS]
    ways = (
        each("share_of_a", _PAIR, setups, lambda setup, a, b: Cell(row, f"{setup.task} {a} in {b}"), layer=None),
        each("share_of_b", _PAIR, setups, lambda setup, a, b: Cell(row, f"{setup.task} {b} in {a}"), layer=None),
    )

    def jobs(cell: Cell) -> list[Job]:
        task, one, _, other = cell.column.split(" ")
        return [Job(Setup(task, language=language), "prune") for language in (one, other)]

    reading = "Of the subnetworks of models of one language each."
    return _number(
        place,
        row,
        TABLES.overlap,
        10.0,
        reading,
        lambda *frames: chain.from_iterable(way(*frames) for way in ways),
        jobs,
    )


def _difference(values: Values) -> float:
    marc, sparse = Setup("MARC"), Setup("MARC", "identified")
    return _mean_accuracy(values, sparse) - _mean_accuracy(values, marc)


_WITHOUT: Final = (
    "Of the 100 highest scores, by the full model, over texts that it has right with and without the mask."
)
_UNDER: Final = "The same under the mask of the test language."

QUOTED: Final[Sequence[PublishedNumbers]] = (
    _extreme_gain("smallest gain of own examples under the mask", min, "all"),
    _extreme_gain("largest gain of own examples under the mask", max, "all"),
    _positive("section 5.5.1", "share without a mask", "contribution_full", _MARC, _WITHOUT),
    _positive("section 5.5.1", "share under the mask", "contribution_masked", _MARC, _UNDER),
    _positive("section 5.5.1", "gain under the mask", "change", _MARC, "The difference, in points."),
    _positive("section 5.5.2", "gain under the mask", "change", _PAWSX, "The difference, in points."),
    _under_another("gain of negative influence under the English mask", "en"),
    _under_another("gain of negative influence under the Korean mask", "ko"),
    _accuracies(
        "section 5.6",
        "mean accuracy under masks after full fine-tuning",
        _PAWSX[0],
        "PAWS-X",
        lambda values: _mean_accuracy(values, _PAWSX[0]),
        "identified",
    ),
    _accuracies(
        "section 5.6",
        "mean accuracy under masks after SFT",
        _SFT[0],
        "PAWS-X",
        lambda values: _mean_accuracy(values, _SFT[0]),
        "identified",
    ),
    _accuracies(
        "section 5.6",
        "gain of mean accuracy by SFT",
        _MARC[0],
        "MARC",
        _difference,
        "identified",
        Setup("MARC", "identified"),
    ),
    _positive(
        "section 5.6.1",
        "gain under a random mask after SFT",
        "change",
        _RANDOM_SFT,
        "Beside the full model.",
        "shuffled",
    ),
    _positive(
        "section 5.6.1", "share under a random mask after SFT", "contribution_masked", _RANDOM_SFT, _UNDER, "shuffled"
    ),
    _accuracies(
        "section 5.6.1",
        "mean accuracy under random masks after SFT",
        _RANDOM_SFT[0],
        "PAWS-X",
        lambda values: _mean_accuracy(values, _RANDOM_SFT[0], "shuffled"),
        "shuffled",
    ),
    _positive("section 5.7.1", "gain under the mask after SFT", "change", _SFT, "Beside the full model."),
    _at_the_end(_PAWSX[0], "none", "full fine-tuning"),
    _at_the_end(_SFT[0], "identified", "SFT"),
    _shared("appendix C.1"),
    _shared("section 5.5.1"),
)
"""Those in the text."""
