"""Reading probe files: every quirk of the published archive, one by one, on small files; then the archive itself."""

import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mlv.ingest.readers.probes import ReadProbe, ReadProbes, read_archive
from mlv.schema.errors import DataError, NotFoundError, UsageError
from mlv.schema.papers.echoes import TEST_LANGUAGES

HEADER = "\t0\t1\t2\t3"
GOOD = "0\t1\tFamilie ist [MASK]\twichtig\tunwichtig"


def _read(folder: Path, *rows: str, name: str = "de.csv", end: str = "\n") -> ReadProbes:
    """Write rows below the header and read them back."""
    path = folder / name
    path.write_bytes((end.join([HEADER, *rows]) + end).encode())
    return read_archive(path)[0]


def _one(folder: Path, row: str) -> ReadProbe:
    """The probe of a single row."""
    (probe,) = _read(folder, row).probes
    return probe


def _reason(folder: Path, row: str) -> str:
    """Why a row is rejected; it stands on line 3, below a good one."""
    read = _read(folder, GOOD, row)
    (rejected,) = read.rejected
    assert (rejected.line, rejected.content, read.rows_read, len(read.probes)) == (3, row, 2, 1)
    return rejected.reason


def test_a_row_as_it_should_be(tmp_path: Path) -> None:
    read = _read(tmp_path, "7\t106a\tIch [MASK] zu.\tstimme\tstimme nicht")
    assert (read.language, read.name, read.rows_read, read.rejected) == ("de", "de.csv", 1, [])
    assert read.probes == [ReadProbe(2, "106a", "Ich [MASK] zu.", "stimme", "stimme nicht", "", "", repaired=False)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("final_newline", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_final_newline_and_byte_order_mark(tmp_path: Path, end: str, final_newline: bool, mark: str) -> None:
    text = mark + end.join([HEADER, GOOD, "1\t2\tFreunde sind [MASK]\twichtig\tunwichtig"]) + end * final_newline
    path = tmp_path / "de.csv"
    path.write_bytes(text.encode())
    probes = read_archive(path)[0].probes
    assert [(p.line, p.question, p.answer_second, p.repaired) for p in probes] == [
        (2, "1", "unwichtig", False),
        (3, "2", "unwichtig", False),
    ]


def test_quoting_is_that_of_csv(tmp_path: Path) -> None:
    probe = _one(tmp_path, '0\t1\t"Er sagt ""ja"",\tsie ist [MASK]"\twichtig\tunwichtig')
    assert probe.template == 'Er sagt "ja",\tsie ist [MASK]'
    assert not probe.repaired


def test_a_quoted_line_break_does_not_shift_line_numbers(tmp_path: Path) -> None:
    read = _read(tmp_path, '0\t1\t"zwei\nZeilen [MASK]"\tja\tnein', "", "1\t2\tohne Maske\tja\tnein")
    assert [probe.line for probe in read.probes] == [2]
    assert [rejected.line for rejected in read.rejected] == [5]


def test_html_entities_become_characters(tmp_path: Path) -> None:
    probe = _one(tmp_path, '19\t20\t"AIDS&#39;li [MASK] &amp; R&D"\tistenmeyen\ty&#x131;k')
    assert (probe.template, probe.answer_second) == ("AIDS'li [MASK] & R&D", "yık")
    assert probe.repaired


def test_a_sentence_without_mask_is_rejected(tmp_path: Path) -> None:
    assert _reason(tmp_path, "112\t110b\tErfolg ist Glückssache\tja\tnein") == "no [MASK]"


def test_a_sentence_with_several_masks_is_rejected(tmp_path: Path) -> None:
    assert _reason(tmp_path, "1\t2\t[MASK] und [MASK]\tja\tnein") == "2 [MASK] in the sentence instead of one"


def test_a_nominal_question_is_rejected(tmp_path: Path) -> None:
    reason = _reason(tmp_path, "1\t152a\tDas ist [MASK]\twichtig\t")
    assert reason == "no second answer: nominal question"


def test_all_reasons_of_a_row_are_given(tmp_path: Path) -> None:
    reason = _reason(tmp_path, "1\t156b\tDas ist wichtig\twichtig\t ")
    assert reason == "no [MASK]; no second answer: nominal question"


def test_a_missing_first_answer_is_rejected(tmp_path: Path) -> None:
    assert _reason(tmp_path, "1\t2\tDas ist [MASK]\t\twichtig") == "no first answer"


@pytest.mark.parametrize(("first", "second"), [("gut", "gut"), ("gut", "Gut"), (" gut", "gut."), ("é", "e\u0301")])
def test_answers_that_are_alike_are_rejected(tmp_path: Path, first: str, second: str) -> None:
    assert _reason(tmp_path, f"1\t2\tDas ist [MASK]\t{first}\t{second}") == "the two answers are alike"


@pytest.mark.parametrize("question", ["260", "H1", "pew12", "eigene Frage", "106ab", "Q300"])
def test_a_question_may_be_of_any_origin(tmp_path: Path, question: str) -> None:
    assert _one(tmp_path, f"1\t{question}\tDas ist [MASK]\tgut\tschlecht").question == question


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("", "no question"),
        ("106A", "'106A' is no question, but much like 106a of World Values Survey wave 7"),
        ("Q1", "'Q1' is no question, but much like 1 of World Values Survey wave 7"),
        ("q106a", "'q106a' is no question, but much like 106 of World Values Survey wave 7"),
        ("x" * 201, f"'{'x' * 100}...' is no identifier of a question"),
    ],
)
def test_an_identifier_that_cannot_be_used_is_rejected(tmp_path: Path, question: str, reason: str) -> None:
    assert _reason(tmp_path, f"1\t{question}\tDas ist [MASK]\tgut\tschlecht").startswith(reason)


