"""Writing probes: collections, their questions, and the probe sets that analyses are restricted to.

All files of a call enter the store in one transaction, or none does. A collection has one version of each language:
the same content again changes nothing, other content under the same name is refused.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.probes import ReadProbe, ReadProbes, read_archive
from mlv.ingest.readers.report import FileReport, check_name
from mlv.ingest.reference.languages import country
from mlv.ingest.reference.languages import language as resolve
from mlv.ingest.reference.questions import number_of, probe_polarity, question_batteries
from mlv.ingest.rules.gates import validate
from mlv.ingest.rules.rulebook import gates
from mlv.ingest.writing.reference import ensure_languages, ensure_pairs, ensure_questions, ensure_reference
from mlv.ingest.writing.reports import record
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.errors import DataError, UsageError, joined, listed
from mlv.schema.fetching import frame_of
from mlv.schema.papers.echoes import ECHOES_DOUBTFUL_QUESTION, ECHOES_EXCLUDED_QUESTIONS
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure

ARORA = "arora-2023"
"""The collection that ``probe_polarity`` and the probe set ``echoes-2024`` are about."""

CITATIONS = {
    ARORA: "Arnav Arora, Lucie-Aimée Kaffee, Isabelle Augenstein (2023): Probing Pre-Trained Language Models for "
    "Cross-Cultural Differences in Values. C3NLP at EACL. https://github.com/copenlu/value-probing"
}
"""How to cite the collections that are known by name."""

GIVEN_WITH = "given with the probes of "
"""Citation of the country of a language, before the collection that it came with."""

MADE_OF_ARORA = ("echoes-2024", "echoes-238")
"""Probe sets that come with the published collection, beside that of all its questions."""

_CONTENT = ("question", "template", "answer_first", "answer_second")


def ingest_probes(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    collection: str = ARORA,
    language: str | None = None,
    citation: str | None = None,
    countries: Mapping[str, Sequence[str]] | None = None,
) -> list[FileReport]:
    """Read probe files and write them, all or none; content that is there already is left alone.

    Args:
        path: Zip archive, folder, or single file.
        collection: Name of the probe collection.
        language: Language of a single file, if its name is not that of a language.
        citation: How to cite the probes; not needed for a collection in ``CITATIONS``.
        countries: Countries, by language of these files, whose people it is compared with, beside those known.

    Returns:
        One report per file, those that were not read included.

    Raises:
        DataError: A file cannot be read, or differs from what the collection has in its language.
        UsageError: ``language``, ``collection`` or ``countries`` does not fit.
    """
    check_name("a probe collection", collection)
    if "/" in collection:
        raise UsageError(f"{collection!r} is not a valid name of a probe collection.", "Give one without a slash.")
    read = read_archive(path, language)
    _check_collection(collection, read)
    pairs = _pairs(countries or {}, read)
    with transaction(connection):
        known = _known_languages(connection, collection, read)
        new = [file for file in read if file.language and file.language not in known]
        reports = [_report(file, path, collection, not new or file.language in known) for file in read]
        ensure_pairs(connection, pairs, f"{GIVEN_WITH}{collection}")
        if new:
            _write(connection, collection, citation or CITATIONS.get(collection, ""), new)
            for report in reports:
                if not report.already_there:
                    record(connection, report)
    options = {"collection": collection, "language": language, "citation": citation, "countries": pairs}
    note_ingest(connection, "probes", options, reports)
    return reports


def _check_collection(collection: str, read: Sequence[ReadProbes]) -> None:
    """Raise UsageError if probes would go into the published collection that cannot be of it."""
    if collection != ARORA:
        return
    own = dict.fromkeys(p.question for file in read for p in file.probes if number_of(p.question) is None)
    if own or any(file.named for file in read):
        why = f"they ask {joined(own)}" if own else "their columns have names"
        raise UsageError(
            f"These are not probes of {ARORA}: {why}.",
            "Name the collection that they make up: mlv ingest probes PATH --collection NAME --citation TEXT",
        )


def _pairs(countries: Mapping[str, Sequence[str]], read: Sequence[ReadProbes]) -> dict[str, list[str]]:
    """Codes of countries by code of language. Raises UsageError for unknown ones, and languages without probes here."""
    found: dict[str, set[str]] = {}
    for name, others in countries.items():
        found.setdefault(resolve(name).code, set()).update(country(other).code for other in others)
    pairs = {code: sorted(others) for code, others in found.items()}
    if unasked := sorted(pairs.keys() - {file.language for file in read}):
        raise UsageError(
            f"--country names {', '.join(unasked)}, and these files have no probes in that language.",
            f"They have probes in {joined(sorted({file.language for file in read if file.language}))}.",
        )
    return pairs


def all_questions(collection: str) -> str:
    """Name of the probe set with all questions of a collection."""
    return "wvs7-all" if collection == ARORA else f"{collection}-all"


def _known_languages(connection: duckdb.DuckDBPyConnection, collection: str, read: Sequence[ReadProbes]) -> set[str]:
    """Languages in which the collection has the same probes. Raises DataError if it has others in any."""
    known, problems = set(), []
    members = "SELECT DISTINCT question, battery FROM v_probe_set WHERE collection = ? AND probe_set = ?"
    batteries = dict(connection.execute(members, [collection, all_questions(collection)]).fetchall())
    for file in read:
        stored = connection.execute(
            f"SELECT {', '.join(_CONTENT)}, polarity FROM v_probe WHERE collection = ? AND language = ?",
            [collection, file.language],
        ).fetchall()
        given = [
            (p.question, p.template, p.answer_first, p.answer_second, _polarity(collection, file.language, p))
            for p in file.probes
        ]
        differing = {row[0] for row in set(stored) ^ set(given)}
        said = {probe.question: probe.battery for probe in file.probes if probe.battery}
        differing |= {code for code, battery in said.items() if battery != batteries.get(code, battery)}
        if stored and differing:
            example = min(differing, key=lambda code: (len(code), code))
            problems.append(f"{file.name} ({file.language}): {len(differing)} questions, e.g. {example}")
        elif stored:
            known.add(file.language)
    if problems:
        raise DataError(
            f"The collection {collection} has other probes than these files:{listed(problems)}",
            "Nothing was written. Keep both by naming these: mlv ingest probes PATH --collection NAME. If what is "
            f"there is wrong: mlv ingest delete {shlex.quote(collection)}",
        )
    return known


def _report(file: ReadProbes, path: Path, collection: str, already_there: bool) -> FileReport:
    single = file.name == path.name
    return FileReport(
        kind="probes",
        target=f"{collection}/{file.language or file.name}",
        path=path,
        name=file.name if single else f"{path.name}/{file.name}",
        sha256=file.sha256,
        rows_read=file.rows_read,
        rows_kept=len(file.probes),
        rows_repaired=sum(probe.repaired for probe in file.probes),
        rejected=file.rejected,
        remarks=file.remarks,
        already_there=already_there,
    )


def _write(connection: duckdb.DuckDBPyConnection, collection: str, citation: str, files: Sequence[ReadProbes]) -> None:
    """Enter probes in languages that are new to the collection."""
    ensure_reference(connection)
    row = pl.DataFrame({"code": [collection], "citation": [citation], "sha256": [""]})
    collection_id = int(ensure(connection, "probe_collection", row, ["code"])["probe_collection_id"][0])
    codes = list(dict.fromkeys(probe.question for file in files for probe in file.probes))
    questions = ensure_questions(connection, codes, _categories(files))
    languages = ensure_languages(connection, (file.language for file in files))
    frame = pl.concat([_frame(file, languages[file.language], collection, questions) for file in files])
    validate(frame, f"The probes of {collection}", gates("v_probe"))
    rows = frame.drop("language", "question").with_columns(probe_collection_id=pl.lit(collection_id))
    ensure(connection, "probe", rows, ["probe_collection_id", "question_id", "language_id"])
    _ensure_sets(connection, collection, collection_id, _batteries(files))
    _update_hash(connection, collection)


def _frame(file: ReadProbes, language_id: int, collection: str, questions: dict[str, int]) -> pl.DataFrame:
    """A file's probes as rows of ``probe``, with ``language`` and ``question`` as the quality gates name them."""
    rows = [
        {
            "language": file.language,
            "question": probe.question,
            "question_id": questions[probe.question],
            "language_id": language_id,
            "template": probe.template,
            "answer_first": probe.answer_first,
            "answer_second": probe.answer_second,
            "mask_prefix": probe.mask_prefix,
            "mask_suffix": probe.mask_suffix,
            "polarity": _polarity(collection, file.language, probe),
        }
        for probe in file.probes
    ]
    return pl.DataFrame(rows)


