"""Languages and countries: one code for each, whatever name a file or a user gives it.

A language's code is ISO 639-1 if there is one, else ISO 639-3. Corpora name individual languages (Iranian Persian
``pes``, Standard Malay ``zsm``) while probes name the macrolanguage (``fa``, ``ms``); a corpus and a probe of one
language have to meet, so the individual languages in ``MACROLANGUAGE`` are read as the macrolanguage that they are
the standard of. Countries are ISO 3166-1; names that surveys use and ISO does not are in ``COUNTRY_NAMES``.
"""

import contextlib
import difflib
import re
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
    "bosnia herzegovina": "BA",
    "great britain": "GB",
    "hong kong sar": "HK",
    "macau sar": "MO",
    "russia": "RU",
    "taiwan roc": "TW",
    "turkey": "TR",
}
"""Names that survey tables use and ISO 3166-1 does not. Northern Ireland, a unit of the survey, has no code."""

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


def _find_country(name: str) -> CountryRow | None:
    import pycountry

    given = f"{name:0>3}" if name.isdecimal() else name.strip()
    try:
        found = pycountry.countries.lookup(COUNTRY_NAMES.get(given.casefold(), given))
    except LookupError:
        return None
    return CountryRow(found.alpha_2, found.alpha_3, getattr(found, "common_name", found.name))


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
