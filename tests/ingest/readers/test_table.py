"""Tables of texts: TSV, CSV, JSON lines."""

import gzip
import json
from pathlib import Path

import pytest

from mlv.ingest.readers import table
from mlv.ingest.readers.sources import source_of
from mlv.schema.errors import DataError, UsageError

TEXTS = [("a", "en", "One, two."), ("b", "de", 'Sie sagte "ja".'), ("b", "en", "She said “yes”.")]


def _tsv(rows: list[tuple[str, ...]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def _csv(rows: list[tuple[str, ...]]) -> str:
    quoted = ([f'"{field.replace(chr(34), chr(34) * 2)}"' for field in row] for row in rows)
    return "".join(",".join(row) + "\n" for row in quoted)


def _json(rows: list[tuple[str, ...]]) -> str:
    return "".join(json.dumps(dict(zip(rows[0], row, strict=True))) + "\n" for row in rows[1:])


@pytest.mark.parametrize("written", [_tsv, _csv, _json])
@pytest.mark.parametrize("names", [("key", "language", "text"), ("id", "lang", "sentence")])
def test_the_same_texts_from_every_format(tmp_path: Path, written: object, names: tuple[str, ...]) -> None:
    assert callable(written)
    path = tmp_path / "own.tsv.gz"
    path.write_bytes(gzip.compress(written([names, *TEXTS]).encode()))
    said = None if names[0] == "key" else "key=id,language=lang,text=sentence"
    texts = {text.language: text for text in table.read(path, said)}
    assert {code: text.segments.select("parallel_key", "text").rows() for code, text in texts.items()} == {
        "en": [("a", "One, two."), ("b", "She said “yes”.")],
        "de": [("b", 'Sie sagte "ja".')],
    }
    assert {(text.edition, text.by_row, text.rows_repaired) for text in texts.values()} == {("own", False, 0)}


def test_columns_by_language_and_the_row_as_key(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("id;German;Swahili\n7;eins;moja\n8;;mbili\n\n9;drei\n", encoding="utf-8")
    german, swahili = table.read(path, "de=German,Swahili=Swahili")
    assert (german.language, german.segments.rows()) == ("de", [(2, 0, "1", "eins")])
    assert (swahili.language, swahili.segments.rows()) == ("sw", [(2, 0, "1", "moja"), (3, 1, "2", "mbili")])
    assert [(row.line, row.reason) for row in german.rejected] == [
        (3, "its text is empty"),
        (5, "it has not as many fields as the header"),
    ]
    assert german.by_row and swahili.by_row
    keyed, _ = table.read(path, "key=id,de=German,sw=Swahili")
    assert keyed.segments["parallel_key"].to_list() == ["7"] and not keyed.by_row


def test_numbers_mean_a_file_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "verses.tsv"
    path.write_text('MAT 5:3\t"Blessed ""are"" they"\nMAT 5:4\tsay "hi"\n', encoding="utf-8")
    (text,) = table.read(path, "key=1,text=2")
    assert text.segments.rows() == [(1, 0, "MAT 5:3", 'Blessed "are" they'), (2, 1, "MAT 5:4", 'say "hi"')]
    assert text.language is None


def test_inner_values_of_json_have_dotted_names(tmp_path: Path) -> None:
    path = tmp_path / "wmt.jsonl"
    rows = [
        {"id": 3, "translation": {"de": "ja", "sw": "ndiyo"}, "tags": ["x"]},
        {"id": 4, "translation": {"de": None}},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    german, swahili = table.read(path, "key=id,de=translation.de,sw=translation.sw")
    assert german.segments.rows() == [(1, 0, "3", "ja")] and swahili.segments.rows() == [(1, 0, "3", "ndiyo")]
    assert (german.rows_read, swahili.rows_read) == (2, 2)


def test_rows_of_no_language_and_without_a_key_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("key\tlanguage\ttext\n1\tKlingonese\tx\n\tde\tohne\n2\tde\tmit\n2\tde\tdoppelt\n", encoding="utf-8")
    (text,) = table.read(path)
    assert [(row.line, row.reason) for row in text.rejected] == [
        (3, "its key is empty"),
        (5, "its key occurs before, in line 4"),
        (2, "there is no language 'Klingonese'"),
    ]
    assert text.rows_read == 4


@pytest.mark.parametrize(
    "said",
    [
        "",
        "text",
        "text=",
        "=x",
        "key=id",
        "text=a,text=b",
        "text=a,de=b",
        "de=a,pair=b",
        "pair=b,label=c",
        "language=l,de=b",
        "de=a,deu=b,key",
    ],
)
def test_an_option_that_does_not_say_which_column_is_which(said: str) -> None:
    with pytest.raises(UsageError, match="does not say which column is which") as caught:
        table.columns_of(said)
    assert "--columns text=sentence,key=id,language=lang" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n", "has no row"),
        ("a,b\n1,2\n", "has no column text; its columns are a, b"),
        ('text,b\n"open,2\n', "is not valid CSV: .* in the row that begins in line 2"),
        ('{"text": 1\n', "line 1: no JSON"),
        ('{"text": "a"}\n[1]\n', "line 2: no JSON object"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        table.read(tmp_path / "a.csv")


def test_options_make_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("s\tx\nhallo\t1\n", encoding="utf-8")
    source = source_of("table", "Own texts", 1, "text=s")
    assert (source.code, source.name) == ("table-own-texts", "Own texts")
    assert source.texts(tmp_path / "a.tsv")[0].segments["text"].to_list() == ["hallo"]
    with pytest.raises(UsageError, match="--columns does not go with lines"):
        source_of("lines", None, 1, "text=s")


def test_pairs_labels_and_splits(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        "nr,a,b,gold,part\n1,x,y,yes,train\n2,x,,no,train\n1,u,v,no,validation\n3,u,v,,train\n", encoding="utf-8"
    )
    train, dev = table.read(path, "key=nr,text=a,pair=b,label=gold,split=part")
    assert train.segments.rows() == [(2, 0, "1", "x", "y", "yes")]
    assert dev.segments.rows() == [(4, 0, "1", "u", "v", "no")]
    assert [(row.line, row.item, row.reason) for row in train.rejected] == [
        (3, "2", "its second text is empty"),
        (5, "3", "its label is empty"),
    ]
    assert [(text.edition, text.split, text.local_keys, text.by_row) for text in (train, dev)] == [
        ("train", "train", True, False),
        ("dev", "dev", True, False),
    ]
    assert train.columns == "text=a,pair=b,label=gold,key=nr,split=part"


def test_columns_that_are_called_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("text\tlabel\tnote\n!\tany label\tx\n", encoding="utf-8")
    (text,) = table.read(path)
    assert text.segments.rows() == [(2, 0, "1", "!", None, "any label")]
    assert (text.edition, text.split, text.local_keys) == ("own", None, False)


def test_a_tab_tells_tsv_whatever_commas_there_are(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("a, b, c, d\tyes\n", encoding="utf-8")
    (text,) = table.read(path, "text=1,label=2")
    assert text.segments.rows() == [(1, 0, "1", "a, b, c, d", None, "yes")]


@pytest.mark.parametrize(
    ("content", "said", "text"),
    [
        ("title,body\nJa ,Gut!\n", "text=title+body", "Ja Gut!"),
        ("title,body,title+body\nJa,Gut!,so\n", "text=title+body", "so"),
        ("Ja,Gut!\n", "text=2+1", "Gut! Ja"),
    ],
)
def test_a_text_of_two_columns(tmp_path: Path, content: str, said: str, text: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(content, encoding="utf-8")
    (read,) = table.read(path, said)
    assert read.segments["text"].to_list() == [text]


def test_a_part_of_a_text_that_is_no_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("title,body\nJa,Gut!\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column headline; its columns are title, body"):
        table.read(path, "text=headline+body")
