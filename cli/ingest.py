"""`mlv ingest`: probes, surveys, corpora, tasks, groups and lexicons into the store, and out of it again."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.deleting import make_smaller, say_deletion
from mlv.cli.edge import DEFAULT_STORE, Store, say, split_list
from mlv.cli.group import Group
from mlv.cli.output import Format, Limit, Output, put_rows
from mlv.compute.machine.options import MOST
from mlv.ingest.readers.sources import SOURCES, find_source
from mlv.schema.errors import UsageError, excerpt, joined

if TYPE_CHECKING:
    from mlv.ingest.readers.report import FileReport, Rejected

app = typer.Typer(
    help="Read probes, surveys, corpora, tasks, social groups and lexicons into the store; list and delete them.",
    no_args_is_help=True,
    cls=Group,
)

SHOWN_CAUSES = 8

Download = Annotated[
    bool,
    typer.Option("--download", help="Fetch the files from their origin first, into PATH (downloads/ if not given)."),
]

DOWNLOADS = Path("downloads")


class Kind(StrEnum):
    """What is ingested."""

    CORPUS = "corpus"
    PROBES = "probes"
    SURVEY = "survey"
    TASK = "task"
    GROUPS = "groups"
    STEREOTYPES = "stereotype_collection"
    LEXICON = "lexicon"


def _fetch(origin: str, folder: Path | None, languages: list[str] | None = None) -> tuple[list[Path], str]:
    """Fetch the published files of an origin; where they are now, and their licence."""
    from mlv.ingest.readers.download import fetch, origins

    published = origins(origin, languages or [])
    licences = dict.fromkeys(file.licence for file in published)
    return [fetch(file, folder or DOWNLOADS) for file in published], "; ".join(licences)


def _one_folder(paths: list[Path] | None) -> Path | None:
    """The one folder that files are fetched into, if one is named."""
    if paths and len(paths) > 1:
        raise UsageError(
            f"--download fetches into one folder, and {len(paths)} paths are named.",
            "Name one, or leave --download out to read the files that are there.",
        )
    return paths[0] if paths else None


def _require(path: Path | None) -> Path:
    if path is None:
        raise UsageError("No file is named.", "Name one, or fetch it with --download.")
    return path


def _report(reports: "list[FileReport]") -> None:
    """Print what each file gave, what was taken for what, and why rows were left out: each cause once."""
    for report in reports:
        repaired = f", {report.rows_repaired:,} of them repaired" if report.rows_repaired else ""
        state = "already there" if report.already_there else f"{report.rows_kept:,} rows kept{repaired}"
        say(f"{report.name} -> {report.target}: {report.rows_read:,} read, {state}, {len(report.rejected):,} rejected")
        causes = [*report.remarks, *_causes(report.rejected)]
        for cause in causes[:SHOWN_CAUSES]:
            say(f"  {cause}")
        if report.rejected:
            more = f"{len(causes) - SHOWN_CAUSES} more causes, and " if len(causes) > SHOWN_CAUSES else ""
            say(f"  {more}every row: mlv sql 'FROM v_reject'")


def _causes(rejected: "list[Rejected]") -> list[str]:
    """Why rows were left out: what holds of the whole file first, then each cause with its number of rows."""
    whole = [row for row in rejected if not row.line]
    causes: dict[str, list[Rejected]] = {}
    for row in rejected:
        if row.line:
            # numbers and names differ from row to row
            causes.setdefault(re.sub(r"'[^']*'|\d[\d.,]*", "", row.reason), []).append(row)
    by_rows = sorted(causes.values(), key=len, reverse=True)
    return [*map(_of_file, whole), *map(_of_rows, by_rows)]


def _of_file(row: "Rejected") -> str:
    content = f": {excerpt(row.content)}" if row.content else ""
    return f"{row.item}: {row.reason}{content}" if row.item else f"{row.reason}{content}"


def _of_rows(rows: "list[Rejected]") -> str:
    first = rows[0]
    place = f"line {first.line}{f' ({first.item})' if first.item else ''}"
    return f"{place}: {first.reason}" if len(rows) == 1 else f"{len(rows):,} rows, first {place}: {first.reason}"


@app.command()
def probes(
    path: Annotated[
        Path | None, typer.Argument(help="Table, archive (probes.zip), unpacked folder, or one language's file.")
    ] = None,
    collection: Annotated[str, typer.Option(help="Name of the probe collection.")] = "arora-2023",
    language: Annotated[str | None, typer.Option(help="Language of a single file that is not named after it.")] = None,
    citation: Annotated[str | None, typer.Option(help="How to cite the collection.")] = None,
    country: Annotated[
        list[str] | None,
        typer.Option(metavar="LANGUAGE=COUNTRY", help="Compares a language with a country's people, too: sw=KE."),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an example of a file with every column explained; no more."),
    ] = None,
    download: Download = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read cloze probes: a table with named columns, or files in the layout of Arora et al. (2023)."""
    if template is not None:
        from mlv.ingest.readers.probe_layouts import template as example

        _write_new(template, example())
        return
    from mlv.ingest.writing.probes import ingest_probes
    from mlv.schema.store.opening import open_store

    countries = _by_language(country or [])
    path = _fetch("arora-2023", path)[0][0] if download else _require(path)
    with open_store(db, read_only=False) as connection:
        reports = ingest_probes(
            connection, path, collection=collection, language=language, citation=citation, countries=countries
        )
    _report(reports)


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises UsageError if it is."""
    if path.exists():
        raise UsageError(f"{path} exists already.", "Name another file, or delete it first.")
    path.write_text(text, encoding="utf-8")
    say(f"wrote {path}")


def _by_language(pairs: list[str]) -> dict[str, list[str]]:
    """Countries by language, of options ``LANGUAGE=COUNTRY``."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        language, equals, country = pair.partition("=")
        if not (language and equals and country):
            raise UsageError(f"--country {pair} is no LANGUAGE=COUNTRY.", "Write it like sw=KE or Swahili=Kenya.")
        found.setdefault(language.strip(), []).append(country.strip())
    return found


