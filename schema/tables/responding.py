"""What chat models are asked, with which options and demonstrations, and what they answer."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table


class PromptForm(Row, table=True):
    """A wording of prompts in one language."""

    __tablename__ = "prompt_form"
    __table_args__ = table(
        "A wording of prompts in one language.", identity=("sha256",), enforced=True, owner="language_id"
    )

    prompt_form_id: int = column("Key.", key=True)
    code: str = column("Name of the form, e.g. gap; the same in all languages that have it.")
    language_id: int = column("Language of the questions that it is for.", refers="language.language_id", enforced=True)
    sha256: str = column("SHA-256 of content.")
    content: str = column("Instruction, demonstration, question, cue and layout, as JSON.")


class ResponseRun(Row, table=True):
    """What a run asks a chat model, and how."""

    __tablename__ = "response_run"
    __table_args__ = table(
        "What a run asks a chat model, and how. The model is run.start_checkpoint_id: NULL if none was asked.",
        check("options IN ('probe', 'scale')"),
        check("option_order IN ('drawn', 'listed', 'balanced')"),
        check("strategy IN ('random', 'random_category', 'chrf_category', 'chrf')"),
        check("ordering IN ('similar_last', 'similar_first', 'shuffled')"),
        check("answers IN ('majority', 'minority')"),
        check("weighting IN ('weighted', 'unweighted')"),
        check("(strategy IS NULL) = (demonstrations IS NULL)"),
        check("(strategy IS NULL) = (ordering IS NULL)"),
        check("(strategy IS NULL) = (demonstrated_country_id IS NULL)"),
        check("(strategy IS NULL) = (demonstrated_survey_id IS NULL)"),
        check("(strategy IS NULL) = (answers IS NULL)"),
        check("(strategy IS NULL) = (weighting IS NULL)"),
        check("samples >= 0 AND draw >= 1 AND temperature > 0"),
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The run.", key=True, refers="run.run_id")
    probe_set_id: int = column("The probe set that is asked.", refers="probe_set.probe_set_id")
    language_id: int = column("Language of the questions.", refers="language.language_id")
    prompt_form_id: int = column("Wording of the prompts.", refers="prompt_form.prompt_form_id")
    strategy: str | None = column("How demonstrations are chosen; NULL of a zero-shot run, as the next six.")
    demonstrations: int | None = column("Most demonstrations before a question.")
    ordering: str | None = column("In which order they stand.")
    demonstrated_country_id: int | None = column("Whose answers they show.", refers="country.country_id")
    demonstrated_survey_id: int | None = column("Survey that has these.", refers="survey.survey_id")
    weighting: str | None = column("Whether its weights count: weighted or unweighted.")
    answers: str | None = column("majority, or minority: the answer of the other side.")
    options: str = column("What there is to choose from: probe, its two answers; scale, the survey's own.")
    option_order: str = column("Which option is shown first: drawn, listed or balanced.")
    samples: int = column("Sampled answers of a question; 0 if none were asked for.")
    scored: bool = column("Whether options were scored.")
    temperature: float = column("Sampling temperature.", sql_type=sa.Double)
    top_p: float = column("Share of the probability that tokens are drawn from.", sql_type=sa.Double)
    top_k: int | None = column("Most tokens that one is drawn from; NULL for all.")
    max_tokens: int = column("Length at which an answer is cut off, in tokens.")
    draw: int = column("Number of the repetition, from 1.")
    parser: int = column("Version of the parser that read the answers.")


class Prompt(Row, table=True):
    """One text that a run puts to a model."""

    __tablename__ = "prompt"
    __table_args__ = table(
        "One text that a run puts to a model, before its chat template.",
        check("variant >= 1 AND samples >= 0"),
        identity=("run_id", "probe_id", "variant"),
        owner="run_id",
    )

    prompt_id: int = column("Key, unique over all runs.")
    run_id: int = column("The run.", refers="response_run.run_id")
    probe_id: int = column("The probe that is asked.", refers="probe.probe_id")
    variant: int = column("Number among the prompts of the probe in the run, from 1.")
    samples: int = column("Sampled answers that it was to have.")
    text: str = column("The text.")
    tokens: int | None = column("Its tokens, with those of the chat template; NULL where that is not known.")


class PromptOption(Row, table=True):
    """One answer that a prompt offers."""

    __tablename__ = "prompt_option"
    __table_args__ = table(
        "One answer that a prompt offers.",
        check("number >= 1 AND place >= 1"),
        check("side IN ('first', 'second')"),
        identity=("prompt_id", "number"),
        owner="prompt_id",
    )

    prompt_id: int = column("The prompt.", refers="prompt.prompt_id")
    number: int = column("Number of the option, from 1: 1 and 2 are the answers of a probe.")
    text: str = column("The option, as shown.")
    place: int = column("Where it is shown among the options, from 1.")
    side: str = column("Side of answer_side that it is on; polarity is allowed for.")


class Demonstration(Row, table=True):
    """One completed sentence before a question."""

    __tablename__ = "demonstration"
    __table_args__ = table(
        "One completed sentence before a question.",
        check("position >= 1"),
        check("answer IN (1, 2)"),
        check("similarity BETWEEN 0 AND 100"),
        identity=("prompt_id", "position"),
        owner="prompt_id",
    )

    prompt_id: int = column("The prompt.", refers="prompt.prompt_id")
    position: int = column("Its line, from 1.")
    probe_id: int = column("The probe that is completed.", refers="probe.probe_id")
    answer: int = column("The answer that it is completed with, 1 or 2.")
    similarity: float | None = column(
        "chrF++ of its sentence with the question, 0 to 100; NULL where it was drawn.", sql_type=sa.Double
    )


class Response(Row, table=True):
    """One sampled answer."""

    __tablename__ = "response"
    __table_args__ = table(
        "One sampled answer, and how it was read.",
        check("outcome IN ('answer', 'refusal', 'none', 'both', 'truncated', 'filtered', 'empty')"),
        check("(answer IS NULL) = (outcome <> 'answer')"),
        check("sample >= 0"),
        identity=("prompt_id", "sample"),
        owner="run_id",
    )

    prompt_id: int = column("The prompt.", refers="prompt.prompt_id")
    run_id: int = column("The run.", refers="response_run.run_id")
    sample: int = column("Number of the answer, from 0.")
    text: str = column("What was answered.")
    outcome: str = column(
        "How it was read: answer, refusal, none or both of the options, truncated before one, filtered, or empty."
    )
    answer: int | None = column("Number of the option; NULL where it is no answer.")
    finish: str | None = column("Why it ended: stop, length or content_filter; NULL where that is not known.")
    refused: bool = column("Whether the service itself called it a refusal.")
    tokens: int | None = column("Its tokens; NULL where that is not known.")
    logprob: float | None = column(
        "Its log-probability at temperature 1, nats; NULL where that is not known.", sql_type=sa.Double
    )


class OptionScore(Row, table=True):
    """How a model scores one option of a prompt."""

    __tablename__ = "option_score"
    __table_args__ = table(
        "How a model scores one option as the answer, by teacher forcing: exact where answers are a sample.",
        check("tokens > 0"),
        identity=("prompt_id", "number"),
        owner="run_id",
    )

    prompt_id: int = column("The prompt.", refers="prompt.prompt_id")
    run_id: int = column("The run.", refers="response_run.run_id")
    number: int = column("Number of the option.")
    tokens: int = column("Its tokens.")
    logprob_sum: float = column("Sum of their log-probabilities, nats.", sql_type=sa.Double)
    logprob_first: float = column("Log-probability of the first token, nats.", sql_type=sa.Double)
