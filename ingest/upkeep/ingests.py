"""Deleting what was ingested: a corpus, a probe collection, a survey, a task, a list of groups, a collection of
stereotypes or a lexicon, with all that was made of it.

What runs trained on, answered or compared stays until these runs are deleted. The journal hears of a deletion first, so
that what is gone is not ingested again when the store is made again; killed after that, what was to be deleted is
there, whole, until it is deleted. A codebook goes with the last survey that was read by it, a task that comes with mlv
with the last corpus of its source. Languages, countries and questions that nothing else needs go last, each by itself,
since DuckDB deletes no row in the transaction that deletes what refers to it; the next deletion takes what a kill left
of them.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import duckdb

from mlv.ingest.journal import INGESTED_AS, note_removal
from mlv.ingest.writing.reference import ensure_reference
from mlv.schema.errors import DataError, NotFoundError, joined
from mlv.schema.store.opening import transaction
from mlv.schema.store.sql import quoted
from mlv.schema.tables.relations import depending_on, own_key, references_to, rows_of

TABLES: Final = {
    "corpus": "corpus",
    "probes": "probe_collection",
    "survey": "survey",
    "codebook": "codebook",
    "task": "task",
    "groups": "group_list",
    "stereotype_collection": "stereotype_collection",
    "lexicon": "lexicon",
}
"""By kind of ingest, the table with a row for each of what files are read into."""

_INGESTED: Final = """
SELECT 'corpus' AS kind, concat_ws('/', s.code, l.code, c.edition) AS name, c.corpus_id AS key
FROM corpus c JOIN source s USING (source_id) JOIN "language" l USING (language_id)
UNION ALL SELECT 'probes', code, probe_collection_id FROM probe_collection
UNION ALL SELECT 'survey', code, survey_id FROM survey
UNION ALL SELECT 'task', code, task_id FROM task WHERE code IN (SELECT target FROM ingest_file WHERE kind = 'task')
UNION ALL SELECT 'groups', code, group_list_id FROM group_list
UNION ALL SELECT 'stereotype_collection', code, stereotype_collection_id FROM stereotype_collection
UNION ALL SELECT 'lexicon', code, lexicon_id FROM lexicon
"""

_FILES: Final = (
    f"ingest_file_id IN (SELECT ingest_file_id FROM ingest_file WHERE kind = $kind AND {INGESTED_AS} = $name)"
)
"""The condition that a row is about a file that was read into something."""

_FILES_OF_COLLECTIONS: Final = (
    "ingest_file_id IN (SELECT ingest_file_id FROM ingest_file WHERE kind = 'stereotype_collection' AND target IN "
    "(SELECT code FROM stereotype_collection WHERE group_list_id = $key))"
)
"""The condition that a row is about a file of stereotypes of a list of groups."""

INGESTS: Final = f"""
SELECT kind, {INGESTED_AS} AS name, count(*) AS files, sum(rows_kept)::BIGINT AS "rows",
       sum(rows_rejected)::BIGINT AS rejected, max(ingested_at) AT TIME ZONE 'UTC' AS ingested_at
