"""Labelled data sets: their layouts, what files say of split and language, and which rows are rejected."""

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlv.ingest.readers.labelled import language_of
from mlv.ingest.readers.sources import find_source, source_of
from mlv.ingest.readers.text import ReadCorpus
from mlv.schema.errors import DataError, UsageError

NLI = (("Ja.", "Nein.", "contradiction"), ("Ja.", "Ja, ja.", "entailment"))
Row = tuple[str, str | None, str | None]


def _tsv(*rows: tuple[str, ...]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def _json(*rows: Mapping[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _read(code: str, path: Path, content: str) -> list[ReadCorpus]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return find_source(code).texts(path)


def _rows(text: ReadCorpus) -> dict[str, Row]:
    """Text, second text and label by key."""
    columns = text.segments.select("parallel_key", "text", "text_pair", "label")
    return {key: (first, pair, label) for key, first, pair, label in columns.iter_rows()}


XNLI = {str(number): row for number, row in enumerate(NLI, start=1)}
PAIRS = {"7": ("a b", "b a", "1"), "9": ("a", "b", "0")}


@pytest.mark.parametrize(
    ("code", "name", "content", "rows", "columns"),
    [
        ("xnli", "dev-de.tsv.gz", _tsv(*NLI), XNLI, "text=1,pair=2,label=3"),
        (
            "xnli",
            "multinli.dev.de.tsv",
            _tsv(("premise", "hypo", "label"), ("Ja.", "Nein.", "contradictory")),
            {"1": ("Ja.", "Nein.", "contradictory")},
            "text=premise,pair=hypo,label=label",
        ),
        (
            "xnli",
            "xnli-de-validation.jsonl",
            _json({"premise": "Ja.", "hypothesis": "Nein.", "label": 2}),
            {"1": ("Ja.", "Nein.", "2")},
            "text=premise,pair=hypothesis,label=label",
        ),
        (
            "xnli",
            "genre.dev.tsv",
            _tsv(("genre", "label", "sentence1_de", "sentence2_de"), ("talk", "neutral", "Ja.", "Nein.")),
            {"1": ("Ja.", "Nein.", "neutral")},
            "de=sentence1_de,de.pair=sentence2_de,label=label",
        ),
        ("pawsx", "dev-de.tsv", _tsv(("a b", "b a", "1")), {"1": ("a b", "b a", "1")}, "text=1,pair=2,label=3"),
        (
            "pawsx",
            "de/dev_2k.tsv",
            _tsv(("id", "sentence1", "sentence2", "label"), ("7", "a b", "b a", "1"), ("9", "a", "b", "0")),
            PAIRS,
            "text=sentence1,pair=sentence2,label=label,key=id",
        ),
        (
            "marc",
            "dataset_de_dev.json",
            _json({"review_id": "de_07", "stars": 5, "review_body": "Gut!", "review_title": "Ja", "language": "de"}),
            {"de_07": ("Gut!", None, "5")},
            "text=review_body,label=stars,key=review_id,language=language",
        ),
        (
            "marc",
            "de-dev.csv",
            '12,"Gut, ""wirklich""",5\n',
            {"12": ('Gut, "wirklich"', None, "5")},
            "text=2,label=3,key=1",
        ),
        (
            "sib200",
            "deu_Latn.dev.tsv",
            _tsv(("index_id", "category", "text"), ("1533", "travel", "Ein Hotel.")),
            {"1533": ("Ein Hotel.", None, "travel")},
            "text=text,label=category,key=index_id",
        ),
        (
            "afrisenti",
            "deu.dev.tsv",
            _tsv(("tweet", "label"), ("😂😂", "positive")),
            {"1": ("😂😂", None, "positive")},
            "text=tweet,label=label",
        ),
        (
            "afrisenti",
            "deu.dev.tsv",
            _tsv(("ID", "text", "label"), ("ha_1", "na", "neutral")),
            {"ha_1": ("na", None, "neutral")},
            "text=text,label=label,key=ID",
        ),
    ],
)  # fmt: skip
def test_layouts_are_told_by_their_columns(
    tmp_path: Path, code: str, name: str, content: str, rows: dict[str, Row], columns: str
) -> None:
    (text,) = _read(code, tmp_path / name, content)
    assert (text.language, text.split, text.edition, text.columns) == ("de", "dev", "dev", columns)
    assert _rows(text) == rows
    assert text.rejected == []


def test_keys_are_of_a_split_unless_they_are_the_only_ones(tmp_path: Path) -> None:
    (numbered,) = _read("xnli", tmp_path / "dev-de.tsv", _tsv(*NLI))
    assert (numbered.by_row, numbered.local_keys) == (True, True)
    (tweets,) = _read("afrisenti", tmp_path / "hau.dev.tsv", "tweet\tlabel\nna\tneutral\n")
    assert (tweets.by_row, tweets.local_keys) == (False, True)
    (topics,) = _read("sib200", tmp_path / "eng_Latn.dev.tsv", "index_id\tcategory\ttext\n1\ttravel\tA\n")
    assert (topics.by_row, topics.local_keys) == (False, False)


def test_one_file_has_all_languages(tmp_path: Path) -> None:
    header = ("language", "gold_label", "sentence1_binary_parse", "sentence1", "sentence2", "promptID", "pairID")
    rows = [
        ("fr", "neutral", "", "Oui.", "Non.", "1", "1"),
        ("de", "neutral", "", "Ja.", "Nein.", "1", "1"),
        ("xx", "neutral", "", "?", "?", "1", "2"),
        ("de", "-", "", "Ja.", "Doch.", "1", "3"),
    ]
    french, german = _read("xnli", tmp_path / "xnli.test.tsv", _tsv(header, *rows))
    assert (french.language, french.edition, _rows(french)) == ("fr", "test", {"1": ("Oui.", "Non.", "neutral")})
    assert _rows(german) == {"1": ("Ja.", "Nein.", "neutral")}
    assert [(row.line, row.item, row.reason) for row in german.rejected] == [
        (5, "3", "its label '-' means that it has none")
    ]
    assert [(row.line, row.reason) for row in french.rejected] == [(4, "there is no language 'xx'")]


def test_rows_that_lack_a_part_are_rejected_with_line_and_reason(tmp_path: Path) -> None:
    rows = [
        ("a", "b", "1"),
        ("NS", "b", "0"),
        ("a", "NS", ""),
        ("a", "b", ""),
        ("a", "b", "-1"),
        ("a", "b", "2"),
        ("", "b", "1"),
        ("a", " ", "1"),
        ("a", "b"),
        ("NS radio", "...", "0"),
    ]
    (text,) = _read("pawsx", tmp_path / "dev-ko.tsv", _tsv(*rows))
    no_sentence = "it has no sentence: 'NS' stands where none was written"
    assert [(row.line, row.item, row.reason) for row in text.rejected] == [
        (2, "2", no_sentence),
        (3, "3", no_sentence),
        (4, "4", "its label is empty"),
        (5, "5", "its label '-1' means that it has none"),
        (6, "6", "its label '2' is not one of those known: 0, 1"),
        (7, "7", "its first text is empty"),
        (8, "8", "its second text is empty"),
        (9, "", "it has not as many fields as the header"),
    ]
    assert _rows(text) == {"1": ("a", "b", "1"), "10": ("NS radio", "...", "0")}
    assert text.rows_read == len(rows)


def test_the_quotes_of_csv_in_tsv_are_taken_off_and_counted(tmp_path: Path) -> None:
    rows = [('"Die ""G"" ist, ""H"" auch"', 'Er sagte "ja"', "1"), ('"', '"', "0"), ("a &amp; b", "b", "0")]
    (text,) = _read("pawsx", tmp_path / "dev-de.tsv", _tsv(*rows))
    assert _rows(text) == {
        "1": ('Die "G" ist, "H" auch', 'Er sagte "ja"', "1"),
        "2": ('"', '"', "0"),
        "3": ("a & b", "b", "0"),
    }
    assert text.rows_repaired == 2


def test_texts_that_occur_again_are_kept_and_said(tmp_path: Path) -> None:
    rows = [("a", "b", "1"), ("a", "b", "1"), ("a", "b", "0"), ("b", "a", "0"), ("c", "c", "0")]
    (text,) = _read("pawsx", tmp_path / "dev-de.tsv", _tsv(*rows))
    assert text.segments.height == len(rows)
    assert text.remarks == ("rows with the texts of a row before: 2, kept", "texts with more than one label: 1, kept")


def test_a_file_without_labels_is_taken_without(tmp_path: Path) -> None:
    (text,) = _read("xnli", tmp_path / "test-fr.unlabelled.tsv", _tsv(*(row[:2] for row in NLI)))
    assert (text.language, text.edition) == ("fr", "test")
    assert _rows(text) == {key: (first, pair, None) for key, (first, pair, _) in XNLI.items()}


@pytest.mark.parametrize(
    ("code", "content", "first"),
    [
        ("sib200", _tsv(*NLI), "Ja., Nein., contradiction"),
        ("xnli", _tsv(("sent1", "sent2", "gold"), *NLI), "sent1, sent2, gold"),
        ("xnli", _tsv(("Ja.", "Nein.", "neutral", "more")), "Ja., Nein., neutral, more"),
        ("marc", _json({"body": "Gut"}), "body"),
    ],
)
def test_another_layout_is_refused_with_those_known(tmp_path: Path, code: str, content: str, first: str) -> None:
    with pytest.raises(DataError, match="has none of the layouts of this data set") as caught:
        _read(code, tmp_path / "dev-de.tsv", content)
    assert caught.value.message.endswith(f"its first row is {first}.")
    assert caught.value.hint.startswith("Layouts: ") and "--source table --columns" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("dev-de.jsonl", {"language": "fr"}, "is of the language 'fr' by its content, and 'de' by its name"),
        ("dev-de.jsonl", {"split": "test"}, "is of the split 'test' by its content, and 'dev' by its name"),
        ("train-test-de.jsonl", {}, "says more than one split: test, train"),
    ],
)
def test_a_name_that_contradicts_the_content_or_itself_is_refused(
    tmp_path: Path, name: str, row: dict[str, object], message: str
) -> None:
    whole = {"premise": "Ja.", "hypothesis": "Nein.", "label": 0, **row}
    with pytest.raises(DataError, match=message) as caught:
        _read("xnli", tmp_path / name, _json(whole))
    assert "Rename" in caught.value.hint


def test_a_column_of_the_split_makes_editions(tmp_path: Path) -> None:
    rows = [{"tweet": split, "label": "neutral", "split": split} for split in ("train", "validation", "odd", "")]
    train, dev, odd = _read("afrisenti", tmp_path / "hau.jsonl", _json(*rows))
    assert [(text.edition, text.split) for text in (train, dev, odd)] == [
        ("train", "train"), ("dev", "dev"), ("odd", "odd")
    ]  # fmt: skip
    assert [(row.line, row.reason) for row in train.rejected] == [(4, "its split is empty")]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("dev-de.tsv", "de"),
        ("test-fr.unlabelled.tsv.gz", "fr"),
        ("kor_Hang.train.tsv.gz", "ko"),
        ("pcm.dev.tsv", "pcm"),
        ("google-research-datasets-paws-x-es-test.jsonl", "es"),
        ("de/translated_train.tsv", "de"),
        ("pes_Arab/train.tsv", "fa"),
        ("tmp/train.tsv", None),
        ("xnli.dev.tsv", None),
        ("de-fr.dev.tsv", None),
    ],
)
def test_the_language_that_a_name_says(name: str, language: str | None) -> None:
    assert language_of(Path("/data") / name) == language


