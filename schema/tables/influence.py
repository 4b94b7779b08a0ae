"""Which training examples made a value shift: targets, rankings, and sums over all examples."""

from typing import Final

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table

DIRECTION: Final = "positive: the examples with the highest scores; negative: those with the lowest."
SCORE: Final = "Influence score: above 0 it supports the traced quantity, below 0 it contradicts it."
RANK: Final = "1 for the highest score, or the lowest, of that direction."


class InfluenceRun(Row, table=True):
    """What an influence run traces, and how."""

    __tablename__ = "influence_run"
    __table_args__ = table(
        "What an influence run traces, and how.",
        check("method IN ('trak', 'tracin')"),
        check("training_masks IN ('test', 'own', 'none')"),
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The influence run.", key=True, refers="run.run_id")
    traced_run_id: int = column("The run whose training examples are ranked.", refers="run.run_id")
    method: str = column("trak or tracin.")
    similarity: str = column("dot, or cosine if gradients are normalised first.")
    quantity: str = column(
        "What is traced: answer (given after fine-tuning), margin (first minus second) or shift (the margin, in the "
        "direction in which it moved); of a labelled text label (the class of its label)."
    )
    selection: str = column(
        "Which targets are traced: of probes shifted, all or chosen; of labelled texts correct ones, or chosen."
    )
    projection: str = column("none, principal, random or dense.")
    dimensions: int = column("Directions on each side of a matrix; in all for a dense projection; 0 for none.")
    modules: str = column("Groups of parameters that take part, comma-separated.")
    damping: float = column(
        "Lambda of TRAK in units of the features' mean squared norm; 0 for TracIn.", sql_type=sa.Double
    )
    checkpoints: int = column("Model states that scores are averaged (TRAK) or summed (TracIn) over.")
    examples: int = column("Training examples that were scored.")
    top_k: int = column("Examples ranked per target and direction.")
    bin_width: float = column(
        "Width of the bins of influence_histogram. For TracIn's cosines, which sum up to at most the number of "
        "checkpoints, 0.01 times that number. Other scores have no bound: of 1 and 5 times the powers of ten the "
        "largest that is at most a tenth of the standard deviation of that target's scores which vary most.",
        sql_type=sa.Double,
    )
    training_masks: str | None = column(
        "Under which mask gradients of training examples were taken, where targets are traced under masks: test, that "
        "of the target; own, that of the example's language; none. NULL where targets are traced without masks."
    )


class InfluenceTarget(Row, table=True):
    """What is traced."""

    __tablename__ = "influence_target"
    __table_args__ = table(
        "A prediction that an influence run traces back to training examples: the answer to a probe, or the class of a "
        "labelled text.",
        check("answer >= 1"),
        check("(probe_id IS NULL) <> (segment_id IS NULL)"),
        identity=("run_id", "probe_id", "segment_id", "epoch"),
        owner="run_id",
    )

    influence_target_id: int = column("Key, unique over all runs.")
    run_id: int = column("The influence run.", refers="influence_run.run_id")
    probe_id: int | None = column("The probe; NULL for a target that is something else.", refers="probe.probe_id")
    segment_id: int | None = column("The labelled text; NULL for a probe.", refers="segment.segment_id")
    epoch: int | None = column("The epoch whose checkpoint alone was used; NULL where all were.")
    answer: int | None = column("The answer that positive influence supports, from 1; NULL if it supports none.")
    value: float = column("The traced quantity in the traced checkpoint, nats per token.", sql_type=sa.Double)


class InfluenceRanking(Row, table=True):
    """One of the training examples of a target with the highest or the lowest scores."""

    __tablename__ = "influence_ranking"
    __table_args__ = table(
        "The training examples of a target with the highest and with the lowest scores (Echoes section 7).",
        check("direction IN ('positive', 'negative')"),
        check("rank > 0"),
        identity=("influence_target_id", "direction", "rank"),
        owner="influence_target_id",
    )

    influence_target_id: int = column("The target.", refers="influence_target.influence_target_id")
    direction: str = column(DIRECTION)
    rank: int = column(RANK)
    training_example_id: int = column("The training example.", refers="training_example.training_example_id")
    score: float = column(SCORE, sql_type=sa.REAL)


class InfluenceSummary(Row, table=True):
    """Scores of a target over all examples of a language."""

    __tablename__ = "influence_summary"
    __table_args__ = table(
        "Moments of a target's scores over all training examples of a language.",
        identity=("influence_target_id", "language_id"),
        owner="influence_target_id",
    )

    influence_target_id: int = column("The target.", refers="influence_target.influence_target_id")
    language_id: int = column("Language of the training examples.", refers="language.language_id")
    n: int = column("Training examples.")
    score_sum: float = column("Sum of scores.", sql_type=sa.Double)
    score_sum_squares: float = column("Sum of squared scores.", sql_type=sa.Double)
    score_min: float = column("Lowest score.", sql_type=sa.Double)
    score_max: float = column("Highest score.", sql_type=sa.Double)


class InfluenceHistogram(Row, table=True):
    """How the scores of a target over all examples of a language are distributed."""

    __tablename__ = "influence_histogram"
    __table_args__ = table(
        "How many training examples of a language have a score of a target in a bin (Choenni et al. 2023, figures 9 to "
        "11), of targets over all checkpoints. Bin b has the scores from b to b + 1 times the run's bin_width, the "
        "upper end left out: bins below 0 hold the negative scores, all others the positive ones and 0. A bin without "
        "examples has no row.",
        check("n > 0"),
        identity=("influence_target_id", "language_id", "bin"),
        owner="influence_target_id",
    )

    influence_target_id: int = column("The target.", refers="influence_target.influence_target_id")
    language_id: int = column("Language of the training examples.", refers="language.language_id")
    bin: int = column("Number of the bin: the score over the run's bin_width, rounded down.")
    n: int = column("Training examples.")


class InfluenceEpochTest(Row, table=True):
    """Whether the scores of a target differ between two epochs."""

    __tablename__ = "influence_epoch_test"
    __table_args__ = table(
        "Whether the scores of all training examples differ between two epochs (Choenni et al. 2023, section 8.2): "
        "Wilcoxon's signed-rank test, two-sided, by the normal approximation, corrected for ties and not for "
        "continuity; examples with equal scores are left out.",
        check("n >= 0"),
        identity=("influence_target_id", "other_target_id"),
        owner="influence_target_id",
    )

    influence_target_id: int = column("The target of the earlier epoch.", refers="influence_target.influence_target_id")
    other_target_id: int = column(
        "The same probe or labelled text, traced at the later epoch.", refers="influence_target.influence_target_id"
    )
    n: int = column("Training examples with different scores.")
    z: float | None = column(
        "Standardised rank sum, above 0 where the later scores are the higher ones; NULL where no score differs.",
        sql_type=sa.Double,
    )
    p: float | None = column("Its p-value; NULL where no score differs.", sql_type=sa.Double)


class InfluenceLanguage(Row, table=True):
    """How many of a target's ranked examples are in a language."""

    __tablename__ = "influence_language"
    __table_args__ = table(
        "How many of a target's ranked examples are in each language that the traced run was trained on: counted when "
        "the rankings enter.",
        check("direction IN ('positive', 'negative')"),
        identity=("influence_target_id", "direction", "language_id"),
        owner="influence_target_id",
    )

    influence_target_id: int = column("The target.", refers="influence_target.influence_target_id")
    direction: str = column(DIRECTION)
    language_id: int = column("Language of the examples.", refers="language.language_id")
    ranked: int = column("Ranked examples in all languages together.")
    examples: int = column("Ranked examples in this one.")
    translated: int = column("Of these, those whose text is among the ranked examples in the test language too.")
    wrong_sign: int = column(
        "Of these, those with a score of the other sign: a highest one below 0, a lowest one above."
    )


class InfluenceOverlap(Row, table=True):
    """How many of their ranked examples two targets share."""

    __tablename__ = "influence_overlap"
    __table_args__ = table(
        "What the rankings of two targets share, counted when these enter: under the same question in two test "
        "languages of a run the same examples; under the same probe, in runs that are alike but for the one language "
        "they trace, the same texts, by parallel key. No row where they share nothing, nor for targets of an epoch.",
        check("direction IN ('positive', 'negative')"),
        identity=("influence_target_id", "other_target_id", "direction"),
        owner=("influence_target_id", "other_target_id"),
    )

    influence_target_id: int = column(
        "The target of the first test or fine-tuning language, by code.", refers="influence_target.influence_target_id"
    )
    other_target_id: int = column("The target of the second.", refers="influence_target.influence_target_id")
    direction: str = column(DIRECTION)
    shared: int = column("Ranked examples, or pairs of a text and its translation, that both have.")
