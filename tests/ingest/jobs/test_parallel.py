"""In whose translations the sentences of a run have to be there: asked for, and if nothing is said."""

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from finished_jobs import MODEL
from planned import Jobs, plan_finetune
from pydantic import ValidationError

from mlv.ingest.jobs import finetune, parallel
from mlv.ingest.jobs.segments import select_segments
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.schema.errors import DataError, NotFoundError, UsageError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.papers import echoes

SHARED = ("fa", "ko", "ru")
"""Of six lines, these three have 1, 3, 4 and 6; Farsi lacks 2 and Korean lacks 5."""


@pytest.fixture
def lines(store: duckdb.DuckDBPyConnection, parallel: Path) -> duckdb.DuckDBPyConnection:
    """A store with six lines in three languages, some of which are not there."""
    ingest_corpus(store, "lines", [parallel])
    return store


def _plan(store: duckdb.DuckDBPyConnection, jobs: Jobs, *languages: str, **settings: Any) -> JobDirectory:
    return plan_finetune(store, jobs, MODEL, languages, **{"sentences": 4 * len(languages), **settings})


def _keys(job: JobDirectory) -> list[tuple[str, str]]:
    """Keys and splits of a job's examples."""
    return pl.read_parquet(job.inputs / "examples.parquet").select("parallel_key", "split").rows()


def _spec(job: JobDirectory) -> FinetuneSpec:
    spec = job.spec()
    assert isinstance(spec, FinetuneSpec)
    return spec


def test_only_sentences_that_the_other_languages_have_are_chosen(lines: duckdb.DuckDBPyConnection) -> None:
    chosen = select_segments(lines, "lines", ["fa"], 3, parallel_with=["ko", "fa"])
    assert chosen.select("language", "position", "parallel_key").rows() == [
        ("fa", 0, "1"),
        ("fa", 1, "3"),
        ("fa", 2, "4"),
    ]
    every = select_segments(lines, "lines", ["fa"], 4, parallel_with=["ko"])
    assert every["parallel_key"].to_list() == ["1", "3", "4", "6"]
    both = select_segments(lines, "lines", ["ru", "ko"], 8, parallel_with=["fa"])
    assert both["parallel_key"].to_list() == ["1", "1", "3", "3", "4", "4", "6", "6"]
    assert both["language"].to_list() == ["ru", "ko"] * 4


