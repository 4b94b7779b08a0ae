"""Similarity and choice over the 237 questions of the study, in its languages and English."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sacrebleu.metrics import CHRF

from mlv.ingest.prompts.choosing import Question, choose
from mlv.ingest.prompts.chrf import chrf_matrix
from mlv.ingest.prompts.forms import gapped, packaged_form, render
from mlv.ingest.readers.probes import MASK, ReadProbe, read_archive
from mlv.ingest.reference.questions import category_of, number_of
from mlv.schema.papers.echoes import ECHOES_EXCLUDED_QUESTIONS, ECHOES_QUESTIONS

pytestmark = pytest.mark.real

COMPARED = slice(0, None, 20)
"""Every twentieth question is compared with sacrebleu, which takes a millisecond a pair."""


@pytest.fixture(scope="module")
def probes(real_data: Path) -> dict[str, list[ReadProbe]]:
    """The probes of ``echoes-2024`` by language, in the order of their files, which is that of questions."""
    paths = [real_data / "probes" / "arora_probes.zip", real_data / "selfalign" / "en.csv"]
    return {
        file.language: [probe for probe in file.probes if _in_study(probe.question)]
        for path in paths
        for file in read_archive(path)
        if file.language
    }


@pytest.fixture(scope="module")
def questions(probes: dict[str, list[ReadProbe]]) -> dict[str, list[Question]]:
    return {
        language: [Question(probe.question, _category(probe.question), gapped(probe.template)) for probe in asked]
        for language, asked in probes.items()
    }


def _category(question: str) -> str:
    number = number_of(question)
    found = None if number is None else category_of(number)
    return found.code if found and found.in_study else ""


def _in_study(question: str) -> bool:
    return bool(_category(question)) and question not in ECHOES_EXCLUDED_QUESTIONS


def _shown(questions: list[Question]) -> pl.DataFrame:
    return choose("chrf", questions, {question.code for question in questions})


@pytest.mark.parametrize("language", ["en", "ko", "fa"])
def test_choices_are_those_of_sacrebleu(questions: dict[str, list[Question]], language: str) -> None:
    asked, metric = questions[language], CHRF(word_order=2)
    texts = [question.text for question in asked]
    expected = np.array([[metric.sentence_score(one, [text]).score for text in texts[COMPARED]] for one in texts])
    np.testing.assert_array_equal(chrf_matrix(texts)[:, COMPARED], expected)
    chosen = _shown(asked)
    for place, question in enumerate(asked[COMPARED]):
        best = [other for other in np.argsort(-expected[:, place], kind="stable") if asked[other] != question][:5]
        assert chosen.filter(question=question.code)["demonstration"].to_list() == [asked[other].code for other in best]


def test_most_demonstrations_are_of_the_question_s_category(questions: dict[str, list[Question]]) -> None:
    shares = {}
    for language, asked in questions.items():
        assert len(asked) == ECHOES_QUESTIONS
        chosen, category = _shown(asked), {question.code: question.category for question in asked}
        assert len(chosen) == 5 * ECHOES_QUESTIONS
        pairs = chosen.select("question", "demonstration").iter_rows()
        shares[language] = sum(category[one] == category[other] for one, other in pairs) / len(chosen)
        best = dict(chosen.filter(rank=1).select("question", "demonstration").iter_rows())
        assert (best["149"], best["150"]) == ("150", "149")
    assert len(shares) == 14
    assert {language: round(shares[language], 2) for language in ("de", "ko", "en")} == {
        "de": 0.77, "ko": 0.76, "en": 0.78
    }  # fmt: skip
    assert round(sum(shares.values()) / 14, 2) == 0.77


def test_every_probe_can_be_asked(probes: dict[str, list[ReadProbe]]) -> None:
    for language, asked in probes.items():
        for probe in asked:
            options = (probe.answer_first, probe.answer_second)
            for code in ("gap", "numbered", "gap-english"):
                *instruction, empty, question, _ = render(packaged_form(code, language), probe.template, options).split(
                    "\n"
                )
                assert empty == ""
                assert all(option in "\n".join(instruction) for option in options)
                assert question.replace("_", MASK, 1) == probe.template
