"""`mlv compute respond`."""

from typing import TYPE_CHECKING, Final

from mlv.cli.compute.options import make_command
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.ingest.jobs.respond import Request

if TYPE_CHECKING:
    import duckdb

MOST_TRUNCATED: Final = 0.05
"""Share of answers that were cut off from which longer ones should be allowed."""

_OUTCOMES: Final = """
SELECT outcome, count(*)
FROM v_response
JOIN v_response_run USING (run_id)
WHERE run = ?
GROUP BY outcome
ORDER BY count(*) DESC, outcome
"""

_MISALIGNED: Final = """
WITH people AS (
    SELECT n.run_id, y.country, coalesce(n.survey, default_survey()) AS survey,
           coalesce(n.weighting, default_weighting(coalesce(n.survey, default_survey()))) AS weighting
    FROM v_response_run n
    JOIN v_language_country y ON y.language = n.language
    WHERE n.run = ?
)
SELECT country, survey, count(*) AS questions, count(*) FILTER (in_line < responses) AS misaligned
FROM (
    SELECT p.country, p.survey, e.question, count(*) AS responses, count(*) FILTER (e.side = m.side) AS in_line
    FROM people p
    JOIN v_response e USING (run_id)
    JOIN v_majority m USING (survey, weighting, country, question)
    GROUP BY ALL
)
GROUP BY country, survey
ORDER BY country
"""


def respond(work: Work, request: Request) -> None:
    """Ask a chat model the questions of a survey, and keep all that it answers.

    Zero-shot, or after demonstrations that show a country's answers (--strategy). Locally, or behind an API that speaks
    OpenAI's protocol (--endpoint URL --api-model NAME --as-of DATE).
    """
    from mlv.queries import install_macros
    from mlv.schema.store.opening import open_store

    try:
        done = work.do("respond", request)
    except NothingToDoError as error:
        say(error.message)
        return
    if done is None:
        return
    with open_store(work.store) as connection:
        install_macros(connection)
        outcomes = dict(connection.execute(_OUTCOMES, [done.run]).fetchall())
        if outcomes:
            say_answers(connection, done.run, outcomes)


def say_answers(connection: "duckdb.DuckDBPyConnection", run: str, outcomes: dict[str, int]) -> None:
    """Say how the answers of a run were read, and at how many questions not all are those of the country's majority."""
    total = sum(outcomes.values())
    read = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
    say(f"{total:,} answers: {read} (more: mlv responses show {run} --question ID)")
    if outcomes.get("truncated", 0) > MOST_TRUNCATED * total:
        say(f"{outcomes['truncated'] / total:.0%} were cut off before they named an option: raise --max-tokens")
    for country, survey, questions, misaligned in connection.execute(_MISALIGNED, [run]).fetchall():
        say(
            f"misaligned with {country} in {survey}: {misaligned:,} of {questions:,} questions, "
            f"{misaligned / questions:.1%}"
        )


COMMAND = make_command(respond, Request, ("device", "threads", "batch_tokens", "key_env", "concurrency"))
