"""Every query on random studies with ties and gaps, against polars and scipy on the study's frames.

Nothing is shared with the queries but the definitions: selections, joins and statistics are done anew, in loops where
loops are plainer.
"""

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from comparing import expect_column, mean
from scipy import stats

from mlv.queries import catalogue, render, run
from mlv.schema.store.opening import open_store

Study = dict[str, pl.DataFrame]
Row = dict[str, Any]

ALL_STRATEGIES = {"strategies": "pretrained,monolingual,multilingual,continued"}
MODELS = ("m/small", "m/base", "m/large")
"""By size: the order of the rows of agreement."""
LANGUAGES = ("de", "fa", "ko", "ur")
COUNTRIES = ("DE", "IR", "KR", "PK", "RS")
QUESTIONS = {"131": "security", "132": "security", "133": "security", "134": "security"} | {
    str(number): theme
    for theme, numbers in {"religious_values": range(164, 169), "science": range(158, 161)}.items()
    for number in numbers
}
IN_SET = [question for question in QUESTIONS if question != "168"]


def _checkpoints(rng: np.random.Generator) -> pl.DataFrame:
    """Pretrained models, eight random runs, and seeds, settings and starting points that a mean must keep apart."""
    setups = [
        (str(rng.choice(["pbc", "tanzil"])), ft, int(rng.choice([40, 80])), int(rng.integers(1, 3)), rate, 0)
        for ft in rng.choice(["fa", "ko", "fa,ko"], 8)
        for rate in [float(rng.choice([5e-5, 0.5]))]
    ]
    models = [str(model) for model in rng.choice(["m/base", "m/small"], 8)] + ["m/base"] * 10
    setups += [("pbc", "fa", 40, seed, 5e-5, 0) for seed in (1, 2, 3)] + [("pbc", "ko", 40, 1, 5e-5, 0)]
    setups += [("pbc", "ko", 40, 2, 0.5, 0)] + [("pbc", ft, 80, 1, 5e-5, 0) for ft in ("fa,ko", "fa,ur")]
    setups += [("pbc", "ko", 40, 1, 5e-5, 9), ("pbc", "ko", 40, 2, 5e-5, 9), ("pbc", "ko", 40, 1, 5e-5, 10)]
    rows: list[tuple[Any, ...]] = [(m, m, None, None, None, None, None, 0, True, None, None) for m in MODELS]
    for number, (model, (source, ft, sentences, seed, rate, start)) in enumerate(zip(models, setups, strict=True), 1):
        epochs = int(rng.integers(1, 3)) if number <= 8 else 2
        run_name, base = f"run-{number:02}", f"run-{start:02}.2" if start else model
        spec = f'{{"epochs":5,"batch_size":8,"learning_rate":{rate}}}'
        rows += [
            (
                f"{run_name}.{epoch}",
                model,
                run_name,
                source,
                str(ft),
                sentences,
                seed,
                epoch,
                epoch == epochs,
                base,
                spec,
            )
            for epoch in range(1, epochs + 1)
        ]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    return pl.DataFrame(rows, schema=[*columns, "base", "spec"], orient="row", infer_schema_length=None)


def _some(rng: np.random.Generator, share: float, *columns: list[str] | tuple[str, ...]) -> list[tuple[str, ...]]:
    """A random part of all combinations."""
    grid: list[tuple[str, ...]] = [()]
    for column in columns:
        grid = [(*row, value) for row in grid for value in column]
    return [row for row in grid if rng.random() < share]


@pytest.fixture(scope="module", params=range(4))
def study(request: pytest.FixtureRequest) -> Study:
    rng = np.random.default_rng(request.param)
    checkpoints = _checkpoints(rng)
    names, questions = checkpoints["checkpoint"].to_list(), list(QUESTIONS)
    asked = _some(rng, 0.9, names, LANGUAGES, questions, ("mean", "first"))
    valued = [row for row in asked if row[1] != "ur" and rng.random() < 0.9]
    polled = _some(rng, 0.9, ("wvs7",), COUNTRIES, ("weighted", "unweighted"), questions)
    keys = ["checkpoint", "language", "question", "score"]
    return {
        "checkpoints": checkpoints,
        "answers": pl.DataFrame(asked, schema=keys, orient="row").with_columns(
            answer=pl.Series(rng.integers(1, 3, len(asked)))
        ),
        "model_profiles": pl.DataFrame(valued, schema=keys, orient="row").with_columns(
            p_first=pl.Series(rng.integers(0, 6, len(valued)) / 5)
        ),
        "country_profiles": pl.DataFrame(
            polled, schema=["survey", "country", "weighting", "question"], orient="row"
        ).with_columns(illustrative=False, p_first=pl.Series(rng.integers(0, 9, len(polled)) / 8)),
        "probe_sets": pl.DataFrame({"probe_set": "echoes-2024", "question": IN_SET}),
        "segments": pl.DataFrame(
            {"source": ["pbc", "pbc", "pbc", "tanzil", "tanzil"], "language": ["fa", "ko", "ur", "fa", "ko"]}
        ).with_columns(edition=pl.lit(""), segments=80),
        "countries": pl.DataFrame({"language": LANGUAGES, "country": COUNTRIES[:4]}),
        "questions": pl.DataFrame({"question": questions, "category": list(QUESTIONS.values())}),
    }


