"""Whether a store holds what a job read: a job may have been planned from another, or before what it read was deleted.

Natural keys alone do not say so: the same question or line may have another text elsewhere.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.fetching import registered
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table
from mlv.schema.jobs.spec import Spec

_PROBE: Final = ("language", "question", "template", "answer_first", "answer_second")
_PROFILE: Final = ("survey", "country", "weighting", "question", "p_first")

_CORPUS: Final = """
SELECT c.sha256 FROM corpus c JOIN source s USING (source_id) JOIN "language" l USING (language_id)
WHERE s.code = ? AND l.code = ? AND c.edition = ?
"""

_PROBES: Final = """
SELECT count(*) FILTER (p.probe_id IS NULL) AS missing,
       count(p.probe_id) FILTER (
           (p.template, p.answer_first, p.answer_second) <> (o.template, o.answer_first, o.answer_second)),
       min(concat_ws(' ', o.language, o.question)) FILTER (
           (p.template, p.answer_first, p.answer_second)
           IS DISTINCT FROM (o.template, o.answer_first, o.answer_second))
FROM _read o LEFT JOIN v_probe p ON p.collection = ? AND p.language = o.language AND p.question = o.question
"""

_COUNTRIES: Final = """
SELECT DISTINCT o.survey
FROM _read o
LEFT JOIN v_country_profile p
    ON p.survey = o.survey AND p.country = o.country AND p.weighting = o.weighting AND p.question = o.question
WHERE o.survey IS NOT NULL AND (abs(p.p_first - o.p_first) < 1e-9) IS NOT TRUE
"""

_STATE: Final = "SELECT k.digest FROM checkpoint k JOIN run r USING (run_id) WHERE r.name = ? AND k.epoch = ?"


def lacking(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec) -> list[str]:
    """What a job read and the store does not have, or has with other content: a sentence each.

    Inputs that are not in its directory are not looked at. Raises JobError where one is damaged.
    """
    return [*_texts(connection, spec), *_probes(connection, job, spec), *_surveys(connection, job, spec)]


def other_checkpoints(connection: duckdb.DuckDBPyConnection, spec: Spec) -> Iterator[str]:
    """The model states that a job read and that a run of the store made with other weights, a sentence each."""
    for model in spec.models():
        if made := model.made_by:
            found = connection.execute(_STATE, [made.job, made.epoch]).fetchone()
            if found and found[0] != model.digest:
                yield f"the checkpoint {model.name} is another one here (digest {found[0]}, not {model.digest})"


def _texts(connection: duckdb.DuckDBPyConnection, spec: Spec) -> Iterator[str]:
    for text in spec.texts():
        name = f"{text.source}/{text.language}/{text.edition}"
        found = connection.execute(_CORPUS, [text.source, text.language, text.edition]).fetchone()
        if found is None:
            yield f"the text {name} is missing (SHA-256 of its content {text.sha256})"
        elif found[0] != text.sha256:
            yield f"the text {name} is another one here (SHA-256 of its content {found[0]}, not {text.sha256})"


def _probes(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec) -> Iterator[str]:
    collection = getattr(spec, "collection", "")
    for path in _there(job, spec.probe_inputs()):
        ((missing, other, example),) = _compared(connection, path, _PROBE, _PROBES, [collection])
        if missing or other:
            yield (
                f"of the probes of {collection} in {job.path.name}/inputs/{path.name} {missing:,} are missing and "
                f"{other:,} are others here, e.g. {example}"
            )


def _surveys(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec) -> Iterator[str]:
    for path in _there(job, spec.PROFILE_INPUTS):
        for (survey,) in _compared(connection, path, _PROFILE, _COUNTRIES, []):
            yield f"the survey {survey} is missing, or has other answers here"


def _there(job: JobDirectory, names: Sequence[str]) -> list[Path]:
    return [job.inputs / name for name in names if (job.inputs / name).exists()]


def _compared(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str], statement: str, values: list[object]
) -> list[tuple[Any, ...]]:
    """The rows of a statement on columns of a table that a job read, ``_read``. Raises JobError where it is damaged."""
    with registered(connection, "_read", read_table(path, columns)):
        try:
            return connection.execute(statement, values).fetchall()
        # DuckDB's words about damaged text are not always text
        except (duckdb.Error, UnicodeError) as error:
            raise JobError(f"{path} cannot be read: {str(error).splitlines()[0]}", PLAN_AGAIN) from error
