"""Every option and argument of every command with values that nobody means: said to be wrong, or taken, never a fault.

Commands and parameters are those of the application, so that new ones are tried without a word here; only what a
required one needs to get past the first check is named. Jobs are planned and not run, and nothing is fetched.
"""

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from command_line import Mlv
from played_study import PlayedLauncher
from tiny_model import save_model
from tiny_study import STUDY, demo_store

from mlv.cli import edge
from mlv.cli.app import app
from mlv.queries import catalogue, run
from mlv.schema.errors import DownloadError, JobError, MlvError
from mlv.schema.store.opening import open_store

NUMBERS: Final = ("", "-1", "nan", "1e400", "9" * 30, str(2**31))
TEXTS: Final = ("", "\u202e\u06f1,{}*?%s" + "x" * 230, "folder")

DOCUMENTED: Final = frozenset(edge.ExitCode) - {edge.ExitCode.FAILURE, edge.ExitCode.INTERRUPTED}
"""Exit codes of what a user can put right, and of success."""


def _commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its words."""
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    for name in command.list_commands(None):
        yield from _commands(command.get_command(None, name), (*words, name))


COMMANDS: Final = dict(_commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with probes and texts, a model, a study file, and an empty folder."""
    folder = tmp_path_factory.mktemp("base")
    demo_store(folder)
    save_model(folder / "model")
    (folder / "study.toml").write_text(STUDY.replace('"nano"', '"model"'))
    (folder / "folder").mkdir()
    return folder


@pytest.fixture
def mlv(
    _base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Mlv:
    """The command line in a copy of that folder, where nothing is run or fetched."""
    here = Path(shutil.copytree(_base, tmp_path / "here"))
    monkeypatch.chdir(here)
    monkeypatch.setattr("mlv.cli.work.execute_job", _refuse_to_run)
    monkeypatch.setattr("mlv.ingest.readers.download.fetch", _refuse_to_fetch)
    monkeypatch.setattr("mlv.compute.running.local.LocalLauncher", lambda *_: PlayedLauncher(lambda _: 1))
    capsys.readouterr()
    return Mlv(here, capsys)


def _refuse_to_run(*_: object) -> None:
    raise JobError("Nothing is run here.")


def _refuse_to_fetch(*_: object) -> None:
    raise DownloadError("Nothing is fetched here.")


USUAL: Final = {
    **{"model": "model", "models": "model", "languages": "fa", "source": "lines", "paths": "folder", "task": "t"},
    **{"groups": "own"},
    **{"run": "finetune-0", "name": "coverage", "first": "coverage", "second": "coverage@1", "study": "study.toml"},
    **{"names": "finetune-0", "archive": "folder", "other": "other.duckdb", "to": "card"},
    **{
        "target": "copy.duckdb",
        "output": "written",
        "template": "written.toml",
        "jobs": "jobs/none",
        "item": "1",
        "question": "1",
        "language": "fa",
        "path": "written.toml",
        "collection": "own",
    },
}


def _values(parameter: Any) -> tuple[str, ...]:
    return NUMBERS if parameter.type_descriptor.annotation in (int, float) else TEXTS


def _calls(command: Any) -> Iterator[list[str]]:
    """The command with each of its parameters hostile, the others as they are usual."""
    for tried in command.params:
        if getattr(tried, "is_flag", False) or tried.name in ("help", "version"):
            continue
        needed = [one for one in command.params if one.required and one is not tried]
        rest = [word for one in needed for word in _given(one, USUAL[one.name])]
        for value in _values(tried):
            yield [*_given(tried, value), *rest] if tried.param_type_name == "option" else [*rest, "--", value]


def _given(parameter: Any, value: str) -> list[str]:
    return [value] if parameter.param_type_name == "argument" else [f"{parameter.opts[0]}={value}"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_value_of_an_option_is_a_fault(mlv: Mlv, words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    takes_store = any(one.name == "db" for one in command.params)
    wrong = []
    for call in _calls(command):
        own = takes_store and not any(word.startswith("--db=") for word in call)
        done = mlv.bare(*words, *(["--db=mlv.duckdb"] if own else []), *call)
        if done.code not in DOCUMENTED or "fault of mlv" in done.err:
            wrong.append((call, done.code, done.err[-500:]))
    assert wrong == []


def test_numbers_are_told_from_texts() -> None:
    (finetune,) = (command for words, command in COMMANDS.items() if words == ("compute", "finetune"))
    numbers = {one.name for one in finetune.params if _values(one) == NUMBERS}
    assert {"seed", "learning_rate", "sentences", "threads"} <= numbers
    assert not {"model", "mask", "db"} & numbers


def test_no_value_of_a_parameter_of_a_query_is_a_fault(mlv: Mlv) -> None:
    wrong = []
    with open_store(mlv.store) as connection:
        for query in catalogue():
            for name, value in product(query.parameters, ("nan", "9" * 30, "\u202e\u06f1,{}'*?%s" + "x" * 230)):
                try:
                    run(connection, query.name, parameters={name: value})
                except MlvError:
                    continue
                except Exception as error:
                    wrong.append((query.name, name, value, error))
    assert wrong == []
