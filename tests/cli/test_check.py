"""`mlv db check`: every rule can be broken, and its result as text, JSON and HTML."""

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
from answered import API, ask_played
from command_line import Mlv
from played_study import play
from tiny_study import demo_store, ingest_survey
from traced_study import add_runs

from mlv.cli import edge
from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.rules.evaluation import evaluate
from mlv.ingest.rules.generated import ORIGIN
from mlv.ingest.rules.rulebook import packaged
from mlv.ingest.upkeep.check import TEMPORARY
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.store.opening import connect

DEMO = Path(str(files("mlv.ingest") / "demo"))
DOCS = Path(__file__).parents[2] / "docs" / "checks.md"

RULES = {rule.name: rule for rule in packaged() if rule.query and rule.table not in TEMPORARY}

KEYS = [
    name
    for name, rule in RULES.items()
    if "-unique-" in name or (rule.origin == ORIGIN and name.removeprefix(f"{rule.table}-").endswith("_id"))
]
"""Rules of unique columns and of references."""

VALIDATION = "INSERT INTO validation_run SELECT run_id, traced_run_id, 'margin', 1, 1 FROM influence_run"

TASK = (
    "INSERT INTO task SELECT 900, 't', min(source_id), '', 'x', '{}' FROM source; "
    "INSERT INTO task_label VALUES (901, 900, 'a', 1, 'A'), (902, 900, 'b', 2, 'B')"
)
CLASSIFIED = (
    f"{TASK}; INSERT INTO classification_run SELECT run_id, 900, 1, 'xx', language_id, 50 "
    "FROM run_corpus JOIN corpus USING (corpus_id) LIMIT 1"
)
PREDICTED = f"{TASK}; INSERT INTO prediction_run SELECT min(run_id), 900 FROM run"
LOGITS = (
    f"{PREDICTED}; INSERT INTO class_logit SELECT r.run_id, min(checkpoint_id), min(segment_id), 1, 0, 0, NULL "
    "FROM prediction_run r, checkpoint, segment GROUP BY r.run_id"
)

TRACED_TEXT = "UPDATE influence_target SET probe_id = NULL, segment_id = (SELECT min(segment_id) FROM segment)"

EPOCH_TESTS = (
    "INSERT INTO influence_target SELECT 900 + step, run_id, probe_id, segment_id, step, answer, value "
    "FROM (FROM influence_target LIMIT 1), range(1, 3) e(step); "
    "INSERT INTO influence_epoch_test VALUES (901, 902, 9, 0.5, 0.6)"
)

PRUNED = (
    f"{CLASSIFIED}; "
    "INSERT INTO mask SELECT mask_id, sha256('1x2:' || bits), 1, 2, enabled, bits "
    "FROM (VALUES (901, '8', 1), (902, '4', 1), (903, 'c', 2)) m(mask_id, bits, enabled); "
    "INSERT INTO mask_head VALUES (901, 1, 1, TRUE), (901, 1, 2, FALSE), (902, 1, 1, FALSE), (902, 1, 2, TRUE), "
    "(903, 1, 1, TRUE), (903, 1, 2, TRUE); "
    "INSERT INTO run SELECT r.* REPLACE (900 AS run_id, 'prune' AS kind, 'prune-0' AS name, 'p' AS spec_hash, "
    "'{\"threshold\":0.9}' AS spec, r.run_id AS parent_run_id) FROM run r SEMI JOIN classification_run USING (run_id); "
    "INSERT INTO pruning_run SELECT 900, task_id, added_language_id, 8, 4, 0.75 FROM classification_run; "
    "INSERT INTO pruning_step VALUES (900, 1, 1, 0.75, TRUE); "
    "INSERT INTO head_importance VALUES (900, 1, 1, 1, 0.5, FALSE), (900, 1, 1, 2, 0.25, TRUE); "
    "INSERT INTO subnetwork SELECT 901, 'prune-0', 901, 'pruned', 900, language_id, NULL, NULL FROM pruning_run; "
    "INSERT INTO subnetwork VALUES (902, 'shuffled(prune-0,1)', 902, 'shuffled', NULL, NULL, NULL, 1), "
    "(903, 'union(prune-0,shuffled(prune-0,1))', 903, 'union', NULL, NULL, NULL, NULL); "
    "INSERT INTO subnetwork_part VALUES (902, 901), (903, 901), (903, 902)"
)
"""A subnetwork of one of two heads, its shuffle and their union."""

