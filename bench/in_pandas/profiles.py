"""Analyses of profiles in pandas."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from in_pandas.frames import ANSWERS, SETUP, Analyses, Frames, by_mean, mean

COUNTRIES = ["DE", "PK", "RS", "VN"]


def _people(frames: Frames) -> pd.DataFrame:
    """Profiles of countries in columns."""
    people = frames["people"]
    return people[people["weighting"] == "weighted"].pivot(index="question", columns="country", values="p_first")


def _alignment(frames: Frames) -> pd.DataFrame:
    """Rho alone: without p-values and Holm's correction."""
    profiles = by_mean(frames["profiles"])
    ranks = profiles.pivot(index="question", columns=["checkpoint_id", "language"], values="p_first").rank()
    people = _people(frames)[COUNTRIES].rank()
    columns = {country: ranks.corrwith(people[country]) for country in COUNTRIES}
    return pd.DataFrame(columns).rename_axis(columns="country").stack().rename("rho").reset_index()


def _alignment_change(frames: Frames) -> pd.DataFrame:
    rho = _alignment(frames)
    after = rho.merge(frames["runs"], on="checkpoint_id").query("strategy != 'pretrained'")
    before = rho.rename(columns={"checkpoint_id": "base_checkpoint_id", "rho": "before"})
    runs = after.merge(before, on=["base_checkpoint_id", "language", "country"])
    runs["change"] = runs["rho"] - runs["before"]
    keys = [*SETUP, "strategy", "language", "country"]
    return mean(mean(runs, [*keys, "ft_languages"], "change"), keys, "change")


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
    profiles = by_mean(frames["profiles"])
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


_PROFILES = {
    "profiles": ["checkpoint_id", "language", "question", "score", "p_first"],
    "people": ["country", "weighting", "question", "p_first"],
}

ANALYSES: Analyses = {
    "alignment": (_alignment, _PROFILES),
    "alignment_change": (_alignment_change, _PROFILES | {"runs": ANSWERS["runs"]}),
    "ground_truth_similarity": (_ground_truth_similarity, {"people": _PROFILES["people"]}),
    "similarity_structure": (_similarity_structure, _PROFILES | {"languages": ["language", "country"]}),
}
