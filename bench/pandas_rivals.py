"""Analyses of the catalogue in pandas: each takes frames of CSV files and gives what the query of its name does."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

Frames = dict[str, pd.DataFrame]

_SETUP = ["model", "source", "sentences"]
_RUN = [*_SETUP, "strategy", "ft_languages", "seed"]
_COUNTRIES = ["DE", "PK", "RS", "VN"]

_TEXTS = (
    *("run", "traced_run", "model", "source", "ft_languages", "strategy", "attribution", "language", "question"),
    *("category", "country", "weighting", "score", "direction", "ft_language", "train_language", "parallel_key"),
    *("scores", "seeds"),
)
_KEYS = ("checkpoint_id", "base_checkpoint_id", "influence_target_id", "training_example_id")
_TYPES = dict.fromkeys(_TEXTS, "category") | dict.fromkeys(_KEYS, "int32")
"""Text as categories and keys in 32 bits are faster and smaller."""


def read_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """Some columns of a file."""
    return pd.read_csv(path, usecols=columns, dtype={column: _TYPES[column] for column in columns if column in _TYPES})


def _mean(frame: pd.DataFrame, keys: list[str], value: str) -> pd.DataFrame:
    """Means by the keys."""
    return frame.groupby(keys, observed=True)[value].mean().reset_index()


def _by_mean(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the default way of scoring."""
    return frame[frame["score"] == "mean"].drop(columns="score")


# Answers ----------------------------------------------------------------------------------------------------------


def _shifts(frames: Frames, *strategies: str) -> pd.DataFrame:
    """Whether answers are the same as before fine-tuning, by what made the run."""
    runs, answers = frames["runs"], _by_mean(frames["answers"])
    tuned = runs[runs["strategy"].isin(strategies)]
    before = answers[answers["checkpoint_id"].isin(tuned["base_checkpoint_id"])]
    before = before.rename(columns={"checkpoint_id": "base_checkpoint_id", "answer": "before"})
    after = answers.merge(tuned, on="checkpoint_id")
    both = after.merge(before, on=["base_checkpoint_id", "language", "question"])
    both["same"] = both["answer"] == both["before"]
    return both


def _unchanged_by(frames: Frames, keys: list[str], *strategies: str) -> pd.DataFrame:
    """Percentage of unchanged values per run and further keys, with what made the run."""
    shifts = _shifts(frames, *strategies)
    if "category" in keys:
        shifts["category"] = shifts["question"].map(frames["questions"].set_index("question")["category"])
    means = _mean(shifts, ["checkpoint_id", *keys], "same").rename(columns={"same": "unchanged"})
    means["unchanged"] *= 100
    return means.merge(frames["runs"], on="checkpoint_id")


def _unchanged(frames: Frames) -> pd.DataFrame:
    return _unchanged_by(frames, ["language"], "monolingual", "multilingual")[["run", "language", "unchanged"]]


def _unchanged_by_category(frames: Frames) -> pd.DataFrame:
    shares = _unchanged_by(frames, ["language", "category"], "monolingual")
    keys = [*_SETUP, "language", "category"]
    return _mean(_mean(shares, [*keys, "ft_languages"], "unchanged"), keys, "unchanged")


def _domain_correlation(frames: Frames) -> pd.DataFrame:
    keys = ["model", "sentences", "category"]
    sources = _unchanged_by_category(frames).pivot(index=[*keys, "language"], columns="source", values="unchanged")
    sources.columns = sources.columns.astype(str)
    matrices = sources.groupby(keys, observed=True).corr().rename_axis([*keys, "source_a"])
    pairs = matrices.rename_axis(columns="source_b").stack().rename("correlation").reset_index()
    return pairs[pairs["source_a"].astype(str) < pairs["source_b"].astype(str)]


