"""`mlv`: the application. Commands import what they need when they run, so that help answers at once."""

from typing import Annotated, Any

import typer

from mlv.cli import (
    db,
    demo,
    edge,
    influence,
    ingest,
    masks,
    plot,
    query,
    report,
    reproduce,
    responses,
    runs,
    sql,
    study,
)
from mlv.cli.compute.group import app as compute
from mlv.cli.group import Group
from mlv.schema.store.waiting import waiting


class _Study(Group):
    """The commands in the order of a study."""

    ORDER = (
        *("demo", "db", "ingest", "study", "compute", "runs"),
        *("masks", "influence", "responses", "query", "plot", "report", "reproduce", "sql"),
    )

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands, and those that are not in the order last."""
        return sorted(super().list_commands(ctx), key=lambda name: (*self.ORDER, name).index(name))


app = typer.Typer(
    help="An experiment store for the cultural values that multilingual language models hold in each language.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=_Study,
)
app.add_typer(db.app, name="db")
app.add_typer(ingest.app, name="ingest")
app.add_typer(compute, name="compute")
app.add_typer(masks.app, name="masks")
app.add_typer(influence.app, name="influence")
app.add_typer(responses.app, name="responses")
app.add_typer(runs.app, name="runs")
app.add_typer(query.app, name="query")
app.add_typer(study.app, name="study")
app.command(name="reproduce")(reproduce.reproduce)
app.command(name="plot")(plot.plot)
app.command(name="report")(report.report)
app.command(name="sql")(sql.sql)
app.command(name="demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("mlv"))
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    wait: Annotated[
        float | None,
        typer.Option(
            min=0,
            envvar="MLV_WAIT",
            metavar="SECONDS",
            help="How long to wait for a store that another process holds. If not given: 10 to read, 60 to write, and "
            "as long as it takes to commit a job.",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001  its callback acts on it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing on standard error but errors and what to do about them.")
    ] = False,
) -> None:
    """Fine-tune, probe, commit, query."""
    edge.be_quiet(quiet)
    context.with_resource(waiting(edge.wait_limits(wait)))
