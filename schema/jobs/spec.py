"""What all specifications of jobs have in common: everything that generic code may ask of a kind of job."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["fp32", "bf16"]
Objective = Literal["span_corruption", "masked_words", "next_token", "classification"]
"""What a training minimises. span_corruption: the loss of the removed spans (Raffel et al. 2020, section 3.1.4).
masked_words: that of single hidden tokens (Devlin et al. 2019, section 3.1). next_token: that of every token, given
those before it (Radford et al. 2018, section 3.1). classification: the cross entropy of the classes."""

Mask = Literal["anywhere", "t5"]
"""Where span corruption may remove tokens. anywhere: all places alike. t5: as T5's code has it, where a sequence begins
with kept tokens and ends with removed ones."""

Seed = Annotated[int, Field(ge=0, lt=2**31)]

_MADE_BY: Final = re.compile(r"([a-z][a-z_]*-[0-9a-f]{12})/epoch-(\d+)")


class SpecPart(BaseModel):
    """Part of a specification: immutable, without unknown fields, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MadeBy(NamedTuple):
    """What made a checkpoint."""

    job: str
    """Name of the job."""

    epoch: int


class ModelRef(SpecPart):
    """A model state by content. Where it lies on disk does not enter the job's identity."""

    name: str
    """Hub name, name of a local folder, or ``finetune-0123456789ab/epoch-5`` for a checkpoint that a job made."""

    revision: str = ""
    """Commit on the hub; empty for a local model."""

    digest: str
    """SHA-256 over configuration, weights, adapter and tokenizer; empty while the model is not here and not known."""

    path: str = Field(default="", exclude=True)
    """Folder to load from; kept in ``provenance.json``, not in the specification."""

    @property
    def made_by(self) -> MadeBy | None:
        """The job that made it, and after which epoch; None for a model from elsewhere."""
        found = _MADE_BY.fullmatch(self.name)
        return MadeBy(found[1], int(found[2])) if found else None

    @property
    def key(self) -> str:
        """What it is known by among other model states: job and epoch if a job made it, otherwise its content."""
        return self.name if self.made_by else self.digest


class CorpusRef(SpecPart):
    """A corpus that a job reads, by natural key and content."""

    source: str
    language: str
    edition: str
    sha256: str
    """SHA-256 of the corpus's content."""

    segments: int
    """Segments taken from it."""


class Spec(SpecPart):
    """All that determines the result of a job. A kind of job is a subclass; ``mlv.schema.jobs.kinds`` lists them."""

    OUTPUTS: ClassVar[tuple[str, ...]]
    """Files in ``outputs/`` that a commit reads: a job without them is not finished."""

    MAKES_CHECKPOINTS: ClassVar[bool] = False
    """Whether its results are model states that other jobs can start from or examine."""

    NEXT: ClassVar[str] = ""
    """What is left to do with what it made, as a line for a reader with ``{run}`` in it; empty if nothing is."""

    PROFILE_INPUTS: ClassVar[tuple[str, ...]] = ()
    """Files in ``inputs/`` with profiles, those of countries among them."""

    LABELS: ClassVar[frozenset[str]] = frozenset()
    """Fields that only name the result: two jobs that differ in them alone are one."""

    IF_GIVEN: ClassVar[frozenset[str]] = frozenset()
    """Fields that are part of the identity only where they are not None: what a job does without."""

    NOT_COMPARED: ClassVar[Mapping[str, str]] = {
        "kind": "runs of two kinds are never compared",
        "inputs_digest": "what a run reads is known by where it comes from",
        "seed": "what repetitions differ in; the seed of random directions is part of the attribution, and counts",
    }
    """Fields that two runs that are alike may differ in, and why. All others count, those included that are added."""

    kind: str
    inputs_digest: str
    """SHA-256 of the job's first file in ``inputs/``, by content."""

    seed: Seed = 0

    def models(self) -> tuple[ModelRef, ...]:
        """The model states that the job reads, the one that it starts from or examines first."""
        return ()

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that the job reads."""
        return ()

    def probe_inputs(self) -> tuple[str, ...]:
        """Files in ``inputs/`` with the probes, of the field ``collection``, that the job reads."""
        return ()

    def next_step(self) -> str:
        """:attr:`NEXT`, as far as it hangs on the specification."""
        return self.NEXT

    def traced_run(self) -> "Spec | None":
        """The specification of the run whose training examples the job is about, if it is about one."""
        return None

    def computes_in(self) -> Precision:
        """The precision that the machine has to have."""
        precision: Precision = getattr(self, "precision", "fp32")
        return precision

    def settings(self) -> dict[str, Any]:
        """What makes two runs alike: all of the specification but :attr:`NOT_COMPARED`."""
        return self.settings_in(self.model_dump(mode="json"))

    @classmethod
    def settings_in(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """The settings in a specification as ``job.json`` has it."""
        return {name: value for name, value in document.items() if name not in cls.NOT_COMPARED}

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        """Settings that have a default, with it."""
        fields = {name: field for name, field in cls.model_fields.items() if name not in cls.NOT_COMPARED}
        return {name: field.default for name, field in fields.items() if not field.is_required()}

    def builds_on(self) -> frozenset[str]:
        """Names of the jobs that have to be committed before this one."""
        return frozenset(made.job for model in self.models() if (made := model.made_by))

    def takes_from(self) -> frozenset[str]:
        """Names of the jobs whose results the specification itself holds, subnetworks that they found: where these are
        there they go before it, and with it; where they are not it can do without."""
        subnetworks = getattr(self, "subnetworks", None) or ()
        return frozenset(subnetwork.name for subnetwork in subnetworks if subnetwork.origin == "pruned")

    def reads_index(self, identity: dict[str, Any]) -> bool:  # noqa: ARG002 most kinds read none
        """Whether the job reads the index of gradients that has an identity (``index.json``)."""
        return False
