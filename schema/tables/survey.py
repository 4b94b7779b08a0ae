"""Surveys and probes: questions, the answers people gave, and the cloze sentences models are asked."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table


class Category(Row, table=True):
    """A theme of questions: one of the 13 of the World Values Survey, or of a user's probes."""

    __tablename__ = "category"
    __table_args__ = table(
        "A theme of the World Values Survey (Echoes section 3.1; dissertation Table 7.1), or of one's own questions.",
        identity=("code",),
        enforced=True,
    )

    category_id: int = column("Number of the category in Echoes section 3.1, 1 to 13; above for others.", key=True)
    code: str = column("Short name, as query results print it.")
    name: str = column("Full name as in Echoes section 3.1; the short name for others.")
    first_number: int | None = column("Lowest question number of the category in WVS wave 7; NULL for others.")
    last_number: int | None = column(
        "Highest question number of the category in WVS wave 7; NULL for others. 56 is on happiness; the "
        "dissertation's Table 7.1 counts it as social capital."
    )
    in_study: bool = column("Whether the study of the paper uses the category (4 and 8 are excluded).")


class Question(Row, table=True):
    """What a probe asks: a WVS question, one pole of it, or a question of a user's own."""

    __tablename__ = "question"
    __table_args__ = table(
        "A question as the probes name it, the same in all collections. Questions with two poles have two rows, e.g. "
        "106a and 106b.",
        identity=("code",),
        enforced=True,
        owner="category_id",
    )

    question_id: int = column("Key.", key=True)
    code: str = column("Identifier in the probe files, e.g. 1, 106a, 130d, or any text for a question of one's own.")
    number: int | None = column("Question number in WVS wave 7; NULL for other questions.")
    category_id: int = column(
        "The category: of WVS by question number, of others as the probe file says.",
        refers="category.category_id",
        enforced=True,
    )


class Codebook(Row, table=True):
    """A study, and how its variables stand to questions."""

    __tablename__ = "codebook"
    __table_args__ = table(
        "How the answers to a study's variables stand to the two answers of probes: what a survey is read by.",
        identity=("code",),
        enforced=True,
    )

    codebook_id: int = column("Key.", key=True)
    code: str = column("Name that it gives itself, e.g. wvs7.")
    title: str = column("The study in words, with its wave or years.")
    sha256: str = column("SHA-256 of content.")
    content: str = column("All that the file says, as JSON: settings of the study, variables, codes, labels.")


class Survey(Row, table=True):
    """One release of a survey."""

    __tablename__ = "survey"
    __table_args__ = table(
        "A release of a survey, or a table of shares derived from one.",
        identity=("code",),
        enforced=True,
        owner="codebook_id",
    )

    survey_id: int = column("Key.", key=True)
    codebook_id: int = column("What it was read by.", refers="codebook.codebook_id", enforced=True)
    code: str = column("Name given at ingest, e.g. wvs7-v6.0.")
    illustrative: bool = column("True where the numbers are invented for demonstration.")
    citation: str = column("How to cite the survey.")
    sha256: str = column("SHA-256 of the ingested content.")


class ResponseOption(Row, table=True):
    """A code that an interviewee's answer can take."""

    __tablename__ = "response_option"
    __table_args__ = table(
        "A response code of a survey variable, with its label.",
        identity=("codebook_id", "variable", "response_code"),
        enforced=True,
        owner="codebook_id",
    )

    response_option_id: int = column("Key.", key=True)
    codebook_id: int = column("The codebook.", refers="codebook.codebook_id", enforced=True)
    variable: str = column("Survey variable, e.g. Q106.")
    response_code: int = column("Code in the survey's files.")
    label: str = column("What the code means; empty where the codebook does not say.")


class AnswerSide(Row, table=True):
    """Which of a probe's two answers a response code stands for."""

    __tablename__ = "answer_side"
    __table_args__ = table(
        "Which answer of a question's probes a response code counts for; middle classes go to the nearer end "
        "(Echoes section 3.5).",
        check("side IN ('first', 'second', 'missing')"),
        identity=("codebook_id", "question_id", "response_code"),
        enforced=True,
        owner="codebook_id",
    )

    answer_side_id: int = column("Key.", key=True)
    codebook_id: int = column("The codebook.", refers="codebook.codebook_id", enforced=True)
    question_id: int = column("The question.", refers="question.question_id", enforced=True)
    variable: str = column("Survey variable that asks it, e.g. Q106 of 106a and 106b.")
    response_code: int = column("Response code of the variable.")
    side: str = column("first or second answer; missing: counts for neither.")


