"""The study on real data, made small: all sources and probe languages, ten fine-tunings, every query, the report.

A chat model is played: what it answers has no meaning, but questions, people and queries are real.
"""

from pathlib import Path

import polars as pl
import pytest
from answered import API, ask_played
from command_line import Mlv
from tiny_model import smaller_presets

from mlv.queries import catalogue, run
from mlv.queries.figures.style import SETTINGS
from mlv.schema.papers import echoes
from mlv.schema.store.opening import open_store

pytestmark = pytest.mark.real

SOURCES = ("ebible", "tanzil")
TRACED = ("de", "fa")
"""Test languages whose answers are traced."""

CLASSIFIED = ("de", "en", "fr")
"""Languages of the texts that a classifier is trained on, asked and traced."""

TOO_SHORT = {"parallel_overlap", "influence_epoch_test"}
"""Queries that may find nothing in runs of one epoch: hardly a value shifts, in two of them the same one."""

SMALL = ("--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def study(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    """Everything ingested, a nano model pretrained for a moment, nine monolingual runs and a multilingual one."""
    mlv = Mlv(tmp_path_factory.mktemp("real"))
    commands = [
        ("db", "upgrade"),
        ("ingest", "probes", str(real_data / "probes" / "arora_probes.zip")),
        ("ingest", "survey", str(real_data / "wvs" / "wvs7_percent_unweighted_46countries.csv.gz"), "--name", "wvs7"),
        ("ingest", "corpus", "--source", "ebible", str(real_data / "bible" / "aligned")),
        ("ingest", "corpus", "--source", "tanzil", str(real_data / "quran")),
        ("ingest", "corpus", "--source", "flores", str(real_data / "flores" / "devtest")),
        ("compute", "pretrain", "--name", "nano", "--segments", "500", "--steps", "10", *SMALL),
    ]
    for source in SOURCES:
        for language in echoes.FINETUNING_LANGUAGES:
            commands.append(_finetune(source, language, 40))
    # as many sentences in one language as in all of them, and twice as many as before
    commands += [_finetune("ebible", languages, 80) for languages in (",".join(echoes.FINETUNING_LANGUAGES), "fa")]
    with smaller_presets():
        for command in (*commands, *_encoder(real_data)):
            assert mlv(*command).code == 0, command
    for command in (*_influence(mlv), ("compute", "pca")):
        assert mlv(*command).code == 0, command
    traced = _traced_classifier(mlv, "--preset", "languages", "--per-language", "2")
    _traced_classifier(mlv, "--preset", "languages", "--items-of", traced, without=("--leave-out", "de"))
    _traced_subnetworks(mlv, traced)
    _completed_sentences(mlv, real_data / "stereotypes")
    ask = (*API, "--language", "de", "--probe-set", "echoes-2024", "--scored")
    for draw in ("1", "2"):
        ask_played(mlv, *ask, "--draw", draw)
    ask_played(mlv, *ask, "--strategy", "chrf", reply=lambda prompt, _: str(prompt["options"][0]))
    return mlv


def _traced_classifier(mlv: Mlv, *traced: str, without: tuple[str, ...] = ()) -> str:
    """Train a classifier of topics, ask it, and trace its predictions; name of the tracing."""
    few = ("--examples", "70", "--development-examples", "20", "--epochs", "1", *SMALL)
    before = set(mlv.rows("SELECT run FROM v_run"))
    train = ("compute", "classify", "--model", "encoder", "--task", "sib200-topic")
    assert mlv(*train, "--language", ",".join(CLASSIFIED), *without, *few).code == 0
    ((classifier,),) = {*mlv.rows("SELECT run FROM v_run")} - before
    assert mlv("compute", "predict", classifier, *SMALL).code == 0
    assert mlv("compute", "influence", classifier, *traced, "--top-k", "5", *SMALL).code == 0
    ((tracing,),) = mlv.rows(f"SELECT run FROM v_influence_run WHERE traced_run = '{classifier}'")
    return str(tracing)


def _traced_subnetworks(mlv: Mlv, traced: str) -> None:
    """Prune the classifier behind a tracing for each language, and ask and trace it again under the masks."""
    ((classifier,),) = mlv.rows(f"SELECT traced_run FROM v_influence_run WHERE run = '{traced}'")
    for code in CLASSIFIED:
        assert mlv("compute", "prune", classifier, "--language", code, "--anyway", *SMALL).code == 0
    found = mlv.rows("SELECT languages, subnetwork FROM v_subnetwork")
    masks = [word for code, name in found for word in ("--mask", f"{code}={name}")]
    assert mlv("compute", "predict", classifier, *masks, *SMALL).code == 0
    again = ("--preset", "languages", "--items-of", traced, "--top-k", "5")
    assert mlv("compute", "influence", classifier, *masks, *again, *SMALL).code == 0


def _completed_sentences(mlv: Mlv, data: Path) -> None:
    """Let the encoder complete sentences about groups before and after it is fine-tuned on articles.

    The lexicon is of its own words: what they stand for has no meaning.
    """
    said = ("ingest", "stereotypes", str(data / "stereo_dataset.csv.gz"), "--collection", "choenni-2021")
    complete = ("compute", "complete", "--groups", "choenni-2021", "--top-k", "20", *SMALL)
    articles = ("--source", "sib200", "--language", "en", "--edition", "en=train", "--articles", "40", "--epochs", "1")
    for command in (
        ("ingest", "groups", str(data / "social_groups.csv"), "--name", "choenni-2021"),
        (*said, "--groups", "choenni-2021", "--add-groups"),
        (*complete, "--model", "encoder"),
        ("compute", "finetune", "--model", "encoder", "--objective", "masked_words", *articles, *SMALL),
    ):
        assert mlv(*command).code == 0, command
    ((trained,),) = mlv.rows("SELECT DISTINCT run FROM v_checkpoint WHERE objective = 'masked_words' AND run NOTNULL")
    assert mlv(*complete, "--model", trained).code == 0
    words = sorted(
        {word.lower() for (word,) in mlv.rows("SELECT DISTINCT attribute FROM v_completion") if word.isalpha()}
    )
    rows = [f"{word},{len(word) % 2},{int(word[0] > 'm')},{number % 3 % 2}" for number, word in enumerate(words)]
    (mlv.folder / "lexicon.csv").write_text("\n".join(["word,joy,positive,negative", *rows]) + "\n", encoding="utf-8")
    assert mlv("ingest", "lexicon", str(mlv.folder / "lexicon.csv"), "--name", "own").code == 0


def _encoder(real_data: Path) -> list[tuple[str, ...]]:
    """Commands that enter texts with topics, and pretrain an encoder for a moment."""
    folder = real_data / "classification" / "sib200"
    files = [str(path) for code in ("deu", "eng", "fra") for path in sorted(folder.glob(f"{code}*"))]
    encoder = ("--name", "encoder", "--preset", "nano-encoder", "--source", "sib200", "--steps", "5")
    return [("ingest", "corpus", "--source", "sib200", *files), ("compute", "pretrain", *encoder, *SMALL)]


def _influence(mlv: Mlv) -> list[tuple[str, ...]]:
    """Commands that trace two monolingual runs by TRAK and the multilingual one by TracIn, and validate that."""
    runs = dict(
        mlv.rows("SELECT source || ft_languages, run FROM v_run WHERE kind = 'finetune' ORDER BY sentences DESC, run")
    )
    every = ("--targets", "all", "--language", ",".join(TRACED), "--top-k", "10")
    alone = [("compute", "influence", runs[f"ebible{code}"], *every, *SMALL) for code in ("fa", "ko")]
    joint = runs["ebible" + ",".join(sorted(echoes.FINETUNING_LANGUAGES))]
    few = ("--halves", "3", "--other-seed-halves", "2", "--removal-targets", "1", "--k", "5", "--most", "5")
    without = ("--without-language", "1")
    return [
        *alone,
        ("compute", "influence", joint, "--method", "tracin", *every, *SMALL),
        ("compute", "validate-influence", joint, *few, *without, *SMALL),
    ]


def _finetune(source: str, language: str, sentences: int) -> tuple[str, ...]:
    settings = ("--sentences", str(sentences), "--epochs", "1", "--skip-ambiguous", *SMALL)
    return ("compute", "finetune", "--model", "nano", "--source", source, "--language", language, *settings)


def test_every_reject_is_explained(study: Mlv) -> None:
    assert study.rows(
        "SELECT kind, reason, count(*) FROM v_reject GROUP BY ALL ORDER BY count(*) DESC, reason LIMIT 4"
    )[0] == ("survey", "no probe is about this question", 948)
    probes = study.rows("SELECT reason, count(*) FROM v_reject WHERE kind = 'probes' GROUP BY ALL ORDER BY ALL")
    nominal = "no second answer: nominal question"
    assert dict(probes)[nominal] == 18 * len(echoes.TEST_LANGUAGES) - 2
    assert dict(probes)[f"no [MASK]; {nominal}"] == 2
    assert dict(probes)["no [MASK]"] == 3
    assert study.rows("SELECT item FROM v_reject WHERE kind = 'corpus' ORDER BY item") == [("2CO 5:7",), ("40:81",)]
    assert study.rows(
        "SELECT count(*) FROM ingest_file WHERE rows_read > 0 AND rows_read <> rows_kept + rows_rejected"
    ) == [(0,)]


def test_all_probe_languages_are_asked_before_and_after(study: Mlv) -> None:
    # a probe is left out where the tokenizer cannot tell its answers apart, in every checkpoint alike
    answered = study.rows(
        "SELECT language, checkpoint_id, count(*) FROM v_answer WHERE score = 'mean' GROUP BY ALL ORDER BY ALL"
    )
    assert {row[0] for row in answered} == set(echoes.TEST_LANGUAGES)
    assert len(answered) == 11 * len(echoes.TEST_LANGUAGES)
    for language in echoes.TEST_LANGUAGES:
        assert len({row[2] for row in answered if row[0] == language}) == 1
        assert all(225 < row[2] <= 237 for row in answered if row[0] == language)


def test_the_grid_is_covered(study: Mlv) -> None:
    assert study.rows(
        "SELECT source, strategy, count(*) FROM v_run WHERE kind = 'finetune' GROUP BY ALL ORDER BY ALL"
    ) == [
        ("ebible", "monolingual", 5),
        ("ebible", "multilingual", 1),
        ("sib200", "monolingual", 1),
        ("tanzil", "monolingual", 4),
    ]


def test_germany_and_pakistan_are_the_most_distant(study: Mlv) -> None:
    with open_store(study.store) as connection:
        for probe_set, lowest, highest in (("wvs7-all", 0.84, 0.86), ("echoes-2024", 0.835, 0.845)):
            frame = run(connection, "ground_truth_similarity", parameters={"probe_set": probe_set}).frame
            assert frame.columns == ["country_a", "country_b", "cosine", "questions"]
            pairs = {frozenset((row[0], row[1])): row[2] for row in frame.rows()}
            distant = min(pairs, key=lambda pair: pairs[pair])
            assert distant == {"DE", "PK"}
            assert lowest <= pairs[distant] <= highest
            assert 0.86 <= pairs[frozenset(("VN", "RS"))] <= 0.89


def test_contributions_sum_to_100(study: Mlv) -> None:
    with open_store(study.store) as connection:
        frame = run(connection, "language_contribution").frame
    sums = frame.group_by("run", "direction", "language").agg(total=pl.col("contribution").sum())
    assert sums.height == 2 * (3 * len(TRACED) + 3 * len(CLASSIFIED))
    assert sums["total"].to_list() == pytest.approx([100.0] * sums.height)


@pytest.mark.parametrize("query", [query.name for query in catalogue()])
def test_every_query_answers(study: Mlv, query: str) -> None:
    # there is one pretrained model: agreement is shown between what was made of it
    parameters = {"strategies": ["monolingual", "multilingual"]} if query.startswith("agreement") else {}
    with open_store(study.store) as connection:
        frame = run(connection, query, parameters=parameters).frame
    assert frame.height > 0 or query in TOO_SHORT
    if "language" in frame.columns and query.startswith(("agreement", "unchanged", "alignment")):
        assert set(echoes.TEST_LANGUAGES) <= set(frame["language"])
    assert study.rows("SELECT count(*) FROM v_run") == [(45,)]


def test_the_report_is_complete_but_for_what_needs_further_models(
    study: Mlv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "savefig.dpi", 50)
    assert study("report", "-o", str(tmp_path / "report")).code == 0
    empty = {path.stem for path in (tmp_path / "report" / "tables").glob("*.csv") if pl.read_csv(path).is_empty()}
    # one pretrained model has none to agree with, and masks are traced as they were found
    lacking = {"agreement", "agreement_by_category", "agreement_by_language"}
    lacking |= {"contribution_change-composed", "contribution_change-random"}
    assert lacking <= empty <= lacking | TOO_SHORT
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("Nothing yet") == len(empty)
    assert len(list((tmp_path / "report" / "figures").glob("*.svg"))) > 15
