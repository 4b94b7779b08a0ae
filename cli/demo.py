"""`mlv demo`: a small study from beginning to end, on bundled data, without network or GPU."""

import shlex
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.edge import say
from mlv.cli.execution import with_execution
from mlv.compute.machine.options import ExecuteOptions

LANGUAGES = ("fa", "ko", "hi", "ru")
SEED = 1
PRETRAINING_STEPS = 600
SENTENCES = 200
TOP_K = 20
"""Of 160 training examples; the paper's 100 would be among the highest and the lowest at once."""
LEARNING_RATE = 5e-4
"""Ten times the paper's: with so little text and so small a model hardly a value would shift at 5e-5."""

QUERIES: dict[str, list[str]] = {
    "unchanged": [],
    "unchanged_by_category": [],
    # there is one pretrained model here: agreement is shown between what was made of it
    "agreement": ["strategies=pretrained,monolingual,multilingual"],
    "alignment": [],
    "alignment_change": [],
    "ground_truth_similarity": [],
    "language_contribution": [],
}
"""Queries whose results are written, and their parameters."""


@with_execution("threads")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to make the study.")] = Path("demo"),
    *,
    options: ExecuteOptions,
) -> None:
    """Make a small study: ingest, pretrain a nano mT5, fine-tune it in four languages and jointly, trace, query.

    The bundled texts, probes and survey numbers were written for this demonstration; the survey is illustrative.
    """
    from mlv.cli import db, query, report
    from mlv.cli import ingest as ingest_commands
    from mlv.cli.compute.finetune import finetune
    from mlv.cli.compute.influence import influence
    from mlv.cli.compute.pca import pca
    from mlv.cli.compute.pretrain import pretrain
    from mlv.cli.work import make_work
    from mlv.ingest.jobs import finetune as finetuning
    from mlv.ingest.jobs import influence as tracing
    from mlv.ingest.jobs import pca as components
    from mlv.ingest.jobs import pretrain as pretraining

    store = folder / "mlv.duckdb"
    if store.exists():
        say(f"{store} is there already: what is done is not done again (start anew: rm -r {shlex.quote(str(folder))})")
    db.upgrade(store)
    with as_file(files("mlv.ingest") / "demo") as data:
        ingest_commands.probes(data / "probes", collection="demo", citation="Written for mlv.", db=store)
        ingest_commands.survey(data / "survey.csv", name="illustrative", illustrative=True, db=store)
        for language in LANGUAGES:
            ingest_commands.corpus(
                "lines", [data / "corpus" / f"{language}.txt"], language=language, licence="CC0-1.0", db=store
            )
        labelled = data / "labelled"
        ingest_commands.corpus(
            "table", [labelled / "opinions.csv"], publication="opinions", licence="CC0-1.0", db=store
        )
        ingest_commands.task(labelled / "opinions.toml", db=store)
        said = data / "stereotypes"
        ingest_commands.groups(said / "groups.csv", name="demo-groups", db=store)
        ingest_commands.stereotypes(
            said / "stereotypes.csv", collection="demo-stereotypes", groups="demo-groups", db=store
        )
        ingest_commands.lexicon(said / "lexicon.csv", name="demo-emotions", may_be_passed_on=True, db=store)
    work = make_work(store, options)
    pretrain(work, pretraining.Request(name="nano-demo", sources=("lines",), steps=PRETRAINING_STEPS, seed=SEED))
    for languages in (*((language,) for language in LANGUAGES), LANGUAGES):
        request = finetuning.Request(
            model="nano-demo",
            source="lines",
            languages=languages,
            sentences=SENTENCES,
            learning_rate=LEARNING_RATE,
            seed=SEED,
        )
        finetune(work, request)
    influence(work, tracing.Request(run=_multilingual_run(store), top_k=TOP_K))
    pca(work, components.Request())
    for name, parameters in QUERIES.items():
        query.run(name, parameters, output=folder / "results" / f"{name}.csv", db=store)
    report.report(folder / "report", db=store)
    _next_steps(folder)


def _multilingual_run(store: Path) -> str:
    """Name of the run in all languages."""
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(store) as connection:
        result = execute_sql(connection, "SELECT run FROM v_run WHERE kind = 'finetune' AND strategy = 'multilingual'")
    return str(result.frame["run"][0])


def _next_steps(folder: Path) -> None:
    columns = shutil.get_terminal_size().columns
    say("-" * min(columns, 80))
    say(f"A study is in {folder}: the store mlv.duckdb, jobs/ with every checkpoint, results/ with CSV files.")
    say(f"Every table and figure of it is on one page: {folder / 'report' / 'index.html'}")
    say(
        "The survey numbers are illustrative and the model is tiny: read the tables for their shape, not their content."
    )
    say("Next:")
    for command in (
        "mlv query list",
        "mlv query run unchanged --format markdown",
        "mlv query show alignment_change",
        "mlv runs list",
        "mlv influence list",
        'mlv sql "SELECT language, question, answer_before, answer_after FROM v_shift '
        "WHERE shifted AND score = 'mean' LIMIT 20\"",
        "mlv study run sharing-demo",
        "mlv study run stereotypes-demo",
    ):
        say(f"  {command} --db {shlex.quote(str(folder / 'mlv.duckdb'))}")
