"""Headers of queries: TOML whose lists name parameters and columns, with descriptions that queries share.

A file begins with its header in a block comment::

    question = "Which share of a model's values did fine-tuning leave as they were?"
    grain = "A fine-tuned checkpoint and a test language."
    paper = "Figure 2"
    reason = "First version."
    parameters = ["score", "model", "few"]
    columns = ["run", "model", "unchanged"]
    intervals = ["unchanged_low", "unchanged_high"]

    [parameter.few]
    type = "integer"
    about = "Only comparisons of this number of sentences with a larger one."

    [column]
    unchanged = "Percentage of probes whose answer equals the base checkpoint's."

A name stands for what ``parameters.toml`` and ``columns.toml`` have under it, in the folder of all queries or in that
of the query's study; ``traced.model`` is called ``model`` and described by the table ``traced``. Keys under
``[parameter.NAME]`` and ``[column]`` override the shared ones. Ends of intervals describe themselves. A header may
also write everything out, as ``mlv query show`` prints it.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any

from mlv.schema.errors import DataError

_WIDTH = 119
"""Characters of a line of a written header, as of all files."""


@dataclass(frozen=True)
class Shared:
    """Descriptions that queries share, by name."""

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


NOTHING = Shared()


def shared(folders: Sequence[Traversable]) -> Shared:
    """The descriptions in ``parameters.toml`` and ``columns.toml`` of these folders; later folders override."""
    return Shared(_read(folders, "parameters.toml"), _read(folders, "columns.toml"))


def _read(folders: Sequence[Traversable], name: str) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for folder in folders:
        if (folder / name).is_file():
            entries |= _flat(tomllib.loads((folder / name).read_text(encoding="utf-8")))
    return entries


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Entries of nested tables by their dotted names; a table that has a type is a parameter."""
    flat: dict[str, Any] = {}
    for name, entry in tables.items():
        nested = isinstance(entry, Mapping) and "type" not in entry
        flat |= _flat(entry, f"{prefix}{name}.") if nested else {f"{prefix}{name}": entry}
    return flat


def resolved(header: str, shared: Shared) -> dict[str, Any]:
    """The fields of a header, with everything that its names stand for.

    Raises tomllib.TOMLDecodeError if it is not TOML, DataError if nothing describes a name.
    """
    fields = tomllib.loads(header)
    if isinstance(fields.get("parameters", []), Mapping):
        return {"intervals": {}, **fields}
    parameters, columns = fields.pop("parameter", {}), fields.pop("column", {})
    fields["parameters"] = {
        _last(name): {**shared.parameters.get(name, {}), **parameters.get(_last(name), {})}
        for name in fields.get("parameters", [])
    }
    for kind in ("columns", "intervals"):
        fields[kind] = {
            _last(name): columns.get(_last(name)) or shared.columns.get(name) or _of_interval(name)
            for name in fields.get(kind, [])
        }
    named = {**fields["parameters"], **fields["columns"], **fields["intervals"]}
    if unknown := [name for name, entry in named.items() if not entry]:
        raise DataError(f"Nothing describes {', '.join(unknown)}.", "Describe it in the header or in parameters.toml.")
    if unused := [name for name in (*parameters, *columns) if name not in named]:
        raise DataError(f"The lists do not name {', '.join(unused)}.", "Name it, or leave its description out.")
    return fields


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _of_interval(name: str) -> str:
    value, _, end = name.rpartition("_")
    return {"low": f"Lower end of the 95% interval of {value}.", "high": "Its upper end."}.get(end, "")


def written(fields: Mapping[str, Any]) -> str:
    """Fields as TOML, every name with its description."""
    return "".join(f"{line}\n" for line in _lines(fields))


def _lines(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if not isinstance(value, Mapping):
            yield f"{name} = {_value(value, len(name) + 3)}"
    for name, parameter in fields["parameters"].items():
        yield f"\n[parameters.{name}]"
        yield from (f"{key} = {_value(value, len(key) + 3)}" for key, value in parameter.items())
    for kind in ("columns", "intervals"):
        if fields[kind]:
            yield f"\n[{kind}]"
            yield from (f"{name} = {_value(text, len(name) + 3)}" for name, text in fields[kind].items())


def _value(value: Any, before: int) -> str:
    """A value as TOML; a text longer than a line is broken between words, which TOML joins again."""
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or before + len(text) <= _WIDTH + 1:
        return text
    lines = [""]
    for word in text[1:-1].split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and len(longer) + 2 > _WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return '"""\\\n' + " \\\n".join(lines) + '"""'
