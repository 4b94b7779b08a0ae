"""A store in which predictions of classifiers are traced, made of rows alone.

Texts have two classes; models are trained on keys of theirs in three languages, or without Korean, or with more of
Korean. What is traced of each is given as rankings.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from mlv.ingest.writing.reference import ensure_reference
from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.rows import append

LANGUAGES: Final = ("de", "en", "ko")

Example = tuple[str, str]
"""Language and key."""

Lists = tuple[Sequence[Example], Sequence[Example]]
"""The examples with the highest scores, and those with the lowest."""


class World(NamedTuple):
    """What the store has."""

    models: Mapping[str, Mapping[str, Sequence[str]]]
    """Keys that each model was trained on, by language. The names are full, without (Korean), and more (of Korean)."""

    odd: frozenset[str]
    """Keys of the texts of the first class."""

    texts: Mapping[Example, str]
    """Those of examples, where they are not a word in their language."""

    ranked: Mapping[tuple[str, str, str], Lists]
    """By model, test language and key of a test text."""

    @property
    def keys(self) -> list[str]:
        """Of all training texts."""
        return sorted({key for model in self.models.values() for keys in model.values() for key in keys})

    @property
    def tested(self) -> list[str]:
        """Keys of all test texts."""
        return sorted({key for _, _, key in self.ranked})


def _lists(highest: str, lowest: str) -> Lists:
    first, second = ([(name[:2], name[2:]) for name in names.split()] for names in (highest, lowest))
    return first, second


BY_HAND: Final = World(
    {
        "full": dict.fromkeys(LANGUAGES, "1234"),
        "without": dict.fromkeys(("de", "en"), "1234"),
        "more": {"de": "1234", "en": "1234", "ko": "123456"},
    },
    frozenset(("1", "2", "5", "t1")),
    {("ko", "4"): "단어 abc", ("de", "3"): "слово 3"},
    {
        ("full", "ko", "t1"): _lists("ko1 de1 en2 ko3", "ko4 en4 de3 en3"),
        ("full", "ko", "t2"): _lists("ko3 ko4 de3 en4", "de1 de2 en1 ko1"),
        ("full", "de", "t1"): _lists("de1 en1 ko2 ko4", "en3 ko3 de4 en4"),
        ("without", "ko", "t1"): _lists("de1 en1 de2 en3", "en4 de3 de4 en2"),
        ("without", "ko", "t2"): _lists("de4 en3 de3 en4", "de1 en2 en1 de2"),
        ("more", "ko", "t1"): _lists("ko1 ko5 ko2 de1", "ko6 ko4 en3 de4"),
        ("more", "ko", "t2"): _lists("ko6 ko3 en4 de3", "ko1 ko5 de1 en1"),
    },
)
"""What tests/queries/sharing/golden/README.md computes by hand."""

_WORDS: Final = {"de": "Wort", "en": "word", "ko": "단어"}


def text_of(world: World, language: str, key: str) -> str:
    """The text of an example."""
    return world.texts.get((language, key), f"{_WORDS[language]} {key}")


class TracedTexts:
    """Fills an empty store."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, world: World = BY_HAND) -> None:
        self._connection, self.world = connection, world
        self._segments: dict[Example, int] = {}
        ensure_reference(connection)
        connection.execute("INSERT INTO source VALUES (1, 'news', 'News', 'news', '')")
        connection.execute("INSERT INTO task VALUES (1, 'parity', 1, '', 't', '')")
        connection.execute("INSERT INTO task_label VALUES (1, 1, 'odd', 1, 'Odd'), (2, 1, 'even', 2, 'Even')")
        connection.execute("INSERT INTO base_model VALUES (1, 'tiny', '', 'd', 'xlm-roberta', 1, 1, '')")
        connection.execute("INSERT INTO checkpoint VALUES (1, 1, NULL, 0, 0, TRUE, '', 'd')")
        found = dict(connection.execute('SELECT code, language_id FROM "language"').fetchall())
        self._languages = {code: found[code] for code in LANGUAGES}
        for place, (split, keys) in enumerate((("train", world.keys), ("test", world.tested))):
            self._add_segments(3 * place, split, keys)
        for number, model in enumerate(world.models, start=1):
            self._add_trace(number, model, self._add_model(number, model))
        sum_rankings(connection, 1)

    def _label(self, key: str) -> str:
        return "odd" if key in self.world.odd else "even"

    def _add_segments(self, before: int, split: str, keys: Sequence[str]) -> None:
        rows = []
        for number, (code, language) in enumerate(self._languages.items(), start=before + 1):
            self._insert("corpus", (number, 1, language, split, "", "", "", code))
            for position, key in enumerate(keys):
                self._segments[code, key] = len(self._segments) + 1
                text = text_of(self.world, code, key)
                rows.append((len(self._segments), number, position, key, text, None, self._label(key)))
        columns = ("segment_id", "corpus_id", "position", "parallel_key", "text", "text_pair", "label")
        append(self._connection, "segment", pl.DataFrame(rows, schema=list(columns), orient="row"))

    def _training(self, model: str) -> ClassifySpec:
        keys = self.world.models[model]
        more = model == "more"
        return ClassifySpec(
            model=ModelRef(name="tiny", digest="d"),
            task="parity",
            classes=("Odd", "Even"),
            source="news",
            languages=tuple(keys),
            examples=len(keys["de"]),
            corpora=(),
            development=(),
            inputs_digest="i",
            left_out=("ko",) if model == "without" else None,
            added_language="ko" if more else None,
            added_percent=50 if more else None,
        )

    def _add_run(self, run_id: int, name: str, spec: ClassifySpec | InfluenceSpec, parent: int | None) -> None:
        start = 1 if parent is None else 1 + parent
        self._connection.execute(
            "INSERT INTO run SELECT $id, $kind, $name, $name, $spec, $parent, $start, 1, 'committed', t, t, t, '{}' "
            "FROM (SELECT TIMESTAMP '2024-01-01' AS t)",
            {"id": run_id, "kind": spec.kind, "name": name, "spec": spec.model_dump_json()}
            | {"parent": parent, "start": start},
        )

    def _add_model(self, number: int, model: str) -> dict[Example, int]:
        """A training; keys of its examples."""
        spec = self._training(model)
        self._add_run(number, model, spec, None)
        self._insert("checkpoint", (1 + number, 1, number, 1, 10, True, "", model))
        added = self._languages[spec.added_language] if spec.added_language else None
        left_out = ",".join(spec.left_out or ()) or None
        self._insert("classification_run", (number, 1, spec.examples, left_out, added, spec.added_percent))
        examples: dict[Example, int] = {}
        rows = []
        for code, keys in self.world.models[model].items():
            self._insert("run_corpus", (number, 1 + LANGUAGES.index(code), len(keys)))
            for key in keys:
                examples[code, key] = 1000 * number + len(examples)
                rows.append((examples[code, key], number, len(examples) - 1, "train", self._segments[code, key]))
        self._insert("training_example", *rows)
        return examples

    def _add_trace(self, number: int, model: str, examples: Mapping[Example, int]) -> None:
        """What is traced of a model: the scores fall by rank to 1, and rise to -1."""
        made = ModelRef(name=f"{model}/epoch-1", digest=model)
        exact = Gradients(projection="none", dimensions=0)
        spec = InfluenceSpec(
            model=made,
            training=self._training(model),
            checkpoints=(made,),
            attribution=Attribution(method="tracin", similarity="cosine", gradients=exact),
            collection="news",
            probe_set="test",
            languages=LANGUAGES,
            corpora=(),
            inputs_digest="i",
            selection="correct",
            quantity="label",
            top_k=4,
        )
        run_id = 10 + number
        self._add_run(run_id, f"trace-{model}", spec, number)
        how = ("tracin", "cosine", "label", "correct", "none", 0, "output", 0.0, 1, len(examples), 4, 0.01, None)
        self._insert("influence_run", (run_id, number, *how))
        for place, ((of, code, key), lists) in enumerate(self.world.ranked.items(), start=1):
            if of == model:
                answer = 1 if key in self.world.odd else 2
                self._insert("influence_target", (place, run_id, None, self._segments[code, key], None, answer, -0.1))
                for direction, sign, ranked in zip(("positive", "negative"), (1, -1), lists, strict=True):
                    scores = [float(sign * score) for score in range(len(ranked), 0, -1)]
                    rows = enumerate(zip(ranked, scores, strict=True), start=1)
                    self._insert(
                        "influence_ranking",
                        *((place, direction, rank, examples[example], score) for rank, (example, score) in rows),
                    )
                sizes = self.world.models[model].items()
                self._insert(
                    "influence_summary",
                    *((place, self._languages[code], len(keys), 0.0, 1.0, -9.0, 9.0) for code, keys in sizes),
                )

    def _insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        columns = [row[0] for row in self._connection.execute(f"DESCRIBE {table}").fetchall()]
        frame = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
        append(self._connection, table, frame)
