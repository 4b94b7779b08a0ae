"""The views: the stable face of the store, for the query catalogue and for people who explore by hand.

Released queries read views alone, so base tables may change while a released query stays as it is.
"""

from typing import NamedTuple

from mlv.schema.derived import alike


class View(NamedTuple):
    """A view with the texts of its ``COMMENT ON``."""

    name: str
    comment: str
    columns: dict[str, str]
    sql: str


_CHECKPOINT_COLUMNS = {
    "model": "Name of the pretrained model that the checkpoint descends from.",
    "parameters": "Number of parameters.",
    "run": "Name of the run that made it; NULL for a pretrained model.",
    "source": "Fine-tuning source; NULL for a pretrained model.",
    "ft_languages": "Fine-tuning languages, comma-separated in alphabetical order; NULL for a pretrained model.",
    "strategy": "pretrained, monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run.",
    "sentences": "Sentences the run was given, training and development together.",
    "seed": "Seed of the run.",
    "epoch": "Epochs done; 0 for a pretrained model.",
    "settings": "How the run was trained, all that counts of it, e.g. epochs=5 batch_size=8: a mean over runs with "
    "others says little.",
}

_TARGET_COLUMNS = {
    "run": "Name of the influence run.",
    "traced_run": "Name of the fine-tuning run whose examples are ranked.",
    "collection": "Where the probe is from.",
    "language": "Test language.",
    "question": "Identifier of the question.",
}

_TARGET_JOINS = """
        JOIN run r ON r.run_id = t.run_id AND r.status = 'committed'
        JOIN influence_run i ON i.run_id = t.run_id
        JOIN run f ON f.run_id = i.traced_run_id
        LEFT JOIN v_probe p ON p.probe_id = t.probe_id
"""
"""From a row ``t`` with the keys of a run and a probe to the names behind them."""