UNDER_MASK = (
    f"{PRUNED}; INSERT INTO run_mask SELECT i.run_id, p.language_id, 901, 'prune-0' FROM influence_run i, pruning_run p"
)
MASKED_LOGITS = f"{PRUNED}; {LOGITS.removeprefix(f'{TASK}; ')}; UPDATE class_logit SET mask_id = 901"

COMPLETED = (
    "INSERT INTO group_list VALUES (901, 'own'), (902, 'other'); "
    "INSERT INTO social_group VALUES (901, 901, 'craft', 'bakers', 'people'); "
    "INSERT INTO social_group VALUES (902, 902, 'craft', 'bakers', 'people'); "
    "INSERT INTO cloze SELECT 900 + i, 901, min(language_id), 'mine', NULL, 'bakers are [MASK] ' || i, NULL "
    "FROM language, range(1, 3) r(i) GROUP BY i; "
    "INSERT INTO lexicon VALUES (901, 'own', 'own', '', TRUE, 'joy', TRUE, 'x'); "
    "INSERT INTO lexicon_value VALUES (901, 'warm', 'joy', 1), (901, 'tall', 'joy', 0); "
    "INSERT INTO run SELECT r.* REPLACE (900 + i AS run_id, 'complete' AS kind, 'complete-' || i AS name, "
    "'c' || i AS spec_hash, (SELECT min(checkpoint_id) FROM checkpoint) AS start_checkpoint_id) "
    "FROM (FROM run WHERE kind = 'finetune' LIMIT 1) r, range(1, 3) t(i); "
    "INSERT INTO completion_run VALUES (901, 901, 'one_mask', 2), (902, 901, 'published', 2); "
    "INSERT INTO completion VALUES (901, 901, 1, 'warm', 5, -1, -2, 1), (901, 901, 2, 'tall', 7, -1, -1.5, 2), "
    "(902, 901, 1, 'warm', 5, -1, NULL, NULL); "
    "INSERT INTO emotion_score VALUES (901, 901, 901, 'joy', 2, 2, 0.5), (902, 901, 901, 'joy', 1, 1, 1)"
)
"""A sentence that a model completed in two runs, under two priors."""

PEOPLE_SAY = (
    f"{COMPLETED}; INSERT INTO stereotype_collection "
    "SELECT 901, 'own', 901, min(language_id), 'own', '', 'x' FROM language; "
    "INSERT INTO cloze SELECT 903, 901, min(language_id), 'own', 901, 'bakers seem [MASK]', NULL FROM language; "
    "INSERT INTO stereotype VALUES (901, 1, 903, 'warm', 1, '')"
)

EMPTY = {
    "task": TASK,
    "classification_run": CLASSIFIED,
    "prediction_run": PREDICTED,
    "class_logit": LOGITS,
    "influence_overlap": "INSERT INTO influence_overlap SELECT min(influence_target_id), max(influence_target_id), "
    "'positive', 3 FROM influence_target",
    "influence_epoch_test": EPOCH_TESTS,
    "reject": "INSERT INTO reject VALUES (1, 0, 7, '', 'a reason', '')",
    "validation_result": f"{VALIDATION}; INSERT INTO validation_result "
    "SELECT run_id, 'lds', 'margin', 'trak', 1, 1, 'same', NULL, NULL, NULL, 0, 8, 1, NULL FROM influence_run",
    "validation_lds": f"{VALIDATION}; INSERT INTO validation_lds SELECT run_id, 'lds', 'margin', 'trak', 'same', 1, "
    "1, 8, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM influence_run",
    "validation_run": VALIDATION,
    **dict.fromkeys(("mask", "mask_head", "subnetwork", "subnetwork_part"), PRUNED),
    **dict.fromkeys(("pruning_run", "pruning_step", "head_importance"), PRUNED),
    "run_mask": UNDER_MASK,
    **dict.fromkeys(
        (
            "social_group",
            "lexicon",
            "cloze",
            "lexicon_value",
            "completion_run",
            "completion",
            "emotion_score",
        ),
        COMPLETED,
    ),
    **dict.fromkeys(("stereotype_collection", "stereotype"), PEOPLE_SAY),
}
"""Tables of which the study has no rows, and how they get one."""


FILLED = {
    "influence_target-segment_id": TRACED_TEXT,
    "class_logit-mask_id": MASKED_LOGITS,
    "cloze-stereotype_collection_id": PEOPLE_SAY,
}
"""By rule of a reference that rows are mostly without, how they get it."""

