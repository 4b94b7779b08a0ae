"""Settings of runs as words, such as ``epochs=5``: what tables show, and what runs are compared by.

What counts of a specification is :meth:`mlv.schema.jobs.spec.Spec.settings`; :mod:`mlv.schema.derived.alike` makes the
words in SQL.
"""

from collections.abc import Mapping
from decimal import Decimal
from json import dumps
from typing import Any, Final

NESTED: Final = ("attribution", "gradients", "decoding")
"""Settings that consist of several, each of which is shown by itself."""


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
