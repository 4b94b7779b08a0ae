"""`mlv influence`: influence runs, and the training examples behind a prediction."""

from typing import Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.group import Group
from mlv.cli.output import Format, Json, Limit, Output, put
from mlv.compute.machine.options import MOST

app = typer.Typer(
    help="List influence runs, and show the training examples behind a prediction.", no_args_is_help=True, cls=Group
)


@app.command(name="list")
def list_runs(
    as_json: Json = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the influence and validation runs, how they attribute, and what their traced runs were trained on."""
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        result = execute_sql(
            connection,
            "SELECT run, kind, traced_run, source, ft_languages, traced_seed, method, similarity, "
            "coalesce(quantity, quantities) AS quantity, selection, "
            "projection, dimensions, checkpoints, examples, top_k "
            "FROM (FROM v_influence_run UNION ALL BY NAME FROM v_validation_run) ORDER BY run_id",
            sealed=True,
        )
    put(result, "json" if as_json else output_format, output, limit)


@app.command()
def show(
    run: Annotated[
        str, typer.Argument(help="An influence run, or a training run that was traced once; or the beginning of it.")
    ],
    item: Annotated[str, typer.Option(help="The question, e.g. 45a; of a classifier the text's key, e.g. test:17.")],
    language: Annotated[str, typer.Option(help="The test language.")],
    epoch: Annotated[
        int | None, typer.Option(help="By this epoch's checkpoint alone (TracIn); by all together if not given.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=MOST, help="How many examples in either direction.")] = 10,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the training examples with the highest and with the lowest scores for an answer or a class.

    Scores above 0 speak for it, scores below 0 against it.
    """
    from mlv.ingest.jobs.traced import describe_target, find_influence_run
    from mlv.ingest.reference.languages import language as find_language
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    code = find_language(language).code
    with open_store(db) as connection:
        found = find_influence_run(connection, run)
        lines = describe_target(connection, found, item, code, epoch)
        result = execute_sql(
            connection,
            "SELECT direction, rank, score, train_language, parallel_key, text, text_pair, label FROM v_influence "
            "WHERE run = $run AND question = $question AND language = $language "
            "AND epoch IS NOT DISTINCT FROM $epoch AND rank <= $top ORDER BY direction DESC, rank",
            parameters={"run": found, "question": item, "language": code, "epoch": epoch, "top": top},
            sealed=True,
        )
    for line in lines:
        say(line)
    put(result, output_format, output, limit)
