"""Span corruption against T5's definition: counts, reassembly, equal likelihood, and independence of the batch."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlv.compute.machine.streams import Purpose, Stream
from mlv.compute.models.families import sentinel_ids
from mlv.compute.training.corruption import Corrupted, SpanCorruption, noise_counts, random_segmentation
from mlv.schema.errors import DataError

EOS = 1
SENTINELS = tuple(range(1099, 999, -1))
CORRUPT = SpanCorruption(SENTINELS, EOS, seed=3, noise_density=0.15, mean_span_length=3.0)
AS_IN_T5 = replace(CORRUPT, mask="t5")

lengths = st.integers(min_value=2, max_value=600)
epochs = st.integers(min_value=0, max_value=50)
positions = st.integers(min_value=0, max_value=2**40)


def tokens_of(length: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Tokens that are all different, so that a misplaced one shows."""
    return np.arange(10, 10 + length, dtype=np.int64)


def spans(row: list[int]) -> dict[int, list[int]]:
    """What follows each sentinel; key -1 holds what comes before the first."""
    found: dict[int, list[int]] = {-1: []}
    present = -1
    for token in row:
        if token in SENTINELS:
            present = SENTINELS.index(token)
            found[present] = []
        else:
            found[present].append(token)
    return found


def reassembled(corrupted: Corrupted) -> list[int]:
    """The original: each sentinel of the inputs replaced by its span in the targets."""
    kept, noise = spans(corrupted.inputs.tolist()[:-1]), spans(corrupted.targets.tolist()[:-1])
    assert noise[-1] == []
    original = list(kept[-1])
    for number in range(len(kept) - 1):
        original += noise[number] + kept[number]
    return original


@given(lengths, epochs, positions)
def test_inputs_and_targets_reassemble_to_the_original(length: int, epoch: int, position: int) -> None:
    corrupted = CORRUPT(tokens_of(length), epoch, position)
    assert reassembled(corrupted) == tokens_of(length).tolist()
    assert corrupted.inputs[-1] == corrupted.targets[-1] == EOS


@given(lengths, positions)
def test_noise_tokens_and_spans_follow_t5s_rounding(length: int, position: int) -> None:
    noise = min(max(int(np.rint(np.float32(length) * np.float32(0.15))), 1), length - 1)
    expected_spans = max(int(np.rint(np.float32(noise) / np.float32(3.0))), 1)
    mask = CORRUPT.noise_mask(length, 1, position)
    assert mask.shape == (length,)
    assert mask.sum() == noise
    assert (np.diff(mask.astype(int), prepend=0) == 1).sum() == expected_spans


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 3))
def test_inputs_and_targets_are_t5s_for_masks_that_begin_as_t5s_do(noise: list[bool], kept: int) -> None:
    mask = np.array([False] * (kept + 1) + noise)
    tokens = tokens_of(len(mask))
    corrupted = CORRUPT.apply(tokens, mask)
    assert corrupted.inputs.tolist() == [*t5_sentinels(tokens, mask), EOS]
    assert corrupted.targets.tolist() == [*t5_sentinels(tokens, ~mask), EOS]


def t5_sentinels(tokens: np.ndarray[Any, Any], noise: np.ndarray[Any, Any]) -> list[int]:
    """T5's ``noise_span_to_unique_sentinel``, by its definition: sentinels descend with each run of ``noise``."""
    result: list[int] = []
    runs = 0
    for place, token in enumerate(tokens.tolist()):
        if not noise[place]:
            result.append(token)
        elif place == 0 or not noise[place - 1]:
            runs += 1
            result.append(SENTINELS[0] + 1 - runs)
    return result


@given(lengths, epochs, positions)
def test_sentinels_come_in_order_and_close_the_targets_where_tokens_follow(
    length: int, epoch: int, position: int
) -> None:
    corrupted = CORRUPT(tokens_of(length), epoch, position)
    for row in corrupted:
        used = [token for token in row.tolist() if token in SENTINELS]
        assert used == list(SENTINELS[: len(used)])
    ends_with_noise = corrupted.inputs[-2] in SENTINELS
    assert (corrupted.targets[-2] in SENTINELS) != ends_with_noise


def test_the_papers_example() -> None:
    # Raffel et al. 2020, Figure 2: "Thank you <X> me to your party <Y> week" and "<X> for inviting <Y> last <Z>"
    mask = np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, 0], dtype=bool)
    corrupted = CORRUPT.apply(tokens_of(10), mask)
    assert corrupted.inputs.tolist() == [10, 11, 1099, 14, 15, 16, 17, 1098, 19, EOS]
    assert corrupted.targets.tolist() == [1099, 12, 13, 1098, 18, 1097, EOS]


