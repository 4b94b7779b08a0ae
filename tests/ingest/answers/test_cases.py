"""How answers are read, case by case: a table for every row of what an answer may be."""

import pytest

from mlv.ingest.answers.parsers import LATEST, PARSERS
from mlv.ingest.answers.reading import Answered, Asked, Outcome, Reading

PRESS = Asked(("full", "no"), "en", "I have _ confidence in the press.")
CHOICE = Asked(("agree", "disagree"), "en", "I _ that a city needs parks.")
FAMILY = Asked(("important", "unimportant"), "en", "Family is _ in my life.")
SCALE = Asked(("Very happy", "Rather happy", "Not very happy", "Not at all happy"), "en", shown=(1, 2, 3, 4))
TURNED = SCALE._replace(shown=(4, 3, 2, 1))
TRUST = Asked(("Trust", "Trust not"), "en")
STEPS = Asked(tuple(map(str, range(1, 11))), "en", shown=tuple(range(1, 11)))

UNFINISHED = "As a teacher of small children in a large town by the sea, I"


def read(asked: Asked, text: str, finish: str | None = None) -> Reading:
    return PARSERS[LATEST](asked, Answered(text, finish))


@pytest.mark.parametrize(
    ("asked", "text", "option"),
    [
        pytest.param(CHOICE, "agree", 1, id="the option alone"),
        pytest.param(CHOICE, " Disagree.\n", 2, id="case, space and full stop"),
        pytest.param(CHOICE, "ＡＧＲＥＥ", 1, id="full-width letters"),
        pytest.param(CHOICE, "**Disagree**", 2, id="bold"),
        pytest.param(CHOICE, "```\nagree\n```", 1, id="a code block"),
        pytest.param(CHOICE, "`agree`", 1, id="code"),
        pytest.param(CHOICE, "“disagree”", 2, id="quotation marks"),
        pytest.param(CHOICE, "<answer>disagree</answer>", 2, id="tags"),
        pytest.param(CHOICE, '{"answer": "agree"}', 1, id="JSON"),
        pytest.param(CHOICE, "$\\boxed{\\text{agree}}$", 1, id="a box"),
        pytest.param(CHOICE, "\u200fagree\u200e", 1, id="marks of direction"),
        pytest.param(CHOICE, "<think>I could disagree. Or agree?</think>\n\nagree", 1, id="thought before it"),
        pytest.param(CHOICE, "Should I disagree?</think>agree", 1, id="thought that the prompt began"),
        pytest.param(CHOICE, "[THINK]disagree[/THINK]agree", 1, id="thought in brackets"),
        pytest.param(CHOICE, "Answer: disagree", 2, id="announced"),
        pytest.param(CHOICE, 'The correct answer is "agree".', 1, id="announced and quoted"),
        pytest.param(CHOICE, 'The blank should be filled with the word "disagree".', 2, id="filled with"),
        pytest.param(CHOICE, "I disagree that a city needs parks.", 2, id="the completed sentence"),
        pytest.param(
            CHOICE, "I **disagree** that a city needs parks, since they cost much.", 2, id="with more after it"
        ),
        pytest.param(CHOICE, "I _ that a city needs parks.\n\nagree", 1, id="the sentence and the option"),
        pytest.param(CHOICE, "Agree. Those who disagree have no children.", 1, id="the first sentence decides"),
        pytest.param(CHOICE, "Sure! I agree. Some disagree.", 1, id="a greeting is no sentence"),
        pytest.param(CHOICE, "Do I agree or disagree? My answer: disagree", 2, id="listed, then answered"),
        pytest.param(CHOICE, "I do not disagree but agree.", 1, id="one denied, the other said"),
        pytest.param(CHOICE, "As an AI, I have no opinion, but my answer is: agree.", 1, id="refused, then answered"),
        pytest.param(FAMILY, "unimportant", 2, id="an option within an option"),
        pytest.param(FAMILY, "To me family is unimportant.", 2, id="in running text"),
        pytest.param(PRESS, "no", 2, id="a common word alone"),
        pytest.param(PRESS, "No. It is biased.", 2, id="a common word at the beginning"),
        pytest.param(PRESS, "I have no confidence in the press.", 2, id="a common word in the completed sentence"),
        pytest.param(PRESS, "I have full confidence in", 1, id="in the completed sentence, cut off"),
        pytest.param(PRESS, "no confidence in the press", 2, id="from the gap on"),
        pytest.param(PRESS, 'I would put "no" there.', 2, id="a common word quoted"),
        pytest.param(PRESS, "The answer is no.", 2, id="a common word announced"),
        pytest.param(SCALE, "2", 2, id="a number"),
        pytest.param(SCALE, "(3)", 3, id="a number in brackets"),
        pytest.param(SCALE, "(3", 3, id="a bracket that was cut off"),
        pytest.param(SCALE, "2) Rather", 2, id="a number and the beginning of the option"),
        pytest.param(SCALE, "2. Rather happy. I am not at all unhappy.", 2, id="a number and the option"),
        pytest.param(SCALE, "**4**", 4, id="a bold number"),
        pytest.param(SCALE, "2️⃣", 2, id="a number in a key cap"),
        pytest.param(SCALE, "②", 2, id="a number in a circle"),
        pytest.param(SCALE, "٣", 3, id="Arabic digits"),
        pytest.param(SCALE, "۳", 3, id="Persian digits"),
        pytest.param(SCALE, "২", 2, id="Bengali digits"),
        pytest.param(SCALE, "３", 3, id="full-width digits"),
        pytest.param(SCALE, "As a man of 42 years, I would choose option 3, since 2 is too much.", 3, id="option 3"),
        pytest.param(SCALE, "Life is good these days. (2)", 2, id="a number at the end"),
        pytest.param(SCALE, "My answer is (2) moderately happy.", 2, id="a number and other words"),
        pytest.param(SCALE, "I would not say that I am very happy (3)", 3, id="a number after what is denied"),
        pytest.param(SCALE, "Not very happy", 3, id="an option in an option that is another"),
        pytest.param(SCALE, "I'd choose option (2) over option (3).", 2, id="preferred to another"),
        pytest.param(SCALE, "I do not choose option 1 but option 2.", 2, id="a number that is denied"),
        pytest.param(TURNED, "2.", 3, id="a number in the order shown"),
        pytest.param(TURNED, "Rather happy", 2, id="an option in the order shown"),
        pytest.param(TURNED, "(1) Not at all happy", 4, id="number and option in the order shown"),
        pytest.param(STEPS, "7", 7, id="a step"),
        pytest.param(STEPS, "10", 10, id="a step of two digits"),
        pytest.param(STEPS, "7/10", 7, id="a step of ten"),
        pytest.param(SCALE, "Rath", 2, id="the beginning of one option"),
        pytest.param(SCALE, "My answer is: Not at", 4, id="the beginning of one option, announced"),
    ],
)
def test_an_answer_names_one_option(asked: Asked, text: str, option: int) -> None:
    assert read(asked, text) == Reading("answer", option)


