"""The result of checking a store, for a person: one HTML page that needs nothing but itself; and for a script: JSON."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from itertools import groupby

from mlv.ingest.rules.rule import Outcome
from mlv.schema.files import now


def as_json(outcomes: Sequence[Outcome]) -> str:
    """A list with a record for each rule."""
    return json.dumps([outcome.record() for outcome in outcomes], indent=1, ensure_ascii=False, default=str) + "\n"


def as_text(outcomes: Sequence[Outcome]) -> str:
    """A line for each rule that is broken, with examples."""
    return "".join(f"{line}\n" for line in map(_line, outcomes) if line)


def _line(outcome: Outcome) -> str:
    if outcome.ok:
        return ""
    return outcome.sentence + (f", e.g. {'; '.join(outcome.shown_examples)}" if outcome.examples else "")


def as_html(outcomes: Sequence[Outcome], store: str, *, deep: bool) -> str:
    """A page with what is broken first, then every rule in words; ``deep`` says that checksums were compared, too."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((files("mlv.ingest.upkeep") / "check.html.j2").read_text(encoding="utf-8"))
    return template.render(
        store=store,
        mlv=version("mlv"),
        at=f"{now():%Y-%m-%d %H:%M}",
        deep=deep,
        total=len(outcomes),
        broken=[outcome for outcome in outcomes if not outcome.ok],
        groups=[(origin, list(group)) for origin, group in groupby(outcomes, key=lambda each: each.rule.origin)],
    )
