"""Tracing and validating runs from the command line, with workers' outputs written by hand."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from command_line import Mlv
from finished_jobs import write
from traced_study import Runs, add_runs

from mlv.cli import edge
from mlv.compute.attribution.distributions import EPOCH_TESTS, HISTOGRAMS
from mlv.compute.validation.lds import LDS
from mlv.compute.validation.study import RESULTS
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.validate import ValidateSpec

DEMO = Path(str(files("mlv.ingest") / "demo"))
TOP_K = 4


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs]:
    """A store with the demo's probes and two of its corpora, and the runs of :mod:`traced_study`."""
    folder = tmp_path_factory.mktemp("base")
    mlv = Mlv(folder)
    mlv("db", "upgrade")
    mlv("ingest", "probes", str(DEMO / "probes"), "--collection", "demo", "--citation", "own")
    for language in ("fa", "ko"):
        text = str(DEMO / "corpus" / f"{language}.txt")
        assert mlv("ingest", "corpus", text, "--source", "lines", "--language", language).code == 0
    return folder, add_runs(mlv.store)


@pytest.fixture
def runs(_base: tuple[Path, Runs]) -> Runs:
    return _base[1]


@pytest.fixture
def mlv(_base: tuple[Path, Runs], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on a copy of the study; the model that its runs started from is there."""
    shutil.copytree(_base[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "nano").mkdir()
    JobDirectory(tmp_path / "jobs" / _base[1].traced).update_provenance(model_paths={"nano": str(tmp_path / "nano")})
    capsys.readouterr()
    return Mlv(tmp_path, capsys)


def _planned(mlv: Mlv, kind: str) -> JobDirectory:
    """The one job of a kind that is not committed."""
    known = {name for (name,) in mlv.rows("SELECT name FROM run")}
    (path,) = (path for path in (mlv.folder / "jobs").glob(f"{kind}-*") if path.name not in known)
    return JobDirectory(path)


def _influence_done(job: JobDirectory) -> JobDirectory:
    """Play the worker: three Farsi examples and a Korean one speak for each answer, two of each against it."""
    spec = job.spec()
    assert isinstance(spec, InfluenceSpec)
    targets = pl.read_parquet(job.inputs / "targets.parquet")
    examples = pl.read_parquet(job.inputs / "examples.parquet").filter(split="train")
    by_language = {code: examples.filter(language=code)["position"].to_list() for code in ("fa", "ko")}
    fa, ko = by_language["fa"], by_language["ko"]
    ranked = {"positive": [fa[0], ko[0], fa[1], fa[2]], "negative": [ko[3], fa[3], ko[4], fa[4]]}
    tracin = spec.attribution.method == "tracin"
    rows = [
        (target, language, question, epoch, answer)
        for epoch in ([None, 1, 2] if tracin else [None])
        for target, language, question, answer in targets.select("target", "language", "question", "answer").rows()
    ]
    found = pl.DataFrame(
        [(number, *row[1:], -1.0) for number, row in enumerate(rows)],
        schema={
            "target": pl.Int32,
            "language": pl.String,
            "question": pl.String,
            "epoch": pl.Int32,
            "answer": pl.Int8,
            "value": pl.Float64,
        },
        orient="row",
    )
    numbers = found["target"].to_list()
    rankings = pl.DataFrame(
        [
            (number, direction, rank, position, (1 if direction == "positive" else -1) / rank)
            for number in numbers
            for direction, positions in ranked.items()
            for rank, position in enumerate(positions, start=1)
        ],
        schema=["target", "direction", "rank", "position", "score"],
        orient="row",
    )
    summaries = pl.DataFrame(
        [(number, code, len(by_language[code]), 0.0, 4.0, -1.0, 1.0) for number in numbers for code in ("fa", "ko")],
        schema=["target", "language", "n", "score_sum", "score_sum_squares", "score_min", "score_max"],
        orient="row",
    )
    histograms = pl.DataFrame(
        [
            (number, code, place, n)
            for number in found.filter(pl.col("epoch").is_null())["target"]
            for code in ("fa", "ko")
            for place, n in ((-2, 1), (2, len(by_language[code]) - 1))
        ],
        schema=HISTOGRAMS,
        orient="row",
    )
    tests = pl.DataFrame(
        [(targets.height + place, 2 * targets.height + place, 2, 0.5, 0.625) for place in range(targets.height)],
        schema=EPOCH_TESTS,
        orient="row",
    )
    (job.outputs).mkdir(exist_ok=True)
    (job.outputs / "run.json").write_text(json.dumps({"examples": examples.height, "bin_width": 0.5}))
    frames = {"targets": found, "rankings": rankings, "summaries": summaries, "histograms": histograms}
    return write(job, **frames, **({"epoch_tests": tests} if tracin else {}))


def _validation_done(job: JobDirectory) -> JobDirectory:
    """Play the worker: rho is 0.5 for the first attribution, and 0.25 for a baseline whose null is as wide."""
    spec = job.spec()
    assert isinstance(spec, ValidateSpec)
    targets = pl.read_parquet(job.inputs / "targets.parquet")
    rows = [
        ("lds", "shift", scores, language, question, "same", None, None, None, 0, 3, value, None)
        for scores, value in (("trak-exact", 0.5), ("bm25", 0.25))
        for language, question in targets.select("language", "question").rows()
    ]
    shared = ("same", targets.height, 1, 3)
    correlations = [
        ("lds", "shift", "trak-exact", *shared, 0.5, None, None, None, None, None, 0.0, 0.125),
        ("lds", "shift", "bm25", *shared, 0.25, None, None, -0.25, None, None, 0.125, 0.125),
    ]
    examples = pl.read_parquet(job.inputs / "examples.parquet").filter(split="train").height
    job.outputs.mkdir(exist_ok=True)
    (job.outputs / "run.json").write_text(json.dumps({"examples": examples}))
    found = pl.DataFrame(rows, schema=RESULTS, orient="row")
    lds = pl.DataFrame(correlations, schema=LDS, orient="row")
    return write(job, validation=found, lds=lds, retrainings=found, subsets=found, removals=found)


def _trace(mlv: Mlv, run: str, *more: str) -> str:
    """Trace a run with a played worker; the name of the influence run."""
    command = ("compute", "influence", run, "--top-k", str(TOP_K), *more)
    assert mlv(*command, "--plan-only").code == 0
    name = _influence_done(_planned(mlv, "influence")).path.name
    done = mlv(*command)
    assert done.code == 0, done.err
    return name


def _table(printed: str) -> list[list[str]]:
    """Cells of a printed table without its head."""
    return [line.split() for line in printed.splitlines()[2:]]


def test_tracing_commits_and_prints_where_the_examples_come_from(mlv: Mlv, runs: Runs) -> None:
    command = ("compute", "influence", runs.traced, "--top-k", "4", "--language", "Korean,Farsi")
    planned = mlv(*command, "--plan-only")
    assert planned.code == 0
    job = _planned(mlv, "influence")
    assert planned.err == f"probe set demo-all, as in queries (another one: --probe-set)\nplanned: {job.path}\n"
    named = mlv(*command, "--plan-only", "--probe-set", "demo-all")
    assert named.err == f"planned: {job.path}\n"
    assert f"not committed: {job.path.name} (planned)" in mlv("runs", "list").err
    _influence_done(job)
    done = mlv(*command)
    assert done.code == 0, done.err
    assert f"{job.path.name}: committed" in done.err
    # 3 of 4 and 1 of 4 examples speak for an answer; half of all 32 are in each language
    assert [row[:5] for row in _table(done.out)] == [
        [test, language, contribution, "50.000", lift]
        for test in ("fa", "ko")
        for language, contribution, lift in (("fa", "75.000", "1.500"), ("ko", "25.000", "0.500"))
    ]
    assert f"mlv query run language_contribution -p run={job.path.name}" in done.err
    again = mlv(*command)
    assert (again.code, again.out) == (0, done.out)
    assert "already committed" in again.err
    assert mlv("db", "check").code == 0


def test_options_reach_the_specification(mlv: Mlv, runs: Runs) -> None:
    options = (
        "--method trak --targets all --language ko --trace shift --top-k 7 --similarity cosine --kernel module "
        "--lambda 0.5 --weights equal --output log_odds --corruptions epoch --projection random --dimensions 8 "
        "--modules output,attention --stacks decoder --checkpoints 1 --probe-set demo-all --keep-scores --seed 3 "
        f"--with-run {runs.other_seed}"
    )
    done = mlv("compute", "influence", runs.traced, *options.split(), "--plan-only")
    assert done.code == 0, done.err
    spec = json.loads((_planned(mlv, "influence").path / "job.json").read_text())
    assert spec["attribution"] == {
        "method": "trak",
        "similarity": "cosine",
        "kernel": "module",
        "damping": 0.5,
        "confidence": False,
        "weights": "equal",
        "gradients": {
            "output": "log_odds",
            "corruptions": "epoch",
            "modules": ["attention", "output"],
            "stacks": ["decoder"],
            "projection": "random",
            "dimensions": 8,
            "seed": 3,
        },
    }
    assert [model["name"] for model in spec["checkpoints"]] == [f"{runs.traced}/epoch-1", f"{runs.other_seed}/epoch-2"]
    wanted = {
        "selection": "all",
        "quantity": "shift",
        "top_k": 7,
        "keep_scores": True,
        "seed": 3,
        "languages": ["ko"],
        "probe_set": "demo-all",
    }
    assert {name: spec[name] for name in wanted} == wanted


def test_validating_commits_and_prints_how_well_scores_predict(mlv: Mlv, runs: Runs) -> None:
    options = "--halves 3 --attribution exact --k 5,10 --trace shift,margin --removal-seeds 2"
    command = ("compute", "validate-influence", runs.traced, *options.split())
    assert mlv(*command, "--plan-only").code == 0
    job = _planned(mlv, "validate")
    spec = job.spec()
    assert isinstance(spec, ValidateSpec)
    assert (spec.halves, spec.other_seed_halves, spec.removal_targets, spec.removal_k) == (3, 64, 30, (5, 10))
    assert (spec.quantities, spec.removal_seeds) == (("shift", "margin"), 2)
    _validation_done(job)
    done = mlv(*command)
    assert done.code == 0, done.err
    # each has a null of its own: 0.5 lies 4 standard deviations of 0.125 above 0, 0.25 one above 0.125
    assert [row[:4] + row[-1:] for row in _table(done.out)] == [
        ["lds", "shift", "same", "bm25", "1.000"],
        ["lds", "shift", "same", "trak-exact", "4.000"],
    ]
    assert "A smoke test: the LDS of 3 models" in done.err and "--halves 64" in done.err
    assert "--other-seed-halves" not in done.err


def test_influence_runs_are_listed(mlv: Mlv, runs: Runs) -> None:
    name = _trace(mlv, runs.traced)
    listed = mlv("influence", "list", "--format", "jsonl")
    (row,) = map(json.loads, listed.out.splitlines())
    assert (row["run"], row["traced_run"], row["kind"]) == (name, runs.traced, "influence")
    assert (row["ft_languages"], row["method"], row["examples"], row["top_k"]) == ("fa,ko", "trak", 32, TOP_K)


def test_the_examples_behind_a_value_are_shown(mlv: Mlv, runs: Runs) -> None:
    name = _trace(mlv, runs.traced)
    shown = mlv("influence", "show", name, "--item", "2", "--language", "Farsi", "--top", "2", "--format", "jsonl")
    assert shown.code == 0, shown.err
    texts = {
        (language, key): text
        for language, key, text in mlv.rows("SELECT language, parallel_key, text FROM v_segment WHERE source = 'lines'")
    }
    rows = [json.loads(line) for line in shown.out.splitlines()]
    assert [(row["direction"], row["rank"], row["train_language"]) for row in rows] == [
        ("positive", 1, "fa"),
        ("positive", 2, "ko"),
        ("negative", 1, "ko"),
        ("negative", 2, "fa"),
    ]
    assert [row["score"] for row in rows] == [1, 0.5, -1, -0.5]
    assert all(row["text"] == texts[row["train_language"], row["parallel_key"]] for row in rows)
    ((template, first, second),) = mlv.rows(
        "SELECT template, answer_first, answer_second FROM v_probe WHERE language = 'fa' AND question = '2'"
    )
    # question 2 is row 1, which shifts from the second to the first answer
    assert shown.err.splitlines() == [
        template,
        f"  1: {first}   2: {second}",
        "  answer before fine-tuning: 2, after: 1; positive influence raises 1",
    ]


def test_an_epoch_and_a_traced_run_are_shown_by_their_names(mlv: Mlv, runs: Runs) -> None:
    _trace(mlv, runs.traced, "--method", "tracin")
    arguments = ("influence", "show", runs.traced, "--item", "2", "--language", "fa", "--format", "csv")
    assert mlv(*arguments).out == mlv(*arguments, "--epoch", "2").out
    wrong = mlv(*arguments, "--epoch", "7")
    assert wrong.code == edge.ExitCode.NOT_FOUND
    assert "It has those of epoch 1, 2." in wrong.err


def test_what_was_not_traced_is_not_shown(mlv: Mlv, runs: Runs) -> None:
    name = _trace(mlv, runs.traced, "--targets", "all")
    for question, language, more, said in (
        ("2", "de", (), "It traces what is in fa, hi, ko."),
        ("2", "fa", ("--epoch", "1"), "Leave --epoch out"),
        ("none", "fa", (), "It traces 1, 2, "),
    ):
        done = mlv("influence", "show", name, "--item", question, "--language", language, *more)
        assert done.code == edge.ExitCode.NOT_FOUND
        assert said in done.err
    assert done.err.endswith(" and 4 more.\n")


def test_runs_that_show_nothing_are_explained(mlv: Mlv, runs: Runs) -> None:
    arguments = ("--item", "2", "--language", "fa")
    untraced = mlv("influence", "show", runs.traced, *arguments)
    assert (untraced.code, f"mlv compute influence {runs.traced}" in untraced.err) == (edge.ExitCode.NOT_FOUND, True)
    ((probing,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'probe' LIMIT 1")
    other = mlv("influence", "show", probing, *arguments)
    assert (other.code, "mlv influence list" in other.err) == (edge.ExitCode.USAGE, True)
    names = {_trace(mlv, runs.traced), _trace(mlv, runs.traced, "--method", "tracin")}
    twice = mlv("influence", "show", runs.traced, *arguments)
    assert twice.code == edge.ExitCode.NOT_FOUND
    assert all(name in twice.err for name in names)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["compute", "influence", "nothing"], 4, "mlv runs list"),
        (["compute", "influence", "probe-"], 4, "is the beginning of 3 runs"),
        (["compute", "influence", "TRACED", "--language", "de"], 3, "No probes in de"),
        (
            ["compute", "influence", "TRACED", "--language", "ru", "--top-k", "4"],
            4,
            "mlv compute probe --model finetune-",
        ),
        (["compute", "influence", "OTHER", "--top-k", "4"], 4, "mlv compute probe --model finetune-"),
        (["compute", "influence", "TRACED"], 2, "A top k of 100"),
        (["compute", "influence", "TRACED", "--lambda", "-1", "--modules", "brain"], 2, "2 options do not fit"),
        (["compute", "influence", "TRACED", "--item", "1", "--item", "x", "--top-k", "4"], 2, "has no question x"),
        (["compute", "influence", "TRACED", "--with-run", "FARSI", "--top-k", "4"], 2, "differ in languages"),
        (["compute", "validate-influence", "TRACED", "--k", "5,many"], 2, "--k: should be a valid integer"),
        (
            ["compute", "validate-influence", "TRACED", "--trace", "shift,truth"],
            2,
            "--trace: should be 'answer', 'margin', 'shift' or 'label', not 'truth'",
        ),
        (["compute", "validate-influence", "TRACED", "--trace", "shift,shift"], 2, "listed twice"),
        (
            ["compute", "validate-influence", "TRACED", "--attribution", "best"],
            2,
            "--attribution: There is no attribution best",
        ),
        (["compute", "validate-influence", "OTHER"], 4, "lacks answers to demo-all"),
        (["influence", "show", "nothing", "--item", "1", "--language", "fa"], 4, "mlv runs list"),
    ],
)
def test_wrong_requests_are_refused_and_leave_nothing(
    mlv: Mlv, runs: Runs, arguments: list[str], code: int, said: str
) -> None:
    names = {"TRACED": runs.traced, "OTHER": runs.other_seed, "FARSI": runs.farsi}
    before = sorted(path.name for path in (mlv.folder / "jobs").iterdir())
    done = mlv(*(names.get(word, word) for word in arguments))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert sorted(path.name for path in (mlv.folder / "jobs").iterdir()) == before


def test_a_store_or_a_folder_that_lost_what_is_needed(mlv: Mlv, runs: Runs) -> None:
    traced = mlv.folder / "jobs" / runs.traced
    (traced / "inputs" / "examples.parquet").unlink()
    gone = mlv("compute", "influence", runs.traced, "--top-k", "4")
    assert (gone.code, "inputs/examples.parquet" in gone.err) == (edge.ExitCode.NOT_FOUND, True)
    shutil.rmtree(traced / "checkpoints")
    gone = mlv("compute", "influence", runs.traced, "--top-k", "4")
    assert (gone.code, "checkpoints/epoch-2" in gone.err) == (edge.ExitCode.NOT_FOUND, True)
    (mlv.folder / "nano").rmdir()
    gone = mlv("compute", "validate-influence", runs.traced)
    assert (gone.code, "cannot be trained again" in gone.err) == (edge.ExitCode.NOT_FOUND, True)


def test_resuming_commits_what_was_traced(mlv: Mlv, runs: Runs) -> None:
    assert mlv("compute", "influence", runs.traced, "--top-k", "4", "--plan-only").code == 0
    job = _influence_done(_planned(mlv, "influence"))
    done = mlv("runs", "resume", job.path.name)
    assert done.code == 0, done.err
    assert mlv.rows("SELECT run FROM v_influence_run") == [(job.path.name,)]
