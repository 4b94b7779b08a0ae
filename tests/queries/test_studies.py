"""What holds of all studies: their rows, and that what they share knows none of them."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from mlv.cli.app import app
from mlv.queries import catalogue, find
from mlv.queries.studies import STUDIES, drawn_queries, find_study
from mlv.queries.study import Study, Topic
from mlv.schema.errors import UsageError

ROOT = Path(__file__).parents[2] / "queries"
TOPICS = [topic for study in STUDIES for topic in study.topics]
CODES = {study.code for study in STUDIES}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
GENERIC = [path for path in MODULES if path.parts[0] not in {*CODES, "studies.py"}]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.code)
def test_the_rows_of_a_study_are_its_queries(study: Study) -> None:
    assert (ROOT / study.code / "topics.py").exists()
    assert {topic.query for topic in study.topics} == {query.name for query in catalogue() if query.study == study.code}
    assert find_study(study.code) is study


def test_every_query_is_of_a_study() -> None:
    assert {query.study for query in catalogue()} == CODES


def test_files_and_anchors_of_topics_are_told_apart() -> None:
    assert len({topic.key for topic in TOPICS}) == len(TOPICS)


def test_topics_of_one_query_share_its_figure() -> None:
    for topic in TOPICS:
        if topic.query in drawn_queries():
            assert topic.figure is drawn_queries()[topic.query].figure


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.key)
def test_a_topic_asks_with_parameters_of_its_query(topic: Topic) -> None:
    assert topic.parameters.keys() <= find(topic.query).parameters.keys()
    assert {find(numbers.query).name for numbers in topic.published} <= {topic.query}


@pytest.mark.parametrize("command", sorted({topic.needs.command for topic in TOPICS}))
def test_what_fills_a_topic_is_a_command(command: str) -> None:
    program, *words = shlex.split(command)
    found = typer.main.get_command(app)
    while words and words[0] in getattr(found, "commands", {}):
        found = found.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert program == "mlv"
    if words != ["--help"]:
        found.make_context(command, words)


def test_an_unknown_study_names_near_ones() -> None:
    with pytest.raises(UsageError, match="no study 'echo'") as caught:
        find_study("echo")
    assert "Did you mean echoes?" in caught.value.hint


def _named(path: Path) -> Iterator[str]:
    """Identifiers of a module, and its texts but for those that document it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documenting = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documenting:
            yield node.value


@pytest.mark.parametrize("path", GENERIC, ids=str)
def test_what_studies_share_names_no_study_and_no_query(path: Path) -> None:
    names = {query.name for query in catalogue()} | CODES
    assert [name for name in _named(ROOT / path) if name.partition("@")[0] in names] == []
    assert not re.search(rf"\b({'|'.join(CODES)})\b", (ROOT / path).read_text(encoding="utf-8"))


def test_the_search_for_names_finds_them(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_text('"""coverage"""\nfrom mlv.queries.echoes import figures\nx = {"alignment": sharing.unchanged}\n')
    assert {"echoes", "figures", "alignment", "sharing", "unchanged"} <= set(_named(module))
    assert "coverage" not in set(_named(module))


COMMAND = rf"\bmlv ({'|'.join(typer.main.get_command(app).commands)})\b"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_commands_are_composed_by_the_command_line_alone(path: Path) -> None:
    """But for hints that name a query to show or SQL to run."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            composed = re.search(COMMAND + r".*\{\}", text)
            assert not composed or composed[0].startswith(("mlv query show", "mlv sql"))


def test_sql_holds_no_command() -> None:
    assert [path for path in ROOT.rglob("*.sql") if re.search(COMMAND, path.read_text(encoding="utf-8"))] == []
