"""What D6's numbers rest on: what people say, a lexicon, and models that completed sentences, as they are or fine-tuned
with the paper's settings (D6 sections 6.3 to 6.6)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from mlv.queries.published import Cell, Has, Needed, Supply
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.settings import words
from mlv.schema.papers import stereotypes
from mlv.schema.papers.stereotypes import Prior

MODELS: Final = {
    "BERT-B": "bert-base-uncased",
    "BERT-L": "bert-large-uncased",
    "RoBERTa-B": "roberta-base",
    "RoBERTa-L": "roberta-large",
    "BART-B": "bart-base",
    "BART-L": "bart-large",
    "mBERT": "bert-base-multilingual-uncased",
    "XLMR-B": "xlm-roberta-base",
    "XLMR-L": "xlm-roberta-large",
}
"""Names on the hub, without their owners, by the paper's (D6 Table D.1)."""

MULTILINGUAL: Final = ("mBERT", "XLMR-B", "XLMR-L")

OUTLETS: Final = {
    "NewYorker": "newyorker",
    "Guardian": "guardian",
    "Reuters": "reuters",
    "FOX news": "fox",
    "BreitBart": "breitbart",
}
"""The letters of a source, without news before them, by the paper's name for the outlet (D6 section 6.6)."""

SHARES: Final = (1.0, 0.5, 0.25, 0.1)
"""Of the articles; of one model those below 1 too."""

COLLECTION: Final = "choenni-2021"

SETTINGS: Final = words(
    {
        "articles": stereotypes.ARTICLES,
        "objective": "masked_words",
        "epochs": stereotypes.EPOCHS,
        "learning_rate": stereotypes.LEARNING_RATE,
        "batch_size": stereotypes.BATCH_SIZE,
    }
)
"""Those of fine-tuning that the paper gives."""

_HUB: Final = {hub: name for name, hub in MODELS.items()}
_SOURCES: Final = {letters: name for name, letters in OUTLETS.items()}


class Setup(NamedTuple):
    """A model of the paper, by its names."""

    model: str
    outlet: str = ""
    """What it was fine-tuned on; empty as it is."""

    share: float = 1.0
    """Of the outlet's articles."""

    def __str__(self) -> str:
        tuned = f" on {self.share:.0%} of {self.outlet}" if self.outlet else ""
        return f"{MODELS[self.model]}{tuned}"


def setup_of(row: Mapping[str, Any]) -> Setup | None:
    """The setup of a row that has model, source, share and settings; None if the paper has none such."""
    model = _HUB.get(row["model"].rpartition("/")[2])
    if model is None or row["source"] is None:
        return Setup(model) if model else None
    outlet = _SOURCES.get(re.sub("[^a-z]", "", row["source"].lower().removeprefix("news-")))
    alike = row["share"] in SHARES and set(SETTINGS) <= set((row["settings"] or "").split(" "))
    return Setup(model, outlet, row["share"]) if outlet and alike else None


def setups_by_name(checkpoints: pl.DataFrame) -> dict[str, Setup]:
    """Setups of final checkpoints (``v_checkpoint``) by the checkpoint's name."""
    found = {}
    for row in checkpoints.iter_rows(named=True):
        if setup := setup_of(row):
            found[f"{row['run']}/epoch-{row['epoch']}" if row["run"] else row["model"]] = setup
    return found


class Job(NamedTuple):
    """A setup that completes all sentences under a prior."""

    setup: Setup
    prior: Prior = "one_mask"

    def __str__(self) -> str:
        under = "" if self.prior == "one_mask" else f", {self.prior} prior"
        return f"{self.setup}, completed{under}"


SAID: Final = Supply("stereotypes of {}", "No stereotypes of {}:", "mlv ingest stereotypes --help")
LEXICON: Final = Supply("{}", "There is no {}:", "mlv ingest lexicon --help")
JOBS: Final = Supply("{}", "Not committed: {} jobs.", "mlv study run stereotypes", itemised=True)
OTHER_PRIOR: Final = Supply("{}", "Not committed: {} jobs.", "mlv compute complete --help", itemised=True)

_ANY_LEXICON: Final = "lexicon of emotions"

Needs = Callable[[Cell], Sequence[Needed]]


def said(_: Cell) -> list[Needed]:
    """What people say."""
    return [Needed(SAID, COLLECTION)]


def recalled(prior: Prior, setup: Callable[[Cell], Setup]) -> Needs:
    """What people say, and what a setup completes."""
    supply = JOBS if prior == "one_mask" else OTHER_PRIOR
    return lambda cell: [*said(cell), Needed(supply, Job(setup(cell), prior))]


def described(setups: Callable[[Cell], Iterable[Setup]]) -> Needs:
    """A lexicon, and what setups complete."""
    return lambda cell: [Needed(LEXICON, _ANY_LEXICON), *(Needed(JOBS, Job(setup)) for setup in setups(cell))]


def inventory(connection: duckdb.DuckDBPyConnection) -> Has:
    """Looks a store through for what D6's numbers rest on."""
    collections = {code for (code,) in connection.execute("SELECT DISTINCT collection FROM v_stereotype").fetchall()}
    lexicons = connection.execute("SELECT lexicon FROM v_lexicon").fetchall()
    runs = frame_of(connection, "SELECT k.*, r.prior FROM v_completion_run r JOIN v_checkpoint k USING (checkpoint_id)")
    done = {Job(setup, row["prior"]) for row in runs.iter_rows(named=True) if (setup := setup_of(row))}

    def has(need: Needed) -> bool:
        if need.supply is SAID:
            return need.what in collections
        if need.supply is LEXICON:
            return bool(lexicons)
        return need.what in done

    return has
