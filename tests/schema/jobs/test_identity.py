"""What a job is known by: whatever determines its result counts, names do not."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from example_specs import ELSEWHERE, EXAMPLES, FINETUNE, INFLUENCE, OTHER_SEED, PRETRAIN, PROBE, checkpoint

from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import canonical_json, job_name, spec_hash
from mlv.schema.jobs.kinds import KINDS
from mlv.schema.jobs.spec import ModelRef, Spec, SpecPart

STATES = ("model", "training.model")
TRACING_NAMES = {
    "training.model.name",
    *(f"{model}.{field}" for model in STATES for field in ("revision", "path")),
    *(f"checkpoints[{number}].{field}" for number in (0, 1) for field in ("revision", "path")),
}

NAMES: dict[str, set[str]] = {
    "pretrain": {"name"},
    "finetune": {"model.name", "model.revision", "model.path"},
    # what is probed and traced are checkpoints, whose names count: they say which job made them, and after which epoch
    "probe": {"model.revision", "model.path"},
    "influence": TRACING_NAMES,
    "validate": TRACING_NAMES,
    "classify": {"model.name", "model.revision", "model.path"},
    "prune": {"training.model.name", *(f"{of}.{part}" for of in STATES for part in ("revision", "path"))},
    "predict": {"model.revision", "model.path"},
    "respond": {"model.name", "model.revision", "model.path", "endpoint.url"},
    "complete": {"model.revision", "model.path"},
    "pca": set(),
}
"""By kind, the values of its example that do not count."""


def changed(part: SpecPart) -> Iterator[tuple[str, Any]]:
    """Copies of a part that each differ in one value, with the place of the value."""
    for name, field in type(part).model_fields.items():
        for place, other in _other_values(getattr(part, name), field.annotation):
            yield f"{name}{place}", part.model_copy(update={name: other})


def _other_values(value: Any, annotation: Any) -> Iterator[tuple[str, Any]]:
    if value is None:
        yield "", ()
    elif isinstance(value, SpecPart):
        yield from ((f".{place}", other) for place, other in changed(value))
    elif isinstance(value, tuple):
        yield from (("", other) for other in {value[:-1], value[::-1], (*value, value[0])} - {value})
        for number, item in enumerate(value):
            for place, other in _other_values(item, annotation):
                yield f"[{number}]{place}", (*value[:number], other, *value[number + 1 :])
    elif isinstance(value, dict):
        yield "", dict(list(value.items())[1:])
        for key, item in value.items():
            yield from ((f".{key}{place}", value | {key: other}) for place, other in _other_values(item, annotation))
    elif isinstance(value, str):
        yield from (("", other) for other in {*_choices(annotation)} - {value} or {f"{value}x"})
    else:
        yield "", not value if isinstance(value, bool) else value + 1


def _choices(annotation: Any) -> Iterator[str]:
    """The texts that a type lists."""
    for argument in get_args(annotation):
        if isinstance(argument, str):
            yield argument
        else:
            yield from _choices(argument)


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_counts_but_names_and_places(kind: str) -> None:
    example = EXAMPLES[kind]
    copies = list(changed(example))
    assert {place.partition(".")[0].partition("[")[0] for place, _ in copies} == set(type(example).model_fields)
    ignored = {place for place, copy in copies if spec_hash(copy) == spec_hash(example)}
    assert ignored == NAMES[kind]
    hashes = [spec_hash(copy) for place, copy in copies if place not in ignored]
    assert len(set(hashes)) == len(hashes)


def test_what_a_job_does_without_is_no_part_of_its_identity() -> None:
    without = dict.fromkeys(FinetuneSpec.IF_GIVEN)
    plain = FINETUNE.model_copy(update=without)
    counting = {name: value for name, value in plain.model_dump(mode="json").items() if name not in without}
    counting |= {"model": ["", ELSEWHERE.digest]}
    text = json.dumps(counting, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert spec_hash(plain) == hashlib.sha256(text.encode()).hexdigest()
    assert len({spec_hash(FINETUNE.model_copy(update={name: None})) for name in without} | {spec_hash(FINETUNE)}) == 13


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_fields(kind: str) -> None:
    assert set(KINDS) == set(EXAMPLES)
    assert set(KINDS[kind].model_fields) >= KINDS[kind].LABELS | KINDS[kind].IF_GIVEN
    assert all(KINDS[kind].model_fields[name].default is None for name in KINDS[kind].IF_GIVEN)


@pytest.mark.parametrize(
    ("spec", "identity"),
    [
        (PROBE, {"model": [f"{job_name(FINETUNE)}/epoch-5", PROBE.model.digest]}),
        (PROBE.model_copy(update={"model": ELSEWHERE}), {"model": ["", "d1"]}),
        (
            INFLUENCE,
            {
                "model": [f"{job_name(FINETUNE)}/epoch-5", INFLUENCE.model.digest],
                "training": spec_hash(FINETUNE),
                "checkpoints": [
                    [f"{job_name(run)}/epoch-5", checkpoint(run, 5).digest] for run in (FINETUNE, OTHER_SEED)
                ],
            },
        ),
    ],
)
def test_models_count_by_content_checkpoints_by_job_too_and_other_jobs_by_their_hash(
    spec: Spec, identity: dict[str, Any]
) -> None:
    absent = {name for name in spec.IF_GIVEN if getattr(spec, name) is None}
    counting = {**spec.model_dump(mode="json", exclude=absent), **identity}
    text = json.dumps(counting, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert spec_hash(spec) == hashlib.sha256(text.encode()).hexdigest()


def test_checkpoints_of_equal_content_are_two_if_two_jobs_or_epochs_made_them() -> None:
    made = [checkpoint(FINETUNE, 5), checkpoint(OTHER_SEED, 5), checkpoint(FINETUNE, 4)]
    specs = [FINETUNE.model_copy(update={"model": model.model_copy(update={"digest": "d"})}) for model in made]
    assert len({spec_hash(spec) for spec in specs}) == 3


def test_a_pretrained_model_is_one_whatever_it_is_called() -> None:
    renamed = PRETRAIN.model_copy(update={"name": "other"})
    assert job_name(renamed) == job_name(PRETRAIN)
    assert canonical_json(renamed) != canonical_json(PRETRAIN)


def test_a_job_is_called_by_its_kind_and_its_hash() -> None:
    assert job_name(FINETUNE) == f"finetune-{spec_hash(FINETUNE)[:12]}"
    made_by = checkpoint(FINETUNE, 12).made_by
    assert made_by is not None
    assert (made_by.job, made_by.epoch) == (job_name(FINETUNE), 12)


@pytest.mark.parametrize(
    "name",
    [
        "google/mt5-small",
        "epoch-5",
        "finetune-0123456789ab",
        "finetune-0123456789ab/epoch-",
        "finetune-0123456789ab/epoch-5/",
        "/jobs/finetune-0123456789ab/epoch-5",
        "finetune-0123456789AB/epoch-5",
        "finetune-0123456789abc/epoch-5",
        "-0123456789ab/epoch-5",
    ],
)
def test_a_model_of_another_name_was_made_elsewhere(name: str) -> None:
    model = ModelRef(name=name, digest="d")
    assert model.made_by is None
    assert model.key == "d"


def test_the_identity_does_not_depend_on_the_order_of_fields() -> None:
    shuffled = dict(reversed(json.loads(canonical_json(FINETUNE)).items()))
    assert spec_hash(FinetuneSpec.model_validate(shuffled)) == spec_hash(FINETUNE)
