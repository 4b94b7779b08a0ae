"""`mlv compute`: fine-tune, probe, pretrain. Each plans a job, runs it and commits what it found."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, jobs_folder, megabytes, say, split_list
from mlv.cli.work import Work, make_work
from mlv.compute.machine.options import BATCH_TOKENS
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes

if TYPE_CHECKING:
    import duckdb

    from mlv.ingest.jobs.committing import Committed
    from mlv.queries import QueryResult
    from mlv.schema.jobs.spec import ModelRef, Precision

app = typer.Typer(help="Fine-tune, probe and pretrain models.", no_args_is_help=True)

Model = Annotated[
    str,
    typer.Option("--model", help="Hub name, folder, a run or RUN/epoch-N of the store, or a pretrained model's name."),
]
Revision = Annotated[str | None, typer.Option(help="Revision on the hub.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; torch's choice if not given.")]
PrecisionOption = Annotated[str, typer.Option(help="fp32, or bf16 on a GPU that computes in it.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
PlanOnly = Annotated[
    bool, typer.Option("--plan-only", help="Make the job directory and stop: a worker elsewhere runs it.")
]
SkipAmbiguous = Annotated[
    bool, typer.Option("--skip-ambiguous", help="Leave out probes whose two answers tokenise alike.")
]
BatchTokens = Annotated[
    int, typer.Option(min=1, help="Most tokens of a batch of probes; fewer need less memory, and change no result.")
]
ProbeSet = Annotated[str | None, typer.Option(help="Probes to ask; the store's widest set if not given.")]
TestLanguages = Annotated[
    str | None, typer.Option(help="Languages to probe in, comma-separated; all of the probe set if not given.")
]


def _precision(text: str) -> "Precision":
    if text == "fp32":
        return "fp32"
    if text == "bf16":
        return "bf16"
    raise UsageError(f"There is no precision {text}.", "Use --precision fp32, or bf16 on a GPU that computes in it.")


def read_languages(text: str | None) -> list[str]:
    """Codes of the languages of a comma-separated option: however a language is spelt, it is one."""
    from mlv.ingest.reference.languages import language

    return [language(name).code for name in split_list(text)]


def _probe(work: Work, model: "ModelRef", probe_set: str | None, languages: list[str]) -> None:
    """Ask a model what it has not answered yet: in 32 bits, whatever precision it was trained in."""
    from mlv.ingest.jobs.planning import default_probe_set, plan_probe

    done = work.do(
        lambda connection, jobs: plan_probe(
            connection,
            jobs,
            model,
            probe_set=probe_set or default_probe_set(connection),
            languages=languages,
        )
    )
    if done is None and not work.plan_only:
        say(f"{model.name}: all probes were answered before")


@app.command()
def finetune(
    model: Model,
    corpus: Annotated[
        str, typer.Option(help="Source to train on: pbc, ebible, tanzil, flores, news-..., or your own.")
    ],
    language: Annotated[
        str, typer.Option(help="One language, or several, comma-separated, for multilingual fine-tuning.")
    ],
    sentences: Annotated[
        int, typer.Option(min=2, help="Sentences in all languages together, of which 80% train (Echoes section 4.2).")
    ] = echoes.SENTENCES,
    seed: Seed = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the sentences.")] = echoes.EPOCHS,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples a step.")] = echoes.BATCH_SIZE,
    learning_rate: Annotated[float, typer.Option(min=0, help="Of AdamW; falls linearly to 0.")] = echoes.LEARNING_RATE,
    max_tokens: Annotated[int, typer.Option(min=8, help="Length at which a sentence is cut off.")] = 256,
    edition: Annotated[
        list[str] | None, typer.Option(help="LANGUAGE=EDITION, where the store has several of a language.")
    ] = None,
    probe_set: ProbeSet = None,
    test_language: TestLanguages = None,
    revision: Revision = None,
    precision: PrecisionOption = "fp32",
    device: Device = "auto",
    threads: Threads = None,
    skip_ambiguous: SkipAmbiguous = False,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    plan_only: PlanOnly = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Fine-tune by span corruption, probe before and after, commit, and print what changed.

    The defaults are those of Echoes, section 4.2 and appendix B. What is in the store already is not done again.
    """
    from mlv.ingest.jobs.planning import Training, plan_finetune

    checked = _precision(precision)
    languages, test_languages = tuple(read_languages(language)), read_languages(test_language)
    training = Training(corpus, languages, sentences, _editions(edition or []))
    work = make_work(db, device, threads, skip_ambiguous, plan_only, batch_tokens)
    start = work.model(model, revision)
    settings = {
        "seed": seed,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_tokens": max_tokens,
        "precision": checked,
    }
    planned = work.plan(lambda connection, jobs: plan_finetune(connection, jobs, start, training, **settings))
    _probe(work, start, probe_set, test_languages)
    if plan_only or planned is None:
        say(f"planned: {planned.path if planned else 'nothing'}")
        return
    done = work.finish(planned)
    _probe(work, work.model(done.run), probe_set, test_languages)
    _print_shifts(work, done, probe_set)


