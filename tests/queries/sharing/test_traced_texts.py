"""Queries about traced classifiers on random rankings, against the same written in Python."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import duckdb
import numpy as np
import pytest
from traced_texts import LANGUAGES, Example, TracedTexts, World, text_of

from mlv.queries import run
from mlv.schema.store.opening import connect

KEYS = [f"{number:02}" for number in range(12)]
MORE = [f"{number:02}" for number in range(12, 18)]
TESTED = [f"t{number:02}" for number in range(14)]
TOP_K = 9
DIRECTIONS = ("positive", "negative")


def _world() -> World:
    """Random rankings of 14 test texts in two languages, a few of them not traced; some texts in other scripts."""
    random = np.random.default_rng(5)
    models = {
        "full": dict.fromkeys(LANGUAGES, KEYS),
        "without": dict.fromkeys(("de", "en"), KEYS),
        "more": {"de": KEYS, "en": KEYS, "ko": [*KEYS, *MORE]},
    }
    ranked = {}
    for model, languages in models.items():
        examples: list[Example] = [(code, key) for code, keys in languages.items() for key in keys]
        for code in ("de", "ko"):
            for key in TESTED:
                if random.random() < 0.85:
                    places = random.permutation(len(examples)).tolist()
                    # Korean ones come first more often
                    order = sorted(places, key=lambda place: random.random() - 0.3 * (examples[place][0] == "ko"))
                    found = [examples[place] for place in order]
                    ranked[model, code, key] = (found[:TOP_K], found[-TOP_K:])
    odd = frozenset(key for key in [*KEYS, *MORE, *TESTED] if random.random() < 0.4)
    words = {"de": ("Öl, 5%", "ol 'это'"), "en": ("plain", "naïve 語"), "ko": ("한국어.", "한국 TV")}
    texts = {(code, key): words[code][int(random.random() < 0.3)] for code in LANGUAGES for key in [*KEYS, *MORE]}
    return World(models, odd, texts, ranked)


WORLD = _world()


@pytest.fixture(scope="module")
def connection(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("traced") / "store.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        TracedTexts(connection, WORLD)
        yield connection


def _rows(connection: duckdb.DuckDBPyConnection, query: str, keys: tuple[str, ...], **given: Any) -> dict[Any, Any]:
    frame = run(connection, query, parameters=given).frame
    return {tuple(row[key] for key in keys): row for row in frame.iter_rows(named=True)}


def _lists(model: str, language: str, direction: str, k: int = TOP_K) -> dict[str, list[Example]]:
    """By key of a test text its ranked examples."""
    place = DIRECTIONS.index(direction)
    return {
        key: list(lists[place][:k])
        for (of, code, key), lists in WORLD.ranked.items()
        if (of, code) == (model, language)
    }


def _is_odd(key: str) -> bool:
    return key in WORLD.odd


@pytest.mark.parametrize("k", [TOP_K, 4])
def test_examples_of_the_texts_class(connection: duckdb.DuckDBPyConnection, k: int) -> None:
    given = {"k": k} if k < TOP_K else {}
    rows = _rows(connection, "label_agreement", ("traced_run", "direction", "language"), **given)
    assert set(rows) == {
        (model, direction, code) for model in WORLD.models for direction in DIRECTIONS for code in ("de", "ko")
    }
    for (model, direction, language), row in rows.items():
        lists = _lists(model, language, direction, k)
        shares = [100 * fmean(_is_odd(key) == _is_odd(other) for _, other in some) for key, some in lists.items()]
        keys = [key for some in WORLD.models[model].values() for key in some]
        odd = 100 * fmean(map(_is_odd, keys))
        chance = [odd if _is_odd(key) else 100 - odd for key in lists]
        assert row["same_class"] == pytest.approx(fmean(shares))
        assert row["chance"] == pytest.approx(fmean(chance))
        assert row["lift"] == pytest.approx(fmean(shares) / fmean(chance))
        assert row["targets"] == len(lists)


def test_intervals_are_the_jackknifes_over_texts(connection: duckdb.DuckDBPyConnection) -> None:
    """By Student's t on the logit scale, as docs/statistics.md has it for a percentage of n items."""
    from scipy import stats

    rows = _rows(connection, "label_agreement", ("traced_run", "direction", "language"), ci="questions")
    lists = _lists("full", "ko", "positive")
    shares = [100 * fmean(_is_odd(key) == _is_odd(other) for _, other in some) for key, some in lists.items()]
    n, value = len(shares), fmean(shares)
    assert n >= 10
    without = np.array([(sum(shares) - share) / (n - 1) for share in shares])
    se = float(np.sqrt((n - 1) * without.var()))
    worth = max(n, value * (100 - value) / se**2)

    def logit(share: Any, items: int) -> Any:
        times = worth / n
        return np.log((times * items * share + 50) / (times * items * (100 - share) + 50))

    half = float(stats.t.ppf(0.975, n - 1)) * float(np.sqrt((n - 1) * logit(without, n - 1).var()))
    low, high = (100 / (1 + np.exp(-(logit(value, n) + side * half))) for side in (-1, 1))
    row = rows["full", "positive", "ko"]
    assert (row["same_class_low"], row["same_class_high"]) == pytest.approx((low, high), rel=1e-3)


