"""How messages list problems and names, and word what pydantic finds."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlv.schema.errors import at_key, excerpt, format_validation_errors, joined, listed


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Training(_Table):
    kind: Literal["training"]
    epochs: int = Field(5, gt=0)
    languages: list[Annotated[str, Field(max_length=2)]] = []

    @model_validator(mode="after")
    def _fits(self) -> "_Training":
        if self.epochs == 13:
            raise ValueError("13 epochs are unlucky: take 12.")
        return self


class _Probing(_Table):
    kind: Literal["probing"]
    probes: int = 0


class _File(_Table):
    name: str
    rate: float = Field(0.1, allow_inf_nan=False)
    training: _Training | None = None
    job: list[Annotated[_Training | _Probing, Field(discriminator="kind")]] = []
    named: dict[str, _Probing] = {}


def _found(**content: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        _File.model_validate(content)
    return format_validation_errors(caught.value, _File)


def test_a_long_text_is_cut_off_and_a_short_one_is_not() -> None:
    assert excerpt("abcdef", 6) == "abcdef"
    assert excerpt("abcdefg", 6) == "abcdef..."


def test_problems_are_lines_and_the_last_counts_the_others() -> None:
    assert f"Two:{listed(['a', 'b'], most=2)}" == "Two:\n  - a\n  - b"
    assert listed(iter("abcd"), most=2) == "\n  - a\n  - b\n  - 2 more"
    assert listed([]) == ""


@pytest.mark.parametrize(
    ("names", "sentence"),
    [("", "none"), ("a", "a"), ("ab", "a, b"), ("abc", "a, b and 1 more"), ("abcd", "a, b and 2 more")],
)
def test_names_are_joined_in_a_sentence(names: str, sentence: str) -> None:
    assert joined(names, most=2) == sentence


def test_a_place_is_worded_as_a_reader_counts() -> None:
    assert at_key(("job", 1, "languages", 0)) == "job #2.languages #1"
    assert at_key((0, "a")) == "#1.a"
    assert at_key(()) == ""


def test_each_sentence_says_where_what_and_what_to_do() -> None:
    assert _found(rate="fast", training={"kind": "training", "epochs": -1}) == [
        "name: it is missing. Add it.",
        "rate: should be a valid number, unable to parse string as a number, not 'fast'.",
        "training.epochs: should be greater than 0, not -1.",
    ]
    assert _found(name="a", rate=float("nan")) == ["rate: should be a finite number, not nan."]
    assert _found(name="a", training={"kind": "training", "epochs": 13}) == [
        "training: 13 epochs are unlucky: take 12."
    ]


def test_an_unknown_key_names_the_known_ones_of_its_table() -> None:
    assert _found(name="a", nmae="b") == ["nmae: there is no such key. Known here: name, rate, training, job, named."]
    assert _found(name="a", training={"kind": "training", "epoch": 1}) == [
        "training.epoch: there is no such key. Known here: kind, epochs, languages."
    ]
    assert _found(name="a", named={"x": {"kind": "probing", "probe": 1}}) == [
        "named.x.probe: there is no such key. Known here: kind, probes."
    ]


def test_an_unknown_key_where_several_tables_may_stand_names_the_keys_of_all() -> None:
    job = [{"kind": "probing"}, {"kind": "probing", "epoch": 1}]
    assert _found(name="a", job=job) == [
        "job #2.probing.epoch: there is no such key. Known here: kind, epochs, languages, probes."
    ]


def test_a_place_can_be_worded_otherwise() -> None:
    with pytest.raises(ValidationError) as caught:
        _File.model_validate({"name": "a", "rate": "x"})
    (sentence,) = format_validation_errors(caught.value, _File, lambda location: f"--{location[-1]}")
    assert sentence.startswith("--rate: should be a valid number")


def test_long_input_is_cut_off() -> None:
    long = "x" * 10_000
    (by_value, by_key) = _found(name="a", rate=long, **{long: 1})
    assert len(by_value) < 300
    assert len(by_key) < 300
