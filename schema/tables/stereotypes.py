"""Social groups, the sentences that speak of them, the stereotypes that people hold, and lexicons of emotions."""

from mlv.schema.tables.columns import Row, check, column, table


class GroupList(Row, table=True):
    """Social groups that were listed together."""

    __tablename__ = "group_list"
    __table_args__ = table("A list of social groups.", identity=("code",), enforced=True)

    group_list_id: int = column("Key.", key=True)
    code: str = column("Short name, as --groups takes it.")


class SocialGroup(Row, table=True):
    """A group of people, or a country."""

    __tablename__ = "social_group"
    __table_args__ = table(
        "A social group of a list (D6 section 6.3). A name that stands in two categories is two groups.",
        check("kind IN ('people', 'country')"),
        identity=("group_list_id", "category", "name"),
        enforced=True,
        owner="group_list_id",
    )

    social_group_id: int = column("Key.", key=True)
    group_list_id: int = column("The list.", refers="group_list.group_list_id")
    category: str = column("Category, e.g. profession.")
    name: str = column("The group as sentences have it, e.g. academics.")
    kind: str = column("people or country: which templates it fits.")


class Cloze(Row, table=True):
    """A sentence about a group with one place to fill."""

    __tablename__ = "cloze"
    __table_args__ = table(
        "A sentence about a social group with one place to fill: a template's, or one that people were asked.",
        identity=("social_group_id", "language_id", "form", "text"),
        enforced=True,
        owner=("social_group_id", "stereotype_collection_id"),
    )

    cloze_id: int = column("Key.", key=True)
    social_group_id: int = column("The group.", refers="social_group.social_group_id")
    language_id: int = column("Language of the sentence.", refers="language.language_id", enforced=True)
    form: str = column("Name of the template, e.g. why-are-so, or of the collection of stereotypes that it is from.")
    stereotype_collection_id: int | None = column(
        "That collection; NULL of a template.", refers="stereotype_collection.stereotype_collection_id"
    )
    text: str = column("The sentence with [MASK] for the attribute, e.g. why are academics so [MASK] ?")
    prior_text: str | None = column(
        "The sentence with [GROUP] for the group's words, e.g. why are [GROUP] so [MASK] ?; NULL where the group does "
        "not stand in it."
    )


class StereotypeCollection(Row, table=True):
    """Stereotypes that were collected together."""

    __tablename__ = "stereotype_collection"
    __table_args__ = table(
        "A collection of stereotypes that people hold of the groups of a list (D6 section 6.3).",
        identity=("code",),
        enforced=True,
        owner="group_list_id",
    )

    stereotype_collection_id: int = column("Key.", key=True)
    code: str = column("Short name, as --collection takes it.")
    group_list_id: int = column("The list that its groups are of.", refers="group_list.group_list_id")
    language_id: int = column("Language of its sentences.", refers="language.language_id", enforced=True)
    citation: str = column("How to cite it.")
    licence: str = column("Licence as the origin states it; empty where it states none.")
    sha256: str = column("SHA-256 of its rows.")


class Stereotype(Row, table=True):
    """One attribute that people give to a group."""

    __tablename__ = "stereotype"
    __table_args__ = table(
        "An attribute that people give to a group: a row of a collection, whether or not another says the same.",
        check("line >= 1 AND words >= 1"),
        identity=("stereotype_collection_id", "line"),
        owner=("stereotype_collection_id", "cloze_id"),
    )

    stereotype_collection_id: int = column("The collection.", refers="stereotype_collection.stereotype_collection_id")
    line: int = column("Number of the row in the collection, from 1.")
    cloze_id: int = column("The sentence that it completes.", refers="cloze.cloze_id")
    attribute: str = column("The attribute, stripped, e.g. pretentious.")
    words: int = column("Words that it has.")
    engine: str = column("Where it was found, e.g. Google; multiple for more than one; empty where it is not said.")


class Lexicon(Row, table=True):
    """Words with the emotions that they stand for."""

    __tablename__ = "lexicon"
    __table_args__ = table(
        "A lexicon of words and the emotions that they are associated with (D6 section 6.5).",
        identity=("code",),
        enforced=True,
    )

    lexicon_id: int = column("Key.", key=True)
    code: str = column("Short name, e.g. nrc-0.92.")
    citation: str = column("How to cite it.")
    licence: str = column("Licence as the origin states it; empty where it states none.")
    may_be_passed_on: bool = column(
        "Whether the licence allows to give the words to others, with a store for instance."
    )
    emotions: str = column("Its emotions, comma-separated in its order.")
    is_complete: bool = column(
        "Whether it has the words without any emotion too: where it lacks them shares are of fewer words, and higher."
    )
    sha256: str = column("SHA-256 of its words, emotions and values.")


class LexiconValue(Row, table=True):
    """Whether a word stands for an emotion."""

    __tablename__ = "lexicon_value"
    __table_args__ = table(
        "Whether a word is associated with an emotion: a row of every word for every emotion of its lexicon.",
        check("value IN (0, 1)"),
        identity=("lexicon_id", "word", "emotion"),
        owner="lexicon_id",
    )

    lexicon_id: int = column("The lexicon.", refers="lexicon.lexicon_id")
    word: str = column("The word, in lower case.")
    emotion: str = column("The emotion.")
    value: int = column("1 if the word is associated with it, otherwise 0.")
