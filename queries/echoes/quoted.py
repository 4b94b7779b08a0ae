"""The numbers in E's text, and what in a store is theirs: ``published/text.csv`` has them with their sentences."""

from collections.abc import Callable, Iterator
from typing import Final

import polars as pl

from mlv.queries.echoes.published import (
    MIXTURE_SENTENCES,
    MODELS,
    OF_SMALL,
    SOURCES,
    monolingual,
    of_sizes,
    untested,
    untrained,
)
from mlv.queries.echoes.setups import AS_IN_PAPER, Setup, resting_on
from mlv.queries.published import Cell, Found, PublishedNumbers
from mlv.schema.papers import echoes

Find = Callable[[pl.DataFrame, pl.DataFrame], Iterator[Found]]

_NEWS: Final = ("news-fox", "news-new-yorker", "news-reuters")

_COMPARED: Final[dict[str, list[Setup]]] = {
    "news and FLORES": [
        *(Setup(MODELS["S"], source, "en", echoes.SENTENCES) for source in _NEWS),
        *monolingual("flores", echoes.SENTENCES),
    ],
    "PBC and Tanzil": [setup for source in SOURCES.values() for setup in monolingual(source, echoes.SENTENCES)],
}
"""The runs that section 5.2.1 speaks of, as Figure 2 has them."""

_RUN: Final = ["source", "ft_languages"]

_PAIRS: Final = 3
"""Of three models."""


def _pretrained(_: Cell) -> list[Setup]:
    return [Setup(model) for model in MODELS.values()]


def _extremes(column: str) -> Find:
    """The lowest and the highest agreement of any two models, by test language or theme."""

    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        name = "agreement on a theme" if column == "category" else "agreement"
        for (of,), pairs in of_sizes(frame).group_by(column, maintain_order=True):
            lacking = f"{_PAIRS - pairs.height} of {_PAIRS} pairs" if pairs.height < _PAIRS else ""
            if column == "category" and not lacking:
                fewest = pairs["languages"].min()
                untested_in = len(echoes.TEST_LANGUAGES) - int(fewest)  # type: ignore[arg-type]
                lacking = f"{untested_in} test languages" if untested_in else ""
            for end, value in (("lowest", pairs["agreement"].min()), ("highest", pairs["agreement"].max())):
                yield Found(Cell(f"{name}, {end} of three pairs", str(of)), value, lacking)  # type: ignore[arg-type]

    return find