class SurveyResponse(Row, table=True):
    """How many people in a country gave a response code."""

    __tablename__ = "survey_response"
    __table_args__ = table(
        "Answers of a country's interviewees to a survey variable, one row per response code. Shares are over "
        "all codes that the source reports, missing ones included where it has them.",
        check("share BETWEEN 0 AND 1"),
        check("weighted_share BETWEEN 0 AND 1"),
        identity=("survey_id", "country_id", "variable", "response_code"),
        owner="survey_id",
    )

    survey_id: int = column("The survey.", refers="survey.survey_id")
    country_id: int = column("The country.", refers="country.country_id")
    variable: str = column("Survey variable, e.g. Q106.")
    response_code: int = column("Response code.")
    n: int | None = column("Interviewees, unweighted; NULL where the source has only shares.")
    share: float | None = column(
        "Unweighted share in [0, 1], of n where that is there; NULL where the source has only weighted ones.",
        sql_type=sa.Double,
    )
    weighted_n: float | None = column(
        "Sum of the respondents' weights; NULL where the source has no respondents.", sql_type=sa.Double
    )
    weighted_share: float | None = column(
        "Share by the respondents' weights, in [0, 1]; NULL where the source has no weights.", sql_type=sa.Double
    )


class ProbeCollection(Row, table=True):
    """A set of probe files made by the same people."""

    __tablename__ = "probe_collection"
    __table_args__ = table(
        "Where probes come from, e.g. the archive of Arora et al. (2023).", identity=("code",), enforced=True
    )

    probe_collection_id: int = column("Key.", key=True)
    code: str = column("Name given at ingest, e.g. arora-2023.")
    citation: str = column("How to cite the probes.")
    sha256: str = column("SHA-256 of the ingested content.")


class ClozeProbe(Row, table=True):
    """One cloze sentence in one language with two candidate answers."""

    __tablename__ = "probe"
    __table_args__ = table(
        "A cloze sentence in one language with two candidate answers (Echoes section 3.2).",
        check("polarity IN ('canonical', 'reversed', 'undefined')"),
        identity=("probe_collection_id", "question_id", "language_id"),
        enforced=True,
        owner="probe_collection_id",
    )

    probe_id: int = column("Key.", key=True)
    probe_collection_id: int = column(
        "Where the probe is from.", refers="probe_collection.probe_collection_id", enforced=True
    )
    question_id: int = column("The question.", refers="question.question_id", enforced=True)
    language_id: int = column("Language of the sentence.", refers="language.language_id", enforced=True)
    template: str = column("Sentence with exactly one [MASK].")
    answer_first: str = column("First candidate answer (A), as it takes the place of [MASK].")
    answer_second: str = column("Second candidate answer (B).")
    mask_prefix: str = column("Letters that the mask is glued to on its left, e.g. ber; mostly empty.")
    mask_suffix: str = column("Letters that the mask is glued to on its right, e.g. dir; mostly empty.")
    polarity: str = column(
        "Whether the first answer is on the side that answer_side calls first (canonical), on the other "
        "(reversed), or cannot be told (undefined; profiles take such a probe as canonical, as the paper does)."
    )


class ProbeSet(Row, table=True):
    """A named selection of probes that an analysis is restricted to."""

    __tablename__ = "probe_set"
    __table_args__ = table(
        "A named selection of probes, e.g. echoes-2024.",
        identity=("code",),
        enforced=True,
        owner="probe_collection_id",
    )

    probe_set_id: int = column("Key.", key=True)
    code: str = column("Name, e.g. echoes-2024.")
    probe_collection_id: int = column(
        "The collection that the probes are from.", refers="probe_collection.probe_collection_id", enforced=True
    )
    description: str = column("What is in it and why.")


class ProbeSetMember(Row, table=True):
    """A question of a probe set."""

    __tablename__ = "probe_set_member"
    __table_args__ = table(
        "The questions of a probe set.", identity=("probe_set_id", "question_id"), owner="probe_set_id"
    )

    probe_set_id: int = column("The probe set.", refers="probe_set.probe_set_id")
    question_id: int = column("A question in it.", refers="question.question_id")
    battery: str = column(
        "What it is drawn and left out together with: the consecutive questions that share its frame and pair of "
        "answers, e.g. 64-89. A question that stands alone is a battery of one."
    )


class Bootstrap(Row, table=True):
    """How the batteries of a probe set were resampled."""

    __tablename__ = "bootstrap"
    __table_args__ = table(
        "How the batteries of a probe set were drawn with replacement, for p-values of families of rows.",
        identity=("probe_set_id",),
        owner="probe_set_id",
    )

    probe_set_id: int = column("The probe set.", key=True, refers="probe_set.probe_set_id")
    seed: int = column("Seed of the draws.")
    resamples: int = column("How often as many batteries as the set has were drawn.")


class BootstrapDraw(Row, table=True):
    """A battery in a resample."""

    __tablename__ = "bootstrap_draw"
    __table_args__ = table(
        "How often a battery was drawn into a resample; without a row, not at all. All rows of a result share the "
        "draws, so that what depends on the same questions moves together.",
        check("resample > 0"),
        check("times > 0"),
        identity=("probe_set_id", "resample", "battery"),
        owner="probe_set_id",
    )

    probe_set_id: int = column("The probe set.", refers="bootstrap.probe_set_id")
    resample: int = column("Number of the resample, from 1.")
    battery: str = column("The battery.")
    times: int = column("How often it was drawn.")
