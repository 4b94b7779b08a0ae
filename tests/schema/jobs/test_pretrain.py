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
    known = PRETRAIN.model_dump(exclude={"objective", "noise_density", "mask", "mean_span_length", "preset"})
    return PretrainSpec.model_validate({**known, **settings})


@pytest.mark.parametrize("preset", PRESETS)
def test_a_specification_is_read_as_it_was_written(preset: str) -> None:
    spec = _spec(preset=preset)
    assert spec.objective == PRESETS[preset].objective
    assert parse_spec(json.loads(canonical_json(spec))) == spec


def test_what_is_not_given_of_a_span_is_as_usual() -> None:
    assert _spec(preset="nano") == PRETRAIN
    assert _spec(preset="nano", mask=None) == PRETRAIN
    assert _spec(preset="nano", mask="t5").of_objective() == {
        "noise_density": 0.15,
        "mask": "t5",
        "mean_span_length": 3.0,
    }


def test_masked_words_have_no_spans_and_next_tokens_no_noise() -> None:
    encoder, decoder = _spec(preset="nano-encoder"), _spec(preset="nano-decoder")
    assert (encoder.of_objective(), decoder.of_objective()) == ({"noise_density": 0.15}, {})
    assert (encoder.noise_density, encoder.mask, encoder.mean_span_length) == (0.15, None, None)
    assert (decoder.noise_density, decoder.mask, decoder.mean_span_length) == (None, None, None)
    assert len({spec_hash(_spec(preset=preset)) for preset in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "nano-encoder", "mask": "anywhere"}, "mask: a setting of span_corruption"),
        ({"preset": "tiny-encoder", "mean_span_length": 3.0}, "mean_span_length: a setting of span_corruption"),
        ({"preset": "nano-decoder", "noise_density": 0.15}, "noise_density: a setting of masked_words"),
        ({"preset": "nano", "objective": "masked_words"}, "objective: nano learns by span_corruption"),
        ({"preset": "nano-encoder", "objective": "span_corruption"}, "objective: nano-encoder learns by masked_words"),
        ({"preset": ["nano"]}, "valid string"),
    ],
)
def test_settings_of_another_objective_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _spec(**settings)


def test_encoders_and_decoders_have_heads_of_equal_width() -> None:
    alone = [preset for preset in PRESETS.values() if preset.objective != "span_corruption"]
    assert [preset.heads * preset.head_width for preset in alone] == [preset.width for preset in alone]
