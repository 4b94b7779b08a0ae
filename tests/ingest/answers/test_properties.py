"""What holds of every answer: it is read, soon, and by the texts of the options and not by their order."""

from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlv.ingest.answers.parsers import LATEST, PARSERS
from mlv.ingest.answers.reading import Answered, Asked, Reading
from mlv.ingest.answers.v1.vocabulary import languages
from mlv.ingest.readers.probes import read_archive

ASKED = Asked(("agree", "do not agree", "a a a b"), "en", "I _ that a a a b is _.", (2, 1, 3), ("agree", "no", "yes"))
"""A question with options within options and within the sentence."""

STUDY = ("en", "de", "ro", "el", "ur", "fa", "tl", "id", "ms", "bn", "sr", "tr", "vi", "ko")

PIECES = st.lists(
    st.sampled_from(
        [
            *("agree", "do not agree", "not", "a", "the answer is", "I'm sorry, but I", "1", "2.", "(3)", "or"),
            *('"', "\n", ".", ",", "_", "<think>", "</think>", "\u0301", "&#9;", "لا"),
        ]
    )
)
FINISHES = st.sampled_from([None, "stop", "length", "content_filter", "else"])


def read(asked: Asked, text: str, finish: str | None = None) -> Reading:
    return PARSERS[LATEST](asked, Answered(text, finish))


@given(
    text=st.text() | PIECES.map("".join),
    finish=FINISHES,
    language=st.sampled_from([*sorted(languages()), "", "xx"]),
)
def test_every_text_is_read(text: str, finish: str | None, language: str) -> None:
    reading = read(ASKED._replace(language=language), text, finish)
    assert (reading.answer is not None) == (reading.outcome == "answer")
    assert reading.answer in {None, 1, 2, 3}


@given(options=st.lists(st.text(), min_size=2, max_size=5), sentence=st.text() | st.just("It is _."), text=st.text())
def test_every_question_can_be_asked(options: list[str], sentence: str, text: str) -> None:
    reading = read(Asked(tuple(options), "en", sentence), f"{text} {options[0]}")
    assert reading.answer is None or 1 <= reading.answer <= len(options)


@given(text=PIECES.map(" ".join), finish=FINISHES)
def test_the_order_of_options_changes_no_answer(text: str, finish: str | None) -> None:
    turned = ASKED._replace(options=ASKED.options[::-1], shown=(2, 3, 1), english=ASKED.english[::-1])
    reading, other = read(ASKED, text, finish), read(turned, text, finish)
    assert other == reading._replace(answer=reading.answer and 4 - reading.answer)


@pytest.mark.parametrize(
    "piece",
    [
        *("a ", "agree ", "agree. ", "not ", "a a a ", "the answer is ", '"agree" ', "option ", "(1) ", "1\n", "9"),
        *("\n", " ", "<think>", "</think>", "<", "&#", "&a", "\u0301", "a\u0301\u0323", "\u3042"),
    ],
)
@pytest.mark.parametrize("language", ["en", "vi"])
def test_eight_times_the_text_takes_about_eight_times_as_long(piece: str, language: str) -> None:
    short, long = (piece * (characters // len(piece)) for characters in (2**13, 2**16))
    asked = ASKED._replace(language=language)
    assert _seconds(asked, long) < 24 * max(_seconds(asked, short), 0.002)


def _seconds(asked: Asked, text: str) -> float:
    """What the processor took to read a text, at best."""
    taken = []
    for _ in range(3):
        start = process_time()
        read(asked, text)
        taken.append(process_time() - start)
    return min(taken)


def test_the_languages_of_the_study_have_word_lists() -> None:
    assert languages() >= set(STUDY)


@pytest.mark.real
@pytest.mark.parametrize("said", ["{}.", 'The answer is "{}".', "<think>{other} or not?</think>\n{}", "{sentence}"])
def test_the_label_of_a_real_probe_is_its_answer(real_data: Path, said: str) -> None:
    files = [
        *read_archive(real_data / "probes" / "arora_probes.zip"),
        *read_archive(real_data / "selfalign" / "en.csv", "en"),
    ]
    wrong = []
    for file in files:
        for probe in file.probes:
            options = (probe.answer_first, probe.answer_second)
            asked = Asked(options, file.language, probe.template.replace("[MASK]", "_"))
            for number, option in enumerate(options, 1) if all(options) else ():
                text = said.format(option, other=options[0], sentence=asked.sentence.replace("_", option))
                if read(asked, text, "stop") != Reading("answer", number):
                    wrong.append((file.language, probe.question, text))
    assert wrong == []
