"""Analyses of the catalogue as a researcher would do them without mlv: in pandas over CSV files, and in SQLite.

Both have the store's rows, names in place of the keys of small tables; every function gives the figures that the query
of its name has, by the columns before them.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd

from mlv.queries.parameters import Given

FILES = {
    "answers": "SELECT checkpoint_id, language, question, score, answer, margin, p_first FROM v_answer",
    "profiles": "SELECT checkpoint_id, language, question, score, p_first FROM v_model_profile",
    "people": "SELECT country, question, p_first FROM v_country_profile "
    "WHERE weighting = 'weighted' AND country IN ('DE', 'PK', 'RS', 'VN')",
    "runs": "SELECT checkpoint_id, base_checkpoint_id, run, strategy, model, seed, row_number() OVER "
    "(ORDER BY parameters, model, source, ft_languages, sentences, seed, epoch, run, digest) AS place "
    "FROM v_checkpoint",
    "targets": "SELECT influence_target_id, run, language, question FROM v_traced_probe WHERE epoch IS NULL",
    "trained": "SELECT run, unnest(string_split(ft_languages, ',')) AS ft_language FROM v_influence_run "
    "WHERE kind = 'influence'",
    "examples": "SELECT training_example_id, language AS ft_language FROM v_training_example WHERE split = 'train'",
    "rankings": "SELECT influence_target_id, direction, rank, score, training_example_id FROM v_influence_ranking",
}
"""By file and table: what is in it."""

INDEXES = """
CREATE INDEX answer_at ON answers (score, checkpoint_id, language, question, answer);
CREATE INDEX profile_at ON profiles (score, checkpoint_id, language, p_first, question);
CREATE UNIQUE INDEX target_at ON targets (influence_target_id);
CREATE INDEX question_at ON targets (run, question, language);
CREATE UNIQUE INDEX example_at ON examples (training_example_id, ft_language);
CREATE INDEX ranking_at ON rankings (influence_target_id, direction, training_example_id);
ANALYZE;
"""

KEYS = {
    "unchanged": ["run", "language"],
    "alignment": ["checkpoint_id", "language", "country"],
    "agreement": ["checkpoint_id_a", "checkpoint_id_b", "language"],
    "language_contribution": ["run", "direction", "language", "ft_language"],
    "influence_consistency": ["run", "direction", "language_a", "language_b"],
}
"""By analysis, what its rows are."""

GIVEN: dict[str, dict[str, Given]] = {
    "agreement": {"strategies": ["monolingual", "multilingual"], "model": "mt5-1", "seed": 1},
}
"""By analysis, parameters that are not the defaults: three pretrained models would be too few to time."""

FIGURES = {
    "unchanged": "unchanged",
    "alignment": "rho",
    "agreement": "agreement",
    "language_contribution": "contribution",
    "influence_consistency": "consistency",
}
"""By analysis, the figure that is compared."""


def write_csv(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the files."""
    for name, select in FILES.items():
        connection.execute(f"COPY ({select}) TO '{folder / name}.csv' (HEADER)")


def write_sqlite(folder: Path, path: Path) -> None:
    """Make a SQLite database of the files, with indexes."""
    with sqlite3.connect(path) as database, duckdb.connect() as reader:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        for name in FILES:
            rows = reader.execute(f"FROM read_csv('{folder / name}.csv')")
            columns = [str(column[0]) for column in rows.description]
            database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            marks = ", ".join("?" for _ in columns)
            while batch := rows.fetchmany(100_000):
                database.executemany(f"INSERT INTO {name} VALUES ({marks})", batch)
        database.executescript(INDEXES)


