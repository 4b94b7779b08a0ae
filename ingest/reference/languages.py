"""Languages and countries: one code for each, whatever name a file or a user gives it.

A language's code is ISO 639-1 if there is one, else ISO 639-3. Corpora name individual languages (Iranian Persian
``pes``, Standard Malay ``zsm``) while probes name the macrolanguage (``fa``, ``ms``); a corpus and a probe of one
language have to meet, so the individual languages in ``MACROLANGUAGE`` are read as the macrolanguage that they are
the standard of. Countries are ISO 3166-1, by whatever words of its names tell a country apart; what else surveys write
is in ``COUNTRY_NAMES``. Near misses are not guessed: pycountry's fuzzy search takes Kosovo for Serbia, U.S. for the
Virgin Islands and Macao SAR for China, by the names of their parts.
"""

import contextlib
import difflib
import re
import unicodedata
from functools import cache
from typing import Any, Final, NamedTuple

from mlv.schema.errors import UsageError

MACROLANGUAGE: Final = {
    "als": "sqi",
    "arb": "ara",
    "azj": "aze",
    "cmn": "zho",
    "ekk": "est",
    "gaz": "orm",
    "khk": "mon",
    "kmr": "kur",
    "lvs": "lav",
    "npi": "nep",
    "ory": "ori",
    "pbt": "pus",
    "pes": "fas",
    "plt": "mlg",
    "swh": "swa",
    "uzn": "uzb",
    "ydd": "yid",
    "zsm": "msa",
}
"""ISO 639-3 codes that FLORES, eBible and the Parallel Bible Corpus use, and the macrolanguage they are read as."""

LANGUAGE_NAMES: Final = {
    "farsi": "fas",
    "gaelic": "gla",
    "greek": "ell",
    "mandarin": "zho",
    "slovene": "slv",
}
"""Names in use that ISO 639-3 does not list."""

COUNTRY_NAMES: Final = {
    "bosnia herz": "BA",
    "britain great": "GB",
    "burma": "MM",
    "coast ivory": "CI",
    "hong kong prc sar": "HK",
    "hong kong sar": "HK",
    "macao sar": "MO",
    "macau": "MO",
    "macau sar": "MO",
    "macedonia": "MK",
    "russia": "RU",
    "swaziland": "SZ",
    "roc taiwan": "TW",
    "turkey": "TR",
    "uk": "GB",
    "us": "US",
}
"""Names that survey tables use and ISO 3166-1 does not, by their words in alphabetical order. Northern Ireland and
Kosovo, units of surveys, have no code."""

SUGGESTIONS = 3


class LanguageRow(NamedTuple):
    """A row of ``language`` without its key."""

    code: str
    iso639_3: str
    name: str


class CountryRow(NamedTuple):
    """A row of ``country`` without its key."""

    code: str
    alpha3: str
    name: str


def language(name: str) -> LanguageRow:
    """The language that a code or an English name means.

    Takes ISO 639-1 and 639-3 codes, FLORES codes (``pes_Arab``), locales (``pt-BR``) and English names (``Farsi``).
    Raises UsageError with near matches if nothing fits.
    """
    known = _languages()
    given = name.strip().casefold()
    prefix = re.match(r"([a-z]{2,3})[_-](?:[a-z]{2}|[a-z]{4}|simpl|trad)$", given)
    found = known.get(given) or (known.get(prefix[1]) if prefix else None)
    if found is None:
        raise UsageError(
            f"There is no language {name!r}.",
            f"{_near(given, known)}Give an ISO 639 code (fa, pes), a FLORES code (pes_Arab) or an English name.",
        )
    return found


def first_language(*names: str) -> str | None:
    """Code of the first name that means a language; None if none does."""
    for name in names:
        with contextlib.suppress(UsageError):
            return language(name).code
    return None


