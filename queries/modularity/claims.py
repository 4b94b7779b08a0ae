"""What D5's text says of its figures without a number, each as a predicate over the rows of a query:
``published/claims.csv`` has them with their sentences.

A predicate names what is against its claim; a claim holds where nothing is, and is not yet run where a row lacks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import correlation, fmean
from typing import Final

from mlv.queries.modularity.lookups import TABLES, Conclusion, Values
from mlv.queries.modularity.published import last_epoch, own_changes, own_share, traced
from mlv.queries.modularity.setups import Job, Masks, Setup, alone, resting_on
from mlv.queries.published import Cell, PublishedNumbers, against
from mlv.schema.papers.sharing import TASKS

Contradictions = Callable[[Values], Iterable[str]]

_XNLI, _PAWSX, _MARC = (Setup(task) for task in TASKS)
_ALL: Final = [_XNLI, _PAWSX, _MARC]
_SFT: Final = [Setup("PAWS-X", "identified"), Setup("MARC", "identified")]
_RANDOM: Final = Setup("PAWS-X", "shuffled")

STRONG: Final = 0.5
"""Absolute correlation from which on it counts as strong."""

LAYERS: Final = 12


def _claim(
    place: str,
    row: str,
    query: str,
    setups: Sequence[Setup],
    reading: str,
    contradictions: Contradictions,
    jobs: Iterable[Job],
) -> PublishedNumbers:
    tasks = list(dict.fromkeys(setup.task for setup in setups))
    cell = Cell(row, " and ".join([", ".join(tasks[:-1]), tasks[-1]] if tasks[1:] else tasks))
    wanted = list(jobs)
    find = Conclusion(cell, setups, against(contradictions)).find
    return PublishedNumbers(place, query, 0, 0.0, "", reading, find, resting_on(lambda _: wanted), rows=(row,))


def _under(masks: Masks, *setups: Setup) -> list[Job]:
    return [job for setup in setups for job in traced(setup, masks)]


def _pruned(*tasks: str) -> list[Job]:
    return [Job(setup, "prune") for task in tasks for setup in alone(task)]


def _points(value: float) -> str:
    return f"{value:+.1f}"


def _do_not_rise(values: Values) -> Iterator[str]:
    for setup in _ALL:
        for language, change in own_changes(values, setup).items():
            if change <= 0 and (setup.task, language) != ("XNLI", "en"):
                yield f"{setup.task} {language} {_points(change)}"


def _not_weakest(values: Values) -> Iterator[str]:
    means = {setup.task: fmean(own_changes(values, setup).values()) for setup in _ALL}
    yield from (
        f"{task} {_points(mean)} beside XNLI {_points(means['XNLI'])}"
        for task, mean in means.items()
        if mean < means["XNLI"]
    )


def _change(values: Values, setup: Setup, language: str, trained: str, masks: Masks = "identified") -> float:
    return values(setup, "change", masks=masks, direction="positive", language=language, ft_language=trained)


def _not_each_other(values: Values) -> Iterator[str]:
    own, other = (_change(values, _MARC, "de", trained) for trained in ("de", "en"))
    if other <= own:
        yield f"de from en {_points(other)}, from de {_points(own)}"
    if (back := _change(values, _MARC, "en", "de")) <= 0:
        yield f"en from de {_points(back)}"


def _random_rise(values: Values) -> Iterator[str]:
    changes = values.each(_PAWSX, "change", masks="shuffled", direction="positive", language="de", ft_language="de")
    yield from (_points(change) for change in changes if change > 0)


def _negative_fall(values: Values) -> Iterator[str]:
    for other in ("en", "ko"):
        change = values(
            _PAWSX, "change", masks="other", direction="negative", language="de", ft_language="ko", mask_languages=other
        )
        if change <= 0:
            yield f"under the mask of {other} {_points(change)}"


def _do_not_fall(values: Values) -> Iterator[str]:
    for setup, languages in zip(_SFT, (("ko",), ("zh", "fr", "es")), strict=True):
        changes = own_changes(values, setup)
        yield from (f"{setup.task} {one} {_points(changes[one])}" for one in languages if changes[one] >= 0)


def _rises_more(values: Values) -> Iterator[str]:
    changes = own_changes(values, _SFT[0])
    yield from (f"{one} {_points(change)}" for one, change in changes.items() if change > changes["fr"])


def _leans_on_others(values: Values) -> Iterator[str]:
    for setup in _SFT:
        for tested in setup.languages:
            shares = {
                trained: values(
                    setup,
                    "contribution_masked",
                    masks="identified",
                    direction="positive",
                    language=tested,
                    ft_language=trained,
                )
                for trained in setup.languages
            }
            if max(shares.values()) > shares[tested]:
                yield f"{setup.task} {tested}"


def _specialise_less(values: Values) -> Iterator[str]:
    identified, shuffled = own_changes(values, _SFT[0]), own_changes(values, _RANDOM, "shuffled")
    yield from (
        f"{one} {_points(shuffled[one])} beside {_points(identified[one])}"
        for one in identified
        if shuffled[one] <= identified[one]
    )


def _less_accurate(values: Values) -> Iterator[str]:
    for sparse in _SFT:
        full = Setup(sparse.task)
        for language in sparse.languages:
            before, after = (values(one, "accuracy", masks="identified", language=language) for one in (full, sparse))
            if after <= before and (sparse.task, language) != ("PAWS-X", "fr"):
                yield f"{sparse.task} {language}: {after:.1f} after {before:.1f}"


def _correlates(sign: int, direction: str) -> Contradictions:
    """In both tasks Spearman's correlation is above (1) or below (-1) 0."""

    def found(values: Values) -> Iterator[str]:
        for setup in _SFT:
            rho = values(setup, "spearman", masks="identified", direction=direction, layer=None)
            if sign * rho <= 0:
                yield f"{rho:+.2f} for {setup.task}"

    return found


