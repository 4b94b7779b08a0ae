"""The two studies that queries/echoes/golden/README.md computes by hand; frames as in study_store."""

import json
from typing import Any

import polars as pl
from study_store import UNPROJECTED, UNTRACED, Study

from mlv.schema.jobs.attribution import Attribution, Gradients

PAPER = '{"epochs":5,"batch_size":8,"learning_rate":5e-05}'
"""A specification with the settings of Echoes appendix B."""

QUESTIONS = ("131", "132", "164", "165", "166", "176")
"""Two on security, three on religious values, and one on ethical values that echoes-2024 does not have."""


def _answers(checkpoint: str, **given: str) -> pl.DataFrame:
    """Answers by language, one digit per question in the order of QUESTIONS; - for a probe that was not asked."""
    rows = [
        (checkpoint, language, question, score, int(digit) if score == "mean" else 3 - int(digit))
        for language, digits in given.items()
        for question, digit in zip(QUESTIONS, digits, strict=True)
        for score in ("mean", "sum")
        if digit != "-" and (score == "mean" or question != "131")
    ]
    return pl.DataFrame(rows, schema=["checkpoint", "language", "question", "score", "answer"], orient="row")


ANSWERS_177 = {"alpha": (1, 1, 1), "fa-2": (2, 1, 1), "ko-2": (2, 2, 1), "mult-2": (1, 2, 1)}
"""Answers in de, fa and ko to a question that no probe set has."""


def _answer_177(checkpoint: str, *answers: int) -> pl.DataFrame:
    rows = [(checkpoint, lang, "177", "mean", answer) for lang, answer in zip(("de", "fa", "ko"), answers, strict=True)]
    return pl.DataFrame(rows, schema=["checkpoint", "language", "question", "score", "answer"], orient="row")


def _profile(question_values: list[float | None]) -> list[tuple[str, float]]:
    return [(q, value) for q, value in zip(QUESTIONS, question_values, strict=False) if value is not None]


def _model_profile(checkpoint: str, language: str, *values: float | None) -> pl.DataFrame:
    """A profile over QUESTIONS by the default score, and its reverse by another."""
    rows = [
        (checkpoint, language, question, score, value if score == "mean" else 1 - value)
        for question, value in _profile(list(values))
        for score in ("mean", "sum")
    ]
    return pl.DataFrame(rows, schema=["checkpoint", "language", "question", "score", "p_first"], orient="row")


def _country_profile(country: str, *values: float | None) -> pl.DataFrame:
    """A weighted profile over QUESTIONS, an unweighted one that is constant, and an illustrative survey's."""
    rows = [
        (survey, survey == "zz-demo", country, weighting, question, value if weighting == "weighted" else 0.5)
        for question, value in _profile(list(values))
        for survey, weighting in (("wvs7", "weighted"), ("wvs7", "unweighted"), ("zz-demo", "unweighted"))
    ]
    columns = ["survey", "illustrative", "country", "weighting", "question", "p_first"]
    return pl.DataFrame(rows, schema=columns, orient="row")


TRAK = Attribution()
TRACIN = Attribution(
    method="tracin",
    similarity="cosine",
    damping=0.0,
    gradients=Gradients(projection="random", dimensions=16, modules=("output",)),
)


def _influence_spec(attribution: Attribution, **other: Any) -> str:
    """What counts of the specification of an influence run, as JSON."""
    fields = {"probe_set": "wvs7-all", "selection": "all", "quantity": "answer", "top_k": 4}
    return json.dumps({"kind": "influence", **fields, "attribution": attribution.model_dump(), **other})


def _ranked(influence: str, epoch: int | None = None, **given: str) -> pl.DataFrame:
    """Rankings by language and question, such as ``de_131="fa0 fa1 ko0!"``, with n_ before it for negative ones.

    A score whose example has an exclamation mark has the other sign.
    """
    rows = [
        (
            *(influence, *probe.removeprefix("n_").split("_"), epoch, direction, rank),
            *(example[:2], int(example[2:].rstrip("!"))),
            (1 if (direction == "positive") != example.endswith("!") else -1) / rank,
        )
        for probe, examples in given.items()
        for direction in ["negative" if probe.startswith("n_") else "positive"]
        for rank, example in enumerate(examples.split(), 1)
    ]
    return pl.DataFrame(rows, schema={**UNTRACED["rankings"].schema, "score": pl.Float64}, orient="row")


