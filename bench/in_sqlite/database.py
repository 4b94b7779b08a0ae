"""A database of SQLite with what the analyses read, and the asking of it.

Tables are stored in the order that the queries need them in, so that few are read through another index. CROSS JOIN
fixes the order of joins where SQLite would choose one that takes many times as long.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

SCHEMA = """
CREATE TABLE answers (
    score TEXT, checkpoint_id INTEGER, language TEXT, question TEXT, answer INTEGER,
    PRIMARY KEY (score, checkpoint_id, language, question)
) WITHOUT ROWID;
CREATE TABLE profiles (
    score TEXT, checkpoint_id INTEGER, language TEXT, question TEXT, p_first REAL,
    PRIMARY KEY (score, checkpoint_id, language, question)
) WITHOUT ROWID;
CREATE TABLE people (
    weighting TEXT, country TEXT, question TEXT, p_first REAL, PRIMARY KEY (weighting, country, question)
) WITHOUT ROWID;
CREATE TABLE questions (question TEXT PRIMARY KEY, category TEXT) WITHOUT ROWID;
CREATE TABLE languages (language TEXT PRIMARY KEY, country TEXT) WITHOUT ROWID;
CREATE TABLE runs (
    checkpoint_id INTEGER PRIMARY KEY, base_checkpoint_id INTEGER, run TEXT, strategy TEXT, model TEXT, source TEXT,
    ft_languages TEXT, sentences INTEGER, seed INTEGER, place INTEGER
);
CREATE TABLE influence_runs (
    run TEXT PRIMARY KEY, traced_run TEXT, model TEXT, source TEXT, ft_languages TEXT, strategy TEXT, sentences INTEGER,
    seed INTEGER, attribution TEXT
) WITHOUT ROWID;
CREATE TABLE trained (run TEXT, ft_language TEXT, PRIMARY KEY (run, ft_language)) WITHOUT ROWID;
CREATE TABLE targets (
    influence_target_id INTEGER PRIMARY KEY, run TEXT, epoch INTEGER, language TEXT, question TEXT
);
CREATE TABLE summaries (
    run TEXT, epoch INTEGER, language TEXT, question TEXT, train_language TEXT, n INTEGER, score_mean REAL,
    score_sd REAL
);
CREATE TABLE validations (
    run TEXT, quantity TEXT, seeds TEXT, scores TEXT, language TEXT, question TEXT, value REAL
);
CREATE TABLE examples (
    training_example_id INTEGER PRIMARY KEY, traced_run TEXT, ft_language TEXT, parallel_key TEXT
);
CREATE TABLE rankings (
    influence_target_id INTEGER, positive INTEGER, training_example_id INTEGER, rank INTEGER,
    PRIMARY KEY (influence_target_id, positive, training_example_id, rank)
) WITHOUT ROWID;
"""

INDEXES = """
CREATE INDEX profile_values ON profiles (score, checkpoint_id, language, p_first);
CREATE INDEX probes ON targets (run, question, language, epoch);
CREATE INDEX summaries_of ON summaries (epoch, run, language, train_language, n, score_mean, score_sd);
CREATE INDEX validations_of ON validations (run, quantity, seeds, scores, value);
CREATE INDEX texts ON examples (traced_run, parallel_key, ft_language);
PRAGMA analysis_limit = 10000;
ANALYZE;
"""

VIEWS = """
CREATE VIEW shifts AS
SELECT r.*, a.language, a.question, a.answer <> b.answer AS shifted
FROM runs r
JOIN answers a ON a.checkpoint_id = r.checkpoint_id AND a.score = 'mean'
JOIN answers b
    ON b.checkpoint_id = r.base_checkpoint_id AND b.language = a.language AND b.question = a.question
    AND b.score = 'mean'
WHERE r.strategy <> 'pretrained';

