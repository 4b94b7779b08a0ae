"""Writing surveys: names, mapping, profiles, what happens the second time; and the published figures."""

import shutil
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations
from pathlib import Path

import duckdb
import polars as pl
import polars.selectors as cs
import pytest

from mlv.ingest.reference.codebook import wvs7
from mlv.ingest.rules.evaluation import evaluate
from mlv.ingest.rules.rulebook import packaged
from mlv.ingest.upkeep.check import TEMPORARY
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.surveys import ingest_survey
from mlv.schema.errors import DataError
from mlv.schema.fetching import frame_of
from mlv.schema.papers.echoes import LANGUAGE_COUNTRY, TEST_LANGUAGES
from mlv.schema.store.opening import connect
from mlv.schema.tables.metadata import table_names

TABLE = """question,country,response_code,percent
Q57,DEU,1,40
Q57,DEU,2,60
Q57,PAK,1,25
Q57,PAK,2,75
Q57,ATL,1,100
"""

RESPONDENTS = """version,doi,B_COUNTRY,B_COUNTRY_ALPHA,W_WEIGHT,Q57
6-0-0,x,276,DEU,1.5,1
6-0-0,x,276,DEU,0.5,2
6-0-0,x,276,DEU,1.0,-1
6-0-0,x,276,DEU,,1
"""


def _file(folder: Path, text: str, name: str = "survey.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def _counts(store: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table."""
    return {name: store.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0] for name in table_names()}


