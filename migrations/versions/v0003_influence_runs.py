"""Influence runs and their validation."""

import sqlalchemy as sa
from alembic import op

from mlv.schema.errors import StoreError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the new tables; rebuild ``run`` and ``influence_target``, where DuckDB cannot alter what changes."""
    _refuse_targets()
    _rebuild_run()
    op.drop_table("influence_target")
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
        sa.Column(
            "answer",
            sa.Integer(),
            nullable=True,
            comment="The answer that positive influence speaks for, 1 or 2; NULL where there is none.",
        ),
        sa.Column(
            "value",
            sa.Double(),
            nullable=False,
            comment="The traced quantity in the traced checkpoint, nats per token.",
        ),
        sa.CheckConstraint("answer IN (1, 2)"),
        comment="A prediction that an influence run traces back to training examples.",
    )
    op.create_table(
        "influence_run",
        sa.Column(
            "run_id",
            sa.Integer(),
            primary_key=True,
            autoincrement=False,
            nullable=False,
            comment="The influence or validation run.",
        ),
        sa.Column(
            "traced_run_id", sa.Integer(), nullable=False, comment="The fine-tuning run whose examples are ranked."
        ),
        sa.Column(
            "method",
            sa.String(),
            nullable=False,
            comment="trak or tracin; validation for a run that compares several.",
        ),
        sa.Column(
            "similarity",
            sa.String(),
            nullable=False,
            comment="dot, or cosine where gradients are normalised; empty for a validation run.",
        ),
        sa.Column(
            "quantity",
            sa.String(),
            nullable=False,
            comment="What is traced: answer (given after fine-tuning), margin (first minus second) or shift (the margin, in the direction in which it moved).",
        ),
        sa.Column(
            "selection",
            sa.String(),
            nullable=False,
            comment="Which probes are traced: shifted, all or chosen; a validation run's are chosen.",
        ),
        sa.Column(
            "projection",
            sa.String(),
            nullable=False,
            comment="none, principal, random or dense; empty for a validation run.",
        ),
        sa.Column(
            "dimensions",
            sa.Integer(),
            nullable=False,
            comment="Directions on each side of a matrix; in all for a dense projection; 0 for none.",
        ),
        sa.Column(
            "modules",
            sa.String(),
            nullable=False,
            comment="Groups of parameters that take part, comma-separated; empty for a validation run.",
        ),
        sa.Column(
            "damping",
            sa.Double(),
            nullable=False,
            comment="Lambda of TRAK in units of the features' mean squared norm; 0 for TracIn and for a validation run.",
        ),
        sa.Column(
            "checkpoints",
            sa.Integer(),
            nullable=False,
            comment="Model states that scores are averaged (TRAK) or summed (TracIn) over.",
        ),
        sa.Column("examples", sa.Integer(), nullable=False, comment="Training examples that were scored."),
        sa.Column(
            "top_k",
            sa.Integer(),
            nullable=False,
            comment="Examples ranked per target and direction; 0 for a validation run.",
        ),
        sa.CheckConstraint("method IN ('trak', 'tracin', 'validation')"),
        comment="What an influence or validation run traces, and how.",
    )
    op.create_table(
        "influence_validation",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The validation run."),
        sa.Column(
            "test",
            sa.String(),
            nullable=False,
            comment="lds: linear datamodeling score, Spearman's rho between predicted and true values over random halves (Park et al. 2023, section 3); removal: change in the probability of the traced answer when the top k are left out (H section 6).",
        ),
        sa.Column(
            "scores",
            sa.String(),
            nullable=False,
            comment="The scores: an attribution such as trak-principal-32, or a baseline such as random.",
        ),
        sa.Column("probe_id", sa.Integer(), nullable=False, comment="The probe."),
        sa.Column(
            "seeds",
            sa.String(),
            nullable=False,
            comment="Seeds of the retrained models: same as the traced run's, or other.",
        ),
        sa.Column(
            "direction",
            sa.String(),
            nullable=True,
            comment="Which examples were left out, positive or negative; NULL for lds and for random ones.",
        ),
        sa.Column("k", sa.Integer(), nullable=True, comment="How many examples were left out; NULL for lds."),
        sa.Column(
            "draw",
            sa.Integer(),
            nullable=False,
            comment="Number of the draw of a random baseline; 0 for scores that are not random.",
        ),
        sa.Column("n", sa.Integer(), nullable=False, comment="Retrained models behind the value."),
        sa.Column(
            "value",
            sa.Double(),
            nullable=False,
            comment="lds: rho; removal: probability after minus probability before.",
        ),
        sa.CheckConstraint("test IN ('lds', 'removal')"),
        sa.CheckConstraint("seeds IN ('same', 'other')"),
        sa.CheckConstraint("direction IS NULL OR direction IN ('positive', 'negative')"),
        comment="How well influence scores predict what retraining on a part of the examples shows, per probe.",
    )


def _refuse_targets() -> None:
    """No released mlv traced anything; what another one wrote lacks what the new columns hold, and is not dropped."""
    tables = ("influence_target", "influence_ranking", "influence_summary")
    held = [table for table in tables if op.get_bind().exec_driver_sql(f"SELECT 1 FROM {table} LIMIT 1").first()]
    if held:
        raise StoreError(
            f"The store has rows in {', '.join(held)} that no released mlv wrote: they lack what revision 0003 needs.",
            "Delete their runs with the mlv that wrote them (mlv runs delete NAME), then upgrade again.",
        )


def _rebuild_run() -> None:
    """Admit a kind of run: DuckDB cannot alter a CHECK, and no foreign key leads to or from this table."""
    op.execute("CREATE TEMPORARY TABLE kept_run AS SELECT * FROM run")
    op.drop_table("run")
    op.create_table(
        "run",
        sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("kind", sa.String(), nullable=False, comment="pretrain, finetune, probe, influence or validate."),
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
        sa.CheckConstraint("kind IN ('pretrain', 'finetune', 'probe', 'influence', 'validate')"),
        sa.CheckConstraint("status IN ('committed', 'deleting')"),
        sa.UniqueConstraint("spec_hash"),
        comment="A compute job whose results are in the store.",
    )
    op.execute("INSERT INTO run BY NAME SELECT * FROM kept_run")
    op.execute("DROP TABLE kept_run")