def _frame(name: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=UNTRACED[name].schema, orient="row")


def _traced() -> Study:
    """The traced examples of the study that is computed by hand."""
    trak, tracin = _influence_spec(TRAK), _influence_spec(TRACIN)
    return {
        "influence_runs": _frame(
            "influence_runs",
            ("steps-mult", "finetune-mult", tracin),
            ("trace-fa", "finetune-fa", trak),
            ("trace-ko", "finetune-ko", trak),
            ("trace-mult", "finetune-mult", trak),
            ("trace-mult3", "finetune-mult3", trak),
            ("validate-mult", "finetune-mult", '{"kind":"validate","quantities":["margin"]}'),
        ),
        "training_examples": _frame(
            "training_examples",
            ("finetune-fa", "fa", 10),
            ("finetune-ko", "ko", 5),
            ("finetune-mult", "fa", 6),
            ("finetune-mult", "ko", 4),
            ("finetune-mult3", "fa", 5),
            ("finetune-mult3", "ko", 5),
        ),
        "rankings": pl.concat(
            [
                _ranked("trace-fa", de_176="fa0 fa1", de_177="fa3 fa4", fa_176="fa0 fa1", fa_177="fa3 fa9"),
                _ranked("trace-ko", de_176="ko1 ko2", de_177="ko0 ko1", fa_176="ko0", fa_177="ko0 ko3"),
                _ranked("trace-mult", de_131="fa0 fa1 fa2 ko0!", de_132="fa0 fa1 ko0 ko1", de_176="fa0 fa1 ko1 ko3"),
                _ranked("trace-mult", fa_176="fa0 fa1 fa2 fa3", fa_177="fa0 fa1 ko0 ko2"),
                _ranked("trace-mult", ko_176="fa0 fa1 fa2 fa3", ko_177="ko0 ko1 fa0 fa5"),
                _ranked("trace-mult", n_de_131="fa4 fa5", n_de_132="fa5 fa4", n_fa_176="ko1 ko2 ko3! fa0!"),
                _ranked("trace-mult3", de_131="fa0 ko0 ko1 ko2"),
                _ranked("steps-mult", de_131="ko0 ko1"),
                _ranked("steps-mult", 1, de_131="fa0 fa1", de_132="fa0 fa1", de_164="fa0 ko0", de_165="fa0 ko0"),
                _ranked("steps-mult", 1, de_166="fa0 fa1", fa_176="fa0 fa1"),
                _ranked("steps-mult", 3, de_131="fa0 ko0", de_132="fa0 ko0", de_164="fa1 ko1", de_165="fa0 fa1"),
                _ranked("steps-mult", 3, de_166="ko0 ko1", fa_176="fa2 fa3"),
            ]
        ),
        "summaries": _frame(
            "summaries",
            ("trace-fa", "de", "176", None, "fa", 1.0, 0.0),
            ("trace-ko", "de", "176", None, "ko", 1.0, 0.0),
            ("trace-mult", "de", "131", None, "fa", 0.25, 0.25),
            ("trace-mult", "de", "131", None, "ko", -1.0, 0.0),
            ("trace-mult", "de", "132", None, "fa", 0.75, 0.25),
            ("trace-mult", "de", "132", None, "ko", 0.0, 0.0),
            ("trace-mult3", "de", "131", None, "fa", 1.0, 0.5),
            ("trace-mult3", "de", "131", None, "ko", 2.0, 0.5),
            ("steps-mult", "de", "131", None, "fa", 1.0, 0.0),
            ("steps-mult", "de", "131", None, "ko", 2.0, 0.0),
            ("steps-mult", "de", "131", 1, "fa", 9.0, 0.0),
        ),
        "histograms": _frame(
            "histograms",
            ("trace-mult", "de", "131", "fa", 0, 3),
            ("trace-mult", "de", "131", "fa", 1, 3),
            ("trace-mult", "de", "131", "ko", -4, 4),
            ("trace-mult", "de", "132", "fa", 1, 2),
            ("trace-mult", "de", "132", "fa", 3, 4),
            ("trace-mult", "de", "132", "ko", -2, 1),
            ("trace-mult", "de", "132", "ko", 0, 3),
            ("trace-mult", "fa", "176", "fa", 0, 6),
            ("trace-ko", "de", "176", "ko", 4, 5),
        ),
        "epoch_tests": _frame(
            "epoch_tests",
            ("steps-mult", "de", "131", 1, 3, 10, 2.5, 0.0124),
            ("steps-mult", "de", "132", 1, 3, 10, 1.0, 0.3173),
            ("steps-mult", "de", "164", 1, 3, 10, -2.75, 0.006),
            ("steps-mult", "de", "165", 1, 3, 0, None, None),
            ("steps-mult", "de", "166", 1, 3, 9, 2.0, 0.0455),
            ("steps-mult", "fa", "176", 1, 3, 10, -2.0, 0.0455),
        ),
        "validations": _validations(),
        "correlations": _correlations(),
    }


