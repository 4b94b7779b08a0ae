"""Codebooks: their faults, all named together; what stands for what; and the packaged one."""

from pathlib import Path

import pytest

from mlv.ingest.reference.codebook import Codebook, folded, plain, wvs7
from mlv.schema.errors import DataError, NotFoundError

SMALL = """
name = "ours"
country_columns = ["land"]
[missing]
-1 = "don't know"
9 = "no answer"
[countries]
1 = "DE"
East = "Germany"
[variables.Trust]
text = "Can most people be “trusted”?"
questions.57 = {first = [1], second = [2]}
labels.1 = "Yes"
labels.2 = "No"
[variables.scale]
questions.106a = {first = [6, 7, 8, 9, 10], second = [1, 2, 3, 4, 5]}
questions.106b = {first = [1, 2, 3, 4, 5], second = [6, 7, 8, 9, 10]}
missing = [11]
labels.11 = "other"
[variables.age]
labels.1 = "young"
"""


def _sides(book: Codebook) -> dict[tuple[str, int], str]:
    return {(question, code): side for question, _, code, side, _ in book.sides.iter_rows()}


def test_sides_and_a_missing_code_of_the_study_that_a_variable_has_a_side_for() -> None:
    sides = _sides(Codebook.parse("x.toml", SMALL))
    assert {code: side for (question, code), side in sides.items() if question == "57"} == {
        1: "first",
        2: "second",
        -1: "missing",
        9: "missing",
    }
    assert (sides["106a", 9], sides["106b", 9], sides["106a", 11], sides["106a", -1]) == (
        "first",
        "second",
        "missing",
        "missing",
    )


def test_what_files_call_variables_answers_and_countries() -> None:
    book = Codebook.parse("x.toml", SMALL)
    assert [*book.asked] == ["Trust", "scale"]
    names = {"TRUST": "Trust", "57": "Trust", "106": "scale", "Scale": "scale"}
    assert {said: book.variables_by_name.get(folded(said)) for said in names} == names
    assert folded("106a") not in book.variables_by_name and "age" not in book.variables_by_name
    assert book.codes_by_label["Trust", plain(" YES. ")] == 1
    assert book.codes_by_label["scale", plain("Don’t know")] == -1
    assert book.variables_by_text[plain("can most people be 'trusted'".replace("'", '"'))] == "Trust"
    assert [book.country_of(said) for said in ("1", "1.0", "East", "FRA", "Atlantis")] == ["DE", "DE", "DE", "FR", None]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('country_columns = ["land"]', "", "name either country_columns"),
        ('country_columns = ["land"]', 'country_columns = ["land"]\ncountry = "DE"', "name either country_columns"),
        ('East = "Germany"', 'East = "Atlantis"', "countries.East: 'Atlantis' is not a country"),
        ("second = [2]}", "second = [1]}", "variables.Trust.questions.57: 1 stands twice"),
        ("second = [2]}", "second = []}", "variables.Trust.questions.57: second has no code"),
        (
            'labels.2 = "No"',
            'labels.2 = "No"\nlabels.3 = "?"',
            "variables.Trust.questions.57: 3 is neither in first nor",
        ),
        ("questions.57", "questions.106a", "variables.scale: question 106a is asked by Trust, too"),
        ("[variables.age]", "[variables.trust]", "variables: Trust, trust differ in capitals alone"),
        ('name = "ours"', 'name = ""', "name: "),
        ("first = [1]", 'first = ["one"]', "variables.Trust.questions.57.first #1: "),
        (
            "missing = [11]",
            "misssing = [11]",
            "variables.scale.misssing: there is no such key. Known here: text, questions",
        ),
        ('name = "ours"', 'name = "ours"\ninverted.columns = "("', "inverted.columns: not a regular expression"),
        ('name = "ours"', 'name = "ours"\ninverted.mostly_first = ["1"]', "inverted.mostly_first: no variable asks 1"),
        ('name = "ours"', "name = ours", "is not valid TOML"),
    ],
)
def test_a_fault_is_named_with_its_place(old: str, new: str, problem: str) -> None:
    assert old in SMALL
    with pytest.raises(DataError) as caught:
        Codebook.parse("x.toml", SMALL.replace(old, new, 1))
    assert problem in caught.value.message


def test_all_faults_are_named_together_and_one_without_questions_says_what_to_do() -> None:
    with pytest.raises(DataError) as caught:
        Codebook.parse("x.toml", SMALL.replace("second = [2]}", "second = []}").replace('"Germany"', '"Atlantis"'))
    assert caught.value.message.count("\n  - ") == 3
    with pytest.raises(DataError, match="none of them has a question"):
        Codebook.parse("x.toml", 'name = "x"\ncountry = "DE"\n[variables.a]\nlabels.1 = "yes"\n')


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no codebook .*absent\.toml") as caught:
        Codebook.read(tmp_path / "absent.toml")
    assert "mlv ingest codebook --template" in caught.value.hint
    (tmp_path / "x.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(DataError, match="not text in UTF-8"):
        Codebook.read(tmp_path / "x.toml")


def test_comments_do_not_change_the_digest_and_the_content_says_all() -> None:
    book = Codebook.parse("x.toml", SMALL)
    assert Codebook.parse("y.toml", f"# more\n{SMALL}").sha256 == book.sha256
    assert Codebook.parse("y.toml", SMALL.replace('"Yes"', '"yes"')).sha256 != book.sha256
    assert Codebook.model_validate_json(book.content) == book


def test_the_packaged_codebook_shows_how_the_inverted_release_is_told() -> None:
    book = wvs7()
    assert book.name == "wvs7" and len(book.asked) == len(book.variables) == 251
    assert {*book.inverted.mostly_first} <= {*book.sides["question"]}
    assert book.variables_by_name["106"] == "Q106" and "106a" not in book.variables_by_name
