"""Exit codes, messages, streams: what a user or a script meets at the edge."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Mlv

from mlv.cli import edge
from mlv.cli.app import app
from mlv.cli.db import upgrade
from mlv.schema import errors
from mlv.schema.store.opening import SCHEMA_REVISION

HEAVY = ("torch", "transformers", "great_expectations", "polars", "duckdb", "alembic", "sqlmodel", "pycountry")


def mlv(*arguments: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from mlv.cli.main import main; main()", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store in it."""
    path = tmp_path_factory.mktemp("cli")
    assert mlv("db", "upgrade", cwd=path).returncode == 0
    return path


@pytest.fixture
def there(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command in this process, in that folder."""
    monkeypatch.chdir(folder)
    return Mlv(folder, capsys)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Mlv(tmp_path, capsys)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from mlv.cli.app import app; print(sorted(set(sys.modules) & set(sys.argv[1:])))"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help_and_every_option_says_what_it_does() -> None:
    import typer

    root = typer.main.get_command(app)

    def walk(command: object, words: str) -> list[str]:
        missing = [] if getattr(command, "help", None) else [words]
        for parameter in getattr(command, "params", []):
            if getattr(parameter, "help", "set") in (None, ""):
                missing.append(f"{words} {parameter.name}")
        for name, inner in getattr(command, "commands", {}).items():
            missing += walk(inner, f"{words} {name}")
        return missing

    assert walk(root, "mlv") == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.DataError("x"), 3),
        (errors.NotFoundError("x"), 4),
        (errors.StoreError("x"), 5),
        (errors.StoreLockedError("x"), 6),
        (errors.JobError("x"), 7),
        (errors.DownloadError("x"), 8),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    error: errors.MlvError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    error.hint = "do this"
    assert edge.run(fails) == code
    assert capsys.readouterr().err == "error: x\n  try: do this\n"


def test_a_fault_is_reported_as_one_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLV_DEBUG", raising=False)

    def fails() -> None:
        raise ValueError("boom")

    assert edge.run(fails) == edge.ExitCode.FAILURE
    assert "ValueError: boom" in capsys.readouterr().err


def test_a_package_that_is_not_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["great-expectations>=1.24", 'submitit<2,>=1.5.3; extra == "slurm"', "pytest>=8; extra == 'dev'"]
    declared += ["mlflow-skinny<4,>=3; extra == 'mlflow'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: declared)
    error = edge.missing_package("submitit.core")
    assert error
    assert error.message == "This needs the package submitit, which is not installed."
    assert error.hint == (
        "Install mlv with its extra slurm (`pip install '.[slurm]'` in its folder), or it alone: "
        "`pip install 'submitit<2,>=1.5.3'`."
    )
    error = edge.missing_package("great_expectations")
    assert error
    assert error.hint.startswith("Install mlv (`pip install '.'` in its folder)")
    error = edge.missing_package("mlflow")
    assert error
    assert "`pip install '.[mlflow]'`" in error.hint and "`pip install 'mlflow-skinny<4,>=3'`" in error.hint
    assert edge.missing_package("mlv.typo") is None
    assert edge.missing_package("py") is None


def test_a_cluster_without_submitit_is_told_what_to_install(folder: Path) -> None:
    """The launcher imports it when it is made, and the message reaches whoever typed the command."""
    code = "import sys; sys.modules['submitit'] = None; from mlv.cli.main import main; main()"
    (folder / "study.toml").write_text(mlv("study", "show", "demo", cwd=folder).stdout)
    command = [sys.executable, "-c", code, "study", "run", "study.toml", "--launcher", "slurm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 2
    assert "This needs the package submitit" in done.stderr


def test_ctrl_c_ends_with_130() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert edge.run(interrupted) == edge.ExitCode.INTERRUPTED


def test_data_goes_to_stdout_and_the_rest_to_stderr(folder: Path) -> None:
    done = mlv("sql", "SELECT 1 AS one", "--format", "csv", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\n1\n", "")
    done = mlv("db", "upgrade", cwd=folder)
    assert done.stdout == ""
    assert SCHEMA_REVISION in done.stderr


@pytest.mark.parametrize("output_format", ["table", "csv", "json", "jsonl", "parquet", "markdown", "latex"])
def test_a_file_holds_the_bytes_that_a_redirect_would(there: Mlv, output_format: str) -> None:
    command = ["sql", "SELECT code, name FROM language ORDER BY code", "--format", output_format]
    entry = [sys.executable, "-c", "from mlv.cli.main import main; main()"]
    printed = subprocess.run([*entry, *command], capture_output=True, check=True).stdout
    assert there.bare(*command, "-o", "out").code == 0
    assert printed
    assert (there.folder / "out").read_bytes() == printed


def test_the_ending_of_the_file_chooses_the_format(there: Mlv) -> None:
    there.bare("sql", "SELECT 1 AS one", "-o", "one.json")
    assert json.loads((there.folder / "one.json").read_text()) == [{"one": 1}]


def test_sql_from_standard_input_and_from_a_file(folder: Path) -> None:
    assert mlv("sql", "-f", "-", "--format", "csv", cwd=folder, stdin="SELECT 2 AS two").stdout == "two\n2\n"
    (folder / "three.sql").write_text("SELECT 3 AS three")
    assert mlv("sql", "-f", "three.sql", "--format", "csv", cwd=folder).stdout == "three\n3\n"


def test_sql_writes_only_with_the_option(there: Mlv) -> None:
    refused = there.bare("sql", "DELETE FROM language WHERE code = 'en'")
    assert refused.code == edge.ExitCode.USAGE
    assert "read-only" in refused.err
    count = "SELECT count(*) AS n FROM language WHERE code = 'bn'"
    assert there.bare("sql", count, "--format", "csv").out == "n\n1\n"
    assert there.bare("sql", "--write", "UPDATE country SET name = name").code == 0


def test_sql_without_write_reaches_no_other_file(there: Mlv) -> None:
    (there.folder / "secret.csv").write_text("a\n1\n")
    assert there.bare("sql", "SELECT * FROM read_csv('secret.csv')").code == edge.ExitCode.USAGE
    assert there.bare("sql", "COPY (SELECT 1) TO 'leak.csv'").code == edge.ExitCode.USAGE
    assert not (there.folder / "leak.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["query", "run", "unchangd"], 2, "unchanged"),
        (["query", "run", "unchanged@99"], 2, "99"),
        (["query", "run", "unchanged", "--param", "scores=sum"], 2, "score"),
        (["query", "run", "unchanged", "--param", "score=median"], 2, "mean"),
        (["query", "run", "unchanged", "--format", "xls"], 2, "csv"),
        (["sql"], 2, "mlv sql"),
        (["sql", "SELECT * FROM v_anser"], 2, "v_answer"),
        (["ingest", "probes"], 2, "--download"),
        (["ingest", "probes", "nowhere.zip"], 4, "nowhere.zip"),
        (["ingest", "corpus", "--source", "bible", "x"], 2, "pbc"),
        (["compute", "probe", "--model", "./nowhere"], 4, "nowhere"),
        (["compute", "pretrain", "--name", "n", "--precision", "fp16"], 2, "bf16"),
        (["compute", "pretrain", "--name", "n", "--preset", "huge"], 2, "nano"),
        (["compute", "pretrain", "--name", "n"], 4, "no corpus"),
        (["runs", "show", "finetune-1"], 4, "mlv runs list"),
        (["runs", "resume", "finetune-1"], 4, "mlv runs list"),
        (["db", "current", "--db", "none.duckdb"], 5, "mlv db upgrade"),
        (["ingest", "survey", "--download"], 8, "worldvaluessurvey.org"),
    ],
)
def test_wrong_input_says_what_to_do(there: Mlv, arguments: list[str], code: int, said: str) -> None:
    before = there.store.read_bytes()
    done = there.bare(*arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert there.store.read_bytes() == before


def test_a_model_that_was_not_fetched_is_named_where_the_hub_may_not_be_asked(folder: Path) -> None:
    """In a process of its own: the hub's client reads its environment when it is imported."""
    done = mlv("compute", "probe", "--model", "nobody/nothing", cwd=folder)
    assert (done.returncode, done.stdout) == (edge.ExitCode.NOT_FOUND, ""), done.stderr
    assert "nobody/nothing" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_cannot_be_written(there: Mlv) -> None:
    done = there.bare("sql", "SELECT 1", "-o", "/proc/none/out.csv")
    assert done.code == edge.ExitCode.DATA
    assert "/proc/none/out.csv" in done.err


def test_a_reader_that_goes_away_is_not_a_fault(folder: Path) -> None:
    command = f"{sys.executable} -c 'from mlv.cli.main import main; main()' sql 'FROM range(1000000)' --format csv"
    done = subprocess.run(
        f"{command} | head -1; echo status ${{PIPESTATUS[0]}} >&2",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert done.stdout == "range\n"
    assert re.fullmatch(r"status 0\s*", done.stderr)


ENTRY = f"{sys.executable} -c 'from mlv.cli.main import main; main()'"


@pytest.mark.parametrize(
    ("arguments", "redirected", "code", "said"),
    [
        ("sql 'SELECT 1'", ">&-", edge.ExitCode.DATA, "Standard output cannot be written: it is closed."),
        ("sql 'SELECT 1'", ">/dev/full", edge.ExitCode.DATA, "No space left on device."),
        ("query list", ">/dev/full", edge.ExitCode.DATA, "No space left on device."),
        ("--help", ">/dev/full", edge.ExitCode.DATA, "No space left on device."),
        ("db upgrade", ">&-", edge.ExitCode.OK, "mlv.duckdb: 0001 -> 0001"),
        ("sql 'SELECT 1 AS one' -o /dev/full", "", edge.ExitCode.DATA, "/dev/full cannot be written: No space left"),
    ],
)
def test_a_stream_that_cannot_be_written_is_said(
    folder: Path, arguments: str, redirected: str, code: edge.ExitCode, said: str
) -> None:
    done = subprocess.run(
        f"{ENTRY} {arguments} {redirected}", shell=True, capture_output=True, text=True, cwd=folder, check=False
    )
    assert (done.returncode, said in done.stderr, "fault of mlv" in done.stderr) == (code, True, False), done.stderr


def test_messages_that_nobody_can_get_change_nothing(folder: Path) -> None:
    for redirected in ("2>&-", "2>/dev/full", "0<&- 2>&-"):
        command = f"{ENTRY} sql 'SELECT 1 AS one' --format csv -o one.csv {redirected} && cat one.csv"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=folder, check=True)
        assert done.stdout == "one\n1\n"


def test_what_head_cuts_off_ends_well_and_quietly(folder: Path) -> None:
    for arguments in ("query list", "query macros", "sql 'FROM range(1000000)' --format csv -o /dev/stdout"):
        command = f"{ENTRY} {arguments} | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, cwd=folder, check=True)
        assert done.stdout == "0\n"
        assert "error" not in done.stderr


def test_a_folder_that_duckdb_cannot_write_in_is_named(tmp_path: Path) -> None:
    (tmp_path / "why?").mkdir()
    done = mlv("db", "upgrade", cwd=tmp_path / "why?")
    assert done.returncode == edge.ExitCode.STORE
    assert "why?/mlv.duckdb: DuckDB takes what follows the ?" in done.stderr
    assert list((tmp_path / "why?").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "A file cannot be used: No space left on device."),
        (OSError(36, "File name too long", "x" * 300), "cannot be used: File name too long."),
        (PermissionError(13, "Permission denied", "/locked"), "/locked cannot be used: Permission denied."),
        (OSError(30, "Read-only file system", "/cd/a"), "/cd/a cannot be used: Read-only file system."),
    ],
)
def test_what_the_system_refuses_is_no_fault(error: OSError, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise error

    assert edge.run(fails) == edge.ExitCode.DATA
    told = capsys.readouterr().err
    assert said in told and "  try: " in told and "fault of mlv" not in told


def test_check_backup_and_snapshot(there: Mlv) -> None:
    assert there.bare("db", "check").code == 0
    assert there.bare("db", "snapshot", "copy.duckdb").out.strip() == "copy.duckdb"
    assert there.bare("db", "check", "--db", "copy.duckdb").code == 0
    broken = there.bare("sql", "--write", "--db", "copy.duckdb", "INSERT INTO metric VALUES (9, 'loss', 1, 1, 1)")
    assert broken.code == 0
    checked = there.bare("db", "check", "--db", "copy.duckdb")
    assert checked.code == edge.ExitCode.STORE
    assert "metric" in checked.out


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
from mlv.cli.main import main
main()
"""


def mlv_on_a_full_disk(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command where no file can be longer than 20,000 bytes."""
    command = [sys.executable, "-c", LIMITED, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_a_full_disk_leaves_no_half_made_store(tmp_path: Path) -> None:
    done = mlv_on_a_full_disk("db", "upgrade", cwd=tmp_path)
    assert done.returncode == edge.ExitCode.STORE, done.stderr
    assert "File too large. Nothing was written." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_its_reference_rows_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(connection: object) -> None:
        raise errors.StoreError("no space")

    monkeypatch.setattr("mlv.ingest.writing.reference.ensure_reference", fails)
    with pytest.raises(errors.StoreError, match="no space"):
        upgrade(tmp_path / "mlv.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_on_a_full_disk_leaves_the_store_as_it_was(folder: Path, here: Mlv, tmp_path: Path) -> None:
    shutil.copyfile(folder / "mlv.duckdb", here.store)
    lines = "".join(f"line {i} of a text {i * 7919 % 10007}\n" for i in range(20_000))
    (tmp_path / "text.txt").write_text(lines)
    command = ("ingest", "corpus", "text.txt", "--source", "lines", "--language", "fa")
    done = mlv_on_a_full_disk(*command, cwd=tmp_path)
    assert done.returncode == edge.ExitCode.STORE, done.stderr
    assert "mlv.duckdb cannot be written" in done.stderr
    assert "File too large. Nothing was written." in done.stderr
    assert here.rows("SELECT count(*) FROM corpus") == [(0,)]
    assert here.bare("db", "check").code == 0


@pytest.mark.parametrize("path", ["/proc/none/mlv.duckdb", "notes.md/mlv.duckdb"])
def test_a_path_at_which_no_store_can_be(here: Mlv, path: str) -> None:
    (here.folder / "notes.md").write_text("notes")
    done = here.bare("db", "upgrade", "--db", path)
    assert (done.code, done.out) == (edge.ExitCode.STORE, "")
    assert f"No store can be made at {path}" in done.err
    assert (here.folder / "notes.md").read_text() == "notes"


def test_writing_to_a_wrong_store_makes_none(here: Mlv) -> None:
    done = here.bare("sql", "--write", "SELECT 1", "--db", "typo.duckdb")
    assert done.code == edge.ExitCode.STORE
    assert "mlv db upgrade --db typo.duckdb" in done.err
    assert list(here.folder.iterdir()) == []


def test_check_and_snapshot_beside_a_reader(folder: Path, tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(str(folder / "mlv.duckdb"), read_only=True):
        assert mlv("db", "check", cwd=folder).returncode == 0
        for _ in range(2):
            assert mlv("db", "snapshot", str(tmp_path / "copy.duckdb"), cwd=folder).returncode == 0
    with duckdb.connect(str(folder / "mlv.duckdb")):
        for command in (["check"], ["snapshot", "other.duckdb"], ["upgrade"], ["backup"]):
            done = mlv("db", *command, cwd=folder)
            assert done.returncode == edge.ExitCode.LOCKED, done.stderr
            assert f"process {os.getpid()}" in done.stderr


def test_backup_refuses_a_file_that_is_there(there: Mlv) -> None:
    (there.folder / "notes.md").write_text("years of work")
    for command in (["backup", "-o", "notes.md"], ["snapshot", "notes.md"], ["snapshot", "mlv.duckdb"]):
        assert there.bare("db", *command).code == edge.ExitCode.USAGE
    assert (there.folder / "notes.md").read_text() == "years of work"
