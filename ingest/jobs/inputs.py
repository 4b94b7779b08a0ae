"""Whether a store holds what a job read: a job may have been planned from another, or before what it read was deleted.

Natural keys alone do not say so: the same question or line may have another text elsewhere.
"""

from collections.abc import Iterator

import duckdb
import polars as pl

from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_parquet
from mlv.schema.jobs.spec import Spec

_CORPUS = """
SELECT c.sha256 FROM corpus c JOIN source s USING (source_id) JOIN "language" l USING (language_id)
WHERE s.code = ? AND l.code = ? AND c.edition = ?
"""

_PROBES = """
SELECT count(*) FILTER (p.probe_id IS NULL) AS missing,
       count(*) FILTER ((p.template, p.answer_first, p.answer_second) <> (o.template, o.answer_first, o.answer_second)),
       min(concat_ws(' ', o.language, o.question)) FILTER (
           (p.template, p.answer_first, p.answer_second)
           IS DISTINCT FROM (o.template, o.answer_first, o.answer_second))
FROM _read o LEFT JOIN v_probe p ON p.collection = ? AND p.language = o.language AND p.question = o.question
"""

_COUNTRIES = """
SELECT DISTINCT o.survey
FROM _read o
LEFT JOIN v_country_profile p
    ON p.survey = o.survey AND p.country = o.country AND p.weighting = o.weighting AND p.question = o.question
WHERE o.survey IS NOT NULL AND (abs(p.p_first - o.p_first) < 1e-9) IS NOT TRUE
"""

_STATE = "SELECT k.digest FROM checkpoint k JOIN run r USING (run_id) WHERE r.name = ? AND k.epoch = ?"


def lacking(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec) -> list[str]:
    """What a job read and the store does not have, or has with other content: a sentence each.

    A model state of a run that the store does not have is none of it. Raises JobError where an input is damaged.
    """
    return [
        *_texts(connection, spec),
        *_probes(connection, job, spec),
        *_surveys(connection, job, spec),
        *_states(connection, spec),
    ]


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
    for name in spec.PROBE_INPUTS:
        read = read_parquet(job.inputs / name)
        missing, other, example = _about(connection, read, _PROBES, [collection])[0]
        if missing or other:
            yield (
                f"of the {read.height:,} probes of {collection} in {job.path.name}/inputs/{name} {missing:,} are "
                f"missing and {other:,} are others here, e.g. {example}"
            )


def _surveys(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec) -> Iterator[str]:
    for name in spec.PROFILE_INPUTS:
        for (survey,) in _about(connection, read_parquet(job.inputs / name), _COUNTRIES, []):
            yield f"the survey {survey} is missing, or has other answers here"


def _states(connection: duckdb.DuckDBPyConnection, spec: Spec) -> Iterator[str]:
    for model in spec.models():
        if made := model.made_by:
            found = connection.execute(_STATE, [made.job, made.epoch]).fetchone()
            if found and model.digest and found[0] != model.digest:
                yield f"the checkpoint {model.name} is another one here (digest {found[0]}, not {model.digest})"


def _about(
    connection: duckdb.DuckDBPyConnection, read: pl.DataFrame, statement: str, values: list[object]
) -> list[tuple[object, ...]]:
    """The rows of a statement on a table that a job read, ``_read``."""
    connection.register("_read", read)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.unregister("_read")
