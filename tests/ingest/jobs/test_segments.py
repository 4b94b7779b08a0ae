"""Choosing the sentences of a fine-tuning run: consecutive ones of one language, shared ones of several."""

from pathlib import Path

import duckdb
import pytest

from mlv.ingest.jobs.segments import select_articles, select_segments
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.schema.errors import DataError, MlvError, NotFoundError, UsageError


def test_one_language_gives_consecutive_segments(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    ingest_corpus(store, "lines", [parallel])
    chosen = select_segments(store, "lines", ["Farsi"], 4)
    assert chosen.columns == ["language", "edition", "corpus_sha256", "position", "parallel_key", "text"]
    assert chosen.select("language", "edition", "position", "parallel_key", "text").rows() == [
        ("fa", "fa", 0, "1", "یک"),
        ("fa", "fa", 1, "3", "سه"),
        ("fa", "fa", 2, "4", "چهار"),
        ("fa", "fa", 3, "5", "پنج"),
    ]
    assert chosen["corpus_sha256"].str.len_chars().to_list() == [64] * 4


def test_several_languages_give_the_keys_that_all_have(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    ingest_corpus(store, "lines", [parallel])
    chosen = select_segments(store, "lines", ["ru", "fa", "ko"], 9)
    assert chosen.select("parallel_key", "language", "text").rows() == [
        ("1", "ru", "один"),
        ("1", "fa", "یک"),
        ("1", "ko", "일"),
        ("3", "ru", "три"),
        ("3", "fa", "سه"),
        ("3", "ko", "삼"),
        ("4", "ru", "четыре"),
        ("4", "fa", "چهار"),
        ("4", "ko", "사"),
    ]


def test_keys_come_in_the_order_of_the_first_language(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    orders = {"en": ["MAT 1:2", "MAT 1:1", "MAT 1:3", "MAT 1:4"], "de": ["MAT 1:4", "MAT 1:1", "MAT 1:2", "MAT 9:9"]}
    for language, keys in orders.items():
        verses = "".join(
            f'<seg id="b.{key.replace(" ", ".").replace(":", ".")}">{language} {key}</seg>' for key in keys
        )
        path = tmp_path / f"{ {'en': 'English', 'de': 'German'}[language] }.xml"
        path.write_text(f'<cesDoc><body lang="{language}">{verses}</body></cesDoc>')
        ingest_corpus(store, "pbc", [path])
    english = select_segments(store, "pbc", ["en", "de"], 6)
    assert english.filter(language="en")["parallel_key"].to_list() == ["MAT 1:2", "MAT 1:1", "MAT 1:4"]
    german = select_segments(store, "pbc", ["de", "en"], 6)
    assert german.filter(language="en")["parallel_key"].to_list() == ["MAT 1:4", "MAT 1:1", "MAT 1:2"]


def test_too_few_sentences_are_counted(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    ingest_corpus(store, "lines", [parallel])
    with pytest.raises(DataError, match="lines has 4 sentences that fa, ko share; 5 are needed") as caught:
        select_segments(store, "lines", ["fa", "ko"], 10)
    assert caught.value.hint == "Take fewer: --sentences 8"
    with pytest.raises(DataError, match="lines has 5 sentences in fa; 6 are needed"):
        select_segments(store, "lines", ["fa"], 6)


@pytest.mark.parametrize(
    ("source", "languages", "sentences", "error", "message"),
    [
        ("lines", ["fa", "ko"], 5, UsageError, "5 sentences do not divide into 2 languages"),
        ("lines", ["fa"], 0, UsageError, "0 sentences do not divide"),
        ("lines", ["fa", "pes"], 2, UsageError, "not one or more different languages: fa, pes"),
        ("lines", [], 2, UsageError, "not one or more different languages: none"),
        ("lines", ["klingonese"], 2, UsageError, "There is no language"),
        ("lines", ["hi"], 2, NotFoundError, "no corpus of lines in hi. It has lines/fa/fa, lines/ko/ko, lines/ru/ru."),
        ("tanzil", ["fa"], 2, NotFoundError, "no corpus of tanzil in fa. It has lines."),
    ],
)
def test_what_cannot_be_chosen_is_explained(
    store: duckdb.DuckDBPyConnection,
    parallel: Path,
    source: str,
    languages: list[str],
    sentences: int,
    error: type[MlvError],
    message: str,
) -> None:
    ingest_corpus(store, "lines", [parallel])
    with pytest.raises(error, match=message):
        select_segments(store, source, languages, sentences)


def test_an_empty_store_has_no_corpus(store: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(NotFoundError, match="It has none") as caught:
        select_segments(store, "news-fox", ["en"], 2)
    assert caught.value.hint == "Ingest it: mlv ingest corpus --source news PATH"


def test_an_ambiguous_edition_has_to_be_named(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    ingest_corpus(store, "lines", [parallel])
    second = parallel.parent / "second.txt"
    second.write_text("a\nb\nc\nd\ne\nf\n")
    ingest_corpus(store, "lines", [second], language="fa")
    with pytest.raises(UsageError, match="lines has several editions in fa: fa, second") as caught:
        select_segments(store, "lines", ["fa", "ko"], 2)
    assert caught.value.hint == "Choose one: --edition fa=fa"
    chosen = select_segments(store, "lines", ["fa", "ko"], 2, {"fa": "second"})
    assert chosen["text"].to_list() == ["a", "일"]
    with pytest.raises(NotFoundError, match="lines has no edition 'third' in fa"):
        select_segments(store, "lines", ["fa"], 2, {"fa": "third"})


@pytest.fixture
def news(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """Six articles of one to three sentences, mixed with those of another outlet."""
    rows = ["publication,article"]
    for number in range(6):
        sentences = " ".join(f"Sentence {part} of article {number} is here." for part in range(number % 3 + 1))
        rows += [f'Fox News,"{sentences}"', f'Reuters,"Wire {number} says something else."']
    path = tmp_path / "news.csv"
    path.write_text("\n".join(rows) + "\n")
    ingest_corpus(store, "news", [path], publication="fox")
    return store


@pytest.mark.parametrize(("articles", "share", "given"), [(6, 1.0, 6), (4, 1.0, 4), (4, 0.5, 2), (5, 0.1, 1)])
def test_articles_are_given_whole_and_in_order(
    news: duckdb.DuckDBPyConnection, articles: int, share: float, given: int
) -> None:
    chosen = select_articles(news, "news-fox", ["en"], articles, share)
    assert chosen.columns == ["language", "edition", "corpus_sha256", "position", "parallel_key", "text"]
    assert chosen["text"].to_list() == [
        f"Sentence {part} of article {number} is here." for number in range(given) for part in range(number % 3 + 1)
    ]


def test_texts_without_parts_are_articles_of_their_own(store: duckdb.DuckDBPyConnection, parallel: Path) -> None:
    ingest_corpus(store, "lines", [parallel])
    assert select_articles(store, "lines", ["fa", "ko"], 2)["text"].to_list() == ["یک", "سه", "일", "이"]


def test_too_few_articles_are_counted(news: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(DataError, match="news-fox has 6 articles in en; 7 are needed") as caught:
        select_articles(news, "news-fox", ["en"], 7)
    assert caught.value.hint == "Take fewer: --articles 6"


def test_labelled_texts_are_articles_of_their_own(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "praise.csv"
    path.write_text("id,split,text,label\n" + "".join(f"{n},train,Text number {n}.,good\n" for n in range(5)))
    ingest_corpus(store, "table", [path], language="en", columns="key=id,split=split,text=text,label=label")
    chosen = select_articles(store, "table", ["en"], 3)
    assert chosen["parallel_key"].to_list() == ["train:0", "train:1", "train:2"]
    assert chosen["text"].to_list() == ["Text number 0.", "Text number 1.", "Text number 2."]