def _unchanged_multilingual(frames: Frames) -> pd.DataFrame:
    shares = _unchanged_by(frames, ["language"], "monolingual", "multilingual")
    shares = shares.astype({"ft_languages": str, "strategy": str})
    mixed = shares[shares["strategy"] == "multilingual"].assign(mixture=lambda mixed: mixed["ft_languages"])
    parts = mixed[[*_SETUP, "mixture"]].drop_duplicates()
    parts = parts.assign(ft_languages=parts["mixture"].str.split(",")).explode("ft_languages")
    alone = shares.merge(parts, on=[*_SETUP, "ft_languages"]).assign(strategy="monolingual_mean")
    keys = [*_SETUP, "mixture", "strategy", "language"]
    return _mean(_mean(pd.concat([mixed, alone]), [*keys, "ft_languages"], "unchanged"), keys, "unchanged")


def _size_effect(frames: Frames) -> pd.DataFrame:
    shares = _unchanged_by(frames, ["language"], "monolingual", "multilingual")
    setup = ["model", "source", "ft_languages", "strategy", "language"]
    seeds = _mean(shares, [*setup, "seed", "sentences"], "unchanged")
    pairs = seeds.merge(seeds, on=[*setup, "seed"], suffixes=("_few", "_many"))
    pairs = pairs.rename(columns={"sentences_few": "few", "sentences_many": "many"}).query("few < many")
    pairs = pairs.assign(change=pairs["unchanged_many"] - pairs["unchanged_few"])
    return _mean(pairs, [*setup, "few", "many"], "change")


def _shift_uniqueness(frames: Frames) -> pd.DataFrame:
    shifts = _shifts(frames, "monolingual")
    cell = [*_SETUP, "seed", "language"]
    alone = shifts.groupby([*cell, "question", "ft_languages"], observed=True)["same"].all()
    questions = (
        (~alone).groupby(level=[*cell, "question"], observed=True).agg(shifting="sum", runs="size").reset_index()
    )
    questions["languages"] = questions.groupby(cell, observed=True)["runs"].transform("max")
    questions = questions[(questions["languages"] > 1) & (questions["runs"] == questions["languages"])]
    questions = questions.assign(once=questions["shifting"] == 1, any=questions["shifting"] > 0)
    sums = questions.groupby(cell, observed=True)[["once", "any"]].sum().reset_index()
    sums["uniqueness"] = 100 * sums["once"] / sums["any"]
    return _mean(sums, [*_SETUP, "language"], "uniqueness")


def _shift_overlap_test_languages(frames: Frames) -> pd.DataFrame:
    shifts = _shifts(frames, "monolingual", "multilingual")
    shifts["shifted"] = (~shifts["same"]).astype(float)
    table = shifts.pivot(index=["checkpoint_id", "question"], columns="language", values="shifted")
    languages = table.columns.astype(str)
    first, second = np.triu_indices(len(languages), 1)
    found = []
    for checkpoint, block in table.groupby(level="checkpoint_id"):
        answered, shifted = block.notna().to_numpy(float), block.fillna(0).to_numpy()
        shared, either = shifted.T @ shifted, shifted.T @ answered
        jaccard = shared / (either + either.T - shared)
        pairs = {"language_a": languages[first], "language_b": languages[second], "jaccard": jaccard[first, second]}
        found.append(pd.DataFrame(pairs).assign(checkpoint_id=checkpoint))
    runs = pd.concat(found).merge(frames["runs"], on="checkpoint_id")
    return _mean(runs, [*_SETUP, "ft_languages", "language_a", "language_b"], "jaccard")


