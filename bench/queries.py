"""All queries of the catalogue on a store of 100 runs x 3,081 probes (237 questions in 13 languages).

Prints the seconds of every query, and their ratio to reading the answers by one way of scoring, which is the least
that most of them can do. The numbers in the store are drawn from hashes: random, and the same every time.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import duckdb
from measure import figure, seconds

from mlv.migrations import upgrade
from mlv.queries import catalogue, run
from mlv.schema import paper
from mlv.schema.store import connect, transaction

READING = "SELECT checkpoint_id, language, question, answer FROM v_answer WHERE score = 'mean'"

STORE = """
INSERT INTO "language" SELECT i, code, code, code FROM languages;
INSERT INTO country SELECT i, country, country, country FROM languages WHERE country IS NOT NULL;
INSERT INTO language_country SELECT i, i, i, '' FROM languages WHERE country IS NOT NULL;
INSERT INTO category SELECT number, code, name, first, last, in_study FROM categories;
INSERT INTO question
SELECT q, q, q, 'Q' || q, number FROM categories, range(first, last + 1) t(q) WHERE in_study LIMIT 237;
INSERT INTO probe_collection VALUES (1, 'arora-2023', '', '');
INSERT INTO probe_set VALUES (1, 'echoes-2024', 1, '');
INSERT INTO probe_set_member SELECT 1, question_id FROM question;
INSERT INTO probe
SELECT row_number() OVER (), 1, question_id, i, '[MASK]', 'a', 'b', '', '', 'canonical'
FROM question, languages WHERE country IS NOT NULL;
INSERT INTO survey VALUES (1, 'wvs7', FALSE, '', '');

INSERT INTO source SELECT i, code, code, 'news', '' FROM sources;
INSERT INTO corpus SELECT s.i * 100 + l.i, s.i, l.i, '', '', '', '' FROM sources s, languages l WHERE l.finetuning;
INSERT INTO segment
SELECT row_number() OVER (), corpus_id, p, p, 'text' FROM corpus, range(10000) t(p);

INSERT INTO base_model SELECT m, 'mt5-' || m, '', m, 'mt5', 1, 1 FROM range(1, 4) t(m);
INSERT INTO run
SELECT r, 'finetune', 'finetune-' || r, r,
       '{"epochs":5,"batch_size":8,"learning_rate":5e-05}', NULL, 1 + r % 3, 1 + r // 60, 'committed',
       now(), now(), now(), '{}'
FROM range(1, 101) t(r);
INSERT INTO run_corpus
SELECT run_id, corpus_id, 2000
FROM run
JOIN corpus ON source_id = 1 + run_id % 5 AND (language_id % 4 = run_id // 5 % 4 OR run_id % 20 = 0);
INSERT INTO checkpoint SELECT m, m, NULL, 0, 0, TRUE, '', 'm' || m, '' FROM range(1, 4) t(m);
INSERT INTO checkpoint SELECT 3 + run_id, 1 + run_id % 3, run_id, 5, 1000, TRUE, '', 'r' || run_id, '' FROM run;

CREATE TEMP TABLE scores AS
SELECT checkpoint_id, probe_id, score, hash(checkpoint_id, probe_id, score) % 1000 / 1000.0 AS p
FROM checkpoint, probe, (VALUES ('sum'), ('mean'), ('first')) t(score);
INSERT INTO probe_answer
SELECT 1, checkpoint_id, probe_id, score, CASE WHEN p >= 0.5 THEN 1 ELSE 2 END, ln((p + 1e-4) / (1.0001 - p)), p
FROM scores;
INSERT INTO profile (profile_id, checkpoint_id, language_id, probe_collection_id, score)
SELECT row_number() OVER (), checkpoint_id, i, 1, score
FROM checkpoint, languages, (VALUES ('sum'), ('mean'), ('first')) t(score) WHERE country IS NOT NULL;
INSERT INTO profile_value
SELECT profile_id, question_id, p
FROM scores
JOIN probe USING (probe_id)
JOIN profile USING (checkpoint_id, language_id, score);
INSERT INTO profile (profile_id, survey_id, country_id, weighting)
SELECT 1000000 + 2 * country_id + w, 1, country_id, ['weighted', 'unweighted'][w + 1] FROM country, range(2) t(w);
INSERT INTO profile_value
SELECT profile_id, question_id, hash(profile_id, question_id) % 100 / 100.0
FROM profile, question WHERE survey_id IS NOT NULL;
"""


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the rows of the study into an empty store."""
    codes = sorted({*paper.TEST_LANGUAGES, *paper.FINETUNING_LANGUAGES})
    tested = {code: paper.LANGUAGE_COUNTRY[code] for code in paper.TEST_LANGUAGES}
    rows = [(i, code, tested.get(code), code in paper.FINETUNING_LANGUAGES) for i, code in enumerate(codes, 1)]
    tables: dict[str, Sequence[tuple[object, ...]]] = {
        "languages (i INTEGER, code VARCHAR, country VARCHAR, finetuning BOOLEAN)": rows,
        "categories (number INTEGER, code VARCHAR, name VARCHAR, first INTEGER, last INTEGER, in_study BOOLEAN)": [
            tuple(category) for category in paper.CATEGORIES
        ],
        "sources (i INTEGER, code VARCHAR)": list(enumerate(["pbc", "tanzil", "flores", "reuters", "fox"], 1)),
    }
    for table, values in tables.items():
        connection.execute(f"CREATE TEMP TABLE {table}")
        marks = ", ".join("?" for _ in values[0])
        connection.executemany(f"INSERT INTO {table.split()[0]} VALUES ({marks})", values)
    with transaction(connection):
        connection.execute(STORE)


def main() -> None:
    """Build the store and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.duckdb"
        upgrade(path)
        with connect(path, read_only=False) as connection:
            fill(connection)
        with connect(path) as connection:
            connection.execute("SET threads = 2")
            least = seconds(lambda: connection.execute(READING).pl())
            total = 0.0
            for query in catalogue():
                taken = seconds(partial(run, connection, query.name))
                total += taken
                print(f"  {query.name:<26} {taken:6.3f} s, {taken / least:5.1f} times reading the answers", flush=True)
    figure("the queries on 100 runs x 3,081 probes", total, "s", "<= 2", total <= 2)


if __name__ == "__main__":
    main()
