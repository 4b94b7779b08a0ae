"""Plain parallel lines."""

from pathlib import Path

import pytest

from mlv.ingest.readers import lines


def test_the_key_is_the_line_number_and_nothing_shifts(tmp_path: Path) -> None:
    path = tmp_path / "fa.txt"
    path.write_bytes("یک\r\n\r\n  سه \r\n...\r\n".encode())
    corpus = lines.read(path)
    assert corpus.segments.rows() == [(1, 0, "1", "یک"), (3, 1, "3", "سه")]
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [
        (2, "2", "the line is empty"),
        (4, "4", "it has no letter and no digit"),
    ]
    assert corpus.rows_read == 4


@pytest.mark.parametrize(
    ("name", "language", "edition"),
    [
        ("fa.txt", "fa", "fa"),
        ("pes_Arab.txt", "fa", "pes_Arab"),
        ("newstest2019-ref.fas.txt.gz", "fa", "newstest2019-ref.fas"),
        ("corpus.ko", "ko", "corpus.ko"),
        ("new.txt", None, "new"),
        ("Farsi.txt", None, "Farsi"),
        ("stories.txt", None, "stories"),
    ],
)
def test_the_name_may_give_the_language(tmp_path: Path, name: str, language: str | None, edition: str) -> None:
    (tmp_path / name).write_text("a line\n")
    corpus = lines.read(tmp_path / name)
    assert (corpus.language, corpus.edition) == (language, edition)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "language"),
    [("src.eng", "en"), ("ref.fas", "fa"), ("ref.kor", "ko"), ("ref.hin", "hi"), ("ref.rus", "ru")],
)
def test_real_files_are_read_completely(real_data: Path, name: str, language: str) -> None:
    corpus = lines.read(real_data / "ntrex" / f"newstest2019-{name}.txt.gz")
    assert (corpus.language, corpus.rows_read, corpus.segments.height) == (language, 1997, 1997)
    assert corpus.rejected == []