@pytest.mark.parametrize(
    ("asked", "text", "outcome"),
    [
        pytest.param(CHOICE, "", "empty", id="nothing"),
        pytest.param(CHOICE, " \n\t\u200b", "empty", id="white space"),
        pytest.param(CHOICE, "... !? **", "empty", id="punctuation"),
        pytest.param(CHOICE, "As an AI language model, I do not have personal opinions.", "refusal", id="as an AI"),
        pytest.param(CHOICE, "I'm sorry, but I can't say whether I agree or disagree.", "refusal", id="sorry"),
        pytest.param(CHOICE, "I cannot answer: people agree on this.", "refusal", id="refused beside an option"),
        pytest.param(CHOICE, "Parks are green.", "none", id="another subject"),
        pytest.param(CHOICE, "I concur.", "none", id="other words"),
        pytest.param(CHOICE, "einverstanden", "none", id="another language"),
        pytest.param(CHOICE, "I do not agree.", "none", id="denied"),
        pytest.param(CHOICE, "Hardly anyone would agree", "none", id="denied, without not"),
        pytest.param(CHOICE, "I _ that a city needs parks.", "none", id="the sentence with its gap"),
        pytest.param(CHOICE, "2", "none", id="a number that the form does not show"),
        pytest.param(PRESS, "There is no blank in the sentence.", "none", id="a common word by chance"),
        pytest.param(PRESS, "The answer is no secret to me.", "none", id="a common word after an announcement"),
        pytest.param(PRESS, "No, there is a full list below.", "none", id="two common words by chance"),
        pytest.param(PRESS, "No-one reads it.", "none", id="a part of a word"),
        pytest.param(SCALE, "5", "none", id="off the scale"),
        pytest.param(SCALE, "(0)", "none", id="zero"),
        pytest.param(SCALE, "B", "none", id="a letter"),
        pytest.param(SCALE, "3 years ago I moved.", "none", id="a number of something"),
        pytest.param(SCALE, "In 2 of 3 cases I am", "none", id="numbers in running text"),
        pytest.param(SCALE, "2.5", "none", id="between two steps"),
        pytest.param(SCALE, "3% of people", "none", id="a share"),
        pytest.param(SCALE, "Not", "none", id="a beginning without meaning"),
        pytest.param(CHOICE, "agree or disagree", "both", id="both listed"),
        pytest.param(CHOICE, 'I am not one to "agree" or "disagree".', "both", id="both listed and denied"),
        pytest.param(CHOICE, "I neither agree nor disagree.", "both", id="neither"),
        pytest.param(CHOICE, "Agree/Disagree", "both", id="both beside each other"),
        pytest.param(CHOICE, "I agree and I disagree.", "both", id="both in a sentence"),
        pytest.param(CHOICE, "It depends on many things. Some agree. Others disagree.", "both", id="both later"),
        pytest.param(CHOICE, "Both agree and disagree fit. People agree on much.", "both", id="listed and in passing"),
        pytest.param(SCALE, "1. Very happy\n2. Rather happy\n3. Not very happy", "both", id="the options again"),
        pytest.param(SCALE, "(2) Very happy", "both", id="number and option differ"),
        pytest.param(SCALE, "1\n2", "both", id="two numbers"),
        pytest.param(CHOICE, "Answer:", "truncated", id="announced, and no answer"),
        pytest.param(SCALE, "I would choose option (", "truncated", id="a number is announced, and none there"),
        pytest.param(CHOICE, UNFINISHED, "truncated", id="amid a sentence"),
    ],
)  # fmt: skip
def test_an_answer_names_none(asked: Asked, text: str, outcome: Outcome) -> None:
    assert read(asked, text) == Reading(outcome)


