"""What must hold in a store beyond what DuckDB enforces: the keys of fact tables, sums, files.

Fact tables carry no keys in the database (they would slow loading down tenfold), so each is checked here by anti-join
and by counting.
"""

from pathlib import Path

import duckdb

from mlv.ingest.influence import RUN_RULES, TARGET_RULES, Rules, broken
from mlv.ingest.loading import number
from mlv.ingest.projections import PLANE_RULES

REFERENCES = (
    ("segment", "corpus_id", "corpus", "corpus_id"),
    ("survey_response", "survey_id", "survey", "survey_id"),
    ("survey_response", "country_id", "country", "country_id"),
    ("probe_set_member", "probe_set_id", "probe_set", "probe_set_id"),
    ("probe_set_member", "question_id", "question", "question_id"),
    ("bootstrap", "probe_set_id", "probe_set", "probe_set_id"),
    ("bootstrap_draw", "probe_set_id", "bootstrap", "probe_set_id"),
    ("reject", "ingest_file_id", "ingest_file", "ingest_file_id"),
    ("run", "start_checkpoint_id", "checkpoint", "checkpoint_id"),
    ("run", "parent_run_id", "run", "run_id"),
    ("checkpoint", "run_id", "run", "run_id"),
    ("run_corpus", "run_id", "run", "run_id"),
    ("run_corpus", "corpus_id", "corpus", "corpus_id"),
    ("run_event", "run_id", "run", "run_id"),
    ("metric", "run_id", "run", "run_id"),
    ("training_example", "run_id", "run", "run_id"),
    ("training_example", "segment_id", "segment", "segment_id"),
    ("probe_logit", "run_id", "run", "run_id"),
    ("probe_logit", "checkpoint_id", "checkpoint", "checkpoint_id"),
    ("probe_logit", "probe_id", "probe", "probe_id"),
    ("probe_answer", "run_id", "run", "run_id"),
    ("probe_answer", "checkpoint_id", "checkpoint", "checkpoint_id"),
    ("probe_answer", "probe_id", "probe", "probe_id"),
    ("profile", "checkpoint_id", "checkpoint", "checkpoint_id"),
    ("profile", "language_id", "language", "language_id"),
    ("profile", "probe_collection_id", "probe_collection", "probe_collection_id"),
    ("profile", "survey_id", "survey", "survey_id"),
    ("profile", "country_id", "country", "country_id"),
    ("profile_value", "profile_id", "profile", "profile_id"),
    ("profile_value", "question_id", "question", "question_id"),
    ("influence_run", "run_id", "run", "run_id"),
    ("influence_run", "traced_run_id", "run", "run_id"),
    ("influence_target", "run_id", "influence_run", "run_id"),
    ("influence_target", "probe_id", "probe", "probe_id"),
    ("influence_ranking", "influence_target_id", "influence_target", "influence_target_id"),
    ("influence_ranking", "training_example_id", "training_example", "training_example_id"),
    ("influence_summary", "influence_target_id", "influence_target", "influence_target_id"),
    ("influence_summary", "language_id", "language", "language_id"),
    ("influence_validation", "run_id", "influence_run", "run_id"),
    ("influence_validation", "probe_id", "probe", "probe_id"),
    ("projection_run", "run_id", "run", "run_id"),
    ("projection_run", "probe_set_id", "probe_set", "probe_set_id"),
    ("projected_profile", "run_id", "projection_run", "run_id"),
    ("projected_profile", "profile_id", "profile", "profile_id"),
)
"""(table, column, parent table, parent column): every value of the column is in the parent."""

_UNIQUE = (
    ("segment", "segment_id"),
    ("segment", "corpus_id, position"),
    ("segment", "corpus_id, parallel_key"),
    ("survey_response", "survey_id, country_id, variable, response_code"),
    ("probe_set_member", "probe_set_id, question_id"),
    ("bootstrap_draw", "probe_set_id, resample, question_id"),
    ("run_corpus", "run_id, corpus_id"),
    ("run_event", "run_id, position"),
    ("metric", "run_id, name, step"),
    ("training_example", "training_example_id"),
    ("training_example", "run_id, position"),
    ("probe_logit", "checkpoint_id, probe_id, answer"),
    ("probe_answer", "checkpoint_id, probe_id, score"),
    ("profile_value", "profile_id, question_id"),
    ("projected_profile", "run_id, profile_id"),
)
"""(table, columns): no two rows have the same values. Those of influence tables are among the rules of their own."""