def _editions(pairs: list[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise UsageError(f"--edition {wrong[0]} names no language.", "Write it as --edition fa=pes-opv")
    return dict(pair.split("=", 1) for pair in pairs)


def _print_shifts(work: Work, done: "Committed", probe_set: str | None) -> None:
    """The share of values that this run left unchanged, per test language, over the probes that were asked.

    Where no probe set was named, it is the query's default if any of that was asked, else what was.
    """
    from mlv.cli.output import put
    from mlv.ingest.jobs.planning import default_probe_set
    from mlv.schema.store.opening import open_store

    with open_store(work.store) as connection:
        result = _shifts(connection, done.run, probe_set)
        if probe_set is None and result.frame.is_empty():
            result = _shifts(connection, done.run, default_probe_set(connection))
    say(f"% of values unchanged by {done.run} (more: mlv query list)")
    put(result, "table", None, None)


def _shifts(connection: "duckdb.DuckDBPyConnection", run: str, probe_set: str | None) -> "QueryResult":
    from dataclasses import replace

    import polars as pl

    from mlv.queries import run as run_query

    result = run_query(connection, "unchanged", parameters={"probe_set": probe_set})
    mine = result.frame.filter(pl.col("run") == run)
    return replace(result, frame=mine.select("source", "ft_languages", "epoch", "language", "unchanged", "probes"))


@app.command()
def probe(
    model: Model,
    language: TestLanguages = None,
    probe_set: ProbeSet = None,
    revision: Revision = None,
    device: Device = "auto",
    threads: Threads = None,
    skip_ambiguous: SkipAmbiguous = False,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    plan_only: PlanOnly = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Ask a model the probes it has not answered yet, and commit its answers."""
    work = make_work(db, device, threads, skip_ambiguous, plan_only, batch_tokens)
    _probe(work, work.model(model, revision), probe_set, read_languages(language))


@app.command()
def pretrain(
    name: Annotated[str, typer.Option(help="What the model is called in the store.")],
    preset: Annotated[str, typer.Option(help="nano, tiny or small.")] = "nano",
    source: Annotated[str | None, typer.Option(help="Sources to train on, comma-separated; all if not given.")] = None,
    language: Annotated[str | None, typer.Option(help="Languages, comma-separated; all if not given.")] = None,
    segments: Annotated[int | None, typer.Option(min=1, help="Most segments taken from each corpus.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps; the preset's if not given.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples a step; the preset's if not given.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Highest rate; the preset's if not given.")] = None,
    vocabulary: Annotated[int | None, typer.Option(min=400, help="Entries; the preset's if not given.")] = None,
    seed: Seed = 1,
    precision: PrecisionOption = "fp32",
    device: Device = "auto",
    threads: Threads = None,
    plan_only: PlanOnly = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Train a tokenizer and a small mT5 from the store's corpora: a starting point where there is no hub."""
    from mlv.compute.jobs.pretrain import preset as find_preset
    from mlv.ingest.jobs.planning import plan_pretrain

    chosen = find_preset(preset)
    work = make_work(db, device, threads, plan_only=plan_only)
    done = work.do(
        lambda connection, jobs: plan_pretrain(
            connection,
            jobs,
            sources=split_list(source),
            languages=read_languages(language),
            limit=segments,
            name=name,
            preset=preset,
            vocabulary=vocabulary or chosen.vocabulary,
            steps=steps or chosen.steps,
            batch_size=batch_size or chosen.batch_size,
            learning_rate=learning_rate or chosen.learning_rate,
            seed=seed,
            precision=_precision(precision),
        )
    )
    if done is not None:
        known = done.run if done.already_there else shlex.quote(name)
        say(f"use it: mlv compute finetune --model {known} ...   ({jobs_folder(db) / done.run})")


@app.command()
def run(
    jobs: Annotated[list[Path], typer.Argument(help="Job directories that --plan-only made.")],
    device: Device = "auto",
    threads: Threads = None,
    skip_ambiguous: SkipAmbiguous = False,
    batch_tokens: BatchTokens = BATCH_TOKENS,
) -> None:
    """Run planned jobs where they lie: for a worker that has no store. `mlv runs resume` commits them.

    SIGTERM, SIGUSR1 and SIGUSR2 have it save what it has and end with exit code 130: run again, it goes on from there.
    """
    from mlv.cli.work import execute_job
    from mlv.compute.machine.options import ExecuteOptions
    from mlv.compute.machine.stopping import stop_on_signals
    from mlv.schema.jobs.directory import JobDirectory

    options = ExecuteOptions(device, threads, skip_ambiguous, batch_tokens)
    with stop_on_signals():
        for path in jobs:
            execute_job(JobDirectory(path), options)
            say(f"{path.name}: done")


def split_revision(text: str) -> tuple[str, str | None]:
    """Name and revision of ``NAME@REVISION``; a folder's name may have an @."""
    name, _, revision = text.rpartition("@")
    return (name, revision) if name and not Path(text).is_dir() else (text, None)


@app.command()
def prefetch(
    models: Annotated[list[str], typer.Argument(metavar="MODEL[@REVISION]...", help="Names on the hub.")],
) -> None:
    """Fetch models to HF_HOME, where there is network: for jobs that run where there is none, with HF_HUB_OFFLINE=1.

    Prints each with the commit that was fetched: NAME@REVISION, as a study file may name it.
    """
    for model in models:
        fetch_model(*split_revision(model))


def fetch_model(name: str, revision: str | None) -> None:
    """Fetch a model of the hub, and print its name with its commit."""
    from mlv.compute.models.prefetch import prefetch

    fetched = prefetch(name, revision)
    say(f"{name}: {megabytes(fetched.size)} in {fetched.model.path}")
    typer.echo(f"{name}@{fetched.model.revision}")
