"""How well influence scores predict what retraining without a part of the examples shows."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table


class ValidationRun(Row, table=True):
    """What a validation run retrains."""

    __tablename__ = "validation_run"
    __table_args__ = table(
        "A comparison of attributions and baselines, by retraining a run without parts of its examples.",
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The validation run.", key=True, refers="run.run_id")
    traced_run_id: int = column("The fine-tuning run that is retrained.", refers="run.run_id")
    quantity: str = column("What is predicted, as in influence_run: answer, margin or shift.")
    checkpoints: int = column("Model states of that run that scores are averaged (TRAK) or summed (TracIn) over.")
    examples: int = column("Training examples that were scored.")


class ValidationResult(Row, table=True):
    """How well one set of scores predicts what retraining does to one probe."""

    __tablename__ = "validation_result"
    __table_args__ = table(
        "How well influence scores predict what retraining on a part of the examples shows, per probe.",
        check("test IN ('lds', 'removal')"),
        check("seeds IN ('same', 'other')"),
        check("direction IS NULL OR direction IN ('positive', 'negative')"),
        identity=("run_id", "test", "scores", "probe_id", "seeds", "direction", "k", "draw"),
        owner="run_id",
    )

    run_id: int = column("The validation run.", refers="validation_run.run_id")
    test: str = column(
        "lds: linear datamodeling score, Spearman's rho between predicted and true values over random halves (Park et "
        "al. 2023, section 3); removal: change in the probability of the traced answer when the top k are left out "
        "(H section 6)."
    )
    scores: str = column("The scores: an attribution such as trak-principal-32, or a baseline such as random.")
    probe_id: int | None = column("The probe; NULL for a target that is something else.", refers="probe.probe_id")
    seeds: str = column("Seeds of the retrained models: same as the traced run's, or other.")
    direction: str | None = column(
        "Which examples were left out, positive or negative; NULL for lds and for random ones."
    )
    k: int | None = column("How many examples were left out; NULL for lds.")
    draw: int = column("Number of the draw of a random baseline; 0 for scores that are not random.")
    n: int = column("Retrained models behind the value.")
    value: float = column("lds: rho; removal: probability after minus probability before.", sql_type=sa.Double)
