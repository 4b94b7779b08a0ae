"""What S's numbers rest on: probes, surveys, and what models were asked. Only runs with the paper's settings count."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import duckdb
import polars as pl

from mlv.queries.published import Cell, Has, Needed, Supply
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.settings import words
from mlv.schema.papers import selfalign
from mlv.schema.papers.echoes import LANGUAGE_COUNTRY


class Model(NamedTuple):
    """A chat model of the paper (S section 8.4.1 and appendix F.1)."""

    name: str
    """On the hub, without its owner, or of the API. A store may have it under a path that ends alike."""

    temperature: float = selfalign.TEMPERATURE


MODELS: Final = {
    "Llama3-8B": Model("Meta-Llama-3-8B-Instruct", 0.6),
    "Mistral": Model("Mistral-7B-Instruct-v0.2"),
    "CommandR": Model("c4ai-command-r-v01", 0.3),
    "Gemini-pro": Model("gemini-pro"),
    "BLOOMz": Model("bloomz-7b1"),
}
"""By the paper's name for it."""

STRATEGIES: Final = ("random", "random_category", "chrf_category", "chrf")
"""Of choosing demonstrations (S section 8.4.3); the last is that of all experiments but the first."""

_ENGLISH: Final = "en"


class Asked(NamedTuple):
    """A run of the paper: a model that was asked in a language."""

    model: str
    """The paper's name for it."""

    language: str
    strategy: str = ""
    """How demonstrations are chosen; empty for none."""

    shuffled: bool = False
    """Whether they are shuffled anew for each sample (S section 8.5.2)."""

    def __str__(self) -> str:
        condition = f"with demonstrations by {self.strategy}" if self.strategy else "zero-shot"
        return f"{MODELS[self.model].name} in {self.language} {condition}{', shuffled' if self.shuffled else ''}"


def of_paper(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of runs with the paper's settings, as far as it gives them, ``name`` being its name for the model."""
    known = pl.DataFrame(
        [(name, model.name, _settings(model)) for name, model in MODELS.items()],
        schema={"name": pl.String, "last_name": pl.String, "wanted": pl.List(pl.String)},
        orient="row",
    )
    rows = frame.with_columns(last_name=pl.col("model").str.split("/").list.last()).join(known, on="last_name")
    wanted = [pl.col("wanted").list.set_difference(pl.col("settings").str.split(" ")).list.len() == 0]
    if "demonstrated" in frame.columns:
        own_country = pl.col("language").replace_strict(LANGUAGE_COUNTRY, default=None)
        shown = (
            (pl.col("demonstrations") == selfalign.DEMONSTRATIONS)
            & (pl.col("answers") == "majority")
            & (pl.col("demonstrated") == own_country)
        )
        wanted.append(pl.col("strategy").is_null() | shown)
    return rows.filter(*wanted)


def _settings(model: Model) -> list[str]:
    return words({"samples": selfalign.SAMPLES, "options": "probe", "temperature": model.temperature})


PROBES: Final = Supply("probes in {}", "No probes in {}:", "mlv ingest probes --download")
ENGLISH: Final = Supply("probes in {}", "No probes in {}:", "mlv ingest probes FILE --collection NAME")
PEOPLE: Final = Supply("a survey of {}", "No survey of {}:", "mlv ingest survey FILE --name NAME", indispensable=True)
RUNS: Final = Supply("{}", "Not committed: {} jobs.", "mlv study run selfalign", itemised=True)


def resting_on(runs: Callable[[Cell], Iterable[Asked]]) -> Callable[[Cell], list[Needed]]:
    """What cells rest on: runs, those with demonstrations together with the zero-shot ones, probes and people."""

    def needs(cell: Cell) -> list[Needed]:
        wanted = list(runs(cell))
        languages = sorted({run.language for run in wanted})
        both = dict.fromkeys(one for run in wanted for one in (Asked(run.model, run.language), run))
        return [
            *(Needed(ENGLISH if language == _ENGLISH else PROBES, language) for language in languages),
            *(Needed(PEOPLE, LANGUAGE_COUNTRY[language]) for language in languages),
            *(Needed(RUNS, run) for run in both),
        ]

    return needs


def inventory(connection: duckdb.DuckDBPyConnection) -> Has:
    """Looks a store through for what S's numbers rest on."""
    languages, countries = (
        {value for (value,) in connection.execute(sql).fetchall()}
        for sql in (
            "SELECT DISTINCT language FROM v_probe",
            "SELECT DISTINCT country FROM v_majority WHERE NOT illustrative",
        )
    )
    runs = of_paper(
        frame_of(
            connection,
            "SELECT model, language, strategy, demonstrations, ordering, answers, country AS demonstrated, settings "
            "FROM v_response_run WHERE model IS NOT NULL AND coalesce(only_of, '') = ''",
        )
    )
    asked = {
        Asked(name, language, strategy or "", ordering == "shuffled")
        for name, language, strategy, ordering in runs.select("name", "language", "strategy", "ordering").rows()
    }

    def has(need: Needed) -> bool:
        if isinstance(need.what, Asked):
            return need.what in asked
        return need.what in (countries if need.supply is PEOPLE else languages)

    return has