TWICE = {
    "subnetwork": "INSERT INTO subnetwork SELECT * REPLACE (987654 AS subnetwork_id) FROM subnetwork LIMIT 1",
    "checkpoint": "INSERT INTO checkpoint SELECT * REPLACE (987654 AS checkpoint_id) FROM checkpoint "
    "WHERE run_id IS NULL LIMIT 1",
    "profile": "INSERT INTO profile SELECT p.* REPLACE (NULL AS language_id, 987654 + i AS profile_id) "
    "FROM (FROM profile WHERE checkpoint_id IS NOT NULL LIMIT 1) p, range(2) r(i)",
}
"""How a row of a table comes to be there twice, where DuckDB refuses an exact copy."""


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in which models are played: probes, a survey, two corpora, runs, a trace and a projection."""
    folder = tmp_path_factory.mktemp("base")
    mlv = demo_store(folder)
    ingest_survey(mlv)
    runs = add_runs(mlv.store)
    (folder / "nano").mkdir()
    JobDirectory(folder / "jobs" / runs.traced).update_provenance(model_paths={"nano": str(folder / "nano")})
    assert mlv("compute", "influence", runs.traced, "--top-k", "4", "--plan-only").code == 0
    (job,) = map(JobDirectory, (folder / "jobs").glob("influence-*"))
    play(job)
    with connect(mlv.store, read_only=False) as connection:
        commit_job(connection, job, mlv.store)
    assert mlv("compute", "pca", "--language", "fa,ko").code == 0
    ask_played(mlv, *API, "--language", "fa", "--strategy", "chrf", "--samples", "3", "--scored")
    return folder


@pytest.fixture(scope="module")
def store(_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose transaction is rolled back after each use."""
    path = shutil.copyfile(_base / "mlv.duckdb", tmp_path_factory.mktemp("rules") / "mlv.duckdb")
    with connect(Path(path), read_only=False) as connection:
        yield connection


def _broken_by(store: duckdb.DuckDBPyConnection, name: str, statement: str) -> int:
    """Rows that break a rule after a statement, which is then undone."""
    store.execute("BEGIN")
    try:
        store.execute(statement)
        (outcome,) = evaluate(store, [RULES[name]])
    finally:
        store.execute("ROLLBACK")
    assert outcome.error == ""
    assert outcome.examples or not outcome.violations
    return outcome.violations


def test_a_study_in_order_keeps_all_rules(store: duckdb.DuckDBPyConnection) -> None:
    outcomes = evaluate(store, [rule for rule in packaged() if rule.table not in TEMPORARY])
    assert [outcome.sentence for outcome in outcomes if not outcome.ok] == []
    assert {outcome.rule.table for outcome in outcomes if not outcome.checked} == set(EMPTY)


@pytest.mark.parametrize("name", KEYS)
def test_every_key_and_reference_is_looked_at(store: duckdb.DuckDBPyConnection, name: str) -> None:
    rule = RULES[name]
    filled = FILLED.get(name, EMPTY.get(rule.table, "SELECT 1"))
    assert _broken_by(store, name, filled) == 0
    column = name.removeprefix(f"{rule.table}-")
    if "-unique-" not in name:
        last = f"(SELECT max(rowid) FROM {rule.table} WHERE {column} IS NOT NULL)"
        lost = f"UPDATE {rule.table} SET {column} = 987654 WHERE rowid = {last}"
        assert _broken_by(store, name, f"{filled}; {lost}") == 1
    else:
        again = TWICE.get(rule.table, f"INSERT INTO {rule.table} FROM {rule.table} LIMIT 1")
        assert _broken_by(store, name, f"{filled}; {again}") == 2


