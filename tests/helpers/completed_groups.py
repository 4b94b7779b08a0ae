"""A store in which masked models completed sentences about groups, made of rows alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import polars as pl
from completed_rows import enter_checkpoint, enter_run, insert

from mlv.ingest.readers.groups import Template
from mlv.ingest.writing.groups import ingest_groups, ingest_lexicon, ingest_stereotypes
from mlv.ingest.writing.reference import ensure_language, ensure_reference
from mlv.schema.derived.emotions import enter_scores
from mlv.schema.store.rows import append

Words = Callable[["State", str, str], Sequence[str]]
"""Attributes of a state, a group and a form, the likeliest first."""


class State(NamedTuple):
    """A model as it is, or fine-tuned on a share of a source's articles."""

    model: str
    source: str = ""
    share: float | None = None
    seed: int = 1


class World(NamedTuple):
    """What a store is made of."""

    groups: Sequence[tuple[str, str]]
    """Category and name."""

    forms: Mapping[str, str]
    """Templates."""

    said: Sequence[tuple[str, str, str, str]]
    """Category, group, attribute and engine, of the sentence of the first form."""

    lexicon: Mapping[str, str]
    """Emotions of words by their first letters."""

    emotions: Sequence[str]
    states: Sequence[State]
    words: Words

    def prior_place(self, place: int, count: int) -> int:
        """Rank by typicality of what is at a rank by probability: each two change places."""
        other = place + 1 if place % 2 else place - 1
        return min(other, count)


def make(connection: duckdb.DuckDBPyConnection, folder: Path, world: World) -> None:
    """Fill an empty store."""
    ensure_reference(connection)
    _ingest(connection, folder, world)
    sources = sorted({state.source for state in world.states if state.source})
    for number, source in enumerate(sources, start=1):
        insert(connection, "source", source_id=number, code=source, name=source, domain="news", citation="")
        insert(
            connection, "corpus", corpus_id=number, source_id=number, language_id=ensure_language(connection, "en"),
            edition="a", licence="", origin="", columns="", sha256="",
        )  # fmt: skip
    bases: dict[str, int] = {}
    for number, state in enumerate(world.states, start=1):
        if state.model not in bases:
            start = bases[state.model] = 100 + len(bases)
            insert(
                connection, "base_model", base_model_id=start, name=state.model, revision="", digest=state.model,
                architecture="bert", parameters=start, vocabulary=9, adapter="",
            )  # fmt: skip
            enter_checkpoint(connection, start, start, None)
        checkpoint = bases[state.model]
        if state.source:
            spec = f'{{"articles":8,"share":{state.share},"objective":"masked_words","epochs":1}}'
            enter_run(connection, 1000 + number, "finetune", bases[state.model], spec, state.seed)
            place = sources.index(state.source) + 1
            insert(connection, "run_corpus", run_id=1000 + number, corpus_id=place, segments=8)
            checkpoint = 1000 + number
            enter_checkpoint(connection, checkpoint, bases[state.model], 1000 + number)
        enter_run(connection, 2000 + number, "complete", checkpoint, "{}")
        insert(connection, "completion_run", run_id=2000 + number, group_list_id=1, prior="one_mask", top_k=4)
        _complete(connection, 2000 + number, state, world)
        enter_scores(connection, run_id=2000 + number)


def _ingest(connection: duckdb.DuckDBPyConnection, folder: Path, world: World) -> None:
    files = {
        "groups.csv": ["category,group", *(f"{category},{name}" for category, name in world.groups)],
        "said.csv": [
            "prompt,category,group,attribute,engine",
            *(f"{_prompt(world, row[1])},{','.join(row)}" for row in world.said),
        ],
        "words.csv": [
            ",".join(("word", *world.emotions)),
            *(
                ",".join((word, *(str(int(emotion[0] in letters)) for emotion in world.emotions)))
                for word, letters in world.lexicon.items()
            ),
        ],
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    forms = [Template(form, "people", text) for form, text in world.forms.items()]
    ingest_groups(connection, folder / "groups.csv", name="ours", templates=forms)
    ingest_stereotypes(connection, folder / "said.csv", collection="said", groups="ours")
    ingest_lexicon(connection, folder / "words.csv", name="feelings")


def _prompt(world: World, group: str) -> str:
    return next(iter(world.forms.values())).replace("{group}", group)


def _complete(connection: duckdb.DuckDBPyConnection, run: int, state: State, world: World) -> None:
    rows = connection.execute("SELECT cloze_id, group_name, form FROM v_cloze ORDER BY cloze_id").fetchall()
    tokens = {word: place for place, word in enumerate(sorted({*_all_words(world)}))}
    found = []
    for cloze, group, form in rows:
        words = world.words(state, group, form)
        for place, word in enumerate(words, start=1):
            typical = world.prior_place(place, len(words))
            found.append((run, cloze, place, word, tokens[word], -float(place), -2.0 * place + typical, typical))
    names = ["run_id", "cloze_id", "rank", "attribute", "token", "logprob", "logprob_prior", "typicality_rank"]
    append(connection, "completion", pl.DataFrame(found, schema=names, orient="row"))


def _all_words(world: World) -> Iterable[str]:
    for state in world.states:
        for _, group in world.groups:
            for form in (*world.forms, "said"):
                yield from world.words(state, group, form)


HAND_WORDS: Final = {
    "alpha": {
        "bakers": ("warm early kind odd", "warm kind slow odd"),
        "sailors": ("salty loud cold odd", "loud cold warm odd"),
        "smiths": ("loud warm early odd", "loud slow warm odd"),
        "old people": ("wise slow kind odd", "wise slow cold odd"),
        "young people": ("loud kind warm odd", "loud early odd cold"),
    },
    "wire": {
        "bakers": ("cold early kind odd", "warm kind slow odd"),
        "sailors": ("salty wise cold odd", "loud cold warm odd"),
        "smiths": ("loud cold early odd", "loud slow salty odd"),
        "old people": ("wise slow cold odd", "wise salty cold odd"),
        "young people": ("loud kind warm odd", "loud early odd wise"),
    },
}
"""By source, alpha for none: the words of each group in the two templates."""


def _hand_words(state: State, group: str, form: str) -> list[str]:
    so, always = HAND_WORDS[state.source or "alpha"][group]
    if form == "said":
        return so.split()
    # the second seed leaves the last word out
    return (always if form == "always-so" else so).split()[: 3 if state.seed == 2 else 4]


HAND: Final = World(
    groups=[
        ("trade", "bakers"),
        ("trade", "sailors"),
        ("trade", "smiths"),
        ("age", "old people"),
        ("age", "young people"),
    ],
    forms={"so": "why are {group} so [MASK] ?", "always-so": "why are {group} always so [MASK] ?"},
    said=[
        ("trade", "bakers", "early", "Google"),
        ("trade", "bakers", "early", "Yahoo"),
        ("trade", "bakers", "warm", "multiple"),
        ("trade", "bakers", "good at maths", "Google"),
        ("trade", "sailors", "salty", "Google"),
        ("trade", "sailors", "funny", "Yahoo"),
        ("age", "old people", "wise", ""),
    ],
    lexicon={
        "early": "",
        "warm": "jp",
        "salty": "n",
        "wise": "jp",
        "cold": "fn",
        "loud": "n",
        "kind": "jp",
        "slow": "fn",
    },
    emotions=("joy", "fear", "positive", "negative"),
    states=[State("alpha"), State("alpha", "wire", 0.5, 1), State("alpha", "wire", 0.5, 2)],
    words=_hand_words,
)
"""What stereotypes/golden/README.md computes by hand."""
