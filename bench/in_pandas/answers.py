"""Analyses of answers in pandas."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from in_pandas.frames import ANSWERS, SETUP, Analyses, Frames, by_mean, mean


def _shifts(frames: Frames, *strategies: str) -> pd.DataFrame:
    """Whether answers are the same as before fine-tuning, by what made the run."""
    runs, answers = frames["runs"], by_mean(frames["answers"])
    tuned = runs[runs["strategy"].isin(strategies)]
    before = answers[answers["checkpoint_id"].isin(tuned["base_checkpoint_id"])]
    before = before.rename(columns={"checkpoint_id": "base_checkpoint_id", "answer": "before"})
    after = answers.merge(tuned, on="checkpoint_id")
    both = after.merge(before, on=["base_checkpoint_id", "language", "question"])
    both["same"] = both["answer"] == both["before"]
    return both


def unchanged_by(frames: Frames, keys: list[str], *strategies: str) -> pd.DataFrame:
    """Percentage of unchanged values per run and further keys, with what made the run."""
    shifts = _shifts(frames, *strategies)
    if "category" in keys:
        shifts["category"] = shifts["question"].map(frames["questions"].set_index("question")["category"])
    means = mean(shifts, ["checkpoint_id", *keys], "same").rename(columns={"same": "unchanged"})
    means["unchanged"] *= 100
    return means.merge(frames["runs"], on="checkpoint_id")


def _unchanged(frames: Frames) -> pd.DataFrame:
    return unchanged_by(frames, ["language"], "monolingual", "multilingual")[["run", "language", "unchanged"]]


def _unchanged_by_category(frames: Frames) -> pd.DataFrame:
    shares = unchanged_by(frames, ["language", "category"], "monolingual")
    keys = [*SETUP, "language", "category"]
    return mean(mean(shares, [*keys, "ft_languages"], "unchanged"), keys, "unchanged")


def _domain_correlation(frames: Frames) -> pd.DataFrame:
    keys = ["model", "sentences", "category"]
    sources = _unchanged_by_category(frames).pivot(index=[*keys, "language"], columns="source", values="unchanged")
    sources.columns = sources.columns.astype(str)
    matrices = sources.groupby(keys, observed=True).corr().rename_axis([*keys, "source_a"])
    pairs = matrices.rename_axis(columns="source_b").stack().rename("correlation").reset_index()
    return pairs[pairs["source_a"].astype(str) < pairs["source_b"].astype(str)]


def _unchanged_multilingual(frames: Frames) -> pd.DataFrame:
    shares = unchanged_by(frames, ["language"], "monolingual", "multilingual")
    shares = shares.astype({"ft_languages": str, "strategy": str})
    mixed = shares[shares["strategy"] == "multilingual"].assign(mixture=lambda mixed: mixed["ft_languages"])
    parts = mixed[[*SETUP, "mixture"]].drop_duplicates()
    parts = parts.assign(ft_languages=parts["mixture"].str.split(",")).explode("ft_languages")
    alone = shares.merge(parts, on=[*SETUP, "ft_languages"]).assign(strategy="monolingual_mean")
    keys = [*SETUP, "mixture", "strategy", "language"]
    return mean(mean(pd.concat([mixed, alone]), [*keys, "ft_languages"], "unchanged"), keys, "unchanged")


def _size_effect(frames: Frames) -> pd.DataFrame:
    shares = unchanged_by(frames, ["language"], "monolingual", "multilingual")
    setup = ["model", "source", "ft_languages", "strategy", "language"]
    seeds = mean(shares, [*setup, "seed", "sentences"], "unchanged")
    pairs = seeds.merge(seeds, on=[*setup, "seed"], suffixes=("_few", "_many"))
    pairs = pairs.rename(columns={"sentences_few": "few", "sentences_many": "many"}).query("few < many")
    pairs = pairs.assign(change=pairs["unchanged_many"] - pairs["unchanged_few"])
    return mean(pairs, [*setup, "few", "many"], "change")


def _shift_uniqueness(frames: Frames) -> pd.DataFrame:
    shifts = _shifts(frames, "monolingual")
    cell = [*SETUP, "seed", "language"]
    alone = shifts.groupby([*cell, "question", "ft_languages"], observed=True)["same"].all()
    questions = (
        (~alone).groupby(level=[*cell, "question"], observed=True).agg(shifting="sum", runs="size").reset_index()
    )
    questions["languages"] = questions.groupby(cell, observed=True)["runs"].transform("max")
    questions = questions[(questions["languages"] > 1) & (questions["runs"] == questions["languages"])]
    questions = questions.assign(once=questions["shifting"] == 1, any=questions["shifting"] > 0)
    sums = questions.groupby(cell, observed=True)[["once", "any"]].sum().reset_index()
    sums["uniqueness"] = 100 * sums["once"] / sums["any"]
    return mean(sums, [*SETUP, "language"], "uniqueness")


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
    return mean(runs, [*SETUP, "ft_languages", "language_a", "language_b"], "jaccard")


def _alike(frames: Frames, keys: list[str]) -> Iterator[pd.DataFrame]:
    """Percentage of equal answers of every two runs of a model and a seed, for each value of the keys."""
    runs = frames["runs"]
    runs = runs[runs["strategy"].isin(["monolingual", "multilingual"])].query("model == 'mt5-1' and seed == 1")
    answers = by_mean(frames["answers"])
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
    return mean(cells, ["checkpoint_id_a", "checkpoint_id_b", key], "agreement")


def _agreement_by_category(frames: Frames) -> pd.DataFrame:
    return _agreement_over(frames, "category")


def _agreement_by_language(frames: Frames) -> pd.DataFrame:
    return _agreement_over(frames, "language")


_CATEGORIES = {"questions": ["question", "category"]}

ANALYSES: Analyses = {
    "agreement": (_agreement, ANSWERS),
    "agreement_by_category": (_agreement_by_category, ANSWERS | _CATEGORIES),
    "agreement_by_language": (_agreement_by_language, ANSWERS | _CATEGORIES),
    "domain_correlation": (_domain_correlation, ANSWERS | _CATEGORIES),
    "shift_overlap_test_languages": (_shift_overlap_test_languages, ANSWERS),
    "shift_uniqueness": (_shift_uniqueness, ANSWERS),
    "size_effect": (_size_effect, ANSWERS),
    "unchanged": (_unchanged, ANSWERS),
    "unchanged_by_category": (_unchanged_by_category, ANSWERS | _CATEGORIES),
    "unchanged_multilingual": (_unchanged_multilingual, ANSWERS),
}