def test_a_question_is_rejected_when_it_occurs_again(tmp_path: Path) -> None:
    assert _reason(tmp_path, "1\t1\tDas ist [MASK]\tgut\tschlecht") == "question 1 is already on line 2"


def test_a_row_with_a_field_too_few_or_too_many_is_rejected(tmp_path: Path) -> None:
    assert _reason(tmp_path, "1\t2\tDas ist [MASK]\tgut") == "4 fields instead of 5"
    assert _reason(tmp_path, "1\t2\tDas ist [MASK]\tgut\tschlecht\tmittel") == "6 fields instead of 5"


@pytest.mark.parametrize(
    ("template", "prefix", "suffix"),
    [
        ("Saya ber[MASK] bahawa", "ber", ""),
        ("Das ist eine [MASK]e Sache", "", "e"),
        ("Bu benim için [MASK]dir.", "", "dir"),
        ("এটি [MASK]ো", "", "ো"),
        ("আমি [MASK]াই বলি", "", "াই"),
        ("[MASK]\u200cام", "", "\u200cام"),
        ("Avrupa [MASK]'dır", "", "'dır"),
        ("non-[MASK] ist", "non-", ""),
        ("un[MASK]es Haus", "un", "es"),
        ("Das ist [MASK].", "", ""),
        ("Es ist [MASK], dass", "", ""),
        ("یہ [MASK]۔", "", ""),
        ("'[MASK]'", "", ""),
        ("Das – [MASK] – ist", "", ""),
        ("[MASK]", "", ""),
    ],
)
def test_letters_glued_to_the_mask(tmp_path: Path, template: str, prefix: str, suffix: str) -> None:
    probe = _one(tmp_path, f"0\t1\t{template}\tgut\tschlecht")
    assert (probe.template, probe.mask_prefix, probe.mask_suffix) == (template, prefix, suffix)
    assert not probe.repaired


@pytest.mark.parametrize(
    ("template", "labels", "mended"),
    [
        ("Es ist mir [MASK] zu", ("unangenehm,", "entmutigt"), ("unangenehm", "entmutigt")),
        ("güvenim [MASK]", ("tamdır.", "HAYIR"), ("tamdır", "HAYIR")),
        ("데 [MASK]", ("동의합니다.", "동의하지 않는다"), ("동의합니다", "동의하지 않는다")),
        ("나는 [MASK] 걱정한다", ("매우", "~ 아니다"), ("매우", "아니다")),
        ("بہتر [MASK]", ("ہے۔", "برا"), ("ہے", "برا")),
        ("Das ist [MASK].", ("gut.", "schlecht."), ("gut", "schlecht")),
        ("Das ist [MASK]", (" gut", "schlecht \u00a0"), ("gut", "schlecht")),
    ],
)
def test_stray_space_and_marks_of_labels_are_stripped(
    tmp_path: Path, template: str, labels: tuple[str, str], mended: tuple[str, str]
) -> None:
    probe = _one(tmp_path, f"0\t1\t{template}\t{labels[0]}\t{labels[1]}")
    assert (probe.template, probe.answer_first, probe.answer_second) == (template, *mended)
    assert probe.repaired