VIEWS = (
    View(
        "v_run",
        "A run with the names behind its keys.",
        {
            "run_id": "Key of the run.",
            "run": "Name of the run.",
            "kind": "pretrain, finetune, probe, influence, validate or project.",
            "source": "Fine-tuning source, comma-separated where there are several.",
            "ft_languages": "Languages trained on, comma-separated in alphabetical order.",
            "strategy": "monolingual, multilingual, or continued: from a fine-tuned model; NULL where none trains.",
            "sentences": "Segments the run was given, training and development together.",
            "seed": "Seed of the run.",
            "start_checkpoint_id": "Checkpoint that the run starts from or examines.",
            "parent_run_id": "The run that made that checkpoint.",
            "started_at": "When the job started, UTC.",
            "finished_at": "When it finished, UTC.",
            "spec": "The specification as JSON.",
            "provenance": "Versions, hardware and arguments as JSON.",
        },
        """
        SELECT r.run_id, r.name AS run, r.kind, t.source, t.ft_languages,
               CASE
                   WHEN r.kind = 'finetune' AND p.kind = 'finetune' THEN 'continued'
                   WHEN t.languages = 1 THEN 'monolingual'
                   WHEN t.languages > 1 THEN 'multilingual'
               END AS strategy,
               t.sentences, r.seed, r.start_checkpoint_id, r.parent_run_id, r.started_at, r.finished_at,
               r.spec, r.provenance
        FROM run r
        LEFT JOIN (
            SELECT rc.run_id,
                   string_agg(DISTINCT s.code, ',' ORDER BY s.code) AS source,
                   string_agg(DISTINCT l.code, ',' ORDER BY l.code) AS ft_languages,
                   count(DISTINCT l.code) AS languages,
                   CAST(sum(rc.segments) AS BIGINT) AS sentences
            FROM run_corpus rc
            JOIN corpus c USING (corpus_id)
            JOIN source s USING (source_id)
            JOIN "language" l USING (language_id)
            GROUP BY rc.run_id
        ) t USING (run_id)
        LEFT JOIN checkpoint b ON b.checkpoint_id = r.start_checkpoint_id
        LEFT JOIN run p ON p.run_id = b.run_id
        WHERE r.status = 'committed'
        """,
    ),
    View(
        "v_checkpoint",
        "A model state with what made it.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "base_checkpoint_id": "The checkpoint that its run started from; its own key if pretrained.",
            **_CHECKPOINT_COLUMNS,
            "step": "Optimizer steps done.",
            "is_final": "Whether it is the last of its run; true for a pretrained model.",
            "path": "Folder, relative to the store's folder; or hub name.",
            "digest": "SHA-256 over configuration, weights and tokenizer.",
        },
        f"""
        SELECT k.checkpoint_id,
               CASE WHEN r.kind = 'finetune' THEN r.start_checkpoint_id ELSE k.checkpoint_id END
                   AS base_checkpoint_id,
               b.name AS model, b.parameters,
               CASE WHEN r.kind = 'finetune' THEN r.run END AS run,
               CASE WHEN r.kind = 'finetune' THEN r.source END AS source,
               CASE WHEN r.kind = 'finetune' THEN r.ft_languages END AS ft_languages,
               CASE WHEN r.kind = 'finetune' THEN r.strategy ELSE 'pretrained' END AS strategy,
               CASE WHEN r.kind = 'finetune' THEN r.sentences END AS sentences,
               CASE WHEN r.kind = 'finetune' THEN r.seed END AS seed,
               CASE WHEN r.kind = 'finetune' THEN k.epoch ELSE 0 END AS epoch,
               CASE WHEN r.kind = 'finetune' THEN {alike.training("r.spec")} END AS settings,
               k.step, k.is_final, k.path, k.digest
        FROM checkpoint k
        JOIN base_model b USING (base_model_id)
        LEFT JOIN v_run r ON r.run_id = k.run_id
        WHERE k.run_id IS NULL OR r.run_id IS NOT NULL
        """,
    ),
    View(
        "v_probe",
        "A probe with its question, category and language.",
        {
            "probe_id": "Key of the probe.",
            "collection": "Where the probe is from, e.g. arora-2023.",
            "language": "Language of the sentence.",
            "question": "Identifier in the probe files, e.g. 106a.",
            "number": "Question number in WVS wave 7.",
            "category": "Short name of the WVS category.",
            "template": "Sentence with [MASK].",
            "answer_first": "First candidate answer.",
            "answer_second": "Second candidate answer.",
            "polarity": "canonical, reversed or undefined: how the answers stand to answer_side.",
        },
        """
        SELECT p.probe_id, pc.code AS collection, l.code AS language, q.code AS question, q.number,
               c.code AS category, p.template, p.answer_first, p.answer_second, p.polarity
        FROM probe p
        JOIN probe_collection pc USING (probe_collection_id)
        JOIN "language" l USING (language_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_probe_set",
        "The questions of each probe set.",
        {
            "probe_set": "Name of the set, e.g. echoes-2024.",
            "collection": "The probe collection that it selects from.",
            "question": "Identifier of a question in it.",
            "number": "Question number in WVS wave 7.",
            "category": "Short name of the WVS category.",
        },
        """
        SELECT s.code AS probe_set, pc.code AS collection, q.code AS question, q.number, c.code AS category
        FROM probe_set_member m
        JOIN probe_set s USING (probe_set_id)
        JOIN probe_collection pc USING (probe_collection_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_resample",
        "Draws of the questions of each probe set with replacement: how often each came into each resample.",
        {
            "probe_set": "Name of the set.",
            "resample": "Number of the resample, from 1.",
            "question": "Identifier of a question that was drawn.",
            "times": "How often it was drawn.",
        },
        """
        SELECT s.code AS probe_set, d.resample, q.code AS question, d.times
        FROM bootstrap_draw d
        JOIN probe_set s USING (probe_set_id)
        JOIN question q USING (question_id)
        """,
    ),
    View(
        "v_logit",
        "How a checkpoint scores each candidate answer.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "collection": "Where the probe is from.",
            "language": "Test language.",
            "question": "Identifier of the question.",
            "answer": "1 for the first candidate, 2 for the second.",
            "answer_text": "The candidate.",
            "tokens": "Its tokens.",
            "logit_sum": "Sum of its tokens' logits.",
            "logprob_sum": "Sum of its tokens' log-probabilities over the full vocabulary, nats.",
            "logprob_mean": "The same per token.",
            "logprob_first": "Log-probability of its first token, nats.",
        },
        """
        SELECT g.checkpoint_id, p.collection, p.language, p.question, g.answer,
               CASE g.answer WHEN 1 THEN p.answer_first ELSE p.answer_second END AS answer_text,
               g.tokens, g.logit_sum, g.logprob_sum, g.logprob_sum / g.tokens AS logprob_mean, g.logprob_first
        FROM probe_logit g
        JOIN v_probe p USING (probe_id)
        """,
    ),
    View(
        "v_answer",
        "The answer a checkpoint gives to a probe, once per way of scoring.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "probe_id": "Key of the probe.",
            "collection": "Where the probe is from.",
            "language": "Test language.",
            "question": "Identifier of the question.",
            "category": "Short name of the WVS category.",
            "score": "Way of scoring: sum, mean or first.",
            "answer": "1 for the first candidate, 2 for the second.",
            "margin": "Score of the first candidate minus that of the second, nats.",
            "p_first": "Softmax over the two scores, first component.",
        },
        """
        SELECT a.checkpoint_id, a.probe_id, p.collection, p.language, p.question, p.category, a.score, a.answer,
               a.margin, a.p_first
        FROM probe_answer a
        JOIN v_probe p USING (probe_id)
        """,
    ),
    View(
        "v_shift",
        "Answers before and after fine-tuning: one row per probe that both checkpoints answered, and way of scoring.",
        {
            "checkpoint_id": "The fine-tuned checkpoint.",
            "base_checkpoint_id": "The checkpoint that its run started from.",
            "collection": "Where the probe is from.",
            "language": "Test language.",
            "question": "Identifier of the question.",
            "category": "Short name of the WVS category.",
            "score": "Way of scoring: sum, mean or first.",
            "answer_before": "Answer of the base checkpoint.",
            "answer_after": "Answer of the fine-tuned checkpoint.",
            "shifted": "Whether they differ: the value shifted.",
        },
        """
        SELECT a.checkpoint_id, k.base_checkpoint_id, p.collection, p.language, p.question, p.category, a.score,
               b.answer AS answer_before, a.answer AS answer_after, a.answer <> b.answer AS shifted
        FROM probe_answer a
        JOIN v_checkpoint k ON k.checkpoint_id = a.checkpoint_id
        JOIN probe_answer b
            ON b.checkpoint_id = k.base_checkpoint_id AND b.probe_id = a.probe_id AND b.score = a.score
        JOIN v_probe p ON p.probe_id = a.probe_id
        WHERE k.strategy <> 'pretrained'
        """,
    ),
    View(
        "v_model_profile",
        "Cultural profiles of checkpoints, one row per question and way of scoring.",
        {
            "profile_id": "Key of the profile.",
            "checkpoint_id": "Key of the checkpoint.",
            "collection": "Where the probes are from.",
            "language": "Test language.",
            "score": "Way of scoring: sum, mean or first.",
            "question": "Identifier of the question.",
            "category": "Short name of the WVS category.",
            "p_first": "Probability of the first answer's side.",
        },
        """
        SELECT profile_id, f.checkpoint_id, pc.code AS collection, l.code AS language, f.score, q.code AS question,
               c.code AS category, v.p_first
        FROM profile_value v
        JOIN profile f USING (profile_id)
        JOIN probe_collection pc USING (probe_collection_id)
        JOIN "language" l USING (language_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_country_profile",
        "Cultural profiles of countries, one row per question.",
        {
            "profile_id": "Key of the profile.",
            "survey": "Name of the survey.",
            "illustrative": "True where the numbers are invented for demonstration.",
            "country": "ISO 3166-1 alpha-2 code.",
            "weighting": "weighted or unweighted.",
            "question": "Identifier of the question.",
            "category": "Short name of the WVS category.",
            "p_first": "Share of people on the first answer's side, of those on either side.",
        },
        """
        SELECT profile_id, s.code AS survey, s.illustrative, y.code AS country, f.weighting, q.code AS question,
               c.code AS category, v.p_first
        FROM profile_value v
        JOIN profile f USING (profile_id)
        JOIN survey s USING (survey_id)
        JOIN country y USING (country_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_projection",
        "Profiles in the plane of the first two principal components that were fitted to them together.",
        {
            "run_id": "Key of the run.",
            "run": "Name of the run.",
            "probe_set": "Probe set whose questions the profiles are over.",
            "questions": "Questions that all profiles have.",
            "explained_x": "Share of the profiles' variance along x, in [0, 1].",
            "explained_y": "Share of the profiles' variance along y, in [0, 1].",
            "checkpoint_id": "Checkpoint of a model's profile; NULL for a country's.",
            "language": "Test language of a model's profile.",
            "score": "Way of scoring behind a model's profile.",
            "survey": "Survey of a country's profile; NULL for a model's.",
            "country": "ISO 3166-1 alpha-2 code of the country.",
            "weighting": "weighted or unweighted, for a country's profile.",
            "x": "Coordinate along the first component.",
            "y": "Coordinate along the second component.",
        },
        """
        SELECT r.run_id, r.name AS run, s.code AS probe_set, n.questions, n.explained_x, n.explained_y,
               f.checkpoint_id, l.code AS language, f.score, v.code AS survey, y.code AS country, f.weighting, p.x, p.y
        FROM projected_profile p
        JOIN run r ON r.run_id = p.run_id AND r.status = 'committed'
        JOIN projection_run n ON n.run_id = p.run_id
        JOIN probe_set s USING (probe_set_id)
        JOIN profile f USING (profile_id)
        LEFT JOIN "language" l USING (language_id)
        LEFT JOIN survey v ON v.survey_id = f.survey_id
        LEFT JOIN country y ON y.country_id = f.country_id
        """,
    ),
    View(
        "v_language_country",
        "The country whose people a test language is compared with.",
        {
            "language": "Language.",
            "country": "ISO 3166-1 alpha-2 code of its country.",
            "language_name": "English name of the language.",
            "country_name": "English name of the country.",
        },
        """
        SELECT l.code AS language, y.code AS country, l.name AS language_name, y.name AS country_name
        FROM language_country
        JOIN "language" l USING (language_id)
        JOIN country y USING (country_id)
        """,
    ),
    View(
        "v_survey_response",
        "Survey answers with names and the side that each code counts for.",
        {
            "survey": "Name of the survey.",
            "country": "ISO 3166-1 alpha-2 code.",
            "question": "Identifier of the question.",
            "variable": "Survey variable.",
            "response_code": "Response code.",
            "label": "Short gloss of the code.",
            "side": "first, second or missing; NULL where the code is not mapped.",
            "n": "Interviewees, unweighted; NULL where the source has only shares.",
            "share": "Unweighted share.",
            "weighted_share": "Share weighted by W_WEIGHT.",
        },
        """
        SELECT s.code AS survey, y.code AS country, q.code AS question, r.variable, r.response_code, o.label,
               a.side, r.n, r.share, r.weighted_share
        FROM survey_response r
        JOIN survey s USING (survey_id)
        JOIN country y USING (country_id)
        JOIN question q ON q.variable = r.variable
        LEFT JOIN answer_side a ON a.question_id = q.question_id AND a.response_code = r.response_code
        LEFT JOIN response_option o ON o.variable = r.variable AND o.response_code = r.response_code
        """,
    ),
    View(
        "v_segment",
        "Segments of corpora with the names behind their keys.",
        {
            "segment_id": "Key of the segment.",
            "source": "Source, e.g. pbc.",
            "language": "Language of the text.",
            "edition": "Edition of the text.",
            "position": "Place in the corpus, from 0.",
            "parallel_key": "Key shared by translations.",
            "text": "The text.",
        },
        """
        SELECT g.segment_id, s.code AS source, l.code AS language, c.edition, g.position, g.parallel_key, g.text
        FROM segment g
        JOIN corpus c USING (corpus_id)
        JOIN source s USING (source_id)
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_training_example",
        "Training examples with their text.",
        {
            "training_example_id": "Key of the example.",
            "run": "Name of the run.",
            "position": "Number of the example in its run.",
            "split": "train or development.",
            "source": "Source of the text.",
            "language": "Language of the text.",
            "parallel_key": "Key shared by translations.",
            "text": "The text.",
        },
        """
        SELECT e.training_example_id, r.name AS run, e.position, e.split, g.source, g.language, g.parallel_key,
               g.text
        FROM training_example e
        JOIN run r USING (run_id)
        LEFT JOIN v_segment g USING (segment_id)
        """,
    ),
    View(
        "v_metric",
        "What was measured during runs.",
        {
            "run": "Name of the run.",
            "name": "Name of the metric, e.g. loss.",
            "epoch": "Epochs done.",
            "step": "Optimizer steps done.",
            "value": "The number.",
        },
        """
        SELECT r.name AS run, m.name, m.epoch, m.step, m.value FROM metric m JOIN run r USING (run_id)
        """,
    ),
    View(
        "v_reject",
        "Rows that ingest did not take.",
        {
            "kind": "probes, survey or corpus.",
            "target": "What the file was read into.",
            "file": "File name.",
            "line": "Line in the file, from 1.",
            "item": "What the row is about.",
            "reason": "Why it was not taken.",
            "content": "The row as it was, at most 500 characters.",
        },
        """
        SELECT f.kind, f.target, f.name AS file, j.line, j.item, j.reason, j.content
        FROM reject j JOIN ingest_file f USING (ingest_file_id)
        """,
    ),
    View(
        "v_influence_run",
        "An influence or validation run, how it attributes, and what the run that it traces was trained on.",
        {
            "run_id": "Key of the influence or validation run.",
            "run": "Its name.",
            "kind": "influence or validate.",
            "traced_run": "Name of the fine-tuning run whose examples are ranked.",
            "method": "trak or tracin; validation for a run that compares several.",
            "similarity": "dot, or cosine where gradients are normalised; empty for a validation run.",
            "quantity": "What is traced: answer, margin or shift.",
            "selection": "Which probes are traced: shifted, all or chosen.",
            "projection": "none, principal, random or dense; empty for a validation run.",
            "dimensions": "Directions on each side of a matrix; in all for a dense projection; 0 for none.",
            "modules": "Groups of parameters that take part, comma-separated; empty for a validation run.",
            "damping": "Lambda of TRAK in units of the features' mean squared norm; 0 for TracIn.",
            "checkpoints": "Model states that scores are averaged (TRAK) or summed (TracIn) over.",
            "examples": "Training examples that were scored.",
            "top_k": "Examples ranked per target and direction; 0 for a validation run.",
            "seed": "Seed of the influence or validation run.",
            "model": "Name of the pretrained model that the traced run descends from.",
            "source": "Fine-tuning source of the traced run.",
            "ft_languages": "Its fine-tuning languages, comma-separated in alphabetical order.",
            "strategy": "How it was trained: monolingual, multilingual or continued.",
            "sentences": "Sentences it was given, training and development together.",
            "traced_seed": "Its seed.",
            "settings": "How it was trained, e.g. epochs=5 batch_size=8.",
            "attribution": "How examples are scored: method, projection and whatever else is not the default, e.g. "
            "trak-principal-16 corruptions=epoch; NULL for a validation run.",
            "tracing": "What else the scores depend on, e.g. probe_set=echoes-2024 quantity=answer. Runs are alike "
            "where settings, attribution and tracing are equal.",
        },
        f"""
        SELECT r.run_id, r.name AS run, r.kind, k.run AS traced_run, i.method, i.similarity, i.quantity, i.selection,
               i.projection, i.dimensions, i.modules, i.damping, i.checkpoints, i.examples, i.top_k, r.seed,
               k.model, k.source, k.ft_languages, k.strategy, k.sentences, k.seed AS traced_seed, k.settings,
               {alike.attribution("r.spec")} AS attribution, {alike.tracing("r.spec")} AS tracing
        FROM influence_run i
        JOIN run r ON r.run_id = i.run_id AND r.status = 'committed'
        JOIN v_checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
        """,
    ),
    View(
        "v_traced_probe",
        "What an influence run traces, as v_influence_target has it, without a look at the answers: whether the value "
        "shifted is for many targets half of the work.",
        {
            "influence_target_id": "Key of the target.",
            "probe_id": "Key of the probe.",
            "checkpoint_id": "Key of the checkpoint whose prediction is traced.",
            "base_checkpoint_id": "The checkpoint that the traced run started from.",
            **_TARGET_COLUMNS,
            "category": "Short name of the WVS category.",
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "answer": "The answer that positive influence speaks for, 1 or 2.",
            "value": "The traced quantity in the traced checkpoint, nats per token.",
        },
        f"""
        SELECT t.influence_target_id, t.probe_id, r.start_checkpoint_id AS checkpoint_id,
               f.start_checkpoint_id AS base_checkpoint_id, r.name AS run, f.name AS traced_run, p.collection,
               p.language, p.question, p.category, t.epoch, t.answer, t.value
        FROM influence_target t
        {_TARGET_JOINS}
        """,
    ),
    View(
        "v_influence_target",
        "What an influence run traces: the answer to a probe, by all checkpoints together or by that of one epoch.",
        {
            "influence_target_id": "Key of the target.",
            **_TARGET_COLUMNS,
            "category": "Short name of the WVS category.",
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "answer": "The answer that positive influence speaks for, 1 or 2.",
            "value": "The traced quantity in the traced checkpoint, nats per token.",
            "shifted": "Whether the answer by score mean differs from the one before the run; NULL where unknown.",
        },
        """
        SELECT t.influence_target_id, t.run, t.traced_run, t.collection, t.language, t.question, t.category, t.epoch,
               t.answer, t.value, a.answer <> b.answer AS shifted
        FROM v_traced_probe t
        LEFT JOIN probe_answer a
            ON a.checkpoint_id = t.checkpoint_id AND a.probe_id = t.probe_id AND a.score = 'mean'
        LEFT JOIN probe_answer b
            ON b.checkpoint_id = t.base_checkpoint_id AND b.probe_id = t.probe_id AND b.score = 'mean'
        """,
    ),
    View(
        "v_influence",
        "The most influential training examples of each target.",
        {
            **_TARGET_COLUMNS,
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "direction": "positive: supports the traced answer; negative: contradicts it.",
            "rank": "1 for the most influential in that direction.",
            "score": "Influence score.",
            "training_example_id": "Key of the training example.",
            "train_language": "Language of the training example.",
            "parallel_key": "Key that it shares with its translations.",
            "text": "Its text.",
        },
        f"""
        SELECT r.name AS run, f.name AS traced_run, p.collection, p.language, p.question, t.epoch, k.direction, k.rank,
               k.score, k.training_example_id, l.code AS train_language, g.parallel_key, g.text
        FROM influence_ranking k
        JOIN influence_target t USING (influence_target_id)
        {_TARGET_JOINS}
        JOIN training_example e ON e.training_example_id = k.training_example_id
        LEFT JOIN segment g ON g.segment_id = e.segment_id
        LEFT JOIN corpus c ON c.corpus_id = g.corpus_id
        LEFT JOIN "language" l ON l.language_id = c.language_id
        """,
    ),
    View(
        "v_influence_ranking",
        "The most influential training examples of each target, by keys alone: counting and comparing many of them is "
        "fast before names are joined, from v_influence_target and v_training_example.",
        {
            "influence_target_id": "Key of the target; one whose run is being deleted is not in v_influence_target.",
            "direction": "positive: supports the traced answer; negative: contradicts it.",
            "rank": "1 for the most influential in that direction.",
            "score": "Influence score.",
            "training_example_id": "Key of the training example.",
        },
        "SELECT influence_target_id, direction, rank, score, training_example_id FROM influence_ranking",
    ),
    View(
        "v_influence_language",
        "How many of each target's ranked examples are in each language that the traced run was trained on, by key of "
        "the target.",
        {
            "influence_target_id": "Key of the target; one whose run is being deleted is not in v_influence_target.",
            "direction": "positive: supports the traced answer; negative: contradicts it.",
            "train_language": "Language of the examples.",
            "ranked": "Ranked examples in all languages together.",
            "examples": "Ranked examples in this one.",
            "translated": "Of these, those whose text is among the ranked examples in the test language too.",
        },
        """
        SELECT n.influence_target_id, n.direction, l.code AS train_language, n.ranked, n.examples, n.translated
        FROM influence_language n
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_influence_overlap",
        "What the rankings of two targets share, by keys alone: under the same question in two test languages of a run "
        "the same examples; under the same probe, in runs that are alike but for the one language they trace, the same "
        "texts. No row where they share nothing.",
        {
            "influence_target_id": "Key of the target of the first test or fine-tuning language, by code.",
            "other_target_id": "Key of the target of the second.",
            "direction": "positive: supports the traced answer; negative: contradicts it.",
            "shared": "Ranked examples, or pairs of a text and its translation, that both have.",
        },
        "SELECT influence_target_id, other_target_id, direction, shared FROM influence_overlap",
    ),
    View(
        "v_influence_summary",
        "Scores of each target over all training examples of a language.",
        {
            "influence_target_id": "Key of the target.",
            **_TARGET_COLUMNS,
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "train_language": "Language of the training examples.",
            "n": "Training examples.",
            "score_mean": "Mean of their scores.",
            "score_sd": "Standard deviation of their scores, of the population.",
            "score_min": "Lowest score.",
            "score_max": "Highest score.",
        },
        f"""
        SELECT t.influence_target_id, r.name AS run, f.name AS traced_run, p.collection, p.language, p.question,
               t.epoch, l.code AS train_language, s.n, s.score_sum / s.n AS score_mean,
               sqrt(greatest(s.score_sum_squares / s.n - (s.score_sum / s.n) ** 2, 0)) AS score_sd,
               s.score_min, s.score_max
        FROM influence_summary s
        JOIN influence_target t USING (influence_target_id)
        {_TARGET_JOINS}
        JOIN "language" l ON l.language_id = s.language_id
        """,
    ),
    View(
        "v_influence_validation",
        "How well scores predict what retraining on a part of the examples shows, per probe.",
        {
            "run": "Name of the validation run.",
            "traced_run": "Name of the fine-tuning run whose examples are left out.",
            "test": "lds: linear datamodeling score over random halves; removal: of the most influential examples.",
            "scores": "An attribution such as trak-principal-32, or a baseline such as random.",
            "collection": "Where the probe is from.",
            "language": "Test language.",
            "question": "Identifier of the question.",
            "seeds": "Seeds of the retrained models: same as the traced run's, or other.",
            "direction": "Which examples were left out, positive or negative; NULL for lds and for random ones.",
            "k": "How many examples were left out; NULL for lds.",
            "draw": "Number of the draw of a random baseline; 0 for scores that are not random.",
            "n": "Retrained models behind the value.",
            "value": "lds: Spearman's rho; removal: probability of the traced answer after minus before.",
        },
        f"""
        SELECT r.name AS run, f.name AS traced_run, t.test, t.scores, p.collection, p.language, p.question, t.seeds,
               t.direction, t.k, t.draw, t.n, t.value
        FROM influence_validation t
        {_TARGET_JOINS}
        """,
    ),
)
"""In order of dependence: a view reads only tables and views before it."""
