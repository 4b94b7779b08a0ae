"""A specification of every kind of job, none of whose fields is empty, and model states that they name."""

from typing import Final

from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.jobs.pca import PcaSpec
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.prune import PruneSpec
from mlv.schema.jobs.respond import Decoding, Demonstrations, EndpointRef, RespondSpec
from mlv.schema.jobs.spec import CorpusRef, ModelRef, Spec
from mlv.schema.jobs.validate import ValidateSpec

ELSEWHERE: Final = ModelRef(name="google/mt5-small", revision="abc", digest="d1", path="/models/mt5-small")
CORPUS: Final = CorpusRef(source="pbc", language="fa", edition="new", sha256="c", segments=10)
SUBNETWORK: Final = Subnetwork(
    name="avoiding(prune-0123456789ab,3,2)",
    mask=Mask(layers=2, heads=4, bits="3b"),
    origin="avoiding",
    parts=("prune-0123456789ab",),
    amount=3,
    seed=2,
)


def checkpoint(spec: Spec, epoch: int) -> ModelRef:
    """A model state that a job made."""
    name = f"{job_name(spec)}/epoch-{epoch}"
    return ModelRef(name=name, digest=f"digest of {name}", path=f"/jobs/{name}")


PRETRAIN: Final = PretrainSpec(
    name="nano",
    preset="nano",
    corpora=(CORPUS,),
    inputs_digest="i",
    vocabulary=500,
    steps=6,
    batch_size=4,
    learning_rate=1e-3,
)
FINETUNE: Final = FinetuneSpec(
    model=ELSEWHERE,
    source="pbc",
    languages=("fa", "ko"),
    sentences=20,
    parallel_with=("fa", "hi", "ko"),
    articles=5,
    share=0.5,
    freeze=("embeddings",),
    corpora=(CORPUS,),
    inputs_digest="i",
    gradient_accumulation=4,
    schedule="cosine",
    warmup=0.1,
    weight_decay=0.01,
    patience=2,
    lora=8,
    lora_alpha=16.0,
    lora_dropout=0.1,
    lora_targets=("q", "v"),
)
OTHER_SEED: Final = FINETUNE.model_copy(update={"seed": 2})
CLASSIFY: Final = ClassifySpec(
    model=ELSEWHERE,
    task="xnli-entailment",
    classes=("entailment", "not entailment"),
    source="xnli",
    languages=("fa", "ko"),
    examples=20,
    corpora=(CORPUS,),
    development=(CORPUS,),
    inputs_digest="i",
    left_out=("hi",),
    added_language="ko",
    added_percent=50,
    draw="first",
    balanced=True,
    freeze=("embeddings",),
    masks={"fa": SUBNETWORK.name, "ko": SUBNETWORK.name},
    subnetworks=(SUBNETWORK,),
    updates="strict",
    gradient_accumulation=4,
    schedule="cosine",
    warmup=0.1,
    weight_decay=0.01,
    patience=2,
)
PREDICT: Final = PredictSpec(
    model=checkpoint(CLASSIFY, 5),
    task="xnli-entailment",
    classes=("entailment", "not entailment"),
    source="xnli",
    split="test",
    languages=("fa", "ko"),
    corpora=(CORPUS,),
    inputs_digest="i",
    masks={"fa": SUBNETWORK.name, "ko": SUBNETWORK.name},
    subnetworks=(SUBNETWORK,),
)
PRUNE: Final = PruneSpec(
    model=checkpoint(CLASSIFY, 5),
    training=CLASSIFY,
    language="fa",
    development=(CORPUS,),
    inputs_digest="i",
    max_examples=100,
    anyway=True,
)
PROBE: Final = ProbeSpec(
    model=checkpoint(FINETUNE, 5), collection="arora-2023", probe_set="all", languages=("fa", "ko"), inputs_digest="i"
)
INFLUENCE: Final = InfluenceSpec(
    model=checkpoint(FINETUNE, 5),
    training=FINETUNE,
    checkpoints=(checkpoint(FINETUNE, 5), checkpoint(OTHER_SEED, 5)),
    attribution=Attribution(),
    collection="arora-2023",
    probe_set="all",
    languages=("fa", "ko"),
    inputs_digest="i",
    reference_digest="r",
    masks={"fa": SUBNETWORK.name, "ko": SUBNETWORK.name},
    subnetworks=(SUBNETWORK,),
    training_masks="own",
)
VALIDATE: Final = ValidateSpec(
    model=checkpoint(FINETUNE, 5),
    training=FINETUNE,
    checkpoints=(checkpoint(FINETUNE, 4), checkpoint(FINETUNE, 5)),
    attributions=(
        Attribution(gradients=Gradients(output="log_odds", projection="random")),
        Attribution(method="tracin", similarity="cosine"),
    ),
    collection="arora-2023",
    probe_set="all",
    languages=("fa", "ko"),
    inputs_digest="i",
    reference_digest="r",
)
PCA: Final = PcaSpec(
    checkpoints=(ELSEWHERE.key, checkpoint(FINETUNE, 5).key),
    collection="arora-2023",
    probe_set="all",
    languages=("fa", "ko"),
    score="mean",
    survey="wvs-7",
    countries=("IR", "KR"),
    weighting="weighted",
    inputs_digest="i",
)
COMPLETE: Final = CompleteSpec(
    model=checkpoint(PRETRAIN, 0),
    group_list="own",
    languages=("en", "fa"),
    prior="as_many",
    inputs_digest="i",
)
RESPOND: Final = RespondSpec(
    model=ELSEWHERE,
    endpoint=EndpointRef(name="gpt", as_of="2026-11", weights="w", url="http://localhost/v1"),
    collection="arora-2023",
    probe_set="all",
    language="fa",
    form="gap",
    form_sha256="f",
    options="scale",
    scale="wvs-7",
    demonstrations=Demonstrations(
        country="IR", survey="wvs-7", weighting="weighted", strategy="chrf", similarity="chrF++"
    ),
    decoding=Decoding(temperature=0.6, top_p=0.9),
    scored=True,
    only_of="respond-0123456789ab",
    accept_english=True,
    parser=1,
    inputs_digest="i",
)

EXAMPLES: Final[dict[str, Spec]] = {
    spec.kind: spec
    for spec in (
        *(PRETRAIN, FINETUNE, CLASSIFY, PRUNE, PROBE, PREDICT),
        *(COMPLETE, RESPOND, INFLUENCE, VALIDATE, PCA),
    )
}
