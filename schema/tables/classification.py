"""Classifiers: what they are trained on, and what they say of texts."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table


class ClassificationRun(Row, table=True):
    """What a run trains a classifier on."""

    __tablename__ = "classification_run"
    __table_args__ = table(
        "What a run trains a classifier on. In which languages, and how many examples of each, is in run_corpus.",
        check("(added_language_id IS NULL) = (added_percent IS NULL)"),
        check("added_percent > 0"),
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The run.", key=True, refers="run.run_id")
    task_id: int = column("What is told apart.", refers="task.task_id")
    examples: int = column("Training examples of a language, added ones not counted.")
    left_out: str | None = column(
        "Languages that have every example as well and are not trained on, comma-separated in alphabetical order; NULL "
        "if there is none."
    )
    added_language_id: int | None = column(
        "Language of which there are more examples; NULL if there is none.", refers="language.language_id"
    )
    added_percent: int | None = column("How many more, in percent of the examples of a language.")


class PredictionRun(Row, table=True):
    """What a run asks a classifier."""

    __tablename__ = "prediction_run"
    __table_args__ = table("What a run asks a classifier.", identity=("run_id",), owner="run_id")

    run_id: int = column("The run.", key=True, refers="run.run_id")
    task_id: int = column("What the classifier tells apart.", refers="task.task_id")


class ClassLogit(Row, table=True):
    """How a classifier scores one class of a text."""

    __tablename__ = "class_logit"
    __table_args__ = table(
        "Score of one class of a labelled text or pair of texts, by a checkpoint under a mask or without one.",
        check("class_number >= 1"),
        identity=("checkpoint_id", "mask_id", "segment_id", "class_number"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="prediction_run.run_id")
    checkpoint_id: int = column("The checkpoint.", refers="checkpoint.checkpoint_id")
    segment_id: int = column("The text or pair of texts.", refers="segment.segment_id")
    class_number: int = column("Class, from 1, in the order of the classifier's outputs.")
    logit: float = column("Its logit.", sql_type=sa.Double)
    logprob: float = column("Its log-probability, nats.", sql_type=sa.Double)
    mask_id: int | None = column("Mask that the checkpoint was under; NULL for none.", refers="mask.mask_id")
