"""The published tables of E, and what in a store is theirs. Only runs with the paper's settings count."""

from collections.abc import Iterator

import polars as pl

from mlv.queries.published import Cell, Found, PublishedTable, Setup
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.settings import words
from mlv.schema.papers import echoes

MODELS = {"S": "google/mt5-small", "B": "google/mt5-base", "L": "google/mt5-large"}
"""The paper's models by the letter that Table 1 has for them. A store may have them under a path that ends alike."""

SOURCES = {"PBC": "pbc", "Tanzil": "tanzil"}
COUNTRIES = {"DE": "DE", "PK": "PK", "SR": "RS", "VI": "VN"}
"""Table 3's names of countries, of which two are those of languages."""

STRATEGIES = {"multilingual": "mult", "monolingual_mean": "mono-avg"}

MIXTURE = ",".join(sorted(echoes.FINETUNING_LANGUAGES))
MIXTURE_SENTENCES = 10_000
"""All languages together (E section 4.2)."""


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

_of_small = pl.col("model").str.split("/").list.last() == MODELS["S"].rpartition("/")[2]


def _agreement(frame: pl.DataFrame) -> Iterator[Found]:
    """Table 1 from ``agreement``."""
    letters = {name.rpartition("/")[2]: letter for letter, name in MODELS.items()}
    rows = frame.with_columns(
        pl.col("checkpoint_a", "checkpoint_b").str.split("/").list.last().replace_strict(letters, default=None)
    ).drop_nulls(["checkpoint_a", "checkpoint_b"])
    for (first, second), pair in rows.group_by("checkpoint_a", "checkpoint_b", maintain_order=True):
        lacking = set(echoes.TEST_LANGUAGES) - set(pair["language"])
        for language, value in pair.select("language", "agreement").rows():
            yield Found(Cell(f"{first} vs. {second}", language), value, _listed(lacking) if language == "avg." else "")


def _unchanged(frame: pl.DataFrame) -> Iterator[Found]:
    """Table 2 from ``unchanged_multilingual``."""
    of_mixture = (pl.col("sentences") == MIXTURE_SENTENCES) & (pl.col("mixture") == MIXTURE)
    compared = pl.col("strategy").is_in(list(STRATEGIES))
    rows = frame.filter(_of_small, AS_IN_PAPER, pl.col("source") == "pbc", of_mixture, compared)
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
    mixture = [Setup(MODELS["S"], "pbc", MIXTURE, MIXTURE_SENTENCES)]
    return mixture if row == "mult" else mixture + _monolingual("pbc", MIXTURE_SENTENCES)


TABLE_1 = PublishedTable(
    1,
    "agreement@1",
    0,
    1.0,
    "pretrained models answer the same every time; 1 point is two of 237 questions whose answers are nearly tied",
    "The caption speaks of fine-tuned models, section 5.1 of pretrained ones: pretrained ones are taken.",
    _agreement,
    _pretrained,
)

TABLE_2 = PublishedTable(
    2,
    "unchanged_multilingual@1",
    0,
    10.0,
    "half of a 95% interval of a share of 80% over 58 batteries of questions; seeds differ by half as much",
    "The source is not named: PBC is taken, with 10,000 sentences in all (section 4.2).",
    _unchanged,
    _both_strategies,
)

TABLE_3 = PublishedTable(
    3,
    "alignment_change@1",
    2,
    0.05,
    "a rho over 58 batteries of questions is known to 0.25; the difference of two over the same questions, averaged "
    "over four languages, better: 0.05 is taken",
    "The number of sentences is not named: 2,000 are taken, as in Figure 2.",
    _alignment,
    lambda row: _monolingual(SOURCES[row.split()[0]], echoes.SENTENCES),
    lambda row: COUNTRIES[row.split()[1]],
)
