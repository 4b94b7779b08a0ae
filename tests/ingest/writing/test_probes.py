"""Writing probes: keys, polarity, probe sets, and what happens the second time."""

from pathlib import Path

import duckdb
import pytest

from mlv.ingest.writing.probe_sets import choose_questions, make_probe_set
from mlv.ingest.writing.probes import ARORA, ingest_probes
from mlv.schema.errors import DataError, MlvError, UsageError
from mlv.schema.papers.echoes import ECHOES_EXCLUDED_QUESTIONS, TEST_LANGUAGES
from mlv.schema.tables.metadata import table_names

HEADER = "\t0\t1\t2\t3"
ROWS = {
    "1": "Familie ist [MASK]\twichtig\tunwichtig",
    "16": "Kinder lernen [MASK]e Dinge\tgut\tschlecht",
    "18": "Es ist mir [MASK] zu\tunangenehm,\tentmutigt",
    "106a": "Ich [MASK] zu\tstimme\tstimme nicht",
    "176": "Moral ist [MASK]\tklar\tunklar",
}


def _file(folder: Path, language: str, rows: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER, *(f"{index}\t{code}\t{row}" for index, (code, row) in enumerate(rows.items()))]
    path = folder / f"{language}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _counts(store: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table."""
    return {name: store.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0] for name in table_names()}


