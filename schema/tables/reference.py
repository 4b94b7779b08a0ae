"""Reference tables: languages, countries, and which country stands for a language's speakers."""

from mlv.schema.tables.columns import Row, column, table


class Language(Row, table=True):
    """A language of a probe or a corpus."""

    __tablename__ = "language"
    __table_args__ = table("A language, as probes, corpora and profiles name it.", identity=("code",), enforced=True)

    language_id: int = column("Key.", key=True)
    code: str = column("ISO 639-1 code; ISO 639-3 where the language has no two-letter code.")
    iso639_3: str = column("ISO 639-3 code of the language or macrolanguage.")
    name: str = column("English name (ISO 639-3).")


class Country(Row, table=True):
    """A country of a survey."""

    __tablename__ = "country"
    __table_args__ = table("A country or territory in which a survey was held.", identity=("code",), enforced=True)

    country_id: int = column("Key.", key=True)
    code: str = column("ISO 3166-1 alpha-2 code.")
    alpha3: str = column("ISO 3166-1 alpha-3 code.", unique=True)
    name: str = column("English name (ISO 3166-1).")


class LanguageCountry(Row, table=True):
    """The country whose people a test language is compared with."""

    __tablename__ = "language_country"
    __table_args__ = table(
        "The countries that a language's profile is aligned with: that of Echoes section 3.2 (dissertation Table 7.2), "
        "and what probes came with.",
        identity=("language_id", "country_id"),
        enforced=True,
        owner="language_id",
    )

    language_country_id: int = column("Key.", key=True)
    language_id: int = column("The language.", refers="language.language_id", enforced=True)
    country_id: int = column("The country.", refers="country.country_id", enforced=True)
    citation: str = column("Where the mapping is from.")
