"""Principal components of profiles: which profiles are compared leaves the store; where they lie enters it.

Profiles leave the store by natural key: a checkpoint's by job and epoch or by content, a country's by survey.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import duckdb
import polars as pl
from pydantic import AfterValidator, Field, model_validator

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.lookup import default_probe_set, find_checkpoint, find_survey
from mlv.ingest.jobs.outputs import count_in, output, share_in
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Languages, Option
from mlv.ingest.jobs.runs import NewRun
from mlv.queries import install_macros
from mlv.schema.errors import DataError, JobError, NotFoundError
from mlv.schema.fetching import frame_of, registered
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.pca import PROFILE_KEYS, PcaSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.rows import append, number

FEWEST = 3
"""Profiles that a plane needs."""

_CHECKPOINTS = """
WITH runs AS (
    SELECT checkpoint_id, base_checkpoint_id
    FROM v_checkpoint
    WHERE strategy IN ('monolingual', 'multilingual')
      AND is_final
      AND ($model IS NULL OR model = $model)
      AND ($source IS NULL OR source = $source)
      AND ($sentences IS NULL OR sentences = $sentences)
      AND ($seed IS NULL OR seed = $seed)
)
SELECT checkpoint_id FROM runs
UNION
SELECT base_checkpoint_id FROM runs
UNION
SELECT checkpoint_id
FROM v_checkpoint
WHERE strategy = 'pretrained'
  AND coalesce($source, $sentences::VARCHAR, $seed::VARCHAR) IS NULL
  AND ($model IS NULL OR model = $model)
ORDER BY 1
"""

_MODEL_PROFILES = """
SELECT checkpoint_id, language, score, question, p_first
FROM v_model_profile
JOIN v_probe_set USING (collection, question)
WHERE probe_set = $probe_set
  AND score = $score
  AND checkpoint_id IN (SELECT unnest($checkpoints::BIGINT[]))
"""

_COUNTRY_PROFILES = """
SELECT survey, country, weighting, question, p_first
FROM v_country_profile
JOIN v_probe_set USING (question)
WHERE probe_set = $probe_set
  AND survey = $survey
  AND weighting = $weighting
