"""The published tables of E, and what in a store is theirs. Only runs with the paper's settings count."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from mlv.queries.echoes.setups import AS_IN_PAPER, Setup, resting_on
from mlv.queries.published import Cell, Found, PublishedNumbers
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

OF_SMALL = pl.col("model").str.split("/").list.last() == MODELS["S"].rpartition("/")[2]
"""Whether a column ``model`` is the model that the paper fine-tunes most."""

_LETTERS = {name.rpartition("/")[2]: letter for letter, name in MODELS.items()}


def _agreement(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
    """Table 1 from ``agreement`` of pretrained models."""
    for (first, second), pair in of_sizes(frame).group_by("checkpoint_a", "checkpoint_b", maintain_order=True):
        lacking = untested(pair)
        for language, value in pair.select("language", "agreement").rows():
            yield Found(Cell(f"{first} vs. {second}", language), value, lacking if language == "avg." else "")


def of_sizes(frame: pl.DataFrame) -> pl.DataFrame:
    """Pairs of the paper's pretrained models, named by their letters."""
    last_names = pl.col("checkpoint_a", "checkpoint_b").str.split("/").list.last()
    return frame.with_columns(last_names.replace_strict(_LETTERS, default=None)).drop_nulls(
        ["checkpoint_a", "checkpoint_b"]
    )


def _agreement_after(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
    """The other reading: of two models fine-tuned alike, mean over seeds and then over fine-tuning languages."""
    alike = ["ft_languages", "seed"]
    known = checkpoints.filter(AS_IN_PAPER, source="pbc", sentences=MIXTURE_SENTENCES).select(
        "checkpoint_id", *alike, size=pl.col("model").str.split("/").list.last().replace_strict(_LETTERS, default=None)
    )
    rows = (
        frame.join(known, left_on="checkpoint_id_a", right_on="checkpoint_id")
        .join(known, left_on=["checkpoint_id_b", *alike], right_on=["checkpoint_id", *alike], suffix="_b")
        .drop_nulls(["size", "size_b"])
    )
    for (first, second, language), pairs in rows.group_by("size", "size_b", "language", maintain_order=True):
        means = pairs.group_by("ft_languages").agg(pl.col("agreement").mean())
        of_pair = rows.filter(size=first, size_b=second)
        lacking = [untrained(",".join(means["ft_languages"])), untested(of_pair) if language == "avg." else ""]
        mean = means.sort("ft_languages")["agreement"].mean()
        yield Found(Cell(f"{first} vs. {second}", str(language)), mean, ",".join(filter(None, lacking)))  # type: ignore[arg-type]


def untested(rows: pl.DataFrame) -> str:
    """The paper's test languages that rows are not of."""
    return listed(set(echoes.TEST_LANGUAGES) - set(rows["language"]))


def _unchanged(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
    """Table 2 from ``unchanged_multilingual``."""
    of_mixture = (pl.col("sentences") == MIXTURE_SENTENCES) & (pl.col("mixture") == MIXTURE)
    compared = pl.col("strategy").is_in(list(STRATEGIES))
    rows = frame.filter(OF_SMALL, AS_IN_PAPER, pl.col("source") == "pbc", of_mixture, compared)
    for strategy, language, value, trained in rows.select("strategy", "language", "unchanged", "ft_languages").rows():
        yield Found(Cell(STRATEGIES[strategy], language), value, untrained(trained))


def _alignment(sentences: int) -> Callable[[pl.DataFrame, pl.DataFrame], Iterator[Found]]:
    """Table 3 from ``alignment_change``."""
    sources = {code: name for name, code in SOURCES.items()}
    countries = {code: name for name, code in COUNTRIES.items()}
    asked = [pl.col("source").is_in(list(sources)), pl.col("country").is_in(list(countries))]

    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        rows = frame.filter(OF_SMALL, AS_IN_PAPER, *asked, strategy="monolingual", sentences=sentences)
        for row in rows.to_dicts():
            cell = Cell(f"{sources[row['source']]} {countries[row['country']]}", row["language"])
            yield Found(cell, row["change"], untrained(row["ft_languages"]))

    return find


def untrained(ft_languages: str) -> str:
    """The paper's fine-tuning languages that a mean is not over."""
    return listed(set(echoes.FINETUNING_LANGUAGES) - set(ft_languages.replace(";", ",").split(",")))


def listed(missing: set[str]) -> str:
    """In alphabetical order."""
    return ",".join(sorted(missing))


def pretrained(cell: Cell) -> list[Setup]:
    """Two of the models, which the row names."""
    return [Setup(MODELS[letter]) for letter in cell.row.split(" vs. ")]


def monolingual(source: str, sentences: int, *, model: str = MODELS["S"], traced: bool = False) -> list[Setup]:
    """Runs of a model in each of the paper's languages."""
    return [Setup(model, source, language, sentences, traced) for language in echoes.FINETUNING_LANGUAGES]


def _finetuned(cell: Cell) -> list[Setup]:
    sizes = cell.row.split(" vs. ")
    return [setup for size in sizes for setup in monolingual("pbc", MIXTURE_SENTENCES, model=MODELS[size])]


def _both_strategies(cell: Cell) -> list[Setup]:
    """The mean is of the mixture's languages, so it needs the mixture too."""
    mixture = [Setup(MODELS["S"], "pbc", MIXTURE, MIXTURE_SENTENCES)]
    return mixture if cell.row == "mult" else mixture + monolingual("pbc", MIXTURE_SENTENCES)


TABLE_1 = PublishedNumbers(
    "Table 1",
    "agreement@1",
    0,
    1.0,
    "pretrained models answer the same every time; 1 point is two of 237 questions whose answers are nearly tied",
    "The caption speaks of fine-tuned models, section 5.1 of pretrained ones: here of pretrained ones.",
    _agreement,
    resting_on(pretrained),
    called="pretrained",
)

TABLE_1_FINETUNED = replace(
    TABLE_1,
    tolerance=10.0,
    because="half of a 95% interval of a share of 80% over 58 batteries of questions",
    reading="The caption's: fine-tuned on PBC with 10,000 sentences, each model in one language, mean over the four.",
    find=_agreement_after,
    needs=resting_on(_finetuned),
    parameters={"strategies": "monolingual"},
    called="fine-tuned",
)

TABLE_2 = PublishedNumbers(
    "Table 2",
    "unchanged_multilingual@1",
    0,
    10.0,
    "half of a 95% interval of a share of 80% over 58 batteries of questions; seeds differ by half as much",
    "The source is not named: PBC is taken, with 10,000 sentences in all (section 4.2).",
    _unchanged,
    resting_on(_both_strategies),
)


def _table_3(sentences: int, reading: str) -> PublishedNumbers:
    return PublishedNumbers(
        "Table 3",
        "alignment_change@1",
        2,
        0.15,
        "a rho over 58 batteries of questions is known to 0.25, its change averaged over four languages to 0.1 to 0.2",
        f"The number of sentences is not named: {reading}",
        _alignment(sentences),
        resting_on(
            lambda cell: monolingual(SOURCES[cell.row.split()[0]], sentences),
            countries=lambda cell: (COUNTRIES[cell.row.split()[1]],),
        ),
        called=f"{sentences:,} sentences",
    )


TABLE_3_10K = _table_3(
    MIXTURE_SENTENCES, "10,000 as in Figure 4, which section 6 goes on from and which has the multilingual model."
)
TABLE_3_2K = _table_3(echoes.SENTENCES, "2,000 as in Figure 2.")
"""The other reading, which is less likely."""
