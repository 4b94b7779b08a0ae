"""`mlv responses`: what was asked and answered, and how another parser reads it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pytest
from answered import Reply, answered, ask_played
from command_line import Mlv
from tiny_study import DEMO, demo_store, ingest_survey

from mlv.cli import edge
from mlv.ingest.answers import v1
from mlv.ingest.answers.reading import Answered, Asked, Reading
from mlv.ingest.journal import journal_path
from mlv.schema.jobs.directory import JobDirectory

ENDPOINT = ("--endpoint", "http://localhost:1/v1", "--api-model", "m", "--as-of", "2026-11", "--samples", "4")
CLEAR = "\x1b[2J"
"""What would clear a terminal."""


def _reply(prompt: Mapping[str, Any], sample: int) -> str:
    """The first answer, its English text, the second in other words, and something that is no answer."""
    first, second = prompt["options"]
    return (first, "important", f"{second}!", f"{CLEAR}?\n{first} {second}")[sample]


def read_english(asked: Asked, answer: Answered) -> Reading:
    """A parser that takes an English word for the first answer, whatever is asked, and else reads as the first did."""
    return Reading("answer", 1) if answer.text == "important" else v1.read(asked, answer)


@pytest.fixture
def two_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second version of the parser, which is not the latest."""
    parsers = MappingProxyType({1: v1.read, 2: read_english})
    monkeypatch.setattr("mlv.ingest.upkeep.reparsing.PARSERS", parsers)


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a model was asked in Korean, zero-shot and after demonstrations; nobody was asked in Farsi."""
    mlv = demo_store(tmp_path_factory.mktemp("base"))
    ingest_survey(mlv)
    ask_played(mlv, *ENDPOINT, "--language", "ko", reply=_reply)
    shown = ("--strategy", "chrf", "--scored", "--api", "completions")
    ask_played(mlv, *ENDPOINT, "--language", "ko", *shown, reply=_reply)
    ask_played(mlv, "--language", "fa", "--samples", "0")
    return mlv.folder


def _names(mlv: Mlv) -> list[str]:
    return [str(name) for (name,) in mlv.rows("SELECT run FROM v_response_run ORDER BY run_id")]


def _found(mlv: Mlv) -> list[list[tuple[Any, ...]]]:
    """How answers are read, and what follows from it."""
    return [
        mlv.rows("SELECT question, sample, outcome, answer FROM v_response ORDER BY ALL"),
        mlv.rows("SELECT name, parser FROM response_run JOIN run USING (run_id) ORDER BY ALL"),
        mlv.rows("SELECT score, question_id, p_first FROM profile_value JOIN profile USING (profile_id) ORDER BY ALL"),
    ]


def test_the_list_has_conditions_and_counts_of_outcomes(mlv: Mlv) -> None:
    done = mlv("responses", "list", "--json")
    assert done.code == 0, done.err
    zero_shot, shown, nobody = json.loads(done.out)
    assert (zero_shot["model"], zero_shot["condition"], zero_shot["strategy"]) == ("m", "zero_shot", None)
    assert (shown["condition"], shown["strategy"], shown["country"], shown["answers"]) == (
        *("demonstrations", "chrf", "KR"),
        "majority",
    )
    outcomes = ("answer", "refusal", "none", "both", "truncated", "filtered", "empty")
    for row in (zero_shot, shown):
        assert (row["questions"], row["responses"], row["parser"]) == (24, 96, 1)
        assert sum(row[outcome] for outcome in outcomes) == 96
        assert row["answer"] >= 48
    assert (nobody["model"], nobody["questions"], nobody["responses"]) == (None, 24, 0)


def test_a_question_is_shown_with_its_prompt_options_demonstrations_and_answers(mlv: Mlv) -> None:
    zero_shot, shown, _ = _names(mlv)
    done = mlv("responses", "show", shown[:-2], "--question", "1", "--format", "csv")
    assert done.code == 0, done.err
    rows = pl.read_csv(done.out.encode())
    assert rows["sample"].to_list() == [0, 1, 2, 3]
    assert rows["text"].to_list()[:2] == ["중요하", "important"]
    assert rows.row(0, named=True)["answer"] == 1
    assert rows["outcome"].to_list()[:2] == ["answer", "none"]
    [[text]] = mlv.rows(
        f"SELECT text FROM v_prompt JOIN v_response_run USING (run_id) WHERE run = '{shown}' AND question = '1'"
    )
    assert all(f"    {line}" in done.err for line in text.splitlines())
    assert "중요하 (answer 1, the first side, probability 0.731)" in done.err
    assert done.err.count("chrF++") == 5
    alone = mlv("responses", "show", zero_shot, "--question", "1")
    assert "demonstrations" not in alone.err
    assert "probability" not in alone.err


def test_what_strangers_answer_is_shown_and_does_nothing(mlv: Mlv) -> None:
    done = mlv("responses", "show", _names(mlv)[0], "--question", "1")
    assert CLEAR not in done.out
    assert r"\x1b[2J?" in done.out


def test_what_was_not_asked_is_said(mlv: Mlv) -> None:
    zero_shot, _, nobody = _names(mlv)
    done = mlv("responses", "show", zero_shot, "--question", "none")
    assert done.code == edge.ExitCode.NOT_FOUND
    assert "asked no chat model question none" in done.err
    done = mlv("responses", "parse", nobody)
    assert done.code == edge.ExitCode.NOT_FOUND
    assert f"{nobody} did not sample answers of a chat model." in done.err
    assert "mlv responses list" in done.err
    done = mlv("responses", "parse", "--parser", "9")
    assert done.code == edge.ExitCode.USAGE
    assert "There is no parser 9." in done.err


@pytest.mark.usefixtures("two_parsers")
def test_answers_are_read_again_and_profiles_follow(mlv: Mlv) -> None:
    zero_shot, shown, _ = _names(mlv)
    before = _found(mlv)
    tried = mlv("responses", "parse", "--parser", "2", "--dry-run", "--format", "csv")
    assert tried.code == 0, tried.err
    assert "nothing was written" in tried.err
    assert _found(mlv) == before
    changes = pl.read_csv(tried.out.encode())
    assert changes.rows() == [(run, "none", "answer 1", 24, "important") for run in (zero_shot, shown)]

    done = mlv("responses", "parse", zero_shot, "--parser", "2", "--format", "csv")
    assert done.code == 0, done.err
    assert done.out.splitlines() == tried.out.splitlines()[:2]
    assert f"{zero_shot}: parser 1 -> 2, 24 of 96 answers are read otherwise" in done.err
    read = mlv.rows(
        f"SELECT DISTINCT outcome, answer FROM v_response JOIN v_response_run USING (run_id) "
        f"WHERE run = '{zero_shot}' AND text = 'important'"
    )
    assert read == [("answer", 1)]
    assert mlv.rows("SELECT parser FROM v_response_run ORDER BY run_id") == [(2,), (1,), (1,)]
    assert mlv("db", "check").code == 0
    # a question whose other two answers are one on each side: of three, two are now on the first
    assert _found(mlv)[2] != before[2]

    assert mlv("responses", "parse", "--parser", "1").code == 0
    assert _found(mlv) == before


@pytest.mark.usefixtures("two_parsers")
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "store alone"])
def test_a_store_that_is_made_again_has_answers_as_they_were_read_last(mlv: Mlv, journal: bool) -> None:
    zero_shot, shown, _ = _names(mlv)
    assert mlv("responses", "parse", "--parser", "2").code == 0
    assert mlv("responses", "parse", shown, "--parser", "1").code == 0
    before = _found(mlv)
    assert {(zero_shot, 2), (shown, 1)} <= set(before[1])
    if not journal:
        journal_path(mlv.store).unlink()
    done = mlv("db", "rebuild", "--sources", str(DEMO))
    assert done.code == 0, done.err
    assert f"read the answers of {zero_shot} by parser 2" in done.err
    assert _found(mlv) == before
    # and again, by the journal that was written anew
    mlv.store.unlink()
    assert mlv("db", "rebuild").code == 0
    assert _found(mlv) == before


@pytest.mark.usefixtures("two_parsers")
def test_a_run_that_is_merged_comes_as_it_was_read(mlv: Mlv, empty_folder: Path) -> None:
    zero_shot, *_ = _names(mlv)
    assert mlv("responses", "parse", zero_shot, "--parser", "2").code == 0
    other = Path(shutil.copytree(empty_folder, mlv.folder / "other"))
    merged = Mlv(other)
    assert merged("db", "merge", str(mlv.store)).code == 0
    assert _found(merged) == _found(mlv)


def test_a_store_without_chat_models_has_nothing_to_list_or_to_read(on_empty: Mlv) -> None:
    assert json.loads(on_empty("responses", "list", "--json").out) == []
    done = on_empty("responses", "parse")
    assert (done.code, "no run sampled answers of a chat model" in done.err) == (0, True)


def _right(samples: int) -> Reply:
    """What most people in the demo's Korea say to question 1, in so many samples; to other questions nothing."""
    return lambda prompt, sample: prompt["options"][0] if prompt["question"] == "1" and sample < samples else ""