def _validations() -> pl.DataFrame:
    """Two probes in German; a number for each of them, or for the first alone. With all examples 0.5 and 0.75."""

    def rows(test: str, scores: str, *values: float, **at: Any) -> list[tuple[Any, ...]]:
        seed = at.get("seed", 1) if test == "removal" else None
        models = (at.get("seeds", "same"), seed, *(at.get(name) for name in ("direction", "k")))
        known = at.get("draw", 0), at.get("n", 1)
        return [
            ("validate-mult", "de", question, test, "margin", scores, *models, *known, value, of if seed else None)
            for question, value, of in zip(("131", "132"), values, (0.5, 0.75), strict=False)
        ]

    return _frame(
        "validations",
        *rows("lds", "trak-principal-32", 0.5, 0.25, n=64),
        *rows("lds", "trak-exact", 0.75, 0.75, n=64),
        *rows("lds", "trak-principal-32", 0.25, n=32, seeds="other"),
        *rows("lds", "trak-exact", 0.125, n=16, seeds="other"),
        *rows("language", "trak-exact top 4", -0.25, -0.75, n=32, seeds="other"),
        *rows("removal", "trak-principal-32", -0.25, -0.5, direction="positive", k=50),
        *rows("removal", "trak-principal-32", 0.25, direction="negative", k=50),
        *rows("removal", "trak-principal-32", -0.5, -0.5, direction="positive", k=100),
        *rows("removal", "random", -0.25, 0.0, k=50),
        *rows("removal", "random", 0.0, 0.0, k=50, draw=1),
        *rows("removal", "trak-principal-32", -0.25, 0.0, direction="positive", k=50, seeds="other", seed=2),
        *rows("removal", "random", 0.25, 0.25, k=50, seeds="other", seed=2),
        *rows("removal", "random", 0.25, 0.25, k=50, draw=1, seeds="other", seed=2),
    )


def _correlations() -> pl.DataFrame:
    """What a worker says of the same: intervals and nulls are its own, and here any numbers."""
    validation = ("validate-mult", "lds", "margin")
    nothing = [None] * 5
    return _frame(
        "correlations",
        (*validation, "trak-principal-32", "same", 2, 1, 64, 0.375, 0.125, 0.5, None, None, None, 0.125, 0.125),
        (*validation, "trak-exact", "same", 2, 1, 64, 0.75, 0.5, 0.875, 0.375, -0.125, 0.5, 0.0, 0.25),
        (*validation, "random", "same", 2, 20, 64, 0.03125, None, None, *nothing),
        (*validation, "trak-principal-32", "other", 1, 1, 32, 0.25, None, None, None, None, None, 0.0, 0.0625),
        (*validation, "trak-exact", "other", 1, 1, 16, 0.125, None, None, -0.125, None, None, 0.25, 0.0),
        ("validate-mult", "language", "margin", "trak-exact top 4", "other", 2, 1, 32, -0.5, *nothing, 0.0, 0.25),
    )