CREATE VIEW unchanged AS
SELECT r.*, language, unchanged
FROM (SELECT checkpoint_id, language, 100.0 * avg(NOT shifted) AS unchanged FROM shifts GROUP BY 1, 2)
JOIN runs r USING (checkpoint_id);

CREATE VIEW unchanged_categories AS
SELECT model, source, sentences, language, category, avg(unchanged) AS unchanged
FROM (
    SELECT model, source, sentences, ft_languages, language, category, avg(unchanged) AS unchanged
    FROM (
        SELECT checkpoint_id, language, category, 100.0 * avg(NOT shifted) AS unchanged
        FROM shifts JOIN questions USING (question) WHERE strategy = 'monolingual' GROUP BY 1, 2, 3
    ) JOIN runs USING (checkpoint_id)
    GROUP BY 1, 2, 3, 4, 5, 6
)
GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW pairs AS
SELECT r.checkpoint_id AS checkpoint_id_a, s.checkpoint_id AS checkpoint_id_b, a.language, a.question,
       a.answer = b.answer AS same
FROM runs r
CROSS JOIN runs s ON s.place > r.place AND s.model = r.model AND s.seed = r.seed
CROSS JOIN answers a ON a.checkpoint_id = r.checkpoint_id AND a.score = 'mean'
CROSS JOIN answers b
    ON b.checkpoint_id = s.checkpoint_id AND b.language = a.language AND b.question = a.question AND b.score = 'mean'
WHERE r.strategy <> 'pretrained' AND s.strategy <> 'pretrained' AND r.model = 'mt5-1' AND r.seed = 1;

CREATE VIEW rhos AS
WITH models AS (
    SELECT checkpoint_id, language, question, rank() OVER w + count(*) OVER w AS rank_x
    FROM profiles WHERE score = 'mean' WINDOW w AS (PARTITION BY checkpoint_id, language ORDER BY p_first)
), countries AS MATERIALIZED (
    SELECT country, question, rank() OVER w + count(*) OVER w AS rank_y
    FROM people WHERE weighting = 'weighted' AND country IN ('DE', 'PK', 'RS', 'VN')
    WINDOW w AS (PARTITION BY country ORDER BY p_first)
)
SELECT checkpoint_id, language, country,
       (count(*) * sum(rank_x * rank_y) - sum(rank_x) * sum(rank_y))
       / sqrt(1.0 * (count(*) * sum(rank_x * rank_x) - sum(rank_x) * sum(rank_x))
              * (count(*) * sum(rank_y * rank_y) - sum(rank_y) * sum(rank_y))) AS rho
FROM models CROSS JOIN countries USING (question)
GROUP BY 1, 2, 3;
"""


def write_sqlite(connection: duckdb.DuckDBPyConnection, selects: Mapping[str, str], path: Path) -> None:
    """Make a database of the rows that the selects give, by table."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(SCHEMA)
        for table, select in selects.items():
            _fill(connection, database, table, select)
        database.executescript(INDEXES + VIEWS)


def _fill(connection: duckdb.DuckDBPyConnection, database: sqlite3.Connection, table: str, select: str) -> None:
    """Rows go in by the order of the table's key, which is many times as fast as in any other."""
    columns = database.execute("SELECT name, pk FROM pragma_table_info(?)", [table]).fetchall()
    names = ", ".join(name for name, _ in columns)
    key = ", ".join(name for name, place in sorted(columns, key=lambda column: column[1]) if place) or "ALL"
    marks = ", ".join("?" for _ in columns)
    if table == "rankings":
        select = f"SELECT *, direction = 'positive' AS positive FROM ({select})"
    rows = connection.execute(f"SELECT {names} FROM ({select}) ORDER BY {key}").to_arrow_reader(100_000)
    for batch in rows:
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", pl.DataFrame(batch).rows())
    database.commit()


def asked(path: Path, query: str) -> pd.DataFrame:
    """The rows of a query."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA cache_size = -4000000")
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute("PRAGMA threads = 2")
        return pd.read_sql_query(query, database)
