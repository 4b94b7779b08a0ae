"""What a store holds, whatever its keys: a number of rows and a hash for each table, over natural keys.

Integer keys are given in the order in which things were ingested and committed, and a deletion leaves a gap in them.
Two stores hold the same where each table has the same rows after its own integer key is left out, every reference is
replaced by the natural key of what it refers to (a segment by source, language, edition and position, a run by the hash
of its specification, and so on), and the times of ingest and commit are left out. The order of rows does not count.
"""

from collections.abc import Collection, Mapping, Sequence

import duckdb

from mlv.schema.store.sql import quoted

_IDENTITY = {
    "base_model": ("digest",),
    "category": ("code",),
    "checkpoint": ("run_id", "epoch", "digest"),
    "corpus": ("source_id", "language_id", "edition"),
    "country": ("code",),
    "influence_target": ("run_id", "probe_id", "epoch"),
    "ingest_file": ("kind", "target", "sha256"),
    "language": ("code",),
    "probe": ("probe_collection_id", "question_id", "language_id"),
    "probe_collection": ("code",),
    "probe_set": ("code",),
    "profile": (
        "checkpoint_id",
        "language_id",
        "probe_collection_id",
        "score",
        "survey_id",
        "country_id",
        "weighting",
    ),
    "question": ("code",),
    "run": ("spec_hash",),
    "segment": ("corpus_id", "position"),
    "source": ("code",),
    "survey": ("code",),
    "training_example": ("run_id", "position"),
}
"""Natural keys. ``NAME_id`` refers to the table NAME in every table, but for ``_ROLES``."""

_ROLES = {
    "other_target_id": "influence_target",
    "parent_run_id": "run",
    "start_checkpoint_id": "checkpoint",
    "traced_run_id": "run",
}
"""References that are named after what they are to the row."""

_TIMES = ("ingested_at", "committed_at")

Shape = Mapping[str, Sequence[str]]
"""Columns by table."""


def shape(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The tables of a store, and their columns."""
    rows = connection.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, table_name) WHERE NOT temporary AND table_name <> 'alembic_version' GROUP BY ALL"
    ).fetchall()
    return {str(name): columns for name, columns in rows}


def fingerprints(connection: duckdb.DuckDBPyConnection, columns: Shape | None = None) -> dict[str, tuple[int, int]]:
    """Number of rows and hash of each table; ``columns`` are those to look at, all unless given."""
    looked_at = columns or shape(connection)
    made: set[str] = set()
    return {table: _fingerprint(connection, table, looked_at[table], made) for table in sorted(looked_at)}


def _fingerprint(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], made: set[str]
) -> tuple[int, int]:
    kept = [name for name in columns if name not in (f"{table}_id", *_TIMES)]
    hashed, joins = _hash(connection, table, kept, made)
    row = connection.execute(f"SELECT count(*), sum({hashed}::HUGEINT) FROM {quoted(table)} t {joins}").fetchone()
    return (int(row[0]), int(row[1] or 0)) if row else (0, 0)


def _hash(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], made: set[str]) -> tuple[str, str]:
    """The hash of a row of ``t`` over natural keys, and the joins that it needs."""
    parts, joins = [], []
    for place, name in enumerate(columns):
        parent = _ROLES.get(name, name.removesuffix("_id"))
        if not name.endswith("_id") or parent not in _IDENTITY:
            parts.append(f"t.{quoted(name)}")
            continue
        _make_identity(connection, parent, made)
        parts.append(f"i{place}.identity")
        joins.append(f"LEFT JOIN _identity_{parent} i{place} ON i{place}.key = t.{quoted(name)}")
    return f"hash({', '.join(parts)})", " ".join(joins)


def _make_identity(connection: duckdb.DuckDBPyConnection, table: str, made: set[str]) -> None:
    """Make the temporary table that leads from a table's integer keys to hashes of its natural ones."""
    if table in made:
        return
    hashed, joins = _hash(connection, table, _IDENTITY[table], made)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE _identity_{table} AS "
        f"SELECT t.{quoted(f'{table}_id')} AS key, {hashed} AS identity FROM {quoted(table)} t {joins}"
    )
    made.add(table)


def differing(
    before: duckdb.DuckDBPyConnection, after: duckdb.DuckDBPyConnection, but: Collection[str] = ()
) -> dict[str, tuple[int, int]]:
    """Rows before and after of the tables that do not hold the same.

    What only one store's schema has is left out, and the columns named in ``but``.
    """
    first, second = shape(before), shape(after)
    common = {
        table: [name for name in first[table] if name in second[table] and name not in but]
        for table in first.keys() & second.keys()
    }
    left, right = fingerprints(before, common), fingerprints(after, common)
    return {table: (left[table][0], right[table][0]) for table in left if left[table] != right[table]}
