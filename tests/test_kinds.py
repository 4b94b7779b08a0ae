"""Every kind of job is whole, and what is generic knows none of them, nor a study."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer

from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.kinds import kind as kind_module
from mlv.queries.studies import STUDIES
from mlv.schema.jobs.kinds import KINDS

ROOT = Path(__file__).parent.parent
KIND_ROOMS = ("schema/jobs", "ingest/jobs", "compute/jobs", "cli/compute")
GENERIC = [
    *(ROOT / "schema/jobs").glob("[!_]*.py"),
    *(ROOT / "ingest/jobs").glob("[!_]*.py"),
    *(ROOT / "cli/compute").glob("[!_]*.py"),
    *(ROOT / room / f"{name}.py" for room in ("schema/tables",) for name in ("columns", "metadata", "relations")),
    *(path for room in ("ingest/upkeep", "ingest/studies", "compute/running") for path in (ROOT / room).glob("*.py")),
    *(ROOT / "queries/report").glob("*.py"),
    *(ROOT / "queries" / f"{name}.py" for name in ("study", "reproduction", "published", "sentences")),
    *(ROOT / "cli" / f"{name}.py" for name in ("study", "work", "report", "plot", "query")),
]
OF_SOME_KINDS = {
    "attribution": "what influence and validate share",
    "attributions": "what influence and validate share",
    "kinds": "the list",
    "models": "commands beside those of kinds",
    "prompting": "what respond asks",
    "reparsing": "answers that respond got, read again",
    "responses": "what respond got, and how it is read",
    "task_blocks": "what a study does with classifiers",
    "traced": "what influence and validate share",
    "traced_probes": "what influence and validate share",
    "traced_texts": "what influence and validate share",
    "tracing": "what influence and validate share",
    "trained": "what pretrain and finetune share",
}
"""Files among them that are about some kinds, and why."""


def _words_of(path: Path) -> Iterator[str]:
    """What a module imports, and its texts that are one word."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")[3:]
            yield from (name.name for name in node.names if re.search(r"\.(jobs|compute|queries)$", node.module or ""))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", KIND_ROOMS)
def test_a_kind_is_a_file_in_each_room(kind: str, room: str) -> None:
    assert (ROOT / room / f"{kind}.py").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_offers_what_generic_code_asks_of_it(kind: str) -> None:
    spec, module = KINDS[kind], kind_module(kind)
    assert spec.model_fields["kind"].default == kind
    assert spec.OUTPUTS
    assert set(spec.NOT_COMPARED) <= set(spec.model_fields)
    assert all(spec.NOT_COMPARED.values())
    assert set(spec.model_fields) >= spec.LABELS
    assert isinstance(module.COST, Cost)
    assert list(inspect.signature(module.plan).parameters) == ["context", "request"]
    assert list(inspect.signature(module.commit).parameters) == ["run", "spec"]
    worker = import_module(f"mlv.compute.jobs.{kind}").run
    assert list(inspect.signature(worker).parameters)[:4] == ["job", "spec", "options", "progress"]
    for function in (module.plan, module.commit, worker):
        assert inspect.getdoc(function)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_a_kind_is_an_option_with_help(kind: str) -> None:
    request = kind_module(kind).Request
    alone = typer.Typer()
    alone.command()(import_module(f"mlv.cli.compute.{kind}").COMMAND)
    options = {parameter.name: parameter for parameter in typer.main.get_command(alone).params}
    for name, field in request.model_fields.items():
        assert field.description, f"{kind}.{name} has no description"
        assert name in options
        assert getattr(options[name], "help", None) == field.description
        option = request.option(name)
        assert option.argument or f"--{option.flag}" in options[name].opts


@pytest.mark.parametrize(
    "path",
    [path for path in GENERIC if path.stem not in {*KINDS, *OF_SOME_KINDS}],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_generic_modules_name_no_kind_and_no_study(path: Path) -> None:
    assert path.is_file()
    assert set(_words_of(path)) & {*KINDS, *(study.code for study in STUDIES)} == set()
