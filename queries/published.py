"""The published tables: their numbers, and where in the result of which query the store's numbers for them are.

The numbers are data: ``papers/PAPER/table-N.csv`` as printed, ``remarks.csv`` on single cells. What a paper leaves open
is decided here, and said in ``PublishedTable.reading``. Only runs with the paper's settings count.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import polars as pl

from mlv.queries.catalogue import near
from mlv.schema.errors import UsageError
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.settings import words
from mlv.schema.papers import echoes

MODELS = {"S": "mt5-small", "B": "mt5-base", "L": "mt5-large"}
"""The paper's models by the letter that Table 1 has for them; names on the hub behind ``google/``."""

SOURCES = {"PBC": "pbc", "Tanzil": "tanzil"}
COUNTRIES = {"DE": "DE", "PK": "PK", "SR": "RS", "VI": "VN"}
"""Table 3's names of countries, of which two are those of languages."""

STRATEGIES = {"multilingual": "mult", "monolingual_mean": "mono-avg"}

MIXTURE = ",".join(sorted(echoes.FINETUNING_LANGUAGES))


class Cell(NamedTuple):
    """Place of a number in a published table."""

    row: str
    column: str


class Found(NamedTuple):
    """A number of the store that belongs into a cell."""

    cell: Cell
    value: float | None
    lacking: str = ""
    """What it should be over but is not; empty where it is the paper's."""


class Setup(NamedTuple):
    """A model state whose answers a cell rests on: pretrained where there is no source."""

    model: str
    source: str | None = None
    ft_languages: str | None = None
    sentences: int | None = None


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper, and how it is made from a store."""

    number: int
    query: str
    """The query that makes it, with its version."""

    decimals: int
    """Decimals that are printed."""

    tolerance: float
    because: str
    """Why the tolerance is what it is."""

    reading: str
    """What the paper leaves open, and what is taken."""

    find: Callable[[pl.DataFrame], Iterable[Found]]
    """Looks numbers up in the query's result."""

    setups: Callable[[str], list[Setup]]
    """What the cells of a row rest on."""

    country: Callable[[str], str | None] = lambda row: None
    """The country whose people the cells of a row compare with; None where they do with nobody."""


def _agreement(frame: pl.DataFrame) -> Iterator[Found]:
    """Table 1 from ``agreement``."""
    letters = {name: letter for letter, name in MODELS.items()}
    rows = frame.with_columns(
        pl.col("checkpoint_a", "checkpoint_b").str.split("/").list.last().replace_strict(letters, default=None)
    ).drop_nulls(["checkpoint_a", "checkpoint_b"])
    for (first, second), pair in rows.group_by("checkpoint_a", "checkpoint_b", maintain_order=True):
        lacking = set(echoes.TEST_LANGUAGES) - set(pair["language"])
        for language, value in pair.select("language", "agreement").rows():
            yield Found(Cell(f"{first} vs. {second}", language), value, _listed(lacking) if language == "avg." else "")


def _unchanged(frame: pl.DataFrame) -> Iterator[Found]:
    """Table 2 from ``unchanged_multilingual``."""
    rows = frame.filter(
        _of_small, AS_IN_PAPER, pl.col("source") == "pbc", pl.col("sentences") == 10_000, pl.col("mixture") == MIXTURE
    )
    for strategy, language, value, trained in rows.select("strategy", "language", "unchanged", "ft_languages").rows():
        yield Found(Cell(STRATEGIES[strategy], language), value, _untrained(trained))


def _alignment(frame: pl.DataFrame) -> Iterator[Found]:
    """Table 3 from ``alignment_change``."""
    rows = frame.filter(
        _of_small, AS_IN_PAPER, pl.col("strategy") == "monolingual", pl.col("sentences") == echoes.SENTENCES
    )
    sources = {code: name for name, code in SOURCES.items()}
    countries = {code: name for name, code in COUNTRIES.items()}
    for row in rows.filter(pl.col("source").is_in(list(sources)), pl.col("country").is_in(list(countries))).to_dicts():
        cell = Cell(f"{sources[row['source']]} {countries[row['country']]}", row["language"])
        yield Found(cell, row["change"], _untrained(row["ft_languages"]))


_of_small = pl.col("model").str.split("/").list.last() == MODELS["S"]


