"""What probing finds: scores of candidate answers, the answers, and cultural profiles."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table, unique


class ProbeLogit(Row, table=True):
    """How a checkpoint scores one candidate answer."""

    __tablename__ = "probe_logit"
    __table_args__ = table(
        "Score of one candidate answer by teacher forcing (Echoes section 3.4), over the answer's own tokens.",
        check("answer >= 1"),
        check("tokens > 0"),
        identity=("checkpoint_id", "probe_id", "answer"),
        owner="run_id",
    )

    run_id: int = column("The probing run.", refers="run.run_id")
    checkpoint_id: int = column("The checkpoint.", refers="checkpoint.checkpoint_id")
    probe_id: int = column("The probe.", refers="probe.probe_id")
    answer: int = column("Number of the candidate, from 1.")
    tokens: int = column("Tokens of the answer, sentinels not counted.")
    logit_sum: float = column("Sum of the tokens' logits.", sql_type=sa.Double)
    logprob_sum: float = column(
        "Sum of the tokens' log-probabilities over the full vocabulary, nats.", sql_type=sa.Double
    )
    logprob_first: float = column("Log-probability of the first token, nats.", sql_type=sa.Double)


class ProbeAnswer(Row, table=True):
    """The answer that a checkpoint gives to a probe."""

    __tablename__ = "probe_answer"
    __table_args__ = table(
        "The answer that a checkpoint gives, by each way of scoring. Equal scores count for the first answer.",
        check("score IN ('sum', 'mean', 'first')"),
        check("answer >= 1"),
        identity=("checkpoint_id", "probe_id", "score"),
        owner="run_id",
    )

    run_id: int = column("The probing run.", refers="run.run_id")
    checkpoint_id: int = column("The checkpoint.", refers="checkpoint.checkpoint_id")
    probe_id: int = column("The probe.", refers="probe.probe_id")
    score: str = column("sum: summed log-probability; mean: per token; first: of the first token.")
    answer: int = column("Number of the candidate with the highest score, from 1.")
    margin: float = column("Score of the first candidate minus that of the second, nats.", sql_type=sa.Double)
    p_first: float = column("Softmax over the two scores, first component (Echoes section 3.5).", sql_type=sa.Double)


class Profile(Row, table=True):
    """A cultural profile."""

    __tablename__ = "profile"
    __table_args__ = table(
        "A cultural profile: of a checkpoint in a language, or of the people of a country (Echoes section 3.5).",
        unique("checkpoint_id", "language_id", "probe_collection_id", "score", "run_id"),
        unique("survey_id", "country_id", "weighting"),
        check("(checkpoint_id IS NULL) <> (survey_id IS NULL)"),
        identity=(
            "checkpoint_id",
            "language_id",
            "probe_collection_id",
            "score",
            "run_id",
            "survey_id",
            "country_id",
            "weighting",
        ),
        owner=("checkpoint_id", "run_id", "survey_id"),
    )

    profile_id: int = column("Key.", key=True)
    checkpoint_id: int | None = column("The checkpoint of a model's profile.", refers="checkpoint.checkpoint_id")
    language_id: int | None = column("The test language of a model's profile.", refers="language.language_id")
    probe_collection_id: int | None = column(
        "The probes behind a model's profile.", refers="probe_collection.probe_collection_id"
    )
    score: str | None = column(
        "The way of scoring behind a model's profile: sum, mean or first of probes; sampled or scored of a chat model."
    )
    run_id: int | None = column(
        "The run whose answers a chat model's profile is made of; NULL for one made of all probes that were asked.",
        refers="run.run_id",
    )
    survey_id: int | None = column("The survey of a country's profile.", refers="survey.survey_id")
    country_id: int | None = column("The country of a country's profile.", refers="country.country_id")
    weighting: str | None = column("weighted or unweighted, for a country's profile.")


class ProfileValue(Row, table=True):
    """One question of a profile."""

    __tablename__ = "profile_value"
    __table_args__ = table(
        "One question of a profile. Both kinds are oriented alike: p_first belongs to the side that answer_side "
        "calls first, also where a language's probe has its answers the other way round.",
        check("p_first BETWEEN 0 AND 1"),
        identity=("profile_id", "question_id"),
        owner="profile_id",
    )

    profile_id: int = column("The profile.", refers="profile.profile_id")
    question_id: int = column("The question.", refers="question.question_id")
    p_first: float = column("Probability of, or share of people on, the first answer's side.", sql_type=sa.Double)


class PcaRun(Row, table=True):
    """A principal component analysis of profiles."""

    __tablename__ = "pca_run"
    __table_args__ = table(
        "A principal component analysis of profiles, centred and not scaled (Echoes Figures 4, 11 and 13).",
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The run.", key=True, refers="run.run_id")
    probe_set_id: int = column("The probe set whose questions the profiles are over.", refers="probe_set.probe_set_id")
    score: str | None = column("Way of scoring behind models' profiles; NULL where only countries are compared.")
    questions: int = column("Questions that all profiles have.")
    explained_x: float = column("Share of the profiles' variance along x, in [0, 1].", sql_type=sa.Double)
    explained_y: float = column("Share of the profiles' variance along y, in [0, 1].", sql_type=sa.Double)


class PcaPoint(Row, table=True):
    """A profile in the plane of the first two components."""

    __tablename__ = "pca_point"
    __table_args__ = table(
        "Where a profile lies in the plane of the first two principal components.",
        identity=("run_id", "profile_id"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="pca_run.run_id")
    profile_id: int = column("The profile.", refers="profile.profile_id")
    x: float = column("Coordinate along the first component.", sql_type=sa.Double)
    y: float = column("Coordinate along the second component.", sql_type=sa.Double)