@pytest.fixture(scope="module")
def path(study: Study, make_store: Callable[[Study], Path]) -> Path:
    return make_store(study)


@pytest.fixture(scope="module")
def connection(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(path) as connection:
        yield connection


def _answers(study: Study) -> dict[str, dict[tuple[str, str], int]]:
    """Answers by checkpoint, then by language and question; the default score and probe set."""
    found: dict[str, dict[tuple[str, str], int]] = {name: {} for name in study["checkpoints"]["checkpoint"]}
    for row in study["answers"].iter_rows(named=True):
        if row["score"] == "mean" and row["question"] in IN_SET:
            found[row["checkpoint"]][row["language"], row["question"]] = row["answer"]
    return found


def _equal(a: dict[tuple[str, str], int], b: dict[tuple[str, str], int]) -> pl.DataFrame:
    """For every probe that both have: language, category and 100 where the answers are equal, else 0."""
    rows = [(key[0], QUESTIONS[key[1]], 100.0 * (a[key] == b[key])) for key in a if key in b]
    return pl.DataFrame(rows, schema={"language": pl.String, "category": pl.String, "equal": pl.Float64}, orient="row")


def _final(study: Study) -> list[Row]:
    return [row for row in study["checkpoints"].to_dicts() if row["is_final"]]


def test_agreement(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    answers = _answers(study)
    plain: dict[tuple[Any, ...], float | None] = {}
    by_category: dict[tuple[Any, ...], float | None] = {}
    by_language: dict[tuple[Any, ...], float | None] = {}
    for a, b in combinations(MODELS, 2):
        equal = _equal(answers[a], answers[b])
        shares = {key[0]: mean(group["equal"].to_list()) for key, group in equal.group_by("language")}
        plain |= {(a, b, language): share for language, share in shares.items()}
        plain[a, b, "avg."] = mean(list(shares.values()))
        cells = equal.group_by("language", "category").agg(pl.col("equal").mean())
        by_category |= {(a, b, key[0]): mean(g["equal"].to_list()) for key, g in cells.group_by("category")}
        by_language |= {(a, b, key[0]): mean(g["equal"].to_list()) for key, g in cells.group_by("language")}
    pair = ["checkpoint_a", "checkpoint_b"]
    expect_column(run(connection, "agreement").frame, [*pair, "language"], "agreement", plain)
    expect_column(run(connection, "agreement_by_category").frame, [*pair, "category"], "agreement", by_category)
    expect_column(run(connection, "agreement_by_language").frame, [*pair, "language"], "agreement", by_language)


def _strategy(row: Row) -> str:
    if row["run"] is None:
        return "pretrained"
    if row["base"] != row["model"]:
        return "continued"
    return "multilingual" if "," in row["ft_languages"] else "monolingual"


def _mean_of_means(values: dict[str, list[float]]) -> float:
    """Seeds within each fine-tuning language first, then the languages."""
    return mean([mean(seeds) for seeds in values.values()])


Nested = dict[tuple[Any, ...], dict[str, list[float]]]


def _expect_means(frame: pl.DataFrame, keys: list[str], value: str, cells: Nested) -> None:
    expect_column(frame, keys, value, {key: _mean_of_means(values) for key, values in cells.items()})
    expect_column(frame, keys, "runs", {key: sum(map(len, values.values())) for key, values in cells.items()})


def _rate(row: Row) -> float:
    return float(json.loads(row["spec"])["learning_rate"])


def test_unchanged(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    answers = _answers(study)
    unchanged: dict[tuple[Any, ...], float | None] = {}
    cells: Nested = {}
    for row in _final(study):
        if row["run"] is None:
            continue
        equal = _equal(answers[row["checkpoint"]], answers[row["base"]])
        for key, group in equal.group_by("language"):
            unchanged[row["run"], _strategy(row), key[0]] = mean(group["equal"].to_list())
        if _strategy(row) == "monolingual":
            setup = (row["model"], row["source"], row["sentences"], row["epoch"], _rate(row))
            for key, group in equal.group_by("language", "category"):
                seeds = cells.setdefault((*setup, *key), {}).setdefault(row["ft_languages"], [])
                seeds.append(mean(group["equal"].to_list()))
    expect_column(run(connection, "unchanged").frame, ["run", "strategy", "language"], "unchanged", unchanged)
    keys = ["model", "source", "sentences", "epoch", "rate", "language", "category"]
    _expect_means(run(connection, "unchanged_by_category").frame, keys, "unchanged", cells)


def _people(study: Study) -> dict[str, dict[str, float]]:
    """Weighted profiles by country, over the probe set."""
    frame = study["country_profiles"].filter(pl.col("weighting") == "weighted", pl.col("question").is_in(IN_SET))
    return {c: dict(frame.filter(pl.col("country") == c).select("question", "p_first").iter_rows()) for c in COUNTRIES}


def test_ground_truth_similarity(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    people = _people(study)
    cosine: dict[tuple[Any, ...], float | None] = {}
    for a, b in combinations(COUNTRIES[:4], 2):
        both = sorted(people[a].keys() & people[b].keys())
        x, y = (np.array([people[country][question] for question in both]) for country in (a, b))
        cosine[a, b, len(both)] = float(x @ y / np.sqrt((x @ x) * (y @ y)))
    expect_column(
        run(connection, "ground_truth_similarity").frame, ["country_a", "country_b", "questions"], "cosine", cosine
    )


def _correlations(study: Study) -> dict[tuple[str, str, str], tuple[float | None, int]]:
    """rho and n by checkpoint, language and country."""
    people, found = _people(study), {}
    frame = study["model_profiles"].filter(pl.col("score") == "mean", pl.col("question").is_in(IN_SET))
    for (checkpoint, language), group in frame.group_by("checkpoint", "language"):
        model = dict(group.select("question", "p_first").iter_rows())
        for country in COUNTRIES[:4]:
            both = sorted(model.keys() & people[country].keys())
            x, y = [model[q] for q in both], [people[country][q] for q in both]
            undefined = len(set(x)) < 2 or len(set(y)) < 2
            rho = None if undefined else float(stats.spearmanr(x, y).statistic)
            if both:
                found[str(checkpoint), str(language), country] = (rho, len(both))
    return found


def test_alignment(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    finals = {
        row["checkpoint"]: f"{row['run']}/epoch-{row['epoch']}" if row["run"] else row["model"] for row in _final(study)
    }
    expected = {(finals[k], lang, c): v for (k, lang, c), v in _correlations(study).items() if k in finals}
    frame = run(connection, "alignment").frame
    for place, column in enumerate(("rho", "n")):
        expect_column(frame, ["checkpoint", "language", "country"], column, {k: v[place] for k, v in expected.items()})


def test_alignment_change(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    correlations = _correlations(study)
    names = {row["checkpoint"]: f"{row['run']}/epoch-{row['epoch']}" for row in study["checkpoints"].to_dicts()}
    changes: Nested = {}
    for row in _final(study):
        strategy, base = _strategy(row), row["base"]
        for (checkpoint, language, country), (after, _) in correlations.items():
            before = correlations.get((base, language, country), (None,))[0]
            if checkpoint == row["checkpoint"] and row["run"] and after is not None and before is not None:
                shown = base if base in MODELS else names[base]
                mixture = None if strategy == "monolingual" else row["ft_languages"]
                key = (row["model"], shown, row["source"], row["sentences"], strategy, row["epoch"], _rate(row))
                seeds = changes.setdefault((*key, mixture, language, country), {})
                seeds.setdefault(row["ft_languages"], []).append(after - before)
    frame = run(connection, "alignment_change", parameters={"strategies": "monolingual,multilingual,continued"}).frame
    alone = pl.col("strategy") != "monolingual"
    frame = frame.with_columns(mixture=pl.when(alone).then(pl.col("ft_languages")))
    keys = ["model", "base", "source", "sentences", "strategy", "epoch", "rate", "mixture", "language", "country"]
    _expect_means(frame, keys, "change", changes)


def test_coverage(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    asked = {(checkpoint, language) for checkpoint, answers in _answers(study).items() for language, _ in answers}
    runs: dict[tuple[Any, ...], float | None] = {}
    lacking: dict[tuple[Any, ...], set[str]] = {}
    for row in _final(study):
        columns = ("model", "source", "ft_languages", "sentences", "seed")
        setup = (*(row[column] for column in columns), _strategy(row), _rate(row) if row["run"] else None)
        runs[setup] = (runs.get(setup) or 0) + (row["run"] is not None)
        gaps = {language for language in LANGUAGES if (row["checkpoint"], language) not in asked}
        lacking[setup] = min(gaps, lacking.get(setup, gaps), key=len)
    frame = run(connection, "coverage").frame
    expect_column(frame, ["model", "source", "ft_languages", "sentences", "seed", "strategy", "rate"], "runs", runs)
    rates = frame["settings"].str.extract(r"learning_rate=(\S+)").cast(pl.Float64)
    for row in frame.with_columns(rate=rates).to_dicts():
        setup = tuple(row[c] for c in ("model", "source", "ft_languages", "sentences", "seed", "strategy", "rate"))
        assert row["status"] == ("partial" if lacking[setup] else "present")
        assert len((row["lacking"] or "").split(",")) == max(1, len(lacking[setup]))


def test_same_bytes_whatever_the_order_of_rows(path: Path, shuffled: Callable[[Path], Path]) -> None:
    """ORDER BY is total, and no digit depends on how rows are stored or on the number of threads."""
    with open_store(path) as one, open_store(shuffled(path)) as other:
        other.execute("SET threads = 1")
        for query in catalogue():
            wide = ALL_STRATEGIES if "strategies" in query.parameters and "agreement" in query.name else None
            rendered = [render(run(store, query.name, parameters=wide), "csv") for store in (one, other)]
            assert rendered[0] == rendered[1], query.name
