"""Masks over attention heads, and subnetworks: masks with where they come from (D5 section 5.3)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlv.schema.jobs.spec import SpecPart

Origin = Literal["pruned", "union", "intersection", "shuffled", "shuffled_in_layers", "random", "avoiding"]
"""Where a subnetwork comes from.

pruned: found by a prune run.
union, intersection: the heads that one, or every one, of its parts enables.
shuffled: as many heads as its part enables, at random places; in_layers: as many in each layer.
random: so many heads at random places.
avoiding: all heads but so many random ones of those that its part enables.
"""

Updates = Literal["gradient", "strict"]
"""What a batch of a language may change while subnetworks are trained (D5 section 5.4.2).

gradient: what an optimizer makes of gradients that are 0 for disabled heads: momentum and weight decay move their
weights all the same (D5 note 1). strict: nothing of the disabled heads.
"""

TrainingMasks = Literal["test", "own", "none"]
"""Under which mask gradients of training examples are taken, while those of a target are taken under that of its
language. test: the target's. own: that of the example's own language. none: without a mask."""


class Mask(SpecPart):
    """Which attention heads of a model take part. A mask is its content: two ways to the same bits are one mask."""

    layers: Annotated[int, Field(ge=1)]
    heads: Annotated[int, Field(ge=1)]
    """Attention heads of a layer."""

    bits: str
    """Hexadecimal digits, layer by layer, the first head of a layer first: a set bit is an enabled head; zeros fill up
    the last digit."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        digits = -(-self.layers * self.heads // 4)
        if len(self.bits) != digits or set(self.bits) - set("0123456789abcdef"):
            raise ValueError(f"a mask of {self.layers} x {self.heads} heads has {digits} hexadecimal digits")
        if int(self.bits, 16) % 2 ** (4 * digits - self.layers * self.heads):
            raise ValueError("bits after the last head are set")
        return self

    @classmethod
    def of(cls, rows: Sequence[Iterable[bool]]) -> Self:
        """The mask of booleans, [layers][heads]."""
        layers = [[bool(enabled) for enabled in row] for row in rows]
        places = [enabled for row in layers for enabled in row]
        digits = -(-len(places) // 4)
        value = int("".join("01"[enabled] for enabled in places).ljust(4 * digits, "0"), 2)
        return cls(layers=len(layers), heads=len(layers[0]), bits=f"{value:0{digits}x}")

    def rows(self) -> list[list[bool]]:
        """Whether each head is enabled, [layers][heads]."""
        places = f"{int(self.bits, 16):0{4 * len(self.bits)}b}"
        return [
            [place == "1" for place in places[layer * self.heads : (layer + 1) * self.heads]]
            for layer in range(self.layers)
        ]

    @property
    def enabled(self) -> int:
        """How many heads are enabled."""
        return int(self.bits, 16).bit_count()

    @property
    def digest(self) -> str:
        """SHA-256 of ``LAYERSxHEADS:BITS``."""
        return hashlib.sha256(f"{self.layers}x{self.heads}:{self.bits}".encode()).hexdigest()


class Subnetwork(SpecPart):
    """A mask, and where it comes from."""

    name: str
    """Of a pruned one its run; of a derived one how it is derived, e.g. ``shuffled(prune-0123456789ab,1)``."""

    mask: Mask
    origin: Origin
    parts: tuple[str, ...] = ()
    """Names of the subnetworks that it is derived from."""

    amount: int | None = None
    """Heads: that a random one enables, or that an avoiding one disables."""

    seed: int | None = None
    """Of the draw; None where nothing is drawn."""


def masks_by_language(masks: Mapping[str, str] | None, subnetworks: Sequence[Subnetwork] | None) -> dict[str, Mask]:
    """The masks of the subnetworks that a specification names for languages."""
    found = {subnetwork.name: subnetwork.mask for subnetwork in subnetworks or ()}
    return {language: found[name] for language, name in (masks or {}).items()}


Masking = Mask | Mapping[str, Mask] | None
"""What texts are put through: all of them one mask, each that of its language if there is one, or none."""


def mask_in(masking: Masking, language: str) -> Mask | None:
    """The mask of texts in a language."""
    return masking.get(language) if isinstance(masking, Mapping) else masking


def digest_of(masking: Masking) -> str | dict[str, str] | None:
    """What tells one masking from another, as JSON."""
    if isinstance(masking, Mask):
        return masking.digest
    return {language: mask.digest for language, mask in masking.items()} if masking else None
