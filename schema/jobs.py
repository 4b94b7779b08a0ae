"""Job specifications and job directories: the unit of work and the unit of exchange.

A job directory holds everything a worker needs and everything it found, so that a worker needs no database and the
store can be rebuilt from job directories:

    job.json             the specification; its hash is the identity of the job
    status.json          planned, running, done or failed, and since when
    provenance.json      versions, hardware, arguments; does not enter the identity
    log.jsonl            events, see mlv.schema.events
    inputs/*.parquet     what the job reads
    outputs/*.parquet    what it found
    checkpoints/epoch-N  model states in the transformers format
    work/                half-finished work that a resumed job goes on from

Rows in a job directory carry natural keys alone (source, language, position, question), never keys of a store.
Files are written aside and renamed into place: one that is there is whole. A directory may have come from another
machine: what cannot be used of it raises JobError, and nothing outside it is reached through it.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mlv.schema import paper
from mlv.schema.errors import JobError, excerpt
from mlv.schema.events import Event, Logged, fields_of, read_event
from mlv.schema.settings import NOT_COMPARED, words

if TYPE_CHECKING:
    import polars
    from pyarrow.parquet import ParquetFile

SHOWN = 500
"""Characters that an error quotes of what is wrong with a file."""

MAX_VALUES_A_BYTE = 20
"""Values (rows by columns) that a byte of a parquet file may hold. Large rankings have 0.9, tables that repeat
themselves up to 5; a column of one repeated value has millions."""

FREE_VALUES = 10_000_000
"""Values up to which that does not matter."""

MAX_RATIO = 200
"""Bytes that a byte of a parquet file may unpack to. Tables of jobs unpack to five times their size."""

FREE_BYTES = 64 << 20
"""Unpacked size up to which the ratio does not matter."""

PLAN_AGAIN = "Delete the job directory and plan the job again."

LISTED = 5
"""Links that an error names."""

OUTPUTS = {
    "pretrain": ("checkpoints.parquet", "metrics.parquet"),
    "finetune": ("checkpoints.parquet", "metrics.parquet"),
    "probe": ("probe_logits.parquet",),
    "influence": ("run.json", "targets.parquet", "rankings.parquet", "summaries.parquet"),
    "validate": ("run.json", "validation.parquet"),
    "project": ("run.json", "points.parquet"),
}
"""Files in ``outputs/`` that are committed, by kind of job. All but ``project`` have a ``model.json`` beside them."""

CHECKPOINT_NAME = re.compile(r"((?:pretrain|finetune)-[0-9a-f]{12})/epoch-(\d+)")
"""Name of a checkpoint that a job made: job and epoch."""

JobState = Literal["planned", "running", "done", "failed"]
Precision = Literal["fp32", "bf16"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
AnyEvent = TypeVar("AnyEvent", bound=Event)


class Spec(BaseModel):
    """Base of all specifications: immutable, and refusing fields it does not know and numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelRef(Spec):
    """A model state by content. Where it lies on disk does not enter the job's identity."""

    name: str
    """Hub name, name of a local folder, or ``finetune-0123456789ab/epoch-5`` for a checkpoint that a job made."""

    revision: str = ""
    """Commit on the hub; empty for a local model."""

    digest: str
    """SHA-256 over configuration, weights and tokenizer."""

    path: str = Field(default="", exclude=True)
    """Folder to load from; kept in ``provenance.json``, not in the specification."""


class CorpusRef(Spec):
    """A corpus that a job reads, by natural key and content."""

    source: str
    language: str
    edition: str
    sha256: str
    """SHA-256 of the corpus's content."""

    segments: int
    """Segments taken from it."""


