"""What a store holds, whatever its keys: a number of rows and a hash for each table, over natural keys.

Integer keys are given in the order in which things were ingested and committed, and a deletion leaves a gap in them.
Two stores hold the same where each table has the same rows after its own integer key is left out, every reference is
replaced by the natural key of what it refers to (a segment by source, language, edition and position, a run by the hash
of its specification, and so on), and the times of ingest and commit are left out. The order of rows does not count.
"""

from collections.abc import Collection, Mapping, Sequence

import duckdb

from mlv.schema.store.ledger import LEDGER
from mlv.schema.store.sql import quoted
from mlv.schema.tables.metadata import metadata
from mlv.schema.tables.relations import Reference, identity, references

_TIMES = ("ingested_at", "committed_at")
"""Columns that say when a store was made, not what it holds."""

Shape = Mapping[str, Sequence[str]]
"""Columns by table."""


def shape(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The tables of a store, and their columns."""
    rows = connection.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, table_name) WHERE NOT temporary AND table_name <> ? GROUP BY ALL",
        [LEDGER],
    ).fetchall()
    return {str(name): columns for name, columns in rows}


def fingerprints(connection: duckdb.DuckDBPyConnection, columns: Shape | None = None) -> dict[str, tuple[int, int]]:
    """Number of rows and hash of each table; ``columns`` are those to look at, all unless given."""
    looked_at = columns or shape(connection)
    identities = _Identities(connection, looked_at)
    return {table: _fingerprint(identities, table) for table in sorted(looked_at)}


def _fingerprint(identities: "_Identities", table: str) -> tuple[int, int]:
    kept = [name for name in identities.columns[table] if name not in (f"{table}_id", *_TIMES)]
    hashed, joins = identities.hashed(table, kept)
    query = f"SELECT count(*), sum({hashed}::HUGEINT) FROM {quoted(table)} t {joins}"
    row = identities.connection.execute(query).fetchone()
    return (int(row[0]), int(row[1] or 0)) if row else (0, 0)


class _Identities:
    """Temporary tables, made when they are needed, that lead from a table's integer keys to hashes of its identity."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: Shape) -> None:
        self.connection = connection
        self.columns = columns
        self._made: set[str] = set()

    def hashed(self, table: str, columns: Sequence[str]) -> tuple[str, str]:
        """The hash of a row of ``t`` over columns, references by what they lead to, and the joins that it needs."""
        known = references(table) if table in metadata.tables else {}
        parts, joins = [], []
        for place, name in enumerate(columns):
            if name not in known or known[name].parent not in self.columns:
                parts.append(f"t.{quoted(name)}")
                continue
            parts.append(f"i{place}.identity")
            joins.append(f"LEFT JOIN {self._of(known[name])} i{place} ON i{place}.key = t.{quoted(name)}")
        return f"hash({', '.join(parts)})", " ".join(joins)

    def _of(self, reference: Reference) -> str:
        """The temporary table of what a reference leads to."""
        parent, made = reference.parent, f"_identity_{reference.parent}"
        if made not in self._made:
            self._made.add(made)
            hashed, joins = self.hashed(parent, [name for name in identity(parent) if name in self.columns[parent]])
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {made} AS "
                f"SELECT t.{quoted(reference.key)} AS key, {hashed} AS identity FROM {quoted(parent)} t {joins}"
            )
        return made


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
