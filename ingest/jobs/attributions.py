"""How an attribution is asked for: by presets and names, and by settings that change what these say."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from mlv.ingest.jobs.request import Count, Option, Request
from mlv.schema.errors import format_validation_errors
from mlv.schema.jobs.attribution import TRACIN_DAMPING, Attribution, Gradients, ModuleGroup, Stack
from mlv.schema.jobs.spec import Seed
from mlv.schema.papers import echoes, modularity

ALL_MODULES: Final[tuple[ModuleGroup, ...]] = get_args(ModuleGroup)
ALL_STACKS: Final[tuple[Stack, ...]] = get_args(Stack)

ECHOES_DAMPING: Final = 1e-4
"""Echoes leaves TRAK's lambda at its library's 0, at which there is no inverse if examples are fewer than dimensions.
This is little beside 1, the mean squared norm of the features, and above what 32 bits round off."""

DEFAULTS: Final = {
    "trak": Attribution(),
    "tracin": Attribution(method="tracin", similarity="cosine", damping=TRACIN_DAMPING),
}
"""By method, what holds where neither a preset nor an option says otherwise."""

PRESETS: Final = {
    "echoes": Attribution(
        kernel="joint",
        damping=ECHOES_DAMPING,
        confidence=True,
        gradients=Gradients(
            output="log_odds",
            corruptions="epoch",
            modules=ALL_MODULES,
            projection="dense",
            dimensions=echoes.PROJECTION_DIMENSIONS,
        ),
    ),
    "languages": Attribution(
        method="tracin",
        similarity="cosine",
        damping=TRACIN_DAMPING,
        weights="equal",
        gradients=Gradients(corruptions="epoch", modules=ALL_MODULES, projection="none", dimensions=0),
    ),
    "modularity": Attribution(
        method="tracin",
        similarity="cosine",
        damping=TRACIN_DAMPING,
        weights="equal",
        gradients=Gradients(
            corruptions="epoch",
            modules=("attention", "feed_forward", "output"),
            projection="random",
            dimensions=modularity.PROJECTION_ROWS,
        ),
    ),
}
"""The papers' attributions: Echoes section 7, otherwise the TRAK library's defaults; 'How do languages influence each
other?' section 4.2, whose equation 2 has no learning rate; and the same with the projection of 'Examining modularity'
section 5.4.3. A preset's checkpoints are those of its method."""

_SHORT: Final[dict[str, dict[str, Any]]] = {"default": {}, "exact": {"projection": "none"}}

_NAME: Final = re.compile(r"(trak|tracin)(-cosine)?-(?:exact|(principal|random|dense)-([0-9]+))")