class PretrainSpec(Spec):
    """Train a tokenizer and a small mT5 from scratch by span corruption."""

    kind: Literal["pretrain"] = "pretrain"
    name: str
    """What the model is called in the store."""

    preset: str
    """nano, tiny or small: the architecture, see ``mlv.compute.pretraining.PRESETS``."""

    corpora: tuple[CorpusRef, ...]
    inputs_digest: str
    """SHA-256 of ``inputs/segments.parquet`` by content."""

    vocabulary: int
    """Entries of the Unigram vocabulary, the 100 sentinels included."""

    steps: int
    """Optimizer steps."""

    batch_size: int
    learning_rate: float
    max_tokens: int = 64
    """Length at which a segment is cut off, in tokens."""

    noise_density: float = paper.NOISE_DENSITY
    mean_span_length: float = paper.MEAN_SPAN_LENGTH
    seed: Seed = 1
    precision: Precision = "fp32"


class FinetuneSpec(Spec):
    """Fine-tune a model by span corruption (E section 4.2, appendix B)."""

    kind: Literal["finetune"] = "finetune"
    model: ModelRef
    source: str
    languages: tuple[str, ...]
    sentences: int
    """Sentences in all languages together, training and development together."""

    corpora: tuple[CorpusRef, ...]
    inputs_digest: str
    """SHA-256 of ``inputs/examples.parquet`` by content."""

    epochs: int = paper.EPOCHS
    batch_size: int = paper.BATCH_SIZE
    learning_rate: float = paper.LEARNING_RATE
    development_share: float = paper.DEVELOPMENT_SHARE
    noise_density: float = paper.NOISE_DENSITY
    mean_span_length: float = paper.MEAN_SPAN_LENGTH
    max_tokens: int = 256
    """Length at which a sentence is cut off, in tokens."""

    seed: Seed = 1
    precision: Precision = "fp32"


class ProbeSpec(Spec):
    """Ask a model state the probes of a set (E section 3.4)."""

    kind: Literal["probe"] = "probe"
    model: ModelRef
    collection: str
    """Probe collection, e.g. arora-2023."""

    probe_set: str
    languages: tuple[str, ...]
    inputs_digest: str
    """SHA-256 of ``inputs/probes.parquet`` by content."""

    precision: Precision = "fp32"
    seed: Seed = 0
    """Probing has no randomness; the field is there because every run has a seed."""


ModuleGroup = Literal["attention", "feed_forward", "embedding", "output", "norm", "bias", "position_bias"]
"""Parameters by role; ``output`` is the output matrix or the classifier, ``bias`` that of linear layers."""

Stack = Literal["encoder", "decoder"]

VOCABULARY_DIRECTIONS = 256
"""Directions on the vocabulary's side of a matrix, at least: it is far longer than others, its spectrum flatter."""


class Gradients(Spec):
    """Which per-example gradients are taken and how they are projected: with a model state, what an index holds."""

    output: Literal["loss", "log_odds"] = "loss"
    """Of which function of an example: the sum over its target tokens of log p, or TRAK's of log(p / (1 - p))."""

    corruptions: Literal["trained", "epoch"] = "trained"
    """Of which corruptions of an example: of all that training fed, weighted by the learning rate that they met, or of
    the checkpoint's own epoch alone."""

    modules: tuple[ModuleGroup, ...] = ("attention", "feed_forward", "embedding", "output")
    """Whose parameters take part."""

    stacks: tuple[Stack, ...] = ("encoder", "decoder")
    """In which halves of the model; what both share counts for either."""

    projection: Literal["none", "principal", "random", "dense"] = "principal"
    """none: exact. principal: on each side of a matrix the directions in which the reference probes' gradients are
    largest. random: Gaussian directions on each side. dense: one matrix of random signs over all parameters (TRAK)."""

    dimensions: int = 16
    """Directions on each side of a matrix, on the vocabulary's at least :data:`VOCABULARY_DIRECTIONS`; of a dense
    projection, all; of none, 0."""

    seed: Seed = 0
    """Of random directions."""


DAMPING = 1.0
"""TRAK's lambda unless another is given."""

TRACIN_DAMPING = 0.0
"""What stands for the lambda that TracIn does not have."""