BREAKING = {
    "survey-share-there": "UPDATE survey_response SET share = NULL WHERE response_code = 1",
    "survey-share-range": None,
    "survey-weighted-share-range": None,
    "survey-count-range": "UPDATE survey_response SET n = -1",
    "survey-shares-sum": "UPDATE survey_response SET share = 1",
    "survey-shares-follow-from-counts": "UPDATE survey_response SET n = 7 * response_code",
    "survey-shares-follow-from-weights": "UPDATE survey_response SET weighted_n = 2, weighted_share = 0.9",
    "survey-profile-follows-from-shares": "UPDATE survey_response SET share = 0.1 WHERE response_code = 1",
    "probe-once": None,
    "probe-has-a-mask": "UPDATE probe SET template = 'Familie ist wichtig'",
    "probe-has-one-mask": "UPDATE probe SET template = concat(template, chr(10), template)",
    "probe-first-answer": "UPDATE probe SET answer_first = chr(12288)",
    "probe-second-answer": "UPDATE probe SET answer_second = ''",
    "probe-polarity": None,
    "probe-answers-differ": "UPDATE probe SET answer_second = answer_first",
    "probe-set-question-has-a-probe": "INSERT INTO probe_set_member SELECT 1, max(question_id), 'new' FROM question",
    "resample-battery-in-set": "UPDATE bootstrap_draw SET battery = 'none' WHERE resample = 7",
    "probe-set-has-resamples": "DELETE FROM bootstrap_draw WHERE resample = 7",
    "resample-has-all-draws": "UPDATE bootstrap_draw SET times = times + 1 WHERE resample = 7",
    "segment-key-there": None,
    "segment-key-not-empty": "UPDATE segment SET parallel_key = ' ' WHERE position = 3",
    "segment-text-there": None,
    "segment-text-form": "UPDATE segment SET text = text || ' ' WHERE position = 3",
    "segment-positions-complete": "DELETE FROM segment WHERE position = 3",
    "segment-pair-form": "UPDATE segment SET text_pair = ' so' WHERE position = 3",
    "segment-label-form": "UPDATE segment SET label = '' WHERE position = 3",
    "task-classes-complete": f"{TASK}; UPDATE task_label SET class_number = 3 WHERE task_label_id = 902",
    "classification-run-there": "UPDATE run SET kind = 'classify' WHERE kind = 'finetune'",
    "trained-label-known": CLASSIFIED,
    "left-out-language-not-trained-on": f"{CLASSIFIED}; UPDATE classification_run SET left_out = concat('ab,', ("
    'SELECT code FROM "language" WHERE language_id = added_language_id))',
    "class-logits-complete": LOGITS,
    "mask-bits": f"{PRUNED}; UPDATE mask_head SET enabled = NOT enabled WHERE mask_id = 901",
    "mask-in-use": f"{PRUNED}; DELETE FROM subnetwork WHERE mask_id = 903",
    "subnetwork-parts": f"{PRUNED}; DELETE FROM subnetwork_part WHERE part_subnetwork_id = 902",
    "subnetwork-derived": f"{PRUNED}; UPDATE subnetwork SET mask_id = 903 WHERE origin = 'shuffled'",
    "pruning-run-there": f"{PRUNED}; DELETE FROM pruning_run",
    "pruning-run-of-its-classifier": f"{PRUNED}; UPDATE pruning_run SET task_id = 901",
    "pruning-monotone": f"{PRUNED}; UPDATE pruning_step SET enabled = 2",
    "pruning-kept-score": f"{PRUNED}; UPDATE pruning_step SET score = 0.6",
    "head-importance-complete": f"{PRUNED}; DELETE FROM head_importance WHERE NOT disabled",
    "pruned-mask-of-its-steps": f"{PRUNED}; UPDATE head_importance SET disabled = NOT disabled",
    "class-logits-under-the-mask": MASKED_LOGITS,
    "run-mask-languages": f"{UNDER_MASK}; UPDATE run_mask SET language_id = "
    '(SELECT language_id FROM "language" ANTI JOIN corpus USING (language_id) LIMIT 1)',
    "influence-run-masks": UNDER_MASK,
    "influence-target-has-its-mask": f"{TRACED_TEXT}; {UNDER_MASK}; UPDATE run_mask SET language_id = -1",
    "segment-text-normal": "UPDATE segment SET text = 'u' || chr(776) WHERE position = 3",
    "corpus-checksum": "UPDATE segment SET text = text || 'x' WHERE position = 3",
    "ingest-file-rejects": "UPDATE ingest_file SET rows_rejected = 5",
    "corpus-came-from-a-file": "DELETE FROM segment WHERE position = 239",
    "run-deletion-finished": "UPDATE run SET status = 'deleting' WHERE run_id = 1",
    "run-name": "UPDATE run SET name = 'finetune-000000000000' WHERE run_id = 1",
    "run-times": "UPDATE run SET finished_at = started_at - INTERVAL 1 HOUR WHERE run_id = 1",
    "run-last-checkpoint": "UPDATE checkpoint SET is_final = false WHERE run_id = 1",
    "run-examples": "DELETE FROM training_example WHERE position = 3",
    "metric-finite": "UPDATE metric SET value = 'nan'",
    "run-kind": "UPDATE run SET kind = 'other' WHERE run_id = 1",
    "pca-run-there": "DELETE FROM pca_run",
    "pca-points-centred": "UPDATE pca_point SET x = x + 1",
    "pca-shares-of-variance": "UPDATE pca_run SET explained_y = 2",
    "influence-run-there": "DELETE FROM influence_run",
    "influence-run-examines-what-it-traces": "UPDATE influence_run SET traced_run_id = run_id",
    "influence-run-examples": "UPDATE influence_run SET examples = 1",
    "influence-target-answer": "UPDATE influence_target SET answer = 3",
    "influence-target-class": f"{CLASSIFIED}; {TRACED_TEXT}",
    "influence-target-told-right": f"{LOGITS}; {TRACED_TEXT}; UPDATE influence_run SET selection = 'correct'; "
    "UPDATE segment SET label = 'b' WHERE segment_id = (SELECT min(segment_id) FROM class_logit); "
    "UPDATE class_logit SET checkpoint_id = (SELECT start_checkpoint_id FROM run JOIN influence_run USING (run_id))",
    "influence-target-finite": "UPDATE influence_target SET value = 'inf'",
    "influence-target-ranked": "DELETE FROM influence_ranking",
    "influence-target-sums-complete": "DELETE FROM influence_summary",
    "ranked-score-finite": "UPDATE influence_ranking SET score = 'nan' WHERE rank = 1",
    "ranked-in-order": "DELETE FROM influence_ranking WHERE rank = 1",
    "ranked-once": "UPDATE influence_ranking SET training_example_id = 1",
    "ranked-within-top-k": "UPDATE influence_run SET top_k = 1",
    "influence-sums-mean": "UPDATE influence_summary SET score_max = score_min - 1",
    "influence-histogram-sums": "UPDATE influence_histogram SET n = n + 1",
    "influence-histogram-ends": "UPDATE influence_histogram SET bin = bin + 1",
    "influence-bin-width": "UPDATE influence_run SET bin_width = 0",
    "epoch-test-of-one-item": f"{EPOCH_TESTS}; UPDATE influence_target SET epoch = 2 WHERE epoch = 1",
    "epoch-test-range": f"{EPOCH_TESTS}; UPDATE influence_epoch_test SET p = 1.1",
    "epoch-tests-complete": f"{EPOCH_TESTS}; DELETE FROM influence_epoch_test",
    "influence_language-derived": "UPDATE influence_language SET translated = 7",
    "influence_overlap-derived": EMPTY["influence_overlap"],
    "validation-run-there": "UPDATE run SET kind = 'validate' WHERE kind = 'influence'",
    "validation-run-examines-what-it-retrains": VALIDATION.replace("traced_run_id", "run_id"),
    "validation-run-examples": VALIDATION,
    "validation-value-range": f"{EMPTY['validation_result']}; UPDATE validation_result SET value = 1.1",
    "validation-fits-its-test": f"{EMPTY['validation_result']}; UPDATE validation_result SET k = 50",
    "validation-reference-fits": f"{EMPTY['validation_result']}; UPDATE validation_result SET reference = 0.5",
    "validation-seed-fits-its-test": f"{EMPTY['validation_result']}; UPDATE validation_result SET seed = 1",
    "validation-lds-range": f"{EMPTY['validation_lds']}; UPDATE validation_lds SET lds_low = 0.5, lds_high = 0.25",
    "validation-lds-of-its-probes": EMPTY["validation_lds"],
    "logit-answer": "UPDATE probe_logit SET answer = 3 WHERE answer = 2",
    "logit-logprob-range": "UPDATE probe_logit SET logprob_first = 0.5 WHERE probe_id = 1",
    "answer-follows-from-logits": "UPDATE probe_logit SET logprob_sum = -9.9 WHERE answer = 1",
    "answer-follows-from-margin": "UPDATE probe_answer SET answer = 3 - answer",
    "answer-probabilities-sum": "UPDATE probe_answer SET p_first = p_first + 1e-6 WHERE probe_id = 1",
    "response-run-there": "DELETE FROM response_run",
    "response-run-asks-somebody": "UPDATE run SET start_checkpoint_id = NULL WHERE kind = 'respond'",
    "prompt-of-its-run": "UPDATE response_run SET language_id = (SELECT language_id FROM language WHERE code = 'ko')",
    "prompts-have-all-samples": "UPDATE response_run SET samples = 4",
    "options-complete": "UPDATE prompt_option SET place = 1",
    "probe-options-are-its-answers": "UPDATE prompt_option SET side = 'first'",
    "demonstrations-of-their-run": "UPDATE response_run SET demonstrations = 1",
    "demonstrations-numbered": "DELETE FROM demonstration WHERE position = 1",
    "demonstrated-answer-is-the-survey's": "UPDATE demonstration SET answer = 3 - answer",
    "responses-complete": "DELETE FROM response WHERE sample = 1",
    "answer-was-offered": "UPDATE response SET answer = 3 WHERE answer IS NOT NULL",
    "response-logprob-range": "UPDATE response SET logprob = 0.5",
    "option-scores-complete": "DELETE FROM option_score WHERE number = 2",
    "option-score-range": "UPDATE option_score SET logprob_first = -9",
    "profile-follows-from-responses": "UPDATE option_score SET logprob_sum = logprob_sum * number",
    "answers-complete": "DELETE FROM probe_answer WHERE probe_id = 1",
    "profile-complete": "DELETE FROM profile_value WHERE question_id = 1",
    "profile-follows-from-answers": "UPDATE profile_value SET p_first = 1 - p_first",
    "ranked-example-trained-on": "UPDATE training_example SET split = 'development'",
    "influence-squares": "UPDATE influence_summary SET score_sum_squares = 0",
    "contributions-sum": "UPDATE influence_language SET examples = examples + 1",
    "completion-run-there": f"{COMPLETED}; DELETE FROM completion_run",
    "completions-of-their-list": f"{COMPLETED}; UPDATE cloze SET social_group_id = 902",
    "completions-ranked": f"{COMPLETED}; UPDATE completion SET typicality_rank = 1 WHERE run_id = 901",
    "completions-differ": f"{COMPLETED}; UPDATE completion SET attribute = 'warm'",
    "completions-fall": f"{COMPLETED}; UPDATE completion SET typicality_rank = 3 - typicality_rank",
    "completed-once": f"{COMPLETED}; UPDATE completion_run SET prior = 'one_mask'",
    "cloze-places": f"{COMPLETED}; "
    "INSERT INTO cloze SELECT 904, 901, min(language_id), 'mine', NULL, 'bakers', NULL FROM language",
    "stereotype-words": f"{PEOPLE_SAY}; UPDATE stereotype SET attribute = 'warm and kind'",
    "stereotype-of-its-collection": f"{PEOPLE_SAY}; UPDATE stereotype_collection SET group_list_id = 902",
    "lexicon-complete": f"{COMPLETED}; DELETE FROM lexicon_value WHERE word = 'tall'",
    "emotion_score-derived": f"{COMPLETED}; UPDATE emotion_score SET covered = 1",
}
"""By rule, what breaks it; None where DuckDB itself refuses such rows."""


