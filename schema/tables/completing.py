"""How masked models complete sentences about groups, and the emotions of their words."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table


class CompletionRun(Row, table=True):
    """What a run lets a masked model complete, and how."""

    __tablename__ = "completion_run"
    __table_args__ = table(
        "What a run lets a masked model complete. The model is run.start_checkpoint_id.",
        check("prior IN ('one_mask', 'as_many', 'published')"),
        check("top_k >= 1"),
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The run.", key=True, refers="run.run_id")
    group_list_id: int = column("List of the groups that the sentences speak of.", refers="group_list.group_list_id")
    prior: str = column("What stands for the group in the prior: one_mask, as_many or published.")
    top_k: int = column("Likeliest attributes of a sentence that were kept.")


class Completion(Row, table=True):
    """One of the likeliest attributes of a sentence."""

    __tablename__ = "completion"
    __table_args__ = table(
        "One of the likeliest attributes of a sentence, by a checkpoint (D6 section 6.4). A checkpoint completes a "
        "sentence once under a prior.",
        check("rank >= 1 AND typicality_rank >= 1"),
        check("logprob <= 0 AND logprob_prior <= 0"),
        check("(logprob_prior IS NULL) = (typicality_rank IS NULL)"),
        identity=("run_id", "cloze_id", "rank"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="completion_run.run_id")
    cloze_id: int = column("The sentence.", refers="cloze.cloze_id")
    rank: int = column("Rank by probability, from 1.")
    attribute: str = column("Text of the token, stripped; a token that continues a word keeps its mark, e.g. ##ly.")
    token: int = column("Its number in the model's vocabulary.")
    logprob: float = column("Its log-probability in the sentence, nats, over the whole vocabulary.", sql_type=sa.Double)
    logprob_prior: float | None = column(
        "Its log-probability with the group masked too, nats; NULL where the sentence has no prior.", sql_type=sa.Double
    )
    typicality_rank: int | None = column(
        "Rank by typicality, logprob minus logprob_prior, among the attributes that were kept, from 1; equal ones by "
        "token; NULL where the sentence has no prior."
    )


class EmotionScore(Row, table=True):
    """How much of an emotion is in what a model says of a group."""

    __tablename__ = "emotion_score"
    __table_args__ = table(
        "Share of the words that a run completes the templates of a group with that are associated with an emotion (D6 "
        "equation 6.4): made of completions and a lexicon when either enters the store.",
        check("covered BETWEEN 1 AND words"),
        check("score BETWEEN 0 AND 1"),
        identity=("run_id", "lexicon_id", "social_group_id", "emotion"),
        owner=("run_id", "lexicon_id"),
    )

    run_id: int = column("The run.", refers="completion_run.run_id")
    lexicon_id: int = column("The lexicon.", refers="lexicon.lexicon_id")
    social_group_id: int = column("The group.", refers="social_group.social_group_id")
    emotion: str = column("The emotion.")
    words: int = column("Different attributes over the templates of the group.")
    covered: int = column("Those that the lexicon has.")
    score: float = column("Share of these that are associated with the emotion, 0 to 1.", sql_type=sa.Double)