def _polarity(collection: str, language: str, probe: ReadProbe) -> str:
    """What the file says, else what is known of the published collection, else canonical."""
    known = probe_polarity().get((probe.question, language)) if collection == ARORA else None
    return probe.polarity or known or "canonical"


def _categories(files: Sequence[ReadProbes]) -> dict[str, str]:
    """The category of each question of which a file says one. Raises DataError if two files say different ones."""
    said: dict[str, str] = {}
    for file in files:
        for probe in file.probes:
            if probe.category and said.setdefault(probe.question, probe.category) != probe.category:
                raise DataError(
                    f"Question {probe.question} is of the category {said[probe.question]!r}, but {file.name}, line "
                    f"{probe.line} says {probe.category!r}.",
                    "Nothing was written. A question is of one category in all languages: write the same everywhere.",
                )
    return said


def _update_hash(connection: duckdb.DuckDBPyConnection, collection: str) -> None:
    """Hash all that the collection has now."""
    rows = connection.execute(
        f"SELECT language, {', '.join(_CONTENT)} FROM v_probe WHERE collection = ? ORDER BY ALL", [collection]
    ).fetchall()
    digest = hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
    connection.execute("UPDATE probe_collection SET sha256 = ? WHERE code = ?", [digest, collection])


def _batteries(files: Sequence[ReadProbes]) -> pl.DataFrame:
    """The battery of every question: what the files say, else the questionnaire's, else the question alone.

    Returns:
        ``code, battery``.

    Raises:
        DataError: Two files say different batteries of a question.
    """
    said: dict[str, str] = {}
    for file in files:
        for probe in file.probes:
            if probe.battery and said.setdefault(probe.question, probe.battery) != probe.battery:
                raise _other_battery(
                    probe.question, said[probe.question], f"{file.name}, line {probe.line}", probe.battery
                )
    packaged = question_batteries()
    codes = dict.fromkeys(probe.question for file in files for probe in file.probes)
    return pl.DataFrame(
        [(code, said.get(code) or packaged.get(code, code)) for code in codes],
        schema={"code": pl.String, "battery": pl.String},
        orient="row",
    )


