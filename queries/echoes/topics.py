"""E as rows: its queries in the order of the paper, from the pretrained models to the influence of examples."""

from mlv.queries.echoes import figures, published, quoted, sentences, setups
from mlv.queries.sentences import spanning, with_mean
from mlv.queries.study import TRACING, Need, Section, Study, Topic

RUNS = Need("See which cells of the study are missing", "mlv study status echoes")
PRETRAINED = Need("Probe a second pretrained model, to compare the first with", "mlv compute probe --help")
SURVEY = Need("Ingest a survey", "mlv ingest survey --help")
PLANE = Need("Place the profiles in a plane", "mlv compute pca")

PRETRAINED_MODELS = Section(
    "Pretrained models",
    (
        Topic(
            "agreement",
            "Table 1",
            PRETRAINED,
            figures.agreement,
            with_mean("Equal answers go", "agreement", "probes", "probes"),
            (published.TABLE_1, published.TABLE_1_FINETUNED, quoted.AGREEMENT),
        ),
        Topic(
            "agreement_by_category",
            "Figure 7 top",
            PRETRAINED,
            figures.agreement_by_category,
            spanning("Equal answers go", "agreement", "probes", "probes"),
            (quoted.AGREEMENT_BY_CATEGORY,),
        ),
        Topic(
            "agreement_by_language",
            "Figure 7 bottom",
            PRETRAINED,
            figures.agreement_by_language,
            spanning("Equal answers go", "agreement", "probes", "probes"),
        ),
        Topic(
            "alignment",
            "sections 5.1 and 6",
            RUNS,
            figures.alignment,
            spanning("Rho with a country's profile goes", "rho", "n", "questions", "", 2),
        ),
    ),
)

SHIFTS = Section(
    "How many values shift",
    (
        Topic(
            "unchanged",
            "Figures 2 and 9",
            RUNS,
            figures.unchanged,
            spanning("Unchanged are", "unchanged", "probes", "probes"),
            (quoted.SHIFTS,),
        ),
        Topic(
            "unchanged_by_category",
            "Figure 8",
            RUNS,
            figures.unchanged_by_category,
            spanning("Unchanged are", "unchanged", "probes", "probes"),
        ),
        Topic(
            "shift_uniqueness",
            "section 5.2.1",
            RUNS,
            figures.shift_uniqueness,
            with_mean(
                "Of the shifting questions, those that shift under one language alone are",
                "uniqueness",
                "shifted",
                "shifting questions",
            ),
            (quoted.UNIQUE_QUESTIONS, quoted.UNIQUE_SHIFTS),
        ),
        Topic(
            "shift_overlap_test_languages",
            "section 5.2.1",
            RUNS,
            figures.shift_overlap_test_languages,
            with_mean("The Jaccard index goes", "jaccard", "either", "shifting questions", "", 2),
        ),
        Topic(
            "domain_correlation",
            "Figure 3",
            RUNS,
            figures.domain_correlation,
            spanning("Pearson's r goes", "correlation", "n", "test languages", "", 2),
        ),
        Topic(
            "size_effect",
            "section 5.2.1",
            RUNS,
            figures.size_effect,
            spanning(
                "With more sentences the unchanged values change", "change", "probes", "probes", " points", 1, "+"
            ),
        ),
        Topic(
            "seed_robustness",
            "Figure 9",
            RUNS,
            figures.seed_robustness,
            spanning("Standard deviations over the seeds go", "sd", "seeds", "seeds", " points"),
            parameters={"metrics": "unchanged"},
            suffix="unchanged",
        ),
    ),
)

DIRECTIONS = Section(
    "In which direction profiles move",
    (Topic("profile_pca", "Figures 4, 11 and 13 right", PLANE, figures.profile_pca, sentences.profile_pca),),
)

MIXTURES = Section(
    "Multilingual fine-tuning",
    (
        Topic(
            "unchanged_multilingual",
            "Table 2 and Figure 10",
            RUNS,
            figures.unchanged_multilingual,
            sentences.unchanged_multilingual,
            (published.TABLE_2,),
        ),
    ),
)

PEOPLE = Section(
    "Nearer to people?",
    (
        Topic(
            "ground_truth_similarity",
            "Figure 13 left",
            SURVEY,
            figures.ground_truth_similarity,
            sentences.ground_truth_similarity,
            (quoted.COUNTRIES,),
        ),
        Topic(
            "alignment_change",
            "Table 3",
            RUNS,
            figures.alignment_change,
            sentences.alignment_change,
            (published.TABLE_3_10K, published.TABLE_3_2K),
        ),
        Topic(
            "alignment_difference",
            "sections 5.1 and 6.1",
            PRETRAINED,
            None,
            spanning("Rho with a country's profile differs by", "difference", "n", "questions", "", 2),
        ),
        Topic(
            "similarity_structure",
            "section 6",
            RUNS,
            figures.similarity_structure,
            sentences.similarity_structure,
        ),
        Topic(
            "structure_correlation",
            "Figures 5 and 12",
            RUNS,
            figures.structure_correlation,
            spanning("Rho of two maps of the test languages goes", "rho", "n", "pairs of languages", "", 2),
        ),
    ),
)

EXAMPLES = Section(
    "Which examples make values shift",
    (
        Topic(
            "parallel_overlap",
            "section 7",
            TRACING,
            figures.parallel_overlap,
            with_mean("Influential translations go", "overlap", "questions", "questions"),
            quoted.TRANSLATIONS,
        ),
        Topic(
            "influence_consistency",
            "section 7",
            TRACING,
            figures.influence_consistency,
            with_mean("Examples in common go", "consistency", "questions", "questions"),
            quoted.CONSISTENCY,
        ),
        Topic(
            "language_contribution",
            "Figure 6",
            TRACING,
            figures.language_contribution,
            sentences.language_contribution,
            parameters={"direction": "positive"},
            suffix="highest",
        ),
        Topic(
            "language_contribution",
            "Figure 14",
            TRACING,
            figures.language_contribution,
            sentences.language_contribution,
            parameters={"direction": "negative"},
            suffix="lowest",
        ),
        Topic(
            "seed_robustness",
            "section 7",
            TRACING,
            figures.seed_robustness,
            spanning("Standard deviations over the seeds go", "sd", "seeds", "seeds", " points"),
            parameters={"metrics": "language_contribution"},
            suffix="contribution",
        ),
    ),
)

STORE = Section(
    "What the store has", (Topic("coverage", "sections 4.1, 4.2 and 5.2", RUNS, sentence=sentences.coverage),)
)

STUDY = Study(
    "echoes",
    "Cultural values in a multilingual language model",
    "The Echoes of Multilinguality",
    (PRETRAINED_MODELS, SHIFTS, DIRECTIONS, MIXTURES, PEOPLE, EXAMPLES, STORE),
    setups.inventory,
    shares="unchanged",
)
