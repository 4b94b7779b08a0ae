"""Rules that follow from declarations elsewhere, so that nobody has to write them: nothing here names a table.

Identities and references of tables that DuckDB does not look after (``mlv.schema.tables``), the kinds of jobs
(``mlv.schema.jobs.kinds``), and the tables that are derived from others (``mlv.schema.derived``).
"""

from collections.abc import Iterator

from mlv.ingest.rules.expectations import expected
from mlv.ingest.rules.keys import reference_rule, unique_rule
from mlv.ingest.rules.rule import Rule
from mlv.schema.derived import emotions
from mlv.schema.derived.ranking_sums import PARTS, SUMS
from mlv.schema.jobs.kinds import KINDS
from mlv.schema.tables.metadata import metadata
from mlv.schema.tables.relations import identity, is_enforced, own_key, owners, references, rows_of

ORIGIN = "the schema"


def generated() -> Iterator[Rule]:
    """The rules of all tables and kinds of jobs."""
    for table in sorted(metadata.tables):
        yield from _unique(table)
    for table in sorted(metadata.tables):
        yield from _references(table)
    yield expected(
        "run",
        "ExpectColumnValuesToBeInSet",
        {"column": "kind", "value_set": list(KINDS)},
        name="run-kind",
        where="store",
        origin=ORIGIN,
    )
    for sums in SUMS:
        kept = f"FROM {sums.table} WHERE {sums.key} BETWEEN {{first}} AND {{last}}"
        yield _derived(sums.table, sums.statement, kept, PARTS)
    yield _derived(emotions.TABLE, emotions.AGAIN, f"FROM {emotions.TABLE}", "")


def _unique(table: str) -> Iterator[Rule]:
    """The rules of a table's own keys and identity."""
    of_a_run = table in rows_of("run")
    key, columns = own_key(table), identity(table)
    if key and not is_enforced(table, (key,)):
        yield unique_rule(table, [key], ORIGIN, by=key, commit=of_a_run)
    if not is_enforced(table, columns):
        owner = owners(table)
        # what belongs to one row can only be repeated beside it; what belongs to two, also elsewhere
        alone = len(owner) == 1 and owner[0].column in columns and not owner[0].optional
        by = owner[0].column if alone else ""
        yield unique_rule(table, columns, ORIGIN, by=by, commit=of_a_run and alone)


def _references(table: str) -> Iterator[Rule]:
    """The rules of a table's references."""
    for reference in references(table).values():
        if not reference.enforced:
            yield reference_rule(table, reference.column, reference.parent, reference.key, ORIGIN)


def _derived(table: str, statement: str, kept: str, parts: str) -> Rule:
    """The rule that a table's rows are those that would be made again."""
    what = f"rows of {table} that differ from what they are derived from"
    return Rule(
        name=f"{table}-derived",
        says=f"no {what}",
        broken=what,
        table=table,
        query=f"WITH made AS ({statement}), kept AS ({kept}) "
        "(FROM made EXCEPT ALL FROM kept) UNION ALL (FROM kept EXCEPT ALL FROM made)",
        parts=parts,
        origin=ORIGIN,
    )
