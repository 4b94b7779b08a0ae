"""The catalogue's analyses as a researcher would do them without mlv: in pandas over CSV files, and in SQLite.

Both have the store's rows with names in place of the keys of small tables, and know what holds for the whole study: all
runs were trained alike, and every checkpoint was asked every question in every language. Where a query adds tests or
baselines to its figure, they have the figure alone; what is left out is said where it is.

    python bench/rivals.py pandas NAME FOLDER     one analysis in a process of its own; ``size.py`` starts it
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import duckdb
import pandas as pd
from in_pandas import PANDAS, read_csv
from in_sqlite import SQLITE, asked, write_sqlite
from measure import peak_gigabytes

from mlv.queries.engine.parameters import Given


class Analysis(NamedTuple):
    """What is compared of a query."""

    key: list[str]
    """Columns that say what a row is."""

    figures: list[str]
    given: Mapping[str, Given] = MappingProxyType({})
    """Parameters that are not the defaults."""


_SETUP = ["model", "source", "sentences"]
_RUNS_OF_ONE_SEED: dict[str, Given] = {"strategies": ["monolingual", "multilingual"], "model": "mt5-1", "seed": 1}
"""Three pretrained models, the default, would be too few to time."""

ANALYSES = {
    "agreement": Analysis(["checkpoint_id_a", "checkpoint_id_b", "language"], ["agreement"], _RUNS_OF_ONE_SEED),
    "agreement_by_category": Analysis(
        ["checkpoint_id_a", "checkpoint_id_b", "category"], ["agreement"], _RUNS_OF_ONE_SEED
    ),
    "agreement_by_language": Analysis(
        ["checkpoint_id_a", "checkpoint_id_b", "language"], ["agreement"], _RUNS_OF_ONE_SEED
    ),
    "alignment": Analysis(["checkpoint_id", "language", "country"], ["rho"]),
    "alignment_change": Analysis([*_SETUP, "strategy", "language", "country"], ["change"]),
    "domain_correlation": Analysis(["model", "sentences", "category", "source_a", "source_b"], ["correlation"]),
    "ground_truth_similarity": Analysis(["country_a", "country_b"], ["cosine"]),
    "influence_by_epoch": Analysis(["run", "epoch", "direction", "language", "ft_language"], ["contribution"]),
    "influence_consistency": Analysis(["run", "direction", "language_a", "language_b"], ["consistency"]),
    "influence_mean": Analysis(["run", "language", "train_language"], ["influence", "sd"]),
    "influence_quality": Analysis(["run", "quantity", "seeds", "scores"], ["lds"]),
    "language_contribution": Analysis(["run", "direction", "language", "ft_language"], ["contribution"]),
    "parallel_overlap": Analysis(["run_a", "run_b", "direction", "language"], ["overlap"]),
    "seed_robustness": Analysis(
        ["metric", *_SETUP, "ft_languages", "attribution", "direction", "language", "ft_language"], ["mean", "sd"]
    ),
    "shift_overlap_test_languages": Analysis([*_SETUP, "ft_languages", "language_a", "language_b"], ["jaccard"]),
    "shift_uniqueness": Analysis([*_SETUP, "language"], ["uniqueness"]),
    "similarity_structure": Analysis(["checkpoint_id"], ["similarity", "rho"]),
    "size_effect": Analysis(["model", "source", "ft_languages", "few", "many", "language"], ["change"]),
    "translation_share": Analysis(["run", "direction", "language"], ["translations"]),
    "unchanged": Analysis(["run", "language"], ["unchanged"]),
    "unchanged_by_category": Analysis([*_SETUP, "language", "category"], ["unchanged"]),
    "unchanged_multilingual": Analysis([*_SETUP, "mixture", "strategy", "language"], ["unchanged"]),
}
"""By query. Not here: coverage, which has no figure; structure_correlation, of the sums of similarity_structure;
profile_pca and removal_effect, which have nothing to answer in a simulated study."""

FILES = {
    "answers": "SELECT checkpoint_id, language, question, score, answer, margin, p_first FROM v_answer",
    "profiles": "SELECT checkpoint_id, language, question, score, p_first FROM v_model_profile",
    "people": "SELECT country, weighting, question, p_first FROM v_country_profile",
    "questions": "SELECT question, category FROM v_probe_set",
    "languages": "SELECT language, country FROM v_language_country",
    # 0 in place of what a pretrained model has not, so that numbers stay integers
    "runs": "SELECT checkpoint_id, base_checkpoint_id, run, strategy, model, source, ft_languages, "
    "coalesce(sentences, 0) AS sentences, coalesce(seed, 0) AS seed, row_number() OVER "
    "(ORDER BY parameters, model, source, ft_languages, sentences, seed, epoch, run, digest) AS place "
    "FROM v_checkpoint",
    "influence_runs": "SELECT run, traced_run, model, source, ft_languages, strategy, sentences, traced_seed AS seed, "
    "attribution FROM v_influence_run WHERE kind = 'influence'",
    "trained": "SELECT run, unnest(string_split(ft_languages, ',')) AS ft_language FROM v_influence_run "
    "WHERE kind = 'influence'",
    "targets": "SELECT influence_target_id, run, epoch, language, question FROM v_traced_probe",
    "summaries": "SELECT run, epoch, language, question, train_language, n, score_mean, score_sd "
    "FROM v_influence_summary",
    "validations": "SELECT run, quantity, scores, seeds, language, question, value FROM v_validation_result "
    "WHERE test = 'lds'",
    "examples": "SELECT training_example_id, run AS traced_run, language AS ft_language, parallel_key "
    "FROM v_training_example WHERE split = 'train'",
    "rankings": "SELECT influence_target_id, direction, rank, score, training_example_id FROM v_influence_ranking",
}
"""By file and table: what is in it."""

DATABASE = "rival.sqlite"

RIVALS = ("pandas", "sqlite")

CLOSE = 1e-9
"""By how much figures may differ for the order in which they were added up."""

PATIENCE = 600.0
"""Seconds after which a rival is stopped."""

MEMORY = 16 * 10**9
"""Bytes that a rival may hold."""

QUICK = 20.0
"""Seconds up to which a rival is timed three times, and the median counts, as mlv is."""


class Took(NamedTuple):
    """What an analysis took in a process of its own."""

    seconds: float
    """Median; the least that it can be where the analysis was not finished."""

    reading: float
    """Of these, for reading files."""

    processor: float
    """The processor's seconds."""

    gigabytes: float
    """The most memory that the process held; not a number where it was not finished."""

    failure: str = ""


