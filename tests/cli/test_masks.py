"""Subnetworks from pruning to deletion: what a user types, and what then is in the store."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from classified_study import labelled_store, train_classifier
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.masks import Mask
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.store.opening import connect

MASKS = ("mask", "mask_head", "subnetwork", "subnetwork_part", "run_mask")
PRUNING = ("pruning_run", "pruning_step", "head_importance")
TRACE = ("--preset", "modularity", "--per-language", "4", "--top-k", "20", "--plan-only")


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    """A store with a classifier of 2 x 4 heads that was asked texts, and was pruned for German and for English."""
    mlv = labelled_store(tmp_path_factory.mktemp("pruned"), heads=4)
    run = train_classifier(mlv, "--examples", "80", "--epochs", "4")
    for language, step in (("de", "0.4"), ("en", "0.2")):
        done = mlv("compute", "prune", run, "--language", language, "--step", step, "--threads", "1")
        assert done.code == 0, done.err
    return mlv


@pytest.fixture
def mlv(pruned: Mlv, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """A copy of it."""
    return Mlv(Path(shutil.copytree(pruned.folder, tmp_path / "copy")), capsys)


def _classifier(mlv: Mlv) -> str:
    ((run,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'classify'")
    return str(run)


def _name(mlv: Mlv, language: str) -> str:
    ((name,),) = mlv.rows(f"SELECT subnetwork FROM v_subnetwork WHERE origin = 'pruned' AND languages = '{language}'")
    return str(name)


def _masks(mlv: Mlv) -> tuple[str, ...]:
    return tuple(word for code in ("de", "en") for word in ("--mask", f"{code}={_name(mlv, code)}"))


def test_pruning_enters_a_subnetwork_and_how_it_was_found(pruned: Mlv) -> None:
    german = _name(pruned, "de")
    ((task, run, layers, heads, enabled, parts),) = pruned.rows(
        f"SELECT task, pruned_run, layers, heads, enabled, parts FROM v_subnetwork WHERE run = '{german}'"
    )
    assert (task, run, layers, heads, parts) == ("praise", _classifier(pruned), 2, 4, None)
    outputs = JobDirectory(pruned.folder / "jobs" / german).outputs
    steps = pl.read_parquet(outputs / "steps.parquet")
    assert pruned.rows(
        f"SELECT iteration, enabled, score, kept FROM v_pruning_step WHERE run = '{german}' ORDER BY iteration"
    ) == list(steps.iter_rows())
    assert enabled == min(steps.filter("kept")["enabled"], default=8)
    mask = Mask(**pl.read_parquet(outputs / "masks.parquet").drop("language").row(0, named=True))
    assert pruned.rows(
        "SELECT layer, attention_head, h.enabled FROM v_mask_head h JOIN v_subnetwork USING (mask_id) "
        f"WHERE run = '{german}' ORDER BY ALL"
    ) == [(layer, head, bit) for layer, row in enumerate(mask.rows(), 1) for head, bit in enumerate(row, 1)]
    assert pruned.rows(f"SELECT count(*) FROM v_head_importance WHERE run = '{german}' AND iteration = 1") == [(8,)]
    assert pruned("db", "check").code == 0


def test_what_a_terminal_shows_of_a_subnetwork_is_its_mask(mlv: Mlv) -> None:
    german = _name(mlv, "de")
    heads = mlv.rows(
        "SELECT list(v_mask_head.enabled ORDER BY attention_head) FROM v_mask_head JOIN v_subnetwork USING (mask_id) "
        f"WHERE subnetwork = '{german}' GROUP BY layer ORDER BY layer"
    )
    drawn = [
        f"layer {layer}  {' '.join('.#'[bit] for bit in row)}  {sum(row)}" for layer, (row,) in enumerate(heads, 1)
    ]
    assert mlv("masks", "show", german[:10]).out.splitlines() == drawn
    exported = json.loads(mlv("masks", "export", german, "--format", "json").out)
    assert [row["enabled"] for row in exported] == [bit for (row,) in heads for bit in row]
    assert exported[4].keys() == {"layer", "attention_head", "enabled"}
    assert (exported[4]["layer"], exported[4]["attention_head"]) == (2, 1)


def test_subnetworks_are_derived_by_name_and_listed(mlv: Mlv) -> None:
    german, english = _name(mlv, "de"), _name(mlv, "en")
    made = [
        mlv("masks", "make", *words).out.strip()
        for words in (
            ("--shuffle", german[:12], "--seed", "3"),
            ("--shuffle", german, "--in-layers"),
            ("--union", f"{english}+{german}"),
            ("--random", "8", "--like", german, "--seed", "2"),
            ("--avoid", german, "--disable", "1"),
        )
    ]
    first, second = sorted((german, english))
    assert made == [
        f"shuffled({german},3)",
        f"shuffled_in_layers({german},1)",
        f"union({first},{second})",
        "random(2x4,8,2)",
        f"avoiding({german},1,1)",
    ]
    rows = {row["subnetwork"]: row for row in json.loads(mlv("masks", "list", "--json").out)}
    assert list(rows)[2:] == made
    assert rows["random(2x4,8,2)"]["remark"] == "every head"
    assert (rows["random(2x4,8,2)"]["task"], rows["random(2x4,8,2)"]["languages"]) == (None, None)
    assert rows[made[2]]["languages"] == "de,en"
    assert rows[made[0]]["enabled"] == rows[german]["enabled"]
    before = mlv.rows("FROM subnetwork")
    assert "already there" in mlv("masks", "make", "--shuffle", german, "--seed", "3").err
    assert mlv.rows("FROM subnetwork") == before
    assert mlv("db", "check").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), ExitCode.USAGE, "What is made is said in 0 ways"),
        (("--shuffle", "prune", "--random", "2"), ExitCode.USAGE, "said in 2 ways: --shuffle, --random"),
        (("--union", "a+b", "--seed", "1"), ExitCode.USAGE, "--seed says nothing of --union"),
        (("--avoid", "prune"), ExitCode.USAGE, "--avoid needs --disable"),
        (("--random", "2"), ExitCode.USAGE, "--random needs --like"),
        (("--shuffle", "none"), ExitCode.NOT_FOUND, "The store has no subnetwork none"),
        (("--shuffle", "prune-"), ExitCode.NOT_FOUND, "prune- is the beginning of 2 subnetworks"),
        (("--shuffle", "inverse(prune-1)"), ExitCode.NOT_FOUND, "does not say how a subnetwork is derived"),
        (("--random", "9", "--like", "random(2x4,8,2)"), ExitCode.USAGE, "9 of 2 x 4 heads cannot be enabled"),
    ],
)
def test_what_cannot_be_made_is_refused(mlv: Mlv, words: tuple[str, ...], code: ExitCode, said: str) -> None:
    done = mlv("masks", "make", *words)
    assert (done.code, said in done.err) == (code, True), done.err


def test_texts_are_asked_once_under_each_mask(mlv: Mlv) -> None:
    run, german = _classifier(mlv), _name(mlv, "de")
    whole = mlv.rows("FROM v_prediction ORDER BY ALL")
    done = mlv("compute", "predict", run, *_masks(mlv), "--threads", "1")
    assert done.code == 0, done.err
    # languages without a mask are not asked, and what was asked without masks stays as it is
    counts = "SELECT language, mask_id, count(*) FROM v_masked_prediction GROUP BY ALL ORDER BY ALL"
    masks = dict(mlv.rows("SELECT languages, mask_id FROM v_subnetwork"))
    assert mlv.rows(counts) == [("de", masks["de"], 40), ("en", masks["en"], 40)]
    assert mlv.rows("FROM v_prediction ORDER BY ALL") == whole
    assert german in done.out
    again = mlv("compute", "predict", run, *_masks(mlv))
    assert (again.code, "has predicted all that is asked" in again.err) == (0, True)
    # another mask of one language: this language alone is asked
    done = mlv("compute", "predict", run, *_masks(mlv)[:2], *_masks(mlv)[2:], "--shuffle", "5", "--threads", "1")
    assert done.code == 0, done.err
    ((spec,),) = mlv.rows("SELECT spec FROM v_run WHERE kind = 'predict' ORDER BY run_id DESC LIMIT 1")
    read = read_spec(spec)
    assert isinstance(read, PredictSpec)
    assert (read.masks or {})["de"] == f"shuffled({german},5)"
    assert mlv.rows(f"SELECT origin FROM v_run_mask WHERE subnetwork = 'shuffled({german},5)'") == [("shuffled",)]
    assert mlv("db", "check").code == 0


def test_what_is_traced_is_right_under_the_masks(mlv: Mlv) -> None:
    run, masks = _classifier(mlv), _masks(mlv)
    early = mlv("compute", "influence", run, *TRACE, *masks)
    assert early.code == ExitCode.NOT_FOUND
    assert "was not asked test in de, en under prune-" in early.err
    assert f"mlv compute predict {run} --split test --language de,en --mask 'de=prune-" in early.err
    assert mlv("compute", "predict", run, *masks, "--threads", "1").code == 0
    # as if the masked model were wrong of the first texts
    with connect(mlv.store, read_only=False) as connection:
        connection.execute(
            "UPDATE class_logit SET logit = -logit WHERE mask_id IS NOT NULL AND segment_id IN "
            "(SELECT segment_id FROM v_segment WHERE edition = 'test' AND position < 3)"
        )
    for words in (masks, ("--correct-under", masks[1], "--correct-under", masks[3], "--language", "de,en")):
        before = set((mlv.folder / "jobs").glob("influence-*"))
        done = mlv("compute", "influence", run, *TRACE, *words)
        assert done.code == 0, done.err
        (job,) = set((mlv.folder / "jobs").glob("influence-*")) - before
        wrong = mlv.rows("SELECT DISTINCT language, key FROM v_masked_prediction WHERE NOT correct")
        assert len(wrong) >= 6
        targets = set(pl.read_parquet(job / "inputs" / "targets.parquet").select("language", "question").iter_rows())
        assert len(targets) == 8
        assert not targets & set(wrong)
        assert JobDirectory(job).spec().model_dump()["training_masks"] == ("test" if words == masks else None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mask", "de=GERMAN"), "Masks are given for de; what is trained on are de, en, fr."),
        (("--mask", "ko=GERMAN", "--unmasked-language", "de,en,fr"), "what is trained on are de, en, fr. To have none"),
        (("--mask", "de=GERMAN+ENGLISH"), "de has several subnetworks: say what is made of them (combine)"),
        (("--mask", "de=GERMAN", "--combine", "union"), "there is nothing to make a union of"),
        (("--mask", "de=GERMAN", "--mask", "de=ENGLISH"), "--mask says something twice of the same"),
        (("--shuffle", "1"), "There is no mask to shuffle"),
        (("--updates", "strict"), "There are no masks"),
        (
            ("--mask", "de=random(3x4,2,1)", "--unmasked-language", "en,fr"),
            "a model with 3 x 4 heads; encoder has 2 x 4",
        ),
    ],
)
def test_masks_that_do_not_fit_a_training_are_refused(mlv: Mlv, words: tuple[str, ...], said: str) -> None:
    names = {"GERMAN": _name(mlv, "de"), "ENGLISH": _name(mlv, "en")}
    given = [word.replace("GERMAN", names["GERMAN"]).replace("ENGLISH", names["ENGLISH"]) for word in words]
    train = ("compute", "classify", "--task", "praise", "--language", "de,en,fr", "--examples", "20", "--plan-only")
    done = mlv(*train, "--model", str(mlv.folder / "encoder"), *given)
    assert (done.code, said in done.err) == (ExitCode.USAGE, True), done.err


def test_a_mask_of_another_model_or_without_heads_is_refused(mlv: Mlv) -> None:
    run, german = _classifier(mlv), _name(mlv, "de")
    with connect(mlv.store, read_only=False) as connection:
        connection.execute(
            "INSERT INTO base_model SELECT * REPLACE (90 AS base_model_id, 'other' AS name, 'o' AS digest) "
            "FROM base_model LIMIT 1"
        )
        connection.execute("INSERT INTO checkpoint VALUES (900, 90, NULL, 0, 0, TRUE, 'other', 'o')")
        connection.execute(f"UPDATE run SET start_checkpoint_id = 900 WHERE name = '{german}'")
    done = mlv("compute", "predict", run, "--mask", f"de={german}")
    assert done.code == ExitCode.USAGE
    assert f"{german} is a subnetwork of other, from which {run}/epoch-" in done.err
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE mask SET bits = '00', enabled = 0")
    empty = ("compute", "predict", run, "--plan-only", "--mask", f"de={_name(mlv, 'en')}")
    done = mlv(*empty)
    assert (done.code, "enables no head" in done.err) == (ExitCode.USAGE, True)
    assert mlv(*empty, "--allow-empty").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "was trained on de, en, fr."),
        (("--language", "ko"), "was not trained on ko, but on de, en, fr."),
        (("--language", "de", "--checkpoint", "9"), "has no epoch 9; it has "),
        (("--language", "de", "--threshold", "1.5"), "--threshold: should be less than or equal to 1"),
    ],
)
def test_what_cannot_be_pruned_is_refused(mlv: Mlv, words: tuple[str, ...], said: str) -> None:
    done = mlv("compute", "prune", _classifier(mlv), *words)
    assert (done.code, said in done.err) == (ExitCode.USAGE, True), done.err


def test_a_run_of_another_kind_is_not_pruned(mlv: Mlv) -> None:
    done = mlv("compute", "prune", _name(mlv, "de"))
    assert (done.code, "is a prune run; what can be pruned is a classifier" in done.err) == (ExitCode.USAGE, True)


@pytest.fixture
def used(mlv: Mlv) -> Mlv:
    """With derived subnetworks, by command and by a run alone, and texts that were asked under them."""
    german = _name(mlv, "de")
    made = mlv("masks", "make", "--shuffle", german).out.strip()
    assert mlv("masks", "make", "--union", f"{made}+{_name(mlv, 'en')}").code == 0
    assert mlv("masks", "make", "--random", "3", "--like", german).code == 0
    run = _classifier(mlv)
    assert mlv("compute", "predict", run, "--mask", f"de={german}", "--shuffle", "9", "--threads", "1").code == 0
    return mlv


@pytest.mark.parametrize("kept", ["journal", "store", "both"])
def test_masks_are_made_again_row_for_row(used: Mlv, kept: str) -> None:
    before = _content(used)
    if kept == "journal":
        used.store.unlink()
    elif kept == "store":
        used.store.with_name("mlv.duckdb.journal.jsonl").unlink()
    done = used("db", "rebuild", "--sources", str(used.folder))
    assert done.code == 0, done.err
    assert _content(used) == before
    assert used("db", "check").code == 0


def _content(mlv: Mlv) -> dict[str, tuple[int, int]]:
    with connect(mlv.store) as connection:
        found = fingerprints(connection)
    return {table: found[table] for table in (*MASKS, *PRUNING, "class_logit")}


def test_with_a_prune_run_goes_what_is_derived_from_it_and_runs_keep_their_masks(used: Mlv) -> None:
    german, english = _name(used, "de"), _name(used, "en")
    logits = used.rows("SELECT count(*) FROM v_masked_prediction")
    assert "3 subnetwork" not in used("runs", "delete", german).err
    assert "4 subnetwork" in used("runs", "delete", german).err
    assert used("runs", "delete", german, "--yes").code == 0
    assert {name for (name,) in used.rows("SELECT subnetwork FROM v_subnetwork")} == {english, "random(2x4,3,1)"}
    assert used.rows("SELECT count(*) FROM v_masked_prediction") == logits == [(40,)]
    assert used.rows("SELECT subnetwork, origin FROM v_run_mask") == [(f"shuffled({german},9)", None)]
    # that of the run, that of the English one, and the random one
    assert used.rows("SELECT count(*) FROM mask") == [(3,)]
    assert used("db", "check").code == 0
    before = _content(used)
    assert used("db", "rebuild").code == 0
    assert _content(used) == before
    ((asked,),) = used.rows("SELECT DISTINCT run FROM v_run_mask")
    assert used("runs", "delete", asked, "--yes").code == 0
    assert used.rows("SELECT count(*) FROM mask") == [(2,)]
    assert used("db", "check").code == 0


def test_a_run_takes_the_subnetworks_that_it_used_to_another_store(used: Mlv, tmp_path: Path) -> None:
    ((asked,),) = used.rows("SELECT DISTINCT run FROM v_run_mask")
    archive = tmp_path / "runs.zip"
    assert used("runs", "export", asked, "-o", str(archive)).code == 0
    other, merged = (_labelled(tmp_path / name) for name in ("other", "merged"))
    done = other("runs", "import", str(archive))
    assert done.code == 0, done.err
    german = _name(used, "de")
    names = {name for (name,) in other.rows("SELECT subnetwork FROM v_subnetwork")}
    assert names == {german, f"shuffled({german},9)"}
    done = merged("db", "merge", str(used.store))
    assert done.code == 0, done.err
    assert _content(merged) == _content(used)


def _labelled(folder: Path) -> Mlv:
    folder.mkdir()
    return labelled_store(folder, heads=4)
