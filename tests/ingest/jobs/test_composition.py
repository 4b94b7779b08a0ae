"""Which examples a classifier is given."""

import polars as pl
import pytest

from mlv.ingest.jobs.composition import Composition, check_classes, compose
from mlv.schema.errors import DataError

LANGUAGES = ("de", "en", "fr")


def parallel(count: int = 40, **labels: int) -> pl.DataFrame:
    """Texts in three languages with the same keys, every third of class 2; ``labels`` are other classes of ``de:key``
    texts."""
    rows = [
        (language, position, f"k{position}", labels.get(f"{language}{position}", 2 if position % 3 == 0 else 1))
        for language in LANGUAGES
        for position in range(count)
    ]
    return texts(rows)


def apart(count: int = 40) -> pl.DataFrame:
    """Texts in three languages of which none is a translation of another."""
    rows = [(code, place, f"{code}:{place}", 1 + place % 2) for code in LANGUAGES for place in range(count)]
    return texts(rows)


def texts(rows: list[tuple[str, int, str, int]]) -> pl.DataFrame:
    columns = ["language", "position", "parallel_key", "class_number"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def keys(found: pl.DataFrame, language: str) -> set[str]:
    return set(found.filter(language=language)["parallel_key"])


@pytest.mark.parametrize("first", [True, False])
def test_translations_are_the_same_in_all_languages(first: bool) -> None:
    found = compose(parallel(), Composition(LANGUAGES, 12, first=first))
    assert found.group_by("language").len().sort("language").rows() == [(code, 12) for code in LANGUAGES]
    assert keys(found, "de") == keys(found, "en") == keys(found, "fr")
    if first:
        assert keys(found, "de") == {f"k{number}" for number in range(12)}


def test_a_smaller_draw_is_the_beginning_of_a_larger_one_and_seeds_differ() -> None:
    small, large, other = (
        keys(compose(parallel(), Composition(LANGUAGES, count, seed=seed)), "en")
        for count, seed in ((10, 1), (20, 1), (10, 2))
    )
    assert small < large
    assert small != other


def test_without_a_language_the_others_are_on_the_same_texts_as_with_it() -> None:
    full = compose(parallel(), Composition(LANGUAGES, 12))
    zero_shot = compose(parallel(), Composition(LANGUAGES, 12, left_out=("fr",)))
    assert set(zero_shot["language"]) == {"de", "en"}
    assert keys(zero_shot, "de") == keys(full, "de")


def test_a_key_that_one_language_lacks_or_labels_otherwise_is_not_taken() -> None:
    lacking = parallel(6, en2=2).filter(~((pl.col("language") == "fr") & (pl.col("position") == 4)))
    found = compose(lacking, Composition(LANGUAGES, 4, first=True))
    assert keys(found, "de") == {"k0", "k1", "k3", "k5"}
    with pytest.raises(DataError, match="5 examples of each language are needed; there are 4 in de, 4 in en, 4 in fr"):
        compose(lacking, Composition(LANGUAGES, 5, first=True))


def test_added_examples_are_further_ones_of_one_language() -> None:
    plain = compose(parallel(), Composition(LANGUAGES, 10))
    more = compose(parallel(), Composition(LANGUAGES, 10, added_language="en", added_percent=50))
    assert more.group_by("language").len().sort("language").rows() == [("de", 10), ("en", 15), ("fr", 10)]
    assert keys(plain, "en") < keys(more, "en")
    with pytest.raises(DataError, match="en has 30 examples beyond"):
        compose(parallel(), Composition(LANGUAGES, 10, added_language="en", added_percent=400))


def test_texts_that_are_no_translations_are_drawn_in_each_language() -> None:
    found = compose(apart(), Composition(LANGUAGES, 10))
    assert [len(keys(found, code)) for code in LANGUAGES] == [10, 10, 10]
    places = [{key.partition(":")[2] for key in keys(found, code)} for code in LANGUAGES]
    assert places[0] != places[1]


def test_classes_are_alike_in_number_where_that_is_asked_for() -> None:
    found = compose(parallel(), Composition(LANGUAGES, 12, balanced=True))
    assert found.group_by("language", "class_number").len()["len"].to_list() == [6] * 6
    with pytest.raises(DataError, match="with as many of each class are needed"):
        compose(parallel(), Composition(LANGUAGES, 40, balanced=True))


def test_the_first_of_a_file_that_is_sorted_by_class_are_refused() -> None:
    ordered = parallel().with_columns(class_number=1 + (pl.col("position") >= 20).cast(pl.Int64))
    with pytest.raises(DataError, match="do not have every class"):
        check_classes(compose(ordered, Composition(LANGUAGES, 10, first=True)), 2)
    drawn = compose(ordered, Composition(LANGUAGES, 10))
    check_classes(drawn, 2)
    assert drawn.height == 30
