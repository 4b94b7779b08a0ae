"""Forms of prompts: those that come with mlv in all languages, files of a user's own, and what a prompt looks like."""

import re
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest

from mlv.ingest.prompts.forms import Form, completed, gapped, packaged, packaged_form, render
from mlv.schema.errors import DataError, NotFoundError, UsageError

LANGUAGES = ["bn", "de", "el", "en", "fa", "id", "ko", "ms", "ro", "sr", "tl", "tr", "ur", "vi"]
SCRIPTS = {"bn": "BENGALI", "el": "GREEK", "fa": "ARABIC", "ko": "HANGUL", "sr": "CYRILLIC", "ur": "ARABIC"}

FORM = """
code = "own"
language = "de"
instruction = 'Wähle {options}, als {"answer": ...}.'
option = "„{option}“"
between = ", "
before_last = " oder "
cue = "Antwort:"
"""


def own(old: str = "", new: str = "") -> Form:
    return Form.parse("own.toml", FORM.replace(old, new))


def test_every_language_has_its_forms() -> None:
    by_code: dict[str, list[str]] = {}
    for form in packaged():
        by_code.setdefault(form.code, []).append(form.language)
    assert by_code == {"explained": ["en"], "gap": LANGUAGES, "gap-english": [""], "numbered": LANGUAGES}
    assert {form.origin for form in packaged()} == {"mlv"}
    assert [form.numbered for form in packaged()] == [form.code == "numbered" for form in packaged()]


def test_files_are_named_by_what_they_say() -> None:
    names = {file.name for file in files("mlv.ingest.prompts").joinpath("wordings").iterdir()}
    assert names == {".".join(filter(None, (form.code, form.language, "toml"))) for form in packaged()}


@pytest.mark.parametrize("form", packaged(), ids=lambda form: f"{form.code}-{form.language}")
def test_words_are_in_the_script_of_their_language(form: Form) -> None:
    texts = [form.instruction, form.option, form.between, form.before_last, form.cue]
    words = re.sub(r"\{\w+\}", "", "".join(texts))
    scripts = {unicodedata.name(letter).split()[0] for letter in words if letter.isalpha()}
    assert scripts == {SCRIPTS.get(form.language, "LATIN")}
    assert unicodedata.is_normalized("NFC", words)
    # marks of the direction of writing, Arabic letters for Persian ones, cedillas for Romanian commas
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u0643\u064a\u015e\u015f\u0162\u0163]", words) or (
        form.language == "tr"
    )


@pytest.mark.parametrize("form", packaged(), ids=lambda form: f"{form.code}-{form.language}")
@pytest.mark.parametrize("count", [2, 3])
def test_a_prompt_has_instruction_demonstrations_question_and_cue(form: Form, count: int) -> None:
    options, shown = ["مهم", "wichtig", "중요"][:count], ["এক।", "دو.", "{cue}"]
    lines = render(form, "ber[MASK], {sentence}", options, shown).split("\n")
    assert lines[-6:] == ["", *shown, "ber_, {sentence}", form.cue]
    alone = render(form, "ber[MASK], {sentence}", options).split("\n")
    assert alone == [*lines[:-5], *lines[-2:]]
    assert alone.count("") == 1
    instruction = "\n".join(alone[:-3])
    places = [instruction.index(option) for option in options]
    assert places == sorted(places)
    assert "(_)" in instruction
    assert re.findall(r"\w+(?=\. )", instruction)[: len(places)] == [*form.digits[1 : count + 1]] or not form.numbered


def test_the_first_example_of_table_8_2() -> None:
    sentence = "I have [MASK] confidence in the {}."
    told = [("press", "no"), ("banks", "no"), ("courts", "complete"), ("police", "complete"), ("parliament", "no")]
    shown = [completed(sentence.format(of), answer) for of, answer in told]
    prompt = render(packaged_form("gap", "en"), sentence.format("government"), ("complete", "no"), shown)
    assert prompt == (
        "Fill in the gap (_) in the sentence with one of these options: “complete” or “no”. "
        "Answer with the chosen option only.\n\n"
        "I have no confidence in the press.\nI have no confidence in the banks.\n"
        "I have complete confidence in the courts.\nI have complete confidence in the police.\n"
        "I have no confidence in the parliament.\n"
        "I have _ confidence in the government.\nAnswer:"
    )


