"""Answers and cultural profiles, derived from what is stored: SQL over scores and survey shares (Echoes section 3.5).

A profile has one number a question in [0, 1]: how far its owner is on the side that ``answer_side`` calls first.
For a checkpoint in a language it is the softmax over the two candidate answers, for a country the share of people on
the first side among those on either. Every function writes within the caller's transaction and leaves existing rows as
they are, except a checkpoint's profiles, which are made anew from its answers whenever these change.
"""

from collections.abc import Sequence

import duckdb
import polars as pl

from mlv.schema.errors import JobError
from mlv.schema.fetching import frame_of
from mlv.schema.store.rows import append, ensure, number

PROFILES_OF_RUN = """
run_id = $key OR run_id IS NULL AND (checkpoint_id, language_id, probe_collection_id) IN (
    SELECT (checkpoint_id, language_id, probe_collection_id)
    FROM probe_logit JOIN probe USING (probe_id)
    WHERE probe_logit.run_id = $key
)
"""
"""The condition that a profile is made of answers of the run ``$key``, of probes with others perhaps beside them."""

_UNPAIRED = """
SELECT count(*) FROM (
    SELECT probe_id FROM probe_logit WHERE run_id = ? AND checkpoint_id = ?
    GROUP BY probe_id HAVING count(*) <> 2 OR count(DISTINCT answer) <> 2
)
"""

# exp() of minus the magnitude cannot overflow, whatever the margin.
_ANSWERS = """
INSERT INTO probe_answer (run_id, checkpoint_id, probe_id, score, answer, margin, p_first)
WITH scored AS (
    SELECT run_id, checkpoint_id, probe_id, answer,
           unnest(['sum', 'mean', 'first']) AS score,
           unnest([logprob_sum, logprob_sum / tokens, logprob_first]) AS value
    FROM probe_logit
    WHERE run_id = ? AND checkpoint_id = ?
), compared AS (
    SELECT a.run_id, a.checkpoint_id, a.probe_id, a.score, a.value - b.value AS margin
    FROM scored a JOIN scored b USING (probe_id, score)
    WHERE a.answer = 1 AND b.answer = 2
)
SELECT run_id, checkpoint_id, probe_id, score, CASE WHEN margin >= 0 THEN 1 ELSE 2 END, margin,
       CASE WHEN margin >= 0 THEN 1 ELSE exp(-abs(margin)) END / (1 + exp(-abs(margin)))
FROM compared
ORDER BY probe_id, score
"""

_MODEL_VALUES = """
SELECT p.language_id, p.probe_collection_id, a.score, p.question_id,
       CASE p.polarity WHEN 'reversed' THEN 1 - a.p_first ELSE a.p_first END AS p_first
FROM probe_answer a JOIN probe p USING (probe_id)
WHERE a.checkpoint_id = ?
ORDER BY ALL
"""

_RESPONSE_VALUES = """
WITH shares AS (
    SELECT run_id, prompt_id, 'sampled' AS score, count(*) FILTER (side = 'first') AS first, count(*) AS either
    FROM response JOIN prompt_option USING (prompt_id)
    WHERE run_id = $run AND number = answer
    GROUP BY ALL
    UNION ALL
    SELECT run_id, prompt_id, 'scored',
           sum(exp(logprob_sum - highest) ORDER BY number) FILTER (side = 'first'),
           sum(exp(logprob_sum - highest) ORDER BY number)
    FROM (
        SELECT *, max(logprob_sum) OVER (PARTITION BY prompt_id) AS highest FROM option_score WHERE run_id = $run
    ) JOIN prompt_option USING (prompt_id, number)
    GROUP BY run_id, prompt_id
), questions AS (
    SELECT run_id, probe_id, score,
           -- samples weigh alike whatever prompt they are of, and so do the prompts of a question that are scored
           CASE WHEN score = 'sampled' THEN sum(first) / sum(either)
               ELSE avg(first / either ORDER BY prompt_id) END AS p_first
    FROM (SELECT run_id, prompt_id, score, coalesce(first, 0) AS first, either FROM shares)
    JOIN prompt USING (run_id, prompt_id)
    GROUP BY run_id, probe_id, score
)
SELECT r.start_checkpoint_id AS checkpoint_id, p.language_id, p.probe_collection_id, q.score, q.run_id, p.question_id,
       least(greatest(q.p_first, 0), 1) AS p_first
FROM questions q
JOIN run r USING (run_id)
JOIN probe p USING (probe_id)
ORDER BY ALL
"""