def _is_strong(values: Values) -> Iterator[str]:
    for setup in _SFT:
        rho = values(setup, "spearman", masks="identified", direction="negative", layer=None)
        if abs(rho) >= STRONG:
            yield f"{rho:+.2f} for {setup.task}"


def _overlap_less(values: Values) -> Iterator[str]:
    pawsx, marc = (fmean(values.each(alone(task)[0], "cosine", layer=None)) for task in ("PAWS-X", "MARC"))
    if marc <= pawsx:
        yield f"{marc:.2f} for MARC, {pawsx:.2f} for PAWS-X"


def _other_layers(values: Values) -> Iterator[str]:
    profiles = [
        [
            values(setup, "spearman", masks="identified", direction="positive", layer=layer)
            for layer in range(1, LAYERS + 1)
        ]
        for setup in _SFT
    ]
    for setup, profile in zip(_SFT, profiles, strict=True):
        if max(profile) == min(profile):
            yield f"all layers of {setup.task} are alike"
            return
    if (alike := correlation(*profiles)) <= 0:
        yield f"the layers of the two tasks correlate by {alike:+.2f}"


def _isolated(values: Values, setup: Setup, masks: Masks) -> Iterator[str]:
    """What is against that Korean and English rely on their own examples more than every other language at the end."""
    epoch = last_epoch(values, setup, masks)
    shares = {one: own_share(values, setup, masks, one, epoch) for one in setup.languages}
    for one in ("ko", "en"):
        above = [other for other in shares if other not in ("ko", "en") and shares[other] >= shares[one]]
        if above:
            yield f"{', '.join(above)} above {one} after epoch {epoch}"


def _do_not_share(values: Values) -> Iterator[str]:
    sparse = _SFT[0]
    epoch = last_epoch(values, sparse, "identified")
    for one in sparse.languages:
        first, last = (own_share(values, sparse, "identified", one, at) for at in (1, epoch))
        if last >= first:
            yield f"{one}: {last:.0f}% after {first:.0f}%"
    yield from _isolated(values, _PAWSX, "none")


def _composed_less(values: Values) -> Iterator[str]:
    for setup, (one, other) in zip(_SFT, (("es", "fr"), ("de", "en")), strict=True):
        for tested, trained in ((one, other), (other, one)):
            both, either = (
                values(
                    setup,
                    "change",
                    masks=masks,
                    direction="positive",
                    language=tested,
                    ft_language=trained,
                    mask_languages=f"{one},{other}",
                )
                for masks in ("intersection", "union")
            )
            if both <= max(0, either):
                yield f"{setup.task} {tested} from {trained} {_points(both)}, by the union {_points(either)}"


def _all_needed(values: Values) -> Iterator[str]:
    for task in TASKS:
        if min(values.each(alone(task)[0], "n")) > 0:
            yield task


def _lie_elsewhere(values: Values) -> Iterator[str]:
    means = {}
    for task in ("PAWS-X", "XNLI"):
        setup = alone(task)[0]
        means[task] = fmean(values.each(setup, "layer", n=len(TASKS[task].languages)))
    middle = (LAYERS + 1) / 2
    if means["PAWS-X"] >= middle:
        yield f"mean layer {means['PAWS-X']:.1f} for PAWS-X"
    if means["XNLI"] <= middle:
        yield f"mean layer {means['XNLI']:.1f} for XNLI"


_OWN_CHANGE: Final = (
    "By the share of the 100 highest scores that is in the test language, with its mask beside the full model."
)
_BESIDE_FULL: Final = "After SFT, beside the full model without a mask."

