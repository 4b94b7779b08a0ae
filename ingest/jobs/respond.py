"""Asking a chat model: the prompts of a language and condition leave the store; answers and scores enter it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Self, cast

import duckdb
import polars as pl
from pydantic import AfterValidator, Field, model_validator

from mlv.ingest.answers.parsers import LATEST
from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost, Tokens
from mlv.ingest.jobs.lookup import Weighting, default_probe_set, find_run, find_survey
from mlv.ingest.jobs.planning import Context, NothingToDoError, Plan
from mlv.ingest.jobs.prompting import (
    Offered,
    Ordered,
    count_probes,
    find_form,
    find_probes,
    majorities,
    make_prompts,
    misaligned,
    options_of,
)
from mlv.ingest.jobs.request import AnyModelName, Count, JobName, Name, ProbeSet, language_code
from mlv.ingest.jobs.responses import enter_answers, enter_prompts
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.tokens import tokens_of
from mlv.ingest.prompts.chrf import SIGNATURE
from mlv.ingest.reference.languages import country
from mlv.ingest.writing.profiles import build_response_profiles
from mlv.queries import install_macros
from mlv.schema.errors import DataError, NotFoundError, UsageError
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.respond import (
    Answers,
    Api,
    Decoding,
    Demonstrations,
    EndpointRef,
    Options,
    RespondSpec,
    address_fault,
)
from mlv.schema.jobs.spec import Precision, Seed
from mlv.schema.papers import selfalign
from mlv.schema.papers.selfalign import OptionOrder, Ordering, Strategy


class Request(request.Request):
    """The questions of a probe set in one language and condition, put to one model."""

    model: AnyModelName = Field(
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
    first_line: bool = Field(True, description="End an answer with its first line.")
    chat: bool = Field(True, description="Put prompts by the model's own chat template, if it has one.")
    draw: Count = Field(1, description="Number of the repetition: a second zero-shot draw is the control.")
    only_misaligned: JobName = Field(
        None, description="Ask only the questions that this zero-shot run did not answer all in line with the country."
    )
    accept_english: bool = Field(
        False, description="Count the English text of an option as that option, in other languages."
    )
    precision: Precision = Field("fp32", description="fp32, or bf16 on a machine that computes in it.")
    seed: Seed = Field(0, description="Seed of all draws.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        behind_api = (self.endpoint, self.api_model, self.as_of)
        if any(behind_api) and not all(behind_api):
            raise ValueError("A model behind an API has three: --endpoint URL --api-model NAME --as-of DATE.")
        if self.model and self.endpoint:
            raise ValueError("One model is asked: give --model or --endpoint.")
        if not (self.model or self.endpoint) and (self.samples or self.scored):
            raise ValueError("Nobody is asked: give --model or --endpoint, or --samples 0 for the prompts alone.")
        if (self.model or self.endpoint) and not (self.samples or self.scored):
            raise ValueError("Nothing is asked: give --samples or --scored.")
        if self.scored and self.endpoint and self.api == "chat":
            raise ValueError("An API for chats does not score a given answer: --scored needs --api completions.")
        if self.strategy is None and (self.ordering, self.answers) != ("similar_last", "majority"):
            raise ValueError("--ordering and --answers are about demonstrations: give a --strategy.")
        return self


def plan(context: Context, request: Request) -> Plan:
    """Plan the prompts of a language and condition.

    Raises NotFoundError or DataError if the store lacks probes, survey or run, or UsageError for an address that could
    hold a secret.
    """
    connection = context.connection
    install_macros(connection)
    probe_set = request.probe_set or default_probe_set(connection)
    form = find_form(request.form, request.language)
    probes = find_probes(connection, probe_set, request.collection, request.language)
    people = _people(connection, request)
    options = _asked(connection, request, probes, people)
    demonstrated = _demonstrations(request, people)
    majority = majorities(connection, *people) if demonstrated and people else {}
    order = Ordered(request.option_order, request.samples, request.seed)
    prompts, shown = make_prompts(probes, options, form, order, demonstrated, majority)
    spec = RespondSpec(
        model=context.find_model(request.model) if request.model else None,
        endpoint=_endpoint(request),
        collection=probes["collection"][0],
        probe_set=probe_set,
        language=request.language,
        form=form.code,
        form_sha256=form.sha256,
        options=request.options,
        scale=people.survey if people and request.options == "scale" else None,
        demonstrations=demonstrated,
        decoding=Decoding(
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k or None,
            max_tokens=request.max_tokens,
            stop=selfalign.STOP if request.first_line else (),
        ),
        samples=request.samples,
        scored=request.scored,
        option_order=request.option_order,
        chat=request.chat,
        draw=request.draw,
        only_of=request.only_misaligned or "",
        accept_english=request.accept_english,
        parser=LATEST,
        precision=request.precision,
        inputs_digest=content_digest(prompts),
        seed=request.seed,
    )
    worded = pl.DataFrame([{"code": form.code, "sha256": form.sha256, "content": form.content}])
    inputs = {"prompts.parquet": prompts, "form.parquet": worded}
    return Plan(spec, lambda: inputs | ({"demonstrations.parquet": shown} if not shown.is_empty() else {}))


class People(NamedTuple):
    """Whose answers a job is about."""

    survey: str
    country: str
    weighting: Weighting


def _people(connection: duckdb.DuckDBPyConnection, request: Request) -> People | None:
    """Survey, country and weighting that a request is about; None if it needs none. Raises NotFoundError."""
    if request.strategy is None and request.only_misaligned is None and request.options == "probe":
        return None
    survey, weighting = find_survey(connection, request.survey, request.weighting, "answers")
    return People(survey, _country(connection, request), weighting)


def _country(connection: duckdb.DuckDBPyConnection, request: Request) -> str:
    """The country that is named, or that of the language. Raises NotFoundError if that has none, or several."""
    if request.country:
        return country(request.country).code
    rows = connection.execute(
        "SELECT country FROM v_language_country WHERE language = ? ORDER BY ALL", [request.language]
    ).fetchall()
    if len(rows) != 1:
        raise NotFoundError(
            f"{request.language} is compared with {', '.join(row[0] for row in rows) or 'no country'}.",
            "Name the country whose answers count: --country CODE",
        )
    return str(rows[0][0])


def _asked(
    connection: duckdb.DuckDBPyConnection, request: Request, probes: pl.DataFrame, people: People | None
) -> Mapping[str, Sequence[Offered]]:
    """The questions that are asked, with what they offer. Raises NotFoundError or DataError if there are none."""
    offered = options_of(connection, probes, request.options, people.survey if people else "")
    if people is None or request.only_misaligned is None:
        return offered
    _, run = find_run(connection, request.only_misaligned)
    row = connection.execute("SELECT language, condition FROM v_response_run WHERE run = ?", [run]).fetchone()
    if row != (request.language, "zero_shot"):
        raise DataError(
            f"{run} did not ask zero-shot in {request.language}.",
            "Name the zero-shot run that this one is compared with: mlv runs list --kind respond",
        )
    wrong = misaligned(connection, run, *people)
    if not wrong & offered.keys():
        raise NothingToDoError(f"{run} answered all questions in line with {people.country} in {people.survey}.")
    return {question: options for question, options in offered.items() if question in wrong}


def _demonstrations(request: Request, people: People | None) -> Demonstrations | None:
    if request.strategy is None or people is None:
        return None
    return Demonstrations(
        country=people.country,
        survey=people.survey,
        weighting=people.weighting,
        strategy=request.strategy,
        count=request.demonstrations,
        ordering=request.ordering,
        answers=request.answers,
        similarity=SIGNATURE,
    )


def _endpoint(request: Request) -> EndpointRef | None:
    """Raises UsageError for an address that is none, or that could hold a secret."""
    if request.endpoint is None or request.api_model is None or request.as_of is None:
        return None
    fault = address_fault(request.endpoint)
    if fault == "none":
        raise UsageError("--endpoint is no address of an API.", "Write it like http://localhost:8000/v1")
    if fault == "more":
        raise UsageError(
            "The address of --endpoint has a user, a password or a query, which may be secret.",
            "Leave it out, and put the key into the environment: export OPENAI_API_KEY=..., or --key-env NAME",
        )
    return EndpointRef(
        name=request.api_model, as_of=request.as_of, api=request.api, weights=request.weights, url=request.endpoint
    )


def commit(run: NewRun, spec: RespondSpec) -> dict[str, int]:
    """Enter prompts, answers as the parser reads them, scores, and the profiles that follow.

    Raises JobError if outputs are not of the prompts, or have numbers that are NaN or infinite.
    """
    entered = enter_prompts(run, spec) | enter_answers(run, spec)
    build_response_profiles(run.connection, run.run_id)
    return entered


def _units(context: Context, request: Request, _: object) -> int:
    probe_set = request.probe_set or default_probe_set(context.connection)
    asked = count_probes(context.connection, probe_set, request.collection, request.language)
    return asked * max(request.samples, 1)


_SAME_PROMPTS: Final = {
    name: Request.model_fields[name].default
    for name in ("model", "endpoint", "api_model", "as_of", "temperature", "top_p", "top_k", "max_tokens", "draw")
}
"""Settings that prompts do not hang on, as they are if not given."""


def _tokens(context: Context, request: Request) -> Tokens:
    for_anybody = request.model_copy(update=_SAME_PROMPTS)
    inputs = context.once(for_anybody, lambda: plan(context, for_anybody).inputs())
    return tokens_of(
        context.connection,
        cast(pl.DataFrame, inputs["prompts.parquet"]),
        model=request.api_model or request.model,
        language=request.language,
        max_tokens=request.max_tokens,
        scored=request.scored,
    )


COST = Cost(
    unit="answers",
    units=_units,
    measured="SELECT run_id, sum(greatest(samples, 1)) AS units FROM prompt GROUP BY run_id",
    tokens=_tokens,
)
