"""Languages and countries by every name that files and users give them."""

import pytest

from mlv.ingest.reference.languages import (
    COUNTRY_NAMES,
    country,
    country_code,
    first_language,
    language,
    taken_for,
)
from mlv.schema.errors import UsageError


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("fa", "FA", "fas", "per", "pes", "pes_Arab", "Farsi", "persian", "Iranian Persian"), "fa"),
        (("ms", "msa", "zsm", "zsm_Latn", "Malay", "may"), "ms"),
        (("tl", "tgl", "tgl_Latn", "Tagalog"), "tl"),
        (("sr", "srp", "srp_Cyrl", "Serbian"), "sr"),
        (("el", "ell", "ell_Grek", "gre", "Greek", "Modern Greek"), "el"),
        (("ro", "ron", "rum", "ron_Latn"), "ro"),
        (("sw", "swh", "swa", "Swahili"), "sw"),
        (("zh", "cmn", "zho_simpl", "zho_Hant", "Chinese", "Mandarin"), "zh"),
        (("sq", "alb", "als"), "sq"),
        (("pt", "pt-BR", "pt_BR"), "pt"),
        (("gd", "gla", "Gaelic"), "gd"),
        (("en", "eng", "English"), "en"),
        (("ko", "kor", "kor_Hang"), "ko"),
        (("ru", "rus"), "ru"),
        (("hi", "hin"), "hi"),
        (("de", "deu", "ger"), "de"),
        (("vi", "vie"), "vi"),
    ],
)
def test_every_name_of_a_language_leads_to_one_code(names: tuple[str, ...], code: str) -> None:
    assert {language(name).code for name in names} == {code}


def test_a_language_without_two_letters_keeps_its_three() -> None:
    assert language("cak") == language("Kaqchikel") == ("cak", "cak", "Kaqchikel")


def test_an_individual_language_is_named_as_its_macrolanguage() -> None:
    assert language("pes") == ("fa", "fas", "Persian")
    assert language("zsm_Latn") == ("ms", "msa", "Malay")


@pytest.mark.parametrize("name", ["farsii", "xx", "", "the_guardian", "fa_Arabic"])
def test_an_unknown_language_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="There is no language"):
        language(name)


def test_an_unknown_language_is_refused_with_near_matches() -> None:
    with pytest.raises(UsageError) as caught:
        language("farsii")
    assert "Did you mean farsi" in caught.value.hint


def test_the_first_name_that_means_a_language_wins() -> None:
    assert first_language("nonsense", "", "swh", "fa") == "sw"
    assert first_language("nonsense") is None


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("IR", "irn", "Iran", 364, "364", "Iran, Islamic Republic of"), "IR"),
        (("AF", 4, "4", "004"), "AF"),
        (("RU", "Russia", "Russian Federation"), "RU"),
        (("TR", "Turkey", "Türkiye"), "TR"),
        (("KR", "South Korea"), "KR"),
        (("GB", "Great Britain"), "GB"),
        (("HK", "Hong Kong SAR"), "HK"),
        (("MO", "Macau SAR"), "MO"),
        (("TW", "Taiwan ROC"), "TW"),
        (("BA", "Bosnia Herzegovina"), "BA"),
        (("CZ", "Czechia"), "CZ"),
        (("VN", "Vietnam", "Viet Nam"), "VN"),
    ],
)
def test_every_name_of_a_country_leads_to_one_code(names: tuple[str | int, ...], code: str) -> None:
    assert {country(name).code for name in names} == {code}


@pytest.mark.parametrize("name", ["Northern Ireland", "Germny", 999])
def test_an_unknown_country_is_refused(name: str | int) -> None:
    with pytest.raises(UsageError, match="There is no country"):
        country(name)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Korea South", "South Korea (KR)"),
        ("the United States of America", "United States (US)"),
        ("Cote d'Ivoire", "Côte d'Ivoire (CI)"),
        ("Iran, Islamic Republic", "Iran (IR)"),
        ("Palestine", "Palestine, State of (PS)"),
        ("Great Britain", "United Kingdom (GB)"),
        ("Germany", None),
        ("276", None),
        ("276.0", None),
        ("DEU", None),
    ],
)
def test_what_a_name_beside_those_of_iso_is_taken_for(name: str, taken: str | None) -> None:
    assert taken_for(name) == taken


@pytest.mark.parametrize("name", ["Kosovo", "Northern Ireland", "England", "Korea", "Virgin Islands", "the", ""])
def test_a_part_of_a_country_or_a_name_of_several_is_not_guessed(name: str) -> None:
    assert (country_code(name), taken_for(name)) == (None, None)


def test_numbers_of_countries_that_went_through_a_data_frame() -> None:
    assert [country_code(name) for name in ("276.0", "8.0", " 8 ", "8.5", "1000.0")] == ["DE", "AL", "AL", None, None]


def test_names_of_surveys_are_found_by_their_words() -> None:
    assert [" ".join(sorted(set(name.split()))) for name in COUNTRY_NAMES] == list(COUNTRY_NAMES)
    assert {country_code(name) for name in COUNTRY_NAMES} == set(COUNTRY_NAMES.values())
