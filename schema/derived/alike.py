"""The settings of runs in SQL: what views show of them, and what runs are compared by.

Each function gives an expression of the specification, a JSON text: words such as ``epochs=5``. Runs are alike where
these texts are equal, which say all that counts: see :meth:`mlv.schema.jobs.spec.Spec.settings`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from mlv.schema.jobs.attribution import DAMPING, TRACIN_DAMPING, Attribution
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.respond import RespondSpec
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.validate import ValidateSpec
from mlv.schema.store.sql import literal

_FIRST: Final = (
    *("epochs", "batch_size", "learning_rate", "max_tokens", "precision", "noise_density", "mean_span_length"),
    "development_share",
)
"""Settings of a training that are read first; all others follow in alphabetical order."""

_BEGINNING: Final = ("method", "similarity", "projection", "dimensions", "damping")
"""What an attribution's name begins with, and the setting whose default hangs on that."""


def training(spec: str) -> str:
    """How a run is trained: ``epochs=5 batch_size=8 learning_rate=0.00005 ...``."""
    beside = {*FinetuneSpec.NOT_COMPARED, *ClassifySpec.NOT_COMPARED}
    return f"array_to_string({_words(spec, sorted(beside), _FIRST)}, ' ')"


def tracing(spec: str) -> str:
    """What the scores of a run depend on beside its attribution: ``checkpoints=epoch-5 collection=arora-2023 ...``."""
    beside = {*InfluenceSpec.NOT_COMPARED, *ValidateSpec.NOT_COMPARED, "attribution", "checkpoints"}
    return f"array_to_string(list_prepend({_checkpoints(spec)}, {_words(spec, sorted(beside))}), ' ')"


def responding(spec: str) -> str:
    """How a chat model is asked, its condition aside: ``form=gap option_order=drawn ... temperature=1.0 ...``."""
    own = _words(spec, [*sorted(RespondSpec.NOT_COMPARED), "decoding"])
    decoding = _words(f"json_extract({spec}, '$.decoding')")
    return f"array_to_string(list_concat({own}, {decoding}), ' ')"


def attribution(spec: str) -> str:
    """How an influence run scores, whole, as ``attribution_name`` has it; NULL of other runs."""
    whole, gradients = f"json_extract({spec}, '$.attribution')", f"json_extract({spec}, '$.attribution.gradients')"
    every = f"list_concat({_words(whole, ['gradients'])}, {_words(gradients)})"
    method, similarity = (f"json_extract_string({whole}, '{name}')" for name in ("method", "similarity"))
    projection, dimensions = (f"json_extract_string({gradients}, '{name}')" for name in ("projection", "dimensions"))
    exact = f"{projection} = 'none'"
    cosine = f"CASE WHEN {similarity} = 'cosine' THEN 'cosine' END"
    directions = f"CASE WHEN {exact} THEN 'exact' ELSE {projection} || '-' || {dimensions} END"
    said = (
        f"list_concat({_list(_usual())}, ['method=' || {method}, 'similarity=' || coalesce({cosine}, 'dot'), "
        f"'projection=' || {projection}, 'dimensions=' || CASE WHEN {exact} THEN '0' ELSE {dimensions} END, "
        f"'damping=' || CASE WHEN {method} = 'tracin' THEN '{TRACIN_DAMPING}' ELSE '{DAMPING}' END])"
    )
    rest = f"list_filter({every}, lambda word: NOT list_contains({said}, word))"
    beginning = f"concat_ws('-', {method}, {cosine}, {directions})"
    return f"CASE WHEN {method} IS NOT NULL THEN array_to_string(list_prepend({beginning}, {rest}), ' ') END"


def _usual() -> list[str]:
    """Words that are not said of an attribution, whatever its name begins with: the defaults."""
    default = Attribution().model_dump(mode="json")
    return [word for word in words(default) if word.partition("=")[0] not in _BEGINNING]


def _checkpoints(spec: str) -> str:
    """The word of the checkpoints, as :func:`mlv.schema.jobs.settings.settings` has them; NULL where there are none."""
    run = f"regexp_replace(json_extract_string({spec}, '$.model.name'), '[^/]*$', '')"
    places = (
        f"[regexp_replace(replace(checkpoint, {run}, ''), '^.*/', 'other/') "
        f"FOR checkpoint IN json_extract_string({spec}, '$.checkpoints[*].name')]"
    )
    return f"'checkpoints=' || nullif(array_to_string({places}, ','), '')"


def _words(document: str, left_out: Iterable[str] = (), first: Sequence[str] = ()) -> str:
    """The list of a JSON object's fields as words but for some, those in ``first`` first, the others alphabetically."""
    others = f"NOT list_contains({_list([*left_out, *first])}, field)"
    fields = f"list_concat({_list(first)}, list_filter(list_sort(json_keys({document})), lambda field: {others}))"
    return f"[field || '=' || translate(json_extract_string({document}, field), '[]\"', '') FOR field IN {fields}]"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, texts))}]::VARCHAR[]"