def test_texts_that_share_their_first_text_in_a_language_are_left_out_together(
    empty_store: Path, tmp_path: Path
) -> None:
    """As three hypotheses about one premise: five batteries are too few for an interval, where 14 texts had one."""
    path = tmp_path / "store.duckdb"
    path.write_bytes(empty_store.read_bytes())
    premises = {("ko", key): f"전제 {number // 3}" for number, key in enumerate(TESTED)}
    with connect(path, read_only=False) as connection:
        TracedTexts(connection, WORLD._replace(texts={**WORLD.texts, **premises}))
        rows = _rows(connection, "label_agreement", ("traced_run", "direction", "language"), ci="questions")
        # keys stand for what is translated: German texts are other ones, and about the same premises
        assert all(row["same_class_low"] is None for row in rows.values())


def _in_script(example: Example) -> bool:
    names = {"de": "LATIN", "en": "LATIN", "ko": "HANGUL"}
    letters = [letter for letter in text_of(WORLD, *example) if unicodedata.category(letter).startswith("L")]
    return all(unicodedata.name(letter).startswith(names[example[0]]) for letter in letters)


def test_examples_in_their_languages_script(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "script_share", ("traced_run", "direction", "train_language"))
    assert len(rows) == 2 * (3 + 2 + 3)
    for (model, direction, language), row in rows.items():
        lists = [*_lists(model, "de", direction).values(), *_lists(model, "ko", direction).values()]
        found = [example for some in lists for example in some if example[0] == language]
        assert row["fully_in_script"] == pytest.approx(100 * fmean(map(_in_script, found)))
        assert (row["n"], row["targets"]) == (len(found), sum(any(e[0] == language for e in some) for some in lists))
        everything = [(language, key) for key in WORLD.models[model][language]]
        assert row["of_all_examples"] == pytest.approx(100 * fmean(map(_in_script, everything)))
        assert 0 < row["of_all_examples"] < 100


def test_what_a_model_without_a_language_relies_on(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "zero_shot_recovery", ("run", "zero_shot_run", "direction", "language"))
    assert set(rows) == {("trace-full", "trace-without", direction, "ko") for direction in DIRECTIONS}
    for (_, _, direction, _), row in rows.items():
        full, without = _lists("full", "ko", direction), _lists("without", "ko", direction)
        both = sorted(set(full) & set(without))
        assert row["targets"] == len(both) < max(len(full), len(without))
        translated, chance, recurring = [], [], []
        for key in both:
            own = {other for code, other in full[key] if code == "ko"}
            translated.append(100 * fmean(other in own for _, other in without[key]))
            chance.append(100 * len(own) / len(KEYS))
            others = [example for example in full[key] if example[0] != "ko"]
            if others:
                recurring.append(100 * fmean(example in without[key] for example in others))
        assert row["translated_share"] == pytest.approx(fmean(translated))
        assert row["translated_chance"] == pytest.approx(fmean(chance))
        assert row["recurring_share"] == pytest.approx(fmean(recurring))
        assert row["recurring_chance"] == pytest.approx(100 * TOP_K / (2 * len(KEYS)))


def test_own_examples_by_how_many_more_there_are(connection: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(connection, "data_imbalance", ("language", "added_percent", "direction"))
    assert set(rows) == {(*of, direction) for of in (("de", 0), ("ko", 0), ("ko", 50)) for direction in DIRECTIONS}
    for (language, percent, direction), row in rows.items():
        model = "more" if percent else "full"
        lists = _lists(model, language, direction)
        own = [100 * fmean(code == language for code, _ in some) for some in lists.values()]
        sizes = {code: len(keys) for code, keys in WORLD.models[model].items()}
        assert row["own_contribution"] == pytest.approx(fmean(own))
        assert row["examples_share"] == pytest.approx(100 * sizes[language] / sum(sizes.values()))
        assert row["targets"] == len(lists)


def test_examples_are_shown_with_text_class_and_translation(connection: duckdb.DuckDBPyConnection) -> None:
    keys = ("traced_run", "language", "key", "direction", "rank")
    rows = _rows(connection, "influence_examples", keys, n=5, language="ko")
    assert len(rows) == 2 * 5 * sum(language == "ko" for _, language, _ in WORLD.ranked)
    for (model, language, key, direction, rank), row in rows.items():
        lists = _lists(model, language, direction)[key]
        example = lists[rank - 1]
        assert (row["train_language"], row["train_key"]) == example
        assert row["text"] == text_of(WORLD, *example)
        assert (row["class"], row["train_class"]) == tuple(
            "Odd" if _is_odd(one) else "Even" for one in (key, example[1])
        )
        assert row["same_class"] == (row["class"] == row["train_class"])
        own = (language, example[1])
        assert row["translation_of"] == (lists.index(own) + 1 if own in lists and example[0] != language else None)


def test_runs_that_are_not_alike_but_for_the_language_are_no_pair(empty_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        TracedTexts(connection)
        assert run(connection, "zero_shot_recovery").frame.height == 2
        connection.execute(
            "UPDATE run SET spec = json_merge_patch(spec, '{\"learning_rate\": 1}') WHERE name = 'without'"
        )
        assert run(connection, "zero_shot_recovery").frame.is_empty()
