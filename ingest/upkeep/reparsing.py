"""Reading the answers of chat models again: their texts stay, and how they were read follows another parser.

Profiles of what was answered follow, too. The journal has it, so that a store that is made again has the same rows; a
job directory has not: a run that is exported is read as it was planned, and can be read again where it comes to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.answers.parsers import LATEST, PARSERS
from mlv.ingest.jobs.lookup import find_run
from mlv.ingest.jobs.responses import readings
from mlv.ingest.journal import Reading, note_reading
from mlv.ingest.writing.profiles import build_response_profiles
from mlv.schema.errors import NotFoundError, UsageError, joined
from mlv.schema.fetching import frame_of, registered
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.respond import RespondSpec
from mlv.schema.store.opening import transaction

_RUNS: Final = """
SELECT n.run_id, r.name, n.parser, r.spec
FROM response_run n
JOIN run r USING (run_id)
WHERE r.status = 'committed' AND n.samples > 0
ORDER BY n.run_id
"""

_RESPONSES: Final = """
SELECT e.prompt_id, e.sample, m.question, e.text, e.finish, e.refused, e.outcome AS outcome_before,
       e.answer AS answer_before
FROM response e
JOIN v_prompt m USING (prompt_id)
WHERE e.run_id = ?
ORDER BY e.prompt_id, e.sample
"""

_UPDATE: Final = """
UPDATE response
SET outcome = c.outcome, answer = c.answer
FROM _changed c
WHERE response.prompt_id = c.prompt_id AND response.sample = c.sample
"""


@dataclass(frozen=True)
class AskedRun:
    """A run with sampled answers."""

    run_id: int
    run: str
    parser: int
    """Version of the parser that read them."""

    english: bool
    """Whether English texts of options count as answers."""


@dataclass(frozen=True)
class Rereading:
    """What another parser makes of the answers of a run."""

    of: AskedRun
    parser: int
    answers: int
    """How many there are."""

    changed: pl.DataFrame
    """Those that it reads otherwise: ``[prompt_id, sample, question, text, outcome_before, answer_before, outcome,
    answer]``."""


def asked_runs(connection: duckdb.DuckDBPyConnection, names: Sequence[str] = ()) -> list[AskedRun]:
    """The runs of these names or their beginnings that have sampled answers; all such runs if none is named.

    Raises NotFoundError where there is no such run, or where it has no answers.
    """
    runs = {
        run_id: AskedRun(run_id, name, parser, _spec(spec).accept_english)
        for run_id, name, parser, spec in connection.execute(_RUNS).fetchall()
    }
    found = dict.fromkeys(find_run(connection, name) for name in names)
    if without := [run for run_id, run in found if run_id not in runs]:
        raise NotFoundError(
            f"{joined(without)} did not sample answers of a chat model.", "See which runs did: mlv responses list"
        )
    return [runs[run_id] for run_id, _ in found] if names else list(runs.values())


def _spec(text: str) -> RespondSpec:
    spec = read_spec(text)
    if not isinstance(spec, RespondSpec):
        raise TypeError(f"{spec.kind} asks no chat model")
    return spec


def read_again(connection: duckdb.DuckDBPyConnection, run: AskedRun, parser: int = LATEST) -> Rereading:
    """What a version of the parser makes of the stored answers of a run. Raises UsageError if there is no such one."""
    if parser not in PARSERS:
        raise UsageError(f"There is no parser {parser}.", f"Its versions are {joined(map(str, sorted(PARSERS)))}.")
    answers = frame_of(connection, _RESPONSES, [run.run_id])
    read = answers.with_columns(readings(connection, run.run_id, answers, PARSERS[parser], english=run.english))
    same = pl.col("outcome").eq(pl.col("outcome_before")) & pl.col("answer").eq_missing(pl.col("answer_before"))
    return Rereading(run, parser, answers.height, read.filter(~same).drop("finish", "refused"))


def write_readings(connection: duckdb.DuckDBPyConnection, rereadings: Sequence[Rereading]) -> None:
    """Enter what another parser made of answers, and the profiles that follow, in one transaction; note it."""
    with transaction(connection):
        for one in rereadings:
            with registered(connection, "_changed", one.changed):
                connection.execute(_UPDATE)
            connection.execute("UPDATE response_run SET parser = ? WHERE run_id = ?", [one.parser, one.of.run_id])
            build_response_profiles(connection, one.of.run_id)
    for one in rereadings:
        if one.parser != one.of.parser:
            note_reading(connection, one.of.run, one.parser)


def repeat_reading(connection: duckdb.DuckDBPyConnection, entry: Reading) -> None:
    """Read the answers of a run as a journal tells."""
    (run,) = asked_runs(connection, [entry.run])
    write_readings(connection, [read_again(connection, run, entry.parser)])
