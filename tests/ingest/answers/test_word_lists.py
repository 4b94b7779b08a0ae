"""The packaged word lists do what they are for, in each language."""

import tomllib
from importlib.resources import files

import pytest

from mlv.ingest.answers.parsers import LATEST, PARSERS
from mlv.ingest.answers.reading import Answered, Asked, Reading
from mlv.ingest.answers.v1.vocabulary import Vocabulary, languages

WORDS = files("mlv.ingest.answers.v1") / "words"
LISTS = {code: tomllib.loads((WORDS / f"{code}.toml").read_text("utf-8")) for code in sorted(languages())}
SURE, UNSURE = "qqq www", "eee rrr"
"""Options in no language, so that what is found is due to the words around them."""


def read(language: str, text: str) -> Reading:
    return PARSERS[LATEST](Asked((SURE, UNSURE), language), Answered(text, "stop"))


def wrong(language: str, key: str, text: str, reading: Reading) -> list[str]:
    """Words of a list that are not read as expected where they stand in a text."""
    words = LISTS[language].get(key, [])
    return [word for word in words if read(language, text.format(word)) != reading]


@pytest.mark.parametrize("language", LISTS)
def test_every_list_has_a_use(language: str) -> None:
    assert set(LISTS[language]) <= set(Vocabulary._fields)


@pytest.mark.parametrize("language", LISTS)
def test_refusals_are_refusals_unless_they_answer(language: str) -> None:
    assert wrong(language, "refusing", "{} zzz", Reading("refusal")) == []
    assert wrong(language, "refusing", f"{{}} {SURE} {UNSURE}", Reading("refusal")) == []
    assert wrong(language, "refusing", f"{{}} zzz.\n\n{UNSURE}", Reading("answer", 2)) == []


@pytest.mark.parametrize("language", LISTS)
def test_what_is_announced_outweighs_what_is_said_in_passing(language: str) -> None:
    assert wrong(language, "announcing", f"zzz {SURE} zzz. {{}}: {UNSURE}.", Reading("answer", 2)) == []
    assert wrong(language, "naming", f"zzz {SURE} zzz. {{}} {UNSURE}.", Reading("answer", 2)) == []


@pytest.mark.parametrize("language", LISTS)
def test_options_that_are_joined_are_no_answer(language: str) -> None:
    assert wrong(language, "joining", f"{SURE} {{}} {UNSURE}", Reading("both")) == []


@pytest.mark.parametrize("language", LISTS)
def test_what_is_denied_is_no_answer(language: str) -> None:
    assert wrong(language, "negating", f"zzz {{}} {SURE} zzz", Reading("none")) == []
    assert wrong(language, "negating_before", f"zzz {SURE} {{}}", Reading("none")) == []
    assert wrong(language, "comparing", f"zzz {SURE} zzz {{}} {UNSURE} zzz", Reading("answer", 1)) == []


@pytest.mark.parametrize("language", LISTS)
def test_common_words_are_answers_alone_and_not_by_chance(language: str) -> None:
    for word in LISTS[language]["common"]:
        asked = Asked((word, "zzz"), language)
        assert PARSERS[LATEST](asked, Answered(word, "stop")) == Reading("answer", 1)
        assert PARSERS[LATEST](asked, Answered(f"xxx {word} yyy", "stop")) == Reading("none")
