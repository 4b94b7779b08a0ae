"""What of a specification counts when runs are compared: all of it, but for the names that are listed here.

Whoever averages, pairs or counts runs compares their settings whole, so that a setting that is added to a specification
counts without being named anywhere. Tables show settings as words, such as ``epochs=5``; :mod:`mlv.schema.alike` makes
them in SQL.
"""

from collections.abc import Mapping
from decimal import Decimal
from json import dumps
from typing import Any, Final

_OF_ALL: Final = {
    "kind": "runs of two kinds are never compared",
    "inputs_digest": "what a run reads is told by where it comes from",
    "seed": "what repetitions differ in; the seed of random directions is part of the attribution, and counts",
}

_OF_TRACES: Final = {
    "model": "the checkpoint that is traced belongs to the traced run",
    "training": "the traced run has settings of its own, which are compared as such",
    "languages": "targets are compared language by language",
    "reference_digest": "an input, as the training examples are",
}

NOT_COMPARED: Final[Mapping[str, Mapping[str, str]]] = {
    "pretrain": {**_OF_ALL, "name": "what the model is called", "corpora": "an input"},
    "finetune": {
        **_OF_ALL,
        "model": "compared as the pretrained model, and as what continues from a fine-tuned one",
        "source": "compared by itself: a column of every table",
        "languages": "compared by themselves, as the source is",
        "sentences": "compared by themselves, as the source is",
        "corpora": "an input",
    },
    "probe": {**_OF_ALL, "model": "what is asked", "languages": "answers are compared language by language"},
    "influence": {**_OF_ALL, **_OF_TRACES, "keep_scores": "what is kept beside the results does not change them"},
    "validate": {**_OF_ALL, **_OF_TRACES},
    "project": {
        **_OF_ALL,
        "checkpoints": "what is projected",
        "languages": "what is projected",
        "survey": "what is projected",
        "countries": "what is projected",
    },
}
"""By kind of job, the fields of its specification that two runs that are alike may differ in, and why."""

NESTED: Final = ("attribution", "gradients")
"""Settings that consist of several, each of which is shown by itself."""


def settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a specification, given as ``job.json`` has it; checkpoints by epoch, whatever run is traced."""
    counted = {name: value for name, value in spec.items() if name not in NOT_COMPARED[spec["kind"]]}
    if "checkpoints" in counted:
        counted["checkpoints"] = [_place(model["name"], spec["model"]["name"]) for model in spec["checkpoints"]]
    return counted


def _place(checkpoint: str, traced: str) -> str:
    """``epoch-5`` for a checkpoint of the run that made ``traced``, ``other/epoch-5`` for one of another run."""
    run, slash, _ = traced.rpartition("/")
    _, elsewhere, epoch = checkpoint.replace(run + slash, "").rpartition("/")
    return f"other/{epoch}" if elsewhere else epoch


def words(values: Mapping[str, Any]) -> list[str]:
    """Settings as words, ``name=value`` in alphabetical order, then those of the settings that consist of several."""
    own = [
        f"{name}={_text(value)}" for name, value in sorted(values.items()) if name not in NESTED and value is not None
    ]
    return own + [word for name in NESTED if name in values for word in words(values[name])]


def _text(value: Any) -> str:
    """A value without spaces, as DuckDB has it too: lists by commas, small numbers without an exponent."""
    if isinstance(value, float):
        text = repr(value)
        return format(Decimal(text), "f") if "e-" in text and abs(value) >= 1e-6 else text
    text = value if isinstance(value, str) else dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.translate(str.maketrans("", "", '[]"'))
