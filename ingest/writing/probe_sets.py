"""Probe sets of a user's own: a name for some questions of a collection, which probing, tracing and queries take.

A set has one content: the same again changes nothing, another under the same name is refused. Its batteries are those
of the collection's set of all questions, so that intervals mean the same in both.
"""

from collections.abc import Sequence

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.report import check_name
from mlv.ingest.writing.probes import all_questions
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.errors import DataError, NotFoundError, UsageError, joined
from mlv.schema.fetching import frame_of
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure


def choose_questions(
    connection: duckdb.DuckDBPyConnection,
    collection: str,
    categories: Sequence[str] = (),
    named: Sequence[str] | None = None,
) -> list[str]:
    """Questions of a collection: those in any of the categories, of those that are named, if these are given.

    Raises NotFoundError if the store lacks the collection, UsageError if nothing is chosen or something is not there.
    """
    known = dict(_members(connection, collection).select("question", "category").iter_rows())
    if not categories and named is None:
        raise UsageError("No questions are chosen.", "Name their categories (--category) or a file (--questions).")
    for what, given, there in (("category", categories, known.values()), ("question", named or (), known)):
        if unknown := sorted(set(given) - set(there)):
            raise UsageError(
                f"{collection} has no {what} {joined(unknown)}.", f"It has {joined(dict.fromkeys(there))}."
            )
    wanted = known if named is None else dict.fromkeys(named)
    chosen = [code for code in wanted if not categories or known[code] in categories]
    if not chosen:
        raise UsageError("None of the named questions is in these categories.", "Leave out one of the two options.")
    return chosen


def make_probe_set(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    *,
    collection: str,
    questions: Sequence[str],
    description: str = "",
) -> bool:
    """Make a probe set of questions of a collection; False if the store has it already.

    Raises DataError if the name stands for other questions, NotFoundError if the collection lacks some.
    """
    check_name("a probe set", name)
    members = _members(connection, collection)
    if missing := sorted(set(questions) - set(members["question"])):
        raise NotFoundError(f"{collection} has no question {joined(missing)}.", "Ingest its probes first.")
    with transaction(connection):
        made = _ensure(connection, name, members.filter(pl.col("question").is_in(list(questions))), description)
    options = {"name": name, "collection": collection, "questions": sorted(questions), "description": description}
    note_ingest(connection, "probe_set", options, [])
    return made


def _members(connection: duckdb.DuckDBPyConnection, collection: str) -> pl.DataFrame:
    """All questions of a collection: ``probe_collection_id, question_id, question, category, battery``."""
    members = frame_of(
        connection,
        "SELECT probe_collection_id, question_id, q.code AS question, c.code AS category, battery "
        "FROM probe_set_member JOIN probe_set s USING (probe_set_id) "
        "JOIN question q USING (question_id) JOIN category c USING (category_id) "
        "WHERE s.code = ? ORDER BY q.number, q.code",
        [all_questions(collection)],
    )
    if members.is_empty():
        rows = connection.execute("SELECT code FROM probe_collection ORDER BY ALL").fetchall()
        raise NotFoundError(
            f"The store has no probe collection {collection}; it has {joined(row[0] for row in rows)}.",
            "Ingest its probes first: mlv ingest probes PATH --collection NAME",
        )
    return members


def _ensure(connection: duckdb.DuckDBPyConnection, name: str, members: pl.DataFrame, description: str) -> bool:
    known = connection.execute(
        "SELECT m.question_id FROM probe_set s LEFT JOIN probe_set_member m USING (probe_set_id) WHERE code = ?", [name]
    ).fetchall()
    if known:
        if {row[0] for row in known} != set(members["question_id"]):
            raise DataError(
                f"The store has a probe set {name} with {len(known)} questions, and not all of them are these.",
                "Give this one another name.",
            )
        return False
    row = {"code": name, "probe_collection_id": members["probe_collection_id"][0], "description": description}
    set_id = int(ensure(connection, "probe_set", pl.DataFrame([row]), ["code"])["probe_set_id"][0])
    append(
        connection, "probe_set_member", members.select(pl.lit(set_id).alias("probe_set_id"), "question_id", "battery")
    )
    draw_resamples(connection, set_id)
    return True