_CONDITIONS: Rules = (
    ("runs whose deletion was interrupted", "SELECT count(*) FROM run WHERE status = 'deleting'"),
    (
        "survey cells whose shares sum to more than 1",
        "SELECT count(*) FROM (SELECT sum(share) AS share, sum(weighted_share) AS weighted FROM survey_response "
        "GROUP BY survey_id, country_id, variable) WHERE share > 1.005 OR weighted > 1.005",
    ),
    (
        "answers that do not follow from the logits",
        "SELECT count(*) FROM probe_answer a JOIN probe_logit b ON b.checkpoint_id = a.checkpoint_id "
        "AND b.probe_id = a.probe_id AND b.answer = 1 JOIN probe_logit c ON c.checkpoint_id = a.checkpoint_id "
        "AND c.probe_id = a.probe_id AND c.answer = 2 "
        "WHERE abs(a.margin - CASE a.score WHEN 'sum' THEN b.logprob_sum - c.logprob_sum "
        "WHEN 'mean' THEN b.logprob_sum / b.tokens - c.logprob_sum / c.tokens "
        "ELSE b.logprob_first - c.logprob_first END) > 1e-9",
    ),
    (
        "probed checkpoints whose answers are incomplete",
        "SELECT count(*) FROM (SELECT checkpoint_id, probe_id FROM probe_logit GROUP BY ALL) "
        "ANTI JOIN probe_answer USING (checkpoint_id, probe_id)",
    ),
    (
        "profiles that do not have one value for each answer",
        "SELECT count(*) FROM (SELECT checkpoint_id, language_id, probe_collection_id, score, count(*) AS n "
        "FROM probe_answer JOIN probe USING (probe_id) GROUP BY ALL) a FULL JOIN "
        "(SELECT f.checkpoint_id, f.language_id, f.probe_collection_id, f.score, count(v.question_id) AS n "
        "FROM profile f LEFT JOIN profile_value v USING (profile_id) WHERE f.checkpoint_id IS NOT NULL GROUP BY ALL) b "
        "USING (checkpoint_id, language_id, probe_collection_id, score) WHERE a.n IS DISTINCT FROM b.n",
    ),
    (
        "projection runs without a row in projection_run",
        "SELECT count(*) FROM run ANTI JOIN projection_run USING (run_id) "
        "WHERE kind = 'project' AND status = 'committed'",
    ),
    (
        "resampled questions that the probe set lacks",
        "SELECT count(*) FROM bootstrap_draw ANTI JOIN probe_set_member USING (probe_set_id, question_id)",
    ),
    (
        "probe sets without their resamples",
        "SELECT count(*) FROM (SELECT DISTINCT probe_set_id FROM probe_set_member) "
        "LEFT JOIN bootstrap USING (probe_set_id) LEFT JOIN (SELECT probe_set_id, count(DISTINCT resample) AS drawn "
        "FROM bootstrap_draw GROUP BY ALL) USING (probe_set_id) WHERE drawn IS NULL OR drawn <> resamples",
    ),
    (
        "resamples that have not as many draws as the probe set has questions",
        "SELECT count(*) FROM (SELECT probe_set_id, resample, sum(times) AS draws FROM bootstrap_draw GROUP BY ALL) "
        "JOIN (SELECT probe_set_id, count(*) AS questions FROM probe_set_member GROUP BY ALL) USING (probe_set_id) "
        "WHERE draws <> questions",
    ),
    (
        "influence or validation runs without a row in influence_run",
        "SELECT count(*) FROM run ANTI JOIN influence_run USING (run_id) "
        "WHERE kind IN ('influence', 'validate') AND status = 'committed'",
    ),
    (
        "ranked examples that the traced run did not train on",
        "SELECT count(*) FROM influence_ranking g JOIN influence_target USING (influence_target_id) "
        "JOIN influence_run i USING (run_id) JOIN training_example e USING (training_example_id) "
        "WHERE e.run_id <> i.traced_run_id OR e.split <> 'train'",
    ),
    (
        "training runs without a last checkpoint",
        "SELECT count(*) FROM run WHERE kind IN ('pretrain', 'finetune') AND status = 'committed' "
        "AND run_id NOT IN (SELECT run_id FROM checkpoint WHERE is_final AND run_id IS NOT NULL)",
    ),
)


def missing_checkpoints(connection: duckdb.DuckDBPyConnection, store: Path) -> list[str]:
    """Sentences about checkpoints of runs whose folder is gone."""
    rows = connection.execute("SELECT path FROM checkpoint WHERE run_id IS NOT NULL ORDER BY path").fetchall()
    folder = store.resolve().parent
    return [f"the checkpoint at {path} is gone" for (path,) in rows if not (folder / str(path)).is_dir()]


def violations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Sentences about what does not hold; empty where all is in order."""
    found = []
    for table, column, parent, key in REFERENCES:
        orphans = number(
            connection,
            f"SELECT count(*) FROM {table} t WHERE t.{column} IS NOT NULL "
            f'AND t.{column} NOT IN (SELECT {key} FROM "{parent}")',
        )
        if orphans:
            found.append(f"{orphans:,} rows of {table} have a {column} that {parent} lacks")
    for table, columns in _UNIQUE:
        doubled = number(
            connection, f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {columns} HAVING count(*) > 1)"
        )
        if doubled:
            found.append(f"{doubled:,} values of ({columns}) occur more than once in {table}")
    return found + broken(connection, (*_CONDITIONS, *RUN_RULES, *TARGET_RULES, *PLANE_RULES))
