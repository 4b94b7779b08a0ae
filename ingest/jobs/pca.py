"""Planning a projection: which profiles are compared, and the questions that all of them have.

Profiles leave the store by natural key: a checkpoint's by job and epoch or by content, a country's by survey.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from mlv.ingest.jobs.planning import Jobs, write_job
from mlv.queries import install_macros
from mlv.schema.errors import DataError, NotFoundError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import checkpoint_key
from mlv.schema.jobs.pca import PROFILE_KEYS, ProjectSpec
from mlv.schema.jobs.spec import ModelRef

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


@dataclass(frozen=True)
class ModelProfiles:
    """Profiles of pretrained models and of the last checkpoints of the runs that start from them."""

    model: str | None = None
    """Only of this pretrained model and its descendants."""

    source: str | None = None
    """Only of runs on this source and of what they started from; ``sentences`` and ``seed`` likewise."""

    sentences: int | None = None
    seed: int | None = None
    languages: tuple[str, ...] = ()
    """Test languages; all that were probed where empty."""

    score: str = "mean"


@dataclass(frozen=True)
class CountryProfiles:
    """Profiles of the countries of a survey."""

    countries: tuple[str, ...] = ()
    """All of the survey where empty."""

    survey: str | None = None
    """The last by name, an illustrative one only where there is no other, unless given."""

    weighting: str | None = None
    """Weighted where the survey has weights, unless given."""


def plan_projection(
    connection: duckdb.DuckDBPyConnection,
    jobs: Jobs,
    models: ModelProfiles | None,
    people: CountryProfiles | None,
    probe_set: str | None = None,
) -> JobDirectory:
    """Plan a projection of the profiles of checkpoints, of countries, or of both together.

    Raises NotFoundError where the store lacks what was asked for, DataError where fewer than three profiles, or
    profiles without a common question, are left.
    """
    install_macros(connection)
    probe_set, collection = _probe_set(connection, probe_set)
    parts = [_of_models(connection, models, probe_set)] if models else []
    parts += [_of_countries(connection, people, probe_set)] if people else []
    profiles = _shared(pl.concat(parts, how="diagonal"), probe_set)
    names = {column: profiles[column].drop_nulls().unique().sort().to_list() for column in PROFILE_KEYS}
    spec = ProjectSpec.model_validate(
        {
            "checkpoints": names["checkpoint"],
            "collection": collection,
            "probe_set": probe_set,
            "languages": names["language"],
            "score": models.score if models else None,
            "survey": "".join(names["survey"]),
            "countries": names["country"],
            "weighting": "".join(names["weighting"]),
            "inputs_digest": "",
        }
    )
    return write_job(jobs, spec, None, profiles, "profiles.parquet")


def _probe_set(connection: duckdb.DuckDBPyConnection, name: str | None) -> tuple[str, str]:
    """Name and collection of the wanted probe set, of that which queries take where none is named."""
    rows = connection.execute(
        "SELECT DISTINCT probe_set, collection FROM v_probe_set WHERE probe_set = coalesce($name, echoes_probe_set())",
        {"name": name},
    ).fetchall()
    if not rows:
        raise NotFoundError(
            f"The store has no probe set {name}." if name else "The store has no probes.",
            "See which there are: mlv sql 'SELECT DISTINCT probe_set FROM v_probe_set'",
        )
    return str(rows[0][0]), str(rows[0][1])


def _of_models(connection: duckdb.DuckDBPyConnection, wanted: ModelProfiles, probe_set: str) -> pl.DataFrame:
    runs = {"model": wanted.model, "source": wanted.source, "sentences": wanted.sentences, "seed": wanted.seed}
    chosen = [int(row[0]) for row in connection.execute(_CHECKPOINTS, runs).fetchall()]
    if not chosen:
        asked = ", ".join(f"{key} {value}" for key, value in runs.items() if value is not None)
        raise NotFoundError(
            f"The store has no checkpoint of {asked or 'any model'}.", "See what is there: mlv runs list"
        )
    values = {"probe_set": probe_set, "score": wanted.score, "checkpoints": chosen}
    profiles = connection.execute(_MODEL_PROFILES, values).pl()
    profiles = _only(profiles, "language", wanted.languages, "Probe more: mlv compute probe --language CODE")
    return profiles.join(_keys(connection, chosen), on="checkpoint_id").drop("checkpoint_id")


def _keys(connection: duckdb.DuckDBPyConnection, checkpoints: Sequence[int]) -> pl.DataFrame:
    """``checkpoint_id`` and the natural key, ``checkpoint``, of each."""
    rows = connection.execute(
        "SELECT checkpoint_id, coalesce(r.name || '/epoch-' || k.epoch, ''), k.digest "
        "FROM checkpoint k LEFT JOIN run r USING (run_id) WHERE list_contains(?::BIGINT[], checkpoint_id)",
        [list(checkpoints)],
    ).fetchall()
    keys = [(checkpoint_id, checkpoint_key(ModelRef(name=name, digest=digest))) for checkpoint_id, name, digest in rows]
    return pl.DataFrame(keys, schema={"checkpoint_id": pl.Int32, "checkpoint": pl.String}, orient="row")


def _of_countries(connection: duckdb.DuckDBPyConnection, wanted: CountryProfiles, probe_set: str) -> pl.DataFrame:
    known = connection.execute(
        "SELECT survey, weighting FROM v_country_profile "
        "WHERE survey = coalesce($survey, default_survey()) "
        "AND weighting = coalesce($weighting, default_weighting(survey)) LIMIT 1",
        {"survey": wanted.survey, "weighting": wanted.weighting},
    ).fetchone()
    if known is None:
        asked = " ".join(filter(None, (wanted.weighting, "profiles of", wanted.survey or "any survey")))
        raise NotFoundError(f"The store has no {asked}.", "Ingest a survey: mlv ingest survey PATH")
    values = {"probe_set": probe_set, "survey": known[0], "weighting": known[1]}
    profiles = connection.execute(_COUNTRY_PROFILES, values).pl()
    return _only(profiles, "country", wanted.countries, "Take another --survey, or leave it out.")


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
