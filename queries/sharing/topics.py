"""H as rows: what its measures of influence say of the runs that are traced."""

from mlv.queries.sentences import spanning
from mlv.queries.sharing import figures, sentences, setups
from mlv.queries.sharing.numbers import of
from mlv.queries.study import RETRAINING, TRACING, Need, Section, Study, Topic

EPOCHS = Need("Trace a run's examples by epoch", "mlv compute influence RUN --checkpoints all")

TEXTS_TRACED = Need("Trace a classifier's predictions", "mlv compute influence RUN --preset languages")

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
                    "influence_epoch_test",
                    "section 8.2",
                    EPOCHS,
                    sentence=sentences.influence_epoch_test,
                    published=of("influence_epoch_test"),
                ),
                Topic(
                    "influence_mean",
                    "Tables 3 and 6",
                    TRACING,
                    figures.influence_mean,
                    sentences.influence_mean,
                    of("influence_mean"),
                ),
                Topic(
                    "influence_distribution",
                    "Figures 9, 10 and 11",
                    TRACING,
                    figures.influence_distribution,
                    sentences.influence_distribution,
                ),
                Topic("influence_concentration", "section 4.2", TRACING, sentence=sentences.influence_concentration),
                Topic(
                    "translation_share",
                    "Table 4",
                    TRACING,
                    sentence=spanning("Translations go", "translations", "targets", "probes"),
                    published=of("translation_share"),
                ),
                Topic(
                    "influence_examples",
                    "Tables 1, 2 and 5",
                    TEXTS_TRACED,
                    sentence=sentences.influence_examples,
                    published=of("influence_examples"),
                ),
                Topic(
                    "label_agreement",
                    "appendix A",
                    TEXTS_TRACED,
                    sentence=spanning("Examples of the text's own class go", "same_class", "targets", "texts"),
                    published=of("label_agreement"),
                ),
                Topic(
                    "script_share",
                    "section 7.1",
                    TEXTS_TRACED,
                    sentence=spanning("Fully in the script of their language are", "fully_in_script", "n", "examples"),
                    published=of("script_share"),
                ),
            ),
        ),
        Section(
            "Languages that are left out, or have more examples",
            (
                Topic(
                    "zero_shot_recovery",
                    "section 8.3",
                    Need("Train without a language and trace the same", "mlv compute influence RUN --items-of RUN"),
                    sentence=spanning(
                        "Translations of what the language's own classifier relies on go",
                        "translated_share",
                        "targets",
                        "texts",
                    ),
                    published=of("zero_shot_recovery"),
                ),
                Topic(
                    "data_imbalance",
                    "Figure 5",
                    Need("Train with more examples of a language", "mlv compute classify ... --add LANGUAGE=50"),
                    figures.data_imbalance,
                    spanning("Own examples go", "own_contribution", "targets", "texts"),
                    of("data_imbalance"),
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
                    figures.removal_effect,
                    spanning(
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
