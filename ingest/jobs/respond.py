"""Asking a chat model: the prompts of a language and condition leave the store; answers and scores enter it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, JobName, ModelName, Name, Names, Option, ProbeSet, language_code
from mlv.ingest.jobs.runs import NewRun
from mlv.schema.jobs.respond import Answers, Api, OptionOrder, Options, Ordering, RespondSpec, Strategy
from mlv.schema.jobs.spec import Precision, Seed
from mlv.schema.papers import selfalign


class Request(request.Request):
    """The questions of a probe set in one language and condition, put to one model."""

    model: ModelName | None = Field(
        None,
        description="A chat model by hub name (NAME@REVISION for a revision), folder, or name in the store; or give "
        "--endpoint.",
    )
    endpoint: Name | None = Field(
        None,
        description="Address of an API that speaks OpenAI's protocol, e.g. http://localhost:8000/v1. Prompts are sent "
        "there, and nowhere if it is not given.",
    )
    api_model: Name | None = Field(None, description="Name of the model as the API has it.")
    as_of: Name | None = Field(
        None, description="Date or label of the state of the API's model: its name may stand for another one tomorrow."
    )
    api: Api = Field("chat", description="chat: /chat/completions; completions: /completions, for a plain text.")
    weights: str = Field("", description="SHA-256 of the weights behind the API, where it is known.")
    language: Annotated[str, AfterValidator(language_code)] = Field(description="Language of the questions.")
    collection: Name | None = Field(None, description="Where the probes are from; that of the probe set if not given.")
    probe_set: ProbeSet = None
    form: Name = Field(
        selfalign.FORM, description="Wording of the prompts: a packaged one's name, or the path of one's own file."
    )
    options: Options = Field(
        "probe", description="probe: the two answers of the probe; scale: all answers of the survey's scale."
    )
    option_order: OptionOrder = Field(
        "drawn",
        description="Which option is shown first. drawn: by chance for each question, alike in all runs; listed: as "
        "listed; balanced: each first in as many samples.",
    )
    strategy: Strategy | None = Field(
        None, description="How demonstrations are chosen; without one there are none (zero-shot)."
    )
    country: Name | None = Field(
        None, description="Whose answers demonstrations show, an ISO 3166-1 code; that of the language if not given."
    )
    survey: Name | None = Field(None, description="Survey that has these, and the scale; that of queries if not given.")
    weighting: Literal["weighted", "unweighted"] | None = Field(
        None, description="Whether its weights count; weighted if it has weights."
    )
    demonstrations: Count = Field(selfalign.DEMONSTRATIONS, description="How many demonstrations.")
    ordering: Ordering = Field("similar_last", description="Their order; shuffled: anew for every sample.")
    answers: Answers = Field(
        "majority", description="majority, or minority: demonstrations are completed with the other answer."
    )
    samples: Annotated[int, Field(ge=0, le=10_000)] = Field(
        selfalign.SAMPLES, description="Sampled answers of a question."
    )
    scored: bool = Field(False, description="Score the options by teacher forcing, too.")
    temperature: Annotated[float, Field(gt=0, le=100)] = Field(
        selfalign.TEMPERATURE, description="Sampling temperature."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        selfalign.TOP_P, description="Share of the probability that tokens are drawn from."
    )
    top_k: Annotated[int, Field(ge=0)] = Field(
        selfalign.TOP_K, description="Most tokens that one is drawn from; 0 for all."
    )
    max_tokens: Count = Field(selfalign.MAX_TOKENS, description="Length at which an answer is cut off.")
    stop: Names = Field(
        selfalign.STOP,
        description="A text that ends an answer, and is no part of it; repeat for several.",
    )
    chat: bool = Field(True, description="Put prompts by the model's own chat template, if it has one.")
    draw: Count = Field(1, description="Number of the repetition: a second zero-shot draw is the control.")
    only_misaligned: Annotated[JobName, Option()] = Field(
        None, description="Ask only the questions that this zero-shot run did not answer all in line with the country."
    )
    accept_english: bool = Field(
        False, description="Count the English text of an option as that option, in other languages."
    )
    precision: Precision = Field("fp32", description="fp32, or bf16 on a machine that computes in it.")
    seed: Seed = Field(0, description="Seed of all draws.")


def plan(context: Context, request: Request) -> Plan:
    """Plan the prompts of a language and condition."""
    raise NotImplementedError


def commit(run: NewRun, spec: RespondSpec) -> dict[str, int]:
    """Enter prompts, answers and scores."""
    raise NotImplementedError


COST = Cost(
    unit="answers",
    units=lambda context, request, training: 0,
    measured="SELECT run_id, count(*) AS units FROM response GROUP BY run_id",
)