def test_options_as_each_language_writes_them() -> None:
    def first_line(code: str, language: str, options: tuple[str, ...]) -> str:
        return render(packaged_form(code, language), "[MASK]", options).partition("\n\n")[0]

    assert "„wichtig“, „egal“ oder „unwichtig“. " in first_line("gap", "de", ("wichtig", "egal", "unwichtig"))
    assert ": «مهم» یا «بی اهمیت». " in first_line("gap", "fa", ("مهم", "بی اهمیت"))
    assert "“اہم”، “عام” یا “غیر اہم”۔ " in first_line("gap", "ur", ("اہم", "عام", "غیر اہم"))
    assert ":\n۱. مهم\n۲. بی اهمیت\n" in first_line("numbered", "fa", ("مهم", "بی اهمیت"))
    assert "\n১০. j\n" in first_line("numbered", "bn", tuple("abcdefghij"))
    assert ":\n1. wichtig\n2. unwichtig\n" in first_line("numbered", "de", ("wichtig", "unwichtig"))


def test_letters_around_the_gap_stay() -> None:
    assert gapped("Aile benim hayatımda [MASK]dir") == "Aile benim hayatımda _dir"
    assert gapped("Saya ber[MASK] bahawa") == "Saya ber_ bahawa"
    assert completed("Ich bin [MASK]es Mitglied", "aktiv") == "Ich bin aktives Mitglied"


def test_lines_without_content_are_left_out() -> None:
    layout = r"{instruction}\nBeispiele: {demonstrations}\n\n>\nF: {question}\n{cue}"
    form = own('cue = "Antwort:"', f'layout = "{layout}"')
    said = 'Wähle „a“ oder „b“, als {"answer": ...}.'
    assert render(form, "[MASK]!", "ab") == f"{said}\n\n>\nF: _!"
    assert render(form, "[MASK]!", "ab", ["x!", "y!"]) == f"{said}\nBeispiele: x!\ny!\n\n>\nF: _!"


def test_a_form_for_any_language_becomes_one_of_a_language() -> None:
    form = packaged_form("gap-english", "sw")
    (packaged_one,) = (one for one in packaged() if one.code == "gap-english")
    assert (form.code, form.language) == ("gap-english", "sw")
    assert len({packaged_one.sha256, form.sha256, packaged_one.for_language("ko").sha256}) == 3
    assert own().for_language("de") == own()
    with pytest.raises(UsageError, match="own is for questions in de, not in sw") as caught:
        own().for_language("sw")
    assert "gap-english" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "language", "said"),
    [
        ("gap", "sw", "there is gap-english. gap is there for bn, de, el,"),
        ("explained", "de", "there is gap, gap-english, numbered. explained is there for en."),
        ("none", "en", "there is explained, gap, gap-english, numbered."),
    ],
)
def test_a_form_that_is_not_there(code: str, language: str, said: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        packaged_form(code, language)
    assert f"no form {code} for questions in {language}; {said}" in caught.value.message
    assert "gap-english" in caught.value.hint
    assert "docs/prompts.md" in caught.value.hint


def test_a_form_is_known_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(f"# a remark\n{FORM}", encoding="utf-8")
    assert Form.read(tmp_path / "own.toml").sha256 == own().sha256
    changed = [own(old, new).sha256 for old, new in [("Wähle", "Wähl"), ("„", "»"), ("Antwort:", "A:"), ("own", "o")]]
    assert len({own().sha256, *changed}) == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{options}", "etwas", "instruction: {options} is missing"),
        ("{options}", "{options} {options}", "instruction: {options} stands there twice"),
        ("{options}", "{options} {optoins}", "instruction: {optoins} is no placeholder here. Known here: {options}"),
        ("{option}", "{number}", "option: {option} is missing"),
        ("{option}", "{number} {number} {option}", "option: {number} stands there twice"),
        ('", "', '"{option}"', "between: {option} is no placeholder here. Known here: none"),
        ('"Antwort:"', '"{sentence}"', "cue: {sentence} is no placeholder here"),
        ("cue", 'question = "F: "\ncue', "question: {sentence} is missing"),
        ("cue", 'demonstration = "{sentence}"\ncue', "demonstration: {completed} is missing"),
        ("cue", 'layout = "{instruction}{question}{cue}"\ncue', "layout: {demonstrations} is missing"),
        ("cue", 'digits = "012"\ncue', "digits: String should have at least 10 characters"),
        ("cue", "numbered = true\ncue", "numbered: there is no such key"),
        ('"own"', '"My form"', "code: String should match pattern"),
        ('"de"', '"deu"', "language: 'deu' is not the code that mlv uses: write 'de'"),
        ('"de"', '"xx"', "language: There is no language 'xx'."),
        ('before_last = " oder "', "", "before_last: it is missing. Add it."),
        ('"own"', "own", "is not valid TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        own(old, new)
    assert message in caught.value.message


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Form.parse("own.toml", FORM.replace("{option", "{o").replace('"de"', '"xx"'))
    assert caught.value.message.count("\n  - ") == 5


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no form of prompts") as caught:
        Form.read(tmp_path / "own.toml")
    assert "docs/prompts.md" in caught.value.hint
