"""Resamples of questions, and projections of profiles."""

from typing import cast

import duckdb
import sqlalchemy as sa
from alembic import op

from mlv.schema.derived.resampling import draw_resamples

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the new tables; rebuild ``run``; resample the probe sets that are there."""
    _rebuild_run()
    op.create_table(
        "bootstrap",
        sa.Column(
            "probe_set_id",
            sa.Integer(),
            primary_key=True,
            autoincrement=False,
            nullable=False,
            comment="The probe set.",
        ),
        sa.Column("seed", sa.Integer(), nullable=False, comment="Seed of the draws."),
        sa.Column(
            "resamples", sa.Integer(), nullable=False, comment="How often as many questions as the set has were drawn."
        ),
        comment="How the questions of a probe set were drawn with replacement, for paired intervals.",
    )
    op.create_table(
        "bootstrap_draw",
        sa.Column("probe_set_id", sa.Integer(), nullable=False, comment="The probe set."),
        sa.Column("resample", sa.Integer(), nullable=False, comment="Number of the resample, from 1."),
        sa.Column("question_id", sa.Integer(), nullable=False, comment="The question."),
        sa.Column("times", sa.Integer(), nullable=False, comment="How often it was drawn."),
        sa.CheckConstraint("resample > 0"),
        sa.CheckConstraint("times > 0"),
        comment="How often a question was drawn into a resample; without a row, not at all. All runs, languages and countries share the draws, so that differences between them have intervals too.",
    )
    op.create_table(
        "projection_run",
        sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="The run."),
        sa.Column(
            "probe_set_id", sa.Integer(), nullable=False, comment="The probe set whose questions the profiles are over."
        ),
        sa.Column(
            "score",
            sa.String(),
            nullable=True,
            comment="Way of scoring behind models' profiles; NULL where only countries are projected.",
        ),
        sa.Column("questions", sa.Integer(), nullable=False, comment="Questions that all profiles have."),
        sa.Column(
            "explained_x", sa.Double(), nullable=False, comment="Share of the profiles' variance along x, in [0, 1]."
        ),
        sa.Column(
            "explained_y", sa.Double(), nullable=False, comment="Share of the profiles' variance along y, in [0, 1]."
        ),
        comment="A principal component analysis of profiles, centred and not scaled (Echoes Figures 4, 11 and 13).",
    )
    op.create_table(
        "projected_profile",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The run."),
        sa.Column("profile_id", sa.Integer(), nullable=False, comment="The profile."),
        sa.Column("x", sa.Double(), nullable=False, comment="Coordinate along the first component."),
        sa.Column("y", sa.Double(), nullable=False, comment="Coordinate along the second component."),
        comment="Where a profile lies in the plane of the first two principal components.",
    )
    _resample()


def _resample() -> None:
    """Draw what ``mlv ingest probes`` draws for new sets."""
    connection = cast(duckdb.DuckDBPyConnection, op.get_bind().connection.driver_connection)
    sets = connection.execute("SELECT probe_set_id FROM probe_set ORDER BY probe_set_id").fetchall()
    for (probe_set_id,) in sets:
        draw_resamples(connection, probe_set_id)


def _rebuild_run() -> None:
    """Admit a kind of run: DuckDB cannot alter a CHECK, and no foreign key leads to or from this table."""
    op.execute("CREATE TEMPORARY TABLE kept_run AS SELECT * FROM run")
    op.drop_table("run")
    op.create_table(
        "run",
        sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column(
            "kind", sa.String(), nullable=False, comment="pretrain, finetune, probe, influence, validate or project."
        ),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="Name of the job directory: kind and the first 12 digits of the spec hash.",
        ),
        sa.Column(
            "spec_hash",
            sa.String(),
            nullable=False,
            comment="SHA-256 of the canonical specification: the identity of the job.",
        ),
        sa.Column(
            "spec", sa.String(), nullable=False, comment="The specification as JSON: all that determines the result."
        ),
        sa.Column(
            "parent_run_id",
            sa.Integer(),
            nullable=True,
            comment="The run whose checkpoint this one starts from or examines.",
        ),
        sa.Column(
            "start_checkpoint_id",
            sa.Integer(),
            nullable=True,
            comment="The checkpoint that this run starts from or examines.",
        ),
        sa.Column("seed", sa.Integer(), nullable=False, comment="Seed of everything random in the run."),
        sa.Column(
            "status", sa.String(), nullable=False, comment="committed, or deleting while a deletion is under way."
        ),
        sa.Column("started_at", sa.DateTime(), nullable=False, comment="When the job started, UTC."),
        sa.Column("finished_at", sa.DateTime(), nullable=False, comment="When it finished, UTC."),
        sa.Column("committed_at", sa.DateTime(), nullable=False, comment="When it was committed, UTC."),
        sa.Column(
            "provenance",
            sa.String(),
            nullable=False,
            comment="JSON: mlv version, git commit and dirty flag, package versions, hardware, thread count, determinism flags, arguments as given.",
        ),
        sa.CheckConstraint("kind IN ('pretrain', 'finetune', 'probe', 'influence', 'validate', 'project')"),
        sa.CheckConstraint("status IN ('committed', 'deleting')"),
        sa.UniqueConstraint("spec_hash"),
        comment="A compute job whose results are in the store.",
    )
    op.execute("INSERT INTO run BY NAME SELECT * FROM kept_run")
    op.execute("DROP TABLE kept_run")
