"""Claims and numbers that are concluded from several rows: each claim on rows that satisfy it and on rows that do not.

Rows are made up by query: a value for every setup and key that the paper has, and then another one somewhere.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

import polars as pl
import pytest

from mlv.queries.modularity import STUDY
from mlv.queries.modularity.claims import CLAIMS, LAYERS
from mlv.queries.modularity.numbers import NUMBERS
from mlv.queries.modularity.setups import ATTRIBUTION, PRUNING, QUANTITY, Setup, alone
from mlv.queries.published import Found, PublishedNumbers, cells
from mlv.schema.papers.sharing import EXAMPLES, MODEL, TASKS

XNLI, PAWSX, MARC = (Setup(task) for task in TASKS)
SPARSE, SPARSE_MARC, RANDOM = Setup("PAWS-X", "identified"), Setup("MARC", "identified"), Setup("PAWS-X", "shuffled")
EVERY = (XNLI, PAWSX, MARC, SPARSE, SPARSE_MARC, RANDOM)
DIRECTIONS = ("positive", "negative")
TRACED = {"attribution": ATTRIBUTION, "quantity": QUANTITY, "targets": 500}


def _settings(setup: Setup) -> str:
    masks = [] if setup.training == "full" else ["masks={de:prune-1}"]
    return " ".join([*setup.settings, *masks, "batch_size=8"])


def checkpoints(setups: Iterable[Setup] = EVERY) -> pl.DataFrame:
    """Final checkpoints of runs that are called like their setups."""
    return pl.DataFrame(
        [
            {
                "run": str(setup),
                "model": f"FacebookAI/{MODEL}",
                "source": TASKS[setup.task].source,
                "ft_languages": ",".join(setup.languages),
                "sentences": len(setup.languages) * EXAMPLES,
                "settings": _settings(setup),
            }
            for setup in setups
        ]
    )


def _of(setup: Setup, masks: str, **values: Any) -> dict[str, Any]:
    """A row about a classifier under masks."""
    known = {"run": str(setup), "traced_run": str(setup), "full_traced_run": str(Setup(setup.task))}
    return {**known, "task": TASKS[setup.task].code, "training": setup.training, "masks": masks, **TRACED, **values}


def changes(*setups: Setup, masks: str = "identified", of: str | None = None, own: float = 4.0) -> list[dict[str, Any]]:
    """Contributions that change by 1 point, those of the test language by another number from 40%."""
    return [
        _of(
            setup,
            masks,
            direction=direction,
            language=tested,
            ft_language=trained,
            mask_languages=of or tested,
            change=(change := own if tested == trained else 1.0),
            contribution_full=(full := 40.0 if tested == trained else 15.0),
            contribution_masked=full + change,
        )
        for setup in setups
        for direction, tested, trained in product(DIRECTIONS, setup.languages, setup.languages)
    ]


def accuracies(*setups: Setup) -> list[dict[str, Any]]:
    """70% fully fine-tuned, 75 after SFT."""
    return [
        _of(setup, "identified", split="test", language=one, accuracy=70.0 if setup.training == "full" else 75.0)
        for setup in setups
        for one in setup.languages
    ]


def correlations(value: float, *setups: Setup, layers: Iterable[int | None] = (None,)) -> list[dict[str, Any]]:
    """By layer they rise a little."""
    return [
        _of(setup, "identified", direction=direction, layer=layer, spearman=value + (layer or 0) / 100)
        for setup in setups
        for direction in DIRECTIONS
        for layer in layers
    ]


def shares(setup: Setup, masks: str, epochs: int = 3) -> list[dict[str, Any]]:
    """Own shares fall by 5 points an epoch; those of Korean and English are 10 higher."""
    return [
        _of(
            setup,
            masks,
            direction="positive",
            language=one,
            epoch=epoch,
            own_share=(50.0 if one in ("ko", "en") else 40.0) - 5 * epoch,
        )
        for one in setup.languages
        for epoch in range(1, epochs + 1)
    ]


def _pruned(task: str, **values: Any) -> dict[str, Any]:
    """A row about subnetworks of models of one language each."""
    setup = alone(task)[0]
    return {
        "model": MODEL,
        "task": TASKS[task].code,
        "source": TASKS[task].source,
        "ft_languages": None,
        "sentences": EXAMPLES,
        "settings": _settings(setup),
        "pruning": PRUNING,
        **values,
    }


def overlaps(task: str, cosine: float) -> list[dict[str, Any]]:
    languages = TASKS[task].languages
    return [
        _pruned(task, layer=layer, language_a=a, language_b=b, cosine=cosine, share_of_a=80.0, share_of_b=60.0)
        for layer in (None, 1)
        for a, b in product(languages, languages)
        if a < b
    ]


def heads(task: str, shared: range) -> list[dict[str, Any]]:
    """A head of every layer: of all five languages in some, of none in the others."""
    return [_pruned(task, layer=layer, n=5 if layer in shared else 0) for layer in range(1, LAYERS + 1)]


class Case(NamedTuple):
    """Rows on which a claim holds, and a value of one row with which it does not."""

    place: str
    row: str
    rows: list[dict[str, Any]]
    where: dict[str, Any]
    column: str
    other: float
    against: str


OWN = {"masks": "identified", "direction": "positive"}


def _own(task: str, language: str, training: str = "full", **beside: Any) -> dict[str, Any]:
    return {
        "task": TASKS[task].code,
        "training": training,
        "language": language,
        "ft_language": language,
        **OWN,
        **beside,
    }


GERMAN = [
    {**row, "change": 9.0} if (row["language"], row["ft_language"]) == ("de", "en") else row for row in changes(MARC)
]
FALLING = [
    {**row, "change": -3.0}
    if row["language"] in ("ko", "zh", "fr", "es") and row["language"] == row["ft_language"]
    else row
    for row in changes(SPARSE, SPARSE_MARC)
]
FRENCH = [{**row, "change": 8.0} if row["language"] == row["ft_language"] == "fr" else row for row in changes(SPARSE)]
COMPOSED = [
    {**row, "change": 6.0 if masks == "intersection" else 3.0}
    for masks, (setup, pair) in product(
        ("intersection", "union"), ((SPARSE, ("es", "fr")), (SPARSE_MARC, ("de", "en")))
    )
    for row in changes(setup, masks=masks, of=",".join(pair))
    if row["language"] in pair
]

CASES = (
    Case(
        "Figure 5.2",
        "own examples count more under the own mask, but for XNLI's English",
        [
            {**row, "change": 0.0} if row["language"] == "en" and row["task"].startswith("xnli") else row
            for row in changes(XNLI, PAWSX, MARC)
        ],
        _own("MARC", "zh"),
        "change",
        0.0,
        "MARC zh +0.0",
    ),
    Case(
        "Figure 5.2",
        "effects are weakest for XNLI",
        changes(XNLI, own=1.0) + changes(PAWSX, MARC),
        _own("PAWS-X", "de"),
        "change",
        -16.0,
        "PAWS-X +0.0 beside XNLI +1.0",
    ),
    Case(
        "Figure 5.2",
        "the German mask raises en more than de, the English one raises de",
        GERMAN,
        {**_own("MARC", "de"), "ft_language": "en"},
        "change",
        4.0,
        "de from en +4.0, from de +4.0",
    ),
    Case(
        "Figure 5.3",
        "random masks never raise German",
        changes(PAWSX, masks="shuffled", own=0.0) + changes(PAWSX, masks="shuffled", own=-1.0),
        {**_own("PAWS-X", "de"), "masks": "shuffled"},
        "change",
        0.5,
        "+0.5, +0.5",
    ),
    Case(
        "Figure 5.3",
        "the English and the Korean mask raise negative influence of Korean on German",
        changes(PAWSX, masks="other", of="en") + changes(PAWSX, masks="other", of="ko"),
        {"masks": "other", "direction": "negative", "language": "de", "ft_language": "ko", "mask_languages": "ko"},
        "change",
        -2.0,
        "under the mask of ko -2.0",
    ),
    Case(
        "Figure 5.4",
        "after SFT own examples count less for ko and for zh, fr and es",
        FALLING,
        _own("MARC", "es", "identified"),
        "change",
        0.0,
        "MARC es +0.0",
    ),
    Case(
        "Figure 5.4",
        "after SFT own examples rise most for fr",
        FRENCH,
        _own("PAWS-X", "de", "identified"),
        "change",
        9.0,
        "de +9.0",
    ),
    Case(
        "Figure 5.5",
        "after SFT every subnetwork leans most on its own language",
        changes(SPARSE, SPARSE_MARC),
        {**_own("PAWS-X", "ko", "identified"), "ft_language": "en"},
        "contribution_masked",
        60.0,
        "PAWS-X ko",
    ),
    Case(
        "Figure 5.6",
        "random masks with SFT specialise more than identified ones",
        changes(SPARSE) + changes(RANDOM, masks="shuffled", own=30.0),
        {**_own("PAWS-X", "en", "shuffled"), "masks": "shuffled"},
        "change",
        4.0,
        "en +4.0 beside +4.0",
    ),
    Case(
        "Table C.2",
        "SFT raises accuracy in every language but for fr on PAWS-X",
        [
            {**row, "accuracy": 60.0}
            if (row["training"], row["language"]) == ("identified", "fr") and row["task"].startswith("paws")
            else row
            for row in accuracies(PAWSX, MARC, SPARSE, SPARSE_MARC)
        ],
        {"task": "marc-polarity", "training": "identified", "language": "fr"},
        "accuracy",
        70.0,
        "MARC fr: 70.0 after 70.0",
    ),
    Case(
        "Figure 5.7",
        "specialization and accuracy correlate negatively",
        correlations(-0.5, SPARSE, SPARSE_MARC),
        {"task": "marc-polarity", "direction": "positive"},
        "spearman",
        0.1,
        "+0.10 for MARC",
    ),
    Case(
        "Figure 5.8",
        "similar masks go with positive influence",
        correlations(0.4, SPARSE, SPARSE_MARC),
        {"task": "pawsx-paraphrase", "direction": "positive"},
        "spearman",
        -0.1,
        "-0.10 for PAWS-X",
    ),
    Case(
        "Figure C.6",
        "similar masks do not go with negative influence strongly",
        correlations(-0.4, SPARSE, SPARSE_MARC),
        {"task": "pawsx-paraphrase", "direction": "negative"},
        "spearman",
        -0.5,
        "-0.50 for PAWS-X",
    ),
    Case(
        "Figure 5.8",
        "masks overlap more for MARC than for PAWS-X",
        overlaps("PAWS-X", 0.6) + overlaps("MARC", 0.7),
        {"task": "marc-polarity", "language_a": "de", "language_b": "en"},
        "cosine",
        -0.3,
        "0.60 for MARC, 0.60 for PAWS-X",
    ),
    Case(
        "Figure 5.9",
        "layers differ, and alike in both tasks",
        correlations(0.2, SPARSE, SPARSE_MARC, layers=range(1, LAYERS + 1)),
        {"task": "marc-polarity", "layer": 1},
        "spearman",
        0.9,
        "the layers of the two tasks correlate by -0.32",
    ),
    Case(
        "Figure 5.10",
        "with SFT all languages come to share, fully fine-tuned ko and en stay behind",
        shares(PAWSX, "none") + shares(SPARSE, "identified"),
        {"training": "full", "language": "de", "epoch": 3},
        "own_share",
        35.0,
        "de above ko after epoch 3, de above en after epoch 3",
    ),
    Case(
        "Figure 5.11",
        "with random SFT ko and en stay isolated",
        shares(RANDOM, "shuffled"),
        {"language": "en", "epoch": 3},
        "own_share",
        20.0,
        "de, es, fr above en after epoch 3",
    ),
    Case(
        "Figure 5.12",
        "intersections raise sharing between es and fr, and between de and en, more than unions",
        COMPOSED,
        {"masks": "union", "direction": "positive", "language": "fr", "ft_language": "es"},
        "change",
        6.5,
        "PAWS-X fr from es +6.0, by the union +6.5",
    ),
    Case(
        "Figure C.1",
        "some heads are enabled for no language",
        [row for task in TASKS for row in heads(task, range(1, 12))],
        {"task": "xnli-entailment", "n": 0},
        "n",
        1,
        "XNLI",
    ),
    Case(
        "Figure C.1",
        "fully shared heads lie low for PAWS-X and high for XNLI",
        heads("PAWS-X", range(1, 5)) + heads("XNLI", range(8, 12)),
        {"task": "pawsx-paraphrase", "layer": 12},
        "n",
        5,
        "",
    ),
)


def _numbers(place: str, row: str) -> PublishedNumbers:
    (found,) = [one for one in NUMBERS if one.place == place and one.rows == (row,)]
    return found


def _found(numbers: PublishedNumbers, rows: list[dict[str, Any]]) -> Found:
    (found,) = numbers.find(pl.DataFrame(rows, infer_schema_length=None), checkpoints())
    return found


def _changed(rows: list[dict[str, Any]], where: dict[str, Any], column: str, value: float) -> list[dict[str, Any]]:
    assert any(where.items() <= row.items() for row in rows)
    return [{**row, column: value} if where.items() <= row.items() else row for row in rows]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.place} {case.row}")
def test_a_claim_holds_and_does_not(case: Case) -> None:
    numbers = _numbers(case.place, case.row)
    (cell,) = cells(STUDY.code, numbers)
    held = _found(numbers, case.rows)
    assert (held.cell, held.value, held.remark) == (cell.cell, 1, "")
    if case.against:
        other = _found(numbers, _changed(case.rows, case.where, case.column, case.other))
        assert (other.value, other.remark) == (0, f"against it: {case.against}")


def test_shared_heads_that_lie_elsewhere_are_against_it() -> None:
    numbers = _numbers("Figure C.1", "fully shared heads lie low for PAWS-X and high for XNLI")
    found = _found(numbers, heads("PAWS-X", range(8, 12)) + heads("XNLI", range(1, 4)))
    assert found.remark == "against it: mean layer 9.5 for PAWS-X, mean layer 2.0 for XNLI"


def test_every_claim_has_a_case() -> None:
    assert {(case.place, case.row) for case in CASES} == {(claim.place, *claim.rows) for claim in CLAIMS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.place} {case.row}")
def test_without_rows_of_a_task_a_claim_is_not_judged(case: Case) -> None:
    numbers = _numbers(case.place, case.row)
    frame = pl.DataFrame(case.rows, infer_schema_length=None)
    assert list(numbers.find(frame.clear(), checkpoints())) == []
    first = frame["task"][0]
    for found in numbers.find(frame.filter(pl.col("task") != first), checkpoints()):
        assert found.value is None
        assert found.lacking


def test_other_settings_do_not_count() -> None:
    case = CASES[0]
    numbers = _numbers(case.place, case.row)
    for column, value in (("attribution", "trak"), ("quantity", "margin"), ("training", "shuffled")):
        assert list(numbers.find(pl.DataFrame(_changed(case.rows, {}, column, value)), checkpoints())) == []  # type: ignore[arg-type]
    strict = checkpoints().with_columns(pl.col("settings").str.replace("updates=gradient", "updates=strict"))
    sparse = _numbers("Figure 5.5", "after SFT every subnetwork leans most on its own language")
    assert list(sparse.find(pl.DataFrame(changes(SPARSE, SPARSE_MARC)), strict)) == []


def _values(place: str, row: str, rows: list[dict[str, Any]]) -> dict[str, float | None]:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return {found.cell.column: found.value for found in _numbers(place, row).find(frame, checkpoints())}


def test_numbers_in_the_text() -> None:
    full = changes(XNLI, PAWSX, MARC)
    smallest = _changed(full, _own("XNLI", "ru"), "change", -1.5)
    found = _found(_numbers("section 5.5.1", "smallest gain of own examples under the mask"), smallest)
    assert (found.value, found.remark) == (-1.5, "XNLI ru")
    assert _values("section 5.5.1", "largest gain of own examples under the mask", smallest) == {"all": 4}
    marc = _values("section 5.5.1", "share under the mask", full)
    assert (marc["MARC de from de"], marc["MARC de from en"]) == (44, 16)
    other = changes(PAWSX, masks="other", of="en")
    negative = _values("section 5.5.2", "gain of negative influence under the English mask", other)
    assert negative["PAWS-X de from ko"] == 1
    assert _values("section 5.5.2", "gain of negative influence under the Korean mask", other) == {}
    asked = accuracies(PAWSX, MARC, SPARSE, SPARSE_MARC)
    assert _values("section 5.6", "mean accuracy under masks after SFT", asked) == {"PAWS-X": 75}
    assert _values("section 5.6", "gain of mean accuracy by SFT", asked) == {"MARC": 5}
    end = _values("section 5.7.3", "own share at the last epoch, SFT", shares(SPARSE, "identified"))
    assert end == {"PAWS-X": pytest.approx((3 * 25 + 2 * 35) / 5)}
    shared = _values("appendix C.1", "heads of a subnetwork that another one has too", overlaps("PAWS-X", 0.6))
    assert (shared["PAWS-X de in en"], shared["PAWS-X en in de"]) == (80, 60)


def test_fewer_texts_are_remarked() -> None:
    rows = [{**row, "targets": 120} for row in changes(PAWSX)]
    found = next(iter(_numbers("section 5.5.2", "gain under the mask").find(pl.DataFrame(rows), checkpoints())))
    assert found.remark == "over 120 of 500 texts"
