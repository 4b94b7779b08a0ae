"""Views of what chat models are asked and answer, and of the majority answers that they are compared with."""

from mlv.schema.derived import alike
from mlv.schema.views.view import View

RESPONDING = (
    View(
        "v_majority",
        "The answer that most people of a country give to a question: one row per survey, weighting and question.",
        {
            "survey": "Name of the survey.",
            "illustrative": "True where the numbers are invented for demonstration.",
            "country": "ISO 3166-1 alpha-2 code.",
            "weighting": "weighted or unweighted.",
            "question": "Identifier of the question.",
            "category": "Short name of the category.",
            "side": "Side of the majority, first or second; an even split counts for the first.",
            "share": "Share of people on that side, of those on either, in [0.5, 1].",
            "margin": "How far the share on the first side is from a half, in [0, 0.5].",
        },
        """
        SELECT survey, illustrative, country, weighting, question, category,
               CASE WHEN p_first >= 0.5 THEN 'first' ELSE 'second' END AS side,
               greatest(p_first, 1 - p_first) AS share, abs(p_first - 0.5) AS margin
        FROM v_country_profile
        """,
    ),
    View(
        "v_response_run",
        "A run that asked a chat model, or made prompts for none, and how.",
        {
            "run_id": "Key of the run.",
            "run": "Name of the run.",
            "checkpoint_id": "The model state that was asked; NULL if none was.",
            "model": "Name of the model: of an endpoint that of the API; NULL if none was asked.",
            "language": "Language of the questions.",
            "collection": "Where the probes are from.",
            "probe_set": "The probe set that was asked.",
            "condition": "zero_shot or demonstrations.",
            "strategy": "How demonstrations are chosen: random, random_category, chrf_category or chrf; NULL of a "
            "zero-shot run, as the next six.",
            "demonstrations": "Most demonstrations before a question.",
            "ordering": "In which order they stand: similar_last, similar_first or shuffled.",
            "country": "Whose answers they show: ISO 3166-1 alpha-2 code.",
            "survey": "Survey that has these.",
            "weighting": "Whether its weights count: weighted or unweighted.",
            "answers": "majority, or minority: the answer of the other side.",
            "form": "Code of the wording.",
            "options": "probe: the two answers of the probe; scale: the survey's own answers.",
            "option_order": "Which option is shown first: drawn, listed or balanced.",
            "samples": "Sampled answers of a question; 0 if none were asked for.",
            "scored": "Whether options were scored.",
            "draw": "Number of the repetition, from 1.",
            "only_of": "Run whose misaligned questions alone were asked; empty for all.",
            "parser": "Version of the parser that read the answers.",
            "seed": "Seed of the run.",
            "settings": "How it was asked, all that counts but for condition and draw, e.g. form=gap samples=10: runs "
            "are compared where it is equal.",
        },
        f"""
        SELECT n.run_id, r.name AS run, r.start_checkpoint_id AS checkpoint_id, b.name AS model, l.code AS language,
               pc.code AS collection, s.code AS probe_set,
               CASE WHEN n.strategy IS NULL THEN 'zero_shot' ELSE 'demonstrations' END AS condition,
               n.strategy, n.demonstrations, n.ordering, y.code AS country, v.code AS survey, n.weighting, n.answers,
               f.code AS form, n.options, n.option_order, n.samples, n.scored, n.draw,
               json_extract_string(r.spec, '$.only_of') AS only_of, n.parser, r.seed,
               {alike.responding("r.spec")} AS settings
        FROM response_run n
        JOIN run r ON r.run_id = n.run_id AND r.status = 'committed'
        JOIN probe_set s USING (probe_set_id)
        JOIN probe_collection pc USING (probe_collection_id)
        JOIN "language" l ON l.language_id = n.language_id
        JOIN prompt_form f USING (prompt_form_id)
        LEFT JOIN country y ON y.country_id = n.demonstrated_country_id
        LEFT JOIN survey v ON v.survey_id = n.demonstrated_survey_id
        LEFT JOIN checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
        LEFT JOIN base_model b ON b.base_model_id = k.base_model_id
        """,
    ),
    View(
        "v_prompt",
        "The texts that runs put to chat models.",
        {
            "prompt_id": "Key of the prompt.",
            "run_id": "Key of the run.",
            "probe_id": "Key of the probe.",
            "question": "Identifier of the question.",
            "category": "Short name of the category.",
            "variant": "Number among the prompts of the question in the run, from 1.",
            "samples": "Sampled answers that it was to have.",
            "polarity": "canonical, reversed or undefined: how the probe's answers stand to answer_side.",
            "text": "The text, before the chat template.",
            "tokens": "Its tokens, with those of the chat template; NULL where that is not known.",
        },
        """
        SELECT m.prompt_id, m.run_id, m.probe_id, q.code AS question, c.code AS category, m.variant, m.samples,
               p.polarity, m.text, m.tokens
        FROM prompt m
        JOIN probe p USING (probe_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_prompt_option",
        "The answers that prompts offer.",
        {
            "prompt_id": "Key of the prompt.",
            "number": "Number of the option, from 1: 1 and 2 are the answers of a probe.",
            "text": "The option, as shown.",
            "place": "Where it is shown among the options, from 1.",
            "side": "first or second: the side of answer_side that it is on.",
        },
        "SELECT prompt_id, number, text, place, side FROM prompt_option",
    ),
    View(
        "v_demonstration",
        "The completed sentences that stand before questions.",
        {
            "prompt_id": "Key of the prompt.",
            "position": "Its line, from 1.",
            "question": "Identifier of the question that is shown with its answer.",
            "category": "Short name of its category.",
            "sentence": "The completed sentence.",
            "answer": "The answer that it is completed with: 1 or 2.",
            "side": "first or second: the side of answer_side that this is on.",
            "similarity": "chrF++ of its sentence with the question, 0 to 100; NULL where it was drawn.",
        },
        """
        SELECT d.prompt_id, d.position, q.code AS question, c.code AS category,
               replace(p.template, '[MASK]', CASE d.answer WHEN 1 THEN p.answer_first ELSE p.answer_second END)
                   AS sentence,
               d.answer, CASE WHEN (d.answer = 1) = (p.polarity <> 'reversed') THEN 'first' ELSE 'second' END AS side,
               d.similarity
        FROM demonstration d
        JOIN probe p USING (probe_id)
        JOIN question q USING (question_id)
        JOIN category c USING (category_id)
        """,
    ),
    View(
        "v_response",
        "What chat models answered, and how it was read.",
        {
            "run_id": "Key of the run.",
            "prompt_id": "Key of the prompt.",
            "question": "Identifier of the question.",
            "category": "Short name of the category.",
            "sample": "Number of the answer, from 0.",
            "text": "What was answered.",
            "outcome": "How it was read: answer, refusal, none, both, truncated, filtered or empty.",
            "answer": "Number of the option; NULL where it is no answer.",
            "answer_text": "The option.",
            "side": "first or second: the side of answer_side that it is on.",
            "place": "Where it was shown among the options, from 1.",
            "finish": "Why it ended: stop, length or content_filter; NULL where that is not known.",
            "tokens": "Its tokens; NULL where that is not known.",
            "logprob": "Its log-probability at temperature 1, nats; NULL where that is not known.",
        },
        """
        SELECT e.run_id, e.prompt_id, m.question, m.category, e.sample, e.text, e.outcome, e.answer,
               o.text AS answer_text, o.side, o.place, e.finish, e.tokens, e.logprob
        FROM response e
        JOIN v_prompt m USING (prompt_id)
        LEFT JOIN prompt_option o ON o.prompt_id = e.prompt_id AND o.number = e.answer
        """,
    ),
    View(
        "v_option_score",
        "How chat models score the options of prompts, and the probability that follows.",
        {
            "run_id": "Key of the run.",
            "prompt_id": "Key of the prompt.",
            "question": "Identifier of the question.",
            "category": "Short name of the category.",
            "number": "Number of the option.",
            "option": "The option.",
            "side": "first or second: the side of answer_side that it is on.",
            "place": "Where it is shown among the options, from 1.",
            "tokens": "Its tokens.",
            "logprob_sum": "Sum of their log-probabilities, nats.",
            "logprob_first": "Log-probability of the first token, nats.",
            "probability": "Its probability among the options: softmax over logprob_sum.",
        },
        """
        SELECT s.run_id, s.prompt_id, m.question, m.category, s.number, o.text AS option, o.side, o.place, s.tokens,
               s.logprob_sum, s.logprob_first,
               exp(s.logprob_sum - x.highest)
                   / sum(exp(s.logprob_sum - x.highest)) OVER prompt AS probability
        FROM option_score s
        JOIN (SELECT prompt_id, max(logprob_sum) AS highest FROM option_score GROUP BY prompt_id) x USING (prompt_id)
        JOIN v_prompt m USING (prompt_id)
        JOIN prompt_option o ON o.prompt_id = s.prompt_id AND o.number = s.number
        WINDOW prompt AS (PARTITION BY s.prompt_id)
        """,
    ),
)
