"""Which training examples made a value shift: targets, rankings, and sums over all examples."""

import sqlalchemy as sa
from sqlmodel import SQLModel

from mlv.schema.tables.columns import check, column, fact, table


class InfluenceRun(SQLModel, table=True):
    """What an influence or validation run traces, and how."""

    __tablename__ = "influence_run"
    __table_args__ = table(
        "What an influence or validation run traces, and how.", check("method IN ('trak', 'tracin', 'validation')")
    )

    run_id: int = column("The influence or validation run.", key=True)
    traced_run_id: int = column("The fine-tuning run whose examples are ranked.")
    method: str = column("trak or tracin; validation for a run that compares several.")
    similarity: str = column("dot, or cosine where gradients are normalised; empty for a validation run.")
    quantity: str = column(
        "What is traced: answer (given after fine-tuning), margin (first minus second) or shift (the margin, in the "
        "direction in which it moved)."
    )
    selection: str = column("Which probes are traced: shifted, all or chosen; a validation run's are chosen.")
    projection: str = column("none, principal, random or dense; empty for a validation run.")
    dimensions: int = column("Directions on each side of a matrix; in all for a dense projection; 0 for none.")
    modules: str = column("Groups of parameters that take part, comma-separated; empty for a validation run.")
    damping: float = column(
        "Lambda of TRAK in units of the features' mean squared norm; 0 for TracIn and for a validation run.",
        sql_type=sa.Double,
    )
    checkpoints: int = column("Model states that scores are averaged (TRAK) or summed (TracIn) over.")
    examples: int = column("Training examples that were scored.")
    top_k: int = column("Examples ranked per target and direction; 0 for a validation run.")


class InfluenceTarget(SQLModel, table=True):
    """What is traced."""

    __tablename__ = "influence_target"
    __table_args__ = table(
        "A prediction that an influence run traces back to training examples.", check("answer IN (1, 2)")
    )
    __mapper_args__ = fact("influence_target_id")

    influence_target_id: int = column("Key, unique over all runs.")
    run_id: int = column("The influence run.")
    probe_id: int | None = column("The probe; NULL for a target that is none.")
    epoch: int | None = column("The epoch whose checkpoint alone was used; NULL where all were.")
    answer: int | None = column("The answer that positive influence speaks for, 1 or 2; NULL where there is none.")
    value: float = column("The traced quantity in the traced checkpoint, nats per token.", sql_type=sa.Double)


class InfluenceRanking(SQLModel, table=True):
    """One of a target's most influential training examples."""

    __tablename__ = "influence_ranking"
    __table_args__ = table(
        "The most influential training examples of a target (Echoes section 7).",
        check("direction IN ('positive', 'negative')"),
        check("rank > 0"),
    )
    __mapper_args__ = fact("influence_target_id", "direction", "rank")

    influence_target_id: int = column("The target.")
    direction: str = column("positive: supports the traced answer; negative: contradicts it.")
    rank: int = column("1 for the most influential in that direction.")
    training_example_id: int = column("The training example.")
    score: float = column("Influence score.", sql_type=sa.REAL)


class InfluenceSummary(SQLModel, table=True):
    """Scores of a target over all examples of a language."""

    __tablename__ = "influence_summary"
    __table_args__ = table("Moments of a target's scores over all training examples of a language.")
    __mapper_args__ = fact("influence_target_id", "language_id")

    influence_target_id: int = column("The target.")
    language_id: int = column("Language of the training examples.")
    n: int = column("Training examples.")
    score_sum: float = column("Sum of scores.", sql_type=sa.Double)
    score_sum_squares: float = column("Sum of squared scores.", sql_type=sa.Double)
    score_min: float = column("Lowest score.", sql_type=sa.Double)
    score_max: float = column("Highest score.", sql_type=sa.Double)


class InfluenceLanguage(SQLModel, table=True):
    """How many of a target's ranked examples are in a language."""

    __tablename__ = "influence_language"
    __table_args__ = table(
        "How many of a target's ranked examples are in each language that the traced run was trained on: counted when "
        "the rankings enter.",
        check("direction IN ('positive', 'negative')"),
    )
    __mapper_args__ = fact("influence_target_id", "direction", "language_id")

    influence_target_id: int = column("The target.")
    direction: str = column("positive: supports the traced answer; negative: contradicts it.")
    language_id: int = column("Language of the examples.")
    ranked: int = column("Ranked examples in all languages together.")
    examples: int = column("Ranked examples in this one.")
    translated: int = column("Of these, those whose text is among the ranked examples in the test language too.")


class InfluenceOverlap(SQLModel, table=True):
    """How many of their ranked examples two targets share."""

    __tablename__ = "influence_overlap"
    __table_args__ = table(
        "What the rankings of two targets share, counted when these enter: under the same question in two test "
        "languages of a run the same examples; under the same probe, in runs that are alike but for the one language "
        "they trace, the same texts, by parallel key. No row where they share nothing, nor for targets of an epoch.",
        check("direction IN ('positive', 'negative')"),
    )
    __mapper_args__ = fact("influence_target_id", "other_target_id", "direction")

    influence_target_id: int = column("The target of the first test or fine-tuning language, by code.")
    other_target_id: int = column("The target of the second.")
    direction: str = column("positive: supports the traced answer; negative: contradicts it.")
    shared: int = column("Ranked examples, or pairs of a text and its translation, that both have.")


class InfluenceValidation(SQLModel, table=True):
    """How well scores predict what retraining shows."""

    __tablename__ = "influence_validation"
    __table_args__ = table(
        "How well influence scores predict what retraining on a part of the examples shows, per probe.",
        check("test IN ('lds', 'removal')"),
        check("seeds IN ('same', 'other')"),
        check("direction IS NULL OR direction IN ('positive', 'negative')"),
    )
    __mapper_args__ = fact("run_id", "test", "scores", "probe_id", "seeds", "direction", "k", "draw")

    run_id: int = column("The validation run.")
    test: str = column(
        "lds: linear datamodeling score, Spearman's rho between predicted and true values over random halves (Park et "
        "al. 2023, section 3); removal: change in the probability of the traced answer when the top k are left out "
        "(H section 6)."
    )
    scores: str = column("The scores: an attribution such as trak-principal-32, or a baseline such as random.")
    probe_id: int = column("The probe.")
    seeds: str = column("Seeds of the retrained models: same as the traced run's, or other.")
    direction: str | None = column(
        "Which examples were left out, positive or negative; NULL for lds and for random ones."
    )
    k: int | None = column("How many examples were left out; NULL for lds.")
    draw: int = column("Number of the draw of a random baseline; 0 for scores that are not random.")
    n: int = column("Retrained models behind the value.")
    value: float = column("lds: rho; removal: probability after minus probability before.", sql_type=sa.Double)