_MODEL_KEY = ("checkpoint_id", "language_id", "probe_collection_id", "score")

# The mapping is put together first: that of a store's first survey comes in the same transaction, and DuckDB, which has
# no statistics of it then, would join responses by their code alone.
_COUNTRY_VALUES = """
WITH mapping AS MATERIALIZED (
    SELECT variable, response_code, question_id, side
    FROM answer_side
    WHERE codebook_id = (SELECT codebook_id FROM survey WHERE survey_id = $survey)
), shares AS (
    SELECT country_id, variable, response_code,
           unnest(['unweighted', 'weighted']) AS weighting, unnest([share, weighted_share]) AS share
    FROM survey_response
    WHERE survey_id = $survey
), sides AS (
    SELECT country_id, weighting, question_id,
           -- in one order, so that the last digit is the same in every store
           coalesce(sum(share ORDER BY response_code) FILTER (side = 'first'), 0) AS first,
           coalesce(sum(share ORDER BY response_code) FILTER (side = 'second'), 0) AS second
    FROM shares JOIN mapping USING (variable, response_code)
    GROUP BY ALL
)
SELECT country_id, weighting, question_id, first / (first + second) AS p_first
FROM sides
WHERE first + second > 0
ORDER BY ALL
"""


def answer_probes(connection: duckdb.DuckDBPyConnection, run_id: int, checkpoint_id: int) -> int:
    """Answers of a checkpoint to the probes of a run, by each way of scoring; return the rows written.

    The margin is score(first) - score(second) in nats; equal scores count for the first answer. Raises JobError
    if a probe does not have exactly one score for each of its answers.
    """
    unpaired = number(connection, _UNPAIRED, [run_id, checkpoint_id])
    if unpaired:
        raise JobError(
            f"{unpaired} probes do not have one score for each of their two answers: the job's output is incomplete.",
            "Delete the job's outputs folder, then: mlv runs resume",
        )
    return number(connection, _ANSWERS, [run_id, checkpoint_id])


def build_model_profiles(connection: duckdb.DuckDBPyConnection, checkpoint_id: int) -> int:
    """Profiles of a checkpoint from all its answers, in place of those it had; return the values written.

    One for each language, collection and way of scoring. A probe whose answers stand the other way round counts with
    1 - p_first; one whose polarity is undefined counts as it is.
    """
    connection.execute(
        "DELETE FROM profile_value "
        "WHERE profile_id IN (SELECT profile_id FROM profile WHERE checkpoint_id = ? AND run_id IS NULL)",
        [checkpoint_id],
    )
    values = frame_of(connection, _MODEL_VALUES, [checkpoint_id]).with_columns(checkpoint_id=pl.lit(checkpoint_id))
    return _store(connection, values, _MODEL_KEY)


def build_response_profiles(connection: duckdb.DuckDBPyConnection, run_id: int) -> int:
    """Profiles of what a run's respondent answered, in place of those it had; return the values written.

    Of samples the share of answers on the first side among those on either; of scores the probability of the options on
    the first side. A question none of whose samples is an answer is left out.
    """
    connection.execute(
        "DELETE FROM profile_value WHERE profile_id IN (SELECT profile_id FROM profile WHERE run_id = ?)", [run_id]
    )
    values = frame_of(connection, _RESPONSE_VALUES, {"run": run_id})
    return _store(connection, values, [*_MODEL_KEY, "run_id"])


def build_country_profiles(connection: duckdb.DuckDBPyConnection, survey_id: int) -> int:
    """Profiles of a survey's countries, weighted and unweighted if it has both; return the values written.

    A question is left out if nobody is on either side.
    """
    values = frame_of(connection, _COUNTRY_VALUES, {"survey": survey_id})
    values = values.with_columns(survey_id=pl.lit(survey_id))
    return _store(connection, values, ["survey_id", "country_id", "weighting"])


def _store(connection: duckdb.DuckDBPyConnection, values: pl.DataFrame, key: Sequence[str]) -> int:
    """Write profiles named by ``key``, and those of their values that are new."""
    profiles = values.drop("question_id", "p_first").unique(subset=key, maintain_order=True)
    ids = ensure(connection, "profile", profiles, key)
    rows = values.join(ids, on=key, maintain_order="left").select("profile_id", "question_id", "p_first")
    there = frame_of(
        connection,
        "SELECT profile_id, question_id FROM profile_value WHERE profile_id IN (SELECT unnest(?))",
        [ids["profile_id"].to_list()],
    )
    return append(connection, "profile_value", rows.join(there, on=["profile_id", "question_id"], how="anti"))
