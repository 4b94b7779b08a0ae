"""`mlv compute influence`, `mlv compute validate-influence` and `mlv influence`: which examples made values shift."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mlv.cli.compute import BatchTokens, Device, PlanOnly, ProbeSet, Threads, read_languages
from mlv.cli.edge import DEFAULT_STORE, Store, say, split_list
from mlv.cli.output import Format, Limit, Output, put
from mlv.cli.work import Work, make_work
from mlv.compute.machine.options import BATCH_TOKENS
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes

app = typer.Typer(help="List influence runs, and show the training examples behind a value.", no_args_is_help=True)

Traced = Annotated[str, typer.Argument(metavar="RUN", help="A fine-tuning run's name, or the beginning of it.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]

CONTRIBUTION = ("language", "ft_language", "contribution", "examples_share", "lift", "targets")
QUALITY = ("seeds", "scores", "rho", "targets", "draws", "n", "z", "share_of_exact")
"""Columns of the queries ``language_contribution`` and ``influence_quality`` that fit a screen."""


def trace(
    run: Traced,
    preset: Annotated[
        str | None,
        typer.Option(
            help="echoes: TRAK as in Echoes section 7; languages: TracIn as in 'How do languages influence each "
            "other?' section 4.2. An option that is given beside it wins over it."
        ),
    ] = None,
    method: Annotated[str | None, typer.Option(help="trak (if not given) or tracin.")] = None,
    targets: Annotated[
        str | None, typer.Option(help="shifted: probes whose answer changed (if not given); or all that were answered.")
    ] = None,
    probe: Annotated[
        list[str] | None, typer.Option(help="A question, e.g. 45a, whether it shifted or not; may be given repeatedly.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Test languages, comma-separated; all that were probed if not given.")
    ] = None,
    quantity: Annotated[
        str,
        typer.Option(
            "--trace",
            help="answer: probability of the answer given; margin: first answer over second; shift: the margin, in the "
            "direction in which it moved.",
        ),
    ] = "answer",
    top_k: Annotated[
        int, typer.Option(min=1, help="Examples kept for each probe in either direction.")
    ] = echoes.INFLUENCE_TOP_K,
    similarity: Annotated[
        str | None, typer.Option(help="dot or cosine of gradients; dot for TRAK and cosine for TracIn if not given.")
    ] = None,
    damping: Annotated[
        float | None,
        typer.Option("--lambda", help="TRAK's damping, in units of the features' mean squared norm; 1 if not given."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="How checkpoints count: by the learning_rate of their epoch (if not given), or equal."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Of what gradients are taken: loss (if not given) or log_odds.")
    ] = None,
    corruptions: Annotated[
        str | None,
        typer.Option(
            help="Of which corruptions of an example: all that it was trained on (trained, if not given), or those of "
            "the checkpoint's epoch."
        ),
    ] = None,
    projection: Annotated[
        str | None, typer.Option(help="none (exact), principal (if not given), random or dense.")
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(help="Directions on each side of a matrix, 16 if not given; of a dense projection in all, 4096."),
    ] = None,
    modules: Annotated[
        str | None,
        typer.Option(
            help="Whose gradients, comma-separated: attention, feed_forward, embedding, output (these if not given), "
            "norm, bias, position_bias."
        ),
    ] = None,
    stacks: Annotated[
        str | None, typer.Option(help="In which halves of the model: encoder,decoder (if not given) or one of them.")
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(help="last, all, or epochs such as 3,4,5; for TRAK the last and for TracIn all if not given."),
    ] = None,
    with_run: Annotated[
        list[str] | None,
        typer.Option(help="The same training with another seed, whose scores are averaged in (TRAK); repeatable."),
    ] = None,
    probe_set: ProbeSet = None,
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Keep the scores of all examples in the job's outputs/scores.parquet.")
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    plan_only: PlanOnly = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Trace values of a run to its training examples, commit, and print which languages support them.

    The run's last checkpoint and the model that it started from have to have been probed.
    """
    from mlv.ingest.jobs.attributions import Choices
    from mlv.ingest.jobs.tracing import InfluenceRequest, plan_influence

    choices = Choices(
        preset=preset,
        method=method,
        similarity=similarity,
        damping=damping,
        weights=weights,
        output=output,
        corruptions=corruptions,
        projection=projection,
        dimensions=dimensions,
        modules=split_list(modules),
        stacks=split_list(stacks),
        seed=seed,
    )
    request = InfluenceRequest(
        run,
        choices,
        probe_set=probe_set,
        languages=read_languages(language),
        targets=targets,
        questions=probe or [],
        quantity=quantity,
        checkpoints=checkpoints,
        with_runs=with_run or [],
        top_k=top_k,
        keep_scores=keep_scores,
    )
    work = make_work(db, device, threads, plan_only=plan_only, batch_tokens=batch_tokens)
    done = work.do(lambda connection, jobs: plan_influence(connection, jobs, db, request))
    if done is not None:
        _summarise(work, "language_contribution", done.run, CONTRIBUTION, direction="positive")


