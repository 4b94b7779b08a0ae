"""The queries that compare runs, test languages, sources and maps of languages, on random studies with ties and gaps.

Against loops, numpy and scipy on the study's frames. Nothing is shared with the queries but the definitions; the
permutations of the Mantel test are drawn by the same hash once, and otherwise once each or by numpy.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from comparing import expect, mean
from numpy.typing import NDArray
from scipy import stats

from mlv.queries import render, run
from mlv.schema.store.opening import open_store

Study = dict[str, pl.DataFrame]
Row = dict[str, Any]
Key = tuple[Any, ...]
Matrix = NDArray[np.float64]
Shifts = dict[str, dict[str, bool]]
"""By test language and question."""

LANGUAGES = ("de", "fa", "ko", "tl", "ur")
COUNTRIES = {"de": ["AT", "DE"], "fa": ["IR"], "ko": ["KR"], "tl": ["PH"], "ur": ["PK"]}
"""German has two countries, whose mean profile counts."""

QUESTIONS = (
    {"46": "happiness"}
    | {str(n): "science" for n in range(158, 162)}
    | {str(n): "religious_values" for n in range(164, 170)}
)
OUTSIDE = "176"
"""A question that the probe set does not have."""

STEADY = "46"
"""A question whose answer never shifts."""

PAPER, HOT = '{"epochs":5,"learning_rate":5e-05}', '{"epochs":5,"learning_rate":0.5}'
SETUP = ["model", "source", "sentences", "epoch", "rate"]
QUERIES = (
    "domain_correlation",
    "profile_pca",
    "shift_overlap_test_languages",
    "shift_uniqueness",
    "similarity_structure",
    "size_effect",
    "structure_correlation",
    "unchanged_multilingual",
)


def _checkpoints(rng: np.random.Generator) -> list[Row]:
    """A random part of a grid, with runs that no mean may take together: settings, sizes, sources, starts."""
    setups = list(product(("pbc", "tanzil"), ("fa", "ko", "ru"), (40, 60), (1, 2), (PAPER,)))
    setups += list(product(("pbc", "tanzil"), ("fa,ko", "fa,ko,ru"), (60,), (1, 2), (PAPER,)))
    setups += [("news", "ru", 40, 1, PAPER), ("news", "ko", 40, 1, PAPER), ("pbc", "fa,ko", 60, 1, HOT)]
    setups += [("pbc", "fa", 40, 1, HOT), ("pbc", "ko", 40, 1, HOT), ("pbc", "fa", 40, 1, PAPER)]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    columns += ["base", "spec"]
    rows: list[Key] = [(m, m, None, None, None, None, None, 0, True, None, None) for m in ("m", "n")]
    for number, (source, ft, sentences, seed, spec) in enumerate(setups):
        if rng.random() < 0.85:
            name, model = f"run-{number:02}", "n" if rng.random() < 0.1 else "m"
            fields = (model, name, source, ft, sentences, seed)
            rows.append((f"{name}.2", *fields, 2, True, model, spec))
            if number % 7 == 0:
                rows.append((f"{name}.1", *fields, 1, False, model, spec))
    start = str(rows[2][0])
    rows.append(("more.2", rows[2][1], "more", "pbc", "ko", 40, 1, 2, True, start, PAPER))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _answers(rng: np.random.Generator, checkpoints: list[Row]) -> list[Row]:
    """Every run is asked in most languages, and there most questions; hardly anything shifts in Tagalog."""
    rows = []
    for checkpoint in checkpoints:
        for language in LANGUAGES:
            if checkpoint["run"] is not None and rng.random() < 0.15:
                continue
            rate = 0.02 if language == "tl" else 0.3
            for place, question in enumerate([*QUESTIONS, OUTSIDE]):
                if rng.random() < 0.95:
                    shifts = checkpoint["run"] is not None and question != STEADY and rng.random() < rate
                    rows += [
                        {"checkpoint": checkpoint["checkpoint"], "language": language, "question": question}
                        | {"score": score, "answer": 1 + ((place + shifts + (score == "sum")) % 2)}
                        for score in ("mean", "sum")
                    ]
    return rows


def _profiles(rng: np.random.Generator, checkpoints: list[Row]) -> list[Row]:
    """Coarse, so that similarities tie. The runs' first has a profile without length, the next the same one
    everywhere, the one after two languages that share no question; others have gaps."""
    rows = []
    for number, checkpoint in enumerate(sorted(checkpoints, key=lambda row: not row["is_final"])):
        for language in LANGUAGES:
            if number > 4 and rng.random() < 0.1:
                continue
            for question in [*QUESTIONS, OUTSIDE]:
                value = float(rng.integers(0, 4)) / 3
                value = 0.0 if (number, language) == (2, "ko") else 0.5 if number == 3 else value
                apart = number == 4 and (language, question < "164") in (("fa", True), ("ur", False))
                if not apart and (number <= 4 or rng.random() < 0.95):
                    rows.append(
                        {"checkpoint": checkpoint["checkpoint"], "language": language, "question": question}
                        | {"score": "mean", "p_first": value}
                    )
    return rows


@pytest.fixture(scope="module", params=range(3))
def study(request: pytest.FixtureRequest) -> Study:
    rng = np.random.default_rng(request.param)
    checkpoints = _checkpoints(rng)
    # the third study has no numbers from the Philippines
    polled = [
        {"survey": "wvs7", "illustrative": False, "country": country, "weighting": "weighted", "question": question}
        | {"p_first": float(rng.integers(0, 9)) / 8}
        for countries in COUNTRIES.values()
        for country in countries
        for question in QUESTIONS
        if rng.random() < 0.9 and not (country == "PH" and request.param == 2)
    ]
    corpora = list(product(("news", "pbc", "tanzil"), ("fa", "ko", "ru"), ("",), (60,)))
    links = [(language, country) for language, countries in COUNTRIES.items() for country in countries]
    return {
        "checkpoints": pl.DataFrame(checkpoints, infer_schema_length=None),
        "answers": pl.DataFrame(_answers(rng, checkpoints)),
        "model_profiles": pl.DataFrame(_profiles(rng, checkpoints)),
        "country_profiles": pl.DataFrame(polled),
        "probe_sets": pl.DataFrame({"probe_set": "echoes-2024", "question": list(QUESTIONS)}),
        "segments": pl.DataFrame(corpora, schema=["source", "language", "edition", "segments"], orient="row"),
        "countries": pl.DataFrame(links, schema=["language", "country"], orient="row"),
        "questions": pl.DataFrame(
            {"question": [*QUESTIONS, OUTSIDE], "category": [*QUESTIONS.values(), "ethical_values"]}
        ),
    }


@pytest.fixture(scope="module")
def path(study: Study, make_store: Callable[[Study], Path]) -> Path:
    return make_store(study)


@pytest.fixture(scope="module")
def connection(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(path) as connection:
        yield connection


@pytest.fixture(scope="module")
def runs(study: Study) -> list[Row]:
    """Every last checkpoint of a run that started from a pretrained model, with what shifted."""
    answers: dict[str, dict[Key, int]] = defaultdict(dict)
    for row in study["answers"].iter_rows(named=True):
        if row["score"] == "mean" and row["question"] in QUESTIONS:
            answers[row["checkpoint"]][row["language"], row["question"]] = row["answer"]
    found = []
    for row in study["checkpoints"].to_dicts():
        if row["is_final"] and row["run"] and row["base"] == row["model"]:
            shifts: Shifts = defaultdict(dict)
            for key, answer in answers[row["checkpoint"]].items():
                if key in answers[row["base"]]:
                    shifts[key[0]][key[1]] = answer != answers[row["base"]][key]
            rate = float(json.loads(row["spec"])["learning_rate"])
            found.append(row | {"rate": rate, "multilingual": "," in row["ft_languages"], "shifts": shifts})
    return found


def _unchanged(shifts: dict[str, bool], category: str | None = None) -> float | None:
    kept = [not shifted for question, shifted in shifts.items() if category in (None, QUESTIONS[question])]
    return 100 * mean(kept) if kept else None


def _setup(row: Row) -> Key:
    return tuple(row[key] for key in SETUP)


def test_unchanged_multilingual(runs: list[Row], connection: duckdb.DuckDBPyConnection) -> None:
    expected: dict[Key, Row] = {}
    for setup, mixture in {(_setup(row), row["ft_languages"]) for row in runs if row["multilingual"]}:
        alike = [row for row in runs if _setup(row) == setup]
        several = {"multilingual": [mixture], "monolingual_mean": mixture.split(",")}
        for (strategy, members), language in product(several.items(), LANGUAGES):
            values: dict[str, list[float]] = defaultdict(list)
            probes = 0
            for row in alike:
                unchanged = _unchanged(row["shifts"].get(language, {}))
                if row["ft_languages"] in members and unchanged is not None:
                    values[row["ft_languages"]].append(unchanged)
                    probes += len(row["shifts"][language])
            if values:
                expected[*setup, mixture, strategy, language] = {
                    "unchanged": mean([mean(seeds) for seeds in values.values()]),
                    "ft_languages": ";".join(sorted(values)),
                    "runs": sum(map(len, values.values())),
                    "probes": probes,
                }
        for language in LANGUAGES:
            expected |= _difference(alike, (*setup, mixture), language)
    expect(run(connection, "unchanged_multilingual").frame, [*SETUP, "mixture", "strategy", "language"], expected)


def _difference(alike: list[Row], table: Key, language: str) -> dict[Key, Row]:
    """Multilingual less monolingual, over the seeds that have the mixture and all of its languages that were run."""
    mixture = table[-1]
    of_seed: dict[int, dict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in alike:
        unchanged = _unchanged(row["shifts"].get(language, {}))
        if row["ft_languages"] in (mixture, *mixture.split(",")) and unchanged is not None:
            of_seed[row["seed"]][row["ft_languages"]].append((unchanged, len(row["shifts"][language])))
    alone = {ft for some in of_seed.values() for ft in some if ft != mixture}
    paired = [some for some in of_seed.values() if alone and some.keys() == {mixture, *alone}]
    if not paired:
        return {}
    shares = [{ft: mean([share for share, _ in cells]) for ft, cells in some.items()} for some in paired]
    return {
        (*table, "difference", language): {
            "unchanged": mean([some[mixture] - mean([some[ft] for ft in alone]) for some in shares]),
            "ft_languages": ";".join(sorted(alone)),
            "runs": sum(len(cells) for some in paired for cells in some.values()),
            "probes": sum(probes for some in paired for cells in some.values() for _, probes in cells),
        }
    }


def test_size_effect(runs: list[Row], connection: duckdb.DuckDBPyConnection) -> None:
    shares: dict[Key, dict[tuple[int, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, language in product(runs, LANGUAGES):
        unchanged = _unchanged(row["shifts"].get(language, {}))
        if unchanged is not None:
            key = (row["model"], row["source"], row["ft_languages"], row["epoch"], row["rate"], language)
            shares[key][row["seed"], row["sentences"]].append(unchanged)
    expected: dict[Key, Row] = {}
    for key, by_size in shares.items():
        seeds = sorted(seed for seed, sentences in by_size if sentences == 40 and (seed, 60) in by_size)
        few, many = ([mean(by_size[seed, sentences]) for seed in seeds] for sentences in (40, 60))
        if seeds:
            changes = [after - before for before, after in zip(few, many, strict=True)]
            means = {"change": mean(changes), "unchanged_few": mean(few), "unchanged_many": mean(many)}
            expected[*key, 40, 60] = {**means, "seeds": len(seeds)}
    keys = ["model", "source", "ft_languages", "epoch", "rate", "language", "few", "many"]
    expect(run(connection, "size_effect").frame, keys, expected)
    assert run(connection, "size_effect", parameters={"few": 60}).frame.is_empty()


def test_shift_uniqueness(runs: list[Row], connection: duckdb.DuckDBPyConnection) -> None:
    expected: dict[Key, Row] = {}
    for setup in {_setup(row) for row in runs}:
        alone = [row for row in runs if _setup(row) == setup and not row["multilingual"]]
        cells = {language: _uniqueness(alone, language) for language in LANGUAGES}
        cells = {language: cell for language, cell in cells.items() if cell}
        defined = [cell["uniqueness"] for cell in cells.values() if cell["uniqueness"] is not None]
        expected |= {(*setup, language): cell for language, cell in cells.items()}
        if cells:
            expected[*setup, "avg."] = {
                "uniqueness": mean(defined) if defined else None,
                **{name: _mean_of_defined(cell[name] for cell in cells.values()) for name in CHANCES},
                "shifted": sum(cell["shifted"] for cell in cells.values()),
                "questions": sum(cell["questions"] for cell in cells.values()),
            }
    expect(run(connection, "shift_uniqueness").frame, [*SETUP, "language"], expected)


def _uniqueness(alone: list[Row], language: str) -> Row:
    """Of monolingual runs of one setup; empty where no seed has two languages."""
    values: list[float] = []
    counts: list[int] = []
    compared: set[str] = set()
    others: list[Row] = []
    seeds = 0
    for seed in (1, 2):
        shifting: Shifts = defaultdict(dict)
        for row in alone:
            for question, shift in row["shifts"].get(language, {}).items():
                if row["seed"] == seed:
                    shifting[row["ft_languages"]][question] = shift or shifting[row["ft_languages"]].get(
                        question, False
                    )
        everywhere = set.intersection(*map(set, shifting.values())) if len(shifting) > 1 else set()
        if everywhere:
            of_seed = [sum(found[question] for found in shifting.values()) for question in sorted(everywhere)]
            values += [100 * of_seed.count(1) / sum(map(bool, of_seed))] if any(of_seed) else []
            if any(of_seed):
                others.append(_chances([[found[q] for q in sorted(everywhere)] for found in shifting.values()]))
            counts, compared, seeds = counts + of_seed, compared | set(shifting), seeds + 1
    if not seeds:
        return {}
    return {
        "uniqueness": mean(values) if values else None,
        **{name: _mean_of_defined(other[name] for other in others) for name in CHANCES},
        "shifted": sum(map(bool, counts)),
        "ft_languages": ",".join(sorted(compared)),
        "seeds": seeds,
        "questions": len(counts),
    }


CHANCES = ("uniqueness_chance", "unique_shifts", "unique_shifts_chance")


def _mean_of_defined(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return mean(defined) if defined else None


def _chances(shifting: list[list[bool]]) -> Row:
    """Of shifts by fine-tuning language and question; by chance over all patterns of languages that shift one."""
    rates = [mean(map(float, some)) for some in shifting]
    once = shifted = 0.0
    for pattern in product((False, True), repeat=len(rates)):
        probability = math.prod(rate if there else 1 - rate for rate, there in zip(rates, pattern, strict=True))
        once += probability * (sum(pattern) == 1)
        shifted += probability * any(pattern)
    counts = [sum(some) for some in zip(*shifting, strict=True)]
    return {
        "uniqueness_chance": 100 * once / shifted,
        "unique_shifts": 100 * counts.count(1) / sum(counts),
        "unique_shifts_chance": 100 * once / sum(rates),
    }


def test_shift_overlap_test_languages(runs: list[Row], connection: duckdb.DuckDBPyConnection) -> None:
    indices: dict[Key, dict[Key, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    chances: dict[Key, dict[Key, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row, (a, b) in product(runs, combinations(LANGUAGES, 2)):
        in_a, in_b = row["shifts"].get(a, {}), row["shifts"].get(b, {})
        asked = in_a.keys() & in_b.keys()
        sets = [{question for question in asked if shifts[question]} for shifts in (in_a, in_b)]
        if asked:
            either = sets[0] | sets[1]
            index = len(sets[0] & sets[1]) / len(either) if either else None
            indices[*_setup(row), row["ft_languages"]][a, b].append(index)
            both = len(sets[0]) * len(sets[1]) / len(asked)
            chance = both / (len(sets[0]) + len(sets[1]) - both) if either else None
            chances[*_setup(row), row["ft_languages"]][a, b].append(chance)
    expected: dict[Key, Row] = {}
    for key, pairs in indices.items():
        means = {}
        for pair, found in pairs.items():
            defined = [index for index in found if index is not None]
            means[pair] = mean(defined) if defined else None
            chance = _mean_of_defined(chances[key][pair])
            expected[*key, *pair] = {"jaccard": means[pair], "chance": chance, "runs": len(found)}
        known = [mean for mean in means.values() if mean is not None]
        expected[*key, "avg.", "avg."] = {"jaccard": mean(known) if known else None}
    keys = [*SETUP, "ft_languages", "language_a", "language_b"]
    expect(run(connection, "shift_overlap_test_languages").frame, keys, expected)


def test_domain_correlation(runs: list[Row], connection: duckdb.DuckDBPyConnection) -> None:
    values: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, language, category in product(runs, LANGUAGES, set(QUESTIONS.values())):
        unchanged = _unchanged(row["shifts"].get(language, {}), category)
        if unchanged is not None and not row["multilingual"]:
            setup = (row["model"], row["sentences"], row["epoch"], row["rate"])
            values[*setup, category, row["source"], language][row["ft_languages"]].append(unchanged)
    means: dict[Key, dict[str, float]] = defaultdict(dict)
    for (*key, language), found in values.items():
        means[tuple(key)][language] = mean([mean(seeds) for seeds in found.values()])
    expected: dict[Key, Row] = {}
    for (*key, a), (*other, b) in product(means, means):
        x, y = means[*key, a], means[*other, b]
        both = sorted(x.keys() & y.keys())
        if key == other and a < b and both:
            columns = [[side[language] for language in both] for side in (x, y)]
            constant = any(np.ptp(column) < 1e-9 for column in columns)
            r = None if constant else float(stats.pearsonr(*columns).statistic)
            expected[*key, a, b] = {"correlation": r, "n": len(both)}
    keys = ["model", "sentences", "epoch", "rate", "category", "source_a", "source_b"]
    expect(run(connection, "domain_correlation").frame, keys, expected)
    assert {row["correlation"] is None for row in expected.values()} == {True, False}


def test_correlations_of_fine_tuning_languages_are_averaged(
    runs: list[Row], connection: duckdb.DuckDBPyConnection
) -> None:
    """Each with its own test languages, which are permuted alike."""
    values: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, language, category in product(runs, LANGUAGES, set(QUESTIONS.values())):
        unchanged = _unchanged(row["shifts"].get(language, {}), category)
        if unchanged is not None and not row["multilingual"]:
            setup = (row["model"], row["sentences"], row["epoch"], row["rate"])
            values[*setup, category, row["ft_languages"], row["source"]][language].append(unchanged)
    found: dict[Key, list[tuple[int, list[float]]]] = defaultdict(list)
    for (*key, ft, a), (*other, other_ft, b) in product(values, values):
        x, y = values[*key, ft, a], values[*other, other_ft, b]
        both = sorted(x.keys() & y.keys())
        if (key, ft) == (other, other_ft) and a < b and both:
            columns = [np.array([mean(side[language]) for language in both]) for side in (x, y)]
            constant = any(np.ptp(column) < 1e-9 for column in columns)
            orders = [range(len(both)), *(_shuffled(both, permutation) for permutation in range(1, 20))]
            rs = [] if constant else [float(np.corrcoef(columns[0], columns[1][order])[0, 1]) for order in orders]
            found[*key, a, b].append((len(both), rs))
    expected: dict[Key, Row] = {}
    for cell, members in found.items():
        defined = [rs for _, rs in members if rs]
        means = [mean(some) for some in zip(*defined, strict=True)]
        expected[cell] = {
            "correlation": means[0] if means else None,
            "n": min(n for n, _ in members),
            "p": mean([abs(chance) >= abs(means[0]) - 1e-9 for chance in means]) if means else None,
        }
    keys = ["model", "sentences", "epoch", "rate", "category", "source_a", "source_b"]
    frame = run(
        connection, "domain_correlation", parameters={"averaged": "correlations", "ci": "questions", "permutations": 19}
    ).frame
    expect(frame, keys, expected)
    assert frame["correlation_low"].null_count() == frame.height
    assert max(len([rs for _, rs in members if rs]) for members in found.values()) >= 2


def _shuffled(languages: Sequence[str], permutation: int) -> list[int]:
    """Which language's value each one gets."""
    return sorted(
        range(len(languages)),
        key=lambda place: hashlib.md5(f"0 {permutation} {languages[place]}".encode()).digest(),
    )