def _other_battery(question: str, battery: str, place: str, other: str) -> DataError:
    return DataError(
        f"Question {question} is of the battery {battery!r}, but {place} says {other!r}.",
        "Nothing was written. A question is of one battery in all languages: write the same in every file.",
    )


def _ensure_sets(
    connection: duckdb.DuckDBPyConnection, collection: str, collection_id: int, batteries: pl.DataFrame
) -> None:
    """Make the collection's probe sets, or add the questions of further languages to them, and draw their resamples."""
    questions = frame_of(
        connection,
        "SELECT DISTINCT question_id, q.code, q.number, c.in_study "
        "FROM probe JOIN question q USING (question_id) JOIN category c USING (category_id) "
        "WHERE probe_collection_id = ? ORDER BY q.number, q.code",
        [collection_id],
    )
    questions = questions.join(batteries, on="code", how="left", maintain_order="left")
    everything = all_questions(collection)
    description = f"Every question with a usable probe of {collection} in at least one language."
    _ensure_set(connection, everything, collection_id, description, questions)
    if collection == ARORA:
        studied = pl.col("in_study") & ~pl.col("code").is_in(ECHOES_EXCLUDED_QUESTIONS)
        description = (
            "The 237 questions of Choenni et al. (2024): those with two answers in the categories of the study, "
            f"but for {', '.join(ECHOES_EXCLUDED_QUESTIONS)}. An inference from the counts per category in "
            "dissertation Table 7.1, which the paper does not spell out."
        )
        _ensure_set(connection, "echoes-2024", collection_id, description, questions.filter(studied))
        description = (
            f"echoes-2024 and question {ECHOES_DOUBTFUL_QUESTION}, with which its category has one question more than "
            "dissertation Table 7.1 says: to see whether a figure depends on that."
        )
        doubtful = studied | (pl.col("code") == ECHOES_DOUBTFUL_QUESTION)
        _ensure_set(connection, "echoes-238", collection_id, description, questions.filter(doubtful))


def _ensure_set(
    connection: duckdb.DuckDBPyConnection, code: str, collection_id: int, description: str, questions: pl.DataFrame
) -> None:
    row = pl.DataFrame({"code": [code], "probe_collection_id": [collection_id], "description": [description]})
    set_id = int(ensure(connection, "probe_set", row, ["code"])["probe_set_id"][0])
    (owner,) = connection.execute(
        "SELECT probe_collection_id FROM probe_set WHERE probe_set_id = ?", [set_id]
    ).fetchall()[0]
    if owner != collection_id:
        raise UsageError(
            f"The probe set {code} belongs to another collection.", "Choose another name with --collection."
        )
    members = frame_of(
        connection, "SELECT question_id, battery AS known FROM probe_set_member WHERE probe_set_id = ?", [set_id]
    )
    told = questions.join(members, on="question_id", how="left", maintain_order="left")
    for question, known, other in (
        told.filter(pl.col("known") != pl.col("battery")).select("code", "known", "battery").rows()
    ):
        raise _other_battery(question, known, "a new file", other)
    new = told.filter(pl.col("known").is_null()).select(pl.lit(set_id).alias("probe_set_id"), "question_id", "battery")
    if append(connection, "probe_set_member", new):
        draw_resamples(connection, set_id)
