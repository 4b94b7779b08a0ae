"""The published numbers of D6, and what in a store is theirs.

Many are of figures that print none: they are made of what the authors released, and each file says so.
``published/text.csv`` has those in the text with their sentences, ``claims.csv`` what it says without a number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean, stdev
from types import MappingProxyType
from typing import Final

import polars as pl

from mlv.queries.published import Cell, Found, PublishedNumbers, against
from mlv.queries.stereotypes.lookups import Find, Row, Rows, Values, concluded, counted, each
from mlv.queries.stereotypes.setups import (
    COLLECTION,
    MODELS,
    MULTILINGUAL,
    OUTLETS,
    Needs,
    Setup,
    described,
    recalled,
    said,
)
from mlv.schema.papers.stereotypes import CATEGORIES, Prior

AS_PUBLISHED: Final = {"self": "true", "emotions": "published"}
"""A group's similarity to itself counts, and fear does not (D6 section 6.5, by the released code and vectors)."""

COUNTS: Final = "stereotype_counts@1"
ENGINES: Final = "stereotype_engines@1"
DETAILS: Final = "model_details@1"
RECALL: Final = Rows("recall_at_k@1", "recall", ("category", "k"), 100)
SIMILARITY: Final = Rows("emotion_similarity@1", "rho", ("category",))
SHIFT: Final = Rows("emotion_shift@1", "change", ("category",))
COVERAGE: Final = Rows("lexicon_coverage@1", "percent", ("category",))
BALANCE: Final = Rows("sentiment_balance@1", "balance", ("category",))

_BASE: Final = "BERT-B"
"""The model that is fine-tuned on shares of the articles."""

_SEEDS: Final = "a guess: what another seed of fine-tuning does has not been measured"
_SAME_WEIGHTS: Final = "the same weights, by other versions of libraries and by token in place of text"
_OF_PRINTED: Final = "none: what is counted is the collection"


def _of_collection(row: Row, cell: Cell) -> Cell | None:
    return cell if row["collection"] == COLLECTION else None


TABLE_62: Final = PublishedNumbers(
    "Table 6.2",
    COUNTS,
    0,
    0.0,
    _OF_PRINTED,
    "Rows of the collection, as often as they are there.",
    counted("stereotypes", lambda row: _of_collection(row, Cell(row["category"], "attributes"))),
    said,
)

FIGURE_D1: Final = PublishedNumbers(
    "Figure D.1",
    ENGINES,
    0,
    0.0,
    _OF_PRINTED,
    "Rows of the collection by engine.",
    counted("stereotypes", lambda row: _of_collection(row, Cell(row["engine"], "rows"))),
    said,
)


