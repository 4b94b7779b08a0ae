"""How an attribution is asked for: by presets and names, and by options that change what these say.

Options are checked together: a fault is a sentence that says what is wrong and what to write instead, and faults are
collected, so that one error names them all.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import ValidationError

from mlv.schema import paper
from mlv.schema.jobs import TRACIN_DAMPING, Attribution, Gradients, ModuleGroup, Stack

ALL_MODULES: Final[tuple[ModuleGroup, ...]] = get_args(ModuleGroup)
ALL_STACKS: Final[tuple[Stack, ...]] = get_args(Stack)

ECHOES_DAMPING: Final = 1e-4
"""Echoes leaves TRAK's lambda at its library's 0, at which there is no inverse where examples are fewer than
dimensions. This is little beside 1, the mean squared norm of the features, and above what 32 bits round off."""

DEFAULTS: Final = {
    "trak": Attribution(),
    "tracin": Attribution(method="tracin", similarity="cosine", damping=TRACIN_DAMPING),
}
"""By method, what holds where neither a preset nor an option says otherwise."""

PRESETS: Final = {
    "echoes": Attribution(
        damping=ECHOES_DAMPING,
        confidence=True,
        gradients=Gradients(
            output="log_odds",
            corruptions="epoch",
            modules=ALL_MODULES,
            projection="dense",
            dimensions=paper.PROJECTION_DIMENSIONS,
        ),
    ),
    "languages": Attribution(
        method="tracin",
        similarity="cosine",
        damping=TRACIN_DAMPING,
        weights="equal",
        gradients=Gradients(corruptions="epoch", modules=ALL_MODULES, projection="none", dimensions=0),
    ),
}
"""The papers' attributions: Echoes section 7, otherwise the TRAK library's defaults; and 'How do languages influence
each other?' section 4.2, whose equation 2 has no learning rate. A preset's checkpoints are those of its method."""

_NAME = re.compile(r"(trak|tracin)(-cosine)?-(?:exact|(principal|random|dense)-([0-9]+))")

_OPTIONS = {"damping": "lambda"}
"""Option by field, where they have different names."""


@dataclass(frozen=True)
class Choices:
    """What a request says of an attribution; None where it leaves that to the preset, or else to the method."""

    preset: str | None = None
    method: str | None = None
    similarity: str | None = None
    damping: float | None = None
    weights: str | None = None
    output: str | None = None
    corruptions: str | None = None
    projection: str | None = None
    dimensions: int | None = None
    modules: Sequence[str] = ()
    """Groups of parameters in any order; none leaves them to the preset, as with stacks."""

    stacks: Sequence[str] = ()

    seed: int = 0


def attribution(choices: Choices, faults: list[str]) -> Attribution:
    """The attribution that is asked for. What is wrong with it is added to ``faults``: then the result is not it."""
    if choices.preset is not None and choices.preset not in PRESETS:
        faults.append(f"There is no --preset {choices.preset}: use {' or '.join(PRESETS)}.")
    base = _base(choices)
    faults.extend(_contradictions(choices, base))
    try:
        return Attribution.model_validate(_fields(choices, base))
    except ValidationError as error:
        faults.extend(_worded(detail) for detail in error.errors())
        return base


def named(name: str, seed: int, faults: list[str]) -> Attribution:
    """The attribution of a name: ``default``, ``exact``, a preset, or the beginning of one, ``trak-random-32``."""
    if name == "default":
        return attribution(Choices(seed=seed), faults)
    if name == "exact":
        return attribution(Choices(projection="none", seed=seed), faults)
    if name in PRESETS:
        return attribution(Choices(preset=name, seed=seed), faults)
    found = _NAME.fullmatch(name)
    if found is None:
        known = ", ".join(("default", "exact", *PRESETS))
        faults.append(
            f"There is no --attribution {name}: use {known}, or METHOD-PROJECTION-DIMENSIONS, e.g. trak-random-32."
        )
        return Attribution()
    method, cosine, projection, dimensions = found.groups()
    chosen = Choices(
        method=method,
        similarity="cosine" if cosine else "dot",
        projection=projection or "none",
        dimensions=int(dimensions) if dimensions else None,
        seed=seed,
    )
    return attribution(chosen, faults)


def named_all(names: Sequence[str], seed: int, faults: list[str]) -> tuple[Attribution, ...]:
    """The attributions of some names, in their order and each once."""
    return tuple(dict.fromkeys(named(name, seed, faults) for name in names))


def _base(choices: Choices) -> Attribution:
    """What holds before the options: a preset's gradients stay where an option puts another method in its place."""
    default = DEFAULTS.get(choices.method or "trak", DEFAULTS["trak"])
    preset = PRESETS.get(choices.preset or "")
    if preset is None:
        return default
    if choices.method in (None, preset.method):
        return preset
    return default.model_copy(update={"gradients": preset.gradients})


def _fields(choices: Choices, base: Attribution) -> dict[str, Any]:
    """The fields of the attribution, not yet checked."""
    own = {
        "method": choices.method,
        "similarity": choices.similarity,
        "damping": choices.damping,
        "weights": choices.weights,
    }
    gradients = {
        "output": choices.output,
        "corruptions": choices.corruptions,
        "projection": choices.projection,
        "dimensions": _dimensions(choices, base.gradients),
        "modules": _ordered(choices.modules, ALL_MODULES) or None,
        "stacks": _ordered(choices.stacks, ALL_STACKS) or None,
        "seed": choices.seed,
    }
    return {
        **base.model_dump(),
        **_given(own),
        "gradients": {**base.gradients.model_dump(), **_given(gradients)},
    }


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _dimensions(choices: Choices, base: Gradients) -> int:
    """Directions: a number for one kind of projection says nothing of another."""
    if choices.dimensions is not None:
        return choices.dimensions
    if choices.projection in (None, base.projection):
        return base.dimensions
    return {"none": 0, "dense": paper.PROJECTION_DIMENSIONS}.get(choices.projection, Gradients().dimensions)


def _ordered(chosen: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """What is chosen in the order of the schema, each once: the same set is the same job, however it was put."""
    return (*(item for item in known if item in chosen), *sorted(set(chosen) - set(known)))


def _contradictions(choices: Choices, base: Attribution) -> list[str]:
    """What the types of the fields do not tell."""
    tracin = (choices.method or base.method) == "tracin"
    unprojected = (choices.projection or base.gradients.projection) == "none"
    damping, dimensions = choices.damping, choices.dimensions
    found = {
        "--lambda belongs to TRAK; TracIn has none. Leave it out.": tracin and damping is not None,
        f"--lambda {damping} is not above 0: TRAK adds it to a kernel, so that it can be inverted. Give e.g. 1.": (
            damping is not None and not (math.isfinite(damping) and damping > 0)
        ),
        f"--dimensions {dimensions}: a projection has 1 or more.": dimensions is not None and dimensions < 1,
        "--dimensions belongs to a projection, and --projection is none. Leave one of them out.": (
            dimensions is not None and unprojected
        ),
    }
    return [fault for fault, is_there in found.items() if is_there]


def _worded(detail: Any) -> str:
    """One of pydantic's complaints, by the option that it is about."""
    field = next(part for part in reversed(detail["loc"]) if isinstance(part, str))
    return f"--{_OPTIONS.get(field, field)} {detail['input']} {detail['msg'].removeprefix('Input ')}."