def _set(store: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    found = store.execute("SELECT question FROM v_probe_set WHERE probe_set = ? ORDER BY number, 1", [name])
    return [row[0] for row in found.fetchall()]


def test_probes_come_with_question_category_and_repairs(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (report,) = ingest_probes(store, _file(tmp_path, "de", ROWS))
    assert (report.kind, report.target, report.name) == ("probes", "arora-2023/de", "de.csv")
    assert (report.rows_read, report.rows_kept, report.rows_repaired, report.rejected) == (5, 5, 1, [])
    found = store.execute(
        "SELECT question, number, category, v.answer_first, mask_suffix, v.polarity "
        "FROM v_probe v JOIN probe USING (probe_id) WHERE language = 'de' ORDER BY number"
    ).fetchall()
    assert found == [
        ("1", 1, "social_values", "wichtig", "", "canonical"),
        ("16", 16, "social_values", "gut", "e", "canonical"),
        ("18", 18, "social_values", "unangenehm", "", "undefined"),
        ("106a", 106, "economic_values", "stimme", "", "canonical"),
        ("176", 176, "ethical_values", "klar", "", "canonical"),
    ]
    assert store.execute("SELECT citation FROM probe_collection").fetchall()[0][0].startswith("Arnav Arora")


def test_polarity_is_that_of_the_language_and_of_the_published_collection(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    ingest_probes(store, _file(tmp_path, "fa", ROWS))
    ingest_probes(store, _file(tmp_path, "fa", ROWS), collection="ours", citation="We (2025)")
    polarity = store.execute("SELECT polarity FROM v_probe WHERE question = '16' ORDER BY collection").fetchall()
    assert polarity == [("reversed",), ("canonical",)]
    assert store.execute("SELECT DISTINCT polarity FROM v_probe WHERE collection = 'ours'").fetchall() == [
        ("canonical",)
    ]
    assert store.execute("SELECT citation FROM probe_collection WHERE code = 'ours'").fetchall() == [("We (2025)",)]


def test_rejects_are_kept_with_their_file(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    _file(tmp_path / "probes" / "wvs", "de", ROWS | {"152a": "Das ist [MASK]\twichtig\t"})
    _file(tmp_path / "probes" / "hofstede", "de", {"0": "x [MASK]\ta\tb"})
    ingest_probes(store, tmp_path / "probes")
    assert store.execute("SELECT target, file, line, item, reason FROM v_reject ORDER BY line").fetchall() == [
        (
            "arora-2023/hofstede/de.csv",
            "probes/hofstede/de.csv",
            0,
            "",
            "not read: Hofstede's questions are not of the World Values Survey",
        ),
        ("arora-2023/de", "probes/wvs/de.csv", 7, "question 152a", "no second answer: nominal question"),
    ]
    kept = store.execute("SELECT rows_read, rows_kept, rows_rejected, rows_repaired FROM ingest_file ORDER BY 1")
    assert kept.fetchall() == [(0, 0, 1, 0), (6, 5, 1, 1)]


def test_the_same_content_again_changes_nothing(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _file(tmp_path, "de", ROWS | {"152a": "Das ist [MASK]\twichtig\t"})
    first = ingest_probes(store, path)
    before, sealed = _counts(store), store.execute("SELECT sha256 FROM probe_collection").fetchall()
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    again = ingest_probes(store, path)
    assert [report.already_there for report in first + again] == [False, True]
    assert _counts(store) == before
    assert store.execute("SELECT sha256 FROM probe_collection").fetchall() == sealed


def test_other_content_under_the_same_name_is_refused(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_probes(store, _file(tmp_path, "de", ROWS))
    before = _counts(store)
    _file(tmp_path / "new", "fa", ROWS)
    _file(tmp_path / "new", "de", ROWS | {"1": "Familie war [MASK]\twichtig\tunwichtig"})
    with pytest.raises(
        DataError, match=r"other probes than these files:\n  - de.csv \(de\): 1 questions, e.g. 1\n"
    ) as e:
        ingest_probes(store, tmp_path / "new")
    assert "--collection NAME" in e.value.hint
    assert _counts(store) == before
    ingest_probes(store, tmp_path / "new", collection="new")
    assert _counts(store)["probe"] == 3 * len(ROWS)


def test_a_language_can_be_added_later(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Order and grouping of the files do not matter to what the collection has."""
    german = {code: ROWS[code] for code in ("106a", "1", "176")}
    together = tmp_path / "together"
    ingest_probes(store, _file(together, "de", german))
    assert _set(store, "wvs7-all") == ["1", "106a", "176"]
    ingest_probes(store, _file(together, "fa", ROWS))
    assert _set(store, "wvs7-all") == ["1", "16", "18", "106a", "176"]
    ingest_probes(store, together, collection="at-once")
    assert _set(store, "at-once-all") == _set(store, "wvs7-all")
    digests = store.execute("SELECT DISTINCT sha256 FROM probe_collection").fetchall()
    assert len(digests) == 1 and len(digests[0][0]) == 64


def test_the_probe_set_of_the_paper_is_of_the_published_collection_alone(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Of the five, 106a is of an excluded category and 176 is the question left out by inference."""
    ingest_probes(store, _file(tmp_path, "de", ROWS), collection="ours")
    assert [row[0] for row in store.execute("SELECT code FROM probe_set").fetchall()] == ["ours-all"]
    ingest_probes(store, _file(tmp_path, "de", ROWS))
    assert _set(store, "echoes-2024") == ["1", "16", "18"]
    assert _set(store, "echoes-238") == ["1", "16", "18", "176"]


def test_a_collection_cannot_take_over_a_probe_set(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _file(tmp_path, "de", ROWS)
    ingest_probes(store, path)
    before = _counts(store)
    with pytest.raises(UsageError, match="probe set wvs7-all belongs to another collection"):
        ingest_probes(store, path, collection="wvs7")
    assert _counts(store) == before


def test_nothing_is_written_if_one_file_is_bad(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    before = _counts(store)
    _file(tmp_path, "de", ROWS)
    (tmp_path / "fa.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"fa\.csv is empty"):
        ingest_probes(store, tmp_path)
    assert _counts(store) == before


@pytest.mark.real
def test_the_archive_and_its_probe_sets(store: duckdb.DuckDBPyConnection, real_data: Path) -> None:
    path = real_data / "probes" / "arora_probes.zip"
    reports = ingest_probes(store, path)
    kept = {report.target: report.rows_kept for report in reports if report.rows_kept}
    assert kept == {f"{ARORA}/{code}": {"bn": 253, "sr": 252}.get(code, 254) for code in TEST_LANGUAGES}
    assert (len(_set(store, "wvs7-all")), len(_set(store, "echoes-238"))) == (254, 238)
    per_category = store.execute(
        "SELECT category, count(*) FROM v_probe_set JOIN category c ON c.code = category "
        "WHERE probe_set = 'echoes-2024' GROUP BY ALL ORDER BY min(first_number)"
    ).fetchall()
    # Dissertation Table 7.1 counts question 56 with social capital: 10 and 47 there, 11 and 46 by number.
    counts = dict(per_category)
    counts["happiness"] -= 1
    counts["social_capital"] += 1
    assert list(counts.values()) == [45, 10, 47, 9, 9, 21, 6, 9, 22, 35, 24]
    assert sum(counts.values()) == 237
    assert not set(_set(store, "echoes-2024")) & set(ECHOES_EXCLUDED_QUESTIONS)
    before = _counts(store)
    assert all(report.already_there for report in ingest_probes(store, path))
    assert _counts(store) == before


def test_a_further_question_has_its_set_drawn_anew(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    def drawn() -> list[tuple[object, ...]]:
        return store.execute(
            "SELECT probe_set, count(DISTINCT resample), sum(times) FROM v_resample GROUP BY ALL ORDER BY ALL"
        ).fetchall()

    ingest_probes(store, _file(tmp_path, "de", {code: ROWS[code] for code in ("1", "16", "176")}))
    assert drawn() == [("echoes-2024", 2000, 2 * 2000), ("echoes-238", 2000, 3 * 2000), ("wvs7-all", 2000, 3 * 2000)]
    before = store.execute("FROM v_resample ORDER BY ALL").fetchall()
    ingest_probes(store, _file(tmp_path, "fa", {"16": ROWS["16"]}))
    assert store.execute("FROM v_resample ORDER BY ALL").fetchall() == before
    ingest_probes(store, _file(tmp_path, "ko", ROWS))
    assert drawn() == [("echoes-2024", 2000, 3 * 2000), ("echoes-238", 2000, 4 * 2000), ("wvs7-all", 2000, 5 * 2000)]


def _batteries(store: duckdb.DuckDBPyConnection, probe_set: str) -> dict[str, str]:
    rows = store.execute("SELECT question, battery FROM v_probe_set WHERE probe_set = ?", [probe_set]).fetchall()
    return dict(rows)


def _with_batteries(folder: Path, language: str, batteries: dict[str, str]) -> Path:
    path = _file(folder, language, {code: ROWS[code] for code in batteries})
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    said = [f"{row}\t{battery}" for row, battery in zip(rows, batteries.values(), strict=True)]
    path.write_text("\n".join([f"{header}\tbattery", *said]) + "\n", encoding="utf-8")
    return path


def test_questions_have_the_batteries_of_the_questionnaire(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_probes(store, _file(tmp_path, "de", ROWS))
    expected = {"1": "1-6", "16": "7-17", "18": "18-26", "106a": "106-110", "176": "176"}
    assert _batteries(store, "wvs7-all") == expected


def test_a_file_says_its_own_batteries(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Of what it leaves open, those of the questionnaire."""
    ingest_probes(store, _with_batteries(tmp_path, "de", {"1": "mine", "16": "mine", "18": ""}), collection="ours")
    assert _batteries(store, "ours-all") == {"1": "mine", "16": "mine", "18": "18-26"}
    assert store.execute("SELECT DISTINCT battery FROM v_resample ORDER BY ALL").fetchall() == [("18-26",), ("mine",)]


def test_a_question_is_of_one_battery_in_all_languages(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    _with_batteries(folder, "de", {"1": "mine", "16": "mine"})
    _with_batteries(folder, "fa", {"1": "mine", "16": "other"})
    said = r"Question 16 is of the battery 'mine', but fa\.csv, line 3 says 'other'"
    with pytest.raises(DataError, match=said) as raised:
        ingest_probes(store, folder, collection="ours")
    assert "Nothing was written" in raised.value.hint
    assert _counts(store)["probe"] == 0


@pytest.mark.parametrize("language", ["de", "fa"])
def test_batteries_that_are_there_are_not_changed(
    store: duckdb.DuckDBPyConnection, tmp_path: Path, language: str
) -> None:
    ingest_probes(store, _with_batteries(tmp_path, "de", {"1": "mine", "16": "mine"}), collection="ours")
    before = _counts(store)
    with pytest.raises(DataError, match="16"):
        ingest_probes(store, _with_batteries(tmp_path / "new", language, {"1": "mine", "16": "new"}), collection="ours")
    assert _counts(store) == before
    assert _batteries(store, "ours-all") == {"1": "mine", "16": "mine"}


OWN = (
    "question,template,answer_first,answer_second,battery,category,polarity\n"
    "own-1,Nachbarn sind [MASK].,nett,laut,n,neighbours,\n"
    "own-2,Lärm ist [MASK].,schlecht,gut,n,neighbours,reversed\n"
    "own-3,Brot ist [MASK].,gut,schlecht,,,\n"
    "1,Familie ist [MASK].,wichtig,unwichtig,,,\n"
)


def _own(folder: Path, text: str = OWN, language: str = "de") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{language}.csv").write_text(text, encoding="utf-8")
    return folder / f"{language}.csv"


def test_questions_of_ones_own_have_categories_batteries_and_sides(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (report,) = ingest_probes(store, _own(tmp_path), collection="ours")
    assert report.remarks == ["taken as questions of World Values Survey wave 7, by their identifiers: 1"]
    rows = store.execute(
        "SELECT question, p.number, p.category, battery, polarity FROM v_probe p JOIN v_probe_set s "
        "USING (collection, question) WHERE probe_set = 'ours-all' ORDER BY question"
    ).fetchall()
    assert rows == [
        ("1", 1, "social_values", "1-6", "canonical"),
        ("own-1", None, "neighbours", "n", "canonical"),
        ("own-2", None, "neighbours", "n", "reversed"),
        ("own-3", None, "other", "own-3", "canonical"),
    ]
    assert store.execute("SELECT category_id, code FROM category WHERE first_number IS NULL ORDER BY 1").fetchall() == [
        (14, "neighbours"),
        (15, "other"),
    ]


def test_what_is_of_no_published_collection_needs_a_name(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    before = _counts(store)
    with pytest.raises(UsageError, match="not probes of arora-2023: they ask own-1, own-2, own-3") as caught:
        ingest_probes(store, _own(tmp_path))
    assert "--collection NAME" in caught.value.hint
    known = OWN.splitlines()[0] + "\n" + OWN.splitlines()[-1] + "\n"
    with pytest.raises(UsageError, match="their columns have names"):
        ingest_probes(store, _own(tmp_path, known))
    assert _counts(store) == before


def test_a_question_has_one_category_and_its_answers_one_side(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_probes(store, _own(tmp_path), collection="ours")
    before = _counts(store)
    with pytest.raises(DataError, match="own-1 is in neighbours, not in noise"):
        ingest_probes(store, _own(tmp_path / "b", OWN.replace(",neighbours", ",noise")), collection="others")
    with pytest.raises(DataError, match=r"other probes than these files:\n  - de.csv \(de\): 1 questions, e.g. own-2"):
        ingest_probes(store, _own(tmp_path / "c", OWN.replace("reversed", "undefined")), collection="ours")
    folder = _own(tmp_path / "d", language="de").parent
    _own(folder, OWN.replace(",neighbours,\n", ",noise,\n"), "ro")
    with pytest.raises(DataError, match=r"own-1 is of the category 'neighbours', but ro\.csv, line 2 says 'noise'"):
        ingest_probes(store, folder, collection="others")
    assert _counts(store) == before
    # who does not say leaves it where it is
    ingest_probes(store, _own(tmp_path / "e", OWN.replace(",neighbours", ","), "ro"), collection="ours")
    assert store.execute("SELECT DISTINCT category FROM v_probe WHERE question = 'own-1'").fetchall() == [
        ("neighbours",)
    ]


def test_a_language_is_compared_with_further_countries(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for _ in range(2):
        ingest_probes(store, _own(tmp_path), collection="ours", countries={"German": ["AUT"], "de": ["Switzerland"]})
    rows = store.execute("SELECT country FROM v_language_country WHERE language = 'de' ORDER BY ALL").fetchall()
    assert rows == [("AT",), ("CH",), ("DE",)]
    with pytest.raises(UsageError, match="--country names sw, and these files have no probes in that language"):
        ingest_probes(store, _own(tmp_path), collection="ours", countries={"sw": ["KE"]})
    with pytest.raises(UsageError, match="no country 'Atlantis'"):
        ingest_probes(store, _own(tmp_path), collection="ours", countries={"de": ["Atlantis"]})


def test_a_probe_set_is_made_of_categories_or_a_list(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ingest_probes(store, _own(tmp_path), collection="ours")
    chosen = choose_questions(store, "ours", ["neighbours", "social_values"])
    assert chosen == ["1", "own-1", "own-2"]
    assert choose_questions(store, "ours", named=["own-3", "1", "own-3"]) == ["own-3", "1"]
    assert choose_questions(store, "ours", ["neighbours"], ["own-2", "1"]) == ["own-2"]
    made = [make_probe_set(store, "mine", collection="ours", questions=chosen, description="ours") for _ in range(2)]
    assert made == [True, False]
    assert _set(store, "mine") == chosen
    assert _batteries(store, "mine") == {"1": "1-6", "own-1": "n", "own-2": "n"}
    resamples = store.execute("SELECT count(DISTINCT resample), sum(times) FROM v_resample WHERE probe_set = 'mine'")
    assert resamples.fetchall() == [(2000, 2 * 2000)]
    before = _counts(store)
    with pytest.raises(DataError, match="The store has a probe set mine with 3 questions"):
        make_probe_set(store, "mine", collection="ours", questions=["1"])
    with pytest.raises(DataError, match="has a probe set ours-all"):
        make_probe_set(store, "ours-all", collection="ours", questions=["1"])
    assert _counts(store) == before


@pytest.mark.parametrize(
    ("collection", "categories", "named", "message"),
    [
        ("absent", ["other"], None, "no probe collection absent; it has ours"),
        ("ours", [], None, "No questions are chosen"),
        ("ours", ["noise"], None, "ours has no category noise"),
        ("ours", [], ["own-9"], "ours has no question own-9"),
        ("ours", ["other"], ["own-1"], "None of the named questions is in these categories"),
    ],
)
def test_a_choice_of_nothing_is_refused(
    store: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    collection: str,
    categories: list[str],
    named: list[str] | None,
    message: str,
) -> None:
    ingest_probes(store, _own(tmp_path), collection="ours")
    with pytest.raises(MlvError, match=message):
        choose_questions(store, collection, categories, named)
