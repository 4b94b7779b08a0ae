"""What a store that is to be made again says of its making: what was ingested, with which options, and committed."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from mlv.ingest.journal import Ingest, Making, Reading, RunEvent, SourceFile
from mlv.ingest.readers.sources import SOURCES, find_source
from mlv.ingest.writing.groups import UNKNOWN_GROUP, default_templates
from mlv.ingest.writing.probes import ARORA, GIVEN_WITH, MADE_OF_ARORA, all_questions
from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store.ledger import revision
from mlv.schema.store.opening import connect

NEWS_NAME = "All-The-News: "
"""What the name of a news source begins with, before the outlet's."""


@dataclass(frozen=True)
class OldStore:
    """What a store says of its making."""

    ingests: list[Ingest]
    committed: dict[str, datetime]
    """Runs in order, and when they were committed."""

    deleting: set[str]
    """Runs whose deletion was interrupted."""

    readings: list[Reading]
    """The parsers of runs whose answers were read by another one than they were planned with."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever ingested or committed."""
        return not (self.ingests or self.committed)

    def has(self, entry: Making) -> bool:
        """Whether a run is in it, was read by a parser, or something of what an ingest read is."""
        if isinstance(entry, RunEvent):
            return entry.run in self.committed
        if isinstance(entry, Reading):
            return entry in self.readings
        return any(entry.made & ingest.made for ingest in self.ingests)


def read_old(store: Path) -> tuple[OldStore | None, str]:
    """What the store says; None, and why, where it cannot be read. Raises StoreLockedError."""
    try:
        with contextlib.closing(connect(store)) as connection:
            # refuses one from before the first release: its rows mean other things
            revision(connection)
            runs = connection.execute("SELECT name, committed_at, status FROM run ORDER BY run_id").fetchall()
            committed = {name: at for name, at, status in runs if status == "committed"}
            deleting = {name for name, _, status in runs if status == "deleting"}
            return OldStore(_ingests(connection), committed, deleting, _readings(connection)), ""
    except StoreLockedError:
        raise
    except StoreError as error:
        return None, error.message
    except duckdb.Error as error:
        return None, str(error).splitlines()[0]


def _readings(connection: duckdb.DuckDBPyConnection) -> list[Reading]:
    """As if answers were read when they were committed: nothing says when they were."""
    rows = connection.execute(
        "SELECT name, parser, committed_at FROM response_run JOIN run USING (run_id) "
        "WHERE parser <> CAST(json_extract(spec, '$.parser') AS INTEGER) ORDER BY run_id"
    ).fetchall()
    return [Reading(run, parser, at) for run, parser, at in rows]


def _ingests(connection: duckdb.DuckDBPyConnection) -> list[Ingest]:
    """The ingests that a store's files came with, one for each survey, corpus, and archive or folder of probes."""
    options = _options(connection)
    rows = connection.execute(
        "SELECT kind, target, name, sha256, ingested_at FROM ingest_file ORDER BY ingest_file_id"
    ).fetchall()
    found = []
    for (kind, name), group in groupby(sorted(rows, key=_unit), key=_unit):
        files, times = [], []
        for _, target, file_name, sha256, at in group:
            path, _, member = file_name.partition("/")
            files.append(SourceFile(path, sha256, member, target))
            times.append(at)
        of_unit = options[kind, name[0]]
        if kind == "probes" and not files[0].member:
            # a file that has a column of the language was read into several
            of_unit = {**of_unit, "language": files[0].target.rpartition("/")[2] if len(files) == 1 else None}
        if kind == "probes":
            codes = {file.target.rpartition("/")[2] for file in files}
            pairs = {code: countries for code, countries in of_unit["countries"].items() if code in codes}
            of_unit = {**of_unit, "countries": pairs}
        found.append(Ingest(kind, of_unit, tuple(files), min(times)))
    return sorted([*found, *probe_sets(connection), *_subnetworks(connection)], key=lambda ingest: ingest.at)


