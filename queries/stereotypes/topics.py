"""D6 as rows: what people and masked models say of social groups, and what fine-tuning changes of it."""

from mlv.queries.sentences import spanning
from mlv.queries.stereotypes import figures, sentences, setups
from mlv.queries.stereotypes.published import of
from mlv.queries.study import Need, Section, Study, Topic

SAID = Need("Read stereotypes that people hold", "mlv ingest stereotypes --help")
COMPLETED = Need("Let a masked model complete sentences", "mlv compute complete --help")
DESCRIBED = Need("Complete sentences, and read a lexicon of emotions", "mlv ingest lexicon --help")
FINETUNED = Need(
    "Fine-tune a masked model on articles, and complete sentences before and after", "mlv compute finetune --help"
)

STUDY = Study(
    "stereotypes",
    "What masked models say of social groups",
    "Stepmothers are mean and academics are pretentious: What do pretrained language models learn about you?",
    (
        Section(
            "What people say",
            (
                Topic(
                    "stereotype_counts",
                    "Table 6.2",
                    SAID,
                    sentence=sentences.stereotype_counts,
                    published=of("stereotype_counts"),
                ),
                Topic(
                    "stereotype_engines",
                    "Figure D.1",
                    SAID,
                    figures.stereotype_engines,
                    sentence=sentences.stereotype_engines,
                    published=of("stereotype_engines"),
                ),
                Topic("stereotype_examples", "Table 6.1", SAID, sentence=sentences.stereotype_examples, quotes=True),
            ),
        ),
        Section(
            "What models find typical",
            (
                Topic(
                    "model_details",
                    "Table D.1",
                    COMPLETED,
                    sentence=sentences.model_details,
                    published=of("model_details"),
                ),
                Topic(
                    "recall_at_k",
                    "Figures 6.1 and 6.4",
                    COMPLETED,
                    figures.recall_at_k,
                    published=of("recall_at_k"),
                    sentence=spanning(
                        "Of the stereotypes, those among the first attributes go", "recall", "pairs", "pairs"
                    ),
                ),
                Topic("typicality_ranking", "Table 6.3", COMPLETED, sentence=sentences.typicality_ranking, quotes=True),
                Topic(
                    "template_agreement",
                    "section 6.5",
                    COMPLETED,
                    sentence=spanning("Attributes that two templates share go", "jaccard", "groups", "groups"),
                ),
            ),
        ),
        Section(
            "Emotions",
            (
                Topic(
                    "emotion_profiles",
                    "Figures 6.2, 6.6 and D.2",
                    DESCRIBED,
                    figures.emotion_profiles,
                    sentence=sentences.emotion_profiles,
                ),
                Topic(
                    "lexicon_coverage",
                    "section 6.5",
                    DESCRIBED,
                    published=of("lexicon_coverage"),
                    sentence=spanning("Words that the lexicon has go", "percent", "groups", "groups"),
                ),
                Topic(
                    "sentiment_balance",
                    "section 6.5 and appendix D.4",
                    DESCRIBED,
                    figures.sentiment_balance,
                    published=of("sentiment_balance"),
                    sentence=spanning("Positive minus negative words go", "balance", "groups", "groups", " points"),
                ),
                Topic(
                    "emotion_similarity",
                    "Figures 6.3 and D.3",
                    DESCRIBED,
                    figures.emotion_similarity,
                    published=of("emotion_similarity"),
                    sentence=spanning("Correlations of two models go", "rho", "groups", "groups", "", 2),
                ),
            ),
        ),
        Section(
            "What fine-tuning changes",
            (
                Topic(
                    "emotion_shift",
                    "Table D.2 and Figure 6.5",
                    FINETUNED,
                    figures.emotion_shift,
                    published=of("emotion_shift"),
                    sentence=spanning("Changes of the correlation go", "change", "groups", "groups", "", 2, "+"),
                ),
                Topic(
                    "attribute_shift",
                    "Figure 6.7",
                    FINETUNED,
                    figures.attribute_shift,
                    sentence=sentences.attribute_shift,
                    quotes=True,
                ),
            ),
        ),
    ),
    setups.inventory,
    note="This chapter is about stereotypes. What people and models say of groups can be offensive; their words are "
    "not on this page unless it was made with --examples.",
)
