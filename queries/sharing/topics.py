"""H as rows: what its measures of influence say of the runs that are traced."""

from mlv.queries.sentences import spanning
from mlv.queries.sharing import figures, sentences, setups
from mlv.queries.sharing.numbers import of
from mlv.queries.study import RETRAINING, TRACING, Need, Section, Study, Topic

EPOCHS = Need("Trace a run's examples by epoch", "mlv compute influence RUN --checkpoints all")

PREDICTED = Need("Train a classifier and ask it", "mlv compute predict RUN --split test")

STUDY = Study(
    "sharing",
    "How languages influence each other",
    "How do languages influence each other?",
    (
        Section(
            "Classifiers",
            (
                Topic(
                    "accuracy",
                    "sections 4.1 and 8.3",
                    PREDICTED,
                    sentence=sentences.accuracy,
                    published=of("accuracy"),
                ),
            ),
        ),
        Section(
            "Influence of languages",
            (
                Topic(
                    "influence_by_epoch",
                    "Figures 3, 12 and 13",
                    EPOCHS,
                    figures.influence_by_epoch,
                    sentences.influence_by_epoch,
                    of("influence_by_epoch"),
                ),
                Topic(
                    "influence_mean",
                    "Tables 3 and 6",
                    TRACING,
                    sentence=sentences.influence_mean,
                    published=of("influence_mean"),
                ),
                Topic(
                    "translation_share",
                    "Table 4",
                    TRACING,
                    sentence=spanning("Translations go", "translations", "targets", "probes"),
                    published=of("translation_share"),
                ),
            ),
        ),
        Section(
            "Whether influence predicts retraining",
            (
                Topic("influence_quality", "section 6", RETRAINING, sentence=sentences.influence_quality),
                Topic(
                    "removal_effect",
                    "Figures 1, 6, 7 and 8",
                    RETRAINING,
                    sentence=spanning(
                        "Without influential examples the probability of the traced answer changes, beyond what random "
                        "ones do,",
                        "difference",
                        "targets",
                        "probes",
                        "",
                        3,
                        "+",
                    ),
                    published=of("removal_effect"),
                ),
            ),
        ),
    ),
    setups.inventory,
    of("language_contribution"),
)