def probe_sets(connection: duckdb.DuckDBPyConnection) -> list[Ingest]:
    """The probe sets that a user made: after all probes of their collections, since nothing says when."""
    rows = connection.execute(
        "SELECT s.code, c.code, description, list(DISTINCT q.code ORDER BY q.code), max(f.ingested_at) "
        "FROM probe_set s JOIN probe_collection c USING (probe_collection_id) "
        "JOIN probe_set_member USING (probe_set_id) JOIN question q USING (question_id) "
        "JOIN ingest_file f ON f.kind = 'probes' AND starts_with(f.target, c.code || '/') "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [
        Ingest("probe_set", {"name": name, "collection": of, "questions": questions, "description": about}, (), at)
        for name, of, about, questions, at in rows
        if name not in (all_questions(of), *(MADE_OF_ARORA if of == ARORA else ()))
    ]


def _subnetworks(connection: duckdb.DuckDBPyConnection) -> list[Ingest]:
    """The derived subnetworks: after all prune runs that they come from, since nothing says when; random ones, which
    come from none, at first."""
    rows = connection.execute(
        "SELECT s.name, max(r.committed_at) FROM subnetwork s "
        "LEFT JOIN run r ON contains(s.name, r.name) "
        "WHERE s.run_id IS NULL GROUP BY s.subnetwork_id, s.name ORDER BY s.subnetwork_id"
    ).fetchall()
    return [Ingest("subnetwork", {"name": name}, (), at or datetime.min) for name, at in rows]  # noqa: DTZ901 UTC


def _unit(row: tuple[Any, ...]) -> tuple[str, tuple[str, str]]:
    """Kind of a row of ``ingest_file``, and what was read as one: with probes, collection and archive."""
    kind, target, name = row[:3]
    return (kind, (target.partition("/")[0], name.partition("/")[0])) if kind == "probes" else (kind, (target, ""))


def _options(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], dict[str, Any]]:
    """Options that give the same again, by kind and what was read into."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for code, citation in connection.execute("SELECT code, citation FROM probe_collection").fetchall():
        found["probes", code] = {"collection": code, "language": None, "citation": citation, "countries": {}}
    pairs = connection.execute(
        'SELECT citation, l.code, y.code FROM language_country JOIN "language" l USING (language_id) '
        "JOIN country y USING (country_id) ORDER BY ALL"
    )
    for citation, language, country in pairs.fetchall():
        of_collection = found.get(("probes", citation.removeprefix(GIVEN_WITH)))
        if of_collection is not None:
            of_collection["countries"].setdefault(language, []).append(country)
    for (code,) in connection.execute("SELECT code FROM codebook").fetchall():
        found["codebook", code] = {}
    for (code,) in connection.execute("SELECT code FROM task").fetchall():
        found["task", code] = {}
    found |= _of_groups(connection)
    surveys = connection.execute(
        "SELECT s.code, k.code AS codebook, citation, illustrative FROM survey s JOIN codebook k USING (codebook_id)"
    )
    for code, codebook, citation, illustrative in surveys.fetchall():
        options = {"codebook": codebook, "name": code, "citation": citation, "illustrative": illustrative}
        found["survey", code] = options
    corpora = connection.execute(
        "SELECT s.code, s.name, l.code, c.edition, c.licence, c.columns FROM corpus c JOIN source s USING (source_id) "
        'JOIN "language" l USING (language_id)'
    )
    for source, name, language, edition, licence, columns in corpora.fetchall():
        reader, _, publication = source.partition("-")
        found["corpus", f"{source}/{language}/{edition}"] = {
            "source": reader,
            "language": language,
            "edition": edition,
            "publication": name.removeprefix(NEWS_NAME) if publication else None,
            "licence": licence,
            # of a labelled data set they were told by what it is
            "columns": (columns or None) if reader not in SOURCES or find_source(reader).of_columns else None,
        }
    return found


def _of_groups(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], dict[str, Any]]:
    """Options of lists of groups, collections of stereotypes and lexicons."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    templates = connection.execute(
        "SELECT z.group_list, z.language, list(DISTINCT [z.form, g.kind, replace(z.prior_text, '[GROUP]', '{group}')]) "
        "FROM v_cloze z JOIN v_group g USING (social_group_id) WHERE z.is_template GROUP BY ALL"
    )
    usual = {tuple(form) for form in default_templates()}
    for name, language, forms in templates.fetchall():
        own = [] if {tuple(form) for form in forms} <= usual else sorted(forms)
        found["groups", f"{name}/{language}"] = {"name": name, "language": language, "templates": own}
    collections = connection.execute(
        "SELECT c.code, l.code, n.code, c.citation, c.licence, NOT EXISTS (FROM reject JOIN ingest_file f "
        "USING (ingest_file_id) WHERE f.kind = 'stereotype_collection' AND f.target = c.code AND reason = $unknown) "
        "FROM stereotype_collection c JOIN group_list l USING (group_list_id) "
        'JOIN "language" n ON n.language_id = c.language_id',
        {"unknown": UNKNOWN_GROUP},
    )
    for code, groups, language, citation, licence, add_groups in collections.fetchall():
        found["stereotype_collection", code] = {
            **{"collection": code, "groups": groups, "language": language, "citation": citation},
            **{"licence": licence, "add_groups": add_groups},
        }
    lexicons = connection.execute("SELECT code, citation, licence, may_be_passed_on FROM lexicon")
    for code, citation, licence, passed_on in lexicons.fetchall():
        options = {"name": code, "citation": citation, "licence": licence, "may_be_passed_on": passed_on}
        found["lexicon", code] = options
    return found