class Attribution(Spec):
    """How scores are made of gradients."""

    method: Literal["trak", "tracin"] = "trak"
    similarity: Literal["dot", "cosine"] = "dot"
    """cosine: gradients are normalised first."""

    damping: float = DAMPING
    """TRAK's lambda, in units of the mean squared norm of the features; TracIn has none."""

    confidence: bool = False
    """Whether scores are multiplied by Q = 1 - p of the training example, p per token (TRAK)."""

    weights: Literal["learning_rate", "equal"] = "learning_rate"
    """How checkpoints count in the sum or mean: by the learning rate of their epoch, or alike."""

    gradients: Gradients = Gradients()


def attribution_name(attribution: Attribution) -> str:
    """What an attribution is called in tables: ``trak-principal-32``, ``tracin-cosine-exact``, then whatever of it is
    not the default, as in ``trak-principal-16 corruptions=epoch``. Two that differ have two names."""
    gradients = attribution.gradients
    cosine = "-cosine" if attribution.similarity == "cosine" else ""
    directions = "exact" if gradients.projection == "none" else f"{gradients.projection}-{gradients.dimensions}"
    every, said = (words(one.model_dump(mode="json")) for one in (attribution, _otherwise_default(attribution)))
    return " ".join([f"{attribution.method}{cosine}-{directions}", *(word for word in every if word not in said)])


def _otherwise_default(attribution: Attribution) -> Attribution:
    """The attribution that the beginning of its name stands for where nothing follows."""
    projection, dimensions = attribution.gradients.projection, attribution.gradients.dimensions
    return Attribution(
        method=attribution.method,
        similarity="cosine" if attribution.similarity == "cosine" else "dot",
        damping=TRACIN_DAMPING if attribution.method == "tracin" else DAMPING,
        gradients=Gradients(projection=projection, dimensions=0 if projection == "none" else dimensions),
    )


TargetSelection = Literal["shifted", "all", "chosen"]
Quantity = Literal["answer", "margin", "shift"]
"""What is traced of a probe, and which influence is then positive.

answer: log-probability per token of the answer given after fine-tuning; what supports it.
margin: that of the first answer minus that of the second; what supports the first.
shift: the margin, in the direction in which fine-tuning moved it; what supports the move.
"""


class InfluenceSpec(Spec):
    """Trace a run's predictions back to its training examples (E section 7; H section 4.2).

    Reads ``inputs/targets.parquet``; ``inputs/examples.parquet``, as the traced run did; and
    ``inputs/reference.parquet``, a sample of the probe set in all languages, which principal directions are learnt
    from.
    """

    kind: Literal["influence"] = "influence"
    model: ModelRef
    """The checkpoint whose predictions are traced: the last of the run."""

    training: FinetuneSpec
    """The traced run."""

    checkpoints: tuple[ModelRef, ...]
    """Model states whose scores are averaged (TRAK) or summed (TracIn), those of the traced run by epoch."""

    attribution: Attribution
    collection: str
    """Probe collection, e.g. arora-2023."""

    probe_set: str
    languages: tuple[str, ...]
    """Test languages."""

    selection: TargetSelection = "shifted"
    """Which probes are traced."""

    quantity: Quantity = "answer"
    top_k: int = paper.INFLUENCE_TOP_K
    keep_scores: bool = False
    """Whether all scores are kept, in ``outputs/scores.parquet``."""

    inputs_digest: str
    """SHA-256 of ``inputs/targets.parquet`` by content."""

    reference_digest: str = ""
    """SHA-256 of ``inputs/reference.parquet`` by content."""

    seed: Seed = 0