@pytest.mark.parametrize("name", [name for name in RULES if name not in KEYS])
def test_every_rule_can_be_broken(store: duckdb.DuckDBPyConnection, name: str) -> None:
    if (statement := BREAKING[name]) is not None:
        assert _broken_by(store, name, statement) > 0


@pytest.mark.parametrize("name", [name for name, breaks in BREAKING.items() if PRUNED in str(breaks)])
def test_a_pruned_subnetwork_and_what_is_derived_from_it_keep_the_rules(
    store: duckdb.DuckDBPyConnection, name: str
) -> None:
    assert _broken_by(store, name, PRUNED) == 0


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("survey-share-range", "UPDATE survey_response SET share = 1.5"),
        ("survey-weighted-share-range", "UPDATE survey_response SET weighted_share = -0.5"),
        ("probe-once", "UPDATE probe SET language_id = 1"),
        ("probe-polarity", "UPDATE probe SET polarity = 'odd'"),
        ("segment-key-there", "UPDATE segment SET parallel_key = NULL"),
        ("segment-text-there", "UPDATE segment SET text = NULL"),
    ],
)
def test_what_duckdb_refuses_by_itself(store: duckdb.DuckDBPyConnection, name: str, statement: str) -> None:
    assert BREAKING[name] is None
    with pytest.raises(duckdb.ConstraintException):
        _broken_by(store, name, statement)


