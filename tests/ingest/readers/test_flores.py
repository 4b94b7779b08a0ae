"""FLORES: splits, languages by file name, and lengths."""

from pathlib import Path

import pytest

from mlv.ingest.readers import flores
from mlv.schema.errors import DataError


def _split(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "language", "edition", "split"),
    [
        ("pes_Arab.devtest", "fa", "pes_Arab", "devtest"),
        ("fas.devtest", "fa", "fas", "devtest"),
        ("zsm_Latn.dev", "ms", "zsm_Latn", "dev"),
        ("zho_simpl.dev", "zh", "zho_simpl", "dev"),
        ("unknown.dev", None, "unknown", "dev"),
    ],
)
def test_the_name_gives_language_and_split(
    tmp_path: Path, name: str, language: str | None, edition: str, split: str
) -> None:
    count = {"dev": 997, "devtest": 1012}[split]
    corpus = flores.read(_split(tmp_path / name, [f"sentence {number}" for number in range(1, count + 1)]))
    assert (corpus.language, corpus.edition, corpus.rows_read) == (language, edition, count)
    assert corpus.segments.row(16) == (17, 16, f"{split}:17", "sentence 17")


def test_an_empty_line_is_rejected_and_shifts_nothing(tmp_path: Path) -> None:
    corpus = flores.read(_split(tmp_path / "kor.dev", ["a", "", *["b"] * 995]))
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [(2, "dev:2", "the line is empty")]
    assert corpus.segments["parallel_key"].to_list()[:2] == ["dev:1", "dev:3"]


def test_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 996 lines, the split dev of FLORES 997"):
        flores.read(_split(tmp_path / "kor.dev", ["a"] * 996))


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not named CODE\.dev or CODE\.devtest"):
        flores.read(_split(tmp_path / "kor.txt", ["a"] * 997))


@pytest.mark.real
def test_real_files_are_read_completely(real_data: Path) -> None:
    found = [flores.read(path) for path in sorted((real_data / "flores" / "devtest").iterdir())]
    assert [corpus.language for corpus in found] == [
        "de", "en", "hi", "id", "ko", "fa", "ro", "ru", "sr", "tl", "tr", "ur", "vi",
    ]  # fmt: skip
    assert {(corpus.rows_read, corpus.segments.height, len(corpus.rejected)) for corpus in found} == {(1012, 1012, 0)}
