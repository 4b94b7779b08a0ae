"""What every kind of job says of itself, and the specifications that are none."""

import json
from importlib.util import find_spec
from typing import Any

import pytest
from example_specs import (
    CLASSIFY,
    ELSEWHERE,
    EXAMPLES,
    FINETUNE,
    INFLUENCE,
    OTHER_SEED,
    PCA,
    PREDICT,
    PRETRAIN,
    PROBE,
    PRUNE,
    SUBNETWORK,
    VALIDATE,
    checkpoint,
)

from mlv.ingest.jobs.order import build_order
from mlv.schema.jobs.attribution import Attribution, Gradients, gradients_of
from mlv.schema.jobs.identity import canonical_json, job_name, spec_hash
from mlv.schema.jobs.kinds import KINDS, parse_spec, read_spec
from mlv.schema.jobs.masks import Mask, Masking, Subnetwork, digest_of
from mlv.schema.jobs.spec import ModelRef, Spec
from mlv.schema.jobs.tracing import TracingSpec

RUN, OTHER_RUN = job_name(FINETUNE), job_name(OTHER_SEED)
LAST, OTHER_LAST = checkpoint(FINETUNE, 5), checkpoint(OTHER_SEED, 5)
START = checkpoint(PRETRAIN, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_file_in_every_room_that_has_to_do_with_it(kind: str) -> None:
    for room in ("schema.jobs", "ingest.jobs", "compute.jobs", "cli.compute"):
        assert find_spec(f"mlv.{room}.{kind}"), room
    assert KINDS[kind].model_fields["kind"].default == kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_whose_results_are_model_states_lists_them(kind: str) -> None:
    assert KINDS[kind].OUTPUTS
    assert ("checkpoints.parquet" in KINDS[kind].OUTPUTS) == KINDS[kind].MAKES_CHECKPOINTS


@pytest.mark.parametrize(
    ("spec", "models"),
    [
        (PRETRAIN, []),
        (FINETUNE, [ELSEWHERE]),
        (PROBE, [LAST]),
        # each once: the traced checkpoint is the last of those that are scored
        (INFLUENCE, [LAST, ELSEWHERE, OTHER_LAST]),
        (VALIDATE, [LAST, ELSEWHERE, checkpoint(FINETUNE, 4)]),
        (PCA, []),
    ],
)
def test_models_are_those_that_a_job_reads_the_examined_one_first(spec: Spec, models: list[ModelRef]) -> None:
    assert list(spec.models()) == models


@pytest.mark.parametrize(
    ("spec", "jobs"),
    [
        (PRETRAIN, set()),
        (FINETUNE, set()),
        (FINETUNE.model_copy(update={"model": START}), {job_name(PRETRAIN)}),
        (PROBE, {RUN}),
        (PROBE.model_copy(update={"model": ELSEWHERE}), set()),
        (INFLUENCE, {RUN, OTHER_RUN}),
        (VALIDATE, {RUN}),
        (PRUNE, {job_name(CLASSIFY)}),
        (PCA, {RUN}),
        (PCA.model_copy(update={"checkpoints": (LAST.key, START.key)}), {RUN, job_name(PRETRAIN)}),
        (PCA.model_copy(update={"checkpoints": (ELSEWHERE.key,)}), set()),
    ],
)
def test_a_job_builds_on_those_that_made_its_models_and_on_the_run_that_it_traces(spec: Spec, jobs: set[str]) -> None:
    assert spec.builds_on() == jobs


PRUNED = SUBNETWORK.model_copy(update={"name": job_name(PRUNE), "origin": "pruned"})


@pytest.mark.parametrize("spec", [CLASSIFY, PREDICT, INFLUENCE])
def test_a_job_takes_from_those_whose_subnetworks_it_holds_and_does_not_need_them(spec: Spec) -> None:
    assert spec.takes_from() == set()
    masked = spec.model_copy(update={"subnetworks": (PRUNED, SUBNETWORK)})
    assert masked.takes_from() == {job_name(PRUNE)}
    assert masked.builds_on() == spec.builds_on()
    assert build_order({"masked": masked, job_name(PRUNE): PRUNE}) == [job_name(PRUNE), "masked"]
    assert build_order({"masked": masked}) == ["masked"]


@pytest.mark.parametrize("spec", [INFLUENCE, VALIDATE])
def test_tracing_builds_on_the_traced_run_and_what_that_started_from(spec: TracingSpec) -> None:
    # from elsewhere, all of them
    scored = spec.model_copy(update={"model": ELSEWHERE, "checkpoints": (ELSEWHERE,)})
    assert scored.builds_on() == {RUN}
    training = FINETUNE.model_copy(update={"model": START})
    assert scored.model_copy(update={"training": training}).builds_on() == {job_name(training), job_name(PRETRAIN)}


def test_only_tracing_is_about_a_run() -> None:
    traced = {kind: spec.traced_run() for kind, spec in EXAMPLES.items()}
    assert traced == {**dict.fromkeys(KINDS), "influence": FINETUNE, "validate": FINETUNE}


UNMASKED = INFLUENCE.model_copy(update={"masks": None, "subnetworks": None, "training_masks": None})


def index_of(checkpoint: ModelRef, gradients: Gradients, reference: str = "r", **changes: Any) -> dict[str, Any]:
    """``index.json`` of the training examples' gradients."""
    about = {"training": spec_hash(FINETUNE), "epochs": {"1": 1.0}, "dtype": "float32", "layout": 1}
    return gradients_of(checkpoint, gradients, reference) | about | changes


@pytest.mark.parametrize("made", [LAST, OTHER_LAST])
def test_an_index_is_read_that_has_the_gradients_of_a_scored_checkpoint(made: ModelRef) -> None:
    assert UNMASKED.reads_index(index_of(made, Gradients()))
    # where models lie and what they are called is of no account
    assert UNMASKED.reads_index(index_of(made.model_copy(update={"name": "x", "path": ""}), Gradients()))


@pytest.mark.parametrize(
    "index",
    [
        index_of(checkpoint(FINETUNE, 4), Gradients()),
        index_of(LAST, Gradients(dimensions=17)),
        index_of(LAST, Gradients(), "other reference"),
        index_of(LAST, Gradients(), training=spec_hash(OTHER_SEED)),
        # of targets, which belongs to the job alone
        {key: value for key, value in index_of(LAST, Gradients()).items() if key != "training"},
        {},
    ],
)
def test_an_index_of_anything_else_is_not_read(index: dict[str, Any]) -> None:
    assert not UNMASKED.reads_index(index)


def test_the_reference_counts_where_directions_are_learnt_from_it() -> None:
    exact = Gradients(projection="none", dimensions=0)
    spec = UNMASKED.model_copy(update={"attribution": Attribution(gradients=exact)})
    assert spec.reads_index(index_of(LAST, exact, "other reference"))


ONE, OTHER = Mask.of([[True, False]]), Mask.of([[False, True]])
MASKED = INFLUENCE.model_copy(
    update={
        "languages": ("de", "en", "fr"),
        "masks": {"de": "a", "en": "b"},
        "subnetworks": (
            Subnetwork(name="a", mask=ONE, origin="pruned"),
            Subnetwork(name="b", mask=OTHER, origin="pruned"),
        ),
        "training_masks": "test",
    }
)


@pytest.mark.parametrize(
    ("training_masks", "read"),
    # French has no mask
    [("test", [ONE, OTHER, None]), ("own", [{"de": ONE, "en": OTHER}]), ("none", [None])],
)
def test_an_index_is_read_under_the_masks_that_examples_are_put_through(
    training_masks: str, read: list[Masking]
) -> None:
    spec = MASKED.model_copy(update={"training_masks": training_masks})
    held: list[Masking] = [None, ONE, OTHER, {"de": ONE}, {"de": ONE, "en": OTHER}, {"de": OTHER, "en": ONE}]
    indexes = [index_of(LAST, Gradients(), masks=digest_of(masking)) for masking in held]
    assert [masking for masking, index in zip(held, indexes, strict=True) if spec.reads_index(index)] == [
        masking for masking in held if masking in read
    ]


def test_without_masks_no_index_under_masks_is_read() -> None:
    assert not UNMASKED.reads_index(index_of(LAST, Gradients(), masks=digest_of(ONE)))
    assert not VALIDATE.reads_index(index_of(LAST, VALIDATE.attributions[1].gradients, masks=digest_of(ONE)))


def test_an_index_that_does_not_say_its_masks_is_not_read() -> None:
    index = index_of(LAST, Gradients())
    del index["masks"]
    assert not UNMASKED.reads_index(index)


def test_validation_reads_the_indexes_of_its_attributions() -> None:
    log_odds = VALIDATE.attributions[0].gradients
    assert log_odds.output == "log_odds"
    for gradients in (log_odds, VALIDATE.attributions[1].gradients):
        assert VALIDATE.reads_index(index_of(LAST, gradients))
    # plain gradients are compared as the attributions take them
    assert not VALIDATE.reads_index(index_of(LAST, log_odds.model_copy(update={"output": "loss"})))
    assert not VALIDATE.reads_index(index_of(LAST, Gradients(projection="dense")))
    assert not VALIDATE.model_copy(update={"attributions": ()}).reads_index(index_of(LAST, log_odds))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"influence", "validate"}))
