"""Writing social groups with the sentences about them, collections of stereotypes, and lexicons of emotions.

A list has one version of its groups and templates in each language, a collection and a lexicon have one version: the
same content again changes nothing, other content under the same name is refused.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.groups import (
    GROUP,
    PLACE,
    ReadGroup,
    ReadStereotype,
    Template,
    read_groups,
    read_stereotypes,
    without_group,
)
from mlv.ingest.readers.lexicons import ReadLexicon, read_lexicon
from mlv.ingest.readers.report import FileReport, Rejected, check_name, file_sha256
from mlv.ingest.reference.languages import language as resolve
from mlv.ingest.writing.reference import ensure_language
from mlv.ingest.writing.reports import record
from mlv.schema.derived.emotions import enter_scores
from mlv.schema.errors import DataError, NotFoundError, UsageError, joined
from mlv.schema.papers import stereotypes
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure

PUBLISHED: Final = "choenni-2021"
"""The paper's collection, and its list of groups."""

CITATIONS: Final = {
    PUBLISHED: "Rochelle Choenni, Ekaterina Shutova, Robert van Rooij (2021): Stepmothers are mean and academics are "
    "pretentious: What do pretrained language models learn about you? EMNLP. "
    "https://github.com/RochelleChoenni/stereotypes_in_lms",
    "nrc": "Saif M. Mohammad, Peter D. Turney (2013): Crowdsourcing a Word-Emotion Association Lexicon. Computational "
    "Intelligence 29(3).",
}
"""How to cite what is known by name, or by what its name begins with."""

UNKNOWN_GROUP: Final = "the list has no such group in this category"
_OTHER: Final = "Delete it first (mlv ingest delete), or give this another name."


def default_templates() -> tuple[Template, ...]:
    """The paper's templates, which are in English (D6 section 6.3)."""
    return tuple(
        Template(form, kind, text) for kind, forms in stereotypes.TEMPLATES.items() for form, text in forms.items()
    )


def ingest_groups(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    name: str,
    language: str = "en",
    templates: Sequence[Template] = (),
) -> list[FileReport]:
    """Read a list of groups and write it with the sentences of its templates in a language.

    Args:
        path: The list.
        name: What it is called.
        language: Language of the templates.
        templates: The paper's if not given, which are in English.

    Raises:
        DataError: A file cannot be read, or the list has other sentences in the language.
        UsageError: The name or the language does not fit.
    """
    _check("a list of groups", name)
    code = resolve(language).code
    if not templates and code != "en":
        raise UsageError(f"There are no templates in {code}.", "Name a file of them: --templates FILE")
    read = read_groups(path)
    if not read.rows:
        raise DataError(f"{path} has no group that can be used.", "See its rejected rows above.")
    forms = tuple(templates) or default_templates()
    clozes: list[tuple[ReadGroup, str, str, str]] = [
        (group, form.form, form.text.replace(PLACE, group.name), form.text.replace(PLACE, GROUP))
        for group in read.rows
        for form in forms
        if form.kind == group.kind
    ]
    if unspoken := sorted({group.kind for group in read.rows} - {form.kind for form in forms}):
        raise DataError(f"No template is for {joined(unspoken)}.", "Add one for each kind of group.")
    with transaction(connection):
        new = _is_new(connection, name, code, {(group, form, text) for group, form, text, _ in clozes})
        if new:
            keys = _ensure_groups(connection, name, read.rows)
            of_group = [(keys[group.category, group.name], form, text, prior) for group, form, text, prior in clozes]
            _enter_clozes(connection, code, of_group)
        report = FileReport(
            "groups",
            f"{name}/{code}",
            path,
            path.name,
            file_sha256(path),
            rows_read=read.rows_read,
            rows_kept=len(read.rows),
            rows_repaired=read.repaired,
            rejected=read.rejected,
            remarks=[f"{len(clozes):,} sentences of {len(forms)} templates"],
            already_there=not new,
        )
        if new:
            record(connection, report)
    options = {"name": name, "language": code, "templates": [list(form) for form in templates]}
    note_ingest(connection, "groups", options, [report])
    return [report]


def _check(what: str, name: str) -> None:
    check_name(what, name)
    if "/" in name:
        raise UsageError(f"{name!r} is not a valid name of {what}.", "Give one without a slash.")


