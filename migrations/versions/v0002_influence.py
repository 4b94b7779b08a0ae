"""Influence targets, rankings and summaries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "influence_ranking",
        sa.Column("influence_target_id", sa.Integer(), nullable=False, comment="The target."),
        sa.Column(
            "direction",
            sa.String(),
            nullable=False,
            comment="positive: supports the traced answer; negative: contradicts it.",
        ),
        sa.Column("rank", sa.Integer(), nullable=False, comment="1 for the most influential in that direction."),
        sa.Column("training_example_id", sa.Integer(), nullable=False, comment="The training example."),
        sa.Column("score", sa.REAL(), nullable=False, comment="Influence score."),
        sa.CheckConstraint("direction IN ('positive', 'negative')"),
        sa.CheckConstraint("rank > 0"),
        comment="The most influential training examples of a target (Echoes section 7).",
    )
    op.create_table(
        "influence_summary",
        sa.Column("influence_target_id", sa.Integer(), nullable=False, comment="The target."),
        sa.Column("language_id", sa.Integer(), nullable=False, comment="Language of the training examples."),
        sa.Column("n", sa.Integer(), nullable=False, comment="Training examples."),
        sa.Column("score_sum", sa.Double(), nullable=False, comment="Sum of scores."),
        sa.Column("score_sum_squares", sa.Double(), nullable=False, comment="Sum of squared scores."),
        sa.Column("score_min", sa.Double(), nullable=False, comment="Lowest score."),
        sa.Column("score_max", sa.Double(), nullable=False, comment="Highest score."),
        comment="Moments of a target's scores over all training examples of a language.",
    )
    op.create_table(
        "influence_target",
        sa.Column("influence_target_id", sa.Integer(), nullable=False, comment="Key, unique over all runs."),
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The influence run."),
        sa.Column("probe_id", sa.Integer(), nullable=True, comment="The probe; NULL for a target that is none."),
        sa.Column(
            "epoch",
            sa.Integer(),
            nullable=True,
            comment="The epoch whose checkpoint alone was used; NULL where all were.",
        ),
        comment="A prediction that an influence run traces back to training examples.",
    )