def test_noise_at_both_ends() -> None:
    corrupted = CORRUPT.apply(tokens_of(4), np.array([1, 0, 0, 1], dtype=bool))
    assert corrupted.inputs.tolist() == [1099, 11, 12, 1098, EOS]
    assert corrupted.targets.tolist() == [1099, 10, 1098, 13, EOS]


@pytest.mark.parametrize(("length", "inputs", "targets"), [(0, [EOS], [EOS]), (1, [10, EOS], [1099, EOS])])
def test_nothing_is_removed_from_less_than_two_tokens(length: int, inputs: list[int], targets: list[int]) -> None:
    corrupted = CORRUPT(tokens_of(length), 1, 0)
    assert corrupted.inputs.tolist() == inputs
    assert corrupted.targets.tolist() == targets


def test_two_tokens_lose_either() -> None:
    drawn = {tuple(CORRUPT(tokens_of(2), 1, n).inputs.tolist()) for n in range(50)}
    assert drawn == {(1099, 11, EOS), (10, 1099, EOS)}


def test_a_short_sentence_loses_any_of_its_places_alike() -> None:
    # 20 tokens: one span of 3, which can begin at 18 places
    starts = [int(CORRUPT.noise_mask(20, 1, n).argmax()) for n in range(9000)]
    counts = np.bincount(starts, minlength=18)
    # chi-square with 17 degrees of freedom, p = 0.001
    assert len(counts) == 18
    assert ((counts - 500) ** 2 / 500).sum() < 40.8


def t5_noise_mask(length: int, shuffled: np.random.Generator, density: float = 0.15, mean: float = 3.0) -> list[bool]:
    """T5's ``random_spans_noise_mask``, by its definition in ``t5/data/preprocessors.py``, in numpy."""
    wanted, length = length, max(length, 2)
    noise = min(max(int(np.round(np.float32(length) * np.float32(density))), 1), length - 1)
    spans = max(int(np.round(np.float32(noise) / np.float32(mean))), 1)

    def random_segmentation(items: int, segments: int) -> list[int]:
        firsts = shuffled.permutation(np.arange(items - 1) < segments - 1)
        segment_of = np.cumsum(np.concatenate([[0], firsts])).astype(int)
        return list(np.bincount(segment_of))

    noise_lengths = random_segmentation(noise, spans)
    kept_lengths = random_segmentation(length - noise, spans)
    interleaved = np.reshape(np.stack([kept_lengths, noise_lengths], axis=1), [spans * 2])
    starts = np.zeros(length, dtype=int)
    np.add.at(starts, np.cumsum(interleaved)[:-1], 1)
    return [bool(odd) for odd in np.cumsum(starts)[:wanted] % 2]


def compositions(items: int, segments: int) -> list[tuple[int, ...]]:
    """All ways to cut items into non-empty segments."""
    return [tuple(np.diff([0, *cuts, items]).tolist()) for cuts in combinations(range(1, items), segments - 1)]


@given(st.integers(0, 600), epochs, positions)
def test_t5s_mask_has_the_counts_of_t5_and_ends_with_noise(length: int, epoch: int, position: int) -> None:
    mask = AS_IN_T5.noise_mask(length, epoch, position)
    theirs = np.array(t5_noise_mask(length, np.random.default_rng(position)), dtype=bool)
    assert mask.shape == theirs.shape == (length,)
    assert mask.sum() == theirs.sum()
    starts, their_starts = (np.diff(noise.astype(int), prepend=0) == 1 for noise in (mask, theirs))
    assert starts.sum() == their_starts.sum()
    assert length == 0 or not mask[0]
    assert length < 2 or mask[-1]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 9, 10, 23, 24, 30, 31, 33])
def test_t5s_masks_are_those_that_its_code_can_draw(length: int) -> None:
    # up to 30 tokens there is one span, and its length is given; from 31 on there are two
    shuffled = np.random.default_rng(length)
    theirs = {tuple(t5_noise_mask(length, shuffled)) for _ in range(4000)}
    ours = {tuple(AS_IN_T5.noise_mask(length, 1, position).tolist()) for position in range(4000)}
    assert ours == theirs
    noise, spans = (noise_counts(length, 0.15, 3.0)) if length > 1 else (0, 1)
    expected = len(compositions(noise, spans)) * len(compositions(length - noise, spans)) if length > 1 else 1
    assert len(ours) == expected
    assert (len(ours) == 1) == (length <= 30)