def _alike(frames: Frames, keys: list[str]) -> Iterator[pd.DataFrame]:
    """Percentage of equal answers of every two runs of a model and a seed, for each value of the keys."""
    runs = frames["runs"]
    runs = runs[runs["strategy"].isin(["monolingual", "multilingual"])].query("model == 'mt5-1' and seed == 1")
    answers = _by_mean(frames["answers"])
    answers = answers[answers["checkpoint_id"].isin(runs["checkpoint_id"])]
    if "category" in keys:
        answers["category"] = answers["question"].map(frames["questions"].set_index("question")["category"])
    table = answers.pivot(index=[*keys, "question"], columns="checkpoint_id", values="answer")
    table = table[runs.sort_values("place")["checkpoint_id"]]
    checkpoints = table.columns.to_numpy()
    first, second = np.triu_indices(len(checkpoints), 1)
    for values, block in table.groupby(level=keys, observed=True):
        signs = np.nan_to_num(3 - 2 * block.to_numpy(float))
        asked, difference = abs(signs).T @ abs(signs), signs.T @ signs
        agreement = 50 * (asked + difference) / asked
        pairs = {"checkpoint_id_a": checkpoints[first], "checkpoint_id_b": checkpoints[second]}
        yield pd.DataFrame(pairs | dict(zip(keys, values, strict=True)) | {"agreement": agreement[first, second]})


def _agreement(frames: Frames) -> pd.DataFrame:
    return pd.concat(_alike(frames, ["language"]))


def _agreement_over(frames: Frames, key: str) -> pd.DataFrame:
    """By a key, the mean over languages, or over categories."""
    cells = pd.concat(_alike(frames, ["language", "category"]))
    return _mean(cells, ["checkpoint_id_a", "checkpoint_id_b", key], "agreement")


def _agreement_by_category(frames: Frames) -> pd.DataFrame:
    return _agreement_over(frames, "category")


def _agreement_by_language(frames: Frames) -> pd.DataFrame:
    return _agreement_over(frames, "language")


# Profiles ---------------------------------------------------------------------------------------------------------


def _people(frames: Frames) -> pd.DataFrame:
    """Profiles of countries in columns."""
    people = frames["people"]
    return people[people["weighting"] == "weighted"].pivot(index="question", columns="country", values="p_first")


def _alignment(frames: Frames) -> pd.DataFrame:
    """Rho alone: without p-values and Holm's correction."""
    profiles = _by_mean(frames["profiles"])
    ranks = profiles.pivot(index="question", columns=["checkpoint_id", "language"], values="p_first").rank()
    people = _people(frames)[_COUNTRIES].rank()
    columns = {country: ranks.corrwith(people[country]) for country in _COUNTRIES}
    return pd.DataFrame(columns).rename_axis(columns="country").stack().rename("rho").reset_index()


def _alignment_change(frames: Frames) -> pd.DataFrame:
    rho = _alignment(frames)
    after = rho.merge(frames["runs"], on="checkpoint_id").query("strategy != 'pretrained'")
    before = rho.rename(columns={"checkpoint_id": "base_checkpoint_id", "rho": "before"})
    runs = after.merge(before, on=["base_checkpoint_id", "language", "country"])
    runs["change"] = runs["rho"] - runs["before"]
    keys = [*_SETUP, "strategy", "language", "country"]
    return _mean(_mean(runs, [*keys, "ft_languages"], "change"), keys, "change")


def _cosines(vectors: np.ndarray) -> np.ndarray:
    """Of every two of [..., vectors, components]."""
    units = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(units @ np.swapaxes(units, -1, -2))


def _ground_truth_similarity(frames: Frames) -> pd.DataFrame:
    people = _people(frames)
    cosines = _cosines(people.T.to_numpy())
    pairs = list(combinations(range(len(people.columns)), 2))
    rows = [(people.columns[a], people.columns[b], cosines[a, b]) for a, b in pairs]
    return pd.DataFrame(rows, columns=["country_a", "country_b", "cosine"]).astype({"country_a": str, "country_b": str})


