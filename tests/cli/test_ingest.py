"""`mlv ingest`: what is said of files on the screen."""

import shutil
from pathlib import Path

import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.ingest.reference.codebook import Codebook


@pytest.fixture
def own(empty_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on an empty store of its own."""
    shutil.copyfile(empty_folder / "mlv.duckdb", tmp_path / "mlv.duckdb")
    capsys.readouterr()
    return Mlv(tmp_path, capsys)


def _said(mlv: Mlv, folder: Path, text: str) -> list[str]:
    (folder / "shares.csv").write_text(text)
    done = mlv("ingest", "survey", str(folder / "shares.csv"))
    assert done.code == 0, done.err
    return done.err.splitlines()


def test_each_cause_is_said_once_with_its_rows_the_most_frequent_first(own: Mlv, tmp_path: Path) -> None:
    rows = ["question,country,response_code,percent", "Q1,Atlantis,1,100", "Q57,UK,1,40", "Q57,UK,2,60"]
    rows += [f"Q{number},DE,1,100" for number in range(260, 272)]
    rows += ["Q2,DE,1,33.1", "Q2,DE,2,33", "Q3,DE,1,70.25"]
    assert _said(own, tmp_path, "\n".join(rows)) == [
        "shares.csv -> wvs7: 18 read, 2 rows kept, 16 rejected",
        "  'UK' is taken for United Kingdom (GB)",
        "  12 rows, first line 5 (Q260 DE): no probe is about this question",
        "  3 rows, first line 17 (Q2 DE): the percentages of this question and country add up to 66.1, not 100",
        "  line 2 (Q1 Atlantis): the country is not in ISO 3166-1",
        "  every row: mlv sql 'FROM v_reject'",
    ]


def test_what_is_missing_in_the_whole_file_is_said_first(own: Mlv, tmp_path: Path) -> None:
    said = _said(own, tmp_path, "B_COUNTRY,q57,Q300\n276,1,1\n276,2,1\n0,1,1\n")
    assert said[1] == "  W_WEIGHT: not in the file: shares are unweighted"
    assert said[2].startswith("  columns: not in the file: Q1, Q2, Q3, ")
    assert said[3] == "  columns: not read, they are not in the codebook: Q300"
    assert said[4] == "  line 4 (0): '0' is not a country of ISO 3166-1"


def test_a_codebook_is_written_once_and_a_wrong_name_is_told(own: Mlv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own.folder)
    done = own.bare("ingest", "codebook", "--template", "book.toml")
    assert done.code == 0 and done.out == ""
    assert "mlv ingest survey FILE --codebook book.toml" in done.err
    assert Codebook.parse("book.toml", (own.folder / "book.toml").read_text(encoding="utf-8")).name == "my-study"
    done = own.bare("ingest", "codebook", "--template", "book.toml")
    assert done.code == ExitCode.USAGE and "something at book.toml already" in done.err
    (own.folder / "survey.csv").write_text("V2,V258,V4\nDE,1,1\nDE,1,3\n")
    for name in ("none.toml", "none"):
        done = own("ingest", "survey", "survey.csv", "--codebook", name)
        assert done.code == ExitCode.NOT_FOUND and f"There is no codebook {name}" in done.err
    done = own("ingest", "survey", "survey.csv", "--codebook", "book.toml")
    assert done.code == 0 and "survey.csv -> my-study: 2 read, 2 rows kept, 1 rejected" in done.err
    assert "columns: not in the file: V240" in done.err
    assert own.rows(
        "SELECT survey, country, question, p_first FROM v_country_profile WHERE weighting = 'weighted'"
    ) == [("my-study", "DE", "1", 0.5)]


def test_a_template_of_probes_is_written_once_and_can_be_ingested(own: Mlv, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    assert own("ingest", "probes", "--template", str(path)).err == f"wrote {path}\n"
    again = own("ingest", "probes", "--template", str(path))
    assert (again.code, again.err) == (
        2,
        f"error: {path} exists already.\n  try: Name another file, or delete it first.\n",
    )
    done = own("ingest", "probes", str(path), "--collection", "ours", "--country", "en=GB", "--country", "English=IE")
    assert (done.code, done.err) == (0, "own.csv -> ours/en: 2 read, 2 rows kept, 0 rejected\n")
    assert own.rows("SELECT country FROM v_language_country WHERE language = 'en' ORDER BY 1") == [
        ("GB",),
        ("IE",),
        ("US",),
    ]
    refused = own("ingest", "probes", str(path), "--collection", "ours", "--country", "GB")
    assert refused.code == 2 and "--country GB is no LANGUAGE=COUNTRY" in refused.err


def test_a_probe_set_of_a_file(own: Mlv, tmp_path: Path) -> None:
    own("ingest", "probes", "--template", str(tmp_path / "own.csv"))
    own("ingest", "probes", str(tmp_path / "own.csv"), "--collection", "ours")
    (tmp_path / "chosen.txt").write_text("# mine\n\n own-2 \n")
    chosen = ("ingest", "probe-set", "mine", "--collection", "ours", "--questions", str(tmp_path / "chosen.txt"))
    assert [own(*chosen).err for _ in range(2)] == [
        "mine: 1 questions of ours\n",
        "mine: 1 questions of ours, already there\n",
    ]
    assert own.rows("SELECT question FROM v_probe_set WHERE probe_set = 'mine'") == [("own-2",)]


def test_a_data_set_is_fetched_and_read(own: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    datasets.Dataset.from_list([{"nr": 1, "s": "ja"}, {"nr": 2, "s": "nein"}]).save_to_disk(tmp_path / "set")
    asked = ("ingest", "corpus", "--dataset", "set", "--columns", "text=s,key=nr", "--language", "de")
    done = own(*asked, "--source", "table")
    assert done.code == 0
    assert done.err.endswith("set-train.jsonl -> table/de/set-train: 2 read, 2 rows kept, 0 rejected\n")
    assert (tmp_path / "downloads" / "huggingface" / "set-train.jsonl").is_file()
    refused = own(*asked, "--source", "lines")
    assert refused.code == 2 and "--dataset goes with --source table" in refused.err


def test_labelled_data_from_the_hub_and_a_task_of_a_template(
    own: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    rows = [{"premise": "Ja.", "hypothesis": "Nein.", "label": label} for label in (2, -1)]
    datasets.DatasetDict({"validation": datasets.Dataset.from_list(rows)}).save_to_disk(tmp_path / "xnli")
    done = own("ingest", "corpus", "--source", "xnli", "--dataset", "xnli", "--subset", "de", "--split", "validation")
    assert done.code == 0
    assert done.err.endswith(
        "xnli-de-validation.jsonl -> xnli/de/dev: 2 read, 1 rows kept, 1 rejected\n"
        "  line 2 (2): its label '-1' means that it has none\n"
        "  every row: mlv sql 'FROM v_reject'\n"
    )
    classes = own.rows("SELECT class_name FROM v_task JOIN v_segment USING (source, label) WHERE task = 'xnli'")
    assert classes == [("contradiction",)]
    assert own("ingest", "task", "--template", "t.toml").err == "wrote t.toml\n"
    assert own("ingest", "task", "t.toml").code == ExitCode.NOT_FOUND
    (tmp_path / "t.toml").write_text((tmp_path / "t.toml").read_text().replace("table-reviews", "xnli"))
    assert own("ingest", "task", "t.toml").err == "t.toml -> my-task: 5 read, 5 rows kept, 0 rejected\n"
    assert own("ingest", "delete", "my-task", "--yes").code == 0
    assert own("ingest", "task").code == ExitCode.USAGE