LEFT_OPEN = ("max_tokens", "precision")
"""Settings of a fine-tuning that the paper does not give: any will do."""

PAPER_SETTINGS = words(
    {name: value for name, value in FinetuneSpec.default_settings().items() if name not in LEFT_OPEN}
)
"""All others, as words of a column ``settings``: the defaults of a specification are the paper's (E appendix B)."""

_other_settings = (
    pl.col("settings")
    .str.split(" ")
    .list.eval(
        pl.element().filter(
            ~pl.element().is_in(PAPER_SETTINGS), ~pl.element().str.split("=").list.first().is_in(LEFT_OPEN)
        )
    )
)

AS_IN_PAPER = (_other_settings.list.len() == 0).fill_null(False)
"""Whether a column ``settings`` has none but the paper's."""


def _untrained(ft_languages: str) -> str:
    """The paper's fine-tuning languages that a mean is not over."""
    return _listed(set(echoes.FINETUNING_LANGUAGES) - set(ft_languages.replace(";", ",").split(",")))


def _listed(missing: set[str]) -> str:
    return ",".join(sorted(missing))


def _pretrained(row: str) -> list[Setup]:
    return [Setup(MODELS[letter]) for letter in row.split(" vs. ")]


def _monolingual(source: str, sentences: int) -> list[Setup]:
    return [Setup(MODELS["S"], source, language, sentences) for language in echoes.FINETUNING_LANGUAGES]


def _both_strategies(row: str) -> list[Setup]:
    """The mean is of the mixture's languages, so it needs the mixture too."""
    mixture = [Setup(MODELS["S"], "pbc", MIXTURE, 10_000)]
    return mixture if row == "mult" else mixture + _monolingual("pbc", 10_000)


ECHOES = (
    PublishedTable(
        1,
        "agreement@1",
        0,
        1.0,
        "pretrained models answer the same every time; 1 point is two of 237 questions whose answers are nearly tied",
        "The caption speaks of fine-tuned models, section 5.1 of pretrained ones: pretrained ones are taken.",
        _agreement,
        _pretrained,
    ),
    PublishedTable(
        2,
        "unchanged_multilingual@1",
        0,
        5.0,
        "half of a 95% interval of a share of 80% of 237 questions; seeds differ by as much",
        "The source is not named: PBC is taken, with 10,000 sentences in all (section 4.2).",
        _unchanged,
        _both_strategies,
    ),
    PublishedTable(
        3,
        "alignment_change@1",
        2,
        0.05,
        "a rho over 237 questions is known to 0.13; the difference of two over the same questions, averaged over four "
        "languages, better: 0.05 is taken",
        "The number of sentences is not named: 2,000 are taken, as in Figure 2.",
        _alignment,
        lambda row: _monolingual(SOURCES[row.split()[0]], echoes.SENTENCES),
        lambda row: COUNTRIES[row.split()[1]],
    ),
)

PAPERS: Mapping[str, tuple[PublishedTable, ...]] = {"echoes": ECHOES}
"""The tables of every paper that has some here."""


def published(name: str) -> pl.DataFrame:
    """The published cells of a paper: table, row, column, published, remark."""
    described = tables(name)
    remarks = {(int(row["table"]), Cell(row["row"], row["column"])): row for row in _read(name, "remarks")}
    cells = []
    for table in described:
        for record in _read(name, f"table-{table.number}"):
            row, *values = record.values()
            for column, value in zip(list(record)[1:], values, strict=True):
                remark = remarks.get((table.number, Cell(row, column)), {"published": value, "remark": ""})
                cells.append((table.number, row, column, float(remark["published"]), remark["remark"]))
    return pl.DataFrame(cells, schema=["table", "row", "column", "published", "remark"], orient="row")


def tables(name: str) -> tuple[PublishedTable, ...]:
    """The tables of a paper. Raises UsageError for one that is not here."""
    if name not in PAPERS:
        raise UsageError(f"There is no paper {name!r}.", near(name, list(PAPERS), f"There are: {', '.join(PAPERS)}."))
    return PAPERS[name]


def _read(name: str, file: str) -> list[dict[str, str]]:
    """The rows of a data file, whose first line names its source."""
    text = files("mlv.queries").joinpath("papers", name, f"{file}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()[1:]))