def _shifts(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
    """The lowest and the highest percentage of shifted values in any run and test language, of the first seed."""
    tested = pl.col("language").is_in(echoes.TEST_LANGUAGES)
    rows = (
        frame.filter(OF_SMALL, AS_IN_PAPER, tested, strategy="monolingual", sentences=echoes.SENTENCES)
        .sort("seed", maintain_order=True)
        .unique([*_RUN, "language"], keep="first", maintain_order=True)
    )
    for column, setups in _COMPARED.items():
        wanted = [(setup.source, setup.ft_languages) for setup in setups]
        some = rows.join(pl.DataFrame(wanted, schema=_RUN, orient="row"), on=_RUN, how="semi")
        if some.is_empty():
            continue
        languages = {(source, trained): n for source, trained, n in some.group_by(_RUN).len().rows()}
        partial = [run for run in wanted if languages.get(run, 0) < len(echoes.TEST_LANGUAGES)]
        lacking = ", ".join(f"all of {source} in {trained}" for source, trained in partial)
        for end, unchanged in (("lowest", some["unchanged"].max()), ("highest", some["unchanged"].min())):
            yield Found(Cell(f"shifts, {end}", column), 100 - float(unchanged), lacking)  # type: ignore[arg-type]


def _unique(column: str) -> Find:
    """Means over test languages, of either reading."""

    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        rows = frame.filter(OF_SMALL, AS_IN_PAPER, sentences=echoes.SENTENCES)
        for name, source in SOURCES.items():
            of_source = rows.filter(source=source)
            for value, trained in of_source.filter(language="avg.").select(column, "ft_languages").rows():
                lacking = [untrained(trained), untested(of_source)]
                yield Found(Cell("unique to one fine-tuning language", name), value, ",".join(filter(None, lacking)))

    return find


def _cosines(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
    for first, second, cosine in frame.select("country_a", "country_b", "cosine").rows():
        yield Found(Cell("similarity of countries", f"{first}-{second}"), cosine)


def _traced(frame: pl.DataFrame, sentences: int) -> pl.DataFrame:
    """Of the examples with the highest scores in runs on PBC; those by the paper's attribution come first."""
    on_pbc = frame.filter(OF_SMALL, source="pbc", sentences=sentences, direction="positive")
    return on_pbc.sort(~pl.col("attribution").str.starts_with("trak-dense"), maintain_order=True)


def _translations(sentences: int) -> Find:
    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        setup = ["seed", "settings", "attribution", "tracing"]
        for _setup, rows in _traced(frame, sentences).filter(AS_IN_PAPER).group_by(setup, maintain_order=True):
            trained = {*rows["ft_language_a"], *rows["ft_language_b"]}
            for value in rows.filter(language="avg.")["overlap"]:
                yield Found(Cell("influential translations", "PBC"), value, untrained(",".join(trained)))

    return find


def _consistency(sentences: int) -> Find:
    """The highest of all pairs of test languages: the paper says up to."""

    def find(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        as_in_paper = checkpoints.filter(AS_IN_PAPER)["run"].to_list()
        rows = _traced(frame, sentences).filter(pl.col("traced_run").is_in(as_in_paper), pl.col("language_a") != "avg.")
        for (_, language), pairs in rows.group_by("run", "ft_languages", maintain_order=True):
            row = "examples in common, highest of the pairs of test languages"
            yield Found(Cell(row, f"fine-tuned on {language}"), pairs["consistency"].max())  # type: ignore[arg-type]

    return find


AGREEMENT = PublishedNumbers(
    "section 5.1",
    "agreement@1",
    0,
    1.0,
    "as of Table 1",
    "Of every two of the three pretrained models, as in Table 1.",
    _extremes("language"),
    resting_on(_pretrained),
    rows=("agreement, lowest of three pairs", "agreement, highest of three pairs"),
)

AGREEMENT_BY_CATEGORY = PublishedNumbers(
    "section 5.1",
    "agreement_by_category@1",
    0,
    2.0,
    "pretrained models answer the same every time; 2 points are three of 143 answers on happiness",
    "Of every two of the three pretrained models, mean over test languages, as in Figure 7 top.",
    _extremes("category"),
    resting_on(_pretrained),
    rows=("agreement on a theme, lowest of three pairs", "agreement on a theme, highest of three pairs"),
)

SHIFTS = PublishedNumbers(
    "section 5.2.1",
    "unchanged@1",
    0,
    10.0,
    "an end is one cell, known as those of Table 2",
    "Ends over the runs of Figure 2, that is of mT5-small on 2,000 sentences in one language, and all test languages.",
    _shifts,
    resting_on(lambda cell: _COMPARED[cell.column]),
    rows=("shifts, lowest", "shifts, highest"),
)


def _uniqueness(column: str, called: str, reading: str) -> PublishedNumbers:
    return PublishedNumbers(
        "section 5.2.1",
        "shift_uniqueness@1",
        0,
        10.0,
        "a share of 14% over the batteries that shift is known to 25 in one test language, in the mean over 13 better",
        f"{reading} The source is not named: Table 3's are, with 2,000 sentences; mean over test languages.",
        _unique(column),
        resting_on(lambda cell: monolingual(SOURCES[cell.column], echoes.SENTENCES)),
        called=called,
        rows=("unique to one fine-tuning language",),
    )


UNIQUE_QUESTIONS = _uniqueness("uniqueness", "of questions", "Of the questions that shift under any language.")
UNIQUE_SHIFTS = _uniqueness("unique_shifts", "of shifts", "Of all shifts, a question counting under each language.")

COUNTRIES = PublishedNumbers(
    "section 6",
    "ground_truth_similarity@1",
    2,
    0.01,
    "people's answers stay the same; with other questions, of echoes-2024 and of wvs7-all, both move by 0.005 at most",
    "Cosines of countries' profiles, as in Figure 13 left; the text's Serbia is RS.",
    _cosines,
    resting_on(lambda _: [], (), lambda cell: tuple(cell.column.split("-"))),
    rows=("similarity of countries",),
)


def _of_traced(query: str, find: Callable[[int], Find], row: str, reading: str) -> tuple[PublishedNumbers, ...]:
    """Numbers of section 7, after either number of sentences."""
    return tuple(
        PublishedNumbers(
            "section 7",
            query,
            0,
            tolerance,
            "a guess: how far seeds differ has not been measured",
            f"{reading} The number of sentences is not named.",
            find(sentences),
            resting_on(_tracing(sentences)),
            called=f"{sentences:,} sentences",
            rows=(row,),
        )
        for sentences in (MIXTURE_SENTENCES, echoes.SENTENCES)
        for tolerance in [2.0 if row == "influential translations" else 10.0]
    )


def _tracing(sentences: int) -> Callable[[Cell], list[Setup]]:
    def setups(cell: Cell) -> list[Setup]:
        wanted = cell.column.removeprefix("fine-tuned on ")
        return [setup for setup in monolingual("pbc", sentences, traced=True) if wanted in ("PBC", setup.ft_languages)]

    return setups


TRANSLATIONS = _of_traced(
    "parallel_overlap@1",
    _translations,
    "influential translations",
    "Of the examples with the highest scores, mean over pairs of fine-tuning languages and over test languages; on PBC "
    "as what follows in the paper.",
)

CONSISTENCY = _of_traced(
    "influence_consistency@1",
    _consistency,
    "examples in common, highest of the pairs of test languages",
    "“Up to” is read as the highest of all pairs of test languages, each a mean over the questions traced in both.",
)
