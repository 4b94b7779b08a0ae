"""A store in which masked models completed sentences about social groups, made of rows alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl
from completed_rows import enter_checkpoint, enter_run, insert

from mlv.ingest.writing.reference import ensure_language
from mlv.schema.derived.emotions import enter_scores
from mlv.schema.store.rows import append

LIST: Final = "own"
COLLECTION: Final = "said"
PROMPT: Final = "{} are so [MASK]"
"""The sentence of a collection about a group."""


class State(NamedTuple):
    """A model as it is, or fine-tuned on a share of a source's articles."""

    model: str
    source: str = ""
    share: float = 1.0
    seed: int = 0


class Word(NamedTuple):
    """An attribute with its log-probability in a sentence, and with the group masked; None without a prior."""

    attribute: str
    logprob: float
    prior: float | None


class Said(NamedTuple):
    """A row of the collection."""

    category: str
    group: str
    attribute: str
    engine: str = ""


Sentence = tuple[str, str, str]
"""Category, group and form: a template's, or the collection."""


class World(NamedTuple):
    """What the store has."""

    groups: Mapping[str, Sequence[str]]
    """By category."""

    untemplated: frozenset[str]
    """Groups that stand in sentences of the collection alone."""

    templates: Sequence[str]
    """Forms."""

    said: Sequence[Said]
    emotions: Sequence[str]
    lexicon: Mapping[str, str]
    """By word the initials of its emotions."""

    models: Sequence[str]
    """From small to large."""

    completed: Mapping[State, Mapping[Sentence, Sequence[Word]]]
    """By what completes, from likely to unlikely."""


def fill(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    """Enter a world into an empty store."""
    clozes = _enter_sentences(connection, world)
    _enter_lexicon(connection, world)
    runs = _enter_states(connection, world)
    tokens = {word: token for token, word in enumerate(sorted(_vocabulary(world)), start=1)}
    names = ["run_id", "cloze_id", "rank", "attribute", "token", "logprob", "logprob_prior", "typicality_rank"]
    types: dict[str, Any] = {"logprob": pl.Float64, "logprob_prior": pl.Float64, "typicality_rank": pl.Int64}
    rows = [
        (runs[state], clozes[sentence], *row)
        for state, sentences in world.completed.items()
        for sentence, words in sentences.items()
        for row in _ranked(words, tokens)
    ]
    append(connection, "completion", pl.DataFrame(rows, schema=names, schema_overrides=types, orient="row"))
    enter_scores(connection)


def _vocabulary(world: World) -> set[str]:
    return {word.attribute for sentences in world.completed.values() for words in sentences.values() for word in words}


def _ranked(words: Sequence[Word], tokens: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    def typicality(word: Word) -> tuple[float, int]:
        return -(word.logprob - (word.prior or 0.0)), tokens[word.attribute]

    typical = sorted(words, key=typicality)
    for rank, word in enumerate(words, start=1):
        place = None if word.prior is None else typical.index(word) + 1
        yield rank, word.attribute, tokens[word.attribute], word.logprob, word.prior, place


def _enter_sentences(connection: duckdb.DuckDBPyConnection, world: World) -> dict[Sentence, int]:
    """Groups, their sentences and the collection; keys of the sentences."""
    english = ensure_language(connection, "en")
    insert(connection, "group_list", group_list_id=1, code=LIST)
    insert(
        connection,
        "stereotype_collection",
        stereotype_collection_id=1,
        code=COLLECTION,
        group_list_id=1,
        language_id=english,
        citation="",
        licence="",
        sha256="",
    )
    clozes: dict[Sentence, int] = {}
    every = [(category, name) for category, names in world.groups.items() for name in names]
    for key, (category, name) in enumerate(every, start=1):
        insert(
            connection,
            "social_group",
            social_group_id=key,
            group_list_id=1,
            category=category,
            name=name,
            kind="people",
        )
        forms = [] if name in world.untemplated else list(world.templates)
        for form in [*forms, COLLECTION]:
            text = PROMPT.format(name) if form == COLLECTION else f"{form} {name} are [MASK]"
            clozes[category, name, form] = len(clozes) + 1
            insert(
                connection,
                "cloze",
                cloze_id=len(clozes),
                social_group_id=key,
                language_id=english,
                form=form,
                text=text,
                prior_text=text.replace(name, "[GROUP]"),
                **({"stereotype_collection_id": 1} if form == COLLECTION else {}),
            )
    said = [
        (1, line, clozes[one.category, one.group, COLLECTION], one.attribute, len(one.attribute.split()), one.engine)
        for line, one in enumerate(world.said, start=1)
    ]
    names = ["stereotype_collection_id", "line", "cloze_id", "attribute", "words", "engine"]
    append(connection, "stereotype", pl.DataFrame(said, schema=names, orient="row"))
    return clozes


def _enter_lexicon(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    insert(
        connection,
        "lexicon",
        lexicon_id=1,
        code=LIST,
        citation="",
        licence="",
        may_be_passed_on=True,
        emotions=",".join(world.emotions),
        is_complete=True,
        sha256="",
    )
    rows = [
        (1, word, emotion, int(emotion[0] in initials))
        for word, initials in world.lexicon.items()
        for emotion in world.emotions
    ]
    names = ["lexicon_id", "word", "emotion", "value"]
    append(connection, "lexicon_value", pl.DataFrame(rows, schema=names, orient="row"))


def _enter_states(connection: duckdb.DuckDBPyConnection, world: World) -> dict[State, int]:
    """Models, the runs that fine-tuned them, and for each state the key of the run that completes."""
    english = ensure_language(connection, "en")
    sources = sorted({state.source for state in world.completed} - {""})
    for key, code in enumerate(sources, start=1):
        insert(connection, "source", source_id=key, code=code, name=code, domain="news", citation="")
        insert(
            connection,
            "corpus",
            corpus_id=key,
            source_id=key,
            language_id=english,
            edition="",
            licence="",
            origin="",
            columns="",
            sha256="",
        )
    for key, model in enumerate(world.models, start=1):
        insert(
            connection,
            "base_model",
            base_model_id=key,
            name=model,
            revision="",
            digest=model,
            architecture="bert",
            parameters=100 * key,
            vocabulary=50,
            adapter="",
        )
        enter_checkpoint(connection, key, key, None)
    completing: dict[State, int] = {}
    for key, state in enumerate(world.completed, start=101):
        base = checkpoint = [*world.models].index(state.model) + 1
        if state.source:
            spec = f'{{"articles":40,"share":{state.share},"objective":"masked_words","epochs":1}}'
            enter_run(connection, key, "finetune", base, spec, state.seed)
            insert(connection, "run_corpus", run_id=key, corpus_id=sources.index(state.source) + 1, segments=4)
            checkpoint = key
            enter_checkpoint(connection, key, base, key)
        completing[state] = key + 1_000
        enter_run(connection, key + 1_000, "complete", checkpoint, "{}")
        most = max(map(len, world.completed[state].values()))
        insert(connection, "completion_run", run_id=key + 1_000, group_list_id=1, prior="one_mask", top_k=most)
    return completing