@pytest.mark.real
def test_real_files_are_read_as_their_readme_counts_them(real_data: Path) -> None:
    folder = real_data / "classification"
    for name, rows, per_label in (("dev", 2490, 830), ("test", 5010, 1670)):
        for path in sorted((folder / "xnli").glob(f"{name}-??.tsv.gz")):
            (text,) = find_source("xnli").texts(path)
            assert (text.rows_read, text.rejected) == (rows, [])
            assert set(Counter(text.segments["label"]).values()) == {per_label}
    no_sentence = {
        "dev": {"de": 68, "en": 0, "es": 38, "fr": 8, "ko": 35},
        "test": {"de": 32, "en": 0, "es": 1, "fr": 14, "ko": 28},
    }
    for split, whole, empty in (("dev", 1870, 0), ("test", 1938, 6)):
        keys, unlabelled = [], set()
        for language, count in no_sentence[split].items():
            (text,) = find_source("pawsx").texts(folder / "pawsx" / f"{split}-{language}.tsv.gz")
            reasons = Counter(row.reason for row in text.rejected)
            unlabelled |= {row.item for row in text.rejected if row.reason == "its label is empty"}
            assert sum(n for reason, n in reasons.items() if "no sentence" in reason) == count
            assert text.segments.height == 2000 - len(text.rejected)
            keys.append(set(text.segments["parallel_key"]))
        assert (len(set.intersection(*keys)), len(unlabelled)) == (whole, empty)