CLAIMS: Final[Sequence[PublishedNumbers]] = (
    _claim(
        "Figure 5.2",
        "own examples count more under the own mask, but for XNLI's English",
        TABLES.change,
        _ALL,
        _OWN_CHANGE,
        _do_not_rise,
        _under("identified", *_ALL),
    ),
    _claim(
        "Figure 5.2",
        "effects are weakest for XNLI",
        TABLES.change,
        _ALL,
        "Mean over the languages of the change of own examples.",
        _not_weakest,
        _under("identified", *_ALL),
    ),
    _claim(
        "Figure 5.2",
        "the German mask raises en more than de, the English one raises de",
        TABLES.change,
        [_MARC],
        "In points of the 100 highest scores.",
        _not_each_other,
        _under("identified", _MARC),
    ),
    _claim(
        "Figure 5.3",
        "random masks never raise German",
        TABLES.change,
        [_PAWSX],
        "Of all shuffled German masks that the store has.",
        _random_rise,
        _under("shuffled", _PAWSX),
    ),
    _claim(
        "Figure 5.3",
        "the English and the Korean mask raise negative influence of Korean on German",
        TABLES.change,
        [_PAWSX],
        "By the percentage of the 100 lowest scores.",
        _negative_fall,
        _under("other", _PAWSX),
    ),
    _claim(
        "Figure 5.4",
        "after SFT own examples count less for ko and for zh, fr and es",
        TABLES.change,
        _SFT,
        _BESIDE_FULL,
        _do_not_fall,
        _under("identified", *_SFT),
    ),
    _claim(
        "Figure 5.4",
        "after SFT own examples rise most for fr",
        TABLES.change,
        _SFT[:1],
        _BESIDE_FULL,
        _rises_more,
        _under("identified", _SFT[0]),
    ),
    _claim(
        "Figure 5.5",
        "after SFT every subnetwork leans most on its own language",
        TABLES.change,
        _SFT,
        "The largest share of the 100 highest scores.",
        _leans_on_others,
        _under("identified", *_SFT),
    ),
    _claim(
        "Figure 5.6",
        "random masks with SFT specialise more than identified ones",
        TABLES.change,
        [_SFT[0], _RANDOM],
        "The change of own examples, of every language; of the first random SFT.",
        _specialise_less,
        [*_under("identified", _SFT[0]), *_under("shuffled", _RANDOM)],
    ),
    _claim(
        "Table C.2",
        "SFT raises accuracy in every language but for fr on PAWS-X",
        TABLES.accuracy,
        [_PAWSX, _MARC, *_SFT],
        "On test texts under the mask of their language.",
        _less_accurate,
        [Job(setup, "predict", "identified") for setup in (_PAWSX, _MARC, *_SFT)],
    ),
    _claim(
        "Figure 5.7",
        "specialization and accuracy correlate negatively",
        TABLES.performance,
        _SFT,
        "Spearman's, over languages and epochs of SFT.",
        _correlates(-1, "positive"),
        _under("identified", *_SFT),
    ),
    _claim(
        "Figure 5.8",
        "similar masks go with positive influence",
        TABLES.influence,
        _SFT,
        "Spearman's over ordered pairs of two languages, after SFT.",
        _correlates(1, "positive"),
        _under("identified", *_SFT),
    ),
    _claim(
        "Figure C.6",
        "similar masks do not go with negative influence strongly",
        TABLES.influence,
        _SFT,
        f"The same; strong from {STRONG:g} on.",
        _is_strong,
        _under("identified", *_SFT),
    ),
    _claim(
        "Figure 5.8",
        "masks overlap more for MARC than for PAWS-X",
        TABLES.overlap,
        [alone("PAWS-X")[0], alone("MARC")[0]],
        "Mean cosine of two languages' masks.",
        _overlap_less,
        _pruned("PAWS-X", "MARC"),
    ),
    _claim(
        "Figure 5.9",
        "layers differ, and alike in both tasks",
        TABLES.influence,
        _SFT,
        "Spearman's correlations by layer are not all the same, and go up and down together: Pearson's above 0.",
        _other_layers,
        _under("identified", *_SFT),
    ),
    _claim(
        "Figure 5.10",
        "with SFT all languages come to share, fully fine-tuned ko and en stay behind",
        TABLES.specialization,
        [_PAWSX, _SFT[0]],
        "With SFT every language has a smaller share of own examples at its last epoch than at its first; fully "
        "fine-tuned, without masks, those of ko and en are above all others at the last.",
        _do_not_share,
        _under("identified", _SFT[0]),
    ),
    _claim(
        "Figure 5.11",
        "with random SFT ko and en stay isolated",
        TABLES.specialization,
        [_RANDOM],
        "At the last epoch their shares of own examples are above all others.",
        lambda values: _isolated(values, _RANDOM, "shuffled"),
        [Job(_RANDOM, "influence", "shuffled")],
    ),
    _claim(
        "Figure 5.12",
        "intersections raise sharing between es and fr, and between de and en, more than unions",
        TABLES.change,
        _SFT,
        "In both directions, after SFT, beside the full model without a mask.",
        _composed_less,
        [*_under("intersection", *_SFT), *_under("union", *_SFT)],
    ),
    _claim(
        "Figure C.1",
        "some heads are enabled for no language",
        TABLES.sharing,
        [alone(task)[0] for task in TASKS],
        "In every task.",
        _all_needed,
        _pruned(*TASKS),
    ),
    _claim(
        "Figure C.1",
        "fully shared heads lie low for PAWS-X and high for XNLI",
        TABLES.sharing,
        [alone("PAWS-X")[0], alone("XNLI")[0]],
        "The mean of their layers, below and above the middle.",
        _lie_elsewhere,
        _pruned("PAWS-X", "XNLI"),
    ),
)
"""All of them; which are compared: :mod:`mlv.queries.modularity.numbers`."""