def test_t5s_masks_are_equally_likely() -> None:
    # 31 tokens: 5 of noise in two spans, 26 kept in two: 4 x 25 masks
    drawn = Counter(tuple(AS_IN_T5.noise_mask(31, epoch, 7).tolist()) for epoch in range(20_000))
    assert len(drawn) == 100
    # chi-square with 99 degrees of freedom, p = 0.001
    assert sum((count - 200) ** 2 / 200 for count in drawn.values()) < 148.3


@given(lengths, epochs, positions)
def test_with_t5s_mask_inputs_end_with_a_sentinel_and_targets_with_a_span(
    length: int, epoch: int, position: int
) -> None:
    corrupted = AS_IN_T5(tokens_of(length), epoch, position)
    assert reassembled(corrupted) == tokens_of(length).tolist()
    assert corrupted.inputs[-2] in SENTINELS
    assert corrupted.targets[-2] == tokens_of(length)[-1]
    assert corrupted.inputs.tolist() == [
        *t5_sentinels(tokens_of(length), AS_IN_T5.noise_mask(length, epoch, position)),
        EOS,
    ]


@pytest.mark.parametrize("density", [0.5, 0.8, 0.99])
def test_t5s_mask_has_a_kept_token_for_every_span_however_dense_the_noise(density: float) -> None:
    dense = replace(AS_IN_T5, noise_density=density, mean_span_length=1.0)
    for length in range(2, 60):
        mask = dense.noise_mask(length, 1, length)
        assert mask.sum() == noise_counts(length, density, 1.0)[0]
        assert mask[-1]
        assert not mask[0]


@given(st.permutations(range(12)), epochs)
def test_corruption_does_not_depend_on_what_was_corrupted_before(order: list[int], epoch: int) -> None:
    in_order = [CORRUPT(tokens_of(30 + n), epoch, n).inputs.tolist() for n in range(12)]
    shuffled = {n: CORRUPT(tokens_of(30 + n), epoch, n).inputs.tolist() for n in order}
    assert [shuffled[n] for n in range(12)] == in_order


def test_epoch_position_and_seed_each_change_the_corruption() -> None:
    other = SpanCorruption(SENTINELS, EOS, seed=4, noise_density=0.15, mean_span_length=3.0)
    tokens = tokens_of(200)
    rows = [CORRUPT(tokens, 1, 0), CORRUPT(tokens, 2, 0), CORRUPT(tokens, 1, 1), other(tokens, 1, 0)]
    assert len({tuple(row.inputs.tolist()) for row in rows}) == 4


def test_segmentations_are_equally_likely() -> None:
    drawn = [tuple(random_segmentation(5, 3, Stream(1, Purpose.CORRUPTION, 0, n)).tolist()) for n in range(6000)]
    ways, counts = np.unique(drawn, axis=0, return_counts=True)
    # 5 = 1+1+3 = 1+2+2 in their orders: 6 ways; chi-square with 5 degrees of freedom, p = 0.001
    assert len(ways) == 6
    assert (ways.sum(axis=1) == 5).all()
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5


@given(lengths, st.floats(0.01, 0.99), st.floats(1.0, 10.0))
def test_counts_leave_room_for_every_span(length: int, density: float, mean: float) -> None:
    noise, number = noise_counts(length, density, mean)
    assert 1 <= number <= noise <= length - 1
    assert number <= length - noise + 1


def test_more_spans_than_sentinels_is_an_error_that_says_so() -> None:
    few = SpanCorruption(SENTINELS[:3], EOS, seed=3, noise_density=0.15, mean_span_length=3.0)
    with pytest.raises(DataError, match=r"200 tokens needs 1[01] sentinels; the tokenizer has 3"):
        few(tokens_of(200), 1, 0)


def test_sentinels_are_found_by_name_and_descend(tokenizer: Any) -> None:
    ids = sentinel_ids(tokenizer)
    assert len(ids) == 100
    assert ids[0] == len(tokenizer) - 1
    assert list(ids) == sorted(ids, reverse=True)


def test_sentinels_with_a_word_boundary_mark_are_found() -> None:
    class Marked:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 0, "▁<extra_id_1>": 8, "▁<extra_id_0>": 9}

    assert sentinel_ids(Marked()) == (9, 8)


def test_a_tokenizer_without_sentinels_is_refused() -> None:
    class Plain:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    with pytest.raises(DataError, match="no sentinels"):
        sentinel_ids(Plain())
