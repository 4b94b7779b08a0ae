"""What a specification of pretraining takes from its preset."""

import json
from typing import Any

import pytest
from example_specs import PRETRAIN
from pydantic import ValidationError

from mlv.schema.jobs.identity import canonical_json, spec_hash
from mlv.schema.jobs.kinds import parse_spec
from mlv.schema.jobs.pretrain import PRESETS, PretrainSpec


def _spec(**settings: Any) -> PretrainSpec:
    known = PRETRAIN.model_dump(exclude={"objective", "mask", "mean_span_length", "preset"})
    return PretrainSpec.model_validate({**known, **settings})


@pytest.mark.parametrize("preset", PRESETS)
def test_a_specification_is_read_as_it_was_written(preset: str) -> None:
    spec = _spec(preset=preset)
    assert spec.objective == PRESETS[preset].objective
    assert parse_spec(json.loads(canonical_json(spec))) == spec


def test_what_is_not_given_of_a_span_is_as_usual() -> None:
    assert _spec(preset="nano") == PRETRAIN
    assert _spec(preset="nano", mask=None) == PRETRAIN
    assert _spec(preset="nano", mask="t5").of_objective() == {"mask": "t5", "mean_span_length": 3.0}


def test_masked_words_have_no_spans() -> None:
    spec = _spec(preset="nano-encoder")
    assert spec.of_objective() == {}
    assert (spec.mask, spec.mean_span_length) == (None, None)
    assert len({spec_hash(_spec(preset=preset)) for preset in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "nano-encoder", "mask": "anywhere"}, "mask: a setting of span_corruption"),
        ({"preset": "tiny-encoder", "mean_span_length": 3.0}, "mean_span_length: a setting of span_corruption"),
        ({"preset": "nano", "objective": "masked_words"}, "objective: nano learns by span_corruption"),
        ({"preset": "nano-encoder", "objective": "span_corruption"}, "objective: nano-encoder learns by masked_words"),
        ({"preset": ["nano"]}, "valid string"),
    ],
)
def test_settings_of_another_objective_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _spec(**settings)


def test_encoders_have_heads_of_equal_width() -> None:
    encoders = [preset for preset in PRESETS.values() if preset.objective == "masked_words"]
    assert [preset.heads * preset.head_width for preset in encoders] == [preset.width for preset in encoders]
