"""What D5's numbers rest on: classifiers, their subnetworks, and what was asked or traced of them under masks. Only
runs with the paper's settings count; the model and the tasks are those of H (D5 section 5.4)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

import duckdb
import polars as pl

from mlv.queries.engine.macros import install_macros
from mlv.queries.published import Cell, Has, Needed, Supply, settings_but
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.settings import words
from mlv.schema.papers import modularity, sharing
from mlv.schema.papers.sharing import LEFT_OPEN, MODEL, TASKS

ATTRIBUTION: Final = "tracin-cosine-random-16 weights=equal corruptions=epoch modules=attention,feed_forward,output"
"""The paper's attribution, by name: that of the preset ``modularity`` (D5 section 5.3.2)."""

QUANTITY: Final = "label"
"""What the paper traces: the loss of the test example's label, which the model predicts (D5 section 5.4.3)."""

PRUNING: Final = " ".join(
    [*words({"step": modularity.STEP, "threshold": modularity.THRESHOLD}), "importance=example", "normalise=none"]
)
"""How the paper prunes (D5 section 5.3.1, by section 4.4.3.1)."""

Training = Literal["full", "identified", "shuffled"]
"""full fine-tuning, or sparse fine-tuning of identified or shuffled subnetworks."""

Masks = Literal["none", "identified", "shuffled", "other", "intersection", "union"]
"""What a mask is to the language of what is asked or traced under it."""


class Setup(NamedTuple):
    """A training of the paper, and thereby its classifier."""

    task: str
    """The paper's name for it."""

    training: Training = "full"
    language: str | None = None
    """Of a model of one language, which is pruned; None for one of all languages of the task."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that it is trained on, in alphabetical order."""
        return (self.language,) if self.language else TASKS[self.task].languages

    @property
    def settings(self) -> list[str]:
        """Those that the paper gives, as words in alphabetical order."""
        given = {
            "task": TASKS[self.task].code,
            "objective": "classification",
            "epochs": sharing.EPOCHS,
            "patience": sharing.PATIENCE,
            "learning_rate": TASKS[self.task].learning_rate,
            "updates": None if self.training == "full" else "gradient",
        }
        return sorted(words(given))

    def __str__(self) -> str:
        masks = "" if self.training == "full" else f" under {self.training} masks"
        return f"{MODEL} on {TASKS[self.task].code} in {','.join(self.languages)}{masks}"

    def is_trained_alike(self) -> pl.Expr:
        """Whether rows with model, source, sentences and settings are of such a training, whatever its languages."""
        return pl.all_horizontal(
            pl.col("model").str.split("/").list.last() == MODEL,
            pl.col("source") == TASKS[self.task].source,
            pl.col("sentences") == len(self.languages) * sharing.EXAMPLES,
            settings_but([*LEFT_OPEN, "masks"]).list.sort().list.join(" ") == " ".join(self.settings),
        )

    def runs(self, checkpoints: pl.DataFrame) -> list[str]:
        """Names of its runs among final checkpoints (``v_checkpoint``); what their masks were is not looked at."""
        alike = checkpoints.filter(self.is_trained_alike(), pl.col("ft_languages") == ",".join(self.languages))
        return alike["run"].to_list()


def alone(task: str) -> list[Setup]:
    """The models of one language each."""
    return [Setup(task, language=language) for language in TASKS[task].languages]


Kind = Literal["classify", "prune", "predict", "influence"]

_DONE: Final[dict[Kind, str]] = {"classify": "", "prune": ", pruned", "predict": ", asked", "influence": ", traced"}


class Job(NamedTuple):
    """A training, or what has to be done with its classifier."""

    setup: Setup
    kind: Kind
    masks: Masks = "none"

    def __str__(self) -> str:
        under = {"none": "", "other": " under the mask of another language"}.get(
            self.masks, f" under {self.masks} masks"
        )
        return f"{self.setup}{_DONE[self.kind]}{under}"


TEXTS: Final = Supply("labelled texts of {}", "No labelled texts of {}:", "mlv ingest corpus --source NAME FILES")
JOBS: Final = Supply("{}", "Not committed: {} jobs.", "mlv study run modularity", itemised=True)


def resting_on(jobs: Callable[[Cell], Iterable[Job]]) -> Callable[[Cell], Sequence[Needed]]:
    """What cells rest on: jobs, and the texts of their tasks."""

    def needs(cell: Cell) -> list[Needed]:
        wanted = list(dict.fromkeys(jobs(cell)))
        sources = sorted({TASKS[job.setup.task].source for job in wanted})
        return [*(Needed(TEXTS, source) for source in sources), *(Needed(JOBS, job) for job in wanted)]

    return needs


_FOLLOWED: Final = """
SELECT r.kind, p.run, coalesce(m.masks, 'none')
FROM v_run r
JOIN v_run p ON p.run_id = r.parent_run_id
LEFT JOIN masked_runs() m ON m.run = r.run
WHERE r.kind IN ('prune', 'predict')
UNION ALL
SELECT 'influence', i.traced_run, coalesce(m.masks, 'none')
FROM v_influence_run i
LEFT JOIN masked_runs() m USING (run)
WHERE i.attribution = ? AND i.quantity = ?
"""


def inventory(connection: duckdb.DuckDBPyConnection) -> Has:
    """Looks a store through for what D5's numbers rest on."""
    install_macros(connection)
    labelled = connection.execute("SELECT DISTINCT source FROM v_segment WHERE label IS NOT NULL").fetchall()
    sources = {source for (source,) in labelled}
    checkpoints = frame_of(connection, "FROM v_checkpoint WHERE is_final")
    trained = dict(connection.execute("SELECT run, masks FROM masked_runs()").fetchall())
    done = set(connection.execute(_FOLLOWED, [ATTRIBUTION, QUANTITY]).fetchall())

    def has(need: Needed) -> bool:
        if not isinstance(need.what, Job):
            return need.what in sources
        setup, kind, masks = need.what
        runs = [run for run in setup.runs(checkpoints) if trained.get(run, "full") == setup.training]
        return bool(runs) if kind == "classify" else any((kind, run, masks) in done for run in runs)

    return has
