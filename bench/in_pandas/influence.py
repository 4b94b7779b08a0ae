"""Analyses of influence in pandas."""

import numpy as np
import pandas as pd

from in_pandas.answers import unchanged_by
from in_pandas.frames import ANSWERS, RUN, SETUP, Analyses, Frames, mean


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
    return mean(cells, keys, "contribution")


def _language_contribution(frames: Frames) -> pd.DataFrame:
    targets = frames["targets"]
    return _contributions(frames, targets[targets["epoch"].isna()], ["run", "direction", "language", "ft_language"])


def _influence_by_epoch(frames: Frames) -> pd.DataFrame:
    """Contributions alone: without Wilcoxon's test between epochs."""
    targets = frames["targets"].dropna(subset="epoch").astype({"epoch": int})
    return _contributions(frames, targets, ["run", "epoch", "direction", "language", "ft_language"])


def _seed_robustness(frames: Frames) -> pd.DataFrame:
    unchanged = unchanged_by(frames, ["language"], "monolingual", "multilingual")
    unchanged = unchanged.rename(columns={"unchanged": "value"}).assign(metric="unchanged")
    contributions = _language_contribution(frames).merge(frames["influence_runs"], on="run")
    contributions = contributions.rename(columns={"contribution": "value"}).assign(metric="language_contribution")
    values = pd.concat([unchanged, contributions])
    keys = ["metric", *SETUP, "ft_languages", "attribution", "direction", "language", "ft_language"]
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
        means.append(mean(cells, keys, "overlap").assign(run=run))
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
    for _, alike in runs.groupby([*SETUP, "seed", "attribution"], observed=True):
        of_setup = ranked.iloc[np.concatenate([rows[run] for run in alike["run"]])]
        cells = _overlaps(of_setup, ["language", "question", "direction"], "ft_language", "parallel_key")
        by_language = alike.set_index(alike["ft_languages"].astype(str))["run"].astype(str)
        pairs = mean(cells, ["ft_language_a", "ft_language_b", "direction", "language"], "overlap")
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
    return mean(shares, ["run", "direction", "language"], "translations")


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
    """The score alone, from every probe's: intervals and nulls are a worker's."""
    return mean(frames["validations"], ["run", "quantity", "seeds", "scores"], "value").rename(columns={"value": "lds"})


_RANKINGS = {
    "targets": ["influence_target_id", "run", "epoch", "language", "question"],
    "rankings": ["influence_target_id", "direction", "training_example_id"],
}
_LANGUAGES = {
    **_RANKINGS,
    "trained": ["run", "ft_language"],
    "examples": ["training_example_id", "ft_language"],
}
_TEXTS_OF_EXAMPLES = {"examples": ["training_example_id", "ft_language", "parallel_key"]}
_INFLUENCE_RUNS = {"influence_runs": ["run", "attribution", *RUN]}

ANALYSES: Analyses = {
    "influence_by_epoch": (_influence_by_epoch, _LANGUAGES),
    "influence_consistency": (_influence_consistency, _RANKINGS),
    "influence_mean": (
        _influence_mean,
        {"summaries": ["run", "epoch", "language", "train_language", "n", "score_mean", "score_sd"]},
    ),
    "influence_quality": (_influence_quality, {"validations": ["run", "quantity", "scores", "seeds", "value"]}),
    "language_contribution": (_language_contribution, _LANGUAGES),
    "parallel_overlap": (_parallel_overlap, _RANKINGS | _TEXTS_OF_EXAMPLES | _INFLUENCE_RUNS),
    "seed_robustness": (_seed_robustness, ANSWERS | _LANGUAGES | _INFLUENCE_RUNS),
    "translation_share": (_translation_share, _LANGUAGES | _TEXTS_OF_EXAMPLES),
}
