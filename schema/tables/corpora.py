"""Corpora: sources, their texts in a language, and the segments that share a parallel key."""

from datetime import datetime

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, column, table


class DataSource(Row, table=True):
    """Where texts come from."""

    __tablename__ = "source"
    __table_args__ = table(
        "A data source such as pbc, tanzil, flores or a news outlet (Echoes section 4.1).",
        identity=("code",),
        enforced=True,
    )

    source_id: int = column("Key.", key=True)
    code: str = column("Short name, as --source takes it.")
    name: str = column("Full name.")
    domain: str = column("religious, encyclopedic, news or other.")
    citation: str = column("How to cite the source.")


class Corpus(Row, table=True):
    """A source's text in one language."""

    __tablename__ = "corpus"
    __table_args__ = table(
        "The text of a source in one language and edition.",
        identity=("source_id", "language_id", "edition"),
        enforced=True,
        owner="source_id",
    )

    corpus_id: int = column("Key.", key=True)
    source_id: int = column("The source.", refers="source.source_id", enforced=True)
    language_id: int = column("Language of the text.", refers="language.language_id", enforced=True)
    edition: str = column("Edition, translation or split, from the file unless given, e.g. fa.makarem or train.")
    licence: str = column("Licence as the origin states it; empty where it states none.")
    origin: str = column("Name of the ingested file or its address.")
    columns: str = column("Columns of a table that it was read from, e.g. text=sentence,key=id; else empty.")
    sha256: str = column("SHA-256 of the ingested keys, texts, second texts and labels, in order.")


class Segment(Row, table=True):
    """A sentence, verse or aya, or a labelled example."""

    __tablename__ = "segment"
    __table_args__ = table(
        "A sentence, verse or aya, or an example of a labelled data set. Segments of one source with the same parallel "
        "key are translations of each other.",
        identity=("corpus_id", "position"),
        owner="corpus_id",
    )

    segment_id: int = column("Key, unique over all corpora.")
    corpus_id: int = column("The corpus.", refers="corpus.corpus_id")
    position: int = column("Place in the corpus from 0, in the order of the source.")
    parallel_key: str = column(
        "Key shared by translations, e.g. MAT 5:3 (verse), 2:255 (aya), 17 (line), dev:17 (of a split)."
    )
    text: str = column("The text, white space collapsed, Unicode NFC.")
    text_pair: str | None = column("Second text of a pair, e.g. the hypothesis of a premise; NULL if there is none.")
    label: str | None = column("Label as in the file, e.g. entailment; NULL for text that is not labelled.")


class IngestFile(Row, table=True):
    """A file that was read."""

    __tablename__ = "ingest_file"
    __table_args__ = table(
        "A file that was ingested, with what was kept and rejected.",
        identity=("kind", "sha256", "target"),
        enforced=True,
    )

    ingest_file_id: int = column("Key.", key=True)
    kind: str = column("probes, codebook, survey, corpus, task, groups, stereotype_collection or lexicon.")
    target: str = column("What the file was read into, e.g. pbc/fa/Farsi or arora-2023/fa.")
    name: str = column("File name; for an archive, archive and member.")
    sha256: str = column("SHA-256 of the file's bytes.")
    rows_read: int = column("Rows, verses or sentences in the file.")
    rows_kept: int = column("Rows that are in the store because of it.")
    rows_rejected: int = column("Rows that are in reject.")
    rows_repaired: int = column("Rows kept after a repair (entities, stray punctuation and the like).")
    ingested_at: datetime = column("When, UTC.", sql_type=sa.DateTime)


class Reject(Row, table=True):
    """A row that was not taken."""

    __tablename__ = "reject"
    __table_args__ = table(
        "A row that ingest did not take, kept with the reason.",
        identity=("ingest_file_id", "position"),
        owner="ingest_file_id",
    )

    ingest_file_id: int = column("The file.", refers="ingest_file.ingest_file_id")
    position: int = column("Number of the rejected row in the file, from 0.")
    line: int = column("Line in the file, from 1; 0 where the whole file is meant.")
    item: str = column("What the row is about, e.g. question 130d or MAT 18:11; may be empty.")
    reason: str = column("Why it was not taken.")
    content: str = column("The row as it was, at most 500 characters.")