"""


class Request(request.Request):
    """Profiles of model states, of countries, or of both together.

    Without settings: all pretrained models and the last checkpoints of all their fine-tuning runs.
    """

    model: str | None = Field(None, description="Only this pretrained model and the runs that start from it.")
    source: str | None = Field(None, description="Only runs on this source, and what they started from.")
    sentences: int | None = Field(None, description="Only runs with this number of sentences, likewise.")
    seed: int | None = Field(None, description="Only runs with this seed, likewise.")
    languages: Languages = Field((), description="Test languages, comma-separated; all that were probed if not given.")
    countries: Annotated[tuple[Annotated[str, AfterValidator(str.upper)], ...], Option("country")] = Field(
        (),
        description="Countries (ISO 3166-1 alpha-2), comma-separated, or all: their profiles instead of models', or "
        "together with them if one of the settings above is given too.",
    )
    survey: str | None = Field(
        None,
        description="Survey of the countries; if not given the last by name, an illustrative one if there is no other.",
    )
    weighting: Literal["weighted", "unweighted"] | None = Field(
        None, description="weighted or unweighted; weighted if the survey has weights."
    )
    probe_set: str | None = Field(
        None, description="Probe set that the questions are from; that of the queries if not given."
    )
    score: Literal["sum", "mean", "first"] = Field(
        "mean", description="Way of scoring the answers: sum, mean or first."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.countries and (self.survey or self.weighting):
            raise ValueError("Survey and weighting are about countries: name some, or all.")
        return self

    @property
    def of_models(self) -> bool:
        """Whether profiles of model states are compared."""
        chosen = (self.model, self.source, self.sentences, self.seed, self.languages or None)
        return not self.countries or any(value is not None for value in chosen)

    @property
    def wanted_countries(self) -> tuple[str, ...]:
        """Codes of countries; empty for all."""
        return () if self.countries == ("ALL",) else self.countries


def plan(context: Context, request: Request) -> Plan:
    """Plan a principal component analysis of the profiles of checkpoints, of countries, or of both together.

    Raises NotFoundError if the store lacks what was asked for, DataError if fewer than three profiles, or profiles
    without a common question, are left.
    """
    connection = context.connection
    install_macros(connection)
    probe_set, collection = _probe_set(connection, request.probe_set)
    parts = [_of_models(connection, request, probe_set)] if request.of_models else []
    parts += [_of_countries(connection, request, probe_set)] if request.countries else []
    profiles = _shared(pl.concat(parts, how="diagonal"), probe_set)
    names = {column: profiles[column].drop_nulls().unique().sort().to_list() for column in PROFILE_KEYS}
    spec = PcaSpec.model_validate(
        {
            "checkpoints": names["checkpoint"],
            "collection": collection,
            "probe_set": probe_set,
            "languages": names["language"],
            "score": request.score if request.of_models else None,
            "survey": "".join(names["survey"]),
            "countries": names["country"],
            "weighting": "".join(names["weighting"]),
            "inputs_digest": content_digest(profiles),
        }
    )
    return Plan(spec, lambda: {"profiles.parquet": profiles})


def _probe_set(connection: duckdb.DuckDBPyConnection, name: str | None) -> tuple[str, str]:
    """Name and collection of the wanted probe set; that of queries if none is named."""
    name = name or default_probe_set(connection)
    row = connection.execute("SELECT collection FROM v_probe_set WHERE probe_set = ?", [name]).fetchone()
    if row is None:
        raise NotFoundError(
            f"The store has no probe set {name}.",
            "See which there are: mlv sql 'SELECT DISTINCT probe_set FROM v_probe_set'",
        )
    return name, str(row[0])


def _of_models(connection: duckdb.DuckDBPyConnection, wanted: Request, probe_set: str) -> pl.DataFrame:
    runs = {"model": wanted.model, "source": wanted.source, "sentences": wanted.sentences, "seed": wanted.seed}
    chosen = [int(row[0]) for row in connection.execute(_CHECKPOINTS, runs).fetchall()]
    if not chosen:
        asked = ", ".join(f"{key} {value}" for key, value in runs.items() if value is not None)
        raise NotFoundError(
            f"The store has no checkpoint of {asked or 'any model'}.", "See what is there: mlv runs list"
        )
    values = {"probe_set": probe_set, "score": wanted.score, "checkpoints": chosen}
    profiles = frame_of(connection, _MODEL_PROFILES, values)
    profiles = _only(profiles, "language", wanted.languages, "Probe more: mlv compute probe --language CODE")
    return profiles.join(_keys(connection, chosen), on="checkpoint_id").drop("checkpoint_id")


def _keys(connection: duckdb.DuckDBPyConnection, checkpoints: Sequence[int]) -> pl.DataFrame:
    """``checkpoint_id`` and the natural key, ``checkpoint``, of each."""
    rows = connection.execute(
        "SELECT checkpoint_id, coalesce(r.name || '/epoch-' || k.epoch, ''), k.digest "
        "FROM checkpoint k LEFT JOIN run r USING (run_id) WHERE list_contains(?::BIGINT[], checkpoint_id)",
        [list(checkpoints)],
    ).fetchall()
    keys = [(checkpoint_id, ModelRef(name=name, digest=digest).key) for checkpoint_id, name, digest in rows]
    return pl.DataFrame(keys, schema={"checkpoint_id": pl.Int32, "checkpoint": pl.String}, orient="row")


def _of_countries(connection: duckdb.DuckDBPyConnection, wanted: Request, probe_set: str) -> pl.DataFrame:
    survey, weighting = find_survey(connection, wanted.survey, wanted.weighting, "profiles")
    values = {"probe_set": probe_set, "survey": survey, "weighting": weighting}
    profiles = frame_of(connection, _COUNTRY_PROFILES, values)
    return _only(profiles, "country", wanted.wanted_countries, "Take another --survey, or leave it out.")


def _only(profiles: pl.DataFrame, what: str, wanted: Sequence[str], remedy: str) -> pl.DataFrame:
    """The profiles of the wanted languages or countries; all where none is named. Raises NotFoundError."""
    known = profiles[what].unique().sort()
    missing = [name for name in wanted if name not in known]
    if missing:
        there = ", ".join(known) or "none"
        raise NotFoundError(f"No profile is of {what} {', '.join(missing)}.", f"There are: {there}. {remedy}")
    return profiles.filter(pl.col(what).is_in(wanted)) if wanted else profiles


def _shared(profiles: pl.DataFrame, probe_set: str) -> pl.DataFrame:
    """The profiles, numbered in the order of their keys, over the questions that all of them have."""
    texts = pl.DataFrame(schema=dict.fromkeys(PROFILE_KEYS, pl.String))
    profiles = pl.concat([texts, profiles], how="diagonal").select(*PROFILE_KEYS, "question", "p_first")
    named = profiles.select(PROFILE_KEYS).unique().sort(PROFILE_KEYS, nulls_last=True).with_row_index("profile")
    numbered = profiles.join(named, on=PROFILE_KEYS, nulls_equal=True).select(
        "profile", *PROFILE_KEYS, "question", "p_first"
    )
    if named.height < FEWEST:
        raise DataError(
            f"{named.height} profiles over {probe_set} are too few for a plane, which needs {FEWEST}.",
            "Probe more checkpoints or languages with mlv compute probe, or choose more of them.",
        )
    common = numbered.group_by("question").len().filter(pl.col("len") == named.height)
    if common.is_empty():
        fewest = numbered.group_by("profile", *PROFILE_KEYS).len().sort("len", "profile").row(0, named=True)
        name = " ".join(fewest[key] for key in PROFILE_KEYS if fewest[key])
        raise DataError(
            f"The {named.height} profiles have no question of {probe_set} in common.",
            f"That of {name} has {fewest['len']}: probe it anew, or leave it out.",
        )
    return numbered.join(common, on="question", how="semi").sort("profile", "question")


_LOAD = """
INSERT INTO pca_point
SELECT $run, f.profile_id, o.x, o.y
FROM read_parquet($path) o
LEFT JOIN projected_checkpoint k USING (checkpoint)
LEFT JOIN "language" l ON l.code = o.language
LEFT JOIN probe_collection c ON c.code = $collection
LEFT JOIN survey s ON s.code = o.survey
LEFT JOIN country y ON y.code = o.country
JOIN profile f
    ON (f.checkpoint_id = k.checkpoint_id AND f.language_id = l.language_id AND f.score = o.score
        AND f.probe_collection_id = c.probe_collection_id)
    OR (f.survey_id = s.survey_id AND f.country_id = y.country_id AND f.weighting = o.weighting)
