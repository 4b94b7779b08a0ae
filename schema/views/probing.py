"""Views of probes, what models answer, and the cultural profiles of models and countries."""

from mlv.schema.views.view import View

PROBING = (
    View(
        "v_probe",
        "A probe with its question, category and language.",
        {
            "probe_id": "Key of the probe.",
            "collection": "Where the probe is from, e.g. arora-2023.",
            "language": "Language of the sentence.",
            "question": "Identifier in the probe files, e.g. 106a.",
            "number": "Question number in WVS wave 7; NULL for other questions.",
            "category": "Short name of the category.",
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
            "number": "Question number in WVS wave 7; NULL for other questions.",
            "category": "Short name of the category.",
            "battery": "What it is drawn and left out together with, e.g. 64-89: consecutive questions that share "
            "their frame and pair of answers.",
        },
        """
        SELECT s.code AS probe_set, pc.code AS collection, q.code AS question, q.number, c.code AS category, m.battery
        FROM probe_set_member m
        JOIN probe_set s USING (probe_set_id)
        JOIN probe_collection pc USING (probe_collection_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_resample",
        "Draws of the batteries of each probe set with replacement: how often each came into each resample.",
        {
            "probe_set": "Name of the set.",
            "resample": "Number of the resample, from 1.",
            "battery": "A battery that was drawn.",
            "times": "How often it was drawn.",
        },
        """
        SELECT s.code AS probe_set, d.resample, d.battery, d.times
        FROM bootstrap_draw d
        JOIN probe_set s USING (probe_set_id)
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
            "category": "Short name of the category.",
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
            "category": "Short name of the category.",
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
            "score": "Way of scoring: sum, mean or first of probes; sampled or scored of a chat model.",
            "run_id": "Key of the run whose answers a chat model's profile is made of; NULL for probes.",
            "question": "Identifier of the question.",
            "category": "Short name of the category.",
            "p_first": "Probability of the first answer's side.",
        },
        """
        SELECT profile_id, f.checkpoint_id, pc.code AS collection, l.code AS language, f.score, f.run_id,
               q.code AS question, c.code AS category, v.p_first
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
            "category": "Short name of the category.",
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
        "v_pca_point",
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
        FROM pca_point p
        JOIN run r ON r.run_id = p.run_id AND r.status = 'committed'
        JOIN pca_run n ON n.run_id = p.run_id
        JOIN probe_set s USING (probe_set_id)
        JOIN profile f USING (profile_id)
        LEFT JOIN "language" l USING (language_id)
        LEFT JOIN survey v ON v.survey_id = f.survey_id
        LEFT JOIN country y ON y.country_id = f.country_id
        """,
    ),
)