def _is_new(
    connection: duckdb.DuckDBPyConnection, name: str, language: str, clozes: set[tuple[ReadGroup, str, str]]
) -> bool:
    """Whether a list has no sentences of templates in a language yet. Raises DataError if it has others."""
    rows = connection.execute(
        "SELECT z.category, z.group_name, g.kind, z.form, z.text FROM v_cloze z JOIN v_group g USING (social_group_id) "
        "WHERE z.group_list = ? AND z.language = ? AND z.is_template",
        [name, language],
    ).fetchall()
    stored = {(ReadGroup(*row[:3]), row[3], row[4]) for row in rows}
    if stored and stored != clozes:
        raise DataError(f"The store has a list {name} with other groups or templates in {language}.", _OTHER)
    return not stored


def _ensure_groups(
    connection: duckdb.DuckDBPyConnection, name: str, groups: Iterable[ReadGroup]
) -> dict[tuple[str, str], int]:
    """Keys of the groups of a list by category and name; new ones are added."""
    key = _list_key(connection, name)
    rows = pl.DataFrame([*groups], ["category", "name", "kind"], orient="row").with_columns(group_list_id=pl.lit(key))
    found = ensure(connection, "social_group", rows, ["group_list_id", "category", "name"])
    return {(category, of): group for category, of, group in found.drop("group_list_id").iter_rows()}


