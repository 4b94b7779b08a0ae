"""`mlv masks`: subnetworks of models, masks over their attention heads, and what is derived from them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlv.cli import completion
from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.group import Group
from mlv.cli.output import Format, Json, Limit, Output, put, put_rows
from mlv.compute.machine.options import MOST
from mlv.schema.errors import UsageError, joined

if TYPE_CHECKING:
    import duckdb

    from mlv.schema.jobs.masks import Subnetwork

app = typer.Typer(
    help="Derive, list and show subnetworks: which attention heads of a model take part.",
    no_args_is_help=True,
    cls=Group,
)

_LIST = """
SELECT s.subnetwork, s.origin, s.task, s.languages, s.pruned_run, s.layers, s.heads, s.enabled, s.disabled,
       s.layers_empty, s.seed,
       nullif(concat_ws(', ', CASE s.enabled WHEN 0 THEN 'no head' WHEN s.layers * s.heads THEN 'every head' END,
                        'the mask of ' || o.subnetwork), '') AS remark
FROM v_subnetwork s
LEFT JOIN (SELECT mask_id, min_by(subnetwork, subnetwork_id) AS subnetwork, min(subnetwork_id) AS first
           FROM v_subnetwork GROUP BY mask_id) o
    ON o.mask_id = s.mask_id AND o.first <> s.subnetwork_id
ORDER BY s.subnetwork_id
"""

_SETTINGS = {
    "shuffle": ("in-layers", "seed"),
    "union": (),
    "intersect": (),
    "random": ("like", "seed"),
    "avoid": ("disable", "seed"),
}
"""By way of making a subnetwork, the options that say more of it."""

_NEEDED = {"random": "like", "avoid": "disable"}
"""Those that a way cannot do without."""

_HEADS = """
SELECT h.layer, h.attention_head, h.enabled
FROM v_mask_head h
JOIN v_subnetwork s USING (mask_id)
WHERE s.subnetwork = $name
ORDER BY h.layer, h.attention_head
"""

SubnetworkName = Annotated[
    str, typer.Argument(help="A subnetwork, or the beginning of its name.", autocompletion=completion.subnetworks)
]
Seed = Annotated[int | None, typer.Option(min=0, max=MOST, help="Seed of the draw; 1 if not given.")]


@app.command()
def make(
    shuffle: Annotated[str | None, typer.Option(help="NAME: as many heads as it has, at random places.")] = None,
    in_layers: Annotated[bool, typer.Option("--in-layers", help="With --shuffle, as many in each layer.")] = False,
    union: Annotated[str | None, typer.Option(help="NAME+NAME...: the heads that one of them has.")] = None,
    intersect: Annotated[str | None, typer.Option(help="NAME+NAME...: the heads that all of them have.")] = None,
    random: Annotated[int | None, typer.Option(min=1, help="So many heads at random places, of a model ...")] = None,
    like: Annotated[str | None, typer.Option(help="... of as many layers and heads as NAME is of.")] = None,
    avoid: Annotated[str | None, typer.Option(help="NAME: all heads but some of those that it has, ...")] = None,
    disable: Annotated[int | None, typer.Option(min=1, help="... namely so many, drawn at random.")] = None,
    seed: Seed = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Derive a subnetwork from others, without a job, and print its name, which says how.

    What is drawn is the same for the same seed on every machine. The store keeps the subnetwork until a run that it
    comes from is deleted.
    """
    from mlv.ingest.writing.subnetworks import make_subnetwork
    from mlv.schema.store.opening import open_store

    ways = {"shuffle": shuffle, "union": union, "intersect": intersect, "random": random, "avoid": avoid}
    settings = {"in-layers": in_layers or None, "like": like, "disable": disable, "seed": seed}
    way = _way(ways, settings)
    with open_store(db, read_only=False) as connection:
        made = _derive(connection, way, ways[way], settings)
        new = make_subnetwork(connection, name=made.name)
    say(f"{'made' if new else 'already there'}: {made.mask.enabled:,} of {made.mask.layers * made.mask.heads:,} heads")
    typer.echo(made.name)


def _way(ways: Mapping[str, object], settings: Mapping[str, object]) -> str:
    """The one way in which a subnetwork is made. Raises UsageError unless there is one, with settings that it takes."""
    given = [way for way, value in ways.items() if value is not None]
    if len(given) != 1:
        raise UsageError(
            f"What is made is said in {len(given)} ways: {joined(f'--{way}' for way in given)}.",
            f"Give one of {joined(f'--{way}' for way in ways)}.",
        )
    (way,) = given
    if astray := [name for name, value in settings.items() if value is not None and name not in _SETTINGS[way]]:
        raise UsageError(f"--{astray[0]} says nothing of --{way}.", "Leave it out.")
    if (needed := _NEEDED.get(way)) and settings[needed] is None:
        raise UsageError(f"--{way} needs --{needed}.", "See what it is: mlv masks make --help")
    return way


def _derive(connection: "duckdb.DuckDBPyConnection", way: str, value: Any, settings: Mapping[str, Any]) -> "Subnetwork":
    from mlv.ingest.writing import derivations
    from mlv.ingest.writing.subnetworks import find_subnetwork

    seed = 1 if settings["seed"] is None else settings["seed"]
    if way in ("union", "intersect"):
        parts = [find_subnetwork(connection, name) for name in value.split("+")]
        return derivations.union(parts) if way == "union" else derivations.intersection(parts)
    if way == "random":
        mask = find_subnetwork(connection, settings["like"]).mask
        return derivations.random(mask.layers, mask.heads, value, seed)
    part = find_subnetwork(connection, value)
    if way == "avoid":
        return derivations.avoiding(part, settings["disable"], seed)
    return (derivations.shuffled_in_layers if settings["in-layers"] else derivations.shuffled)(part, seed)


@app.command(name="list")
def list_subnetworks(
    as_json: Json = False,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the subnetworks of the store, where they come from, and how many heads they have."""
    put_rows(db, _LIST, "json" if as_json else output_format, output, limit)


@app.command()
def show(name: SubnetworkName, db: Store = DEFAULT_STORE) -> None:
    """Print a subnetwork as a picture: a row for each layer, # for a head that takes part and . for one that does not.

    Heads are counted from the left, from 1.
    """
    from mlv.ingest.writing.subnetworks import find_subnetwork
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        found = find_subnetwork(connection, name)
    mask = found.mask
    say(f"{found.name}: {mask.enabled:,} of {mask.layers} x {mask.heads} heads ({found.origin})")
    width = len(str(mask.layers))
    for layer, row in enumerate(mask.rows(), start=1):
        typer.echo(f"layer {layer:>{width}}  {' '.join('.#'[enabled] for enabled in row)}  {sum(row)}")


@app.command()
def export(
    name: SubnetworkName,
    output_format: Format = None,
    output: Output = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print the mask of a subnetwork for other programs: whether each head of each layer takes part, from 1."""
    from mlv.ingest.writing.subnetworks import find_subnetwork
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        found = find_subnetwork(connection, name)
        result = execute_sql(connection, _HEADS, {"name": found.name}, sealed=True)
    put(result, output_format, output, None)
