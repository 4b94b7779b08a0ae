"""Masks of jobs: which subnetworks a request means, for which languages, and the rows that say so of a run.

A specification carries the masks whole, and what they are derived from, so that a job needs no store, and a store that
lacks a derived one gets it with the run.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

import duckdb
import polars as pl
from pydantic import AfterValidator, BeforeValidator, Field

from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.planning import Context
from mlv.ingest.jobs.request import NAMES_A_JOB, Name, Option, each_once, language_code
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.writing.derivations import derive, intersection, shuffled, union
from mlv.ingest.writing.subnetworks import enter_derived, enter_masks, find_subnetwork, with_parts
from mlv.schema.errors import JobError, MlvError, UsageError, joined
from mlv.schema.jobs.masks import Subnetwork
from mlv.schema.jobs.spec import ModelRef, Seed
from mlv.schema.store.rows import append

_COMBINED: Final = {"union": union, "intersection": intersection}

_LAYERS: Final = ("num_hidden_layers", "n_layers", "num_layers")
_HEADS: Final = ("num_attention_heads", "n_heads", "num_heads")
"""What configurations of models call these numbers."""


def _by_language(given: Any) -> Any:
    """Names by code of the language; ``A+B`` are two."""
    if not isinstance(given, Mapping):
        return given
    return {language_code(name): of.split("+") if isinstance(of, str) else of for name, of in given.items()}


SubnetworkNames = Annotated[
    dict[str, Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(each_once)]],
    BeforeValidator(_by_language),
    NAMES_A_JOB,
]
Masks = Annotated[
    SubnetworkNames,
    Option("mask", repeated=True),
    Field(
        description="LANGUAGE=NAME: the subnetwork that texts in a language are put through: a prune run, or what is "
        "derived from some (mlv masks list); several joined by + are combined. May be given repeatedly."
    ),
]
Combine = Annotated[
    Literal["union", "intersection"] | None,
    Field(description="What is made of several subnetworks of a language: union or intersection."),
]
Shuffle = Annotated[
    Seed | None,
    Field(description="Seed: each mask has as many heads at random places instead."),
]
AllowEmpty = Annotated[bool, Field(description="Let a mask disable every head.")]


class Masked(Protocol):
    """A request that can have masks."""

    @property
    def masks(self) -> Mapping[str, Sequence[str]]:
        """Names of subnetworks by language."""

    @property
    def combine(self) -> Literal["union", "intersection"] | None:
        """What is made of several."""

    @property
    def shuffle(self) -> int | None:
        """Seed of a shuffle."""

    @property
    def allow_empty(self) -> bool:
        """Whether a mask may disable every head."""


def check_masks(request: Masked) -> None:
    """Raise ValueError where the settings of masks do not fit together."""
    several = [code for code, names in request.masks.items() if len(names) > 1]
    if several and not request.combine:
        raise ValueError(f"{joined(several)} has several subnetworks: say what is made of them (combine)")
    if request.combine and not several:
        raise ValueError(f"No language has several subnetworks: there is nothing to make a {request.combine} of")
    if request.shuffle is not None and not request.masks:
        raise ValueError("There is no mask to shuffle")


class Chosen(NamedTuple):
    """The masks of a job."""

    names: dict[str, str]
    """Of the subnetwork of each language."""

    subnetworks: tuple[Subnetwork, ...]
    """These and what they are derived from, parts first."""

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a specification that are about masks."""
        return {"masks": self.names, "subnetworks": self.subnetworks} if self.names else {}

    def for_languages(self, languages: Collection[str]) -> "Chosen":
        """Those of some languages."""
        names = {code: name for code, name in self.names.items() if code in languages}
        wanted = set(names.values())
        for subnetwork in reversed(self.subnetworks):
            if subnetwork.name in wanted:
                wanted.update(subnetwork.parts)
        return Chosen(names, tuple(subnetwork for subnetwork in self.subnetworks if subnetwork.name in wanted))

    def digests(self) -> dict[str, str]:
        """Of the mask of each language."""
        of = {subnetwork.name: subnetwork.mask.digest for subnetwork in self.subnetworks}
        return {code: of[name] for code, name in self.names.items()}


UNMASKED: Final = Chosen({}, ())


def choose(context: Context, request: Masked, model: ModelRef) -> Chosen:
    """The subnetworks that a request means, as masks of a model.

    Raises NotFoundError if the store lacks one, DataError if some cannot be combined, UsageError if one enables no head
    or is not of this model.
    """
    meant: dict[str, Subnetwork] = {}
    names = {}
    for code, given in sorted(request.masks.items()):
        found = _meant(context.connection, given, request)
        meant |= {subnetwork.name: subnetwork for subnetwork in found}
        names[code] = found[-1].name
    chosen = Chosen(names, with_parts(context.connection, meant.values()))
    used = [subnetwork for subnetwork in chosen.subnetworks if subnetwork.name in names.values()]
    _refuse_empty(used, request)
    _check_model(context, chosen, used, model)
    return chosen


def _meant(connection: duckdb.DuckDBPyConnection, names: Sequence[str], request: Masked) -> list[Subnetwork]:
    """The subnetworks of names and what is made of them, step by step: the last is what is meant."""
    found = [find_subnetwork(connection, name) for name in names]
    if len(found) > 1 and request.combine:
        found.append(_COMBINED[request.combine](found))
    if request.shuffle is not None:
        found.append(shuffled(found[-1], request.shuffle))
    return found


