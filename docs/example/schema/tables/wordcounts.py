"""Counts of words."""

from mlv.schema.tables.columns import Row, check, column, table


class WordCount(Row, table=True):
    """How many words a corpus has."""

    __tablename__ = "word_count"
    __table_args__ = table(
        "How many words a corpus has.",
        check("words >= 0"),
        identity=("run_id", "corpus_id"),
        owner="run_id",
    )

    run_id: int = column("The run that counted.", refers="run.run_id")
    corpus_id: int = column("The corpus.", refers="corpus.corpus_id")
    segments: int = column("Its segments.")
    words: int = column("Their words.")