def test_other_kinds_read_no_index(kind: str) -> None:
    assert not EXAMPLES[kind].reads_index(index_of(LAST, Gradients()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_specification_is_read_back_as_it_was_written(kind: str) -> None:
    spec = EXAMPLES[kind]
    again = read_spec(canonical_json(spec))
    assert type(again) is KINDS[kind]
    assert canonical_json(again) == canonical_json(spec)
    assert spec_hash(again) == spec_hash(spec)
    assert parse_spec(json.loads(canonical_json(spec))) == again


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({}, "there is no kind of job 'None'"),
        ({"kind": "project"}, "there is no kind of job 'project'"),
        ({"kind": ["finetune"]}, r"there is no kind of job \"\['finetune'\]\""),
        ({"kind": "finetune"}, r"(?s)inputs_digest\n.*Field required.*model\n"),
        ({**json.loads(canonical_json(FINETUNE)), "epoch_count": 3}, r"(?s)epoch_count\n.*not permitted"),
        ({**json.loads(canonical_json(FINETUNE)), "kind": "probe"}, r"(?s)collection\n.*Field required"),
        ({**json.loads(canonical_json(FINETUNE)), "learning_rate": float("nan")}, r"(?s)learning_rate\n.*finite"),
        ({**json.loads(canonical_json(FINETUNE)), "objective": "prefix"}, r"(?s)objective\n.*span_corruption"),
        ({**json.loads(canonical_json(PROBE)), "precision": "fp16"}, r"(?s)precision\n.*'fp32' or 'bf16'"),
    ],
)
def test_what_is_no_specification_is_refused_with_what_is_wrong(value: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_spec(value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"finetune"', '{"kind": "other"}'])
def test_text_that_holds_no_specification_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|a specification is a JSON object|there is no kind"):
        read_spec(text)


@pytest.mark.parametrize("seed", [-1, 2**31])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_that_no_library_takes_is_refused(kind: str, seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        parse_spec({**json.loads(canonical_json(EXAMPLES[kind])), "seed": seed})


@pytest.mark.parametrize("kind", KINDS)
def test_a_specification_does_not_change(kind: str) -> None:
    with pytest.raises(ValueError, match="frozen"):
        EXAMPLES[kind].seed = 7  # type: ignore[misc]
