"""A store in which a classifier over three classes was asked texts, made of rows alone."""

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
    """A store in which a classifier over three classes was asked texts."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        ensure_reference(connection)
        connection.execute("INSERT INTO source VALUES (1, 'news', 'News', 'news', '')")
        connection.execute("INSERT INTO task VALUES (1, 'topics', 1, '', 't', '')")
        labels = [(number, 1, f"label{number}", number, f"class {number}") for number in (1, 2, 3)]
        connection.executemany("INSERT INTO task_label VALUES (?, ?, ?, ?, ?)", labels)
        connection.execute("INSERT INTO base_model VALUES (1, 'tiny', '', 'd', 'xlm-roberta', 1, 1, '')")
        made = "'s', '{}', NULL, NULL, 1, 'committed', now(), now(), now(), '{}'"
        connection.execute(f"INSERT INTO run VALUES (1, 'classify', 'classify-1', 'h1', {made[5:]})")
        connection.execute(f"INSERT INTO run VALUES (2, 'predict', 'predict-1', 'h2', {made[5:]})")
        connection.execute("INSERT INTO checkpoint VALUES (1, 1, 1, 1, 10, TRUE, 'path', 'd1')")
        connection.execute("UPDATE run SET start_checkpoint_id = 1 WHERE run_id = 2")
        connection.execute("INSERT INTO prediction_run VALUES (2, 1)")

    def ask(self, said: list[tuple[str, str, int, int]]) -> dict[str, dict[str, Any]]:
        """The rows of the query by language, of texts given as language, key, class of the label, predicted class."""
        for table in ("class_logit", "segment", "corpus"):
            self._connection.execute(f"DELETE FROM {table}")
        languages = {code: place for place, code in enumerate(sorted({row[0] for row in said}), start=1)}
        for code, place in languages.items():
            ((language,),) = self._connection.execute(
                'SELECT language_id FROM "language" WHERE code = ?', [code]
            ).fetchall()
            self._connection.execute(
                "INSERT INTO corpus VALUES (?, 1, ?, 'test', '', '', '', ?)", [place, language, code]
            )
        texts = [(n, languages[code], n, key, "t", None, f"label{gold}") for n, (code, key, gold, _) in enumerate(said)]
        self._insert(
            "segment", texts, ("segment_id", "corpus_id", "position", "parallel_key", "text", "text_pair", "label")
        )
        scores = [
            (2, 1, n, number, float(number == predicted), np.log(0.8 if number == predicted else 0.1))
            for n, (_, _, _, predicted) in enumerate(said)
            for number in (1, 2, 3)
        ]
        columns = ("run_id", "checkpoint_id", "segment_id", "class_number", "logit", "logprob")
        self._insert("class_logit", scores, columns)
        found = run(self._connection, "accuracy").frame
        return {row["language"]: {name: row[name] for name in KEPT} for row in found.iter_rows(named=True)}

    def _insert(self, table: str, rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> None:
        append(self._connection, table, pl.DataFrame(rows, schema=list(columns), orient="row"))
