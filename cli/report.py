"""`mlv report`: every table and figure of the studies as one page."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.output import Varied
from mlv.schema.errors import DataError

if TYPE_CHECKING:
    from mlv.queries import QueryResult
    from mlv.queries.study import Topic


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="An empty folder, or one with a former report.")],
    study: Annotated[
        list[str] | None,
        typer.Option("--study", help="Only this study; repeat it for several. All that have rows if not given."),
    ] = None,
    ci: Annotated[
        Varied,
        typer.Option("--ci", help="What 95% intervals are over; where a query has none over this, over what it has."),
    ] = Varied.QUESTIONS,
    no_ci: Annotated[bool, typer.Option("--no-ci", help="Without intervals.")] = False,
    examples: Annotated[
        bool,
        typer.Option(
            "--examples", help="With the tables that quote what people and models say of groups: it may offend."
        ),
    ] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Write every table and figure as a page that needs no network, with CSV, LaTeX, SVG, PNG and PDF."""
    from mlv.queries.report import page
    from mlv.queries.report.build import Commands, build
    from mlv.queries.studies import STUDIES, find_study
    from mlv.schema.store.opening import open_store

    page.check_folder(output)
    studies = [find_study(code) for code in dict.fromkeys(study or [])]
    options = [word for code in study or [] for word in ("--study", code)]
    options += ["--no-ci"] if no_ci else ["--ci", ci] if ci != Varied.QUESTIONS else []
    options += ["--examples"] if examples else []
    commands = Commands(shlex.join(["mlv", "report", "-o", str(output), *options]), _query_command)
    with open_store(db) as connection:
        varied = None if no_ci else str(ci)
        made = build(
            connection, studies or STUDIES, commands, varied, keep_empty=bool(studies), quotes=examples, say=say
        )
    try:
        count = page.write(output, made)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror}", "Name another folder with -o.") from error
    say(f"{count:,} files -> {output}; open {output / 'index.html'}")


def _query_command(result: "QueryResult", topic: "Topic") -> str:
    """What makes the rows of a topic again."""
    given = [word for name, value in topic.parameters.items() for word in ("--param", f"{name}={value}")]
    intervals = ["--ci", str(result.parameters["ci"])] if result.parameters.get("ci") else []
    return shlex.join(["mlv", "query", "run", f"{result.name}@{result.version}", *given, *intervals])