@pytest.mark.parametrize(
    ("asked", "text", "finish", "reading"),
    [
        pytest.param(CHOICE, "", "length", Reading("truncated"), id="cut off before a word"),
        pytest.param(CHOICE, "I think", "length", Reading("truncated"), id="cut off after few words"),
        pytest.param(CHOICE, "I think", "stop", Reading("none"), id="ended after few words"),
        pytest.param(CHOICE, UNFINISHED, "stop", Reading("none"), id="ended amid a sentence"),
        pytest.param(CHOICE, "<think>I agree with", "length", Reading("truncated"), id="cut off in thought"),
        pytest.param(CHOICE, "<think>I agree with", "stop", Reading("truncated"), id="ended in thought"),
        pytest.param(CHOICE, "disag", "length", Reading("answer", 2), id="an option that was cut off"),
        pytest.param(CHOICE, "disag", "stop", Reading("none"), id="a word that looks like one"),
        pytest.param(SCALE, "Not", "length", Reading("truncated"), id="the beginning of two options"),
        pytest.param(TRUST, "Trust", "length", Reading("truncated"), id="an option that may go on"),
        pytest.param(TRUST, "Trust", "stop", Reading("answer", 1), id="an option that does not"),
        pytest.param(STEPS, "1", "length", Reading("truncated"), id="a number that may go on"),
        pytest.param(STEPS, "1", "stop", Reading("answer", 1), id="a number that does not"),
        pytest.param(CHOICE, "agree", "content_filter", Reading("filtered"), id="kept back"),
    ],
)  # fmt: skip
def test_why_an_answer_ended_counts(asked: Asked, text: str, finish: str, reading: Reading) -> None:
    assert read(asked, text, finish) == reading