def _similarity_structure(frames: Frames) -> pd.DataFrame:
    """With the permutation test, but permutations of its own and thus without a p-value to compare."""
    profiles = _by_mean(frames["profiles"])
    table = profiles.pivot(index=["checkpoint_id", "language"], columns="question", values="p_first")
    checkpoints, languages = table.index.levels
    people = _people(frames)[frames["languages"].set_index("language")["country"][languages]].T
    upper = np.triu_indices(len(languages), 1)
    models = _cosines(table.to_numpy().reshape(len(checkpoints), len(languages), -1))[:, *upper]
    countries = _cosines(people[table.columns].to_numpy())
    frame = pd.DataFrame({"checkpoint_id": checkpoints, "similarity": models.mean(axis=1)})
    # ranks about their mean: their products are then rho but for the length of either side
    ranks = rankdata(models.round(12), axis=1) - (len(upper[0]) + 1) / 2
    square = np.zeros_like(countries)
    square[upper] = rankdata(countries[upper].round(12)) - (len(upper[0]) + 1) / 2
    square += square.T
    frame["rho"] = ranks @ square[upper] / np.linalg.norm(ranks, axis=1) / np.linalg.norm(square[upper])
    draw = np.random.default_rng(0)
    orders = draw.permuted(np.tile(np.arange(len(languages)), (9999, 1)), axis=1)
    permuted = square[orders[:, upper[0]], orders[:, upper[1]]]
    farther = abs(permuted @ ranks.T) >= abs(ranks @ square[upper]) - 1e-9
    frame["p_value"] = (1 + farther.sum(axis=0)) / (1 + len(orders))
    return frame


# Influence --------------------------------------------------------------------------------------------------------


