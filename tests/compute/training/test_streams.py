"""Random numbers by counter: reproducible, apart from each other, and uniform."""

import numpy as np

from mlv.compute.machine.streams import Purpose, Stream


def test_words_are_those_of_philox_4x64_for_the_key_and_counter() -> None:
    # numpy counts up before the first block, hence the 1 in the low word
    expected = np.random.Philox(key=11, counter=[0, Purpose.CORRUPTION, 3, 5]).random_raw(3)
    assert Stream(11, Purpose.CORRUPTION, 3, 5).words(3).tolist() == expected.tolist()


def test_words_never_change_between_releases() -> None:
    assert Stream(1, Purpose.ORDER, 1).words(2).tolist() == [16464118712126400865, 6767827422236367240]


def test_streams_differ_in_every_part_of_their_name() -> None:
    names = [
        (1, Purpose.CORRUPTION, 1, 1),
        (2, Purpose.CORRUPTION, 1, 1),
        (1, Purpose.ORDER, 1, 1),
        (1, Purpose.CORRUPTION, 2, 1),
        (1, Purpose.CORRUPTION, 1, 2),
    ]
    drawn = {int(word) for name in names for word in Stream(*name).words(100)}
    assert len(drawn) == 500


def test_permutation_holds_every_number_once() -> None:
    assert sorted(Stream(3, Purpose.ORDER).permutation(50).tolist()) == list(range(50))
    assert Stream(3, Purpose.ORDER).permutation(0).tolist() == []


def test_permutations_are_equally_likely() -> None:
    drawn = [tuple(Stream(5, Purpose.ORDER, epoch).permutation(3).tolist()) for epoch in range(6000)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    # six cells of 1000 expected; chi-square with 5 degrees of freedom exceeds 20.5 once in a thousand seeds
    assert len(counts) == 6
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5


def test_uniform_numbers_fill_the_unit_interval() -> None:
    numbers = Stream(2, Purpose.LANGUAGE).uniform(20_000)
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(numbers.var() - 1 / 12) < 0.003