FROM ingest_file
WHERE kind <> 'codebook'
GROUP BY ALL
ORDER BY kind, name
"""
"""What was ingested, by the names that it can be deleted by; times are UTC."""

_UNUSED_CODEBOOKS: Final = (
    "SELECT code, codebook_id FROM codebook WHERE codebook_id NOT IN (SELECT codebook_id FROM survey)"
)

_UNUSED_TASKS: Final = (
    "SELECT code, task_id FROM task WHERE source_id NOT IN (SELECT source_id FROM corpus) "
    "AND code NOT IN (SELECT target FROM ingest_file WHERE kind = 'task')"
)
"""Tasks that came with texts of their source, which are gone."""

_UNUSED_GROUPS: Final = "DELETE FROM social_group WHERE social_group_id NOT IN (SELECT social_group_id FROM cloze)"
"""Of groups that came with a collection of stereotypes, which is gone."""

_NAMED: Final = ("question", "country", "language", "source")
"""What is entered when it is first referred to, in an order in which it can be deleted."""


class IngestDeletion(NamedTuple):
    """What goes with something that was ingested."""

    kind: str
    """Which of :data:`TABLES`."""

    name: str
    key: int
    rows: dict[str, int]
    """Rows by table, of those that have any."""

    dependants: list[str]
    """Runs that have to go first."""


def plan_ingest_deletion(connection: duckdb.DuckDBPyConnection, name: str, kind: str | None = None) -> IngestDeletion:
    """What deleting something that was ingested under a name deletes; ``kind`` where several have it.

    Raises NotFoundError where there is not one.
    """
    found = connection.execute(
        f"SELECT kind, key FROM ({_INGESTED}) WHERE name = $name AND kind = coalesce($kind, kind)",
        {"name": name, "kind": kind},
    ).fetchall()
    if not found:
        raise NotFoundError(f"Nothing was ingested as {name}.", "See what was: mlv ingest list")
    if len(found) > 1:
        kinds = [of for of, _ in found]
        raise NotFoundError(f"{name} is {len(found)} things: {joined(kinds)}.", f"Say which: --kind {kinds[0]}")
    ((kind, key),) = found
    counted = {
        table: connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}", values).fetchall()[0][0]
        for table, condition, values in _going(kind, name, key)
    }
    rows = {table: count for table, count in counted.items() if count}
    return IngestDeletion(kind, name, key, rows, _dependants(connection, TABLES[kind], key))


def _going(kind: str, name: str, key: int) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Tables, the condition of what goes of each, and its parameters, in an order in which it can be deleted."""
    for table in ("reject", "ingest_file"):
        yield table, _FILES, {"kind": kind, "name": name}
        if kind == "groups":
            yield table, _FILES_OF_COLLECTIONS, {"key": key}
    for table, condition in rows_of(TABLES[kind]).items():
        yield table, condition, {"key": key}


def _dependants(connection: duckdb.DuckDBPyConnection, table: str, key: int) -> list[str]:
    """Names of the runs whose rows refer to what goes, the latest first: in an order in which they can be deleted."""
    # a profile in the language of a probe is the checkpoint's, and goes with the answers
    runs = depending_on(table, {"profile": ""}, "run")
    statement = f"SELECT name FROM run WHERE run_id IN ({runs}) ORDER BY run_id DESC"
    return [str(name) for (name,) in connection.execute(statement, {"key": key}).fetchall()]


def delete_ingest(connection: duckdb.DuckDBPyConnection, going: IngestDeletion) -> None:
    """Delete what was ingested, the reports of its files, and what nothing else needs.

    Raises DataError where runs depend on it: they are to be deleted first.
    """
    if going.dependants:
        raise DataError(
            f"{going.name} cannot be deleted: {joined(going.dependants)} depend on it.",
            f"mlv runs delete {going.dependants[0]} --yes",
        )
    note_removal(connection, going.kind, going.name)
    _delete(connection, going.kind, going.name, going.key)
    sweep(connection)
    connection.execute("CHECKPOINT")


def _delete(connection: duckdb.DuckDBPyConnection, kind: str, name: str, key: int) -> None:
    table = TABLES[kind]
    # what DuckDB looks after cannot go with what refers to it; that a collection has no probes does no harm
    alone = any(reference.enforced for reference in references_to(table))
    with transaction(connection):
        for rows, condition, values in _going(kind, name, key):
            if rows != table or not alone:
                connection.execute(f"DELETE FROM {rows} WHERE {condition}", values)
    connection.execute(f"DELETE FROM {table} WHERE {own_key(table)} = ?", [key])


def sweep(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete codebooks that no survey was read by, tasks of mlv without texts, and languages, countries, questions and
    sources that nothing refers to, but for those of every store."""
    for name, key in connection.execute(_UNUSED_CODEBOOKS).fetchall():
        _delete(connection, "codebook", name, key)
    for name, key in connection.execute(_UNUSED_TASKS).fetchall():
        _delete(connection, "task", name, key)
    connection.execute(_UNUSED_GROUPS)
    for table in _NAMED:
        used = " UNION ".join(
            f"SELECT {reference.column} FROM {quoted(reference.table)} WHERE {reference.column} IS NOT NULL"
            for reference in references_to(table)
        )
        connection.execute(f"DELETE FROM {quoted(table)} WHERE {own_key(table)} NOT IN ({used})")
    with transaction(connection):
        ensure_reference(connection)
