"""D5 as rows: subnetworks, what they do to accuracy, and what predictions under masks rely on."""

from mlv.queries.modularity import figures, sentences, setups
from mlv.queries.modularity.numbers import of
from mlv.queries.sentences import spanning
from mlv.queries.study import Need, Section, Study, Topic

PRUNED = Need("Find the subnetworks of classifiers", "mlv compute prune --help")
ASKED = Need("Ask a classifier under masks", "mlv compute predict --help")
MASKED = Need("Trace a classifier without masks, and under some", "mlv compute influence --help")
BY_EPOCH = Need("Trace a classifier by epoch, and ask each epoch's checkpoint", "mlv study run modularity")

CHANGED = (
    "masks",
    "direction",
    "language",
    "ft_language",
    "contribution_full",
    "contribution_masked",
    "change",
    "p_holm",
)
"""What a LaTeX table says of a change."""

STUDY = Study(
    "modularity",
    "Subnetworks of languages",
    "Examining Modularity in Multilingual LMs via Language-Specialized Subnetworks",
    (
        Section(
            "Subnetworks",
            (
                Topic(
                    "mask_sparsity",
                    "Table C.1",
                    PRUNED,
                    sentence=spanning(
                        "Attention heads that a subnetwork does without go",
                        "disabled",
                        "iterations",
                        "iterations",
                        "",
                        0,
                    ),
                    published=of("mask_sparsity"),
                ),
                Topic(
                    "head_sharing",
                    "Figure C.1",
                    PRUNED,
                    figures.head_sharing,
                    sentences.head_sharing,
                    of("head_sharing"),
                ),
                Topic(
                    "mask_overlap",
                    "Figures 5.8, C.2, C.3 and C.4",
                    PRUNED,
                    figures.mask_overlap,
                    sentences.mask_overlap,
                    of("mask_overlap"),
                    columns=(
                        "layer",
                        "language_a",
                        "language_b",
                        "enabled_a",
                        "enabled_b",
                        "shared",
                        "expected_shared",
                        "cosine",
                    ),
                ),
                Topic(
                    "subnetwork_accuracy",
                    "Table C.2 and section 5.6.1",
                    ASKED,
                    figures.subnetwork_accuracy,
                    sentences.subnetwork_accuracy,
                    of("subnetwork_accuracy"),
                    columns=(
                        "training",
                        "masks",
                        "language",
                        "accuracy",
                        "majority",
                        "accuracy_full",
                        "change",
                        "mcnemar_p",
                        "texts",
                    ),
                ),
            ),
        ),
        Section(
            "What predictions under masks rely on",
            (
                Topic(
                    "contribution_change",
                    "Figures 5.2 and 5.4",
                    MASKED,
                    figures.contribution_change,
                    sentences.contribution_change,
                    of("contribution_change"),
                    parameters={"masks": "identified,noise"},
                    columns=CHANGED,
                ),
                Topic(
                    "contribution_change",
                    "Figures 5.3 and 5.6",
                    MASKED,
                    figures.contribution_change,
                    sentences.contribution_change,
                    parameters={"masks": "shuffled,shuffled_in_layers,random,avoiding,other,noise"},
                    columns=CHANGED,
                    suffix="random",
                ),
                Topic(
                    "contribution_change",
                    "Figure 5.12",
                    MASKED,
                    figures.contribution_change,
                    sentences.contribution_change,
                    parameters={"masks": "union,intersection,noise"},
                    columns=CHANGED,
                    suffix="composed",
                ),
                Topic(
                    "specialization",
                    "Figures 5.5, 5.10, 5.11 and C.7",
                    MASKED,
                    figures.specialization,
                    sentences.specialization,
                    of("specialization"),
                ),
            ),
        ),
        Section(
            "What goes with specialization",
            (
                Topic(
                    "specialization_performance",
                    "Figure 5.7",
                    BY_EPOCH,
                    figures.specialization_performance,
                    sentences.correlation,
                    of("specialization_performance"),
                    parameters={"points": "true"},
                ),
                Topic(
                    "overlap_influence",
                    "Figures 5.8 and C.6",
                    MASKED,
                    figures.overlap_influence,
                    sentences.correlation,
                    of("overlap_influence"),
                    parameters={"points": "true"},
                ),
                Topic(
                    "overlap_influence",
                    "Figure 5.9",
                    MASKED,
                    figures.overlap_influence,
                    sentences.correlation,
                    suffix="layers",
                ),
            ),
        ),
    ),
    setups.inventory,
)
