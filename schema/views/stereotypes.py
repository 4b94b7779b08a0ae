"""Views of social groups, sentences about them, stereotypes, completions of masked models and emotions."""

from mlv.schema.views.view import View

STEREOTYPES = (
    View(
        "v_group",
        "The social groups of lists.",
        {
            "social_group_id": "Key of the group.",
            "group_list": "Name of the list.",
            "category": "Category, e.g. profession.",
            "group_name": "The group as sentences have it, e.g. academics.",
            "kind": "people or country: which templates it fits.",
        },
        """
        SELECT g.social_group_id, l.code AS group_list, g.category, g.name AS group_name, g.kind
        FROM social_group g
        JOIN group_list l USING (group_list_id)
        """,
    ),
    View(
        "v_cloze",
        "Sentences about social groups with one place to fill.",
        {
            "cloze_id": "Key of the sentence.",
            "social_group_id": "Key of the group.",
            "group_list": "Name of the list of groups.",
            "category": "Category of the group.",
            "group_name": "The group.",
            "language": "Language of the sentence.",
            "form": "Name of the template, or of the collection of stereotypes that it is from.",
            "is_template": "Whether it is a template's; emotions are those of these alone.",
            "text": "The sentence with [MASK] for the attribute.",
            "prior_text": "The sentence with [GROUP] for the group's words; NULL where the group does not stand in it.",
        },
        """
        SELECT z.cloze_id, z.social_group_id, g.group_list, g.category, g.group_name, l.code AS language, z.form,
               z.stereotype_collection_id IS NULL AS is_template, z.text, z.prior_text
        FROM cloze z
        JOIN v_group g USING (social_group_id)
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_stereotype",
        "Attributes that people give to social groups: a row for each of a collection.",
        {
            "collection": "Name of the collection.",
            "line": "Number of the row in the collection, from 1.",
            "cloze_id": "Key of the sentence.",
            "prompt": "The sentence, with [MASK] for the attribute.",
            "social_group_id": "Key of the group.",
            "group_list": "Name of the list of groups.",
            "category": "Category of the group.",
            "group_name": "The group.",
            "language": "Language of the sentence.",
            "attribute": "The attribute.",
            "words": "Words that it has.",
            "engine": "Where it was found; multiple for more than one; empty where it is not said.",
        },
        """
        SELECT c.code AS collection, s.line, s.cloze_id, z.text AS prompt, z.social_group_id, z.group_list, z.category,
               z.group_name, z.language, s.attribute, s.words, s.engine
        FROM stereotype s
        JOIN stereotype_collection c USING (stereotype_collection_id)
        JOIN v_cloze z USING (cloze_id)
        """,
    ),
    View(
        "v_completion_run",
        "Runs that let a masked model complete sentences.",
        {
            "run_id": "Key of the run.",
            "run": "Name of the run.",
            "checkpoint_id": "Key of the checkpoint that completes.",
            "group_list": "Name of the list of groups.",
            "prior": "What stands for the group in the prior: one_mask, as_many or published.",
            "top_k": "Likeliest attributes of a sentence that were kept.",
        },
        """
        SELECT n.run_id, r.name AS run, r.start_checkpoint_id AS checkpoint_id, l.code AS group_list, n.prior, n.top_k
        FROM completion_run n
        JOIN group_list l USING (group_list_id)
        JOIN run r ON r.run_id = n.run_id AND r.status = 'committed'
        """,
    ),
    View(
        "v_completion",
        "The likeliest attributes of sentences about social groups, by checkpoint.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "prior": "What stands for the group in the prior: one_mask, as_many or published.",
            "cloze_id": "Key of the sentence.",
            "rank": "Rank by probability, from 1.",
            "attribute": "Text of the token.",
            "token": "Its number in the model's vocabulary.",
            "logprob": "Its log-probability in the sentence, nats.",
            "logprob_prior": "Its log-probability with the group masked too, nats; NULL where there is no prior.",
            "typicality": "How much the group raises it: logprob minus logprob_prior (D6 equation 6.3).",
            "typicality_rank": "Rank by typicality, from 1; NULL where there is no prior.",
        },
        """
        SELECT n.checkpoint_id, n.prior, c.cloze_id, c.rank, c.attribute, c.token, c.logprob, c.logprob_prior,
               c.logprob - c.logprob_prior AS typicality, c.typicality_rank
        FROM completion c
        JOIN v_completion_run n USING (run_id)
        """,
    ),
    View(
        "v_lexicon",
        "Lexicons of emotions.",
        {
            "lexicon_id": "Key of the lexicon.",
            "lexicon": "Name of the lexicon.",
            "emotions": "Its emotions, comma-separated in its order.",
            "words": "Words that it has.",
            "is_complete": "Whether it has words without any emotion too: where it lacks them shares are higher.",
            "may_be_passed_on": "Whether the licence allows to give its words to others.",
        },
        """
        SELECT l.lexicon_id, l.code AS lexicon, l.emotions, count(DISTINCT v.word) AS words, l.is_complete,
               l.may_be_passed_on
        FROM lexicon l
        LEFT JOIN lexicon_value v USING (lexicon_id)
        GROUP BY ALL
        """,
    ),
    View(
        "v_emotion_score",
        "Emotions in what checkpoints say of social groups.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "prior": "Prior of the run; it has no effect on emotions.",
            "social_group_id": "Key of the group.",
            "group_list": "Name of the list of groups.",
            "category": "Category of the group.",
            "group_name": "The group.",
            "lexicon": "Name of the lexicon.",
            "emotion": "The emotion.",
            "words": "Different attributes over the templates of the group.",
            "covered": "Those that the lexicon has.",
            "score": "Share of these that are associated with the emotion, 0 to 1.",
        },
        """
        SELECT n.checkpoint_id, n.prior, s.social_group_id, g.group_list, g.category, g.group_name, x.code AS lexicon,
               s.emotion, s.words, s.covered, s.score
        FROM emotion_score s
        JOIN v_completion_run n USING (run_id)
        JOIN v_group g USING (social_group_id)
        JOIN lexicon x USING (lexicon_id)
        """,
    ),
)