def _cosines(profiles: dict[str, dict[str, float]], languages: Sequence[str]) -> Matrix:
    """Between the profiles of languages, over the questions that both have; NaN where one has no length."""
    matrix = np.full((len(languages), len(languages)), np.nan)
    for i, j in product(range(len(languages)), repeat=2):
        one, other = (profiles[languages[k]] for k in (i, j))
        both = sorted(one.keys() & other.keys())
        x, y = (np.array([profile[question] for question in both]) for profile in (one, other))
        if x @ x > 0 and y @ y > 0:
            matrix[i, j] = (x @ y) / np.sqrt((x @ x) * (y @ y))
    return matrix


def _by_language(frame: pl.DataFrame, column: str) -> dict[str, dict[str, float]]:
    """Mean of the values for a language and question."""
    frame = frame.filter(pl.col("question").is_in(list(QUESTIONS)))
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in frame.group_by("language", "question").agg(pl.col(column).mean()).iter_rows(named=True):
        found[row["language"]][row["question"]] = row[column]
    return found


def _upper(matrix: Matrix) -> Matrix:
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)], np.float64)


def _rho(model: Matrix, people: Matrix, order: Sequence[int]) -> float | None:
    """Of the upper triangles, the people's languages in another order; None where one side is constant."""
    x, y = (np.round(1 - _upper(matrix), 11) for matrix in (model, people[np.ix_(order, order)]))
    defined = ~np.isnan(x) & ~np.isnan(y)
    if len(set(x[defined])) < 2 or len(set(y[defined])) < 2:
        return None
    return float(stats.spearmanr(x[defined], y[defined]).statistic)


