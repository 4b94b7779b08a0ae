"""The specification of a job that asks a chat model survey questions and keeps what it answers."""

import hashlib
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from mlv.schema.jobs.identity import canonical
from mlv.schema.jobs.spec import ModelRef, Precision, Spec, SpecPart
from mlv.schema.papers import selfalign
from mlv.schema.papers.selfalign import OptionOrder, Ordering, Strategy

Answers = Literal["majority", "minority"]
"""Which side's answer they are completed with."""

Options = Literal["probe", "scale"]
"""What there is to choose from. probe: the two answers of the probe. scale: the survey's own answers."""

Api = Literal["chat", "completions"]


def address_fault(url: str) -> Literal["none", "more"] | None:
    """What is wrong with the address of an API: that it is none, or that it holds more, which could be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "none"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "none"
    return "more" if "@" in parts.netloc or parts.query or parts.fragment else None


class EndpointRef(SpecPart):
    """A model behind an API, as far as it can be known. Neither address nor key enters the job's identity."""

    name: str
    """As the API has it."""

    as_of: str
    """A date or label that tells its states apart, since a name may stand for another model tomorrow."""

    api: Api = "chat"
    weights: str = ""
    """SHA-256 of its weights where it is known; otherwise empty."""

    url: str = Field(default="", exclude=True)
    """Where the API is; kept in ``provenance.json``, not in the specification."""


class Decoding(SpecPart):
    """How answers are sampled: all of it, since libraries and servers differ in their defaults."""

    temperature: Annotated[float, Field(gt=0)] = selfalign.TEMPERATURE
    top_p: Annotated[float, Field(gt=0, le=1)] = selfalign.TOP_P
    top_k: int | None = selfalign.TOP_K
    """None: all tokens."""

    max_tokens: int = selfalign.MAX_TOKENS
    stop: tuple[str, ...] = selfalign.STOP
    """Texts that end an answer, and are no part of it."""


class Demonstrations(SpecPart):
    """Completed sentences that a question follows."""

    country: str
    """Whose answers they show."""

    survey: str
    weighting: Literal["weighted", "unweighted"]
    strategy: Strategy
    count: int = selfalign.DEMONSTRATIONS
    """How many; fewer where there are fewer candidates."""

    ordering: Ordering = "similar_last"
    answers: Answers = "majority"
    similarity: str
    """Signature of the measure of similarity."""


class RespondSpec(Spec):
    """Ask a chat model the questions of ``inputs/prompts.parquet``: sampled answers, scores of the options, or both.

    With neither a model nor an endpoint nothing is asked: the prompts alone enter the store.
    """

    OUTPUTS: ClassVar = ("model.json", "usage.json", "asked.parquet", "responses.parquet", "scores.parquet")
    IF_GIVEN: ClassVar = frozenset({"model", "endpoint", "demonstrations", "scale"})
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "what is asked",
        "endpoint": "what is asked",
        "collection": "an input",
        "probe_set": "what is compared over is a matter of the query",
        "language": "answers are compared language by language",
        "demonstrations": "a condition, which queries tell apart by its own columns",
        "draw": "what repetitions differ in",
        "only_of": "an input",
    }

    kind: Literal["respond"] = "respond"
    model: ModelRef | None = None
    endpoint: EndpointRef | None = None
    collection: str
    probe_set: str
    language: str
    form: str
    """Code of the wording of the prompts."""

    form_sha256: str
    """SHA-256 of its content in the language."""

    options: Options = "probe"
    scale: str | None = None
    """Survey whose answers are the options; None of those of the probe."""

    demonstrations: Demonstrations | None = None
    """None: zero-shot."""

    decoding: Decoding = Decoding()
    samples: int = selfalign.SAMPLES
    """Sampled answers of a question; 0 if none are."""

    scored: bool = False
    """Whether the options are scored, by teacher forcing."""

    option_order: OptionOrder = "drawn"
    chat: bool = True
    """Whether a prompt is a user's turn of the model's own chat template; otherwise a text that is continued."""

    draw: int = 1
    """Number of the repetition: the random numbers of the answers hang on it, and nothing else."""

    only_of: str = ""
    """Run whose misaligned questions alone are asked; empty for all."""

    accept_english: bool = False
    """Whether the English texts of the options count as answers in other languages."""

    parser: int
    """Version of the parser that reads the answers."""

    precision: Precision = "fp32"

    @property
    def respondent(self) -> ModelRef | None:
        """What is asked as a model state: an endpoint is known by what its reference says."""
        if self.endpoint is None:
            return self.model
        digest = hashlib.sha256(canonical(self.endpoint.model_dump(mode="json")).encode()).hexdigest()
        return ModelRef(name=self.endpoint.name, revision=self.endpoint.as_of, digest=digest, path=self.endpoint.url)

    def models(self) -> tuple[ModelRef, ...]:
        """The model that is asked, if one is."""
        return (self.respondent,) if self.respondent else ()

    def probe_inputs(self) -> tuple[str, ...]:
        """Prompts, and what stands before their questions: both are made of probes."""
        return ("prompts.parquet", "demonstrations.parquet")