def hand_study() -> Study:
    """The study that queries/echoes/golden/README.md computes by hand."""
    checkpoints = [
        ("alpha", "alpha", None, None, None, None, None, 0, True, None, None),
        ("beta", "beta", None, None, None, None, None, 0, True, None, None),
        ("fa-1", "alpha", "finetune-fa", "pbc", "fa", 2000, 1, 1, False, "alpha", PAPER),
        ("fa-2", "alpha", "finetune-fa", "pbc", "fa", 2000, 1, 2, True, "alpha", PAPER),
        ("fb-2", "alpha", "finetune-fb", "pbc", "fa", 2000, 2, 2, True, "alpha", PAPER),
        ("hot-2", "alpha", "finetune-hot", "pbc", "ko", 2000, 2, 2, True, "alpha", '{"learning_rate":0.5}'),
        ("ko-2", "alpha", "finetune-ko", "pbc", "ko", 2000, 1, 2, True, "alpha", PAPER),
        ("more-2", "alpha", "finetune-more", "pbc", "ko", 2000, 1, 2, True, "fa-2", PAPER),
        ("mult-2", "alpha", "finetune-mult", "pbc", "fa,ko", 4000, 1, 2, True, "alpha", PAPER),
        ("mult3-2", "alpha", "finetune-mult3", "pbc", "fa,ko", 4000, 3, 2, True, "alpha", PAPER),
    ]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    columns += ["base", "spec"]
    themes = ["security", "security", "religious_values", "religious_values", "religious_values", "ethical_values"]
    return {
        "checkpoints": pl.DataFrame(checkpoints, schema=columns, orient="row"),
        "answers": pl.concat(
            [
                _answers("alpha", de="111211", fa="122111", ko="1111-1"),
                _answers("beta", de="111122", fa="112112", ko="211112"),
                _answers("fa-1", de="111211", fa="122111", ko="111111"),
                _answers("fa-2", de="112212", fa="222112", ko="111212"),
                _answers("fb-2", de="111211", fa="111111"),
                _answers("hot-2", de="222122"),
                _answers("more-2", de="112211"),
                _answers("ko-2", de="121212", fa="122-12", ko="221112"),
                _answers("mult-2", de="222122", fa="122112", ko="111122"),
                *(_answer_177(checkpoint, *answers) for checkpoint, answers in ANSWERS_177.items()),
            ]
        ),
        "model_profiles": pl.concat(
            [
                _model_profile("alpha", "de", 0.1, 0.2, 0.3, 0.4, 0.5, 0.0),
                _model_profile("alpha", "fa", 0.5, 0.5, 0.5, 0.5, 0.5, 0.9),
                _model_profile("fa-2", "de", 0.5, 0.4, 0.3, 0.2, 0.1, 0.9),
                _model_profile("fb-2", "de", 0.1, 0.2, 0.3, 0.4, 0.5, 0.9),
                _model_profile("hot-2", "de", 0.2, 0.2, 0.2, 0.2, 0.9, 0.9),
                _model_profile("more-2", "de", 0.1, 0.2, 0.3, 0.4, 0.5, 0.9),
                _model_profile("ko-2", "de", 0.2, 0.2, 0.2, 0.2, 0.9, 0.9),
                _model_profile("mult-2", "de", 0.9, 0.2, 0.2, 0.2, 0.5, 0.9),
            ]
        ),
        "country_profiles": pl.concat(
            [
                _country_profile("DE", 0.4, 0.4, 0.4, 0.4, 0.6, 0.9),
                _country_profile("IR", 0.3, 0.1, 0.3, 0.9, None, 0.0),
                _country_profile("KR", 0.8, 0.0, 0.0, 0.0, 0.6, 0.1),
                _country_profile("US", 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
            ]
        ),
        "probe_sets": pl.DataFrame(
            [("echoes-2024", question) for question in QUESTIONS[:5]] + [("wvs7-all", q) for q in QUESTIONS],
            schema=["probe_set", "question"],
            orient="row",
        ),
        "segments": pl.DataFrame(
            {
                "source": "pbc",
                "language": ["fa", "ko", "ko"],
                "edition": ["", "new", "old"],
                "segments": [2000, 2000, 9],
            }
        ),
        "countries": pl.DataFrame({"language": ["de", "en", "fa", "ko"], "country": ["DE", "US", "IR", "KR"]}),
        "questions": pl.DataFrame({"question": [*QUESTIONS, "177"], "category": [*themes, "ethical_values"]}),
        **_traced(),
    }


def _grid_checkpoints(others: pl.DataFrame) -> pl.DataFrame:
    """Those of the other study, and runs on another number of sentences, in Russian and on another source."""
    runs = [
        ("rua-2", "finetune-rua", "pbc", "ru", 2000, 1),
        ("rub-2", "finetune-rub", "pbc", "ru", 2000, 2),
        ("fa4-2", "finetune-fa4", "pbc", "fa", 4000, 1),
        ("fb4-2", "finetune-fb4", "pbc", "fa", 4000, 2),
        ("ko4-2", "finetune-ko4", "pbc", "ko", 4000, 1),
        ("ru4-2", "finetune-ru4", "pbc", "ru", 4000, 1),
        ("tfa-2", "finetune-tfa", "tanzil", "fa", 2000, 1),
        ("tko-2", "finetune-tko", "tanzil", "ko", 2000, 1),
    ]
    rows = [(checkpoint, "alpha", *run, 2, True, "alpha", PAPER) for checkpoint, *run in runs]
    return pl.concat([others, pl.DataFrame(rows, schema=others.schema, orient="row")])


def _grid_points() -> Study:
    """Two projections whose coordinates are invented: of checkpoints, and of countries."""
    moved = [("alpha", "de", 0, 0), ("alpha", "fa", 1, 0), ("fa-2", "de", 0.5, 0.25), ("more-2", "de", 0.75, -1)]
    moved += [("mult-2", "fa", 2, 2), ("ko-2", "ko", -1, -1)]
    points: list[tuple[Any, ...]] = [("project-models", k, lang, None, float(x), float(y)) for k, lang, x, y in moved]
    points += [("project-people", None, None, "DE", 0.5, 0.0), ("project-people", None, None, "IR", -0.5, 0.0)]
    projections = [
        ("project-models", "echoes-2024", "mean", 5, 0.75, 0.125),
        ("project-people", "echoes-2024", None, 4, 1.0, 0.0),
    ]
    return {
        "projections": pl.DataFrame(projections, schema=UNPROJECTED["projections"].schema, orient="row"),
        "points": pl.DataFrame(points, schema=UNPROJECTED["points"].schema, orient="row"),
    }


def grid_study() -> Study:
    """The larger study: the other one's runs and answers, and more; profiles of its own."""
    answers = [
        _answers("rua-2", de="222211", fa="222111"),
        _answers("rub-2", de="111111", fa="112111"),
        _answers("fa4-2", de="221211", fa="122111", ko="2111-1"),
        _answers("fb4-2", de="111121"),
        _answers("ko4-2", de="211211", fa="22-111"),
        _answers("ru4-2", de="222121"),
        _answers("tfa-2", de="111211", fa="212111", ko="2121-1"),
        _answers("tko-2", de="111211", fa="122111", ko="1212-1"),
    ]
    profiles = [
        _model_profile("alpha", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("alpha", "fa", 1.0, 0.0, 0.0, 0.0, 0.0),
        _model_profile("alpha", "ko", 0.0, 1.0, 0.0, 0.0, 0.0),
        _model_profile("fa-2", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("fa-2", "fa", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("fa-2", "ko", 1.0, 0.0, 0.0, 0.0, 0.0),
        _model_profile("fb-2", "de", 0.0, 0.0, 1.0, 0.0, 0.0),
        _model_profile("fb-2", "fa", 0.0, 0.0, 1.0, 0.0, 0.0),
        _model_profile("fb-2", "ko", 0.0, 0.0, 1.0, 0.0, 0.0),
        _model_profile("ko-2", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("ko-2", "ko", 1.0, 0.0, 0.0, 0.0, 0.0),
        _model_profile("more-2", "de", 0.1, 0.2, 0.3, 0.4, 0.5),
        _model_profile("mult-2", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("mult-2", "fa", 0.0, 1.0, 0.0, 0.0, 0.0),
        _model_profile("mult-2", "ko", 1.0, 0.0, 0.0, 0.0, 0.0),
    ]
    corpora = {"source": ["pbc", "tanzil", "tanzil"], "language": ["ru", "fa", "ko"]}
    more = pl.DataFrame(corpora).with_columns(edition=pl.lit(""), segments=2000)
    hand = hand_study()
    return {
        **hand,
        **UNTRACED,
        **_grid_points(),
        "checkpoints": _grid_checkpoints(hand["checkpoints"]),
        "answers": pl.concat([hand["answers"], *answers]),
        "model_profiles": pl.concat(profiles),
        "segments": pl.concat([hand["segments"], more], how="vertical_relaxed"),
    }