def test_a_refusal_that_the_service_tells_counts_whatever_the_text_is() -> None:
    assert PARSERS[LATEST](CHOICE, Answered("agree", "stop", refused=True)) == Reading("refusal")


def test_english_options_count_where_they_are_given() -> None:
    asked = Asked(("einverstanden", "nicht einverstanden"), "de", "Ich bin _ mit Parks.")
    assert read(asked, "Answer: disagree") == Reading("none")
    assert read(asked._replace(english=("agree", "disagree")), "Answer: disagree") == Reading("answer", 2)


def test_an_option_that_the_sentence_has_anyway_is_not_found_in_it() -> None:
    asked = Asked(("better", "worse"), "en", "Schools are _ than a better road.")
    assert read(asked, "A better road is built.") == Reading("none")
    assert read(asked, "Schools are worse than a better road.") == Reading("answer", 2)


def test_a_text_that_two_options_share_tells_neither() -> None:
    assert read(Asked(("same", "Same"), "en"), "same") == Reading("none")


@pytest.mark.parametrize(
    ("asked", "text", "option"),
    [
        pytest.param(Asked(("setuju", "tidak bersetuju"), "ms", "Saya ber_ dengan itu"), "bersetuju", 1, id="prefix"),
        pytest.param(Asked(("aktiv", "inaktiv"), "de", "Ich bin _es Mitglied."), "inaktives", 2, id="suffix"),
        pytest.param(Asked(("aktiv", "inaktiv"), "de", "Ich bin _es Mitglied."), "inaktiv", 2, id="without the suffix"),
        pytest.param(Asked(("önemli", "önemsiz"), "tr", "Aile _dir"), "Aile ÖNEMSİZDİR!", 2, id="Turkish capitals"),
        pytest.param(Asked(("katılıyorum", "karşıyım"), "tr"), "KATILIYORUM", 1, id="dotless i"),
        pytest.param(Asked(("συμφωνώ", "διαφωνώ"), "el"), "ΔΙΑΦΩΝΩ", 2, id="Greek capitals have no accents"),
        pytest.param(Asked(("đồng ý", "không đồng ý"), "vi"), "Tôi không đồng ý với điều đó.", 2, id="Vietnamese"),
        pytest.param(Asked(("hoà", "hỏa"), "vi"), "hòa".replace("òa", "oà"), 1, id="accents of Vietnamese"),
        pytest.param(Asked(("موافق", "مخالف"), "fa"), "پاسخ: «موافق»", 1, id="Persian"),
        pytest.param(Asked(("كثيراً", "قليلاً"), "ar"), "كثيرًا.", 1, id="Arabic vowel signs"),
        pytest.param(Asked(("الحرية", "الأمن"), "ar"), "أختار الامن لأنه أهم", 2, id="Arabic hamza"),
        pytest.param(Asked(("الحرية", "الأمن"), "ar"), "حرية", 1, id="Arabic article"),
        pytest.param(Asked(("یکم", "کبھی نہیں"), "ur"), "جواب: كبهي نهيں", 2, id="Arabic letters in Urdu"),
        pytest.param(Asked(("слажем се", "не слажем се"), "sr"), "Ne slažem se.", 2, id="Serbian in Latin"),
        pytest.param(Asked(("동의합니다.", "동의하지 않는다"), "ko"), "동의하지 않습니다.", 2, id="Korean politeness"),
        pytest.param(Asked(("同意", "不同意"), "zh"), "我不同意这个说法。", 2, id="Chinese without spaces"),
        pytest.param(Asked(("重要", "無関係"), "ja"), "答えは「重要」です。", 1, id="Japanese without spaces"),
        pytest.param(Asked(("important", "unimportant"), "xx"), "My answer is: important", 1, id="no word lists"),
        pytest.param(Asked(("sim", "não"), "pt-BR"), "não", 2, id="a language in a country"),
    ],
)
def test_a_language_is_read_as_it_is_written(asked: Asked, text: str, option: int) -> None:
    assert read(asked, text) == Reading("answer", option)