def _hashed_order(languages: Sequence[str], draw: int, permutation: int) -> list[int]:
    """For each language the number of the one whose place it takes."""
    shuffled = sorted(languages, key=lambda language: hashlib.md5(f"{draw} {permutation} {language}".encode()).digest())
    return [shuffled.index(language) for language in languages]


def _mantel_p(model: Matrix, people: Matrix, orders: Sequence[Sequence[int]], observed: float) -> float:
    """Share of the orders that give a correlation as far from 0."""
    found = [_rho(model, people, order) for order in orders]
    return mean([abs(rho or 0.0) >= abs(observed) - 1e-9 for rho in found])


def _maps(study: Study) -> Iterator[tuple[str, int, float | None, Matrix, Matrix, list[str]]]:
    """Checkpoint, its languages' number and mean cosine, and the model's and the people's matrix over the languages
    that have cosines in both, with these."""
    people = _by_language(study["country_profiles"].join(study["countries"], on="country"), "p_first")
    for checkpoint in study["checkpoints"].filter("is_final")["checkpoint"]:
        profiles = _by_language(study["model_profiles"].filter(pl.col("checkpoint") == checkpoint), "p_first")
        whole = _cosines(profiles, sorted(profiles))
        known = [value for value in _upper(whole).tolist() if not np.isnan(value)]
        lengths = dict(zip(sorted(profiles), np.diag(whole).tolist(), strict=True))
        shared = sorted(lang for lang, length in lengths.items() if lang in people and not np.isnan(length))
        maps = _cosines(profiles, shared), _cosines(people, shared)
        yield checkpoint, len(profiles), mean(known) if known else None, *maps, shared