def _list_key(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Key of a list, which is added where it is new."""
    return int(ensure(connection, "group_list", pl.DataFrame({"code": [name]}), ["code"])["group_list_id"][0])


def _enter_clozes(
    connection: duckdb.DuckDBPyConnection,
    language: str,
    clozes: Sequence[tuple[int, str, str, str | None]],
    collection: int | None = None,
) -> pl.DataFrame:
    """Enter sentences (group, form, text, prior text); keys by group and text."""
    schema = {"social_group_id": pl.Int64, "form": pl.String, "text": pl.String, "prior_text": pl.String}
    frame = pl.DataFrame(clozes, schema, orient="row").with_columns(
        language_id=pl.lit(ensure_language(connection, language)),
        stereotype_collection_id=pl.lit(collection, pl.Int64),
    )
    return ensure(connection, "cloze", frame, ["social_group_id", "language_id", "form", "text"])


def ingest_stereotypes(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    collection: str,
    groups: str,
    language: str = "en",
    citation: str | None = None,
    licence: str = "",
    add_groups: bool = False,
) -> list[FileReport]:
    """Read a collection of stereotypes and write it, with the sentences that people were asked.

    Args:
        path: The table.
        collection: What the collection is called.
        groups: The list that its groups are of.
        language: Language of its sentences.
        citation: How to cite it.
        licence: Licence as its origin states it.
        add_groups: Whether groups that the list lacks are added to it; if not their rows are rejected.

    Raises:
        DataError: The file cannot be read, has no row that fits, or the store has another collection of that name.
        NotFoundError: There is no such list.
    """
    _check("a collection of stereotypes", collection)
    code = resolve(language).code
    read = read_stereotypes(path)
    known = _groups(connection, groups)
    rows, rejected = read.rows, list(read.rejected)
    if not add_groups:
        rows = [row for row in rows if (row.category, row.group.lower()) in known]
        rejected += [
            Rejected(row.line, UNKNOWN_GROUP, f"{row.category}: {row.group}", "\t".join(row[1:]))
            for row in read.rows
            if (row.category, row.group.lower()) not in known
        ]
    if not rows:
        raise DataError(f"{path} has no stereotype of a group of {groups}.", "Name its list, or add them: --add-groups")
    content = {"groups": groups, "language": code, "rows": [row[1:] for row in rows]}
    sha256 = hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
    of_collection: dict[str, Any] = {
        "code": collection,
        "citation": citation or CITATIONS.get(collection, ""),
        "licence": licence,
        "sha256": sha256,
    }
    with transaction(connection):
        new = _has_no_other(connection, "stereotype_collection", collection, sha256)
        if new:
            of_collection["language_id"] = ensure_language(connection, code)
            of_collection["group_list_id"] = _list_key(connection, groups)
            _enter_stereotypes(connection, of_collection, groups, code, rows)
        report = FileReport(
            "stereotype_collection",
            collection,
            path,
            path.name,
            file_sha256(path),
            rows_read=read.rows_read,
            rows_kept=len(rows),
            rows_repaired=read.repaired,
            rejected=sorted(rejected, key=lambda row: row.line),
            already_there=not new,
        )
        if new:
            record(connection, report)
    options = {"collection": collection, "groups": groups, "language": code, "citation": citation, "licence": licence}
    note_ingest(connection, "stereotype_collection", {**options, "add_groups": add_groups}, [report])
    return [report]


def _groups(connection: duckdb.DuckDBPyConnection, name: str) -> dict[tuple[str, str], str]:
    """The groups of a list by category and name in lower case. Raises NotFoundError if there is no such list."""
    rows = connection.execute("SELECT category, group_name FROM v_group WHERE group_list = ?", [name]).fetchall()
    if not rows:
        there = [code for (code,) in connection.execute("SELECT code FROM group_list ORDER BY code").fetchall()]
        raise NotFoundError(
            f"The store has no list of groups {name}; it has {joined(there) or 'none'}.",
            f"Ingest it: mlv ingest groups FILE --name {name}",
        )
    return {(category, group.lower()): group for category, group in rows}


def _has_no_other(connection: duckdb.DuckDBPyConnection, table: str, code: str, sha256: str) -> bool:
    """Whether a table has nothing of a name. Raises DataError if it has something else of it."""
    known = connection.execute(f"SELECT sha256 FROM {table} WHERE code = ?", [code]).fetchone()
    if known is not None and known[0] != sha256:
        raise DataError(f"The store has another {table.replace('_', ' ')} {code}.", _OTHER)
    return known is None


def _enter_stereotypes(
    connection: duckdb.DuckDBPyConnection,
    collection: Mapping[str, Any],
    groups: str,
    language: str,
    rows: Sequence[ReadStereotype],
) -> None:
    key = int(
        ensure(connection, "stereotype_collection", pl.DataFrame([collection]), ["code"])["stereotype_collection_id"][0]
    )
    known = _groups(connection, groups)
    names = {(row.category, row.group.lower()): known.get((row.category, row.group.lower()), row.group) for row in rows}
    every = [
        ReadGroup(category, name, "country" if category == "country" else "people")
        for (category, _), name in names.items()
    ]
    keys = _ensure_groups(connection, groups, every)
    of_row = [(keys[row.category, names[row.category, row.group.lower()]], row) for row in rows]
    clozes = _enter_clozes(
        connection,
        language,
        [(group, collection["code"], row.prompt, without_group(row.prompt, row.group)) for group, row in of_row],
        key,
    )
    frame = pl.DataFrame(
        {
            "line": range(1, len(rows) + 1),
            "attribute": [row.attribute for row in rows],
            "words": [len(row.attribute.split()) for row in rows],
            "engine": [row.engine for row in rows],
        }
    ).with_columns(clozes["cloze_id"], stereotype_collection_id=pl.lit(key))
    append(connection, "stereotype", frame)


def ingest_lexicon(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    name: str,
    citation: str | None = None,
    licence: str = "",
    may_be_passed_on: bool = False,
) -> list[FileReport]:
    """Read a lexicon of emotions and write it; the emotions of all that models said are scored by it.

    Raises DataError if the file is no lexicon, or the store has another of that name.
    """
    read = read_lexicon(path)
    _check("a lexicon", name)
    of_lexicon = {
        "code": name,
        "citation": citation or CITATIONS.get("nrc" if name.startswith("nrc") else name, ""),
        "licence": licence,
        "may_be_passed_on": may_be_passed_on,
        "emotions": ",".join(read.emotions),
        "is_complete": read.is_complete,
        "sha256": read.sha256,
    }
    with transaction(connection):
        new = _has_no_other(connection, "lexicon", name, read.sha256)
        if new:
            _enter_lexicon(connection, of_lexicon, read)
        report = FileReport(
            "lexicon",
            name,
            path,
            path.name,
            file_sha256(path),
            rows_read=read.rows_read,
            rows_kept=len(read.words),
            rejected=read.rejected,
            remarks=[] if read.is_complete else ["it has no word without an emotion: shares of emotions will be high"],
            already_there=not new,
        )
        if new:
            record(connection, report)
    options = {"name": name, "citation": citation, "licence": licence}
    note_ingest(connection, "lexicon", {**options, "may_be_passed_on": may_be_passed_on}, [report])
    return [report]


def _enter_lexicon(connection: duckdb.DuckDBPyConnection, lexicon: Mapping[str, Any], read: ReadLexicon) -> None:
    key = int(ensure(connection, "lexicon", pl.DataFrame([lexicon]), ["code"])["lexicon_id"][0])
    values = [
        (key, word, emotion, int(emotion in found)) for word, found in read.words.items() for emotion in read.emotions
    ]
    append(connection, "lexicon_value", pl.DataFrame(values, ["lexicon_id", "word", "emotion", "value"], orient="row"))
    enter_scores(connection, lexicon_id=key)