def _contributions(frames: Frames, targets: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean percentage of the ranked examples of some targets that are in each fine-tuning language."""
    ranked = frames["rankings"]
    ranked = ranked[ranked["influence_target_id"].isin(targets["influence_target_id"])]
    ranked = ranked.merge(frames["examples"], on="training_example_id")
    of = ["influence_target_id", "direction"]
    counts = ranked.groupby([*of, "ft_language"], observed=True).size().rename("n").reset_index()
    lists = counts.groupby(of, observed=True)["n"].sum().rename("k").reset_index()
    # a language that no ranked example is in counts as 0
    cells = lists.merge(targets, on="influence_target_id").merge(frames["trained"], on="run")
    cells = cells.merge(counts, how="left", on=[*of, "ft_language"])
    cells["contribution"] = 100 * cells["n"].fillna(0) / cells["k"]
    return _mean(cells, keys, "contribution")


def _language_contribution(frames: Frames) -> pd.DataFrame:
    targets = frames["targets"]
    return _contributions(frames, targets[targets["epoch"].isna()], ["run", "direction", "language", "ft_language"])


def _influence_by_epoch(frames: Frames) -> pd.DataFrame:
    """Contributions alone: without Wilcoxon's test between epochs."""
    targets = frames["targets"].dropna(subset="epoch").astype({"epoch": int})
    return _contributions(frames, targets, ["run", "epoch", "direction", "language", "ft_language"])


def _seed_robustness(frames: Frames) -> pd.DataFrame:
    unchanged = _unchanged_by(frames, ["language"], "monolingual", "multilingual")
    unchanged = unchanged.rename(columns={"unchanged": "value"}).assign(metric="unchanged")
    contributions = _language_contribution(frames).merge(frames["influence_runs"], on="run")
    contributions = contributions.rename(columns={"contribution": "value"}).assign(metric="language_contribution")
    values = pd.concat([unchanged, contributions])
    keys = ["metric", *_SETUP, "ft_languages", "attribution", "direction", "language", "ft_language"]
    seeds = values.groupby([*keys, "seed"], observed=True, dropna=False)["value"].mean()
    figures = seeds.groupby(level=keys, observed=True, dropna=False).agg(["mean", "std", "min", "max"])
    return figures.rename(columns={"std": "sd"}).reset_index()


def _overlaps(ranked: pd.DataFrame, of: list[str], side: str, item: str) -> pd.DataFrame:
    """Percentage of ranked items that two sides share, the mean of either way round, by what is compared."""
    lists = ranked.groupby([*of, side], observed=True).size().rename("k").reset_index()
    columns = [*of, item, side]
    same = ranked[columns].merge(ranked[columns], on=[*of, item], suffixes=("_a", "_b"))
    same = same[same[f"{side}_a"].cat.codes < same[f"{side}_b"].cat.codes]
    pair = [*of, f"{side}_a", f"{side}_b"]
    shared = same.groupby(pair, observed=True).size().rename("shared").reset_index()
    cells = lists.merge(lists, on=of, suffixes=("_a", "_b"))
    cells = cells[cells[f"{side}_a"].cat.codes < cells[f"{side}_b"].cat.codes].merge(shared, how="left", on=pair)
    cells["overlap"] = 50 * cells["shared"].fillna(0) * (1 / cells["k_a"] + 1 / cells["k_b"])
    return cells


def _ranked(frames: Frames, targets: pd.DataFrame) -> pd.DataFrame:
    """Rankings with what some targets are."""
    return frames["rankings"].merge(targets.drop(columns="epoch"), on="influence_target_id")


def _influence_consistency(frames: Frames) -> pd.DataFrame:
    """Run by run: all rankings, joined with each other at once, are more than memory holds."""
    ranked = _ranked(frames, frames["targets"][frames["targets"]["epoch"].isna()])
    means = []
    for run, of_run in ranked.groupby("run", observed=True):
        cells = _overlaps(of_run, ["question", "direction"], "language", "training_example_id")
        keys = ["direction", "language_a", "language_b"]
        means.append(_mean(cells, keys, "overlap").assign(run=run))
    return pd.concat(means).rename(columns={"overlap": "consistency"})


def _parallel_overlap(frames: Frames) -> pd.DataFrame:
    """Setup by setup, likewise."""
    runs = frames["influence_runs"]
    runs = runs[runs["strategy"] == "monolingual"]
    targets = frames["targets"]
    targets = targets[targets["epoch"].isna() & targets["run"].isin(runs["run"])]
    ranked = _ranked(frames, targets).merge(frames["examples"], on="training_example_id")
    ranked["parallel_key"] = ranked["parallel_key"].cat.codes
    rows = ranked.groupby("run", observed=True).indices
    means = []
    for _, alike in runs.groupby([*_SETUP, "seed", "attribution"], observed=True):
        of_setup = ranked.iloc[np.concatenate([rows[run] for run in alike["run"]])]
        cells = _overlaps(of_setup, ["language", "question", "direction"], "ft_language", "parallel_key")
        by_language = alike.set_index(alike["ft_languages"].astype(str))["run"].astype(str)
        pairs = _mean(cells, ["ft_language_a", "ft_language_b", "direction", "language"], "overlap")
        for side in ("a", "b"):
            pairs[f"run_{side}"] = pairs[f"ft_language_{side}"].astype(str).map(by_language)
        means.append(pairs)
    return pd.concat(means)


def _translation_share(frames: Frames) -> pd.DataFrame:
    trained = frames["trained"].astype(str)
    mixed = trained[trained.duplicated("run", keep=False)].rename(columns={"ft_language": "language"})
    targets = frames["targets"]
    targets = (
        targets[targets["epoch"].isna()].astype({"run": str, "language": str}).merge(mixed, on=["run", "language"])
    )
    ranked = _ranked(frames, targets).merge(frames["examples"], on="training_example_id")
    own = ranked["ft_language"].astype(str) == ranked["language"]
    of = ["influence_target_id", "direction"]
    texts = ranked.loc[own, [*of, "parallel_key"]].drop_duplicates().assign(there=True)
    others = ranked[~own].merge(texts, how="left", on=[*of, "parallel_key"])
    shares = others["there"].notna().groupby([others[key] for key in of], observed=True).mean().mul(100)
    shares = shares.rename("translations").reset_index().merge(targets, on="influence_target_id")
    return _mean(shares, ["run", "direction", "language"], "translations")


def _influence_mean(frames: Frames) -> pd.DataFrame:
    sums = frames["summaries"]
    sums = sums[sums["epoch"].isna()]
    sums = sums.assign(sum=sums["n"] * sums["score_mean"])
    sums["squares"] = sums["n"] * (sums["score_sd"] ** 2 + sums["score_mean"] ** 2)
    means = sums.groupby(["run", "language", "train_language"], observed=True)[["n", "sum", "squares"]].sum()
    means["influence"] = means["sum"] / means["n"]
    means["sd"] = np.sqrt(means["squares"] / means["n"] - means["influence"] ** 2)
    return means.reset_index()


def _influence_quality(frames: Frames) -> pd.DataFrame:
    """The score alone: not beside permuted examples and exact gradients."""
    draws = _mean(frames["validations"], ["run", "seeds", "scores", "draw"], "value")
    return _mean(draws, ["run", "seeds", "scores"], "value").rename(columns={"value": "rho"})


_ANSWERS = {
    "runs": ["checkpoint_id", "base_checkpoint_id", "run", "place", *_RUN],
    "answers": ["checkpoint_id", "language", "question", "score", "answer"],
}
_CATEGORIES = {"questions": ["question", "category"]}
_PROFILES = {
    "profiles": ["checkpoint_id", "language", "question", "score", "p_first"],
    "people": ["country", "weighting", "question", "p_first"],
}
_TARGETS = {"targets": ["influence_target_id", "run", "epoch", "language", "question"]}
_RANKINGS = {**_TARGETS, "rankings": ["influence_target_id", "direction", "training_example_id"]}
_LANGUAGES = {
    **_RANKINGS,
    "trained": ["run", "ft_language"],
    "examples": ["training_example_id", "ft_language"],
}
_TEXTS_OF_EXAMPLES = {"examples": ["training_example_id", "ft_language", "parallel_key"]}
_INFLUENCE_RUNS = {"influence_runs": ["run", "attribution", *_RUN]}

PANDAS: dict[str, tuple[Callable[[Frames], pd.DataFrame], dict[str, list[str]]]] = {
    "agreement": (_agreement, _ANSWERS),
    "agreement_by_category": (_agreement_by_category, _ANSWERS | _CATEGORIES),
    "agreement_by_language": (_agreement_by_language, _ANSWERS | _CATEGORIES),
    "alignment": (_alignment, _PROFILES),
    "alignment_change": (_alignment_change, _PROFILES | {"runs": _ANSWERS["runs"]}),
    "domain_correlation": (_domain_correlation, _ANSWERS | _CATEGORIES),
    "ground_truth_similarity": (_ground_truth_similarity, {"people": _PROFILES["people"]}),
    "influence_by_epoch": (_influence_by_epoch, _LANGUAGES),
    "influence_consistency": (_influence_consistency, _RANKINGS),
    "influence_mean": (
        _influence_mean,
        {"summaries": ["run", "epoch", "language", "train_language", "n", "score_mean", "score_sd"]},
    ),
    "influence_quality": (_influence_quality, {"validations": ["run", "scores", "seeds", "draw", "value"]}),
    "language_contribution": (_language_contribution, _LANGUAGES),
    "parallel_overlap": (_parallel_overlap, _RANKINGS | _TEXTS_OF_EXAMPLES | _INFLUENCE_RUNS),
    "seed_robustness": (_seed_robustness, _ANSWERS | _LANGUAGES | _INFLUENCE_RUNS),
    "shift_overlap_test_languages": (_shift_overlap_test_languages, _ANSWERS),
    "shift_uniqueness": (_shift_uniqueness, _ANSWERS),
    "similarity_structure": (_similarity_structure, _PROFILES | {"languages": ["language", "country"]}),
    "size_effect": (_size_effect, _ANSWERS),
    "translation_share": (_translation_share, _LANGUAGES | _TEXTS_OF_EXAMPLES),
    "unchanged": (_unchanged, _ANSWERS),
    "unchanged_by_category": (_unchanged_by_category, _ANSWERS | _CATEGORIES),
    "unchanged_multilingual": (_unchanged_multilingual, _ANSWERS),
}
"""By analysis: the work on frames, and the columns that it needs of which files."""