def _details(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
    hub = {name: paper for paper, name in MODELS.items()}
    for row in frame.iter_rows(named=True):
        if paper := hub.get(row["model"].rpartition("/")[2]):
            for column, value in (
                ("million parameters", row["parameters"] and row["parameters"] / 1e6),
                ("thousand entries of the vocabulary", row["vocabulary"] and row["vocabulary"] / 1e3),
            ):
                yield Found(Cell(paper, column), value)


TABLE_D1: Final = PublishedNumbers(
    "Table D.1",
    DETAILS,
    0,
    12.0,
    "the paper rounds, in XLMR and mBERT by up to 12 million and 4 thousand",
    "Layers, widths and heads are not in a store.",
    _details,
    described(lambda cell: [Setup(cell.row)]),
)


def _recall(
    place: str, prior: Prior, called: str, cell: Callable[..., Cell | None], setup: Callable[[Cell], Setup]
) -> PublishedNumbers:
    rows = "published" if prior == "published" else "pairs"
    return PublishedNumbers(
        place,
        RECALL.query,
        4,
        0.02,
        _SAME_WEIGHTS,
        "Rows as often as they are there, without the group that the list spells otherwise; the authors' one prior."
        if prior == "published"
        else "Each pair of prompt and attribute once; the prior is the prompt itself with the group masked.",
        each(RECALL, cell),
        recalled(prior, setup),
        {"prior": prior, "rows": rows},
        called=called,
    )


def _of_model(setup: Setup, category: str, k: int) -> Cell | None:
    return None if setup.outlet or category == "mean" else Cell(f"{setup.model} {category}", f"recall@{k}")


def _of_outlet(setup: Setup, category: str, k: int) -> Cell | None:
    if setup.model != _BASE or category != "mean":
        return None
    return Cell(f"{_BASE} {f'{setup.outlet} {setup.share}' if setup.outlet else 'pretrained'}", f"recall@{k}")


def _setup_of_outlet(cell: Cell) -> Setup:
    outlet, _, share = cell.row.removeprefix(f"{_BASE} ").rpartition(" ")
    return Setup(_BASE, outlet, float(share)) if outlet else Setup(_BASE)


_PRIORS: Final[Sequence[tuple[Prior, str]]] = (("published", "published settings"), ("one_mask", "each pair once"))

RECALLS: Final = tuple(
    numbers
    for prior, called in _PRIORS
    for numbers in (
        _recall("Figure 6.1", prior, called, _of_model, lambda cell: Setup(cell.row.partition(" ")[0])),
        _recall("Figure 6.4", prior, called, _of_outlet, _setup_of_outlet),
    )
)


def _pair(a: Setup, b: Setup, names: Sequence[str], named: Callable[[Setup], str]) -> str:
    return " vs ".join(sorted((named(a), named(b)), key=names.index))


def _two_models(a: Setup, b: Setup, _: str) -> Cell | None:
    if a.outlet or b.outlet:
        return None
    return Cell(_pair(a, b, list(MODELS), lambda setup: setup.model), "rho")


def _models_of(cell: Cell) -> list[Setup]:
    return [Setup(name) for name in cell.row.split(" vs ")]


FIGURE_D3: Final = PublishedNumbers(
    "Figure D.3",
    SIMILARITY.query,
    4,
    0.05,
    _SAME_WEIGHTS,
    "Over all groups; a group's similarity to itself counts, fear does not.",
    each(SIMILARITY, _two_models),
    described(_models_of),
    {**AS_PUBLISHED, "within": "all"},
)


def _two_outlets(a: Setup, b: Setup, category: str) -> Cell | None:
    if {a.model, b.model} != {_BASE} or {a.share, b.share} != {1.0} or a.outlet == b.outlet:
        return None
    pair = _pair(a, b, [_BASE, *OUTLETS], lambda setup: setup.outlet or _BASE)
    return Cell(f"{category}: {pair}", "rho")


def _outlets_of(cell: Cell) -> list[Setup]:
    names = cell.row.partition(": ")[2].split(" vs ")
    return [Setup(_BASE) if name == _BASE else Setup(_BASE, name) for name in names]


FIGURE_63: Final = PublishedNumbers(
    "Figure 6.3",
    SIMILARITY.query,
    4,
    0.05,
    _SEEDS,
    "Within a category, of all emotions; a group's similarity to itself counts.",
    each(SIMILARITY, _two_outlets),
    described(_outlets_of),
    {"self": "true", "within": "categories"},
)


def _tuned(cell: Cell) -> list[Setup]:
    model, _, outlet = cell.row.partition(" ")
    return [Setup(model), Setup(model, outlet)]


TABLE_D2: Final = PublishedNumbers(
    "Table D.2",
    SHIFT.query,
    2,
    0.05,
    f"{_SEEDS}; of the released vectors 221 of 225 cells are exact, once three rows of XLMR-B are exchanged",
    "A group's similarity to itself counts, fear does not; mean over the seeds.",
    each(
        SHIFT,
        lambda setup, category: (
            Cell(f"{setup.model} {setup.outlet}", category) if setup.outlet and setup.share == 1 else None
        ),
    ),
    described(_tuned),
    AS_PUBLISHED,
)


def _changes(values: Values, setup: Setup) -> list[float]:
    categories = [one for one in CATEGORIES if setup.share == 1 or one != "country"]
    return [values[setup, category] for category in categories]


_MEAN: Final = "mean change in rho"
_SPREAD: Final = "standard deviation over categories"


def _figure_65() -> Find:
    setups = [Setup(_BASE, outlet, share) for outlet in OUTLETS for share in (1.0, 0.5, 0.25, 0.1)]
    finds = [
        concluded(
            SHIFT,
            Cell(f"{setup.outlet} {setup.share}", column),
            lambda values, setup=setup, of=of: (of(_changes(values, setup)), ""),  # type: ignore[misc]
        )
        for setup in setups
        for column, of in ((_MEAN, fmean), (_SPREAD, stdev))
    ]
    return lambda *frames: (found for find in finds for found in find(*frames))


def _of_share(cell: Cell) -> list[Setup]:
    outlet, _, share = cell.row.rpartition(" ")
    return [Setup(_BASE), Setup(_BASE, outlet, float(share))]


FIGURE_65: Final = PublishedNumbers(
    "Figure 6.5",
    SHIFT.query,
    4,
    0.05,
    _SEEDS,
    "Mean over nine categories, of shares below 1 over eight, without country, as the paper's; the real standard "
    "deviation over them.",
    _figure_65(),
    described(_of_share),
    AS_PUBLISHED,
)


def _text(
    place: str,
    row: str,
    query: str,
    decimals: int,
    tolerance: float,
    because: str,
    reading: str,
    find: Find,
    needs: Needs,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> PublishedNumbers:
    return PublishedNumbers(place, query, decimals, tolerance, because, reading, find, needs, parameters, rows=(row,))


def _all_groups(column: str, row: str) -> PublishedNumbers:
    def cell(of: Row) -> Cell | None:
        return _of_collection(of, Cell(row, "all")) if of["category"] == "all" else None

    reading = "Of the collection as it is."
    return _text("section 6.3", row, COUNTS, 0, 0.0, _OF_PRINTED, reading, counted(column, cell), said)


def _pretrained(_: Cell) -> list[Setup]:
    return [Setup(name) for name in MODELS]


def _extreme(row: str, value: str, choose: Callable[..., float]) -> PublishedNumbers:
    def conclude(values: Values) -> tuple[float, str]:
        means = {key[0].model: one for key, one in values.items() if not key[0].outlet and key[1] == "all"}
        chosen = choose(means, key=means.__getitem__)
        return means[chosen], str(chosen)

    find = concluded(COVERAGE._replace(value=value), Cell(row, "all"), conclude)
    because = "a guess: the paper says about"
    reading = "Mean over all groups of each pretrained model that there is."
    return _text("section 6.5", row, COVERAGE.query, 0, 10.0, because, reading, find, described(_pretrained))


_HIGHEST: Final = ("RoBERTa-B", "BART-B")
_RHO: Final = "correlation of RoBERTa-B and BART-B"

QUOTED: Final = (
    _all_groups("stereotypes", "stereotypes"),
    _all_groups("groups", "groups with stereotypes"),
    _extreme("fewest different attributes of a group", "words", min),
    _extreme("most different attributes of a group", "words", max),
    _extreme("smallest coverage of the lexicon", "percent", min),
    _extreme("largest coverage of the lexicon", "percent", max),
    _extreme("fewest covered attributes of a group", "covered", min),
    _extreme("most covered attributes of a group", "covered", max),
    _text(
        "section 6.5",
        _RHO,
        SIMILARITY.query,
        2,
        0.05,
        _SAME_WEIGHTS,
        "As in Figure D.3.",
        each(
            SIMILARITY,
            lambda a, b, _: Cell(_RHO, "all") if {a, b} == {Setup(name) for name in _HIGHEST} else None,
        ),
        described(lambda _: [Setup(name) for name in _HIGHEST]),
        {**AS_PUBLISHED, "within": "all"},
    ),
)
"""Those in the text."""


def _not_highest(values: Values) -> Iterator[str]:
    rhos = {frozenset((a.model, b.model)): rho for (a, b, _), rho in values.items() if not (a.outlet or b.outlet)}
    wanted = frozenset(_HIGHEST)
    for pair in combinations(MODELS, 2):
        if frozenset(pair) not in rhos:
            raise KeyError(tuple(Setup(name) for name in pair))
        if rhos[frozenset(pair)] > rhos[wanted]:
            yield f"{' and '.join(pair)} {rhos[frozenset(pair)]:.2f}"


def _not_more_positive(values: Values) -> Iterator[str]:
    balances = {name: values[Setup(name), "all"] for name in MODELS}
    highest = max(balances[name] for name in MODELS if name not in MULTILINGUAL)
    yield from (f"{name} {balances[name]:.0f}" for name in MULTILINGUAL if balances[name] <= highest)


def _not_high(values: Values) -> Iterator[str]:
    for category in ("profession", "race"):
        recalls = {name: values[Setup(name), category, 200] for name in MULTILINGUAL}
        yield from (f"{name} for {category}" for name in MULTILINGUAL[:2] if recalls[name] >= recalls["XLMR-L"])


def _claim(
    place: str,
    row: str,
    rows: Rows,
    reading: str,
    contradictions: Callable[[Values], Iterator[str]],
    needs: Needs,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> PublishedNumbers:
    find = concluded(rows, Cell(row, "all"), against(contradictions))
    return PublishedNumbers(place, rows.query, 0, 0.0, "", reading, find, needs, parameters, rows=(row,))


CLAIMS: Final = (
    _claim(
        "section 6.4",
        "XLMR-L recalls more of profession and race than the other multilingual models",
        RECALL,
        "At k = 200, with the published settings.",
        _not_high,
        recalled("published", lambda _: Setup("XLMR-L")),
        {"prior": "published", "rows": "published"},
    ),
    _claim(
        "section 6.5",
        "RoBERTa-B and BART-B have the highest correlation",
        SIMILARITY,
        "As in Figure D.3.",
        _not_highest,
        described(_pretrained),
        {**AS_PUBLISHED, "within": "all"},
    ),
    _claim(
        "section 6.5",
        "multilingual models are more positive",
        BALANCE,
        "Positive minus negative, mean over all groups, above that of every monolingual model.",
        _not_more_positive,
        described(_pretrained),
    ),
)
"""What the text says without a number."""

TABLES: Final = (TABLE_62, FIGURE_D1, TABLE_D1, *RECALLS, FIGURE_D3, FIGURE_63, TABLE_D2, FIGURE_65)

NUMBERS: Final[tuple[PublishedNumbers, ...]] = (*TABLES, *QUOTED, *CLAIMS)


def of(query: str) -> tuple[PublishedNumbers, ...]:
    """The numbers that a query makes."""
    return tuple(numbers for numbers in NUMBERS if numbers.query.partition("@")[0] == query)