def _refuse_empty(used: Sequence[Subnetwork], request: Masked) -> None:
    empty = [subnetwork.name for subnetwork in used if not subnetwork.mask.enabled]
    if empty and not request.allow_empty:
        raise UsageError(f"{joined(empty)} enables no head.", "Take another one; --allow-empty if it is meant.")


def _check_model(context: Context, chosen: Chosen, used: Sequence[Subnetwork], model: ModelRef) -> None:
    """Raise UsageError where masks are of a model of another shape, or were found in another model."""
    if not (used and model.digest):
        return
    shape = _shape(model)
    for subnetwork in used:
        mask = subnetwork.mask
        if shape is not None and shape != (mask.layers, mask.heads):
            raise UsageError(
                f"{subnetwork.name} is of a model with {mask.layers} x {mask.heads} heads; {model.name} has "
                f"{shape[0]} x {shape[1]}.",
                "Find one in this model (mlv compute prune), or see which there are: mlv masks list",
            )
    pruned = [subnetwork.name for subnetwork in chosen.subnetworks if subnetwork.origin == "pruned"]
    known = find_checkpoint(context.connection, model)
    rows = context.connection.execute(
        "SELECT r.name, b.name FROM run r JOIN checkpoint k ON k.checkpoint_id = r.start_checkpoint_id "
        "JOIN base_model b USING (base_model_id) "
        "WHERE list_contains(?, r.name) AND base_model_id IS DISTINCT FROM ? ORDER BY r.name",
        [pruned, known[1] if known else None],
    ).fetchall()
    if rows:
        raise UsageError(
            f"{rows[0][0]} is a subnetwork of {rows[0][1]}, from which {model.name} does not descend.",
            "Find one in this model: mlv compute prune",
        )


def _shape(model: ModelRef) -> tuple[int, int] | None:
    """Layers and attention heads of a model, by its configuration; None where that does not say."""
    try:
        config = json.loads((Path(model.path) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    layers, heads = (next((config[name] for name in names if name in config), None) for names in (_LAYERS, _HEADS))
    return (layers, heads) if isinstance(layers, int) and isinstance(heads, int) else None


def check_languages(
    names: Mapping[str, str], languages: Collection[str], what: str, unmasked: Sequence[str] | None = None
) -> None:
    """Raise UsageError unless just these languages have masks, but for those that are said to have none, where that can
    be said.

    ``what`` says whose languages they are, e.g. "the classifier is trained on".
    """
    without = set(unmasked or ())
    if names.keys() | without == set(languages) and not names.keys() & without:
        return
    said = f" To have none: {joined(sorted(without))}." if without else ""
    others = "" if unmasked is None else "; name those that have none: --unmasked-language"
    raise UsageError(
        f"Masks are given for {joined(sorted(names))}; {what} {joined(sorted(languages))}.{said}",
        f"Give a mask for each of these languages and no others: --mask LANGUAGE=NAME{others}",
    )


def enter_run_masks(
    run: NewRun, masks: Mapping[str, str] | None, subnetworks: Sequence[Subnetwork] | None
) -> dict[str, int]:
    """Enter under which masks a run put texts, and derived subnetworks that are new; return rows by table.

    Raises JobError where a subnetwork is not what its name says, or a language is not in the store.
    """
    if not masks:
        return {}
    known = {subnetwork.name: subnetwork for subnetwork in subnetworks or ()}
    for subnetwork in known.values():
        _check_subnetwork(run, subnetwork, known)
    if unknown := sorted(set(masks.values()) - known.keys()):
        raise _not_itself(run, unknown[0])
    entered = enter_derived(run.connection, list(known.values()))
    keys = enter_masks(run.connection, [known[name].mask for name in masks.values()])
    ids = dict(run.connection.execute('SELECT code, language_id FROM "language"').fetchall())
    if astray := sorted(masks.keys() - ids.keys()):
        raise JobError(f"{run.job.path.name} has masks for {joined(astray)}, which the store does not know.")
    rows = [
        {"run_id": run.run_id, "language_id": ids[code], "mask_id": keys[known[name].mask.digest], "subnetwork": name}
        for code, name in sorted(masks.items())
    ]
    return {"run_mask": append(run.connection, "run_mask", pl.DataFrame(rows)), "subnetwork": entered}


def _check_subnetwork(run: NewRun, subnetwork: Subnetwork, known: Mapping[str, Subnetwork]) -> None:
    """Raise JobError where a subnetwork of a specification is not what the store has, or its derivation makes."""
    try:
        if subnetwork.origin == "pruned":
            found = run.connection.execute(
                "SELECT m.digest FROM subnetwork JOIN mask m USING (mask_id) WHERE name = ?", [subnetwork.name]
            ).fetchone()
            itself = found is None or found[0] == subnetwork.mask.digest
        else:
            itself = derive(subnetwork.name, known.__getitem__) == subnetwork
    except (KeyError, MlvError):
        itself = False
    if not itself:
        raise _not_itself(run, subnetwork.name)


def _not_itself(run: NewRun, name: str) -> JobError:
    return JobError(
        f"{run.job.path.name} was planned with a subnetwork {name} that is not the one of that name.",
        "Plan the job again, from a store that has it: mlv masks list",
    )
