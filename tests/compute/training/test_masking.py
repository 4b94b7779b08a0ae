"""Masked words: how many, what stands in their place, and what never changes."""

import numpy as np
import pytest

from mlv.compute.machine.streams import IntArray
from mlv.compute.training.masking import WordMasking
from mlv.compute.training.objective import IGNORED

SPECIAL = (0, 1, 2, 3, 99)
MASK = 99


def masking(seed: int = 1, density: float = 0.15) -> WordMasking:
    return WordMasking(0, 2, MASK, SPECIAL, vocabulary=100, seed=seed, noise_density=density)


def words(count: int) -> IntArray:
    return np.arange(count, dtype=np.int64) % 95 + 4


@pytest.mark.parametrize(("length", "asked"), [(1, 1), (2, 1), (9, 1), (10, 2), (20, 3), (30, 4), (100, 15), (126, 19)])
def test_as_many_tokens_are_asked_for_as_by_bert(length: int, asked: int) -> None:
    for position in range(20):
        inputs, targets = masking()(words(length), 1, position)
        assert (targets != IGNORED).sum() == asked
        assert len(inputs) == len(targets) == length + 2


def test_targets_are_the_tokens_and_all_others_stay() -> None:
    for position in range(50):
        inputs, targets = masking()(words(40), 3, position)
        whole = np.concatenate([[0], words(40), [2]])
        asked = targets != IGNORED
        assert (targets[asked] == whole[asked]).all()
        assert (inputs[~asked] == whole[~asked]).all()


def test_of_those_asked_for_eight_tenths_are_hidden_one_is_replaced_and_one_stays() -> None:
    fates = []
    others: list[int] = []
    places = np.zeros(102)
    for position in range(2_000):
        inputs, targets = masking()(words(100), 1, position)
        asked = targets != IGNORED
        places += asked
        replaced = inputs[asked][(inputs[asked] != MASK) & (inputs[asked] != targets[asked])]
        others += replaced.tolist()
        fates.append(((inputs[asked] == MASK).sum(), len(replaced), (inputs[asked] == targets[asked]).sum()))
    shares = np.sum(fates, axis=0) / np.sum(fates)
    # 30,000 tokens: standard errors of 0.0023 and 0.0017; one of 95 drawn tokens is the same by chance
    assert abs(shares[0] - 0.8) < 0.01
    assert abs(shares[1] - 0.1 * 94 / 95) < 0.007
    assert abs(shares[2] - 0.1 - 0.1 / 95) < 0.007
    # 300 each: standard error 17
    assert places[0] == places[-1] == 0
    assert abs(places[1:-1] - 300).max() < 80
    counts = np.bincount(others, minlength=100)
    assert counts[list(SPECIAL)].sum() == 0
    # 32 each: standard error 5.6
    assert counts[4:99].min() > 8
    assert counts[4:99].max() < 60


def test_special_tokens_within_a_text_are_never_asked_for() -> None:
    tokens = np.array([5, 99, 6, 2, 7, 3, 1, 0, 8] * 5)
    for position in range(50):
        inputs, targets = masking(density=0.9)(tokens, 1, position)
        special = np.isin(np.concatenate([[0], tokens, [2]]), SPECIAL)
        assert (targets[special] == IGNORED).all()
        assert (inputs[special] == np.concatenate([[0], tokens, [2]])[special]).all()
        assert (targets != IGNORED).sum() == 18


@pytest.mark.parametrize("tokens", [[], [99, 2]])
def test_an_example_without_words_has_the_end_of_sequence_to_find(tokens: list[int]) -> None:
    inputs, targets = masking()(np.array(tokens, dtype=np.int64), 1, 1)
    assert inputs.tolist() == [0, *tokens, 2]
    assert targets.tolist() == [IGNORED] * (len(tokens) + 1) + [2]


def test_an_example_is_masked_alike_whenever_it_is_asked_and_otherwise_for_another_seed_epoch_or_position() -> None:
    corrupted = [
        masking(seed)(words(60), epoch, position)
        for seed, epoch, position in ((1, 1, 1), (1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2))
    ]
    texts = [(one.inputs.tolist(), one.targets.tolist()) for one in corrupted]
    assert texts[0] == texts[1]
    assert len({str(text) for text in texts}) == 4
