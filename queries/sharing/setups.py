"""What H's numbers rest on: labelled texts, classifiers, and what was asked, traced or trained again of them. Only runs
with the paper's settings count."""

from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

import duckdb
import polars as pl

from mlv.queries.published import Cell, Has, Needed, Supply, settings_but
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.settings import words
from mlv.schema.papers import sharing
from mlv.schema.papers.sharing import LEFT_OPEN, MODEL, TASKS

ATTRIBUTION: Final = (
    "tracin-cosine-exact weights=equal corruptions=epoch "
    "modules=attention,feed_forward,embedding,output,norm,bias,position_bias"
)
"""The paper's attribution, by name: that of the preset ``languages`` (H section 4.2)."""

QUANTITY: Final = "label"
"""What the paper traces: the loss of the test example's label, which the model predicts (H section 5)."""


class Setup(NamedTuple):
    """A training of the paper, and thereby its classifier."""

    task: str
    """The paper's name for it."""

    left_out: str | None = None
    """Language that is not trained on (H section 8.3)."""

    added_language: str | None = None
    """Language with more examples than the others (H section 8.4)."""

    added_percent: int | None = None

    @property
    def tested(self) -> tuple[str, ...]:
        """Test languages."""
        return TASKS[self.task].languages

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that it is trained on, in alphabetical order."""
        return tuple(language for language in self.tested if language != self.left_out)

    @property
    def sentences(self) -> int:
        """Training examples in all languages together."""
        return len(self.languages) * sharing.EXAMPLES + sharing.EXAMPLES * (self.added_percent or 0) // 100

    @property
    def settings(self) -> list[str]:
        """Those that the paper gives, as words in alphabetical order."""
        given = {
            "task": TASKS[self.task].code,
            "objective": "classification",
            "epochs": sharing.EPOCHS,
            "patience": sharing.PATIENCE,
            "learning_rate": TASKS[self.task].learning_rate,
        }
        return sorted(words(given | {name: getattr(self, name) for name in self._fields[1:]}))

    def __str__(self) -> str:
        added = f", {self.added_percent}% more in {self.added_language}" if self.added_language else ""
        languages = ",".join(self.languages)
        return f"{MODEL} on {TASKS[self.task].code} in {languages}, {sharing.EXAMPLES:,} examples each{added}"

    def runs(self, checkpoints: pl.DataFrame) -> list[str]:
        """Names of its runs among final checkpoints (``v_checkpoint``)."""
        found = checkpoints.filter(
            pl.col("model").str.split("/").list.last() == MODEL,
            pl.col("source") == TASKS[self.task].source,
            pl.col("ft_languages") == ",".join(self.languages),
            pl.col("sentences") == self.sentences,
            settings_but(LEFT_OPEN).list.sort().list.join(" ") == " ".join(self.settings),
        )
        return found["run"].to_list()


Kind = Literal["classify", "predict", "influence", "validate"]

_DONE: Final[dict[Kind, str]] = {
    "classify": "",
    "predict": ", asked",
    "influence": ", traced",
    "validate": ", trained again without influential examples",
}


class Job(NamedTuple):
    """A training, or what has to be done with its classifier."""

    setup: Setup
    kind: Kind

    def __str__(self) -> str:
        return f"{self.setup}{_DONE[self.kind]}"


TEXTS: Final = Supply("labelled texts of {}", "No labelled texts of {}:", "mlv ingest corpus --source NAME FILES")
JOBS: Final = Supply("{}", "Not committed: {} jobs.", "mlv study run sharing", itemised=True)


def resting_on(kind: Kind, setups: Callable[[Cell], Iterable[Setup]]) -> Callable[[Cell], list[Needed]]:
    """What cells rest on: jobs of a kind on classifiers, and their texts."""

    def needs(cell: Cell) -> list[Needed]:
        wanted = list(setups(cell))
        sources = sorted({TASKS[setup.task].source for setup in wanted})
        return [
            *(Needed(TEXTS, source) for source in sources),
            *(Needed(JOBS, Job(setup, kind)) for setup in wanted),
        ]

    return needs


def inventory(connection: duckdb.DuckDBPyConnection) -> Has:
    """Looks a store through for what H's numbers rest on."""
    labelled = connection.execute("SELECT DISTINCT source FROM v_segment WHERE label IS NOT NULL").fetchall()
    sources = {source for (source,) in labelled}
    checkpoints = frame_of(connection, "FROM v_checkpoint WHERE is_final")
    done: dict[str, set[str]] = {"classify": {*checkpoints["run"].drop_nulls()}}
    jobs = "SELECT r.kind, p.run FROM v_run r JOIN v_run p ON p.run_id = r.parent_run_id WHERE r.kind <> 'influence'"
    traced = "SELECT 'influence', traced_run FROM v_influence_run WHERE attribution = ? AND quantity = ?"
    for kind, run in [
        *connection.execute(jobs).fetchall(),
        *connection.execute(traced, [ATTRIBUTION, QUANTITY]).fetchall(),
    ]:
        done.setdefault(kind, set()).add(run)

    def has(need: Needed) -> bool:
        if not isinstance(need.what, Job):
            return need.what in sources
        return not done.get(need.what.kind, set()).isdisjoint(need.what.setup.runs(checkpoints))

    return has