@app.command()
def probe_set(
    name: Annotated[str, typer.Argument(help="Name of the set, as queries take it: probe_set=NAME.")],
    collection: Annotated[str, typer.Option(help="Collection of which its questions are.")] = "arora-2023",
    category: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Questions of these categories, comma-separated.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Questions that a file names, one a line.")
    ] = None,
    description: Annotated[str, typer.Option(help="What is in it and why, in words.")] = "",
    db: Store = DEFAULT_STORE,
) -> None:
    """Name questions of a collection, so that probing, tracing and queries can be restricted to them."""
    from mlv.ingest.readers.text import read_items
    from mlv.ingest.writing.probe_sets import choose_questions, make_probe_set
    from mlv.schema.store.opening import open_store

    named = read_items(questions) if questions else None
    with open_store(db, read_only=False) as connection:
        chosen = choose_questions(connection, collection, split_list(category), named)
        made = make_probe_set(connection, name, collection=collection, questions=chosen, description=description)
    say(f"{name}: {len(chosen):,} questions of {collection}{'' if made else ', already there'}")


@app.command()
def survey(
    path: Annotated[
        Path | None,
        typer.Argument(help="Microdata (CSV, .sav, .dta), a table of shares, or JSON lines like GlobalOpinionQA's."),
    ] = None,
    codebook: Annotated[
        str,
        typer.Option(help="What it is read by: a file (mlv ingest codebook), or the name of a codebook in the store."),
    ] = "wvs7",
    name: Annotated[
        str | None, typer.Option(help="Name of the survey in the store; that of the codebook if not given.")
    ] = None,
    citation: Annotated[str | None, typer.Option(help="How to cite the survey.")] = None,
    illustrative: Annotated[bool, typer.Option("--illustrative", help="The numbers are invented.")] = False,
    download: Download = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read survey answers: respondents, or shares by question, country and answer, of WVS wave 7 or by a codebook."""
    from mlv.ingest.writing.surveys import ingest_survey
    from mlv.schema.store.opening import open_store

    path = _fetch("wvs7", path)[0][0] if download else _require(path)
    book = Path(codebook) if codebook.endswith(".toml") or Path(codebook).is_file() else codebook
    with open_store(db, read_only=False) as connection:
        _report(ingest_survey(connection, path, codebook=book, name=name, citation=citation, illustrative=illustrative))


@app.command()
def codebook(
    template: Annotated[Path, typer.Option(help="File to write, e.g. study.toml.")],
    survey: Annotated[
        Path | None, typer.Option("--from", help="Survey file whose variables, codes and labels it gets.")
    ] = None,
) -> None:
    """Write a codebook to fill in: how the answers of another survey stand to the two answers of probes."""
    from mlv.ingest.readers.surveys import template as codebooks
    from mlv.schema.files import written_aside

    text = codebooks.template_of(survey) if survey else codebooks.template()
    if template.exists():
        raise UsageError(f"There is something at {template} already.", "Name another file, or delete it first.")
    with written_aside(template) as aside:
        aside.write_text(text, encoding="utf-8")
    say(f"Complete {template} in an editor, then: mlv ingest survey FILE --codebook {template}")


@app.command()
def corpus(
    source: Annotated[str, typer.Option(help=f"{joined(SOURCES)}.")],
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; gzip is read as it is.")] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language, if the file does not name it; of a file with several, or with --download, those to take, "
            "comma-separated."
        ),
    ] = None,
    edition: Annotated[
        str | None, typer.Option(help="Edition, of labelled data the split; from the file if not given.")
    ] = None,
    publication: Annotated[
        str | None,
        typer.Option(help="news: take this publication alone; lines, table, tmx: name of the source, lines-NAME."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="table: which columns are what, text=sentence,key=id,language=lang or key=id,de=German,sw=Swahili; of "
            "labelled data also pair=, label= and split=; numbers in a file without a header. Called text, key, "
            "language, pair, label, split if not given; text=title+body takes two columns. marc: its text alone, "
            "e.g. text=review_title+review_body.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="table and labelled data: write this data set of the Hugging Face hub into PATH first, and read it.",
        ),
    ] = None,
    subset: Annotated[str | None, typer.Option(help="Subset (configuration) of the data set.")] = None,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "train",
    licence: Annotated[str, typer.Option(help="Licence of the text, as its origin states it.")] = "",
    articles: Annotated[int, typer.Option(min=1, max=MOST, help="news: most articles taken from a file.")] = 5000,
    download: Download = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read texts in one of many formats: parallel ones, translations of the Bible or the Quran, news, one's own."""
    from mlv.ingest.writing.corpora import ingest_corpus
    from mlv.schema.store.opening import open_store

    if download:
        origin = f"lines-{publication}" if source == "lines" and publication else source
        paths, published = _fetch(origin, _one_folder(paths), split_list(language))
        language, licence = None, licence or published
    if dataset:
        if download or not find_source(source).from_hub:
            fitting = joined(name for name in SOURCES if find_source(name).from_hub)
            raise UsageError(
                f"--dataset goes with --source {fitting}, and not with --download.", "Leave one of them out."
            )
        from mlv.ingest.readers.huggingface import fetch_dataset

        paths = [fetch_dataset(dataset, _one_folder(paths) or DOWNLOADS, subset=subset, split=split)]
    with open_store(db, read_only=False) as connection:
        reports = ingest_corpus(
            connection,
            source,
            paths or [_require(None)],
            language=language,
            edition=edition,
            publication=publication,
            licence=licence,
            articles=articles,
            columns=columns,
        )
    _report(reports)


@app.command()
def task(
    path: Annotated[Path | None, typer.Argument(help="TOML file of the task.")] = None,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an example with every key explained; no more.")
    ] = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Enter a task: which classes are to be told apart in a labelled source, and which labels stand for each."""
    if template is not None:
        from mlv.ingest.reference.task import TEMPLATE

        _write_new(template, TEMPLATE)
        return
    from mlv.ingest.writing.tasks import ingest_task
    from mlv.schema.store.opening import open_store

    if path is None:
        raise UsageError("No file is named.", "Name one, or write one to adapt: mlv ingest task --template FILE")
    with open_store(db, read_only=False) as connection:
        _report(ingest_task(connection, path))


@app.command()
def groups(
    path: Annotated[Path, typer.Argument(help="Table with the columns category and group; kind, people or country.")],
    name: Annotated[str, typer.Option(help="Name of the list.")],
    language: Annotated[str, typer.Option(help="Language of the sentences.")] = "en",
    templates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Templates of sentences, with the columns form, kind and template, e.g. so,people,why are {group} so "
            "[MASK] ?; if not given the ten English ones of Choenni et al. (2021).",
        ),
    ] = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read a list of social groups, with the sentences in which masked models are to describe them."""
    from mlv.ingest.readers.groups import read_templates
    from mlv.ingest.writing.groups import ingest_groups
    from mlv.schema.store.opening import open_store

    forms = read_templates(templates) if templates else ()
    with open_store(db, read_only=False) as connection:
        _report(ingest_groups(connection, path, name=name, language=language, templates=forms))


@app.command()
def stereotypes(
    path: Annotated[
        Path, typer.Argument(help="Table with the columns prompt, category, group, attribute and engine, or published.")
    ],
    collection: Annotated[str, typer.Option(help="Name of the collection.")],
    groups: Annotated[str, typer.Option(help="List that its groups are of.")],
    language: Annotated[str, typer.Option(help="Language of its sentences.")] = "en",
    citation: Annotated[str | None, typer.Option(help="How to cite it.")] = None,
    licence: Annotated[str, typer.Option(help="Licence, as its origin states it.")] = "",
    add_groups: Annotated[
        bool, typer.Option("--add-groups", help="Add groups that the list lacks; if not, their rows are rejected.")
    ] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read stereotypes that people hold of social groups: the sentences that they complete, and with what."""
    from mlv.ingest.writing.groups import ingest_stereotypes
    from mlv.schema.store.opening import open_store

    with open_store(db, read_only=False) as connection:
        reports = ingest_stereotypes(
            connection,
            path,
            collection=collection,
            groups=groups,
            language=language,
            citation=citation,
            licence=licence,
            add_groups=add_groups,
        )
    _report(reports)


@app.command()
def lexicon(
    path: Annotated[
        Path | None,
        typer.Argument(help="Rows of word, emotion, and 0 or 1; or a table of words with a column for each emotion."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the lexicon; of a package its own and its version if not given.")
    ] = None,
    from_package: Annotated[
        str | None, typer.Option(metavar="PACKAGE", help="Read the words of an installed package instead: nrclex.")
    ] = None,
    citation: Annotated[str | None, typer.Option(help="How to cite it.")] = None,
    licence: Annotated[str, typer.Option(help="Licence, as its origin states it.")] = "",
    may_be_passed_on: Annotated[
        bool, typer.Option("--may-be-passed-on", help="The licence allows to give the words to others.")
    ] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Read a lexicon of emotions, by which what models say of groups is described."""
    from mlv.ingest.readers.lexicons import package_file
    from mlv.ingest.writing.groups import ingest_lexicon
    from mlv.schema.store.opening import open_store

    if (path is None) == (from_package is None):
        raise UsageError("Name either a file or a package.", "E.g. mlv ingest lexicon --from-package nrclex")
    if from_package:
        path, version = package_file(from_package)
        name, licence = name or f"{from_package}-{version}", licence or "for research purposes only"
    if name is None:
        raise UsageError("The lexicon has no name.", "Give it one: --name nrc-0.92")
    with open_store(db, read_only=False) as connection:
        reports = ingest_lexicon(
            connection,
            _require(path),
            name=name,
            citation=citation,
            licence=licence,
            may_be_passed_on=may_be_passed_on,
        )
    _report(reports)


@app.command(name="list")
def list_ingests(
    output_format: Format = None, output: Output = None, limit: Limit = None, db: Store = DEFAULT_STORE
) -> None:
    """Print what was ingested, by the names that mlv ingest delete takes."""
    from mlv.ingest.upkeep.ingests import INGESTS

    put_rows(db, INGESTS, output_format, output, limit)


@app.command()
def delete(
    name: Annotated[
        str,
        typer.Argument(
            help="What mlv ingest list has, by its name: SOURCE/LANGUAGE/EDITION of a corpus, else the one given."
        ),
    ],
    kind: Annotated[Kind | None, typer.Option(help="What it is, if several things have the name.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would go.")] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Delete a corpus, probe collection, survey, task, groups, stereotypes or lexicon, with what was made of it.

    Runs that trained on it, answered it or compare it have to go first. A file that was corrected is ingested after
    what it replaces was deleted. The store's file is written anew where that makes it much smaller.
    """
    from mlv.ingest.upkeep.ingests import delete_ingest, plan_ingest_deletion, sweep
    from mlv.migrations.copying import space
    from mlv.schema.store.opening import open_store

    with open_store(db, read_only=not yes) as connection:
        if yes:
            sweep(connection)
        going = plan_ingest_deletion(connection, name, kind and kind.value)
        if not yes:
            say_deletion(f"{going.kind} {going.name}", going.rows, going.dependants)
            return
        delete_ingest(connection, going)
        size, free = space(connection, db)
    say(f"deleted {going.kind} {going.name}")
    make_smaller(db, size, free)
