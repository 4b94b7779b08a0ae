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
    quantities: str = column("What is predicted, comma-separated: answer, margin, shift, as in influence_run.")
    checkpoints: int = column("Model states of that run that scores are averaged (TRAK) or summed (TracIn) over.")
    examples: int = column("Training examples that were scored.")


class ValidationLds(Row, table=True):
    """How well one set of scores predicts what models trained on subsets of the examples show."""

    __tablename__ = "validation_lds"
    __table_args__ = table(
        "Linear datamodeling scores (LDS; Park et al. 2023, section 3): Spearman's rho between predicted and true "
        "values over models trained on subsets of the examples, mean over the probes. Intervals, of 95 percent, are "
        "from resamples of models and probes that all scores of a run share; its specification has their number and "
        "seed.",
        check("test IN ('lds', 'language')"),
        check("seeds IN ('same', 'other')"),
        check("quantity IN ('answer', 'margin', 'shift', 'label')"),
        identity=("run_id", "test", "quantity", "scores", "seeds"),
        owner="run_id",
    )

    run_id: int = column("The validation run.", refers="validation_run.run_id")
    test: str = column("lds: models are trained on random halves; language: without one of the run's languages.")
    quantity: str = column("What is predicted, and what the scores are of: answer, margin or shift.")
    scores: str = column(
        "The scores: an attribution such as trak-principal-32, or a baseline such as random; of languages also whether "
        "an example is among the highest of these, as in trak-principal-32 top 100."
    )
    seeds: str = column(
        "Seeds of the retrained models: other, each its own; or same as the traced run's, so that order and corruption "
        "are the run's, too."
    )
    targets: int = column("Probes whose rho is defined.")
    draws: int = column("Draws of a random baseline; 1 for scores that are not random.")
    n: int = column("Retrained models behind each rho; 16 or fewer are a smoke test.")
    lds: float = column("Mean of rho over the probes, then over the draws.", sql_type=sa.Double)
    lds_low: float | None = column(
        "Lower end of its interval; NULL for random baselines, and of fewer than 10 models or probes.",
        sql_type=sa.Double,
    )
    lds_high: float | None = column("Upper end.", sql_type=sa.Double)
    difference: float | None = column(
        "lds minus that of the run's first attribution; NULL for it and for random baselines.", sql_type=sa.Double
    )
    difference_low: float | None = column(
        "Lower end of its interval, from the same resamples of both; NULL as lds_low is.", sql_type=sa.Double
    )
    difference_high: float | None = column("Upper end.", sql_type=sa.Double)
    null_mean: float | None = column(
        "The same of these scores dealt to the examples at random, mean of 200 draws; NULL for random baselines.",
        sql_type=sa.Double,
    )
    null_sd: float | None = column("Its standard deviation over the draws.", sql_type=sa.Double)


class ValidationResult(Row, table=True):
    """How well one set of scores predicts what retraining does to one probe."""

    __tablename__ = "validation_result"
    __table_args__ = table(
        "How well influence scores predict what retraining on a part of the examples shows, per probe.",
        check("test IN ('lds', 'language', 'removal')"),
        check("seeds IN ('same', 'other')"),
        check("direction IS NULL OR direction IN ('positive', 'negative')"),
        check("quantity IN ('answer', 'margin', 'shift', 'label')"),
        identity=(
            "run_id",
            "test",
            "quantity",
            "scores",
            "probe_id",
            "segment_id",
            "seeds",
            "seed",
            "direction",
            "k",
            "draw",
        ),
        owner="run_id",
    )

    run_id: int = column("The validation run.", refers="validation_run.run_id")
    test: str = column(
        "lds: linear datamodeling score, Spearman's rho between predicted and true values over random halves (Park et "
        "al. 2023, section 3); language: the same over models without one of the run's languages; removal: change in "
        "the probability of the traced answer when the top k are left out (H section 6)."
    )
    quantity: str = column("What is predicted, and what the scores are of: answer, margin or shift.")
    scores: str = column(
        "The scores: an attribution such as trak-principal-32, or a baseline such as bm25; of a removal the "
        "first attribution, or random."
    )
    probe_id: int | None = column("The probe; NULL for a target that is something else.", refers="probe.probe_id")
    segment_id: int | None = column("The labelled text; NULL for a probe.", refers="segment.segment_id")
    seeds: str = column("Seeds of the retrained models: same as the traced run's, or other.")
    seed: int | None = column("Seed of the retrained model; NULL where there are several.")
    direction: str | None = column(
        "Which examples were left out, positive or negative; NULL but for a removal of these."
    )
    k: int | None = column("How many examples were left out; NULL but for a removal.")
    draw: int = column("Number of the draw of random examples; 0 for scores that are not random.")
    n: int = column("Retrained models behind the value.")
    value: float = column("lds, language: rho; removal: probability after minus before.", sql_type=sa.Double)
    reference: float | None = column(
        "removal: probability before, of the model trained on all examples with the same seed; else NULL.",
        sql_type=sa.Double,
    )