def _tables(out: str) -> list[tuple[str, str]]:
    """Head and only row of each table."""
    lines = out.splitlines()
    return [(lines[at - 1], lines[at + 1]) for at, line in enumerate(lines) if set(line) == {"-", " "}]


def test_a_run_says_how_its_answers_were_read_and_where_they_are_misaligned(
    mlv: Mlv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question is misaligned unless all of its answers are right."""
    for draw, right, misaligned in ((2, 3, 24), (3, 4, 23)):
        monkeypatch.setattr("mlv.cli.work.execute_job", lambda job, _, right=right: answered(job, _right(right)))
        done = mlv("compute", "respond", *ENDPOINT, "--language", "ko", "--draw", str(draw))
        assert done.code == 0, done.err
        outcomes, aligned = (dict(zip(*map(str.split, table), strict=True)) for table in _tables(done.out))
        assert outcomes["responses"] == "96"
        assert float(outcomes["answered"]) == pytest.approx(100 * right / 96, abs=1e-3)
        assert (aligned["country"], aligned["probes"], aligned["misaligned"]) == ("KR", "24", str(misaligned))
        assert "--max-tokens" not in done.err


@pytest.mark.parametrize(("cut_off", "said"), [(5, True), (4, False)])
def test_answers_that_are_cut_off_are_to_be_longer(
    mlv: Mlv, monkeypatch: pytest.MonkeyPatch, cut_off: int, said: bool
) -> None:
    """5 of 96 are more than 5%, 4 are not."""

    def play(job: JobDirectory, _: object) -> None:
        answered(job, lambda *_: "I would say that")
        file = job.outputs / "responses.parquet"
        finish = pl.when(pl.row_index() < cut_off).then(pl.lit("length")).otherwise(pl.lit("stop"))
        pl.read_parquet(file).with_columns(finish=finish).write_parquet(file)

    monkeypatch.setattr("mlv.cli.work.execute_job", play)
    done = mlv("compute", "respond", *ENDPOINT, "--language", "ko", "--draw", "2")
    assert done.code == 0, done.err
    hint = f"{cut_off / 96:.0%} were cut off before they named an option: raise --max-tokens"
    assert (hint in done.err) == said