def test_a_table_with_its_mapping_profiles_and_rejects(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (report,) = ingest_survey(store, _file(tmp_path, TABLE), name="ours", citation="We (2025)", illustrative=True)
    assert (report.kind, report.target, report.name) == ("survey", "ours", "survey.csv")
    assert (report.rows_read, report.rows_kept, len(report.rejected), report.already_there) == (5, 4, 1, False)
    assert store.execute("SELECT code, illustrative, citation FROM survey").fetchall() == [("ours", True, "We (2025)")]
    assert store.execute("SELECT target, line, item, reason FROM v_reject").fetchall() == [
        ("ours", 6, "Q57 ATL", "the country is not in ISO 3166-1")
    ]
    responses = store.execute(
        "SELECT country, question, response_code, side, share, weighted_share FROM v_survey_response ORDER BY ALL"
    ).fetchall()
    assert responses == [
        ("DE", "57", 1, "first", 0.4, None),
        ("DE", "57", 2, "second", 0.6, None),
        ("PK", "57", 1, "first", 0.25, None),
        ("PK", "57", 2, "second", 0.75, None),
    ]
    profiles = store.execute("SELECT country, weighting, question, p_first FROM v_country_profile ORDER BY ALL")
    assert profiles.fetchall() == [("DE", "unweighted", "57", 0.4), ("PK", "unweighted", "57", 0.25)]


def test_the_mapping_is_written_completely(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_survey(store, _file(tmp_path, TABLE), name="ours")
    stored = frame_of(
        store,
        "SELECT q.code AS question, variable, response_code::BIGINT AS response_code, side, label FROM answer_side "
        "JOIN question q USING (question_id) JOIN response_option USING (codebook_id, variable, response_code)",
    )
    columns = ["question", "variable", "response_code", "side"]
    assert stored.select(columns).sort(columns).equals(wvs7().sides.select(columns).sort(columns))
    assert not (stored["label"] == "").any()


def test_respondents_bring_counts_weights_and_the_citation(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (report,) = ingest_survey(store, _file(tmp_path, RESPONDENTS), name="wvs7-v6.0")
    assert (report.rows_read, report.rows_kept) == (4, 3)
    rows = store.execute(
        "SELECT response_code, n, share, weighted_n, weighted_share FROM survey_response ORDER BY response_code"
    ).fetchall()
    assert rows == [
        (-1, 1, 1 / 3, 1.0, pytest.approx(1 / 3)),
        (1, 1, 1 / 3, 1.5, pytest.approx(1 / 2)),
        (2, 1, 1 / 3, 0.5, pytest.approx(1 / 6)),
    ]
    profiles = store.execute("SELECT weighting, p_first FROM v_country_profile ORDER BY ALL").fetchall()
    assert profiles == [("unweighted", 0.5), ("weighted", 0.75)]
    assert store.execute("SELECT citation FROM survey").fetchall() == [(wvs7().citation,)]


def test_weighted_shares_alone_give_weighted_profiles_alone(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    table = "question,country,response_code,weighted_percent\nQ57,DEU,1,25\nQ57,DEU,2,70\nQ57,DEU,-1,5\n"
    ingest_survey(store, _file(tmp_path, table), name="weighted")
    profiles = store.execute("SELECT weighting, p_first FROM v_country_profile").fetchall()
    assert profiles == [("weighted", pytest.approx(25 / 95))]
    rules = [rule for rule in packaged() if rule.table not in TEMPORARY]
    assert [outcome.sentence for outcome in evaluate(store, rules) if not outcome.ok] == []


def test_the_same_content_again_changes_nothing(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_survey(store, _file(tmp_path, TABLE), name="ours")
    before = _counts(store)
    (report,) = ingest_survey(store, _file(tmp_path, TABLE, "copy.csv"), name="ours")
    assert report.already_there
    assert _counts(store) == before


def test_other_content_under_the_same_name_is_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_survey(store, _file(tmp_path, TABLE), name="ours")
    before = _counts(store)
    other = _file(tmp_path, TABLE.replace("40", "41").replace("60", "59"), "other.csv")
    with pytest.raises(DataError, match=r"ours is in the store with other content than other\.csv") as caught:
        ingest_survey(store, other, name="ours")
    assert "--name NAME" in caught.value.hint
    assert _counts(store) == before
    ingest_survey(store, other, name="theirs")
    assert store.execute("SELECT count(DISTINCT survey) FROM v_country_profile").fetchall() == [(2,)]


def test_a_survey_and_probes_share_their_questions_in_either_order(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    probes = _file(tmp_path, "\t0\t1\t2\t3\n0\t57\tTrau [MASK]\tallen\tkeinem\n", "de.csv")
    ingest_probes(store, probes)
    ingest_survey(store, _file(tmp_path, TABLE), name="ours")
    ingest_probes(store, probes, collection="again")
    assert store.execute("SELECT count(*), count(DISTINCT code) FROM question").fetchall() == [(272, 272)]


def test_the_first_survey_of_a_store_with_probes_needs_little_memory(empty_store: Path, tmp_path: Path) -> None:
    """The mapping comes in the same transaction, without statistics: joined by code alone, 5 million rows are held.

    DuckDB does so where the store has some of the questions, as published probes leave it: they have 254 of 272.
    """
    questions = wvs7().sides["question"].unique(maintain_order=True)[:254]
    probes = "".join(f"{place}\t{code}\t{code} [MASK]\ta\tb\n" for place, code in enumerate(questions))
    path = Path(shutil.copyfile(empty_store, tmp_path / "store.duckdb"))
    with connect(path, read_only=False) as store:
        ingest_probes(store, _file(tmp_path, f"\t0\t1\t2\t3\n{probes}", "de.csv"))
    codes: dict[str, set[int]] = {}
    for variable, code in wvs7().sides.select("variable", "response_code").iter_rows():
        codes.setdefault(variable, set()).add(code)
    rows = [
        f"{variable},{country},{code},{100 / len(known)}"
        for variable, known in codes.items()
        for country in ("DE", "PK", "VN", "RS", "KR", "IR", "RU", "US", "BD", "ID")
        for code in known
        if variable not in ("Q1", "Q27", "Q46")
    ]
    table = _file(tmp_path, "\n".join(["question,country,response_code,percent", *rows]))
    with connect(path, read_only=False) as store:
        store.execute("SET memory_limit = '128MB'; SET max_temp_directory_size = '0KB'")
        (report,) = ingest_survey(store, table, name="large")
    assert (report.rows_kept, report.rejected) == (len(rows), [])


def test_the_demo_is_taken_completely(store: duckdb.DuckDBPyConnection) -> None:
    """Every demo probe has survey answers to compare with: its question in the survey of its language's country."""
    demo = Path(str(files("mlv.ingest"))) / "demo"
    reports = ingest_probes(store, demo / "probes", collection="demo")
    reports += ingest_survey(store, demo / "survey.csv", name="demo", illustrative=True)
    assert [report.target for report in reports] == ["demo/fa", "demo/hi", "demo/ko", "demo/ru", "demo"]
    assert not any(report.rejected for report in reports)
    alone = store.execute(
        "SELECT p.language, p.question FROM v_probe p ANTI JOIN v_country_profile c ON c.question = p.question"
    ).fetchall()
    assert alone == []


def test_a_file_that_is_refused_leaves_the_store_as_it_was(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    before = _counts(store)
    with pytest.raises(DataError):
        ingest_survey(store, _file(tmp_path, "a,b\n1,2\n"), name="ours")
    assert _counts(store) == before


def _cosines(profiles: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Cosine of each pair of countries over the questions that both have, computed with polars."""
    wide = profiles.pivot("country", index="question", values="p_first")
    pairs = {}
    for one, other in combinations(sorted(set(profiles["country"])), 2):
        both = wide.select(a=pl.col(one), b=pl.col(other)).drop_nulls()
        cosine = (pl.col("a") * pl.col("b")).sum() / (pl.col("a").pow(2).sum() * pl.col("b").pow(2).sum()).sqrt()
        pairs[one, other] = float(both.select(cosine).item())
    return pairs


@pytest.fixture(scope="module")
def survey_of_46(
    empty_store: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A store with the published probes and unweighted shares of 46 countries, to read from."""
    copy = tmp_path_factory.mktemp("survey") / "store.duckdb"
    shutil.copyfile(empty_store, copy)
    with connect(copy, read_only=False) as connection:
        ingest_probes(connection, real_data / "probes" / "arora_probes.zip")
        _ingest_46(connection, real_data)
        yield connection


def _ingest_46(store: duckdb.DuckDBPyConnection, real_data: Path) -> None:
    path = real_data / "wvs" / "wvs7_percent_unweighted_46countries.csv.gz"
    (report,) = ingest_survey(store, path, name="wvs7-46")
    assert {row.item.split()[0] for row in report.rejected} == {"Q91", "Q92", "Q93", "Q153", "Q155", "Q157"}
    assert {row.reason for row in report.rejected} == {"no probe is about this question"}
    assert (report.rows_read, report.rows_kept) == (40929, 40929 - len(report.rejected))


@pytest.mark.real
def test_the_most_distant_countries_are_those_of_the_paper(survey_of_46: duckdb.DuckDBPyConnection) -> None:
    """Echoes section 6, Fig 13: Germany and Pakistan 0.84, Vietnam and Serbia 0.88, over weighted microdata.

    The shares at hand are unweighted and cover 182 of the 254 questions, 165 of the 237 of echoes-2024.
    """
    profiles = frame_of(
        survey_of_46,
        "SELECT probe_set, country, question, p_first FROM v_country_profile JOIN v_probe_set USING (question)",
    )
    available = {LANGUAGE_COUNTRY[code] for code in TEST_LANGUAGES} & set(profiles["country"])
    assert len(available) == 11
    published = {"wvs7-all": (182, 0.84, 0.86), "echoes-2024": (165, 0.835, 0.86)}
    for probe_set, (questions, low, high) in published.items():
        chosen = profiles.filter(pl.col("country").is_in(available), probe_set=probe_set)
        assert chosen["question"].n_unique() == questions
        cosines = _cosines(chosen)
        assert min(cosines, key=cosines.__getitem__) == ("DE", "PK")
        assert low <= cosines["DE", "PK"] <= high
        assert 0.86 <= cosines["RS", "VN"] <= 0.89


@pytest.mark.real
def test_profiles_agree_with_another_source(survey_of_46: duckdb.DuckDBPyConnection, real_data: Path) -> None:
    """Binary shares taken from weighted microdata by others, of questions that both cut at the same place.

    Each rule says which end it counts; the code at that end tells whether the mapping calls that side first.
    """
    other = pl.read_csv(real_data / "wvs" / "wvs7_binary_shares_65countries.csv", infer_schema_length=None)
    counted = pl.DataFrame(
        {"rule": ["binary_yes=1", "neighbor_mentioned", "top2of4", "6-10of10"], "response_code": [1, 1, 1, 10]}
    )
    published = (
        other.with_columns(
            question=pl.col("notes").str.extract(r"wvs_code=Q(\d+)"), rule=pl.col("notes").str.extract(r"rule=([^;]+)")
        )
        .unpivot(cs.starts_with("target_"), index=["question", "rule"], variable_name="country")
        .with_columns(pl.col("country").str.strip_prefix("target_"), pl.col("value").cast(pl.Float64))
        .join(counted, on="rule")
        .join(wvs7().sides, on=["question", "response_code"])
    )
    profiles = frame_of(survey_of_46, "SELECT country, question, p_first FROM v_country_profile")
    both = published.join(profiles, on=["country", "question"]).drop_nulls("value")
    expected = pl.when(pl.col("side") == "first").then("value").otherwise(1 - pl.col("value"))
    difference = both.select((expected - pl.col("p_first")).abs()).to_series()
    assert both["question"].n_unique() == 63
    assert both["country"].n_unique() == 46
    assert difference.mean() == pytest.approx(0, abs=0.01)
    assert difference.quantile(0.99) == pytest.approx(0, abs=0.05)
