"""docs/your-own-data.md: its commands on probes and texts, run in their order on the files beside the page."""

import csv
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
from command_line import Mlv

DOCS = Path(__file__).parent.parent.parent / "docs"
FILES = DOCS / "your-own-data"
PAGE = (DOCS / "your-own-data.md").read_text(encoding="utf-8")


def _section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def _commands(*sections: str) -> list[list[str]]:
    text = "".join(map(_section, sections))
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL))
    return [shlex.split(line)[1:] for line in blocks.splitlines() if line]


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_rows_on_the_page_are_those_of_the_file() -> None:
    (shown,) = re.findall(r"```csv\n(.*?)```", _section("Probes"), flags=re.DOTALL)
    lines = (FILES / "probes.csv").read_text(encoding="utf-8").splitlines()
    assert [line for line in shown.splitlines() if line not in lines] == []


def test_ten_probes_and_a_table_of_texts_come_to_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    mlv = Mlv(tmp_path, capsys)
    results: dict[str, list[dict[str, str]]] = {}
    for command in _commands("Probes", "Texts"):
        asked = ["--format", "csv"] if command[0] == "query" else []
        device = ["--device", "cpu", "--threads", "1"] if command[0] == "compute" else []
        done = mlv(*command, *asked, *device)
        assert done.code == 0, (command, done.err)
        if asked:
            results[command[2]] = _rows(done.out)
    sets = mlv.rows("SELECT probe_set, count(*), count(DISTINCT battery) FROM v_probe_set GROUP BY ALL ORDER BY ALL")
    assert sets == [("mine-all", 12, 11), ("mine-neighbours", 2, 1)]
    (unchanged,) = results["unchanged"]
    assert (unchanged["language"], unchanged["probes"], unchanged["ft_languages"]) == ("en", "12", "en")
    assert float(unchanged["unchanged_low"]) <= float(unchanged["unchanged"]) <= float(unchanged["unchanged_high"])
    cells = {(row["strategy"], row["country"]): row for row in results["alignment"]}
    assert cells.keys() == {
        (strategy, country) for strategy in ("pretrained", "monolingual") for country in ("GB", "US")
    }
    for row in cells.values():
        assert (row["n"], row["own_country"]) == ("10", "true")
        assert float(row["rho_low"]) <= float(row["rho"]) <= float(row["rho_high"])


def test_labelled_texts_and_a_task_come_to_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    mlv = Mlv(tmp_path, capsys)
    assert mlv("db", "upgrade").code == 0
    for command in _commands("Labelled texts"):
        done = mlv(*command, *(["--format", "csv"] if command[0] == "sql" else []))
        assert done.code == 0, (command, done.err)
    # two languages have 4 + 2 rows each; one lacks an answer, and one in each is unclear
    assert {row["class_name"]: row["count_star()"] for row in _rows(done.out)} == {"yes": "6", "no": "3", "": "2"}
    rejected = mlv.rows("SELECT target, line, reason FROM v_reject")
    assert rejected == [("table-answers/de/test", 13, "its second text is empty")]
    keys = mlv.rows("SELECT DISTINCT edition, parallel_key FROM v_segment WHERE language = 'en' ORDER BY ALL")
    assert keys == [("test", "test:1"), ("test", "test:2"), *(("train", f"train:{n}") for n in range(1, 5))]


def test_the_labelled_rows_and_the_task_on_the_page_are_those_of_the_files() -> None:
    (rows,) = re.findall(r"```csv\n(.*?)```", _section("Labelled texts"), flags=re.DOTALL)
    assert set(rows.splitlines()) <= set((FILES / "labelled.csv").read_text(encoding="utf-8").splitlines())
    (task,) = re.findall(r"```toml\n(.*?)```", _section("Labelled texts"), flags=re.DOTALL)
    assert task == (FILES / "answers.toml").read_text(encoding="utf-8")


def test_groups_stereotypes_and_a_lexicon_enter_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    mlv = Mlv(tmp_path, capsys)
    assert mlv("db", "upgrade").code == 0
    for command in _commands("Groups, stereotypes and lexicons"):
        done = mlv(*command)
        assert done.code == 0, (command, done.err)
    assert mlv.rows("SELECT language, count(*) FROM v_cloze WHERE is_template GROUP BY ALL ORDER BY ALL") == [
        ("de", 4),
        ("en", 20),
    ]
    assert mlv.rows("SELECT count(*), count(*) FILTER (words = 1) FROM v_stereotype") == [(4, 3)]
    assert mlv.rows("SELECT lexicon, words, is_complete FROM v_lexicon") == [("mine", 4, True)]