class ValidationSpec(Spec):
    """Retrain a run without parts of its examples, to see whether attributions predict what happens.

    Reads the same inputs as an influence job.
    """

    kind: Literal["validate"] = "validate"
    model: ModelRef
    """The checkpoint whose predictions are traced: the last of the run."""

    training: FinetuneSpec
    checkpoints: tuple[ModelRef, ...]
    """Model states of the run by epoch: TracIn uses all, TRAK the last."""

    attributions: tuple[Attribution, ...]
    """What is validated, beside the baselines."""

    collection: str
    probe_set: str
    languages: tuple[str, ...]
    quantity: Quantity = "margin"
    halves: int = 16
    """Retrainings on random halves with the run's own seed."""

    other_seed_halves: int = 8
    """Retrainings on random halves, each with a seed of its own."""

    removal_targets: int = 5
    """Targets of the removal test (H section 6): each costs two retrainings for every k."""

    removal_k: tuple[int, ...] = paper.REMOVAL_K
    inputs_digest: str
    reference_digest: str = ""
    seed: Seed = 0
    """Of the halves and of the random baselines."""


PROFILE_KEYS = ("checkpoint", "language", "score", "survey", "country", "weighting")
"""Natural key of a profile: the first three of a model's, the others of a country's."""


class ProjectSpec(Spec):
    """Fit a plane to profiles by principal component analysis (E Figures 4, 11 and 13).

    Reads ``inputs/profiles.parquet``: one row per profile and question, the profiles by :data:`PROFILE_KEYS`.
    """

    kind: Literal["project"] = "project"
    checkpoints: tuple[str, ...]
    """Model states whose profiles are compared, as :func:`checkpoint_key` names them."""

    collection: str
    """Probe collection behind the probe set and the models' profiles, e.g. arora-2023."""

    probe_set: str
    """Probe set that the questions are of: those that all profiles have."""

    languages: tuple[str, ...]
    """Test languages of the models' profiles."""

    score: Literal["sum", "mean", "first"] | None
    """Way of scoring behind the models' profiles; None where only countries are compared."""

    survey: str
    """Survey of the countries' profiles; empty where only models are compared, like ``weighting``."""

    countries: tuple[str, ...]
    weighting: Literal["weighted", "unweighted", ""]
    inputs_digest: str
    """SHA-256 of ``inputs/profiles.parquet`` by content."""

    seed: Seed = 0
    """A projection has no randomness; the field is there because every run has a seed."""


JobSpec = PretrainSpec | FinetuneSpec | ProbeSpec | InfluenceSpec | ValidationSpec | ProjectSpec
_SPEC: TypeAdapter[JobSpec] = TypeAdapter(Annotated[JobSpec, Field(discriminator="kind")])


def gradients_of(checkpoint: ModelRef, gradients: Gradients, reference_digest: str) -> dict[str, Any]:
    """What gradients depend on beside the rows they are of: the part of an index's identity that a job decides."""
    return {
        "model": checkpoint.digest,
        "gradients": gradients.model_dump(mode="json"),
        "reference": reference_digest if gradients.projection == "principal" else "",
    }


def read_spec(text: str) -> JobSpec:
    """The specification that :func:`canonical_json` wrote. Raises ValueError where it is none."""
    return _SPEC.validate_json(text)


def canonical_json(spec: JobSpec) -> str:
    """The specification as JSON with sorted keys and no spaces: what ``job.json`` and the store keep."""
    return _canonical(spec.model_dump(mode="json"))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def spec_hash(spec: JobSpec) -> str:
    """Identity of the job: SHA-256 of the specification, in which names do not count.

    A model from elsewhere counts by its content, a checkpoint that a job made by that job and epoch, and a model that
    is pretrained here by how it is made.
    """
    identity = spec.model_dump(mode="json")
    if isinstance(spec, PretrainSpec):
        del identity["name"]
    elif not isinstance(spec, ProjectSpec) and not CHECKPOINT_NAME.fullmatch(spec.model.name):
        del identity["model"]["name"], identity["model"]["revision"]
    if isinstance(spec, InfluenceSpec | ValidationSpec):
        identity["training"] = spec_hash(spec.training)
    return hashlib.sha256(_canonical(identity).encode()).hexdigest()


