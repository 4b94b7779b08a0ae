"""Subnetworks that are derived from others: pure functions of masks and a seed, known by how they are derived.

``union(A,B)`` and ``intersection(A,B)`` of any number, ``shuffled(A,SEED)``, ``shuffled_in_layers(A,SEED)``,
``random(LAYERSxHEADS,ENABLED,SEED)`` and ``avoiding(A,DISABLED,SEED)``. What is drawn is drawn by SHA-256 of seed, mask
and place, so that it is the same with every version of every library.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from mlv.schema.errors import DataError, NotFoundError, UsageError, joined
from mlv.schema.jobs.masks import Mask, Origin, Subnetwork

Place = tuple[int, int]
"""Layer and head, from 0."""

_TERM: Final = re.compile(r"([a-z_]+)\((.*)\)")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_SHAPE: Final = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")


def union(parts: Sequence[Subnetwork]) -> Subnetwork:
    """The heads that one of the parts enables. Raises DataError as :func:`intersection`."""
    return _merged("union", parts, any)


def intersection(parts: Sequence[Subnetwork]) -> Subnetwork:
    """The heads that every part enables. Raises DataError where they are of models of different shapes, or of one."""
    return _merged("intersection", parts, all)


def _merged(origin: Origin, parts: Sequence[Subnetwork], enables: Callable[[Iterable[bool]], bool]) -> Subnetwork:
    names = tuple(sorted({part.name for part in parts}))
    if len(names) < 2:
        raise DataError(f"A {origin} is of two subnetworks or more, not of {joined(names)} alone.", "Name another one.")
    shapes = {(part.mask.layers, part.mask.heads): part.name for part in parts}
    if len(shapes) > 1:
        said = joined(f"{name} has {layers} x {heads} heads" for (layers, heads), name in shapes.items())
        raise DataError(f"These are not subnetworks of one model: {said}.", "Name those of one model.")
    layers = zip(*(part.mask.rows() for part in parts), strict=True)
    rows = [[enables(places) for places in zip(*layer, strict=True)] for layer in layers]
    return Subnetwork(name=f"{origin}({','.join(names)})", mask=Mask.of(rows), origin=origin, parts=names)


def shuffled(part: Subnetwork, seed: int) -> Subnetwork:
    """As many heads as the part enables, at random places."""
    mask = part.mask
    drawn = _drawn(_places(mask.layers, mask.heads), mask.enabled, seed, "shuffled", mask.digest)
    return _of_part("shuffled", part, _mask(mask.layers, mask.heads, drawn), seed)


def shuffled_in_layers(part: Subnetwork, seed: int) -> Subnetwork:
    """As many heads of each layer as the part enables there, at random places of it."""
    mask = part.mask
    drawn = {
        place
        for layer, enabled in enumerate(mask.rows())
        for place in _drawn(((layer, head) for head in range(mask.heads)), sum(enabled), seed, "layer", mask.digest)
    }
    return _of_part("shuffled_in_layers", part, _mask(mask.layers, mask.heads, drawn), seed)


def random(layers: int, heads: int, enabled: int, seed: int) -> Subnetwork:
    """So many heads at random places. Raises UsageError where a model of that shape has not so many."""
    if not 1 <= enabled <= layers * heads:
        raise UsageError(
            f"{enabled:,} of {layers} x {heads} heads cannot be enabled.", f"Name 1 to {layers * heads:,}: --random"
        )
    drawn = _drawn(_places(layers, heads), enabled, seed, "random", f"{layers}x{heads}", enabled)
    name = f"random({layers}x{heads},{enabled},{seed})"
    return Subnetwork(name=name, mask=_mask(layers, heads, drawn), origin="random", amount=enabled, seed=seed)


def avoiding(part: Subnetwork, disabled: int, seed: int) -> Subnetwork:
    """All heads but so many random ones of those that the part enables. Raises UsageError where it has not so many."""
    mask = part.mask
    if not 1 <= disabled <= mask.enabled:
        raise UsageError(
            f"{part.name} enables {mask.enabled:,} heads, of which {disabled:,} cannot be disabled.",
            f"Name 1 to {mask.enabled:,}: --disable",
        )
    own = [(layer, head) for layer, row in enumerate(mask.rows()) for head, enabled in enumerate(row) if enabled]
    left = {*_places(mask.layers, mask.heads)} - _drawn(own, disabled, seed, "avoiding", mask.digest)
    return _of_part("avoiding", part, _mask(mask.layers, mask.heads, left), seed, disabled)


def _of_part(origin: Origin, part: Subnetwork, mask: Mask, seed: int, amount: int | None = None) -> Subnetwork:
    name = f"{origin}({','.join(str(word) for word in (part.name, amount, seed) if word is not None)})"
    return Subnetwork(name=name, mask=mask, origin=origin, parts=(part.name,), amount=amount, seed=seed)


def _places(layers: int, heads: int) -> list[Place]:
    return [(layer, head) for layer in range(layers) for head in range(heads)]


def _mask(layers: int, heads: int, enabled: set[Place]) -> Mask:
    return Mask.of([[(layer, head) in enabled for head in range(heads)] for layer in range(layers)])


def _drawn(places: Iterable[Place], count: int, *what: str | int) -> set[Place]:
    """So many places: those with the smallest hashes of what they are drawn for."""
    lots = {place: hashlib.sha256(" ".join(map(str, (*what, *place))).encode()).hexdigest() for place in places}
    return set(sorted(lots, key=lots.__getitem__)[:count])


def derive(name: str, find: Callable[[str], Subnetwork]) -> Subnetwork:
    """The subnetwork that a name says how to derive; ``find`` gives those that it is derived from.

    Raises NotFoundError if the name says no derivation or is not written as this module writes it, and what ``find``
    and the derivation raise.
    """
    term = _TERM.fullmatch(name)
    made = _made(term[1], _words(term[2]), find) if term else None
    if made is None or made.name != name:
        raise NotFoundError(f"{name} does not say how a subnetwork is derived.", "Make it: mlv masks make --help")
    return made


def _made(origin: str, words: Sequence[str], find: Callable[[str], Subnetwork]) -> Subnetwork | None:
    if origin in _MERGED:
        return _MERGED[origin](list(map(find, words)))
    numbers = [int(word) for word in words[1:] if _NUMBER.fullmatch(word)]
    if len(numbers) < len(words) - 1 or len(numbers) != _NUMBERS.get(origin):
        return None
    if origin in _OF_PART:
        return _OF_PART[origin](find(words[0]), *numbers)
    shape = _SHAPE.fullmatch(words[0])
    return random(int(shape[1]), int(shape[2]), *numbers) if shape else None


_MERGED: Final[Mapping[str, Callable[[Sequence[Subnetwork]], Subnetwork]]] = {
    "union": union,
    "intersection": intersection,
}
_OF_PART: Final[Mapping[str, Callable[..., Subnetwork]]] = {
    "shuffled": shuffled,
    "shuffled_in_layers": shuffled_in_layers,
    "avoiding": avoiding,
}
_NUMBERS: Final = {"shuffled": 1, "shuffled_in_layers": 1, "avoiding": 2, "random": 2}
"""Numbers in a name after what it is derived from, or the shape."""


def _words(text: str) -> list[str]:
    """What is between the commas that are not within brackets."""
    words, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            words.append("")
        else:
            words[-1] += sign
    return words
