"""Sentences of English news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlv.ingest.readers.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["It rained.", "It stopped.", "Why?", "Nobody knows!", "So…", "We left."],
        ["Mr. Trump met Sen. John McCain and Dr. J. K. Lee on Jan. 5.", "They talked."],
        ["The U.S. Senate voted at 3 p.m. Eastern time.", "It failed."],
        ["He lives in the U.S.", "The law is clear there."],
        ["Growth was 3.5 percent, or $1.2 billion.", "Shares of Apple Inc. rose 2.25 percent.", "Others fell."],
        ["“We won!” he said.", "“Really?” asked Ms. Lee.", "(He smiled.)", '"Yes."'],
        ["WASHINGTON (Reuters) - Ford Motor Co. said on Tuesday it would close.", "Its head said no.", "Then it did."],
        ["It is No. 5 on the list.", "No. 1 is Fig. 2."],
        ["George W. Bush of J.P. Morgan spoke.", "So did I.", "We left."],
        ["Roe v. Wade stands, e.g. in Texas, i.e. nowhere.", "42 people came."],
        ["no capital letter. then nothing ends"],
    ],
)
def test_joined_sentences_are_split_again(sentences: list[str]) -> None:
    assert list(split_sentences(" ".join(sentences))) == sentences


def test_a_line_break_ends_a_sentence() -> None:
    assert list(split_sentences("A headline\n\n  The text. It goes on\n")) == ["A headline", "The text.", "It goes on"]


@given(st.text(alphabet=" \nabAB.!?”\"'()0123U.S,-"))
def test_nothing_is_lost_but_white_space(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
    assert all(sentence.strip() == sentence != "" for sentence in split_sentences(text))
