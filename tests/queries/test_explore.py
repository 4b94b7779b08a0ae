"""docs/explore.md: every block of SQL gives rows, and every block of Python runs, on a store small enough to read."""

import re
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from mlv.cli.app import app
from mlv.migrations import backup
from mlv.queries import execute_sql
from mlv.queries.notebook import open_store
from mlv.schema.store.opening import connect, transaction
from mlv.schema.views.declared import VIEWS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "explore.md").read_text(encoding="utf-8")

QUESTIONS = dict(re.findall(r"^(\d+)\. [^\n]*\n\n```sql\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL))
"""SQL by the number of the question."""

MORE = """
INSERT INTO metric SELECT run_id, 'loss', 0.5, 10, 3.5 FROM run WHERE name = 'finetune-fa';
INSERT INTO ingest_file
VALUES (1, 'probes', 'arora-2023/fa', 'fa.csv', '00', 9, 8, 1, 0, TIMESTAMP '2024-01-01');
INSERT INTO reject VALUES (1, 0, 7, 'question 130d', 'no second answer', '130d,...');
INSERT INTO response_option SELECT 1, codebook_id, 'Q131', 1, 'very secure' FROM codebook;
INSERT INTO answer_side
SELECT 1, codebook_id, question_id, 'Q131', 1, 'first' FROM codebook, question q WHERE q.code = '131';
INSERT INTO survey_response SELECT survey_id, country_id, 'Q131', 1, 50, 0.5, NULL, NULL FROM survey, country;
INSERT INTO probe_logit
SELECT 1, 1, probe_id, answer, answer, -1, -2 * answer, -1 FROM probe, (VALUES (1), (2)) t(answer);
"""
"""What the study that is computed by hand leaves out: a loss, a reject, people's answers, logits."""


@pytest.fixture(scope="module")
def store(hand_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand store with some rows in every view that the page reads."""
    path = tmp_path_factory.mktemp("explore") / "mlv.duckdb"
    path.write_bytes(hand_store.read_bytes())
    with connect(path, read_only=False) as connection, transaction(connection):
        connection.execute(MORE)
    return path


def test_the_page_has_twenty_questions() -> None:
    assert list(QUESTIONS) == [str(number) for number in range(1, 21)]
    assert PAGE.count("```sql\n") == 20


@pytest.mark.parametrize("number", QUESTIONS)
def test_a_question_is_answered_with_rows(store: Path, number: str) -> None:
    """As `mlv sql` runs it: sealed and read-only."""
    with connect(store) as connection:
        frame = execute_sql(connection, QUESTIONS[number]).frame
    assert not frame.is_empty()


@pytest.mark.parametrize("number", QUESTIONS)
def test_a_question_reads_views_alone(number: str) -> None:
    named = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", QUESTIONS[number]))
    assert named
    assert named <= {view.name for view in VIEWS}


def test_python_on_the_page_runs(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup(store, tmp_path / "explore.duckdb")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    heights = []
    for block in blocks:
        names: dict[str, object] = {}
        exec(block, names)
        heights.append({name: value.height for name, value in names.items() if hasattr(value, "height")})
    with open_store(store) as opened:
        runs = opened.sql("FROM v_run")
        shifts = opened.sql("FROM v_shift").height
    # echoes/golden/unchanged.v1.csv has 13 rows, all of them on PBC
    assert heights == [
        {"unchanged": 13, "runs": int((runs["source"] == "pbc").sum())},
        {"shifts": shifts, "runs": runs.height},
    ]


def test_another_program_loads_the_macros_that_the_page_prints(store: Path) -> None:
    assert "mlv query macros > macros.sql" in PAGE
    assert "-init macros.sql" in PAGE
    printed = CliRunner().invoke(app, ["query", "macros"]).stdout
    with duckdb.connect(store, read_only=True) as connection:
        connection.execute(printed)
        assert connection.execute("SELECT spearman_rho(i, -i), echoes_probe_set() FROM range(5) t(i)").fetchall() == [
            (-1.0, "echoes-2024")
        ]