def default_settings(spec: type[FinetuneSpec]) -> dict[str, Any]:
    """The settings of a specification in which nothing is said of them."""
    left_out = NOT_COMPARED[spec.model_fields["kind"].default]
    fields = {name: field for name, field in spec.model_fields.items() if name not in left_out}
    return {name: field.default for name, field in fields.items() if not field.is_required()}


def checkpoint_key(model: ModelRef) -> str:
    """What a model state counts by where it is one of several: job and epoch where a job made it, else its content."""
    return model.name if CHECKPOINT_NAME.fullmatch(model.name) else model.digest


def job_name(spec: JobSpec) -> str:
    """Name of the job directory: kind and the first 12 digits of the hash."""
    return f"{spec.kind}-{spec_hash(spec)[:12]}"


def content_digest(frame: "polars.DataFrame") -> str:
    """SHA-256 of a frame's columns and rows in order, whatever the file format or the version of its writer."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()


def now() -> datetime:
    """The present, UTC, without a time zone: as the store keeps times."""
    return datetime.now(UTC).replace(tzinfo=None)


def aside_path(path: Path) -> Path:
    """Where this process writes what is to be at ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it into place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_path(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON aside and rename it into place."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_parquet(path: Path) -> "polars.DataFrame":
    """All of a parquet file. Raises JobError where it is missing or damaged, or unpacks to far more than it holds.

    By pyarrow, which tells damage as errors: polars ends the process at some, and takes a path for a pattern.
    """
    import polars

    with _parquet(path, PLAN_AGAIN) as file:
        # without the schema's metadata, which polars takes for UTF-8
        table = file.read().replace_schema_metadata(None)
        table.validate(full=True)
    return polars.DataFrame(table)


def refuse_bomb(path: Path, hint: str = PLAN_AGAIN) -> None:
    """Raise JobError, with a hint, where a parquet file is missing or damaged, or unpacks to far more than it holds."""
    with _parquet(path, hint):
        pass


@contextlib.contextmanager
def _parquet(path: Path, hint: str) -> Iterator["ParquetFile"]:
    """Open a parquet file that is no bomb; what goes wrong with it in the block is told as JobError."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            _check_size(path, file, hint)
            yield file
    except FileNotFoundError as error:
        raise JobError(f"{path} is missing", hint) from error
    except (OSError, ValueError, MemoryError, pyarrow.ArrowException) as error:
        raise JobError(f"{path} is not a readable parquet file: {str(error)[:SHOWN]}", hint) from error


def _check_size(path: Path, file: "ParquetFile", hint: str) -> None:
    """Raise JobError where the footer promises more values or bytes than a file of that size holds in earnest."""
    footer, size = file.metadata, path.stat().st_size
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [(group.num_rows, group.column(number)) for group in groups for number in range(group.num_columns)]
    values = sum(max(rows, chunk.num_values) for rows, chunk in chunks)
    unpacked = sum(chunk.total_uncompressed_size for _, chunk in chunks)
    if values > max(FREE_VALUES, MAX_VALUES_A_BYTE * size) or unpacked > max(FREE_BYTES, MAX_RATIO * size):
        raise JobError(
            f"{path} is refused: its {size:,} bytes would unpack to {values:,} values, {unpacked:,} bytes, "
            "which no job writes.",
            hint,
        )


class JobDirectory:
    """A job directory on disk. Raises JobError where it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def inputs(self) -> Path:
        """Folder of what the job reads."""
        return self.path / "inputs"

    @property
    def outputs(self) -> Path:
        """Folder of what the job found."""
        return self.path / "outputs"

    @property
    def checkpoints(self) -> Path:
        """Folder of model states."""
        return self.path / "checkpoints"

    @property
    def work(self) -> Path:
        """Folder of half-finished work; may be deleted once the job is done."""
        return self.path / "work"

    @classmethod
    def create(cls, jobs: Path, spec: JobSpec, provenance: dict[str, Any]) -> "JobDirectory":
        """Make the directory for ``spec`` below ``jobs``; one that is there already is left as it is."""
        job = cls(jobs / job_name(spec))
        if not (job.path / "job.json").exists():
            job.inputs.mkdir(parents=True, exist_ok=True)
            write_json(job.path / "provenance.json", provenance)
            write_json(job.path / "job.json", json.loads(canonical_json(spec)))
            job.set_state("planned")
        return job

    def spec(self) -> JobSpec:
        """The specification. Raises JobError where ``job.json`` is missing or invalid."""
        if not (self.path / "job.json").is_file():
            raise JobError(
                f"{self.path} is not a job directory: it has no job.json.",
                "Name a folder that `mlv compute ... --plan-only` made.",
            )
        try:
            return _SPEC.validate_python(self.read_json("job.json"))
        except ValidationError as error:
            raise self._damaged("job.json", error) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the directory; empty where it is not there. Raises JobError where it holds no JSON object."""
        path = self.path / name
        if not path.exists():
            return {}
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(name, error) from error
        if not isinstance(value, dict):
            raise self._damaged(name, TypeError("it holds no JSON object"))
        return value

    def _damaged(self, name: str, error: Exception) -> JobError:
        return JobError(
            f"{self.path / name} is damaged: {excerpt(str(error), SHOWN)}",
            "Delete the folder and plan the job again.",
        )

    def state(self) -> JobState:
        """Where the job stands. Raises JobError where ``status.json`` does not say it."""
        state = self.read_json("status.json").get("state", "planned")
        if state not in get_args(JobState):
            raise self._damaged("status.json", ValueError(f"there is no state {state!r}"))
        return cast(JobState, state)

    def refuse_links(self) -> None:
        """Raise JobError where links lead out of the directory: what is read, written or deleted then lies elsewhere.
        Likewise where they lead nowhere.

        The directory itself may be reached by a link.
        """
        home = Path(os.path.realpath(self.path))
        out = sorted(
            str(entry.relative_to(self.path))
            for folder, folders, files in os.walk(self.path)
            for entry in (Path(folder, name) for name in (*folders, *files))
            if entry.is_symlink() and not (entry.exists() and Path(os.path.realpath(entry)).is_relative_to(home))
        )
        if out:
            raise JobError(
                f"{self.path} has links that lead out of it: {', '.join(out[:LISTED])}.",
                "Put what they lead to in their place, if the job comes from somebody you trust.",
            )

    def set_state(self, state: JobState, **detail: Any) -> None:
        """Record where the job stands."""
        write_json(self.path / "status.json", {"state": state, "at": now().isoformat(), **detail})

    def update_provenance(self, **detail: Any) -> None:
        """Add what the worker knows: hardware, versions, where the model was loaded from."""
        write_json(self.path / "provenance.json", {**self.read_json("provenance.json"), **detail})

    def log(self, event: Event) -> None:
        """Append an event to ``log.jsonl``."""
        line = json.dumps({"at": now().isoformat(), "event": event.event, **fields_of(event)}, ensure_ascii=False)
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def events(self) -> list[Logged]:
        """The log. Lines that are no event with its time are left out: a kill may have cut one off."""
        path = self.path / "log.jsonl"
        if not path.is_file():
            return []
        events = []
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                events.append(_logged(json.loads(line)))
        return events

    def logged(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        """The events of a type in the log."""
        return [happened.event for happened in self.events() if isinstance(happened.event, kind)]


def _logged(line: dict[str, Any]) -> Logged:
    """The event of a line. Raises ValueError, TypeError or KeyError where it is none."""
    at, name = datetime.fromisoformat(line["at"]), line["event"]
    if at.tzinfo is not None or not isinstance(name, str):
        raise ValueError("an event has a name, and its time in UTC without a time zone")
    fields = {field: value for field, value in line.items() if field not in ("at", "event")}
    return Logged(at, read_event(name, json.dumps(fields, ensure_ascii=False)))
