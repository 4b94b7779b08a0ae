"""Constants of the papers, each with its place. E is "The Echoes of Multilinguality" (Choenni et al., 2024)."""

from typing import Final, NamedTuple

NOISE_DENSITY: Final = 0.15
"""Share of tokens that span corruption removes (mT5; Xue et al. 2021, section 3.1)."""

MEAN_SPAN_LENGTH: Final = 3.0
"""Mean length in tokens of a removed span (mT5; Xue et al. 2021, section 3.1)."""

EPOCHS: Final = 5
"""Epochs of fine-tuning (E appendix B)."""

LEARNING_RATE: Final = 5e-5
"""Learning rate of AdamW (E appendix B)."""

BATCH_SIZE: Final = 8
"""Examples a step (E appendix B)."""

DEVELOPMENT_SHARE: Final = 0.2
"""Share of the sentences kept for development (E appendix B: 80/20)."""

SENTENCES: Final = 2000
"""Consecutive sentences of a monolingual run (E section 4.2: 2K or 10K)."""

FINETUNING_LANGUAGES: Final = ("fa", "ko", "hi", "ru")
"""Languages of fine-tuning, in the paper's order (E section 4.1)."""

TEST_LANGUAGES: Final = ("bn", "de", "el", "fa", "id", "ko", "ms", "ro", "sr", "tl", "tr", "ur", "vi")
"""Languages of the probes, in the order of E Table 1."""

LANGUAGE_COUNTRY: Final = {
    "en": "US",
    "ro": "RO",
    "el": "GR",
    "ur": "PK",
    "fa": "IR",
    "tl": "PH",
    "id": "ID",
    "de": "DE",
    "ms": "MY",
    "bn": "BD",
    "sr": "RS",
    "tr": "TR",
    "vi": "VN",
    "ko": "KR",
}
"""Country whose people stand for a language (dissertation Table 7.2)."""

ALIGNMENT_COUNTRIES: Final = ("DE", "PK", "RS", "VN")
"""Countries that alignment is reported for (E section 6, Table 3)."""


class CategoryRange(NamedTuple):
    """A WVS category and the question numbers of wave 7 that belong to it."""

    number: int
    code: str
    name: str
    first: int
    last: int
    in_study: bool


CATEGORIES: Final = (
    CategoryRange(1, "social_values", "Social Values, Attitudes and Stereotypes", 1, 45, True),
    CategoryRange(2, "happiness", "Happiness and Well-being", 46, 56, True),
    CategoryRange(3, "social_capital", "Social Capital, Trust and Organisational Membership", 57, 105, True),
    CategoryRange(4, "economic_values", "Economic Values", 106, 111, False),
    CategoryRange(5, "corruption", "Corruption", 112, 120, True),
    CategoryRange(6, "migration", "Migration", 121, 130, True),
    CategoryRange(7, "security", "Security", 131, 151, True),
    CategoryRange(8, "postmaterialism", "Post-materialist Index", 152, 157, False),
    CategoryRange(9, "science", "Science and Technology", 158, 163, True),
    CategoryRange(10, "religious_values", "Religious Values", 164, 175, True),
    CategoryRange(11, "ethical_values", "Ethical Values and Norms", 176, 198, True),
    CategoryRange(12, "political_interest", "Political Interest and Political Participation", 199, 234, True),
    CategoryRange(13, "political_culture", "Political Culture and Regimes", 235, 259, True),
)
"""The 13 categories (E section 3.1) by WVS 7 question number; 4 and 8 are excluded from the study.

Question 56 is on happiness, as the survey has it; the dissertation counts it as social capital (Table 7.1: 10 and 47).
"""

ECHOES_EXCLUDED_QUESTIONS: Final = ("130a", "130b", "130c", "130d", "176")
"""Probes with two labels, of categories in the study, that the probe set ``echoes-2024`` leaves out.

An inference: the counts per category of dissertation Table 7.1 add up to 237 when these are left out
(and question 56 is counted with social capital).
"""

ECHOES_DOUBTFUL_QUESTION: Final = "176"
"""Of these, the one that nothing but a count speaks against: 22 on ethical values, which are 23 with it."""

ECHOES_QUESTIONS: Final = 237
"""Probes per language (E section 3.1)."""

SENTINEL: Final = "<extra_id_0>"
"""What takes the place of [MASK] (E section 3.4)."""

INFLUENCE_TOP_K: Final = 100
"""Most influential examples that are analysed per value shift (E section 7)."""

REMOVAL_K: Final = (50, 100, 150, 200, 250)
"""How many of the most influential examples the removal test leaves out (H section 6)."""

PROJECTION_DIMENSIONS: Final = 4_096
"""Dimensions that gradients are projected to in all (E section 7)."""

BOOTSTRAP_RESAMPLES: Final = 2_000
"""Resamples of a probe set's batteries behind the p-values of a family. Ours: the papers give none."""

BOOTSTRAP_SEED: Final = 1
"""Seed of these resamples; any would do."""

CONFIDENCE: Final = 0.95
"""Coverage of an interval."""
