"""Analyses of the catalogue in SQLite: each query gives the figures of mlv's query of its name.

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
CREATE TABLE validations (run TEXT, seeds TEXT, scores TEXT, draw INTEGER, language TEXT, question TEXT, value REAL);
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
CREATE INDEX validations_of ON validations (run, seeds, scores, draw, value);
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

_CONTRIBUTIONS = """
    SELECT run, epoch, language, positive, ft_language, avg(share) AS contribution
    FROM (
        SELECT t.run, t.epoch, t.language, k.positive, r.ft_language,
               100.0 * avg(e.ft_language = r.ft_language) AS share
        FROM targets t
        JOIN trained r USING (run)
        JOIN rankings k USING (influence_target_id)
        JOIN examples e USING (training_example_id)
        WHERE epoch IS {epoch}
        GROUP BY t.influence_target_id, r.ft_language, k.positive
    )
    GROUP BY 1, 2, 3, 4, 5
"""

_AGREEMENT_CELLS = """
    SELECT checkpoint_id_a, checkpoint_id_b, language, category, 100.0 * avg(same) AS agreement
    FROM pairs CROSS JOIN questions USING (question) GROUP BY 1, 2, 3, 4
"""

_LISTS = "SELECT influence_target_id, positive, count(*) AS k FROM rankings GROUP BY 1, 2"

_DIRECTION = "iif(positive, 'positive', 'negative') AS direction"

SQLITE = {
    "agreement": """
        SELECT checkpoint_id_a, checkpoint_id_b, language, 100.0 * avg(same) AS agreement FROM pairs GROUP BY 1, 2, 3
    """,
    "agreement_by_category": f"""
        SELECT checkpoint_id_a, checkpoint_id_b, category, avg(agreement) AS agreement
        FROM ({_AGREEMENT_CELLS})
        GROUP BY 1, 2, 3
    """,
    "agreement_by_language": f"""
        SELECT checkpoint_id_a, checkpoint_id_b, language, avg(agreement) AS agreement
        FROM ({_AGREEMENT_CELLS})
        GROUP BY 1, 2, 3
    """,
    # without p-values and Holm's correction
    "alignment": "SELECT checkpoint_id, language, country, rho FROM rhos",
    "alignment_change": """
        WITH known AS MATERIALIZED (SELECT * FROM rhos)
        SELECT model, source, sentences, strategy, language, country, avg(change) AS change
        FROM (
            SELECT model, source, sentences, strategy, ft_languages, a.language, a.country, avg(a.rho - b.rho) AS change
            FROM runs
            JOIN known a USING (checkpoint_id)
            JOIN known b
                ON b.checkpoint_id = base_checkpoint_id AND b.language = a.language AND b.country = a.country
            WHERE strategy <> 'pretrained'
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "domain_correlation": """
        WITH known AS MATERIALIZED (SELECT * FROM unchanged_categories), pairs AS (
            SELECT a.model, a.sentences, a.category, a.source AS source_a, b.source AS source_b, a.unchanged AS x,
                   b.unchanged AS y
            FROM known a
            JOIN known b USING (model, sentences, category, language)
            WHERE a.source < b.source
        )
        SELECT model, sentences, category, source_a, source_b,
               (count(*) * sum(x * y) - sum(x) * sum(y))
               / sqrt((count(*) * sum(x * x) - sum(x) * sum(x)) * (count(*) * sum(y * y) - sum(y) * sum(y)))
                   AS correlation
        FROM pairs
        GROUP BY 1, 2, 3, 4, 5
    """,
    "ground_truth_similarity": """
        WITH countries AS MATERIALIZED (SELECT DISTINCT country FROM people)
        SELECT c.country AS country_a, d.country AS country_b,
               sum(a.p_first * b.p_first) / sqrt(sum(a.p_first * a.p_first) * sum(b.p_first * b.p_first)) AS cosine
        FROM countries c
        CROSS JOIN countries d ON d.country > c.country
        CROSS JOIN people a ON a.country = c.country AND a.weighting = 'weighted'
        CROSS JOIN people b ON b.country = d.country AND b.weighting = 'weighted' AND b.question = a.question
        GROUP BY 1, 2
    """,
    # without Wilcoxon's test between epochs
    "influence_by_epoch": f"""
        SELECT run, epoch, {_DIRECTION}, language, ft_language, contribution
        FROM ({_CONTRIBUTIONS.format(epoch="NOT NULL")})
    """,
    "influence_consistency": f"""
        WITH lists AS MATERIALIZED ({_LISTS}), pairs AS (
            SELECT a.run, la.positive, a.language AS language_a, b.language AS language_b, la.k AS k_a, lb.k AS k_b, (
                SELECT count(*)
                FROM rankings x
                JOIN rankings y
                    ON y.influence_target_id = b.influence_target_id AND y.positive = x.positive
                    AND y.training_example_id = x.training_example_id
                WHERE x.influence_target_id = a.influence_target_id AND x.positive = la.positive
            ) AS shared
            FROM targets a
            CROSS JOIN targets b ON b.run = a.run AND b.question = a.question AND b.language > a.language
            CROSS JOIN lists la ON la.influence_target_id = a.influence_target_id
            CROSS JOIN lists lb ON lb.influence_target_id = b.influence_target_id AND lb.positive = la.positive
            WHERE a.epoch IS NULL AND b.epoch IS NULL
        )
        SELECT run, {_DIRECTION}, language_a, language_b, avg(50.0 * shared * (1.0 / k_a + 1.0 / k_b)) AS consistency
        FROM pairs
        GROUP BY 1, 2, 3, 4
    """,
    "influence_mean": """
        SELECT run, language, train_language, influence,
               sqrt(squares / total - influence * influence) AS sd
        FROM (
            SELECT run, language, train_language, sum(n) AS total, sum(n * score_mean) / sum(n) AS influence,
                   sum(n * (score_sd * score_sd + score_mean * score_mean)) AS squares
            FROM summaries
            WHERE epoch IS NULL
            GROUP BY 1, 2, 3
        )
    """,
    # not beside permuted examples and exact gradients
    "influence_quality": """
        SELECT run, seeds, scores, avg(rho) AS rho
        FROM (SELECT run, seeds, scores, draw, avg(value) AS rho FROM validations GROUP BY 1, 2, 3, 4)
        GROUP BY 1, 2, 3
    """,
    "language_contribution": f"""
        SELECT run, {_DIRECTION}, language, ft_language, contribution FROM ({_CONTRIBUTIONS.format(epoch="NULL")})
    """,
    "parallel_overlap": f"""
        WITH lists AS MATERIALIZED ({_LISTS}), alike AS MATERIALIZED (
            SELECT a.run AS run_a, b.run AS run_b, b.traced_run AS traced_b
            FROM influence_runs a
            JOIN influence_runs b USING (model, source, sentences, seed, attribution, strategy)
            WHERE strategy = 'monolingual' AND a.ft_languages < b.ft_languages
        ), pairs AS (
            SELECT run_a, run_b, la.positive, a.language, la.k AS k_a, lb.k AS k_b, (
                SELECT count(*)
                FROM rankings x
                JOIN examples e USING (training_example_id)
                JOIN examples f ON f.traced_run = traced_b AND f.parallel_key = e.parallel_key
                JOIN rankings y
                    ON y.influence_target_id = b.influence_target_id AND y.positive = x.positive
                    AND y.training_example_id = f.training_example_id
                WHERE x.influence_target_id = a.influence_target_id AND x.positive = la.positive
            ) AS shared
            FROM alike
            CROSS JOIN targets a ON a.run = run_a
            CROSS JOIN targets b ON b.run = run_b AND b.question = a.question AND b.language = a.language
            CROSS JOIN lists la ON la.influence_target_id = a.influence_target_id
            CROSS JOIN lists lb ON lb.influence_target_id = b.influence_target_id AND lb.positive = la.positive
            WHERE a.epoch IS NULL AND b.epoch IS NULL
        )
        SELECT run_a, run_b, {_DIRECTION}, language, avg(50.0 * shared * (1.0 / k_a + 1.0 / k_b)) AS overlap
        FROM pairs
        GROUP BY 1, 2, 3, 4
    """,
    "seed_robustness": f"""
        WITH figures AS (
            SELECT 'unchanged' AS metric, model, source, sentences, ft_languages, seed, NULL AS attribution,
                   NULL AS direction, language, NULL AS ft_language, unchanged AS value
            FROM unchanged
            UNION ALL
            SELECT 'language_contribution', model, source, sentences, ft_languages, seed, attribution,
                   {_DIRECTION}, language, ft_language, contribution
            FROM ({_CONTRIBUTIONS.format(epoch="NULL")})
            JOIN influence_runs USING (run)
        ), seeds AS (
            SELECT metric, model, source, sentences, ft_languages, attribution, direction, language, ft_language,
                   avg(value) AS value
            FROM figures
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, seed
        ), means AS (
            SELECT *, avg(value) OVER (
                PARTITION BY metric, model, source, sentences, ft_languages, attribution, direction, language,
                             ft_language
            ) AS mean
            FROM seeds
        )
        SELECT metric, model, source, sentences, ft_languages, attribution, direction, language, ft_language,
               mean, sqrt(sum((value - mean) * (value - mean)) / (count(*) - 1)) AS sd,
               min(value) AS min, max(value) AS max
        FROM means
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    """,
    "shift_overlap_test_languages": """
        WITH known AS MATERIALIZED (
            SELECT checkpoint_id, language, question, shifted FROM shifts
        ), counts AS MATERIALIZED (
            SELECT checkpoint_id, language, sum(shifted) AS n FROM known GROUP BY 1, 2
        ), moved AS MATERIALIZED (
            SELECT checkpoint_id, language, question FROM known WHERE shifted
        ), both AS MATERIALIZED (
            SELECT checkpoint_id, a.language AS language_a, b.language AS language_b, count(*) AS shared
            FROM moved a
            JOIN moved b USING (checkpoint_id, question)
            WHERE a.language < b.language
            GROUP BY 1, 2, 3
        )
        SELECT model, source, sentences, ft_languages, a.language AS language_a, b.language AS language_b,
               avg(1.0 * coalesce(shared, 0) / (a.n + b.n - coalesce(shared, 0))) AS jaccard
        FROM runs
        JOIN counts a USING (checkpoint_id)
        JOIN counts b ON b.checkpoint_id = a.checkpoint_id AND b.language > a.language
        LEFT JOIN both ON both.checkpoint_id = a.checkpoint_id AND language_a = a.language AND language_b = b.language
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "shift_uniqueness": """
        WITH questions AS (
            SELECT model, source, sentences, seed, language, question, sum(shifted) AS shifting, count(*) AS runs
            FROM shifts
            WHERE strategy = 'monolingual'
            GROUP BY 1, 2, 3, 4, 5, 6
        )
        SELECT model, source, sentences, language, avg(uniqueness) AS uniqueness
        FROM (
            SELECT model, source, sentences, seed, language, 100.0 * sum(shifting = 1) / sum(shifting > 0) AS uniqueness
            FROM questions
            WHERE runs > 1
            GROUP BY 1, 2, 3, 4, 5
        )
        GROUP BY 1, 2, 3, 4
    """,
    # without the permutation test
    "similarity_structure": """
        WITH lengths AS MATERIALIZED (
            SELECT checkpoint_id, language, sqrt(sum(p_first * p_first)) AS length
            FROM profiles WHERE score = 'mean' GROUP BY 1, 2
        ), models AS MATERIALIZED (
            SELECT checkpoint_id, a.language AS language_a, b.language AS language_b, (
                SELECT sum(x.p_first * y.p_first)
                FROM profiles x
                JOIN profiles y USING (score, checkpoint_id, question)
                WHERE score = 'mean' AND checkpoint_id = a.checkpoint_id AND x.language = a.language
                    AND y.language = b.language
            ) / a.length / b.length AS similarity
            FROM lengths a
            JOIN lengths b USING (checkpoint_id)
            WHERE a.language < b.language
        ), countries AS MATERIALIZED (
            SELECT l.language AS language_a, m.language AS language_b,
                   sum(x.p_first * y.p_first) / sqrt(sum(x.p_first * x.p_first) * sum(y.p_first * y.p_first))
                       AS similarity
            FROM languages l
            JOIN languages m ON m.language > l.language
            CROSS JOIN people x ON x.country = l.country
            CROSS JOIN people y ON y.country = m.country AND y.question = x.question AND y.weighting = x.weighting
            WHERE x.weighting = 'weighted'
            GROUP BY 1, 2
        ), ranked AS (
            SELECT checkpoint_id, m.similarity, rank() OVER x + count(*) OVER x AS rank_x,
                   rank() OVER y + count(*) OVER y AS rank_y
            FROM models m JOIN countries c USING (language_a, language_b)
            WINDOW
                x AS (PARTITION BY checkpoint_id ORDER BY round(m.similarity, 12)),
                y AS (PARTITION BY checkpoint_id ORDER BY round(c.similarity, 12))
        )
        SELECT checkpoint_id, avg(similarity) AS similarity,
               (count(*) * sum(rank_x * rank_y) - sum(rank_x) * sum(rank_y))
               / sqrt(1.0 * (count(*) * sum(rank_x * rank_x) - sum(rank_x) * sum(rank_x))
                      * (count(*) * sum(rank_y * rank_y) - sum(rank_y) * sum(rank_y))) AS rho
        FROM ranked
        GROUP BY 1
    """,
    "size_effect": """
        WITH seeds AS MATERIALIZED (
            SELECT model, source, ft_languages, seed, sentences, language, avg(unchanged) AS unchanged
            FROM unchanged
            GROUP BY 1, 2, 3, 4, 5, 6
        )
        SELECT model, source, ft_languages, a.sentences AS few, b.sentences AS many, language,
               avg(b.unchanged - a.unchanged) AS change
        FROM seeds a
        JOIN seeds b USING (model, source, ft_languages, seed, language)
        WHERE a.sentences < b.sentences
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "translation_share": f"""
        SELECT run, {_DIRECTION}, language, avg(share) AS translations
        FROM (
            SELECT t.run, t.language, k.positive, 100.0 * avg(EXISTS (
                SELECT 1
                FROM examples f
                JOIN rankings y
                    ON y.influence_target_id = k.influence_target_id AND y.positive = k.positive
                    AND y.training_example_id = f.training_example_id
                WHERE f.traced_run = e.traced_run AND f.parallel_key = e.parallel_key AND f.ft_language = t.language
            )) AS share
            FROM influence_runs i
            JOIN targets t USING (run)
            JOIN trained r ON r.run = t.run AND r.ft_language = t.language
            JOIN rankings k USING (influence_target_id)
            JOIN examples e ON e.training_example_id = k.training_example_id
            WHERE i.strategy = 'multilingual' AND t.epoch IS NULL AND e.ft_language <> t.language
            GROUP BY t.influence_target_id, k.positive
        )
        GROUP BY 1, 2, 3
    """,
    "unchanged": "SELECT run, language, unchanged FROM unchanged",
    "unchanged_by_category": "SELECT * FROM unchanged_categories",
    "unchanged_multilingual": """
        WITH known AS MATERIALIZED (SELECT * FROM unchanged), mixed AS (
            SELECT model, source, sentences, ft_languages AS mixture, strategy, ft_languages, language, unchanged
            FROM known
            WHERE strategy = 'multilingual'
        ), mixtures AS (
            SELECT DISTINCT model, source, sentences, mixture FROM mixed
        ), alone AS (
            SELECT model, source, sentences, mixture, 'monolingual_mean', ft_languages, language, unchanged
            FROM mixtures
            JOIN known USING (model, source, sentences)
            WHERE strategy = 'monolingual' AND ',' || mixture || ',' LIKE '%,' || ft_languages || ',%'
        )
        SELECT model, source, sentences, mixture, strategy, language, avg(unchanged) AS unchanged
        FROM (
            SELECT model, source, sentences, mixture, strategy, ft_languages, language, avg(unchanged) AS unchanged
            FROM (SELECT * FROM mixed UNION ALL SELECT * FROM alone)
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
}
"""By analysis: the query."""


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


def in_sqlite(path: Path, name: str) -> pd.DataFrame:
    """An analysis in SQLite."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA cache_size = -4000000")
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute("PRAGMA threads = 2")
        return pd.read_sql_query(SQLITE[name], database)
