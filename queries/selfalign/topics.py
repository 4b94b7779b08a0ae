"""S as rows: its queries in the order of the paper, from the majorities of countries to what they may be due to."""

from mlv.queries.published import PublishedNumbers
from mlv.queries.selfalign import figures, sentences
from mlv.queries.selfalign.claims import CLAIMS
from mlv.queries.selfalign.published import ABOVE_ENGLISH, FIGURE_84, SHUFFLED, TABLE_81
from mlv.queries.selfalign.setups import inventory
from mlv.queries.sentences import spanning
from mlv.queries.study import Need, Section, Study, Topic

PEOPLE = Need("Ingest a survey", "mlv ingest survey --help")
ZERO_SHOT = Need("Ask a chat model", "mlv compute respond --model NAME --language en")
SHOWN = Need("Ask a chat model with demonstrations and without", "mlv study run selfalign")
CHOSEN = Need("Make prompts with demonstrations, for no model", "mlv compute respond --language en --strategy chrf")
SCORED = Need("Ask a chat model for answers and scores", "mlv compute respond --model NAME --language en --scored")

NUMBERS: tuple[PublishedNumbers, ...] = (TABLE_81, FIGURE_84, SHUFFLED, ABOVE_ENGLISH, *CLAIMS)


COMPARED = ("model", "language", "country", "strategy", "ordering", "demonstrated", "answers", "form")
"""What a LaTeX table says of a run with demonstrations."""


def _of(query: str) -> tuple[PublishedNumbers, ...]:
    """The numbers that a query makes."""
    return tuple(numbers for numbers in NUMBERS if numbers.query == f"{query}@1")


STUDY = Study(
    "selfalign",
    "Self-alignment of chat models by demonstrations",
    "Self-Alignment: Improving Alignment of Cultural Values in LLMs via In-Context Learning",
    (
        Section(
            "Before demonstrations",
            (
                Topic("majority_answers", "section 8.4.2", PEOPLE, sentence=sentences.majority_answers),
                Topic(
                    "misalignment",
                    "section 8.6.1 and Figure 8.7",
                    ZERO_SHOT,
                    figures.misalignment,
                    spanning("Misaligned questions go", "misaligned_share", "probes", "questions"),
                    _of("misalignment"),
                ),
                Topic(
                    "error_distribution",
                    "Figures 8.5, F.2 and F.3",
                    ZERO_SHOT,
                    figures.error_distribution,
                    spanning("Questions with an error of one size go", "share", "probes", "questions"),
                    _of("error_distribution"),
                    {"condition": "zero_shot"},
                ),
            ),
        ),
        Section(
            "With demonstrations",
            (
                Topic(
                    "self_alignment",
                    "Table 8.1, Figures 8.2 and 8.4, section 8.5.2",
                    SHOWN,
                    figures.self_alignment,
                    sentences.self_alignment,
                    _of("self_alignment"),
                    columns=(
                        *COMPARED,
                        "misaligned",
                        "improved",
                        "worse",
                        "control_improved",
                        "control_worse",
                        "difference",
                        "sign_p_family",
                        "right_before",
                        "right_after",
                    ),
                ),
                Topic(
                    "error_reduction",
                    "Figures 8.3 and 8.6",
                    SHOWN,
                    figures.error_reduction,
                    sentences.error_reduction,
                    _of("error_reduction"),
                    columns=(
                        *COMPARED,
                        "reduction",
                        "improved",
                        "share",
                        "control_share",
                        "difference",
                        "mean",
                        "median",
                    ),
                ),
                Topic(
                    "self_alignment_by_category",
                    "Figures 8.8 and F.1",
                    SHOWN,
                    figures.self_alignment_by_category,
                    spanning(
                        "Misaligned questions on a theme that improved go",
                        "improved",
                        "misaligned",
                        "misaligned questions",
                    ),
                    _of("self_alignment_by_category"),
                    columns=(
                        *COMPARED,
                        "category",
                        "misaligned",
                        "improved",
                        "worse",
                        "control_improved",
                        "difference",
                        "sign_p_family",
                    ),
                ),
                Topic(
                    "corrected_examples",
                    "Figure 8.1 and Table 8.2",
                    SHOWN,
                    sentence=sentences.corrected_examples,
                    columns=(
                        "model",
                        "language",
                        "strategy",
                        "answers",
                        "question",
                        "gain",
                        "right_control",
                        "shown",
                        "sentence",
                        "answers_before",
                        "answers_after",
                    ),
                ),
            ),
        ),
        Section(
            "What it may be due to",
            (
                Topic("demonstration_vote", "section 8.7", CHOSEN, sentence=sentences.demonstration_vote),
                Topic("demonstration_similarity", "section 8.4.3", CHOSEN, sentence=sentences.demonstration_similarity),
                Topic(
                    "option_order",
                    "section 8.4.2",
                    ZERO_SHOT,
                    sentence=spanning("Answers that are the option shown first go", "chosen_first", "n", "answers"),
                ),
                Topic(
                    "response_outcomes",
                    "section 8.4.4",
                    ZERO_SHOT,
                    sentence=sentences.response_outcomes,
                    columns=(
                        "model",
                        "language",
                        "condition",
                        "strategy",
                        "demonstrated",
                        "answers",
                        "form",
                        "options",
                        "draw",
                        "responses",
                        "answered",
                        "refused",
                        "named_none",
                        "named_several",
                        "truncated",
                        "filtered",
                        "empty",
                        "tokens",
                    ),
                ),
                Topic("sampled_and_scored", "section 8.4.4", SCORED, sentence=sentences.sampled_and_scored),
            ),
        ),
    ),
    inventory,
)
