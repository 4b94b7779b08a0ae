"""A store in which classifiers were pruned, trained, asked and traced under masks, made of rows alone.

Texts in three languages have two classes, by whether their key is odd. What was ranked is given by how many examples of
each language it has, what was predicted by the keys that are right.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from mlv.ingest.writing.reference import ensure_reference
from mlv.ingest.writing.subnetworks import enter_derived, enter_masks, enter_subnetwork
from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.jobs.prune import PruneSpec
from mlv.schema.jobs.spec import ModelRef, Spec
from mlv.schema.store.rows import append

LANGUAGES: Final = ("de", "en", "ko")
EXAMPLES: Final = 8
"""Training examples of a language."""

Target = tuple[str, int, int | None]
"""Test language, key and epoch of what is traced; None for all epochs together."""

Masks = Mapping[str, str]
"""Name of a subnetwork by language."""

UNMASKED: Final[Masks] = MappingProxyType({})


class Training(NamedTuple):
    """A run that trains a classifier."""

    languages: Sequence[str] = LANGUAGES
    masks: Masks = UNMASKED
    epochs: int = 1


class Pruning(NamedTuple):
    """A run that prunes one; the subnetwork that it finds has its name."""

    training: str
    language: str
    mask: Mask
    score_before: float
    steps: Sequence[tuple[int, float, bool]]
    """Heads that are enabled, accuracy, and whether that is enough."""


class Predictions(NamedTuple):
    """A run that asks a classifier about all test texts in some languages."""

    training: str
    epoch: int
    right: Mapping[str, Sequence[int]]
    """By language the keys of the texts that it has right."""

    masks: Masks = UNMASKED


class Trace(NamedTuple):
    """A run that traces a classifier."""

    training: str
    ranked: Mapping[Target, tuple[str, str]]
    """Digits: how many of the examples with the highest, and with the lowest scores are in each language."""

    masks: Masks = UNMASKED
    directions: int = 0
    """Seed of random directions."""


class World(NamedTuple):
    """What the store has, by name."""

    tested: Sequence[int]
    """Keys of the test texts."""

    trainings: Mapping[str, Training]
    prunings: Mapping[str, Pruning]
    derived: Sequence[Subnetwork]
    predictions: Mapping[str, Predictions]
    traces: Mapping[str, Trace]


def _every(rows: Mapping[str, Sequence[str]], lowest: str = "112", epoch: int | None = None) -> dict[Any, Any]:
    """The lists of the texts of each language, by key from 1."""
    return {
        (language, key, epoch): (highest, lowest)
        for language, lists in rows.items()
        for key, highest in enumerate(lists, start=1)
    }


def mask(*rows: str) -> Mask:
    """A mask of a row of 0 and 1 for each layer."""
    return Mask.of([[place == "1" for place in row] for row in rows])


def _shuffled(seed: int, *rows: str) -> Subnetwork:
    name = f"shuffled(prune-de,{seed})"
    return Subnetwork(name=name, mask=mask(*rows), origin="shuffled", parts=("prune-de",), seed=seed)


OWN: Final[Masks] = {language: f"prune-{language}" for language in LANGUAGES}
_FULL: Final = {"de": ["211"] * 7, "en": ["121"] * 2, "ko": ["112"] * 2}

BY_HAND: Final = World(
    tuple(range(1, 9)),
    {
        "full": Training(epochs=2),
        "sparse": Training(masks=OWN, epochs=2),
        **{f"only-{language}": Training((language,)) for language in LANGUAGES},
    },
    {
        "prune-de": Pruning(
            "only-de", "de", mask("110", "100"), 0.8, [(5, 0.8, True), (4, 0.85, True), (3, 0.78, True)]
        ),
        "prune-en": Pruning(
            "only-en", "en", mask("110", "110"), 0.9, [(5, 0.9, True), (4, 0.875, True), (3, 0.5, False)]
        ),
        "prune-ko": Pruning(
            "only-ko", "ko", mask("011", "000"), 0.75, [(5, 0.75, True), (2, 0.75, True), (1, 0.5, False)]
        ),
    },
    [
        _shuffled(1, "101", "001"),
        _shuffled(2, "010", "011"),
        Subnetwork(
            name="intersection(prune-de,prune-en)",
            mask=mask("110", "100"),
            origin="intersection",
            parts=("prune-de", "prune-en"),
        ),
    ],
    {
        "ask-full": Predictions("full", 2, {"de": (1, 2, 3, 5, 6, 7), "en": range(1, 8), "ko": (1, 2, 3, 4)}),
        "ask-masked": Predictions("full", 2, {"de": (1, 4, 5, 6, 7), "en": range(1, 8), "ko": (5, 6, 7, 8)}, OWN),
        "ask-other": Predictions("full", 2, {"de": (1, 2)}, {"de": "prune-en"}),
        "ask-sparse-1": Predictions("sparse", 1, {"de": range(1, 5), "en": range(1, 7), "ko": range(1, 3)}, OWN),
        "ask-sparse-2": Predictions("sparse", 2, {"de": range(1, 9), "en": range(1, 7), "ko": range(1, 5)}, OWN),
    },
    {
        "trace-full": Trace("full", _every(_FULL)),
        "trace-again": Trace("full", _every({**_FULL, "de": ["310"] + ["211"] * 6}), directions=1),
        "trace-masked": Trace(
            "full",
            _every({"de": ["310"] * 6 + ["211", "310"], "en": ["130"] * 2, "ko": ["022"] * 2}),
            OWN,
        ),
        "trace-shuffled-1": Trace("full", _every({"de": ["220"] * 6 + ["211"]}), {"de": "shuffled(prune-de,1)"}),
        "trace-shuffled-2": Trace("full", _every({"de": ["211"] * 7}), {"de": "shuffled(prune-de,2)"}),
        "trace-both": Trace("full", _every({"de": ["220"] * 7}), {"de": "intersection(prune-de,prune-en)"}),
        "trace-sparse": Trace(
            "sparse",
            _every({"de": ["121"] * 7, "en": ["130"] * 2, "ko": ["004"] * 2})
            | _every({"de": ["310"] * 7, "en": ["031"] * 2, "ko": ["004"] * 2}, epoch=1)
            | _every({"de": ["211"] * 7, "en": ["121"] * 2, "ko": ["013"] * 2}, epoch=2),
            OWN,
        ),
    },
)
"""What tests/queries/modularity/golden/README.md computes by hand."""


class MaskedTexts:
    """Fills an empty store."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, world: World = BY_HAND) -> None:
        self._connection, self.world = connection, world
        ensure_reference(connection)
        connection.execute("INSERT INTO source VALUES (1, 'news', 'News', 'news', '')")
        connection.execute("INSERT INTO task VALUES (1, 'parity', 1, '', 't', '')")
        connection.execute("INSERT INTO task_label VALUES (1, 1, 'odd', 1, 'Odd'), (2, 1, 'even', 2, 'Even')")
        connection.execute("INSERT INTO base_model VALUES (1, 'tiny', '', 'd', 'xlm-roberta', 1, 1, '')")
        connection.execute("INSERT INTO checkpoint VALUES (1, 1, NULL, 0, 0, TRUE, '', 'd')")
        found = dict(connection.execute('SELECT code, language_id FROM "language"').fetchall())
        self._languages = {code: found[code] for code in LANGUAGES}
        self._segments: dict[tuple[str, str, int], int] = {}
        for split, keys in (("train", range(1, EXAMPLES + 1)), ("test", world.tested)):
            self._add_texts(split, keys)
        self._runs: dict[str, int] = {}
        self._checkpoints: dict[tuple[str, int], int] = {}
        self._examples: dict[tuple[str, str], list[int]] = {}
        self._subnetworks = {one.name: one for one in world.derived} | {
            name: Subnetwork(name=name, mask=pruning.mask, origin="pruned") for name, pruning in world.prunings.items()
        }
        # those that are trained under masks come after the prunings
        plain = {name: training for name, training in world.trainings.items() if not training.masks}
        for name, training in plain.items():
            self._add_training(name, training)
        for name, pruning in world.prunings.items():
            self._add_pruning(name, pruning)
        enter_derived(connection, world.derived)
        for name in world.trainings.keys() - plain.keys():
            self._add_training(name, world.trainings[name])
        for name, predictions in world.predictions.items():
            self._add_predictions(name, predictions)
        self._targets = 0
        for name, trace in world.traces.items():
            self._add_trace(name, trace)
        sum_rankings(connection, 1)

    def _add_texts(self, split: str, keys: Sequence[int]) -> None:
        rows = []
        for code, language in self._languages.items():
            corpus = len(self._segments) + 1
            self._insert("corpus", (corpus, 1, language, split, "", "", "", f"{split} {code}"))
            for key in keys:
                self._segments[split, code, key] = number = len(self._segments) + 1
                rows.append((number, corpus, key, str(key), f"{code} {key}", None, "odd" if key % 2 else "even"))
        columns = ("segment_id", "corpus_id", "position", "parallel_key", "text", "text_pair", "label")
        append(self._connection, "segment", pl.DataFrame(rows, schema=list(columns), orient="row"))

    def _add_run(
        self, name: str, spec: Spec, start: int = 1, parent: str | None = None, masks: Masks = UNMASKED
    ) -> int:
        self._runs[name] = run = len(self._runs) + 1
        self._connection.execute(
            "INSERT INTO run SELECT $id, $kind, $name, $name, $spec, $parent, $start, 1, 'committed', t, t, t, '{}' "
            "FROM (SELECT TIMESTAMP '2024-01-01' AS t)",
            {"id": run, "kind": spec.kind, "name": name, "spec": spec.model_dump_json()}
            | {"parent": self._runs[parent] if parent else None, "start": start},
        )
        for language, subnetwork in masks.items():
            made = self._subnetworks[subnetwork].mask
            mask_id = enter_masks(self._connection, [made])[made.digest]
            self._insert("run_mask", (run, self._languages[language], mask_id, subnetwork))
        return run

    def _under(self, masks: Masks) -> dict[str, Any]:
        """Fields of a specification."""
        used = tuple(self._subnetworks[name] for name in dict.fromkeys(masks.values()))
        return {"masks": dict(masks), "subnetworks": used} if masks else {}

    def _training(self, name: str) -> ClassifySpec:
        training = self.world.trainings[name]
        return ClassifySpec(
            model=ModelRef(name="tiny", digest="d"),
            task="parity",
            classes=("Odd", "Even"),
            source="news",
            languages=tuple(training.languages),
            examples=EXAMPLES,
            corpora=(),
            development=(),
            inputs_digest="i",
            updates="gradient" if training.masks else None,
            **self._under(training.masks),
        )

    def _add_training(self, name: str, training: Training) -> None:
        run = self._add_run(name, self._training(name), masks=training.masks)
        for epoch in range(1, training.epochs + 1):
            self._checkpoints[name, epoch] = number = 2 + len(self._checkpoints)
            digest = f"{name}/epoch-{epoch}"
            self._insert("checkpoint", (number, 1, run, epoch, epoch, epoch == training.epochs, "", digest))
        self._insert("classification_run", (run, 1, EXAMPLES, None, None, None))
        for code in training.languages:
            segments = [self._segments["train", code, key] for key in range(1, EXAMPLES + 1)]
            self._insert("run_corpus", (run, segments[0], EXAMPLES))
            self._examples[name, code] = numbers = [1000 * run + segment for segment in segments]
            rows = zip(numbers, segments, strict=True)
            self._insert("training_example", *((number, run, number, "train", segment) for number, segment in rows))

    def _final(self, training: str) -> int:
        return self._checkpoints[training, self.world.trainings[training].epochs]

    def _add_pruning(self, name: str, pruning: Pruning) -> None:
        model = ModelRef(name=f"{pruning.training}/epoch-1", digest="d")
        spec = PruneSpec(
            model=model,
            training=self._training(pruning.training),
            language=pruning.language,
            development=(),
            inputs_digest="i",
            step=0.2,
        )
        run = self._add_run(name, spec, self._final(pruning.training), pruning.training)
        language = self._languages[pruning.language]
        self._insert("pruning_run", (run, 1, language, EXAMPLES, 40, pruning.score_before))
        steps = ((run, number, *step) for number, step in enumerate(pruning.steps, start=1))
        self._insert("pruning_step", *steps)
        enter_subnetwork(self._connection, self._subnetworks[name], run, language)

    def _add_predictions(self, name: str, predictions: Predictions) -> None:
        checkpoint = self._checkpoints[predictions.training, predictions.epoch]
        spec = PredictSpec(
            model=ModelRef(name=f"{predictions.training}/epoch-{predictions.epoch}", digest="d"),
            task="parity",
            classes=("Odd", "Even"),
            source="news",
            split="test",
            languages=tuple(predictions.right),
            corpora=(),
            inputs_digest="i",
            **self._under(predictions.masks),
        )
        run = self._add_run(name, spec, checkpoint, predictions.training, predictions.masks)
        self._insert("prediction_run", (run, 1))
        masks = dict(
            self._connection.execute(
                'SELECT code, mask_id FROM run_mask JOIN "language" USING (language_id) WHERE run_id = ?', [run]
            ).fetchall()
        )
        rows = []
        for code, right in predictions.right.items():
            for key in self.world.tested:
                predicted = (1 if key % 2 else 2) if key in right else (2 if key % 2 else 1)
                segment = self._segments["test", code, key]
                rows += [
                    (run, checkpoint, segment, number, float(number == predicted), -0.5, masks.get(code))
                    for number in (1, 2)
                ]
        self._insert("class_logit", *rows)

    def _add_trace(self, name: str, trace: Trace) -> None:
        """What is traced: the scores fall by rank to 1, and rise to -1."""
        epochs = range(1, self.world.trainings[trace.training].epochs + 1)
        made = [ModelRef(name=f"{trace.training}/epoch-{epoch}", digest="d") for epoch in epochs]
        top_k = sum(map(int, next(iter(trace.ranked.values()))[0]))
        spec = InfluenceSpec(
            model=made[-1],
            training=self._training(trace.training),
            checkpoints=tuple(made),
            attribution=Attribution(
                method="tracin",
                similarity="cosine",
                gradients=Gradients(projection="random", dimensions=16, seed=trace.directions),
            ),
            collection="news",
            probe_set="test",
            languages=LANGUAGES,
            corpora=(),
            inputs_digest="i",
            selection="correct",
            quantity="label",
            top_k=top_k,
            training_masks="test" if trace.masks else None,
            **self._under(trace.masks),
        )
        run = self._add_run(name, spec, self._final(trace.training), trace.training, trace.masks)
        languages = self.world.trainings[trace.training].languages
        sizes = EXAMPLES * len(languages)
        how = ("tracin", "cosine", "label", "correct", "random", 16, "output", 0.0, len(made), sizes, top_k, 0.01)
        self._insert("influence_run", (run, self._runs[trace.training], *how, spec.training_masks))
        targets, rankings, summaries = [], [], []
        for (code, key, epoch), lists in trace.ranked.items():
            self._targets += 1
            segment = self._segments["test", code, key]
            targets.append((self._targets, run, None, segment, epoch, 1 if key % 2 else 2, -0.1))
            for direction, sign, counts in zip(("positive", "negative"), (1, -1), lists, strict=True):
                drawn = [
                    example
                    for language, count in zip(languages, counts, strict=True)
                    for example in self._examples[trace.training, language][: int(count)]
                ]
                rankings += [
                    (self._targets, direction, rank, example, float(sign * (len(drawn) + 1 - rank)))
                    for rank, example in enumerate(drawn, start=1)
                ]
            summaries += [
                (self._targets, self._languages[language], EXAMPLES, 0.0, 1.0, -9.0, 9.0) for language in languages
            ]
        self._insert("influence_target", *targets)
        self._insert("influence_ranking", *rankings)
        self._insert("influence_summary", *summaries)

    def _insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        columns = [row[0] for row in self._connection.execute(f"DESCRIBE {table}").fetchall()]
        append(self._connection, table, pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None))
