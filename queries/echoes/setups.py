"""What E's numbers rest on: model states, their answers, probes, surveys. Only runs with the paper's settings count."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import duckdb
import polars as pl

from mlv.queries.published import Cell, Has, Needed, Supply, settings_but
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.settings import words
from mlv.schema.papers import echoes


class Setup(NamedTuple):
    """A model state whose answers a cell rests on: pretrained if there is no source."""

    model: str
    """Its name on the hub."""

    source: str | None = None
    ft_languages: str | None = None
    """Comma-separated in alphabetical order."""

    sentences: int | None = None
    """All languages together."""

    traced: bool = False
    """Whether its most influential examples are needed, too."""

    def __str__(self) -> str:
        if self.source is None:
            return f"{self.model}, pretrained"
        traced = ", traced" if self.traced else ""
        return f"{self.model} on {self.source} in {self.ft_languages}, {self.sentences:,} sentences{traced}"


class Answers(NamedTuple):
    """A setup's answers in test languages."""

    setup: Setup
    languages: frozenset[str]

    def __str__(self) -> str:
        return str(self.setup)


PROBES: Final = Supply("probes in {}", "No probes in {}:", "mlv ingest probes --download")
PEOPLE: Final = Supply("a survey of {}", "No survey of {}:", "mlv ingest survey FILE --name NAME", indispensable=True)
ANSWERS: Final = Supply(
    "{}", "Not committed, or without answers in all languages: {} setups.", "mlv study run echoes", itemised=True
)


LEFT_OPEN: Final = ("max_tokens", "precision")
"""Settings of a fine-tuning that the paper does not give: any will do."""

PAPER_SETTINGS: Final = words(
    {name: value for name, value in FinetuneSpec.default_settings().items() if name not in LEFT_OPEN}
)
"""All others, as words of a column ``settings``: the defaults of a specification are the paper's (E appendix B)."""

AS_IN_PAPER: Final = (settings_but(LEFT_OPEN).list.set_difference(list(PAPER_SETTINGS)).list.len() == 0).fill_null(
    False
)
"""Whether a column ``settings`` has none but the paper's."""


def resting_on(
    setups: Callable[[Cell], list[Setup]],
    languages: tuple[str, ...] = echoes.TEST_LANGUAGES,
    countries: Callable[[Cell], tuple[str, ...]] = lambda _: (),
) -> Callable[[Cell], list[Needed]]:
    """What cells rest on: a cell is of the language that its column names, else of all, and of people in countries."""
    of_all = frozenset(languages)

    def needs(cell: Cell) -> list[Needed]:
        tested = frozenset({cell.column}) & of_all or of_all
        return [
            *(Needed(PROBES, language) for language in sorted(tested)),
            *(Needed(PEOPLE, country) for country in countries(cell)),
            *(Needed(ANSWERS, Answers(setup, tested)) for setup in setups(cell)),
        ]

    return needs


def inventory(connection: duckdb.DuckDBPyConnection) -> Has:
    """Looks a store through for what E's numbers rest on."""
    languages, countries = (
        {value for (value,) in connection.execute(sql).fetchall()}
        for sql in (
            "SELECT DISTINCT language FROM v_probe",
            "SELECT DISTINCT country FROM v_country_profile WHERE NOT illustrative",
        )
    )
    answered, traced = set(_answered(connection)), set(_traced(connection))

    def has(need: Needed) -> bool:
        if not isinstance(need.what, Answers):
            return need.what in (languages if need.supply is PROBES else countries)
        setup = _last_name(need.what.setup)
        untraced = setup._replace(traced=False)
        whole = all((untraced, language) in answered for language in need.what.languages)
        return whole and (not setup.traced or setup in traced)

    return has


def _last_name(setup: Setup) -> Setup:
    """A setup whose model is named as on the hub, without its owner: a store may have it under a path."""
    return setup._replace(model=setup.model.rpartition("/")[2])


_SETUP: Final = "model, source, ft_languages, sentences"


def _answered(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Setup, str]]:
    """Which setups have answers in which languages."""
    frame = frame_of(
        connection,
        f"SELECT DISTINCT {_SETUP}, settings, language FROM v_checkpoint JOIN v_answer USING (checkpoint_id) "
        "WHERE is_final",
    )
    for row in frame.filter(pl.col("source").is_null() | AS_IN_PAPER).to_dicts():
        setup = Setup(row["model"], row["source"], row["ft_languages"], row["sentences"])
        yield _last_name(setup), row["language"]


def _traced(connection: duckdb.DuckDBPyConnection) -> Iterator[Setup]:
    """Setups whose examples were ranked."""
    frame = frame_of(connection, f"SELECT DISTINCT {_SETUP}, settings FROM v_influence_run")
    for row in frame.filter(AS_IN_PAPER).select(_SETUP.split(", ")).rows():
        yield _last_name(Setup(*row)._replace(traced=True))
