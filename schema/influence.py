"""Which training examples made a value shift: targets, rankings, and sums over all examples."""

import sqlalchemy as sa
from sqlmodel import SQLModel

from mlv.schema.columns import check, column, fact, table


class InfluenceTarget(SQLModel, table=True):
    """What is traced."""

    __tablename__ = "influence_target"
    __table_args__ = table("A prediction that an influence run traces back to training examples.")
    __mapper_args__ = fact("influence_target_id")

    influence_target_id: int = column("Key, unique over all runs.")
    run_id: int = column("The influence run.")
    probe_id: int | None = column("The probe; NULL for a target that is none.")
    epoch: int | None = column("The epoch whose checkpoint alone was used; NULL where all were.")


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
