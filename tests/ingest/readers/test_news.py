"""News articles of All-The-News, in the layouts of both releases."""

import csv
import gzip
import hashlib
import io
from pathlib import Path

import pytest

from mlv.ingest.readers import news
from mlv.schema.errors import DataError, UsageError

V1 = ["", "id", "title", "publication", "author", "date", "year", "month", "url", "content"]
V2 = ["", "Unnamed: 0", "date", "year", "month", "day", "author", "title", "article", "url", "section", "publication"]


def _csv(path: Path, header: list[str], rows: list[dict[str, str]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def _key(article: str) -> str:
    return hashlib.sha256(article.encode()).hexdigest()[:12]


ARTICLES = [
    {"publication": "Fox News", "article": "It rained.\nIt stopped."},
    {"publication": "Reuters", "article": "Not this. Nor this."},
    {"publication": "Fox News", "article": "Mr. Lee left. Why?"},
]


def test_the_articles_of_one_outlet_become_sentences(tmp_path: Path) -> None:
    corpus = news.read(_csv(tmp_path / "a.csv.gz", V2, ARTICLES), "fox")
    first, second = _key("It rained. It stopped."), _key("Mr. Lee left. Why?")
    assert (corpus.language, corpus.edition, corpus.rejected) == ("en", "all-the-news-2", [])
    assert corpus.segments.rows() == [
        (2, 0, f"{first}:1", "It rained."),
        (2, 1, f"{first}:2", "It stopped."),
        (5, 2, f"{second}:1", "Mr. Lee left."),
        (5, 3, f"{second}:2", "Why?"),
    ]


def test_the_first_release_calls_the_text_content(tmp_path: Path) -> None:
    rows = [{"publication": "New Yorker", "content": "One. Two."}, {"publication": "CNN", "content": "Three."}]
    corpus = news.read(_csv(tmp_path / "articles1.csv", V1, rows), "New Yorker")
    assert (corpus.edition, corpus.segments["text"].to_list()) == ("all-the-news-1", ["One.", "Two."])


def test_keys_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    there = news.read(_csv(tmp_path / "a.csv", V2, ARTICLES), "fox").segments
    back = news.read(_csv(tmp_path / "b.csv", V2, ARTICLES[::-1]), "fox").segments
    assert dict(there.select("parallel_key", "text").rows()) == dict(back.select("parallel_key", "text").rows())


def test_rows_without_a_new_article_are_rejected(tmp_path: Path) -> None:
    rows = [*ARTICLES, {"publication": "Fox News", "article": " \n"}, ARTICLES[0]]
    path = _csv(tmp_path / "a.csv", V2, [*rows, {"publication": "Fox News", "article": "Good. ***"}])
    path.write_text(path.read_text() + "short,row\n")
    corpus = news.read(path, "fox")
    key = _key("It rained. It stopped.")
    assert [(row.line, row.item, row.reason) for row in corpus.rejected] == [
        (6, "article", "the article is missing"),
        (8, key, "the same article is in line 2"),
        (11, "row", "it has 2 columns, the header 12"),
    ]
    assert corpus.segments["text"].to_list()[-1] == "Good. ***"


def test_a_field_may_be_huge(tmp_path: Path) -> None:
    article = "It was long. " * 40_000
    corpus = news.read(_csv(tmp_path / "a.csv", V2, [{"publication": "Reuters", "article": article}]), "reuters")
    assert corpus.segments.height == 40_000


def test_reading_stops_at_the_limit_and_reports_it(tmp_path: Path) -> None:
    path = _csv(tmp_path / "a.csv", V2, ARTICLES)
    corpus = news.read(path, "fox", articles=1)
    assert corpus.segments["text"].to_list() == ["It rained.", "It stopped."]
    assert [(row.line, row.reason) for row in corpus.rejected] == [
        (5, "reading stopped after 1 articles; --articles takes more")
    ]
    assert corpus.rows_read == 2
    assert news.read(path, "fox", articles=2).rejected == []


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Fox News", "fox"),
        ("fox", "fox"),
        ("news-fox", "fox"),
        ("New Yorker", "new-yorker"),
        ("new-yorker", "new-yorker"),
        ("REUTERS", "reuters"),
        ("Vice", "vice"),
        ("Vice News", "vice-news"),
        ("Buzzfeed News", "buzzfeed-news"),
    ],
)
def test_an_outlet_has_one_short_name(name: str, short: str) -> None:
    assert news.outlet(name) == short


def test_an_outlet_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has nothing of the outlet 'CNN'") as caught:
        news.read(_csv(tmp_path / "a.csv", V2, ARTICLES), "CNN")
    assert caught.value.hint == "Its outlets: Fox News, Reuters"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"has no columns publication and article .*it has a, b"),
        ('publication,article\nReuters,"It was cut o', r"not valid CSV: unexpected end of data, .* line 2"),
        ('publication,article\nReuters,a\nReuters,"b"c\n', r"not valid CSV: .* line 3"),
    ],
)
def test_a_file_that_is_not_a_release_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        news.read(tmp_path / "a.csv", "reuters")