@pytest.mark.parametrize(
    "labels",
    [
        ("Das ist gut.", "Das ist schlecht."),
        ("ناخواسته، بی میل", "حاضرم"),
        ("unti-unti", "radikal"),
        ("C++", "Java"),
        ("(gut)", "schlecht"),
        ("!", "?"),
    ],
)
def test_marks_that_belong_to_the_answers_stay(tmp_path: Path, labels: tuple[str, str]) -> None:
    probe = _one(tmp_path, f"0\t1\tIch sage: [MASK]\t{labels[0]}\t{labels[1]}")
    assert (probe.answer_first, probe.answer_second, probe.repaired) == (*labels, False)


def test_text_is_normalised_and_the_zero_width_non_joiner_stays(tmp_path: Path) -> None:
    decomposed = "Ma famille e\u0301tait [MASK]"
    probe = _one(tmp_path, f"0\t1\t{decomposed}\tمی\u200cخواهم\tنه")
    assert probe.template == unicodedata.normalize("NFC", decomposed)
    assert (probe.answer_first, probe.repaired) == ("می\u200cخواهم", True)


def test_two_questions_may_have_one_text(tmp_path: Path) -> None:
    rows = ["0\t149\t[MASK] ist wichtig\tFreiheit\tGleichheit", "1\t150\t[MASK] ist wichtig\tFreiheit\tSicherheit"]
    assert [probe.question for probe in _read(tmp_path, *rows).probes] == ["149", "150"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "de.csv is empty"),
        (b"\n \n", "de.csv is empty"),
        (
            HEADER.encode() + b"\n0\t1\tL\xf6we [MASK]\tgut\tschlecht\n",
            "de.csv, line 2: not UTF-8 (byte 0xf6, most likely Windows-1252)",
        ),
        (HEADER.encode("utf-16"), "de.csv, line 1: not UTF-8 (byte 0xff)"),
        (HEADER.encode() + b"\n", "de.csv: none of its 0 rows is a usable probe"),
        (HEADER.encode() + b"\n0\t1\tx\ta\tb\n", "none of its 1 rows is a usable probe, e.g. line 2: no [MASK]"),
        (HEADER.encode() + b'\n0\t1\t"[MASK]\ta\tb\n', "de.csv, line 2: unexpected end of data"),
    ],
)
def test_a_file_that_is_not_a_probe_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "de.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_archive(tmp_path / "de.csv")
    assert message in caught.value.message
    assert "mlv ingest probes --template FILE" in caught.value.hint


def _folder(tmp_path: Path) -> Path:
    """An unpacked archive with two languages and all that does not belong."""
    good = f"{HEADER}\n{GOOD}\n"
    files = {
        "probes/wvs/de.csv": good,
        "probes/wvs/tr.csv": good,
        "probes/wvs/.DS_Store": "junk",
        "probes/hofstede/de.csv": f"{HEADER}\n0\t0\tx [MASK]\ta\tb\n",
        "__MACOSX/probes/wvs/._de.csv": "junk",
        "probes/notes.txt": "text",
    }
    for name, content in files.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "unpacked"