@pytest.mark.real
def test_real_topics_and_tweets_are_whole(real_data: Path) -> None:
    folder = real_data / "classification"
    for split, rows in (("train", 701), ("dev", 99), ("test", 204)):
        topics = [
            text
            for path in sorted((folder / "sib200").glob(f"*.{split}.*"))
            for text in find_source("sib200").texts(path)
        ]
        assert len(topics) == 13
        assert {(text.rows_read, text.segments.height) for text in topics} == {(rows, rows)}
        assert len({tuple(text.segments.select("parallel_key", "label").iter_rows()) for text in topics}) == 1
    sizes = {
        (text.language, text.edition): (text.rows_read, len(text.rejected))
        for path in (folder / "afrisenti").iterdir()
        for text in find_source("afrisenti").texts(path)
    }
    assert len(sizes) == 15 and not any(rejected for _, rejected in sizes.values())
    assert (sizes["sw", "train"][0], sizes["ha", "train"][0]) == (1810, 14172)


def test_reviews_are_read_with_their_titles(tmp_path: Path) -> None:
    rows = [("de_1", "Ja", "Gut!"), ("de_2", "", "Gut!"), ("de_3", "Ja", "")]
    path = tmp_path / "dataset_de_dev.json"
    names = ("review_id", "review_title", "review_body")
    written = [json.dumps({**dict(zip(names, row, strict=True)), "stars": 5, "language": "de"}) for row in rows]
    path.write_text("\n".join(written))
    [read] = source_of("marc", None, 0, "text=review_title+review_body").texts(path)
    assert read.segments["text"].to_list() == ["Ja Gut!", "Gut!", "Ja"]
    assert read.segments["label"].to_list() == ["5", "5", "5"]
    for said, problem in (("text=review_title,label=stars", "says more than the text"), ("de=body", "says more")):
        with pytest.raises(UsageError, match=problem):
            source_of("marc", None, 0, said)
    with pytest.raises(DataError, match="none of the layouts"):
        source_of("marc", None, 0, "text=headline+review_body").texts(path)
