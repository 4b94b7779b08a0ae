"""The outputs that the authors of D6 released, as rows of a store: ranks of stereotypes, and emotions of groups."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import duckdb
import polars as pl
from completed_rows import enter_checkpoint, enter_run, insert

from mlv.ingest.writing.groups import PUBLISHED, ingest_groups, ingest_stereotypes
from mlv.ingest.writing.reference import ensure_language
from mlv.schema.papers.stereotypes import EMOTIONS, SENTIMENTS
from mlv.schema.store.rows import append

MODELS: Final = {
    "bert-base-uncased": "BERT-B",
    "bert-large-uncased": "BERT-L",
    "roberta-base": "RoBERTa-B",
    "roberta-large": "RoBERTa-L",
    "bart-base": "BART-B",
    "bart-large": "BART-L",
    "bert-base-multilingual-uncased": "mBERT",
    "xlm-roberta-base": "XLMR-B",
    "xlm-roberta-large": "XLMR-L",
}
"""The paper's names of models."""

OUTLETS: Final = {
    "new_yorker": "NewYorker",
    "guardian": "Guardian",
    "reuters": "Reuters",
    "fox": "FOX news",
    "breitbart": "BreitBart",
}
"""The paper's names of outlets."""

SINGLE: Final = "single-words"
"""Collection of the rows that the authors call single words."""


class State(NamedTuple):
    """A model as it is, or fine-tuned on a share of an outlet's articles."""

    model: str
    source: str = ""
    share: str = ""


def read(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Rows of a released table."""
    with gzip.open(folder / "stereotypes" / name, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def fill(connection: duckdb.DuckDBPyConnection, folder: Path, kind: Literal["pretrained", "finetuned"]) -> None:
    """Enter groups, stereotypes, and what the models of a set of emotion vectors say, into an empty store.

    ``finetuned`` are the base models of the comparisons with what was made of them.
    """
    data = folder / "stereotypes"
    ingest_groups(connection, data / "social_groups.csv", name=PUBLISHED)
    ingest_stereotypes(
        connection, data / "stereo_dataset.csv.gz", collection=PUBLISHED, groups=PUBLISHED, add_groups=True
    )
    # the authors' own choice of what is a single word: ten rows with a space at their end are none to them
    ingest_stereotypes(
        connection, data / "single_word_stereo_dataset.csv.gz", collection=SINGLE, groups=PUBLISHED, add_groups=True
    )
    vectors = [row for row in read(folder, "emotion_vectors.csv.gz") if row["set"] == kind]
    ranks = list(read(folder, "typicality_ranks.csv.gz"))
    states = dict.fromkeys([*map(_state, ranks), *map(_state, vectors)])
    runs = _enter_states(connection, list(states))
    _enter_emotions(connection, vectors, runs)
    _enter_ranks(connection, ranks, runs)


def _state(row: dict[str, str]) -> State:
    return State(row["model"], row["source"], row["share"] if row["source"] else "")


def _enter_states(connection: duckdb.DuckDBPyConnection, states: list[State]) -> dict[State, int]:
    """Models, the runs that fine-tuned them, and for each state the key of a run that completes."""
    english = ensure_language(connection, "en")
    for number, source in enumerate(OUTLETS, start=1):
        insert(connection, "source", source_id=number, code=source, name=source, domain="news", citation="")
        insert(
            connection, "corpus", corpus_id=number, source_id=number, language_id=english, edition="a", licence="",
            origin="", columns="", sha256="",
        )  # fmt: skip
    completing: dict[State, int] = {}
    bases: dict[str, int] = {}
    for number, state in enumerate(
        sorted(states, key=lambda one: (list(MODELS).index(one.model), one.source)), start=1
    ):
        start = bases.get(state.model)
        if start is None:
            start = bases[state.model] = len(bases) + 1
            insert(
                connection, "base_model", base_model_id=start, name=state.model, revision="", digest=state.model,
                architecture="bert", parameters=start, vocabulary=1, adapter="",
            )  # fmt: skip
            enter_checkpoint(connection, start, start, None)
        checkpoint = start
        if state.source:
            spec = (
                f'{{"articles":4354,"share":{state.share},"objective":"masked_words","epochs":1,'
                '"learning_rate":5e-05,"batch_size":8}'
            )
            enter_run(connection, 1000 + number, "finetune", start, spec)
            insert(
                connection, "run_corpus", run_id=1000 + number, corpus_id=[*OUTLETS].index(state.source) + 1, segments=1
            )
            checkpoint = 1000 + number
            enter_checkpoint(connection, checkpoint, start, 1000 + number)
        completing[state] = 2000 + number
        enter_run(connection, 2000 + number, "complete", checkpoint, "{}")
        insert(connection, "completion_run", run_id=2000 + number, group_list_id=1, prior="published", top_k=200)
    return completing


def _enter_emotions(
    connection: duckdb.DuckDBPyConnection, vectors: list[dict[str, str]], runs: dict[State, int]
) -> None:
    emotions = (*EMOTIONS, *SENTIMENTS)
    insert(
        connection, "lexicon", lexicon_id=1, code="nrc", citation="", licence="", may_be_passed_on=False,
        emotions=",".join(emotions), is_complete=True, sha256="",
    )  # fmt: skip
    keys = connection.execute("SELECT category, group_name, social_group_id FROM v_group").fetchall()
    groups = {(category, name.lower()): key for category, name, key in keys}
    rows = [
        (
            runs[_state(row)],
            1,
            groups[row["category"], row["group"].lower()],
            emotion,
            int(row["covered"]),
            int(row["covered"]),
            float(row[emotion]) / 100,
        )
        for row in vectors
        for emotion in emotions
        if row[emotion]
    ]
    names = ["run_id", "lexicon_id", "social_group_id", "emotion", "words", "covered", "score"]
    append(connection, "emotion_score", pl.DataFrame(rows, schema=names, orient="row"))


def _enter_ranks(connection: duckdb.DuckDBPyConnection, ranks: list[dict[str, str]], runs: dict[State, int]) -> None:
    """Ranks by typicality; what else is among the first 200 is not in the release but for one placeholder."""
    found = connection.execute(
        "SELECT DISTINCT category, lower(group_name), prompt, cloze_id FROM v_stereotype WHERE collection = ?",
        [SINGLE],
    )
    clozes = {row[:3]: row[3] for row in found.fetchall()}
    rows = []
    asked = set()
    for row in ranks:
        key = (row["category"], row["group"].lower(), f"{row['input']} [MASK] ?")
        run, cloze = runs[_state(row)], clozes[key]
        asked.add((run, cloze))
        if row["rank"]:
            rows.append((run, cloze, int(row["rank"]) + 1, row["attribute"], int(row["rank"]) + 1, int(row["rank"])))
    rows += [(run, cloze, 1, "", 1, 201) for run, cloze in asked]
    names = ["run_id", "cloze_id", "rank", "attribute", "token", "typicality_rank"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(logprob=-1.0, logprob_prior=-1.0)
    append(connection, "completion", frame)
