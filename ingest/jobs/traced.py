"""What influence runs traced, by the names that a reader gives."""

from typing import Final

import duckdb

from mlv.ingest.jobs.lookup import find_run
from mlv.schema.errors import NotFoundError, UsageError, joined
from mlv.schema.store.rows import number

_TARGETS: Final = """
SELECT t.language, t.question, t.epoch, [
    p.template,
    format('  1: {}   2: {}', p.answer_first, p.answer_second),
    format('  answer before fine-tuning: {}, after: {}; positive influence raises {}',
           coalesce(s.answer_before::VARCHAR, 'unknown'), coalesce(s.answer_after::VARCHAR, 'unknown'), t.answer)
] AS lines, p.number AS place
FROM v_target t
JOIN v_run r USING (run_id)
JOIN v_probe p USING (probe_id)
LEFT JOIN v_shift s
    ON s.checkpoint_id = r.start_checkpoint_id AND s.score = 'mean' AND s.collection = t.collection
    AND s.language = t.language AND s.question = t.question
WHERE r.run = $run
UNION ALL
SELECT t.language, t.question, t.epoch, list_filter([
    g.text, g.text_pair, format('  {}; positive influence raises the probability of its class', g.label)
], line -> line NOTNULL), g.position
FROM v_target t
JOIN v_run r USING (run_id)
JOIN segment g USING (segment_id)
WHERE r.run = $run
ORDER BY place, t.question, t.epoch NULLS FIRST
"""


def find_influence_run(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The influence run that is or begins with ``name``, or the only one of such a training run.

    Raises NotFoundError where there is none or more than one, UsageError for a run of another kind.
    """
    run_id, full = find_run(connection, name)
    rows = connection.execute(
        "SELECT run, method, projection, quantity, selection FROM v_influence_run "
        "WHERE kind = 'influence' AND $run IN (run, traced_run) ORDER BY run_id",
        {"run": full},
    ).fetchall()
    if len(rows) == 1:
        return str(rows[0][0])
    if rows:
        listed = "".join(f"\n  - {run}: {', '.join(how)}" for run, *how in rows)
        raise NotFoundError(f"{full} was traced {len(rows)} times:{listed}", "Name one of these runs.")
    if number(connection, "SELECT count(*) FROM run WHERE run_id = ? AND kind IN ('finetune', 'classify')", [run_id]):
        raise NotFoundError(f"{full} was not traced.", f"Trace it: mlv compute influence {full}")
    raise UsageError(f"{full} is no influence run.", "See which there are: mlv influence list")


def describe_target(
    connection: duckdb.DuckDBPyConnection, run: str, item: str, language: str, epoch: int | None
) -> list[str]:
    """Lines about what ``run`` traced: a question or a labelled text in a language, by one epoch's checkpoint or by all
    (None).

    Raises NotFoundError that says what it traced instead.
    """
    rows = connection.execute(_TARGETS, {"run": run}).fetchall()
    in_language = [row for row in rows if row[0] == language]
    of_item = [row for row in in_language if row[1] == item]
    if not in_language:
        raise NotFoundError(
            f"{run} traces nothing in {language}.",
            f"It traces what is in {joined(sorted({row[0] for row in rows}))}.",
        )
    if not of_item:
        items = list(dict.fromkeys(str(row[1]) for row in in_language))
        raise NotFoundError(f"{run} does not trace {item} in {language}.", f"It traces {joined(items)}.")
    for _, _, found, lines, _ in of_item:
        if found == epoch:
            return list(lines)
    alone = ", ".join(str(row[2]) for row in of_item if row[2] is not None)
    raise NotFoundError(
        f"{run} has no scores of epoch {epoch} alone.",
        f"It has those of epoch {alone}." if alone else "Leave --epoch out: its checkpoints are taken together.",
    )
