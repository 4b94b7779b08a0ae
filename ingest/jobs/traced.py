"""What influence runs traced, by the names that a reader gives."""

from typing import NamedTuple

import duckdb

from mlv.ingest.jobs.lookup import find_run
from mlv.schema.errors import NotFoundError, UsageError, joined
from mlv.schema.store.rows import number


class Target(NamedTuple):
    """A probe that a run traced."""

    template: str
    answers: tuple[str, str]
    before: int | None
    """The answer before fine-tuning, 1 or 2; None where the store does not have it any more."""

    after: int | None
    traced: int
    """The answer whose probability positive influence raises."""

    def describe(self) -> list[str]:
        """Lines for a reader."""
        numbered = "   ".join(f"{number}: {text}" for number, text in enumerate(self.answers, start=1))
        before, after = (answer or "unknown" for answer in (self.before, self.after))
        return [
            self.template,
            f"  {numbered}",
            f"  answer before fine-tuning: {before}, after: {after}; positive influence raises {self.traced}",
        ]


def find_influence_run(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The influence run that is or begins with ``name``, or the only one of such a fine-tuning run.

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
    if number(connection, "SELECT count(*) FROM run WHERE run_id = ? AND kind = 'finetune'", [run_id]):
        raise NotFoundError(f"{full} was not traced.", f"Trace it: mlv compute influence {full}")
    raise UsageError(f"{full} is no influence run.", "See which there are: mlv influence list")


def find_target(
    connection: duckdb.DuckDBPyConnection, run: str, question: str, language: str, epoch: int | None
) -> Target:
    """What ``run`` traced of a question in a language, by one epoch's checkpoint or by all (None).

    Raises NotFoundError that says what it traced instead.
    """
    rows = connection.execute(
        "SELECT t.language, t.question, t.epoch, p.template, p.answer_first, p.answer_second, s.answer_before, "
        "       s.answer_after, t.answer "
        "FROM v_influence_target t "
        "JOIN v_run r USING (run) "
        "JOIN v_probe p ON p.collection = t.collection AND p.language = t.language AND p.question = t.question "
        "LEFT JOIN v_shift s ON s.checkpoint_id = r.start_checkpoint_id AND s.score = 'mean' "
        "     AND s.collection = t.collection AND s.language = t.language AND s.question = t.question "
        "WHERE t.run = ? ORDER BY p.number, p.question, t.epoch NULLS FIRST",
        [run],
    ).fetchall()
    in_language = [row for row in rows if row[0] == language]
    of_question = [row for row in in_language if row[1] == question]
    if not in_language:
        raise NotFoundError(
            f"{run} traces no probe in {language}.",
            f"It traces probes in {joined(sorted({row[0] for row in rows}))}.",
        )
    if not of_question:
        questions = list(dict.fromkeys(str(row[1]) for row in in_language))
        raise NotFoundError(
            f"{run} does not trace {question} in {language}.",
            f"It traces {joined(questions)}.",
        )
    for *_, found, template, first, second, before, after, traced in of_question:
        if found == epoch:
            return Target(template, (first, second), before, after, traced)
    alone = ", ".join(str(row[2]) for row in of_question if row[2] is not None)
    raise NotFoundError(
        f"{run} has no scores of epoch {epoch} alone.",
        f"It has those of epoch {alone}." if alone else "Leave --epoch out: its checkpoints are taken together.",
    )