def validate(
    run: Traced,
    attribution: Annotated[
        list[str] | None,
        typer.Option(
            help="default, exact, echoes, languages, or METHOD-PROJECTION-DIMENSIONS, e.g. trak-random-32, trak-exact, "
            "tracin-cosine-principal-16; repeatable. The removal test takes the first."
        ),
    ] = None,
    targets: Annotated[
        str, typer.Option(help="random: drawn without looking at any answer; shifted; or all that were answered.")
    ] = "random",
    probes: Annotated[int | None, typer.Option(min=1, help="How many random probes; 40 if not given.")] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Test languages, comma-separated; if not given the fine-tuning languages, or all if those were not "
            "probed."
        ),
    ] = None,
    halves: Annotated[
        int, typer.Option(min=0, help="Models trained on random halves of the examples, with the run's seed.")
    ] = 16,
    other_seed_halves: Annotated[int, typer.Option(min=0, help="The same, each with a seed of its own.")] = 8,
    removal_targets: Annotated[
        int, typer.Option(min=0, help="Probes of the removal test; each takes two models for every k.")
    ] = 5,
    k: Annotated[
        str, typer.Option("--k", help="How many of the most influential examples are left out, comma-separated.")
    ] = ",".join(map(str, echoes.REMOVAL_K)),
    probe_set: ProbeSet = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
    batch_tokens: BatchTokens = BATCH_TOKENS,
    plan_only: PlanOnly = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Train a run again on parts of its examples, and print how well attributions predict what comes of it."""
    from mlv.ingest.jobs.tracing import ValidationRequest, plan_validation

    request = ValidationRequest(
        run,
        attribution or ["default"],
        probe_set=probe_set,
        languages=read_languages(language),
        targets=targets,
        probes=probes,
        halves=halves,
        other_seed_halves=other_seed_halves,
        removal_targets=removal_targets,
        removal_k=_numbers(k),
        seed=seed,
    )
    work = make_work(db, device, threads, plan_only=plan_only, batch_tokens=batch_tokens)
    done = work.do(lambda connection, jobs: plan_validation(connection, jobs, db, request))
    if done is not None:
        _summarise(work, "influence_quality", done.run, QUALITY)


def _numbers(text: str) -> list[int]:
    items = split_list(text)
    wrong = [item for item in items if not item.isdecimal()]
    if wrong:
        raise UsageError(f"--k {text}: {', '.join(wrong)} is no number of examples.", "Write it as --k 50,100")
    return [int(item) for item in items]


def _summarise(work: Work, query: str, run: str, columns: Sequence[str], **parameters: str) -> None:
    """Print what a query of the catalogue tells of a run, as far as it fits a screen."""
    from dataclasses import replace

    from mlv.queries import run as run_query
    from mlv.schema.store.opening import open_store

    with open_store(work.store) as connection:
        result = run_query(connection, query, parameters={"run": run, **parameters})
    say(f"{query} of {run} (all of it: mlv query run {query} -p run={run})")
    put(replace(result, frame=result.frame.select(columns)), "table", None, None)


@app.command(name="list")
def list_runs(
    output_format: Format = None, output: Output = None, limit: Limit = None, db: Store = DEFAULT_STORE
) -> None:
    """Print the influence and validation runs, how they attribute, and what their traced runs were trained on."""
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        result = execute_sql(
            connection,
            "SELECT run, kind, traced_run, source, ft_languages, traced_seed, method, similarity, quantity, selection, "
            "projection, dimensions, checkpoints, examples, top_k "
            "FROM (FROM v_influence_run UNION ALL BY NAME FROM v_validation_run) ORDER BY run_id",
            sealed=True,
        )
    put(result, output_format, output, limit)


@app.command()
def show(
    run: Annotated[
        str, typer.Argument(help="An influence run, or a fine-tuning run that was traced once; or the beginning of it.")
    ],
    probe: Annotated[str, typer.Option(help="The question, e.g. 45a.")],
    language: Annotated[str, typer.Option(help="The test language.")],
    epoch: Annotated[
        int | None, typer.Option(help="By this epoch's checkpoint alone (TracIn); by all together if not given.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many examples in either direction.")] = 10,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the training examples that speak most for and against an answer."""
    from mlv.ingest.jobs.traced import find_influence_run, find_target
    from mlv.ingest.reference.languages import language as find_language
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    code = find_language(language).code
    with open_store(db) as connection:
        found = find_influence_run(connection, run)
        target = find_target(connection, found, probe, code, epoch)
        result = execute_sql(
            connection,
            "SELECT direction, rank, score, train_language, parallel_key, text FROM v_influence "
            "WHERE run = $run AND question = $question AND language = $language "
            "AND epoch IS NOT DISTINCT FROM $epoch AND rank <= $top ORDER BY direction DESC, rank",
            parameters={"run": found, "question": probe, "language": code, "epoch": epoch, "top": top},
            sealed=True,
        )
    for line in target.describe():
        say(line)
    put(result, output_format, output, limit)