def _name(checkpoint: str) -> str:
    return checkpoint if checkpoint in ("m", "n") else checkpoint.replace(".", "/epoch-")


def test_similarity_structure(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    parameters = {"draw": 7, "permutations": 49}
    expected: dict[Key, Row] = {}
    for checkpoint, count, similarity, model, people, shared in _maps(study):
        rho, gaps = _rho(model, people, range(len(shared))), np.isnan(_upper(model))
        orders = [range(len(shared)), *(_hashed_order(shared, 7, permutation) for permutation in range(1, 50))]
        expected[(_name(checkpoint),)] = {
            "similarity": similarity,
            "languages": count,
            "rho": rho,
            "n": int((~gaps).sum()),
            "p_value": None if rho is None or gaps.any() else _mantel_p(model, people, orders, rho),
        }
    expect(run(connection, "similarity_structure", parameters=parameters).frame, ["checkpoint"], expected)
    undefined = {(row["rho"] is None, row["p_value"] is None) for row in expected.values()}
    assert undefined == {(False, False), (False, True), (True, True)}


def test_mantel_p_is_near_that_of_all_permutations_and_of_another_draw(
    study: Study, connection: duckdb.DuckDBPyConnection
) -> None:
    frames = [
        run(connection, "similarity_structure", parameters={"draw": draw, "sentences": 60}).frame for draw in (0, 1)
    ]
    found = [dict(frame.select("checkpoint", "p_value").iter_rows()) for frame in frames]
    maps = [entry for entry in _maps(study) if found[0].get(_name(entry[0])) is not None][:6]
    assert maps
    assert found[0] != found[1]
    for checkpoint, _, _, model, people, shared in maps:
        rho = _rho(model, people, range(len(shared)))
        assert rho is not None
        exact = _mantel_p(model, people, list(permutations(range(len(shared)))), rho)
        for draw in found:
            # 9,999 permutations: within five standard errors
            assert abs(draw[_name(checkpoint)] - exact) < 5 * np.sqrt(exact * (1 - exact) / 9999) + 2e-4


def test_structure_correlation(study: Study, connection: duckdb.DuckDBPyConnection) -> None:
    """Every two of people, what runs started from, and these; the first one's languages are permuted."""
    people = _by_language(study["country_profiles"].join(study["countries"], on="country"), "p_first")
    maps = {
        name: _by_language(frame, "p_first") for (name,), frame in study["model_profiles"].group_by("checkpoint")
    } | {"people": people}
    members: dict[Key, dict[str, tuple[Any, ...]]] = defaultdict(dict)
    for row in study["checkpoints"].filter("is_final").drop_nulls("run").to_dicts():
        if row["base"] == row["model"]:
            rate = float(json.loads(row["spec"])["learning_rate"])
            setup = (*(row[key] for key in ("model", "source", "sentences", "seed", "epoch")), rate)
            members[setup] |= {"people": (0,), row["base"]: (1,)}
            members[setup][row["checkpoint"]] = (2, "," in row["ft_languages"], row["ft_languages"], row["run"])
    expected: dict[Key, Row] = {}
    for setup, ranked in members.items():
        for a, b in combinations(sorted(ranked, key=ranked.__getitem__), 2):
            both = sorted(maps[a].keys() & maps[b].keys())
            both = [k for k in both if all(any(maps[side][k].values()) for side in (a, b))]
            first, second = (_cosines(maps[side], both) for side in (a, b))
            rho, gaps = _rho(second, first, range(len(both))), np.isnan(_upper(first)) | np.isnan(_upper(second))
            if (~gaps).any():
                orders = [range(len(both)), *(_hashed_order(both, 0, permutation) for permutation in range(1, 10))]
                expected[*setup, _name(a), _name(b)] = {
                    "rho": rho,
                    "n": int((~gaps).sum()),
                    "p_value": None if rho is None or gaps.any() else _mantel_p(second, first, orders, rho),
                }
    keys = ["model", "source", "sentences", "seed", "epoch", "rate", "checkpoint_a", "checkpoint_b"]
    expect(run(connection, "structure_correlation", parameters={"permutations": 9}).frame, keys, expected)


def test_people_beside_a_checkpoint_are_as_in_similarity_structure(connection: duckdb.DuckDBPyConnection) -> None:
    few = {"permutations": 99}
    matrix = run(connection, "structure_correlation", parameters=few).frame.filter(checkpoint_a="people")
    alone = run(connection, "similarity_structure", parameters=few).frame
    figures = [
        dict(zip(frame[name], frame.select("rho", "n", "p_value").rows(), strict=True))
        for frame, name in ((matrix, "checkpoint_b"), (alone, "checkpoint"))
    ]
    assert len(figures[0]) > 10
    assert figures[0].items() <= figures[1].items()


def test_hashed_permutations_are_uniform() -> None:
    orders = [tuple(_hashed_order(LANGUAGES[:4], 0, permutation)) for permutation in range(1, 9601)]
    counts = [orders.count(order) for order in permutations(range(4))]
    assert stats.chisquare(counts).pvalue > 0.001


def test_same_bytes_whatever_the_order_of_rows(path: Path, shuffled: Callable[[Path], Path]) -> None:
    with open_store(path) as one, open_store(shuffled(path)) as other:
        other.execute("SET threads = 1")
        for query in QUERIES:
            few = {"permutations": 99} if "structure" in query else {}
            rendered = [render(run(store, query, parameters=few), "csv") for store in (one, other)]
            assert rendered[0] == rendered[1], query


def test_projections_stay_apart(grid_store: Path) -> None:
    with open_store(grid_store) as connection:
        everything = run(connection, "profile_pca").frame
        moved = run(connection, "profile_pca", parameters={"source": "pbc", "languages": "de"}).frame
        people = run(connection, "profile_pca", parameters={"run": "project-people"}).frame
    assert everything.height == 8
    # the base's coordinates stay, although its own row is not of this source
    assert moved.select("checkpoint", "base_x", "base_y").rows() == [
        ("finetune-more/epoch-2", 0.5, 0.25),
        ("finetune-fa/epoch-2", 0.0, 0.0),
    ]
    assert people["country"].to_list() == ["DE", "IR"]
