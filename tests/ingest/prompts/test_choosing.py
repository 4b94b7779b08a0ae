"""Which demonstrations are chosen, and orders of demonstrations and options."""

from collections import Counter
from typing import Any, get_args

import polars as pl
import pytest

from mlv.ingest.prompts.choosing import Question, choose, options_shown, ordered
from mlv.schema.papers.selfalign import OptionOrder, Ordering, Strategy

TRUST = [Question(f"t{number}", "trust", f"I have _ confidence in the {of}.") for number, of in enumerate(
    ["press", "police", "courts", "parliament", "churches", "banks", "unions", "army"]
)]  # fmt: skip
LIFE = [Question(f"l{number}", "life", f"{what} is _ in my life.") for number, what in enumerate(["Family", "Work"])]
QUESTIONS = [*TRUST, *LIFE, Question("s0", "state", "I have _ confidence in the government.")]
ALL = {question.code for question in QUESTIONS}


def _of(chosen: pl.DataFrame, question: str, column: str = "demonstration") -> list[Any]:
    return chosen.filter(question=question)[column].to_list()


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_no_question_is_its_own_demonstration_or_twice_another_s(strategy: Strategy) -> None:
    chosen = choose(strategy, QUESTIONS, ALL)
    assert chosen.filter(pl.col("question") == pl.col("demonstration")).is_empty()
    assert chosen.select("question", "demonstration").is_duplicated().sum() == 0
    assert [rank for _, rank in chosen.select("question", "rank").iter_rows()][:5] == [1, 2, 3, 4, 5]
    assert chosen["question"].unique(maintain_order=True).to_list() == [
        question.code for question in QUESTIONS if strategy in ("random", "chrf") or question.category != "state"
    ]


def test_similar_ones_come_first_and_ties_by_the_order_of_questions() -> None:
    twins = [Question("b", "x", "Life is _."), Question("a", "x", "Life is _."), Question("c", "x", "Life was _.")]
    chosen = choose("chrf", [*twins, *LIFE], {"a", "b", "c", *ALL}, count=2)
    assert _of(chosen, "a") == ["b", "c"]
    assert _of(chosen, "b", "similarity")[0] == 100
    assert _of(chosen, "c") == ["b", "a"]
    assert _of(choose("chrf", [twins[1], twins[0], twins[2]], {"a", "b"}), "c") == ["a", "b"]


def test_a_category_keeps_others_out() -> None:
    assert set(_of(choose("chrf", QUESTIONS, ALL), "s0")) <= {question.code for question in TRUST}
    assert _of(choose("chrf_category", QUESTIONS, ALL), "s0") == []
    assert _of(choose("chrf_category", QUESTIONS, ALL), "l0") == ["l1"]
    assert _of(choose("random_category", QUESTIONS, ALL), "l1") == ["l0"]


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_only_candidates_are_shown_but_all_are_asked(strategy: Strategy) -> None:
    chosen = choose(strategy, QUESTIONS, {"t1", "t2", "unknown"})
    assert set(chosen["demonstration"]) == {"t1", "t2"}
    assert _of(chosen, "t1") == ["t2"]
    assert len(_of(chosen, "t0")) == 2


def test_draws_have_no_similarity_and_hang_on_seed_question_and_candidate_alone() -> None:
    chosen = choose("random", QUESTIONS, ALL, seed=3)
    assert chosen["similarity"].is_null().all()
    # in the order of what sha256sum says of "3 t0 CODE"
    assert _of(chosen, "t0") == ["t5", "t7", "t3", "t6", "t1"]
    reworded = [question._replace(text=question.code) for question in reversed(QUESTIONS)]
    assert choose("random", reworded, ALL, seed=3).sort("question", "rank").equals(chosen.sort("question", "rank"))
    assert not choose("random", QUESTIONS, ALL, seed=4).equals(chosen)


def test_both_draws_are_from_one_order() -> None:
    everywhere = choose("random", QUESTIONS, ALL, count=len(QUESTIONS))
    within = choose("random_category", QUESTIONS, ALL)
    in_category = [code for code in _of(everywhere, "t3") if code.startswith("t")]
    assert _of(within, "t3") == in_category[:5]


def test_every_candidate_is_drawn_alike() -> None:
    # 400 seeds, 5 of 10 others: each 200 times, with a standard deviation of 10
    drawn = Counter(code for seed in range(400) for code in _of(choose("random", QUESTIONS, ALL, seed=seed), "t0"))
    assert set(drawn) == ALL - {"t0"}
    assert all(abs(count - 200) < 45 for count in drawn.values())


def test_the_most_similar_is_next_to_the_question_or_farthest_from_it() -> None:
    chosen = choose("chrf", QUESTIONS, ALL)
    last, first = ordered(chosen), ordered(chosen, "similar_first")
    assert _of(first, "t0") == _of(chosen, "t0") == _of(last, "t0")[::-1]
    assert _of(last, "t0", "position") == [1, 2, 3, 4, 5] == _of(last, "t0", "rank")[::-1]
    assert last["question"].unique(maintain_order=True).to_list() == [question.code for question in QUESTIONS]


def test_a_shuffled_order_is_another_for_each_sample_and_question() -> None:
    chosen = choose("chrf", QUESTIONS, ALL)
    samples = [ordered(chosen, "shuffled", seed=1, sample=sample) for sample in range(200)]
    assert all(one.drop("position").sort("question", "rank").equals(chosen.sort("question", "rank")) for one in samples)
    assert ordered(chosen, "shuffled", seed=1, sample=7).equals(samples[7])
    assert len({tuple(_of(one, "t0", "rank")) for one in samples}) > 80
    # each is first 40 times, with a standard deviation of 5.7
    first = Counter(_of(one, "t0", "rank")[0] for one in samples)
    assert all(abs(first[rank] - 40) < 25 for rank in range(1, 6))
    assert len({tuple(samples[0].filter(question=question.code)["rank"]) for question in QUESTIONS}) > 1


@pytest.mark.parametrize("ordering", get_args(Ordering))
def test_nothing_chosen_has_no_order(ordering: Ordering) -> None:
    nothing = choose("chrf", [], set())
    assert ordered(nothing, ordering).is_empty()


@pytest.mark.parametrize("order", get_args(OptionOrder))
@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_option_is_shown_once(order: OptionOrder, count: int) -> None:
    for sample in range(7):
        assert sorted(options_shown(order, count, "71", 4, sample)) == list(range(1, count + 1))


def test_options_are_drawn_for_a_question_and_not_for_a_sample() -> None:
    drawn = [options_shown("drawn", 2, str(question)) for question in range(400)]
    assert drawn == [options_shown("drawn", 2, str(question), sample=9) for question in range(400)]
    # 200 with a standard deviation of 10
    assert 160 < Counter(drawn)[1, 2] < 240
    assert drawn != [options_shown("drawn", 2, str(question), seed=1) for question in range(400)]
    assert {options_shown("listed", 3, str(question), sample=question) for question in range(9)} == {(1, 2, 3)}


@pytest.mark.parametrize(("count", "samples"), [(2, 10), (3, 9), (5, 10)])
def test_balanced_options_are_first_equally_often_and_begin_as_drawn(count: int, samples: int) -> None:
    shown = [options_shown("balanced", count, "71", 2, sample) for sample in range(samples)]
    assert set(Counter(order[0] for order in shown).values()) == {samples // count}
    assert set(Counter(order[-1] for order in shown).values()) == {samples // count}
    assert shown[0] == options_shown("drawn", count, "71", 2)
