"""What S's text says without a number, each as a predicate over the rows of a query: ``published/claims.csv`` has them
with their sentences.

A predicate names what is against its claim; a claim holds where nothing is, and is not yet run where a row lacks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean
from typing import Any, Final

from mlv.queries.published import Cell, PublishedNumbers, against
from mlv.queries.selfalign.lookups import (
    BY_CATEGORY,
    ERRORS,
    IMPROVED,
    MEAN_REDUCTION,
    MISALIGNED_SHARE,
    REDUCTIONS,
    STAYED_RATHER,
    Rows,
    Values,
    concluded,
)
from mlv.queries.selfalign.setups import MODELS, STRATEGIES, Asked, resting_on
from mlv.schema.papers import selfalign

Contradictions = Callable[[Values], Iterable[str]]

_BINS: Final = ("0-20", "20-40", "40-60", "60-80", "80-100")
_LLAMA: Final = {strategy: Asked("Llama3-8B", "en", strategy) for strategy in STRATEGIES}
_IN_ENGLISH: Final = {model: Asked(model, "en", "chrf") for model in MODELS}
_ZERO_SHOT: Final = [
    Asked(model, language) for model, languages in selfalign.LANGUAGES.items() for language in languages
]
_ALL: Final = [asked._replace(strategy="chrf") for asked in _ZERO_SHOT]


def _claim(
    place: str, cell: Cell, rows: Rows, runs: Sequence[Asked], reading: str, contradictions: Contradictions
) -> PublishedNumbers:
    find = concluded(rows, cell, against(contradictions))
    return PublishedNumbers(place, rows.query, 0, 0.0, "", reading, find, resting_on(lambda _: runs), rows=(cell.row,))


def _above(values: Values, high: Asked, low: Asked, *keys: Any) -> Iterator[str]:
    """What says that a value is not above another."""
    first, second = values[(high, *keys)], values[(low, *keys)]
    if first <= second:
        yield f"{first:.1f} of {high} and {second:.1f} of {low}"


def _highest(asked: Asked, others: Iterable[Asked], *keys: Any) -> Contradictions:
    """The value of a run is above those of others."""
    return lambda values: [said for other in others if other != asked for said in _above(values, asked, other, *keys)]


def _mostly(runs: Iterable[Asked], keys: Sequence[Any], most: Any) -> Contradictions:
    """In every run one of the rows has the highest value."""

    def found(values: Values) -> Iterator[str]:
        for asked in runs:
            leader = max(keys, key=lambda key: values[asked, key])
            if values[asked, leader] > values[asked, most]:
                yield f"{leader}% in {asked}"

    return found


def _languages_of(model: str) -> list[Asked]:
    return [asked for asked in _ALL if asked.model == model]


def _best_language(model: str, language: str, name: str) -> PublishedNumbers:
    runs = _languages_of(model)
    best = Asked(model, language, "chrf")
    return _claim(
        "section 8.6.2",
        Cell(f"improved most in {name}", model),
        IMPROVED,
        runs,
        "Of its languages in Table 8.1.",
        _highest(best, runs),
    )


def _less_effective(values: Values) -> Iterator[str]:
    for weaker in ("CommandR", "BLOOMz"):
        for other in ("Llama3-8B", "Mistral", "Gemini-pro"):
            yield from _above(values, _IN_ENGLISH[other], _IN_ENGLISH[weaker])


def _rather_stays(values: Values) -> Iterator[str]:
    surplus = values[(_IN_ENGLISH["CommandR"],)]
    if surplus <= 0:
        yield f"{-surplus:.1f} points more fell than stayed"


def _lowest_in_english(values: Values) -> Iterator[str]:
    for asked in _ZERO_SHOT:
        if asked.language != "en":
            yield from _above(values, asked, asked._replace(language="en"))


def _worst_everywhere(values: Values) -> Iterator[str]:
    for asked in _ZERO_SHOT:
        worst = asked._replace(model="BLOOMz")
        if asked != worst and worst in _ZERO_SHOT:
            yield from _above(values, worst, asked)


def _romanian_and_greek(values: Values) -> Iterator[str]:
    """The means of these two languages over the models are above those of all others."""
    means = {
        language: fmean(values[(asked,)] for asked in _ZERO_SHOT if asked.language == language)
        for language in {asked.language for asked in _ZERO_SHOT}
    }
    for language, mean in sorted(means.items()):
        if language not in ("ro", "el") and mean >= min(means["ro"], means["el"]):
            yield f"{mean:.1f} in {language}"


def _drops(values: Values) -> Iterator[str]:
    english = fmean(values[(asked,)] for asked in _ALL if asked.language == "en")
    others = fmean(values[(asked,)] for asked in _ALL if asked.language != "en")
    if others >= english:
        yield f"{others:.1f} in other languages, {english:.1f} in English"


def _politics(values: Values) -> Iterator[str]:
    for language in ("ro", "vi"):
        yield from _above(
            values, Asked("BLOOMz", language, "chrf"), Asked("BLOOMz", "en", "chrf"), "political_interest"
        )


CLAIMS: Final[Sequence[PublishedNumbers]] = (
    _claim(
        "section 8.5.1",
        Cell("chrF++ across categories improves most", "Llama3-8B en"),
        IMPROVED,
        [*_LLAMA.values()],
        "Above the three other strategies.",
        _highest(_LLAMA["chrf"], _LLAMA.values()),
    ),
    _claim(
        "section 8.5.1",
        Cell("random selection improves less than chrF++", "Llama3-8B en"),
        IMPROVED,
        [*_LLAMA.values()],
        "Both random strategies below both by chrF++.",
        lambda values: [
            said
            for better in ("chrf", "chrf_category")
            for said in _highest(_LLAMA[better], [_LLAMA["random"], _LLAMA["random_category"]])(values)
        ],
    ),
    _claim(
        "section 8.5.1",
        Cell("most reductions are of 80 to 100% but for random selection", "Llama3-8B en"),
        REDUCTIONS,
        [*_LLAMA.values()],
        "The bin has most examples in each of the three other strategies.",
        _mostly([_LLAMA[strategy] for strategy in STRATEGIES[1:]], _BINS, "80-100"),
    ),
    _claim(
        "section 8.5.3",
        Cell("CommandR and BLOOMz are improved less than the others", "en"),
        IMPROVED,
        [*_IN_ENGLISH.values()],
        "Each of the two below each of the three others.",
        _less_effective,
    ),
    _claim(
        "section 8.5.3",
        Cell("what is not improved mostly stays", "CommandR en"),
        STAYED_RATHER,
        [_IN_ENGLISH["CommandR"]],
        "More stayed than fell.",
        _rather_stays,
    ),
    _claim(
        "section 8.5.3",
        Cell("most reductions are of 80 to 100%", "en"),
        REDUCTIONS,
        [*_IN_ENGLISH.values()],
        "The bin has most examples in each model.",
        _mostly(_IN_ENGLISH.values(), _BINS, "80-100"),
    ),
    _claim(
        "section 8.5.3",
        Cell("reductions are the lowest", "Llama3-8B en"),
        MEAN_REDUCTION,
        [*_IN_ENGLISH.values()],
        "Its mean reduction is below that of each other model.",
        lambda values: [
            said
            for model, asked in _IN_ENGLISH.items()
            if model != "Llama3-8B"
            for said in _above(values, asked, _IN_ENGLISH["Llama3-8B"])
        ],
    ),
    _claim(
        "section 8.5.3",
        Cell("errors of 100% are the most frequent", "CommandR en"),
        ERRORS,
        [Asked("CommandR", "en")],
        "Of the questions with an error.",
        _mostly([Asked("CommandR", "en")], range(10, 101, 10), 100),
    ),
    _claim(
        "section 8.6.1",
        Cell("fewest are misaligned in English", "all models"),
        MISALIGNED_SHARE,
        _ZERO_SHOT,
        "Of each model, in each of its languages.",
        _lowest_in_english,
    ),
    _claim(
        "section 8.6.1",
        Cell("most are misaligned in every language", "BLOOMz"),
        MISALIGNED_SHARE,
        _ZERO_SHOT,
        "In each language that it and another model were asked in.",
        _worst_everywhere,
    ),
    _claim(
        "section 8.6.1",
        Cell("most are misaligned in Romanian and Greek", "all models"),
        MISALIGNED_SHARE,
        _ZERO_SHOT,
        "The mean over the models that were asked in the language.",
        _romanian_and_greek,
    ),
    _claim(
        "section 8.6.2",
        Cell("less is improved in other languages than in English", "all models"),
        IMPROVED,
        _ALL,
        "The mean over all cells of Table 8.1.",
        _drops,
    ),
    _best_language("Llama3-8B", "ro", "Romanian"),
    _best_language("CommandR", "vi", "Vietnamese"),
    _best_language("Gemini-pro", "de", "German"),
    _best_language("BLOOMz", "el", "Greek"),
    _claim(
        "section 8.6.2",
        Cell("political interest is corrected more often in Romanian and Vietnamese than in English", "BLOOMz"),
        BY_CATEGORY,
        [Asked("BLOOMz", language, "chrf") for language in ("en", "ro", "vi")],
        "Questions on the theme that improved.",
        _politics,
    ),
    _claim(
        "section 8.6.2",
        Cell("religious values are corrected most often in Turkish", "BLOOMz"),
        BY_CATEGORY,
        _languages_of("BLOOMz"),
        "Questions on the theme that improved, above each other language.",
        _highest(Asked("BLOOMz", "tr", "chrf"), _languages_of("BLOOMz"), "religious_values"),
    ),
)