def country(name: str | int) -> CountryRow:
    """The country that a code (alpha-2, alpha-3, numeric) or an English name means.

    Raises UsageError with near matches if nothing fits.
    """
    import pycountry

    found = _find_country(str(name))
    if found is None:
        known = {entry.name.casefold(): entry for entry in pycountry.countries}
        raise UsageError(
            f"There is no country {name!r} in ISO 3166-1.",
            f"{_near(str(name).strip().casefold(), known)}Give a code (IR, IRN, 364) or an English name.",
        )
    return found


def country_code(name: str) -> str | None:
    """Alpha-2 code of the country that a code or an English name means; None if none does."""
    found = _find_country(name)
    return None if found is None else found.code


def taken_for(name: str) -> str | None:
    """The country that a name means which is not a code or name of ISO 3166-1; None where it is one, or means none."""
    found = None if _listed_country(name) else _find_country(name)
    return None if found is None else f"{found.name} ({found.code})"


def _find_country(name: str) -> CountryRow | None:
    import pycountry

    words = _words(name)
    code = COUNTRY_NAMES.get(words) or _countries_by_words().get(words)
    found = _listed_country(name) or (pycountry.countries.get(alpha_2=code) if code else None)
    return found and CountryRow(found.alpha_2, found.alpha_3, getattr(found, "common_name", found.name))


def _listed_country(name: str) -> Any:
    """The record of ISO 3166-1 with this code or name; None if there is none."""
    import pycountry

    with contextlib.suppress(LookupError):
        # numbers that went through a data frame end in .0
        number = re.fullmatch(r"\s*(\d{1,3})(\.0*)?\s*", name)
        return pycountry.countries.lookup(f"{number[1]:0>3}" if number else name.strip())
    return None


@cache
def _countries_by_words() -> dict[str, str]:
    """Alpha-2 codes by the words of every name, and of its part before a comma, that only one country has."""
    import pycountry

    owners: dict[str, set[str]] = {}
    for entry in pycountry.countries:
        names = [getattr(entry, field, "") for field in ("name", "common_name", "official_name")]
        for name in (*names, entry.name.partition(",")[0]):
            owners.setdefault(_words(name), set()).add(entry.alpha_2)
    return {words: min(codes) for words, codes in owners.items() if words and len(codes) == 1}


def _words(name: str) -> str:
    """The words of a name in alphabetical order, without accents, marks, articles and conjunctions."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace(".", ""))
    words = re.findall(r"\w+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return " ".join(sorted(set(words) - {"the", "of", "and"}))


def _near(given: str, known: dict[str, Any]) -> str:
    """A question that names the closest known names, or nothing."""
    close = difflib.get_close_matches(given, known, SUGGESTIONS)
    return f"Did you mean {', '.join(close)}? " if close else ""


@cache
def _languages() -> dict[str, LanguageRow]:
    """Every code and case-folded English name, with its language. Codes win over names, exact names over short ones.

    The short name is without what ISO 639-3 puts in brackets: ``Malay (macrolanguage)`` is found as ``Malay``.
    Languages with a two-letter code come first, so that they get the short names that several share.
    """
    import pycountry

    entries = sorted(pycountry.languages, key=lambda entry: not hasattr(entry, "alpha_2"))
    by_alpha3 = {entry.alpha_3: entry for entry in entries}
    known: dict[str, LanguageRow] = {}
    for field in ("alpha_3", "alpha_2", "bibliographic", "name", "common_name", "short"):
        for entry in entries:
            spelt = _short(entry.name) if field == "short" else getattr(entry, field, None)
            if spelt is not None:
                target = by_alpha3[MACROLANGUAGE.get(entry.alpha_3, entry.alpha_3)]
                known.setdefault(spelt.casefold(), _row(target))
    return known | {name: _row(by_alpha3[alpha3]) for name, alpha3 in LANGUAGE_NAMES.items()}


def _row(entry: Any) -> LanguageRow:
    """The row of a record of ISO 639-3."""
    return LanguageRow(getattr(entry, "alpha_2", entry.alpha_3), entry.alpha_3, _short(entry.name))


def _short(name: str) -> str:
    """A name without its remark in brackets."""
    return re.sub(r"\s*\(.*\)", "", name)
