"""Derived subnetworks: what their masks are, and that a name alone makes them again."""

import re
from collections.abc import Callable

import pytest

from mlv.ingest.writing.derivations import (
    avoiding,
    derive,
    intersection,
    random,
    shuffled,
    shuffled_in_layers,
    union,
)
from mlv.schema.errors import DataError, MlvError, NotFoundError, UsageError
from mlv.schema.jobs.masks import Mask, Subnetwork


def pruned(name: str, *rows: str) -> Subnetwork:
    """A subnetwork of rows such as ``1101``, a layer each."""
    return Subnetwork(name=name, mask=Mask.of([[sign == "1" for sign in row] for row in rows]), origin="pruned")


A = pruned("prune-a", "1100", "1011", "0000")
B = pruned("prune-b", "0101", "1010", "0001")
C = pruned("prune-c", "11", "01")
KNOWN = {part.name: part for part in (A, B, C)}


def rows(subnetwork: Subnetwork) -> list[str]:
    """The mask as ``pruned`` takes it."""
    return ["".join("01"[enabled] for enabled in row) for row in subnetwork.mask.rows()]


def test_a_union_has_the_heads_of_one_part_an_intersection_those_of_all() -> None:
    assert rows(union([A, B])) == ["1101", "1011", "0001"]
    assert rows(intersection([A, B])) == ["0100", "1010", "0000"]
    assert union([B, A]).name == union([A, B, A]).name == "union(prune-a,prune-b)"


def test_a_shuffle_has_as_many_heads_in_all_or_in_each_layer() -> None:
    for seed in range(20):
        assert shuffled(A, seed).mask.enabled == 5
        assert [row.count("1") for row in rows(shuffled_in_layers(A, seed))] == [2, 3, 0]
    assert len({shuffled(A, seed).mask for seed in range(20)}) > 15
    assert any(rows(shuffled(A, seed))[2] != "0000" for seed in range(20))


def test_every_head_is_drawn_as_often() -> None:
    counts = [0] * 12
    for seed in range(1200):
        for place, sign in enumerate("".join(rows(random(3, 4, 5, seed)))):
            counts[place] += sign == "1"
    # binomial: mean 500, standard deviation 17
    assert all(430 < count < 570 for count in counts)


SHUFFLED = ["1000", "1010", "0101"]
RANDOM = ["0101", "1000", "1001"]


def test_draws_stay_what_they_are() -> None:
    assert rows(shuffled(A, 1)) == SHUFFLED
    assert rows(random(3, 4, 5, 1)) == RANDOM
    # two masks with as many heads are not shuffled to the same places
    assert shuffled(pruned("prune-d", "0011", "1011", "0000"), 1).mask != shuffled(A, 1).mask


def test_avoiding_disables_some_of_the_heads_of_its_part_and_no_others() -> None:
    for seed in range(20):
        made = avoiding(A, 3, seed)
        disabled = [(own, mine) for own, mine in zip("".join(rows(A)), "".join(rows(made)), strict=True) if mine == "0"]
        assert disabled == [("1", "0")] * 3


@pytest.mark.parametrize(
    "name",
    [
        "union(prune-a,prune-b)",
        "intersection(prune-a,union(prune-a,prune-b))",
        "shuffled(prune-a,7)",
        "shuffled_in_layers(intersection(prune-a,prune-b),7)",
        "random(3x4,5,2)",
        "avoiding(shuffled(prune-a,1),2,3)",
    ],
)
def test_a_name_makes_its_subnetwork(name: str) -> None:
    def find(part: str) -> Subnetwork:
        return KNOWN[part] if part in KNOWN else derive(part, find)

    made = derive(name, find)
    assert (made.name, made) == (name, derive(name, find))
    assert all(part in name for part in made.parts)


@pytest.mark.parametrize(
    "name",
    [
        *("", "prune-a", "prune-a(prune-b)", "shuffled(prune-a)", "shuffled(prune-a,x)", "shuffled(prune-a,1,2)"),
        *("shuffled(prune-a,01)", "union(prune-b,prune-a)", "random(3x4,5)", "random(12,5,1)", "random(03x4,5,1)"),
        *("avoiding(prune-a,1)", "shuffled(prune-a,1) ", "inverse(prune-a,1)", "shuffled(prune-a,-1)"),
    ],
)
def test_what_is_not_the_name_of_a_derivation_is_refused(name: str) -> None:
    with pytest.raises(NotFoundError, match="does not say how a subnetwork is derived"):
        derive(name, KNOWN.__getitem__)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: union([A]), DataError, "of two subnetworks or more, not of prune-a alone"),
        (lambda: union([A, A]), DataError, "of two subnetworks or more"),
        (lambda: union([A, C]), DataError, "prune-a has 3 x 4 heads, prune-c has 2 x 2 heads"),
        (lambda: random(3, 4, 13, 1), UsageError, "13 of 3 x 4 heads cannot be enabled"),
        (lambda: random(3, 4, 0, 1), UsageError, "0 of 3 x 4 heads cannot be enabled"),
        (lambda: avoiding(A, 6, 1), UsageError, "prune-a enables 5 heads, of which 6 cannot be disabled"),
    ],
)
def test_what_cannot_be_derived_is_refused(make: Callable[[], Subnetwork], error: type[MlvError], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        make()
