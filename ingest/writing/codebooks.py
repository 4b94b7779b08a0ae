"""Writing codebooks: what a survey is read by, its codes, and which answer each of them counts for.

A codebook enters the store with the first survey that is read by it. A name stands for one content.
"""

from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.report import FileReport, document_report
from mlv.ingest.reference.codebook import PACKAGED, Codebook, wvs7
from mlv.ingest.reference.questions import number_of
from mlv.ingest.writing.reference import ensure_questions, ensure_reference
from mlv.ingest.writing.reports import record
from mlv.schema.errors import DataError, NotFoundError, joined
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import ensure


def find_codebook(connection: duckdb.DuckDBPyConnection, given: Path | str | None) -> Codebook:
    """The codebook of a file (a path), of the store or of mlv (a name). Raises NotFoundError, DataError."""
    if isinstance(given, Path):
        return Codebook.read(given)
    if given in (None, PACKAGED):
        return wvs7()
    rows = connection.execute("SELECT content FROM codebook WHERE code = ?", [given]).fetchall()
    if not rows:
        known = connection.execute("SELECT code FROM codebook ORDER BY code").fetchall()
        names = dict.fromkeys([PACKAGED, *(code for (code,) in known)])
        raise NotFoundError(
            f"There is no codebook {given}: neither a file nor one that the store has ({joined(names)}).",
            "Write one to fill in: mlv ingest codebook --template FILE --from SURVEY",
        )
    return Codebook.model_validate_json(rows[0][0])


def ingest_codebook(connection: duckdb.DuckDBPyConnection, path: Path) -> list[FileReport]:
    """Read a codebook and write it, without a survey: how a store that is made again gets it. Raises DataError."""
    with transaction(connection):
        _, report = ensure_codebook(connection, Codebook.read(path), path)
    note_ingest(connection, "codebook", {}, [report] if report else [])
    return [report] if report else []


def ensure_codebook(
    connection: duckdb.DuckDBPyConnection, book: Codebook, path: Path | None
) -> tuple[int, FileReport | None]:
    """Key of a codebook, which is added if it is new, and the report on its file if it is from one.

    Within the caller's transaction. Raises DataError if the name stands for another, or a question is unknown.
    """
    known = connection.execute("SELECT codebook_id, sha256 FROM codebook WHERE code = ?", [book.name]).fetchone()
    if known is not None and known[1] != book.sha256:
        raise DataError(
            f"The store has a codebook {book.name} that says something else.",
            "Nothing was written. Surveys were read by that one: give this one another name in its first line.",
        )
    report = None
    if path is not None:
        rows = len(book.variables), len(book.asked)
        report = document_report("codebook", book.name, path, *rows, already_there=known is not None)
    if known is not None:
        return int(known[0]), report
    key = _write(connection, book)
    if report:
        record(connection, report)
    return key, report


def _write(connection: duckdb.DuckDBPyConnection, book: Codebook) -> int:
    ensure_reference(connection)
    questions = _questions(connection, book)
    row = {"code": book.name, "title": book.title, "sha256": book.sha256, "content": book.content}
    key = int(ensure(connection, "codebook", pl.DataFrame([row]), ["code"])["codebook_id"][0])
    of_book = pl.lit(key).alias("codebook_id")
    options = book.sides.select(of_book, "variable", "response_code", "label").unique(maintain_order=True)
    ensure(connection, "response_option", options, ["codebook_id", "variable", "response_code"])
    rows = book.sides.select(
        of_book,
        pl.col("question").replace_strict(questions, return_dtype=pl.Int64).alias("question_id"),
        "variable",
        "response_code",
        "side",
    )
    ensure(connection, "answer_side", rows, ["codebook_id", "question_id", "response_code"])
    return key


def _questions(connection: duckdb.DuckDBPyConnection, book: Codebook) -> dict[str, int]:
    """Keys of the questions of a codebook: those of wave 7 are added, others are those of probes in the store."""
    codes = book.sides["question"].unique(maintain_order=True).to_list()
    there = connection.execute("SELECT code, question_id FROM question WHERE code IN (SELECT unnest(?))", [codes])
    known = dict(there.fetchall())
    unknown = [code for code in codes if code not in known and number_of(code) is None]
    if unknown:
        raise DataError(
            f"The codebook {book.name} names {len(unknown)} questions that no probe is about: "
            f"{joined(unknown, most=10)}.",
            "Nothing was written. A question is named as in the probes, e.g. 1 or 106a; read probes on questions of "
            "your own first: mlv ingest probes PATH",
        )
    return {**known, **ensure_questions(connection, [code for code in codes if code not in known])}
