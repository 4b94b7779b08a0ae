"""Sums over influence rankings."""

from typing import cast

import duckdb
import sqlalchemy as sa
from alembic import op

from mlv.schema.derived.ranking_sums import sum_rankings

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and make the sums of the rankings that are there."""
    op.create_table(
        "influence_language",
        sa.Column("influence_target_id", sa.Integer(), nullable=False, comment="The target."),
        sa.Column(
            "direction",
            sa.String(),
            nullable=False,
            comment="positive: supports the traced answer; negative: contradicts it.",
        ),
        sa.Column("language_id", sa.Integer(), nullable=False, comment="Language of the examples."),
        sa.Column("ranked", sa.Integer(), nullable=False, comment="Ranked examples in all languages together."),
        sa.Column("examples", sa.Integer(), nullable=False, comment="Ranked examples in this one."),
        sa.Column(
            "translated",
            sa.Integer(),
            nullable=False,
            comment="Of these, those whose text is among the ranked examples in the test language too.",
        ),
        sa.CheckConstraint("direction IN ('positive', 'negative')"),
        comment="How many of a target's ranked examples are in each language that the traced run was trained on: counted when the rankings enter.",
    )
    op.create_table(
        "influence_overlap",
        sa.Column(
            "influence_target_id",
            sa.Integer(),
            nullable=False,
            comment="The target of the first test or fine-tuning language, by code.",
        ),
        sa.Column("other_target_id", sa.Integer(), nullable=False, comment="The target of the second."),
        sa.Column(
            "direction",
            sa.String(),
            nullable=False,
            comment="positive: supports the traced answer; negative: contradicts it.",
        ),
        sa.Column(
            "shared",
            sa.Integer(),
            nullable=False,
            comment="Ranked examples, or pairs of a text and its translation, that both have.",
        ),
        sa.CheckConstraint("direction IN ('positive', 'negative')"),
        comment="What the rankings of two targets share, counted when these enter: under the same question in two test languages of a run the same examples; under the same probe, in runs that are alike but for the one language they trace, the same texts, by parallel key. No row where they share nothing, nor for targets of an epoch.",
    )
    sum_rankings(cast(duckdb.DuckDBPyConnection, op.get_bind().connection.driver_connection))