def test_keys_come_in_one_order_whatever_language_is_trained(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    orders = {"English": ["MAT.1.2", "MAT.1.1", "MAT.1.3"], "German": ["MAT.1.3", "MAT.1.1", "MAT.1.2"]}
    for code, (name, keys) in zip(("en", "de"), orders.items(), strict=True):
        verses = "".join(f'<seg id="b.{key}">{name} {key}</seg>' for key in keys)
        path = tmp_path / f"{name}.xml"
        path.write_text(f'<cesDoc><body lang="{code}">{verses}</body></cesDoc>')
        ingest_corpus(store, "pbc", [path])
    for language in ("en", "de"):
        chosen = select_segments(store, "pbc", [language], 2, parallel_with=["de", "en"])
        assert chosen["parallel_key"].to_list() == ["MAT 1:3", "MAT 1:1"]


def test_runs_of_a_seed_in_several_languages_train_on_the_same_keys(
    lines: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    examples = [_keys(_plan(lines, jobs, language)) for language in SHARED]
    assert [key for key, _ in examples[0]] == ["1", "3", "4", "6"]
    assert {split for _, split in examples[0]} == {"train", "development"}
    assert examples[0] == examples[1] == examples[2]
    together = _keys(_plan(lines, jobs, *SHARED))
    assert sorted(set(together)) == sorted(examples[0])
    own = [_keys(_plan(lines, jobs, language, parallel_with="none")) for language in SHARED]
    assert [[key for key, _ in keys] for keys in own] == [list("1345"), list("1234"), list("1234")]


def test_the_specification_says_who_shares_the_sentences(lines: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    fa_ko = _plan(lines, jobs, "fa", parallel_with=["Korean", "Farsi"])
    assert _spec(fa_ko).parallel_with == ("fa", "ko")
    assert fa_ko.path == _plan(lines, jobs, "fa", parallel_with=["ko"]).path
    assert [corpus.language for corpus in _spec(fa_ko).corpora] == ["fa"]
    assert _spec(_plan(lines, jobs, "fa")).parallel_with == SHARED
    assert _spec(_plan(lines, jobs, "fa", "ko")).parallel_with == SHARED
    assert _spec(_plan(lines, jobs, "fa", parallel_with=["none"])).parallel_with is None
    # several languages share their sentences in any case
    assert _spec(_plan(lines, jobs, "fa", "ko", parallel_with=["none"])).parallel_with == ("fa", "ko")


def test_too_few_shared_sentences_are_counted_and_every_way_out_is_named(
    lines: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    with pytest.raises(DataError, match=r"lines has 4 sentences that fa, ko, ru share; 5 are needed\.") as caught:
        _plan(lines, jobs, "fa", sentences=5)
    assert caught.value.hint == "Take fewer: --sentences 4, or those of fa alone: --parallel-with none"
    assert len(_keys(_plan(lines, jobs, "fa", sentences=5, parallel_with="none"))) == 5
    with pytest.raises(DataError, match="that fa, ko, ru share; 5 are needed") as caught:
        _plan(lines, jobs, "ko", "ru", sentences=10)
    assert caught.value.hint == "Take fewer: --sentences 8, or those of ko, ru alone: --parallel-with none"


def test_a_text_that_other_runs_need_is_said_to_be_for_them(
    lines: duckdb.DuckDBPyConnection, jobs: Jobs, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="no corpus of lines in de") as missing:
        _plan(lines, jobs, "fa", parallel_with=["de"])
    assert missing.value.hint.endswith("Or take the sentences of fa alone: --parallel-with none")
    (tmp_path / "second.txt").write_text("a\nb\nc\nd\ne\nf\n")
    ingest_corpus(lines, "lines", [tmp_path / "second.txt"], language="ko")
    with pytest.raises(UsageError, match="several editions in ko") as ambiguous:
        _plan(lines, jobs, "fa")
    assert "--edition ko=ko Or take the sentences of fa alone" in ambiguous.value.hint
    assert _keys(_plan(lines, jobs, "fa", editions={"ko": "second"}))[1][0] == "3"


@pytest.mark.parametrize(
    ("source", "languages", "expected"),
    [
        ("lines", ["fa"], SHARED),
        ("lines", ["en"], parallel.ALONE),
        ("lines", ["en", "fa"], parallel.ALONE),
        # keys of articles are of one text alone
        ("news-fox", ["fa"], parallel.ALONE),
        ("tanzil", ["fa"], ()),
    ],
)
def test_a_command_takes_the_papers_languages_as_far_as_the_source_has_them(
    lines: duckdb.DuckDBPyConnection, source: str, languages: list[str], expected: tuple[str, ...]
) -> None:
    assert parallel.in_store(lines, source, languages) == expected


def test_a_study_takes_the_languages_that_it_trains_in_on_a_source() -> None:
    runs = [("pbc", "fa"), ("pbc", "ko"), ("tanzil", "fa"), ("news-fox", "en"), ("news-fox", "fa"), ("lines-a", "de")]
    jobs = [{"source": source, "languages": (code,), "parallel_with": ()} for source, code in runs]
    jobs.append({"source": "pbc", "languages": ("hi", "ru"), "parallel_with": ("de",)})
    found = [job["parallel_with"] for job in finetune.in_study(jobs)]
    pbc = ("fa", "hi", "ko", "ru")
    assert found == [pbc, pbc, ("fa",), parallel.ALONE, parallel.ALONE, ("de",), ("de",)]


@pytest.mark.parametrize("given", [["none", "fa"], ["fa", "Farsi"], ["klingonese"]])
def test_what_is_not_a_list_of_languages_is_refused(given: list[str]) -> None:
    with pytest.raises(ValidationError):
        finetune.Request(model="m", source="lines", languages=("fa",), parallel_with=given)


@pytest.mark.real
def test_real_runs_of_a_seed_train_on_the_same_verses(
    store: duckdb.DuckDBPyConnection, jobs: Jobs, real_data: Path
) -> None:
    ingest_corpus(store, "ebible", [real_data / "bible" / "aligned"])
    study = echoes.FINETUNING_LANGUAGES
    settings: dict[str, Any] = {"source": "ebible", "sentences": 2000}
    examples = [_keys(_plan(store, jobs, language, **settings)) for language in study]
    assert all(keys == examples[0] for keys in examples)
    assert sum(split == "train" for _, split in examples[0]) == 1600
    alone = {
        code: {key for key, _ in _keys(_plan(store, jobs, code, parallel_with="none", **settings))} for code in study
    }
    assert alone["fa"] == alone["ko"] == alone["ru"]
    assert alone["hi"].isdisjoint(alone["fa"])
    with pytest.raises(DataError, match="ebible has 7,937 sentences that fa, hi, ko, ru share; 10,000 are needed"):
        _plan(store, jobs, "fa", source="ebible", sentences=10_000)
