"""Distributions are those of transformers, and draws follow them."""

import numpy as np
import pytest
import torch
import transformers
from scipy.stats import chisquare

from mlv.compute.machine.streams import FloatArray
from mlv.compute.respondents import sampling
from mlv.schema.errors import JobError
from mlv.schema.jobs.respond import Decoding

SETTINGS = [(1.0, None, 1.0), (0.6, 7, 1.0), (1.3, None, 0.8), (0.7, 9, 0.6), (1.0, 1, 1.0), (1.0, 100, 0.01)]


def _logits(rows: int = 6, vocabulary: int = 40) -> torch.Tensor:
    """Random logits, many of which are equal."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(rows, vocabulary, generator=generator) * 3
    logits[:2] = logits[:2].round()
    return logits


def _of_transformers(logits: torch.Tensor, decoding: Decoding) -> FloatArray:
    scores = transformers.TemperatureLogitsWarper(decoding.temperature)(None, logits.double())
    if decoding.top_k:
        scores = transformers.TopKLogitsWarper(decoding.top_k)(None, scores)
    if decoding.top_p < 1:
        scores = transformers.TopPLogitsWarper(decoding.top_p)(None, scores)
    probabilities: FloatArray = scores.softmax(1).numpy()
    return probabilities


def _probabilities(logits: torch.Tensor, decoding: Decoding) -> FloatArray:
    """Over the whole vocabulary, [rows, vocabulary]."""
    tokens, scores = sampling._narrowed(logits, decoding.top_k)
    likely = sampling.distribution(scores, decoding)
    whole = np.zeros(logits.shape)
    np.put_along_axis(whole, tokens, likely / likely.sum(axis=1, keepdims=True), 1)
    return whole


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), SETTINGS)
def test_probabilities_are_those_of_transformers(temperature: float, top_k: int | None, top_p: float) -> None:
    decoding = Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
    # transformers leaves open which of equally likely tokens stay at the border of top-p
    logits = _logits()[2:] if top_p < 1 else _logits()
    np.testing.assert_allclose(_probabilities(logits, decoding), _of_transformers(logits, decoding), atol=1e-12)


def test_of_equally_likely_tokens_at_the_border_the_first_stay() -> None:
    logits = torch.tensor([[0.0, 1.0, 1.0, 1.0, -2.0]])
    stays = _probabilities(logits, Decoding(top_k=None, top_p=0.5)) > 0
    assert stays.tolist() == [[False, True, True, False, False]]
    # all that are as likely as the k-th
    assert (_probabilities(logits, Decoding(top_k=2)) > 0).tolist() == [[False, True, True, True, False]]


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), SETTINGS)
def test_draws_follow_the_distribution(temperature: float, top_k: int | None, top_p: float) -> None:
    decoding = Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
    logits = _logits()[2:]
    numbers = [np.random.default_rng(row).random(20_000) for row in range(len(logits))]
    expected = _probabilities(logits, decoding)
    logprobs = logits.double().log_softmax(1)
    for row, drawn in enumerate(sampling.draw(logits, decoding, numbers)):
        counts = np.bincount([one.token for one in drawn], minlength=logits.shape[1])
        likely = expected[row] * len(drawn) > 5
        assert counts[expected[row] == 0].sum() == 0
        observed = [*counts[likely], counts[~likely].sum()]
        wanted = [*(expected[row][likely] * len(drawn)), expected[row][~likely].sum() * len(drawn)]
        some = np.array(wanted) > 0
        if some.sum() > 1:
            assert chisquare(np.array(observed)[some], np.array(wanted)[some]).pvalue > 1e-4
        assert all(abs(one.logprob - float(logprobs[row, one.token])) < 1e-9 for one in drawn[:50])


def test_the_largest_number_draws_a_token_that_may_be_drawn() -> None:
    logits = torch.tensor([[0.1, 0.3, 0.2, -80.0, -90.0]])
    largest = np.array([0.0, 1 - 2.0**-53])
    [[first, last]] = sampling.draw(logits, Decoding(top_k=3), [largest])
    assert (first.token, last.token) == (0, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_an_error(value: float) -> None:
    logits = torch.tensor([[0.1, value, 0.2]])
    with pytest.raises(JobError, match="NaN or infinite"):
        sampling.draw(logits, Decoding(top_k=None), [np.array([0.5])])


def test_rows_are_drawn_alike_however_many_there_are_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, numbers = _logits(), [np.random.default_rng(row).random(5) for row in range(6)]
    together = sampling.draw(logits, Decoding(), numbers)
    monkeypatch.setattr(sampling, "LOGITS_AT_ONCE", 1)
    assert sampling.draw(logits, Decoding(), numbers) == together
