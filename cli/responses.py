"""`mlv responses`: what chat models were asked, what they answered, and reading it again."""

from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli import completion
from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.group import Group
from mlv.cli.output import Format, Json, Limit, Output, put, put_rows
from mlv.schema.errors import NotFoundError, joined

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from mlv.ingest.upkeep.reparsing import Rereading

app = typer.Typer(
    help="List runs that asked chat models, show prompts and answers, and read answers anew.",
    no_args_is_help=True,
    cls=Group,
)

_RUNS = """
SELECT
    n.run, n.model, n.language, n.condition, n.strategy, n.ordering, n.country, n.answers, n.form, n.draw, n.scored,
    coalesce(asked.questions, 0) AS questions,
    coalesce(read.responses, 0) AS responses,
    read.* EXCLUDE (run_id, responses),
    n.parser
FROM v_response_run n
LEFT JOIN (SELECT run_id, count(DISTINCT question) AS questions FROM v_prompt GROUP BY run_id) asked USING (run_id)
LEFT JOIN (
    SELECT
        run_id,
        count(*) AS responses,
        count(*) FILTER (outcome = 'answer') AS answer,
        count(*) FILTER (outcome = 'refusal') AS refusal,
        count(*) FILTER (outcome = 'none') AS "none",
        count(*) FILTER (outcome = 'both') AS "both",
        count(*) FILTER (outcome = 'truncated') AS truncated,
        count(*) FILTER (outcome = 'filtered') AS filtered,
        count(*) FILTER (outcome = 'empty') AS empty
    FROM v_response
    GROUP BY run_id
) read USING (run_id)
ORDER BY n.run_id
"""

_PROMPTS = """
SELECT m.prompt_id, m.variant, m.category, m.text
FROM v_prompt m
JOIN v_response_run n USING (run_id)
WHERE n.run = ? AND m.question = ?
ORDER BY m.variant
"""

_OPTIONS = """
SELECT o.number, o.text, o.place, o.side, s.probability
FROM v_prompt_option o
LEFT JOIN v_option_score s ON s.prompt_id = o.prompt_id AND s.number = o.number
WHERE o.prompt_id = ?
ORDER BY o.place
"""

_DEMONSTRATIONS = """
SELECT position, question, category, sentence, side, similarity
FROM v_demonstration
WHERE prompt_id = ?
ORDER BY position
"""

_RESPONSES = """
SELECT m.variant, e.sample, e.text, e.outcome, e.answer, e.answer_text AS option, e.side, e.finish, e.tokens
FROM v_response e
JOIN v_prompt m USING (prompt_id)
JOIN v_response_run n ON n.run_id = e.run_id
WHERE n.run = $run AND e.question = $question
ORDER BY ALL
"""

AskedRun = Annotated[str, typer.Argument(help="A run, or the beginning of its name.", autocompletion=completion.runs)]


@app.command(name="list")
def list_runs(
    as_json: Json = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the runs that asked chat models, in which condition, and how many answers were read as what."""
    put_rows(db, _RUNS, "json" if as_json else output_format, output, limit)


@app.command()
def show(
    run: AskedRun,
    question: Annotated[str, typer.Option(help="The question, e.g. 45a.")],
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the answers to a question with how each was read; say prompt, options and demonstrations before."""
    from mlv.ingest.jobs.lookup import find_run
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        _, name = find_run(connection, run)
        lines = _asked(connection, name, question)
        about = {"run": name, "question": question}
        result = execute_sql(connection, _RESPONSES, parameters=about, sealed=True)
    for line in lines:
        say(line)
    put(result, output_format, output, limit)


def _asked(connection: "duckdb.DuckDBPyConnection", run: str, question: str) -> list[str]:
    """What a run asked of a question, prompt by prompt. Raises NotFoundError if it asked nothing of it."""
    prompts = connection.execute(_PROMPTS, [run, question]).fetchall()
    if not prompts:
        there = connection.execute(
            "SELECT DISTINCT question FROM v_prompt JOIN v_response_run USING (run_id) WHERE run = ? ORDER BY ALL",
            [run],
        ).fetchall()
        raise NotFoundError(
            f"{run} asked no chat model question {question}.",
            f"It asked {joined(row[0] for row in there)}." if there else "See which runs did: mlv responses list",
        )
    lines = []
    for prompt_id, variant, category, text in prompts:
        lines += [f"{run}, question {question} ({category}), prompt {variant} of {len(prompts)}:", ""]
        lines += [f"    {line}" for line in text.splitlines()]
        lines += ["", "options, in the order shown:"]
        lines += [_option(*row) for row in connection.execute(_OPTIONS, [prompt_id]).fetchall()]
        shown = connection.execute(_DEMONSTRATIONS, [prompt_id]).fetchall()
        lines += ["demonstrations:", *(_demonstration(*row) for row in shown)] if shown else []
        lines += [""]
    return lines


def _option(number: int, text: str, place: int, side: str, probability: float | None) -> str:
    scored = "" if probability is None else f", probability {probability:.3f}"
    return f"  {place}. {text} (answer {number}, the {side} side{scored})"


def _demonstration(
    position: int, question: str, category: str, sentence: str, side: str, similarity: float | None
) -> str:
    alike = "" if similarity is None else f", chrF++ {similarity:.1f}"
    return f"  {position}. {sentence} (question {question}, {category}, the {side} side{alike})"


@app.command()
def parse(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", help="Runs, or the beginnings of their names; all if none is given.", show_default=False
        ),
    ] = None,
    parser: Annotated[int | None, typer.Option(min=1, help="Version of the parser; the latest if not given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read the answers of runs again with a version of the parser, and print what it reads otherwise.

    The texts stay as they are. Profiles of what was answered are made anew, all in one transaction.
    """
    from mlv.ingest.answers.parsers import LATEST
    from mlv.ingest.upkeep.reparsing import asked_runs, read_again, write_readings
    from mlv.queries import QueryResult
    from mlv.schema.store.opening import open_store

    with open_store(db, read_only=dry_run) as connection:
        read = [read_again(connection, run, parser or LATEST) for run in asked_runs(connection, runs or ())]
        if not dry_run:
            write_readings(connection, read)
    put(QueryResult(_changes(read), "responses", None, ""), output_format, output, limit)
    for one in read:
        say(
            f"{one.of.run}: parser {one.of.parser} -> {one.parser}, {one.changed.height:,} of {one.answers:,} answers "
            "are read otherwise"
        )
    if not read:
        say("no run sampled answers of a chat model")
    if dry_run:
        say("nothing was written")


def _changes(read: "list[Rereading]") -> "pl.DataFrame":
    """How many answers of a run changed from what to what, with the first as an example: outcomes, or options."""
    import polars as pl

    schema = dict.fromkeys(("run", "before", "after", "example"), pl.String)
    named = [
        one.changed.select(
            run=pl.lit(one.of.run),
            before=_named("outcome_before", "answer_before"),
            after=_named("outcome", "answer"),
            example="text",
        )
        for one in read
    ]
    return (
        pl.concat([pl.DataFrame(schema=schema), *named])
        .group_by("run", "before", "after", maintain_order=True)
        .agg(answers=pl.len().cast(pl.Int64), example=pl.col("example").first())
    )


def _named(outcome: str, answer: str) -> "pl.Expr":
    """The outcome of an answer, with the number of the option: ``answer 2``."""
    import polars as pl

    return pl.concat_str([outcome, pl.col(answer).cast(pl.String)], separator=" ", ignore_nulls=True)