def write_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write what the rivals read."""
    for name, select in FILES.items():
        connection.execute(f"COPY ({select}) TO '{folder / name}.csv' (HEADER)")
    write_sqlite(connection, FILES, folder / DATABASE)


def apart(rival: str, name: str, folder: Path) -> Took:
    """Time an analysis, pandas or sqlite, in a process of its own; its result goes into the folder.

    A rival may lack time or memory; any other failure of one is a mistake here, and no victory.
    """
    command = [sys.executable, __file__, rival, name, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return Took(PATIENCE, 0, PATIENCE, float("nan"), f"stopped after {PATIENCE:.0f} s")
    if done.returncode:
        reason = (done.stderr.splitlines() or ["killed for memory"])[-1]
        if "memory" not in reason.lower():
            raise SystemExit(f"{name} in {rival} failed:\n{done.stderr}")
        return Took(float("inf"), 0, float("inf"), float("nan"), reason)
    return Took(**json.loads(done.stdout))


def result_file(rival: str, name: str, folder: Path) -> Path:
    """Where the result of an analysis goes."""
    return folder / f"{name}-{rival}.parquet"


def check_same(name: str, rival: str, folder: Path) -> None:
    """Fail where mlv and a rival differ in their rows or in a figure; undefined figures and mean rows aside."""
    ours, theirs = (pd.read_parquet(result_file(whose, name, folder)) for whose in ("mlv", rival))
    key, figures, _ = ANALYSES[name]
    ours = ours[~ours[key].eq("avg.").any(axis=1)]
    for figure in figures:
        expected, found = (
            frame.set_index(_named(frame[key]))[figure].dropna().sort_index() for frame in (ours, theirs)
        )
        if not expected.index.equals(found.index) or (expected - found).abs().max() > CLOSE:
            raise SystemExit(f"{rival} has another {figure} for {name} than mlv:\n{expected}\n{found}")


def _named(key: pd.DataFrame) -> pd.MultiIndex:
    """A key whose parts are text."""
    return pd.MultiIndex.from_frame(key.astype(object).where(key.notna(), "").astype(str))


def _timed(work: Callable[[], tuple[float, pd.DataFrame]]) -> tuple[Took, pd.DataFrame]:
    """What the median of three took, or the first if it is slow, and the result."""
    taken: list[Took] = []
    while len(taken) < 3 and not (taken and taken[0].seconds > QUICK):
        began, processor = time.perf_counter(), time.process_time()
        reading, result = work()
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
        taken.append(Took(seconds, reading, processor, peak_gigabytes()))
    return sorted(taken)[len(taken) // 2], result


def _in_pandas(name: str, folder: Path) -> tuple[float, pd.DataFrame]:
    """The seconds of reading, and the result."""
    work, files = PANDAS[name]
    began = time.perf_counter()
    frames = {file: read_csv(folder / f"{file}.csv", columns) for file, columns in files.items()}
    return time.perf_counter() - began, work(frames)


def main() -> None:
    """Do one analysis, write its result and print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=RIVALS)
    parser.add_argument("name", choices=ANALYSES)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    if given.rival == "pandas":
        took, result = _timed(lambda: _in_pandas(given.name, given.folder))
    else:
        took, result = _timed(lambda: (0.0, asked(given.folder / DATABASE, SQLITE[given.name])))
    result.to_parquet(result_file(given.rival, given.name, given.folder))
    print(json.dumps(took._asdict()))


if __name__ == "__main__":
    main()
