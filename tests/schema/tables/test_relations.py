"""What tables declare about each other is complete, and what follows from it is right."""

from collections.abc import Iterator

import duckdb
import pytest
import sqlalchemy as sa

from mlv.schema.tables.metadata import metadata
from mlv.schema.tables.relations import (
    Reference,
    depending_on,
    identity,
    is_enforced,
    own_key,
    owners,
    references,
    rows_of,
)

TABLES = sorted(metadata.tables)
REFERENCES = [reference for table in TABLES for reference in references(table).values()]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_keys_refers_to_something_or_is_the_tables_own(table: str) -> None:
    keys = {column.name for column in metadata.tables[table].columns if column.name.endswith("_id")}
    assert keys - {own_key(table)} == references(table).keys()


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: f"{reference.table}.{reference.column}")
def test_every_reference_leads_to_a_key(reference: Reference) -> None:
    assert reference.key in metadata.tables[reference.parent].columns
    assert reference.key == own_key(reference.parent) or is_enforced(reference.parent, (reference.key,))


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_an_identity(table: str) -> None:
    assert identity(table)
    assert set(identity(table)) <= set(metadata.tables[table].columns.keys())
    assert own_key(table) not in identity(table)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_an_owner_unless_its_rows_can_stand_alone(table: str) -> None:
    needed = {name for name, reference in references(table).items() if not reference.optional}
    assert owners(table) or not needed, f"{table} needs a row that {needed} refers to, and says not to which it belongs"


def test_an_enforced_reference_is_a_foreign_key() -> None:
    declared = {(table.name, key.parent.name) for table in metadata.sorted_tables for key in table.foreign_keys}
    assert {(each.table, each.column) for each in REFERENCES if each.enforced} == declared
    assert declared


@pytest.fixture
def twins() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables without their constraints, with two rows each; the first ones refer to each other, the second too."""
    with duckdb.connect() as connection:
        for table in metadata.sorted_tables:
            columns = ", ".join(f'"{column.name}" {_type(column)}' for column in table.columns)
            connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
            for key in (1, 2):
                values = ", ".join(_value(column, key) for column in table.columns)
                connection.execute(f'INSERT INTO "{table.name}" VALUES ({values})')
        # what another run refers to keeps a run from being deleted
        connection.execute("UPDATE run SET parent_run_id = NULL, start_checkpoint_id = NULL")
        yield connection


def _type(column: "sa.Column[object]") -> str:
    return "INTEGER" if column.name.endswith("_id") else "VARCHAR"


def _value(column: "sa.Column[object]", key: int) -> str:
    return str(key) if column.name.endswith("_id") else f"'{key}'"


def test_no_row_of_a_run_is_left_and_none_refers_to_it(twins: duckdb.DuckDBPyConnection) -> None:
    for table, condition in rows_of("run").items():
        twins.execute(f'DELETE FROM "{table}" WHERE {condition}', {"key": 1})
    left = {table: twins.execute(f'SELECT count(*) FROM "{table}"').fetchone() for table in TABLES}
    assert {table for table, count in left.items() if count == (1,)} == rows_of("run").keys()
    assert {table for table, count in left.items() if count == (2,)} == set(TABLES) - rows_of("run").keys()
    for reference in REFERENCES:
        lost = twins.execute(
            f'SELECT count(*) FROM "{reference.table}" WHERE {reference.column} IS NOT NULL '
            f'AND {reference.column} NOT IN (SELECT {reference.key} FROM "{reference.parent}")'
        ).fetchone()
        assert lost == (0,), reference


def test_what_belongs_to_a_row_is_deleted_before_it() -> None:
    order = list(rows_of("run"))
    for table in order[:-1]:
        for owner in owners(table):
            assert owner.parent not in order or order.index(table) < order.index(owner.parent)
    assert order[-1] == "run"


@pytest.mark.parametrize(
    ("statement", "depends"),
    [
        ("SELECT 1", False),
        ("UPDATE run SET parent_run_id = 1 WHERE run_id = 2", True),
        ("UPDATE run SET start_checkpoint_id = 1 WHERE run_id = 2", True),
        ("UPDATE influence_run SET traced_run_id = 1 WHERE run_id = 2", True),
        ("UPDATE influence_ranking SET training_example_id = 1 WHERE influence_target_id = 2", True),
        ("UPDATE pca_point SET profile_id = 1 WHERE run_id = 2", True),
        # a sum belongs to both of the targets that it compares: neither's run has to go before the other's
        ("UPDATE influence_overlap SET other_target_id = 1 WHERE influence_target_id = 2", False),
        ("UPDATE run_corpus SET corpus_id = 1 WHERE run_id = 2", False),
    ],
)
def test_a_run_depends_on_another_that_it_refers_to(
    twins: duckdb.DuckDBPyConnection, statement: str, depends: bool
) -> None:
    twins.execute(statement)
    found = twins.execute(depending_on("run", {}), {"key": 1}).fetchall()
    assert found == ([(2,)] if depends else [])


def test_a_run_depends_on_another_that_made_what_it_refers_to(twins: duckdb.DuckDBPyConnection) -> None:
    query = depending_on("run", {"profile": "profile_id = 2 AND $key = 1"})
    assert twins.execute(query, {"key": 1}).fetchall() == [(2,)]
    assert twins.execute(query, {"key": 2}).fetchall() == []


@pytest.mark.parametrize(
    ("root", "statement", "depends"),
    [
        ("corpus", "SELECT 1", False),
        ("corpus", "UPDATE run_corpus SET corpus_id = 1 WHERE run_id = 2", True),
        ("corpus", "UPDATE training_example SET segment_id = 1 WHERE run_id = 2", True),
        ("probe_collection", "UPDATE probe_logit SET probe_id = 1 WHERE run_id = 2", True),
        ("probe_collection", "UPDATE influence_target SET probe_id = 1 WHERE run_id = 2", True),
        ("probe_collection", "UPDATE pca_run SET probe_set_id = 1 WHERE run_id = 2", True),
        # a profile is made of answers: its own reference says nothing that theirs does not
        ("probe_collection", "UPDATE profile SET probe_collection_id = 1 WHERE profile_id = 2", False),
        ("survey", "UPDATE pca_point SET profile_id = 1 WHERE run_id = 2", True),
    ],
)
def test_a_run_depends_on_what_was_ingested_if_its_rows_refer_to_it(
    twins: duckdb.DuckDBPyConnection, root: str, statement: str, depends: bool
) -> None:
    query = depending_on(root, {"profile": ""}, "run")
    assert twins.execute(query, {"key": 1}).fetchall() == [(1,)]
    twins.execute(statement)
    assert sorted(twins.execute(query, {"key": 1}).fetchall()) == ([(1,), (2,)] if depends else [(1,)])