def _by_mean(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the default way of scoring."""
    return frame[frame["score"] == "mean"].drop(columns="score")


def _unchanged(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    runs, answers = frames["runs"], _by_mean(frames["answers"])
    tuned = runs[runs["strategy"] != "pretrained"]
    after = answers.merge(tuned, on="checkpoint_id")
    before = answers.rename(columns={"checkpoint_id": "base_checkpoint_id", "answer": "before"})
    both = after.merge(before, on=["base_checkpoint_id", "language", "question"])
    both["same"] = both["answer"] == both["before"]
    means = both.groupby(["run", "language"], observed=True)["same"].mean().mul(100).rename("unchanged")
    return means.reset_index()


def _agreement(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    runs = frames["runs"]
    chosen = runs[(runs["strategy"] != "pretrained") & (runs["model"] == "mt5-1") & (runs["seed"] == 1)]
    answers = _by_mean(frames["answers"]).merge(chosen[["checkpoint_id", "place"]], on="checkpoint_id")
    pairs = answers.merge(answers, on=["language", "question"], suffixes=("_a", "_b"))
    pairs = pairs[pairs["place_a"] < pairs["place_b"]]
    same = (pairs["answer_a"] == pairs["answer_b"]).rename("agreement")
    keys = ["checkpoint_id_a", "checkpoint_id_b", "language"]
    return same.groupby([pairs[key] for key in keys], observed=True).mean().mul(100).reset_index()


def _alignment(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    profiles = _by_mean(frames["profiles"]).pivot_table(
        index="question", columns=["checkpoint_id", "language"], values="p_first", observed=True
    )
    people = frames["people"].pivot_table(index="question", columns="country", values="p_first", observed=True)
    ranks = profiles.rank()
    columns = {country: ranks.corrwith(people[country].rank()) for country in people.columns}
    table = pd.DataFrame(columns).rename_axis(columns="country").stack().rename("rho")
    return table.reset_index()


def _language_contribution(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    targets = frames["targets"]
    ranked = frames["rankings"].merge(frames["examples"], on="training_example_id")
    counts = ranked.groupby(["influence_target_id", "direction", "ft_language"], observed=True).size().rename("n")
    share = counts / counts.groupby(level=[0, 1], observed=True).transform("sum") * 100
    lists = ranked[["influence_target_id", "direction"]].drop_duplicates().merge(targets, on="influence_target_id")
    cells = lists.merge(frames["trained"], on="run").merge(
        share.rename("share").reset_index(), how="left", on=["influence_target_id", "direction", "ft_language"]
    )
    keys = ["run", "direction", "language", "ft_language"]
    cells["share"] = cells["share"].fillna(0)
    return cells.groupby(keys, observed=True)["share"].mean().rename("contribution").reset_index()


def _influence_consistency(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    ranked = frames["rankings"].merge(frames["targets"], on="influence_target_id")
    keys = ["run", "question", "direction"]
    lists = ranked.groupby([*keys, "language"], observed=True).size().rename("k").reset_index()
    columns = [*keys, "training_example_id", "language"]
    same = ranked[columns].merge(ranked[columns], on=columns[:-1], suffixes=("_a", "_b"))
    same = same[same["language_a"].astype(str) < same["language_b"].astype(str)]
    pair = [*keys, "language_a", "language_b"]
    shared = same.groupby(pair, observed=True).size().rename("shared").reset_index()
    cells = lists.merge(lists, on=keys, suffixes=("_a", "_b"))
    cells = cells[cells["language_a"].astype(str) < cells["language_b"].astype(str)].merge(shared, how="left", on=pair)
    cells["consistency"] = 50 * cells["shared"].fillna(0) * (1 / cells["k_a"] + 1 / cells["k_b"])
    names = ["run", "direction", "language_a", "language_b"]
    return cells.groupby(names, observed=True)["consistency"].mean().reset_index()


_RUNS = ["checkpoint_id", "base_checkpoint_id", "run", "strategy", "model", "seed", "place"]
_ANSWERS = ["checkpoint_id", "language", "question", "score", "answer"]
_PROFILES = ["checkpoint_id", "language", "question", "score", "p_first"]
_TARGETS = ["influence_target_id", "run", "language", "question"]
_RANKINGS = ["influence_target_id", "direction", "training_example_id"]

PANDAS: dict[str, tuple[Callable[[dict[str, pd.DataFrame]], pd.DataFrame], dict[str, list[str]]]] = {
    "agreement": (_agreement, {"runs": _RUNS, "answers": _ANSWERS}),
    "unchanged": (_unchanged, {"runs": _RUNS, "answers": _ANSWERS}),
    "alignment": (_alignment, {"profiles": _PROFILES, "people": ["country", "question", "p_first"]}),
    "language_contribution": (
        _language_contribution,
        {
            "targets": _TARGETS,
            "trained": ["run", "ft_language"],
            "examples": ["training_example_id", "ft_language"],
            "rankings": _RANKINGS,
        },
    ),
    "influence_consistency": (_influence_consistency, {"targets": _TARGETS, "rankings": _RANKINGS}),
}
"""By analysis: the work on frames, and the columns that it needs of which files."""

_TEXTS = ("run", "strategy", "model", "language", "question", "score", "country", "direction", "ft_language")

SQLITE = {
    "agreement": """
        SELECT a.checkpoint_id AS checkpoint_id_a, b.checkpoint_id AS checkpoint_id_b, a.language,
               100.0 * avg(a.answer = b.answer) AS agreement
        FROM runs r JOIN answers a USING (checkpoint_id)
        JOIN runs s ON s.place > r.place AND s.model = r.model AND s.seed = r.seed
        JOIN answers b ON b.checkpoint_id = s.checkpoint_id AND b.language = a.language AND b.question = a.question
        WHERE a.score = 'mean' AND b.score = 'mean'
          AND r.strategy <> 'pretrained' AND s.strategy <> 'pretrained' AND r.model = 'mt5-1' AND r.seed = 1
        GROUP BY 1, 2, 3
    """,
    "unchanged": """
        SELECT run, a.language, 100.0 * avg(a.answer = b.answer) AS unchanged
        FROM runs r JOIN answers a USING (checkpoint_id)
        JOIN answers b
            ON b.checkpoint_id = r.base_checkpoint_id AND b.language = a.language AND b.question = a.question
        WHERE strategy <> 'pretrained' AND a.score = 'mean' AND b.score = 'mean'
        GROUP BY 1, 2
    """,
    "alignment": """
        WITH models AS (
            SELECT checkpoint_id, language, question, rank() OVER w + count(*) OVER w AS rank_x
            FROM profiles WHERE score = 'mean' WINDOW w AS (PARTITION BY checkpoint_id, language ORDER BY p_first)
        ), countries AS (
            SELECT country, question, rank() OVER w + count(*) OVER w AS rank_y
            FROM people WINDOW w AS (PARTITION BY country ORDER BY p_first)
        )
        SELECT checkpoint_id, language, country,
               (count(*) * sum(rank_x * rank_y) - sum(rank_x) * sum(rank_y))
               / sqrt(1.0 * (count(*) * sum(rank_x * rank_x) - sum(rank_x) * sum(rank_x))
                      * (count(*) * sum(rank_y * rank_y) - sum(rank_y) * sum(rank_y))) AS rho
        FROM models JOIN countries USING (question)
        GROUP BY 1, 2, 3
    """,
    "language_contribution": """
        WITH counts AS (
            SELECT influence_target_id, direction, ft_language, count(*) AS n
            FROM rankings JOIN examples USING (training_example_id) GROUP BY 1, 2, 3
        ), lists AS (
            SELECT influence_target_id, direction, sum(n) AS k FROM counts GROUP BY 1, 2
        )
        SELECT run, direction, language, ft_language, avg(100.0 * coalesce(n, 0) / k) AS contribution
        FROM lists JOIN targets USING (influence_target_id) JOIN trained USING (run)
        LEFT JOIN counts USING (influence_target_id, direction, ft_language)
        GROUP BY 1, 2, 3, 4
    """,
    "influence_consistency": """
        WITH lists AS (
            SELECT influence_target_id, direction, count(*) AS k FROM rankings GROUP BY 1, 2
        ), pairs AS (
            SELECT a.run, a.language AS language_a, b.language AS language_b, a.influence_target_id AS target_a,
                   b.influence_target_id AS target_b
            FROM targets a JOIN targets b ON b.run = a.run AND b.question = a.question AND b.language > a.language
        ), shared AS (
            SELECT target_a, target_b, x.direction, count(*) AS shared
            FROM pairs JOIN rankings x ON x.influence_target_id = target_a
            JOIN rankings y ON y.influence_target_id = target_b AND y.direction = x.direction
                AND y.training_example_id = x.training_example_id
            GROUP BY 1, 2, 3
        )
        SELECT run, a.direction, language_a, language_b,
               avg(50.0 * coalesce(shared, 0) / a.k + 50.0 * coalesce(shared, 0) / b.k) AS consistency
        FROM pairs p JOIN lists a ON a.influence_target_id = p.target_a
        JOIN lists b ON b.influence_target_id = p.target_b AND b.direction = a.direction
        LEFT JOIN shared s ON s.target_a = p.target_a AND s.target_b = p.target_b AND s.direction = a.direction
        GROUP BY 1, 2, 3, 4
    """,
}
"""By analysis: the query."""


def read_csv(folder: Path, name: str) -> dict[str, pd.DataFrame]:
    """The columns that an analysis in pandas needs; text is read as categories, which is faster and smaller."""
    files = PANDAS[name][1]
    return {
        file: pd.read_csv(
            folder / f"{file}.csv", usecols=columns, dtype=dict.fromkeys(set(columns) & set(_TEXTS), "category")
        )
        for file, columns in files.items()
    }


def in_sqlite(path: Path, name: str) -> pd.DataFrame:
    """An analysis in SQLite."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA cache_size = -1000000")
        return pd.read_sql_query(SQLITE[name], database)
