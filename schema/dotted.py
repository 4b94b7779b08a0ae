"""Nested values by dotted names."""

from collections.abc import Iterator, Mapping


def dotted(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """What mappings in mappings end in, each with the keys that lead to it: ``model.name``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from dotted(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
