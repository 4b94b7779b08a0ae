"""A local model answers as one that reads every answer anew, whatever is asked beside it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tiny_causal import END, TEXT, save_causal

from mlv.compute.machine.options import SILENT
from mlv.compute.models import files, loading
from mlv.compute.models.families import CAUSAL
from mlv.compute.models.loading import LoadedModel
from mlv.compute.respondents import sampling
from mlv.compute.respondents.encoding import Encoded, encode
from mlv.compute.respondents.local import LocalModel
from mlv.compute.respondents.respondent import Prompt, Reply, Wanted, cut, random_numbers
from mlv.schema.errors import DataError
from mlv.schema.jobs.respond import Decoding, RespondSpec

MakeSpec = Callable[..., RespondSpec]


def wanted(count: int, samples: int = 3, *, scores: bool = True) -> list[Wanted]:
    """Prompts of many lengths."""
    return [
        Wanted(
            Prompt(number, f"Q{number}", 1, TEXT[: 5 + number * 7 % 40] + " :", ("agree", "disagree strongly", "é")),
            tuple(range(samples)),
            scores,
        )
        for number in range(1, count + 1)
    ]


def ask(loaded: LoadedModel, spec: RespondSpec, asked: Sequence[Wanted], batch_tokens: int = 2048) -> dict[int, Reply]:
    """Replies by prompt."""
    replies: list[Reply] = []
    LocalModel(loaded, spec, batch_tokens).ask(asked, replies.extend, SILENT)
    return {reply.prompt: reply for reply in sorted(replies, key=lambda reply: reply.prompt)}


def texts(replies: dict[int, Reply]) -> dict[int, list[str]]:
    return {prompt: [answer.text for answer in reply.answers] for prompt, reply in replies.items()}


def logprobs_anew(loaded: LoadedModel, one: Encoded, tokens: list[int]) -> list[float]:
    """Of tokens after a prompt, by one pass without a cache."""
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([one.prompt + tokens]), use_cache=False).logits[0].double()
    whole = logits.log_softmax(1)
    return [float(whole[len(one.prompt) - 1 + place, token]) for place, token in enumerate(tokens)]


def answer_anew(loaded: LoadedModel, spec: RespondSpec, asked: Wanted, one: Encoded, sample: int) -> str:
    """An answer drawn without cache, batch and tree."""
    numbers = random_numbers(spec.seed, spec.draw, asked.prompt, sample).uniform(spec.decoding.max_tokens)
    tokens: list[int] = []
    for number in numbers:
        with torch.inference_mode():
            logits = loaded.model(input_ids=torch.tensor([one.prompt + tokens]), use_cache=False).logits[:, -1]
        [[drawn]] = sampling.draw(logits, spec.decoding, [np.array([number])])
        if drawn.token == loaded.tokenizer.eos_token_id:
            break
        tokens.append(drawn.token)
        text = loaded.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if (before := cut(text, spec.decoding.stop)) is not None:
            return before
    return loaded.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("architecture", CAUSAL.architectures)
def test_every_architecture_answers_and_scores_as_without_a_cache(
    architecture: str, tmp_path: Path, make_spec: MakeSpec
) -> None:
    loaded = loading.load(save_causal(tmp_path, architecture), CAUSAL)
    spec, asked = make_spec(decoding=Decoding(max_tokens=5, stop=())), wanted(4)
    replies = ask(loaded, spec, asked)
    for one, encoded in zip(asked, encode(asked, loaded.tokenizer, chat=True), strict=True):
        reply = replies[one.prompt.number]
        assert [answer.text for answer in reply.answers] == [
            answer_anew(loaded, spec, one, encoded, sample) for sample in one.samples
        ]
        for score, option in zip(reply.scores, encoded.options, strict=True):
            anew = logprobs_anew(loaded, encoded, option)
            assert score.tokens == len(option)
            assert score.logprob_sum == pytest.approx(sum(anew), abs=1e-4)
            assert score.logprob_first == pytest.approx(anew[0], abs=1e-4)


def test_answers_do_not_hang_on_batch_order_and_what_is_left(decoder: LoadedModel, make_spec: MakeSpec) -> None:
    spec, asked = make_spec(decoding=Decoding(max_tokens=6, stop=("e",))), wanted(9)
    together = ask(decoder, spec, asked)
    assert texts(ask(decoder, spec, asked, batch_tokens=1)) == texts(together)
    assert texts(ask(decoder, spec, asked[::-1], batch_tokens=150)) == texts(together)
    some = [one._replace(samples=(2, 0), scores=False) for one in asked[3:5]]
    left = ask(decoder, spec, some)
    assert {prompt: [reply.answers[0], reply.answers[1]] for prompt, reply in left.items()}.keys() == {4, 5}
    assert texts(left) == {prompt: [texts(together)[prompt][place] for place in (0, 2)] for prompt in (4, 5)}


def test_answers_hang_on_seed_draw_and_prompt(decoder: LoadedModel, make_spec: MakeSpec) -> None:
    asked = wanted(3)
    decoding = Decoding(max_tokens=8, stop=())
    first = texts(ask(decoder, make_spec(decoding=decoding), asked))
    assert texts(ask(decoder, make_spec(decoding=decoding, draw=2), asked)) != first
    assert texts(ask(decoder, make_spec(decoding=decoding, seed=2), asked)) != first
    assert len({text for answers in first.values() for text in answers}) > 3
    # the number of a prompt is no part of what it is
    renumbered = [one._replace(prompt=one.prompt._replace(number=one.prompt.number + 7)) for one in asked]
    assert list(texts(ask(decoder, make_spec(decoding=decoding), renumbered)).values()) == list(first.values())


def test_first_tokens_are_as_frequent_as_they_are_likely(decoder: LoadedModel, make_spec: MakeSpec) -> None:
    spec = make_spec(decoding=Decoding(max_tokens=1, stop=(), top_k=12, temperature=0.8))
    [one] = wanted(1, samples=4000, scores=False)
    reply = ask(decoder, spec, [one])[1]
    [encoded] = encode([one], decoder.tokenizer, chat=True)
    with torch.inference_mode():
        logits = decoder.model(input_ids=torch.tensor([encoded.prompt])).logits[0, -1].double() / 0.8
    best = logits.topk(12)
    likely = best.values.softmax(0).numpy()
    logprobs = (logits * 0.8).log_softmax(0)[best.indices].numpy()
    # a token is known by its log-probability, its text may be a part of a character
    found = np.array([answer.logprob for answer in reply.answers])
    is_end = best.indices.numpy() == decoder.tokenizer.eos_token_id
    counts = [int((np.abs(found - value) < 1e-5).sum()) for value in np.where(is_end, 0.0, logprobs)]
    assert sum(counts) == 4000
    assert chisquare(counts, likely * 4000).pvalue > 1e-4


def test_an_answer_ends_before_a_text_to_stop_at(decoder: LoadedModel, make_spec: MakeSpec) -> None:
    asked = wanted(6, samples=6)
    whole = ask(decoder, make_spec(decoding=Decoding(max_tokens=12, stop=())), asked)
    stopped = ask(decoder, make_spec(decoding=Decoding(max_tokens=12, stop=("s", "an"))), asked)
    cuts = 0
    for prompt, reply in whole.items():
        for full, short in zip(reply.answers, stopped[prompt].answers, strict=True):
            before = cut(full.text, ("s", "an"))
            assert short.text == (full.text if before is None else before)
            if before is not None:
                cuts += 1
                assert (short.finish, short.refused) == ("stop", False)
                assert (short.tokens or 0) <= (full.tokens or 0)
                assert short.logprob == pytest.approx(0.0 if not short.text else short.logprob, abs=1e-9)
    assert cuts > 3


def test_the_tokens_of_an_answer_are_those_that_its_text_needs(decoder: LoadedModel, make_spec: MakeSpec) -> None:
    asked = wanted(5, samples=5, scores=False)
    spec = make_spec(decoding=Decoding(max_tokens=10, stop=("e",)))
    for one, encoded in zip(asked, encode(asked, decoder.tokenizer, chat=True), strict=True):
        for answer in ask(decoder, spec, [one])[one.prompt.number].answers:
            tokens = decoder.tokenizer([answer.text], add_special_tokens=False)["input_ids"][0]
            if "\ufffd" in answer.text or len(tokens) != answer.tokens:
                continue  # halves of characters, or the same text in other tokens
            assert answer.logprob == pytest.approx(sum(logprobs_anew(decoder, encoded, tokens)), abs=1e-4)


def test_a_model_ends_where_its_settings_for_generation_say(tmp_path: Path, make_spec: MakeSpec) -> None:
    folder = save_causal(tmp_path / "model")
    before = files.digest(folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    # every token but a few ends the answer
    settings["eos_token_id"] = list(range(3, 300))
    (folder / "generation_config.json").write_text(json.dumps(settings))
    replies = ask(loading.load(folder, CAUSAL), make_spec(decoding=Decoding(max_tokens=5)), wanted(3, scores=False))
    answers = [answer for reply in replies.values() for answer in reply.answers]
    assert {(answer.text, answer.finish, answer.tokens) for answer in answers if answer.text == ""} == {("", "stop", 0)}
    assert sum(answer.text == "" for answer in answers) > 6
    assert files.digest(folder) != before


def test_a_chat_model_is_given_a_turn_by_its_template(decoder: LoadedModel) -> None:
    [one] = wanted(1)
    [chat], [plain] = (encode([one], decoder.tokenizer, chat) for chat in (True, False))
    assert (
        decoder.tokenizer.decode(chat.prompt, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        == f"<|user|>{one.prompt.text}{END}<|assistant|>"
    )
    assert (
        decoder.tokenizer.decode(plain.prompt, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        == one.prompt.text
    )
    decode = decoder.tokenizer.decode
    said = [decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False) for tokens in plain.options]
    assert said == [" agree", " disagree strongly", " é"]


def test_an_option_that_merges_with_the_prompt_has_its_own_tokens(decoder: LoadedModel) -> None:
    tokenizer = decoder.tokenizer
    prompt = Prompt(1, "Q1", 1, "dis\n", ("agree",))
    [encoded] = encode([Wanted(prompt, (), True)], tokenizer, chat=False)
    assert encoded.options == tokenizer(["agree"])["input_ids"]


def test_a_template_that_fails_is_an_error_with_a_hint(decoder_folder: Path) -> None:
    tokenizer = loading.load_tokenizer(decoder_folder)
    tokenizer.chat_template = "{{ raise_exception('no user') }}"
    with pytest.raises(DataError, match="chat template of the model fails: no user") as caught:
        encode(wanted(1), tokenizer, chat=True)
    assert "--no-chat" in caught.value.hint


def test_the_day_in_a_template_is_always_the_same(decoder_folder: Path) -> None:
    tokenizer = loading.load_tokenizer(decoder_folder)
    tokenizer.chat_template = "{{ date_string }}{{ enable_thinking }}"
    [encoded] = encode(wanted(1, scores=False), tokenizer, chat=True)
    text = tokenizer.decode(encoded.prompt, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert text == "26 Jul 2024False"


def test_prompts_that_are_too_long_are_refused_before_any_is_asked(decoder: LoadedModel, make_spec: MakeSpec) -> None:
    long = Wanted(Prompt(9, "Q9", 1, "word " * 600, ()), (0,), False)
    replies: list[Reply] = []
    with pytest.raises(DataError, match=r"1 prompts have up to [\d,]+ tokens with the answer, and the model reads 512"):
        LocalModel(decoder, make_spec(), 64).ask([*wanted(2), long], replies.extend, SILENT)
    assert replies == []


@pytest.mark.real
def test_a_real_chat_model_answers(real_chat_model: Path, make_spec: MakeSpec) -> None:
    loaded = loading.load(real_chat_model, CAUSAL)
    instruction = 'Complete the sentence with one of "Paris" or "Berlin", and answer with that alone.'
    text = f"{instruction}\nThe capital of France is _."
    one = Wanted(Prompt(1, "Q1", 1, text, ("Paris", "Berlin")), tuple(range(4)), True)
    reply = ask(loaded, make_spec(decoding=Decoding(max_tokens=8)), [one])[1]
    paris, berlin = reply.scores
    assert paris.logprob_sum > berlin.logprob_sum + 1
    assert any("Paris" in answer.text for answer in reply.answers)