"""


def commit(run: NewRun, spec: PcaSpec) -> dict[str, int]:
    """Enter the plane and where profiles lie in it.

    Raises JobError if an output is missing, names what the store lacks, or contradicts itself.
    """
    return {"pca_run": _enter_plane(run, spec), "pca_point": _enter_points(run, spec)}


def _enter_plane(run: NewRun, spec: PcaSpec) -> int:
    output(run.job, "run.json")
    known = run.connection.execute("SELECT probe_set_id FROM probe_set WHERE code = ?", [spec.probe_set]).fetchone()
    if known is None:
        raise JobError(f"The store has no probe set {spec.probe_set}.", "Ingest its probes, then commit again.")
    row = {
        "run_id": run.run_id,
        "probe_set_id": known[0],
        "score": spec.score,
        "questions": count_in(run.job, "run.json", "questions"),
        "explained_x": share_in(run.job, "run.json", "explained_x"),
        "explained_y": share_in(run.job, "run.json", "explained_y"),
    }
    return append(run.connection, "pca_run", pl.DataFrame([row], schema_overrides={"score": pl.String}))


def _enter_points(run: NewRun, spec: PcaSpec) -> int:
    path = str(output(run.job, "points.parquet"))
    given = number(run.connection, "SELECT count(*) FROM read_parquet(?)", [path])
    keys = [(key, _checkpoint_id(run, key)) for key in spec.checkpoints]
    schema = {"checkpoint": pl.String, "checkpoint_id": pl.Int64}
    values = {"run": run.run_id, "path": path, "collection": spec.collection}
    with registered(run.connection, "projected_checkpoint", pl.DataFrame(keys, schema=schema, orient="row")):
        lost = given - number(run.connection, _LOAD, values)
    if lost:
        raise JobError(
            f"{lost:,} rows of {path} belong to profiles that the store lacks.",
            "Commit the probing jobs and ingest the survey that it was planned from, then commit again.",
        )
    return given


def _checkpoint_id(run: NewRun, key: str) -> int:
    """Key in the store of a checkpoint by ``checkpoint_key``. Raises JobError where the store does not have it."""
    model = ModelRef(name=key, digest=key)
    found = find_checkpoint(run.connection, model)
    if found is not None:
        return found[0]
    made = model.made_by
    first = f"mlv runs resume {made.job}" if made else "probe the model with: mlv compute probe --model NAME"
    raise JobError(
        f"{run.job.path.name} compares profiles of {key}, which is not in the store.",
        f"Commit its probing first: {first}",
    )


COST = Cost(
    unit="profiles",
    units=lambda *_: 1,
    measured="SELECT run_id, count(*) AS units FROM pca_point GROUP BY run_id",
)