def test_folder_and_archive_read_alike_and_report_what_was_not_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with zipfile.ZipFile(tmp_path / "probes.zip", "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder).as_posix())
    read = read_archive(tmp_path / "probes.zip")
    assert read == read_archive(folder)
    assert {file.name: file.language for file in read} == {
        "probes/wvs/de.csv": "de",
        "probes/wvs/tr.csv": "tr",
        "probes/hofstede/de.csv": "",
        "probes/notes.txt": "",
    }
    assert {file.name: file.rejected[0].reason for file in read if not file.language} == {
        "probes/hofstede/de.csv": "not read: Hofstede's questions are not of the World Values Survey",
        "probes/notes.txt": "not read: its name does not end in .csv or .tsv",
    }


def test_problems_of_all_files_are_reported_together(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "probes/wvs/tr.csv").write_text("nonsense")
    (folder / "probes/wvs/fa.csv").write_bytes(b"")
    (folder / "probes/wvs/klingonese.csv").write_text(f"{HEADER}\n{GOOD}\n")
    (folder / "probes/again").mkdir()
    (folder / "probes/again/deu.csv").write_text(f"{HEADER}\n{GOOD}\n")
    with pytest.raises(DataError) as caught:
        read_archive(folder)
    for part in (
        "probes/wvs/tr.csv: the header is",
        "probes/wvs/fa.csv is empty",
        "probes/wvs/klingonese.csv: its name is not a language",
        "2 files have the language de: probes/again/deu.csv, probes/wvs/de.csv",
    ):
        assert f"\n  - {part}" in caught.value.message


def test_a_single_file_may_be_given_its_language(tmp_path: Path) -> None:
    (tmp_path / "my probes.csv").write_text(f"{HEADER}\n{GOOD}\n")
    assert read_archive(tmp_path / "my probes.csv", "Farsi")[0].language == "fa"
    with pytest.raises(UsageError, match="no language 'Klingonese'"):
        read_archive(tmp_path / "my probes.csv", "Klingonese")
    with pytest.raises(UsageError, match="several probe files"):
        read_archive(_folder(tmp_path), "fa")


def test_nothing_there_and_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_archive(tmp_path / "absent.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty has no probe file"):
        read_archive(tmp_path / "empty")


NOMINAL = {f"{number}{pole}" for number in (152, 154, 156) for pole in "abcd"} | {
    f"{number}{pole}" for number in (173, 174, 175) for pole in "ab"
}
WITHOUT_MASK = {"bn": {"110b"}, "sr": {"106a", "130d", "152b", "156b"}}


@pytest.mark.real
def test_every_row_of_the_archive_is_a_probe_or_has_its_reason(real_data: Path) -> None:
    read = [file for file in read_archive(real_data / "probes" / "arora_probes.zip") if file.language]
    assert tuple(file.language for file in read) == TEST_LANGUAGES
    assert [file.rows_read for file in read] == [272] * 13
    for file in read:
        reasons = {row.item.removeprefix("question "): row.reason for row in file.rejected}
        without_mask = WITHOUT_MASK.get(file.language, set())
        assert reasons.keys() == NOMINAL | without_mask
        assert {code for code, reason in reasons.items() if "no [MASK]" in reason} == without_mask
        assert {code for code, reason in reasons.items() if "no second answer" in reason} == NOMINAL
        assert len(file.probes) + len(reasons) == 272
    assert sum(len(file.probes) for file in read) == 13 * 254 - 3
    assert len({tuple(probe.question for probe in file.probes) for file in read}) == 3


@pytest.mark.real
def test_what_is_repaired_in_the_archive(real_data: Path) -> None:
    read = {file.language: file for file in read_archive(real_data / "probes" / "arora_probes.zip") if file.language}
    repaired = {code: {p.question for p in file.probes if p.repaired} for code, file in read.items()}
    entities = {"20", *(str(number) for number in (82, *range(84, 90)))}
    assert repaired["tr"] == entities | {"81", "172"}
    assert repaired["tl"] == {"130b"}
    assert repaired["de"] == {str(number) for number in (*range(18, 27), 119)}
    assert "199" in repaired["ko"]
    counts = {code: len(questions) for code, questions in repaired.items() if questions}
    assert counts == {"de": 10, "el": 1, "ko": 60, "sr": 1, "tl": 1, "tr": 10, "ur": 1}
    assert not any("&#" in p.template for file in read.values() for p in file.probes)


@pytest.mark.real
def test_masks_glued_to_letters_in_the_archive(real_data: Path) -> None:
    """Counts as in the quirks of the data, less the rows without a second answer."""
    read = [file for file in read_archive(real_data / "probes" / "arora_probes.zip") if file.language]
    glued = Counter({f.language: sum(bool(p.mask_prefix or p.mask_suffix) for p in f.probes) for f in read})
    assert +glued == {"fa": 50, "ms": 52, "tl": 45, "de": 24, "ro": 13, "tr": 14, "bn": 15, "ko": 4, "sr": 3, "ur": 2}
    assert {p.mask_prefix for f in read if f.language == "ms" for p in f.probes} == {"", "ber"}
