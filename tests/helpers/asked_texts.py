"""A store in which classifiers over three classes were asked texts, made of rows alone."""

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl

from mlv.ingest.writing.reference import ensure_reference
from mlv.queries import run
from mlv.schema.store.rows import append

Said = tuple[str, str, int, int]
"""Language, key, class of the label, and predicted class."""

BY_HAND: Final[list[Said]] = [
    (language, str(number), gold, predicted)
    for language in ("de", "ko")
    for number, (gold, predicted) in enumerate([(1, 1)] * 3 + [(1, 2), (2, 2), (2, 1)])
]
"""Of class 1 four texts, three of them told, one as 2; of class 2 two, one told, one as 1: alike in two languages."""

KEPT = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_f1_low", "macro_f1_high", "majority", "texts")


class Asked:
    """A store in which classifiers over three classes, at first one, were asked texts."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        ensure_reference(connection)
        connection.execute("INSERT INTO source VALUES (1, 'news', 'News', 'news', '')")
        connection.execute("INSERT INTO task VALUES (1, 'topics', 1, '', 't', '')")
        labels = [(number, 1, f"label{number}", number, f"class {number}") for number in (1, 2, 3)]
        connection.executemany("INSERT INTO task_label VALUES (?, ?, ?, ?, ?)", labels)
        connection.execute("INSERT INTO base_model VALUES (1, 'tiny', '', 'd', 'xlm-roberta', 1, 1, '')")
        self._classifiers = 0
        self._add_classifier()

    def _add_classifier(self) -> None:
        """Add the training of one, and a run that asks it."""
        self._classifiers += 1
        number = self._classifiers
        trained, asking = 2 * number - 1, 2 * number
        rest = "'{}', NULL, NULL, 1, 'committed', now(), now(), now(), '{}'"
        self._connection.execute(
            f"INSERT INTO run VALUES ({trained}, 'classify', 'classify-{number}', 'h{trained}', {rest}), "
            f"({asking}, 'predict', 'predict-{number}', 'h{asking}', {rest})"
        )
        self._connection.execute(
            f"INSERT INTO checkpoint VALUES ({number}, 1, {trained}, 1, 10, TRUE, 'path', 'd{number}')"
        )
        self._connection.execute(f"UPDATE run SET start_checkpoint_id = {number} WHERE run_id = {asking}")
        self._connection.execute(f"INSERT INTO prediction_run VALUES ({asking}, 1)")

    def ask(self, said: list[Said]) -> dict[str, dict[str, Any]]:
        """The rows of the query by language, of texts given as language, key, class of the label, predicted class."""
        return self.ask_each([said])[0]

    def ask_each(self, said: Sequence[list[Said]]) -> list[dict[str, dict[str, Any]]]:
        """The same for several classifiers, each asked texts of its own."""
        for table in ("class_logit", "segment", "corpus"):
            self._connection.execute(f"DELETE FROM {table}")
        while self._classifiers < len(said):
            self._add_classifier()
        languages = {code: place for place, code in enumerate(sorted({row[0] for some in said for row in some}), 1)}
        for code, place in languages.items():
            ((language,),) = self._connection.execute(
                'SELECT language_id FROM "language" WHERE code = ?', [code]
            ).fetchall()
            self._connection.execute(
                "INSERT INTO corpus VALUES (?, 1, ?, 'test', '', '', '', ?)", [place, language, code]
            )
        rows = list(enumerate((classifier, *row) for classifier, some in enumerate(said, 1) for row in some))
        texts = [(n, languages[code], n, key, "t", None, f"label{gold}") for n, (_, code, key, gold, _) in rows]
        self._insert(
            "segment", texts, ("segment_id", "corpus_id", "position", "parallel_key", "text", "text_pair", "label")
        )
        scores = [
            (2 * classifier, classifier, n, number, float(number == told), np.log(0.8 if number == told else 0.1))
            for n, (classifier, _, _, _, told) in rows
            for number in (1, 2, 3)
        ]
        columns = ("run_id", "checkpoint_id", "segment_id", "class_number", "logit", "logprob")
        self._insert("class_logit", scores, columns)
        found: list[dict[str, dict[str, Any]]] = [{} for _ in said]
        for row in run(self._connection, "accuracy").frame.iter_rows(named=True):
            place = int(row["run"].removeprefix("classify-")) - 1
            found[place][row["language"]] = {name: row[name] for name in KEPT}
        return found

    def _insert(self, table: str, rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> None:
        append(self._connection, table, pl.DataFrame(rows, schema=list(columns), orient="row"))