def test_a_script_reads_a_record_for_each_rule(mlv: Mlv) -> None:
    done = mlv("db", "check", "--format", "json")
    assert done.code == 0, done.out
    records = json.loads(done.out)
    assert len(records) == sum(bool(rule.query) for rule in packaged())
    assert all(record["ok"] for record in records)
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE probe_answer SET p_first = 0.9 WHERE checkpoint_id = 1 AND probe_id < 3")
    broken = mlv("db", "check", "--format", "json")
    assert broken.code == edge.ExitCode.STORE
    by_name = {record["name"]: record for record in json.loads(broken.out)}
    record = by_name["answer-probabilities-sum"]
    assert record["says"] == "no probes whose two answers' probabilities do not sum to 1"
    assert (record["ok"], record["violations"], record["table"]) == (False, 6, "probe_answer")
    assert mlv.rows("SELECT count(*) FROM probe_answer") == [(record["checked"],)]
    assert [example["score"] for example in record["examples"]] == ["first", "mean", "sum"]
    text = mlv("db", "check")
    assert text.code == edge.ExitCode.STORE
    assert "6 probes whose two answers' probabilities do not sum to 1, e.g. checkpoint_id=1, probe_id=1" in text.out


class _Page(HTMLParser):
    """What a page says and refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said, self.links, self.open = "", list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def test_a_person_reads_a_page_that_needs_nothing_but_itself(mlv: Mlv) -> None:
    assert mlv("db", "check", "-o", str(mlv.folder / "check.html")).code == 0
    page = _Page((mlv.folder / "check.html").read_text(encoding="utf-8"))
    assert re.search(r"In order: all \d+ rules are kept", page.said)
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE segment SET text = '<script>alert(1)</script> ' WHERE segment_id = 1")
    assert mlv("db", "check", "-o", str(mlv.folder / "check.html")).code == edge.ExitCode.STORE
    text = (mlv.folder / "check.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert (page.links, page.open) == ([], [])
    assert "2 of " in page.said
    assert "1 rows of segment do not keep this rule: text is not empty and has no stray white space" in page.said
    assert "<script>alert(1)</script>" in page.said
    assert "<script>" not in text
    assert all(rule.says in page.said for rule in packaged() if rule.query)


def test_files_that_are_gone_or_of_another_job_are_found(mlv: Mlv) -> None:
    jobs = mlv.folder / "jobs"
    one, other = sorted(jobs.glob("probe-*"))[:2]
    (one / "outputs" / "probe_logits.parquet").unlink()
    shutil.copyfile(one / "job.json", other / "job.json")
    gone = next(jobs.glob("influence-*"))
    shutil.rmtree(gone)
    done = mlv("db", "check")
    assert done.code == edge.ExitCode.STORE
    assert sorted(done.out.splitlines()) == [
        "1 outputs of runs that are gone from their job directories, e.g. "
        f"jobs/{one.name}/outputs/probe_logits.parquet is gone",
        f"2 job directories of runs that are gone, or of another job, e.g. jobs/{gone.name} is gone; jobs/{other.name} "
        "is of another job",
    ]


def test_checksums_of_checkpoints_and_sources_are_compared_if_asked(mlv: Mlv) -> None:
    sources = shutil.copytree(DEMO, mlv.folder / "sources")
    journal = mlv.folder / "mlv.duckdb.journal.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8").replace(str(DEMO), str(sources)), encoding="utf-8")
    played = mlv("db", "check", "--files", "--format", "json")
    found = {record["name"]: record["violations"] for record in json.loads(played.out) if not record["ok"]}
    # the checkpoints of a play have no weights, and digests that were made up
    assert found == {"checkpoint-checksum": 6}
    (sources / "survey.csv").unlink()
    with (sources / "probes" / "wvs" / "ru.csv").open("a") as probes:
        probes.write("x\n")
    assert mlv("db", "check").code == 0
    changed = mlv("db", "check", "--files")
    assert f"{sources}/survey.csv is gone" in changed.out
    assert f"path={sources}/probes/wvs/ru.csv, " in changed.out


def test_a_specification_that_was_changed_is_found(mlv: Mlv) -> None:
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE run SET spec = replace(spec, '\"seed\":1', '\"seed\":7') WHERE kind = 'finetune'")
    done = mlv("db", "check")
    assert "2 runs whose hash is not that of their specification, e.g. name=finetune-" in done.out


def test_a_difference_of_the_schema_is_found(mlv: Mlv) -> None:
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("CREATE TABLE notes (text VARCHAR)")
        connection.execute("DROP VIEW v_reject")
    done = mlv("db", "check")
    assert done.code == edge.ExitCode.STORE
    assert "differences from the schema of this version, e.g. ('remove_table', Table('notes'" in done.out
    assert "view column v_reject." in done.out


def _documented() -> str:
    (text,) = re.findall(r"^```toml\n(.+?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_documented_rules_of_ones_own_are_found_beside_the_store(mlv: Mlv) -> None:
    (mlv.folder / "rules").mkdir()
    (mlv.folder / "rules" / "own.toml").write_text(_documented(), encoding="utf-8")
    records = json.loads(mlv("db", "check", "--format", "json").out)[-5:]
    assert [(record["name"], record["says"]) for record in records] == [
        ("no-certain-answers", "no answers that a model is certain of"),
        ("sentences-are-short", "no sentence is longer than 400 characters"),
        ("one-sentence-once", "text is unique"),
        ("v_run-unique-run", "no two rows of v_run have the same (run)"),
        ("v_influence_run-traced_run", "every traced_run of v_influence_run is in v_run"),
    ]
    assert [record["ok"] for record in records] == [True, True, True, True, True]
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE segment SET text = repeat('a', 401) WHERE position = 1")
        connection.execute("UPDATE segment SET text = 'twice' WHERE position IN (2, 3) AND corpus_id = 1")
        connection.execute("UPDATE probe_answer SET p_first = 0.99999 WHERE probe_id = 1")
    records = json.loads(mlv("db", "check", "--format", "json").out)[-5:]
    assert [record["violations"] for record in records] == [3, 2, 2, 0, 0]


def test_all_that_is_wrong_with_ones_own_rules_is_said_before_anything_is_checked(mlv: Mlv, tmp_path: Path) -> None:
    for name, text in {
        "a": '[[rule]]\nname = "x"\ntable = "v_run"\nquery = "FROM v_run"',
        "b": '[[rule]]\nname = "y"\ntable = "v_run"\nexpectation = "ExpectMiracles"',
        "c": '[[rule]]\nname = "z"\ntable = "v_run"\nexpectation = "ExpectColumnValuesToMatchRegex"\n'
        'arguments = {column = "run"}',
        "d": "[[rule]\n",
        "g": '[[rule]]\nname = "w"\ntable = "v_answer"\nexpectation = "ExpectColumnValuesToBeBetween"\n'
        'arguments = {column = "p_first", max_value = 1, mostly = 0.9, strict_max = true}',
        "e": '[references]\nv_run = "run"',
        "f": '[[rule]]\nname = "x"\ntabel = "v_run"',
    }.items():
        (tmp_path / f"{name}.toml").write_text(text)
    done = mlv("db", "check", "--rules", str(tmp_path), "--rules", str(tmp_path / "none.toml"))
    assert (done.code, done.out) == (edge.ExitCode.DATA, "")
    for complaint in (
        "a.toml: rule #1: a rule has either `query` and `never`, or `expectation` and `arguments`",
        "b.toml: rule #1: there is no expectation 'ExpectMiracles'",
        "c.toml: rule #1: ExpectColumnValuesToMatchRegex needs the arguments regex",
        "d.toml: ",
        'e.toml: references: "table.column" = "parent.column" is meant, not "v_run" = "run"',
        "f.toml: rule #1.tabel: there is no such key. Known here: name, table, never",
        "g.toml: rule #1: ExpectColumnValuesToBeBetween cannot have the arguments mostly, strict_max here",
        "none.toml: [Errno 2]",
    ):
        assert complaint in done.err
    assert "docs/checks.md" in done.err


def test_names_of_rules_are_not_given_twice(mlv: Mlv, tmp_path: Path) -> None:
    rule = '[[rule]]\nname = "run-name"\ntable = "v_run"\nnever = "runs"\nquery = "FROM v_run"\n'
    (tmp_path / "own.toml").write_text(rule)
    assert "These names of rules are taken: run-name." in mlv("db", "check", "--rules", str(tmp_path / "own.toml")).err


def test_a_rule_reaches_nothing_but_the_store_and_one_that_fails_is_an_error_of_its_own(
    mlv: Mlv, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    rules = {"reads-a-file": f"FROM '{tmp_path}/secret.csv'", "is-misspelt": "FROM v_rnu"}
    text = "".join(
        f'[[rule]]\nname = "{name}"\ntable = "v_run"\nnever = "x"\nquery = "{query}"\n' for name, query in rules.items()
    )
    (tmp_path / "own.toml").write_text(text)
    done = mlv("db", "check", "--rules", str(tmp_path / "own.toml"))
    assert done.code == edge.ExitCode.STORE
    assert "the rule reads-a-file cannot be checked: Permission Error" in done.out
    assert "the rule is-misspelt cannot be checked: Catalog Error" in done.out
    assert len(done.out.splitlines()) == 2


def test_an_unknown_format_is_refused(mlv: Mlv) -> None:
    assert mlv("db", "check", "--format", "pdf").code == edge.ExitCode.USAGE
