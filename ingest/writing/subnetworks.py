"""Masks and subnetworks of a store: finding them, entering them, and what goes with a prune run that is deleted.

A mask is content and stays while a run or a subnetwork has it. A derived subnetwork goes with what it is derived from;
its name says how it is made again. Runs that used a subnetwork stay: their specifications carry it whole.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.writing.derivations import derive
from mlv.schema.errors import NotFoundError
from mlv.schema.fetching import registered
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure

_FOUND: Final = """
SELECT subnetwork FROM v_subnetwork WHERE subnetwork = $name OR starts_with(subnetwork, $name)
ORDER BY subnetwork = $name DESC, subnetwork
"""

_WHOLE: Final = """
SELECT s.name, s.origin, s.amount, s.seed, m.layers, m.heads, m.bits,
       coalesce(list(a.name ORDER BY a.name) FILTER (a.name IS NOT NULL), []) AS parts
FROM subnetwork s
JOIN mask m USING (mask_id)
LEFT JOIN subnetwork_part p ON p.subnetwork_id = s.subnetwork_id
LEFT JOIN subnetwork a ON a.subnetwork_id = p.part_subnetwork_id
WHERE s.name = ?
GROUP BY ALL
"""

_DERIVED_FROM_RUN: Final = """
WITH RECURSIVE derived AS (
    SELECT subnetwork_id FROM subnetwork WHERE run_id = ?
    UNION
    SELECT p.subnetwork_id FROM derived d JOIN subnetwork_part p ON p.part_subnetwork_id = d.subnetwork_id
)
SELECT subnetwork_id FROM derived JOIN subnetwork USING (subnetwork_id) WHERE run_id IS NULL
"""


def find_subnetwork(connection: duckdb.DuckDBPyConnection, name: str) -> Subnetwork:
    """The subnetwork whose name is or begins with ``name``, or that a name says how to derive.

    Raises NotFoundError if there is not one.
    """
    names = [str(found) for (found,) in connection.execute(_FOUND, {"name": name}).fetchall()]
    if not names and "(" in name:
        return derive(name, lambda part: find_subnetwork(connection, part))
    if not names:
        raise NotFoundError(
            f"The store has no subnetwork {name}.",
            "See which there are (mlv masks list); find one: mlv compute prune RUN; derive one: mlv masks make",
        )
    if len(names) > 1 and names[0] != name:
        raise NotFoundError(
            f"{name} is the beginning of {len(names)} subnetworks: {', '.join(names)}.", "Give more of it."
        )
    return _subnetwork(connection, names[0])


def _subnetwork(connection: duckdb.DuckDBPyConnection, name: str) -> Subnetwork:
    """The subnetwork of a name. Raises NotFoundError if there is none."""
    row = connection.execute(_WHOLE, [name]).fetchone()
    if row is None:
        raise NotFoundError(f"The store has no subnetwork {name}.", "See which there are: mlv masks list")
    _, origin, amount, seed, layers, heads, bits, parts = row
    mask = Mask(layers=layers, heads=heads, bits=bits)
    return Subnetwork(name=name, mask=mask, origin=origin, parts=tuple(parts), amount=amount, seed=seed)


def with_parts(connection: duckdb.DuckDBPyConnection, subnetworks: Iterable[Subnetwork]) -> tuple[Subnetwork, ...]:
    """Subnetworks, new ones among them, and all that they are derived from, each before what is derived from it."""
    given = {subnetwork.name: subnetwork for subnetwork in subnetworks}
    found: dict[str, Subnetwork] = {}

    def place(subnetwork: Subnetwork) -> None:
        for part in subnetwork.parts:
            if part not in found:
                place(given.get(part) or find_subnetwork(connection, part))
        found[subnetwork.name] = subnetwork

    for subnetwork in given.values():
        place(subnetwork)
    return tuple(found.values())


def make_subnetwork(connection: duckdb.DuckDBPyConnection, *, name: str) -> bool:
    """Enter the derived subnetwork of a name; False if the store has it already.

    Raises NotFoundError if the name says no derivation, or the store lacks what it is derived from.
    """
    made = derive(name, lambda part: _subnetwork(connection, part))
    with transaction(connection):
        new = bool(enter_derived(connection, [made]))
    note_ingest(connection, "subnetwork", {"name": name}, [])
    return new


def enter_masks(connection: duckdb.DuckDBPyConnection, masks: Sequence[Mask]) -> dict[str, int]:
    """Keys of masks by digest; those that are new are entered."""
    columns = ("digest", "layers", "heads", "enabled", "bits")
    frame = pl.DataFrame([{name: getattr(mask, name) for name in columns} for mask in masks])
    keys = dict(ensure(connection, "mask", frame, ["digest"]).iter_rows())
    heads = [
        (keys[mask.digest], layer, head, enabled)
        for mask in {mask.digest: mask for mask in masks}.values()
        for layer, row in enumerate(mask.rows(), start=1)
        for head, enabled in enumerate(row, start=1)
    ]
    with registered(connection, "_heads", pl.DataFrame(heads, ["mask_id", "layer", "head", "enabled"], orient="row")):
        connection.execute(
            "INSERT INTO mask_head SELECT * FROM _heads WHERE mask_id NOT IN (SELECT mask_id FROM mask_head)"
        )
    return keys


def enter_derived(connection: duckdb.DuckDBPyConnection, subnetworks: Sequence[Subnetwork]) -> int:
    """Enter those derived subnetworks that are new, each after its parts; return their number.

    One whose parts the store lacks stays out: what it came from was deleted.
    """
    entered = 0
    for subnetwork in subnetworks:
        parts = _keys(connection, subnetwork.parts)
        missing = len(parts) < len(subnetwork.parts)
        if subnetwork.origin == "pruned" or missing or _keys(connection, [subnetwork.name]):
            continue
        key = enter_subnetwork(connection, subnetwork)
        if parts:
            append(connection, "subnetwork_part", pl.DataFrame({"subnetwork_id": key, "part_subnetwork_id": parts}))
        entered += 1
    return entered


def enter_subnetwork(
    connection: duckdb.DuckDBPyConnection,
    subnetwork: Subnetwork,
    run_id: int | None = None,
    language_id: int | None = None,
) -> int:
    """Enter a subnetwork without its parts; return its key. Of a pruned one the run and the language are given."""
    row = {
        "name": subnetwork.name,
        "mask_id": enter_masks(connection, [subnetwork.mask])[subnetwork.mask.digest],
        "origin": subnetwork.origin,
        "run_id": run_id,
        "language_id": language_id,
        "amount": subnetwork.amount,
        "seed": subnetwork.seed,
    }
    types = dict.fromkeys(("run_id", "language_id", "amount", "seed"), pl.Int32)
    found = ensure(connection, "subnetwork", pl.DataFrame([row], schema_overrides=types), ["name"])
    return int(found["subnetwork_id"][0])


def _keys(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[int]:
    rows = connection.execute("SELECT subnetwork_id FROM subnetwork WHERE list_contains(?, name)", [list(names)])
    return [int(key) for (key,) in rows.fetchall()]


def derived_from_run(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[int]:
    """Keys of the subnetworks that are derived, over however many steps, from what a run found."""
    return [int(key) for (key,) in connection.execute(_DERIVED_FROM_RUN, [run_id]).fetchall()]


def delete_derived(connection: duckdb.DuckDBPyConnection, run_id: int) -> None:
    """Delete the subnetworks that are derived from what a run found, before its own goes."""
    keys = derived_from_run(connection, run_id)
    for table in ("subnetwork_part", "subnetwork"):
        connection.execute(f"DELETE FROM {table} WHERE list_contains(?, subnetwork_id)", [keys])


def delete_unused_masks(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete the masks that no subnetwork is and no run has used."""
    used = "SELECT mask_id FROM subnetwork UNION SELECT mask_id FROM run_mask"
    for table in ("mask_head", "mask"):
        connection.execute(f"DELETE FROM {table} WHERE mask_id NOT IN ({used})")