class Choices(Request):
    """What a request says of an attribution; None leaves it to the preset, or else to the method."""

    preset: Literal["echoes", "languages", "modularity"] | None = Field(
        None,
        description="echoes: TRAK as in Echoes section 7; languages: TracIn as in 'How do languages influence each "
        "other?' section 4.2; modularity: the same by random projections, as in 'Examining modularity' section 5.4.3. "
        "A setting that is given beside it wins over it.",
    )
    method: Literal["trak", "tracin"] | None = Field(None, description="trak (if not given) or tracin.")
    similarity: Literal["dot", "cosine"] | None = Field(
        None, description="dot or cosine of gradients; dot for TRAK and cosine for TracIn if not given."
    )
    kernel: Literal["joint", "module", "diagonal"] | None = Field(
        None,
        description="TRAK's second moments of training gradients: joint, of all features; module (if not given), of "
        "those of each matrix by itself; diagonal, of each feature by itself.",
    )
    damping: Annotated[float | None, Option("lambda")] = Field(
        None, gt=0, description="TRAK's damping, in units of the features' mean squared norm; 1 if not given."
    )
    weights: Literal["learning_rate", "equal"] | None = Field(
        None, description="How checkpoints count: by the learning_rate of their epoch (if not given), or equal."
    )
    output: Literal["loss", "log_odds"] | None = Field(
        None, description="Of what gradients are taken: loss (if not given) or log_odds."
    )
    corruptions: Literal["trained", "epoch"] | None = Field(
        None,
        description="Of which corruptions of an example: all that it was trained on (trained, if not given), or those "
        "of the checkpoint's epoch.",
    )
    projection: Literal["none", "principal", "random", "dense"] | None = Field(
        None, description="none (exact), principal (if not given), random or dense."
    )
    dimensions: Count | None = Field(
        None, description="Directions on each side of a matrix, 16 if not given; of a dense projection in all, 4096."
    )
    modules: tuple[ModuleGroup, ...] = Field(
        (),
        description="Whose gradients, comma-separated: attention, feed_forward, embedding, output (these if not "
        "given), norm, bias, position_bias.",
    )
    stacks: tuple[Stack, ...] = Field(
        (), description="In which halves of the model: encoder,decoder (if not given) or one of them."
    )
    seed: Seed = Field(0, description="Seed of everything random.")

    @field_validator("kernel", "damping")
    @classmethod
    def _is_of_trak(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and _base(info.data.get("preset"), info.data.get("method")).method == "tracin":
            raise ValueError("It belongs to TRAK; TracIn has none. Leave it out.")
        return value

    @field_validator("dimensions")
    @classmethod
    def _is_of_a_projection(cls, dimensions: int | None, info: ValidationInfo) -> int | None:
        base = _base(info.data.get("preset"), info.data.get("method"))
        if dimensions is not None and (info.data.get("projection") or base.gradients.projection) == "none":
            raise ValueError("It belongs to a projection, and projection is none. Leave one of them out.")
        return dimensions

    def attribution(self) -> Attribution:
        """The attribution that is asked for."""
        base = _base(self.preset, self.method)
        own = {
            "method": self.method,
            "similarity": self.similarity,
            "kernel": self.kernel,
            "damping": self.damping,
            "weights": self.weights,
        }
        gradients = {
            "output": self.output,
            "corruptions": self.corruptions,
            "projection": self.projection,
            "dimensions": self._dimensions(base.gradients),
            # the same set is the same job, however it was put
            "modules": tuple(group for group in ALL_MODULES if group in self.modules) or None,
            "stacks": tuple(stack for stack in ALL_STACKS if stack in self.stacks) or None,
            "seed": self.seed,
        }
        return Attribution.model_validate(
            {
                **base.model_dump(),
                **_given(own),
                "gradients": {**base.gradients.model_dump(), **_given(gradients)},
            }
        )

    def _dimensions(self, base: Gradients) -> int:
        """Directions: a number for one kind of projection says nothing of another."""
        if self.dimensions is not None:
            return self.dimensions
        if self.projection in (None, base.projection):
            return base.dimensions
        return {"none": 0, "dense": echoes.PROJECTION_DIMENSIONS}.get(str(self.projection), Gradients().dimensions)


def _base(preset: str | None, method: str | None) -> Attribution:
    """What holds before the other settings: a preset's gradients stay if another method is put in its place."""
    default = DEFAULTS[method or "trak"]
    chosen = PRESETS.get(preset or "")
    if chosen is None:
        return default
    if method in (None, chosen.method):
        return chosen
    return default.model_copy(update={"gradients": chosen.gradients})


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def named(name: str, seed: int) -> Attribution:
    """The attribution of a name: ``default``, ``exact``, a preset, or one such as ``trak-random-32``; after each may
    follow settings, as tables have them: ``trak-principal-16 kernel=joint damping=0.1``.

    Raises ValueError if it means none.
    """
    beginning, *settings = name.split() or [""]
    given = dict(_setting(word) for word in settings)
    try:
        return Choices.model_validate({"seed": seed} | _begun(beginning) | given).attribution()
    except ValidationError as error:
        raise ValueError(f"{name}: {' '.join(format_validation_errors(error, Choices))}") from error


def _setting(word: str) -> tuple[str, str | list[str]]:
    """A setting and its value, of those that are several a list."""
    name, _, value = word.partition("=")
    return name, value.split(",") if name in ("modules", "stacks") else value


def _begun(name: str) -> dict[str, Any]:
    """The choices that the beginning of a name stands for. Raises ValueError if it means none."""
    if name in PRESETS:
        return {"preset": name}
    if name in _SHORT:
        return _SHORT[name]
    found = _NAME.fullmatch(name)
    if found is None:
        known = ", ".join((*_SHORT, *PRESETS))
        raise ValueError(
            f"There is no attribution {name}: use {known}, or METHOD-PROJECTION-DIMENSIONS, e.g. trak-random-32."
        )
    method, cosine, projection, dimensions = found.groups()
    similarity = "cosine" if cosine else "dot"
    chosen = {"method": method, "similarity": similarity, "projection": projection or "none", "dimensions": dimensions}
    return _given(chosen)


def named_all(names: Sequence[str], seed: int) -> tuple[Attribution, ...]:
    """The attributions of some names, in their order and each once. Raises ValueError if one is unknown."""
    return tuple(dict.fromkeys(named(name, seed) for name in names))
