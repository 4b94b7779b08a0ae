"""Counting words: the segments of corpora leave the store; how many words they have enters it."""

from typing import Annotated

from pydantic import Field

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.outputs import output
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, Languages, Name
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.trained import corpora_of
from mlv.schema.errors import NotFoundError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.wordcount import WordcountSpec

_SEGMENTS = """
SELECT s.source, s.language, s.edition, s.position, s.text, c.sha256 AS corpus_sha256
FROM v_segment s
JOIN segment USING (segment_id)
JOIN corpus c USING (corpus_id)
WHERE s.source = $source AND (len($languages) = 0 OR list_contains($languages, s.language))
ORDER BY ALL
"""


class Request(request.Request):
    """The words of a source in some languages."""

    source: Annotated[Name, Field(description="Source whose words are counted, e.g. pbc.")]
    languages: Languages = Field((), description="Languages, comma-separated; all of the source if not given.")
    shortest: Count = Field(1, description="Characters that a word has at least.")


def plan(context: Context, request: Request) -> Plan:
    """Plan a count. Raises NotFoundError if the store has no such corpus."""
    values = {"source": request.source, "languages": list(request.languages)}
    segments = frame_of(context.connection, _SEGMENTS, values)
    if segments.is_empty():
        raise NotFoundError(f"The store has no such corpus of {request.source}.", "Ingest it: mlv ingest corpus")
    read = segments.drop("corpus_sha256")
    spec = WordcountSpec(corpora=corpora_of(segments), shortest=request.shortest, inputs_digest=content_digest(read))
    return Plan(spec, lambda: {"segments.parquet": read})


def commit(run: NewRun, spec: WordcountSpec) -> dict[str, int]:  # noqa: ARG001 the rows say all
    """Enter the words of each corpus. Raises JobError if the output is missing or damaged."""
    path = str(output(run.job, "words.parquet"))
    run.connection.execute(
        "INSERT INTO word_count SELECT $run, c.corpus_id, o.segments, o.words FROM read_parquet($path) o "
        'JOIN source s ON s.code = o.source JOIN "language" l ON l.code = o.language '
        "JOIN corpus c ON c.source_id = s.source_id AND c.language_id = l.language_id AND c.edition = o.edition",
        {"run": run.run_id, "path": path},
    )
    return {"word_count": run.count("word_count")}


COST = Cost(
    unit="corpora",
    units=lambda *_: 1,
    measured="SELECT run_id, count(*) AS units FROM word_count GROUP BY run_id",
)
