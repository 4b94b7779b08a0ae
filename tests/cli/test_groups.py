"""Social groups, stereotypes and lexicons as a user types them: into the store, again, and out of it."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import Mlv
from tiny_encoder import save_encoder

from mlv.cli.edge import ExitCode
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.store.opening import connect

GROUPS = "category,group,kind\ntrade,bakers,people\ntrade,sailors,\ncountry,Norway,\nage,old people,people\n"
STEREOTYPES = (
    "prompt,category,group,attribute,engine\n"
    "why are bakers so,trade,bakers,early,Google\n"
    "why are bakers so,trade,bakers,early,yahoo\n"
    "why are bakers so,trade,bakers,good at maths,multiple\n"
    "How come old people are so [MASK] ?,age,old people,wise,\n"
    "why is norway so,country,norway,cold,Yahoo\n"
    "why are barbers so,trade,barbers,chatty,Google\n"
    "why are [MASK] so [MASK] ?,trade,bakers,early,Google\n"
    "why are they so,trade,sailors,salty,Google\n"
    "why are bakers so,trade,bakers,,Google\n"
)
LEXICON = "word,joy,fear\ncold,0,1\nwise,1,0\nearly,0,0\n"
TEMPLATES = "form,kind,template\nso,people,warum sind {group} so [MASK] ?\nland,country,warum ist {group} so [MASK] ?\n"

READ = (
    ("ingest", "groups", "groups.csv", "--name", "ours"),
    ("ingest", "stereotypes", "said.csv", "--collection", "said", "--groups", "ours"),
    ("ingest", "lexicon", "words.csv", "--name", "feelings", "--may-be-passed-on"),
)


def placed(mlv: Mlv, arguments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(mlv.folder / word) if word.endswith((".csv", ".tsv", ".txt")) else word for word in arguments)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Mlv:
    mlv = Mlv(tmp_path_factory.mktemp("groups"))
    for name, text in {"groups": GROUPS, "said": STEREOTYPES, "words": LEXICON, "templates": TEMPLATES}.items():
        (mlv.folder / f"{name}.csv").write_text(text)
    assert mlv("db", "upgrade").code == 0
    for arguments in READ:
        assert mlv(*placed(mlv, arguments)).code == 0
    return mlv


@pytest.fixture
def mlv(read: Mlv, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """A copy of it; the journal names the files of the first."""
    return Mlv(Path(shutil.copytree(read.folder, tmp_path / "copy")), capsys)


def test_groups_are_in_the_sentences_of_their_templates(read: Mlv) -> None:
    assert read.rows("SELECT category, group_name, kind FROM v_group ORDER BY ALL") == [
        ("age", "old people", "people"),
        ("country", "Norway", "country"),
        ("trade", "bakers", "people"),
        ("trade", "sailors", "people"),
    ]
    of_norway = read.rows("SELECT form, text, prior_text FROM v_cloze WHERE is_template AND category = 'country'")
    assert len(of_norway) == 5
    assert ("why-are-all-people-so", "why are all people in Norway so [MASK] ?") in {row[:2] for row in of_norway}
    assert all(prior == text.replace("Norway", "[GROUP]") for _, text, prior in of_norway)
    assert read.rows("SELECT count(*) FROM v_cloze WHERE is_template") == [(20,)]


def test_stereotypes_are_kept_row_by_row_and_faults_are_named(read: Mlv) -> None:
    assert read.rows("SELECT prompt, group_name, attribute, words, engine FROM v_stereotype ORDER BY line") == [
        ("why are bakers so [MASK] ?", "bakers", "early", 1, "Google"),
        ("why are bakers so [MASK] ?", "bakers", "early", 1, "Yahoo"),
        ("why are bakers so [MASK] ?", "bakers", "good at maths", 3, "multiple"),
        ("How come old people are so [MASK] ?", "old people", "wise", 1, ""),
        ("why is norway so [MASK] ?", "Norway", "cold", 1, "Yahoo"),
        ("why are they so [MASK] ?", "sailors", "salty", 1, "Google"),
    ]
    assert read.rows("SELECT text, prior_text FROM v_cloze WHERE NOT is_template ORDER BY text") == [
        ("How come old people are so [MASK] ?", "How come [GROUP] are so [MASK] ?"),
        ("why are bakers so [MASK] ?", "why are [GROUP] so [MASK] ?"),
        ("why are they so [MASK] ?", None),
        ("why is norway so [MASK] ?", "why is [GROUP] so [MASK] ?"),
    ]
    assert read.rows("SELECT line, item, reason FROM v_reject WHERE kind = 'stereotype_collection' ORDER BY line") == [
        (7, "trade: barbers", "the list has no such group in this category"),
        (8, "why are [MASK] so [MASK] ?", "it has 2 places to fill, not one"),
        (10, "why are bakers so", "it has no attribute"),
    ]


def test_a_lexicon_has_every_emotion_of_every_word(read: Mlv) -> None:
    assert read.rows("SELECT * EXCLUDE lexicon_id FROM v_lexicon") == [("feelings", "joy,fear", 3, True, True)]
    assert read.rows("SELECT word, emotion, value FROM lexicon_value ORDER BY ALL") == [
        *(("cold", "fear", 1), ("cold", "joy", 0), ("early", "fear", 0)),
        *(("early", "joy", 0), ("wise", "fear", 0), ("wise", "joy", 1)),
    ]


def test_what_is_there_is_not_read_again_and_nothing_else_takes_its_name(mlv: Mlv) -> None:
    for arguments, other in zip(
        READ, (GROUPS[:-1] + "\ntrade,barbers,\n", STEREOTYPES[:120], LEXICON[:-14]), strict=True
    ):
        again = mlv(*placed(mlv, arguments))
        assert (again.code, "already there" in again.err) == (0, True), again.err
        (mlv.folder / arguments[2]).write_text(other)
        refused = mlv(*placed(mlv, arguments))
        assert (refused.code, "mlv ingest delete" in refused.err) == (ExitCode.DATA, True), refused.err
    assert mlv("db", "check").code == 0


def test_groups_that_a_list_lacks_are_added_if_asked_for_and_go_again(mlv: Mlv) -> None:
    more = placed(
        mlv, ("ingest", "stereotypes", "said.csv", "--collection", "more", "--groups", "ours", "--add-groups")
    )
    assert mlv(*more).code == 0
    assert mlv.rows("SELECT kind FROM v_group WHERE group_name = 'barbers'") == [("people",)]
    assert mlv.rows("SELECT count(*) FROM v_stereotype WHERE collection = 'more'") == [(7,)]
    assert mlv("ingest", "delete", "more", "--yes").code == 0
    assert mlv.rows("SELECT count(*) FROM v_group WHERE group_name = 'barbers'") == [(0,)]
    assert mlv("db", "check").code == 0


def test_a_list_speaks_several_languages(mlv: Mlv) -> None:
    german = placed(mlv, ("ingest", "groups", "groups.csv", "--name", "ours", "--language", "German"))
    refused = mlv(*german)
    assert (refused.code, "--templates" in refused.err) == (ExitCode.USAGE, True)
    assert mlv(*german, "--templates", str(mlv.folder / "templates.csv")).code == 0
    assert mlv.rows("SELECT text FROM v_cloze WHERE language = 'de' AND group_name = 'bakers'") == [
        ("warum sind bakers so [MASK] ?",)
    ]
    assert mlv.rows("SELECT count(*) FROM v_group") == [(4,)]


def test_they_are_listed_and_deleted_by_name(mlv: Mlv) -> None:
    listed = json.loads(mlv("ingest", "list", "--format", "json").out)
    assert {(row["kind"], row["name"]) for row in listed} == {
        ("groups", "ours"),
        ("lexicon", "feelings"),
        ("stereotype_collection", "said"),
    }
    asked = mlv("ingest", "delete", "ours")
    assert "stereotype" in asked.out + asked.err
    for name in ("ours", "feelings"):
        assert mlv("ingest", "delete", name, "--yes").code == 0
    for table in (
        "group_list",
        "social_group",
        "cloze",
        "stereotype_collection",
        "stereotype",
        "lexicon",
        "lexicon_value",
    ):
        assert mlv.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert mlv.rows("SELECT count(*) FROM ingest_file") == [(0,)]
    assert mlv("db", "check").code == 0


@pytest.mark.parametrize("journal", [True, False])
def test_a_store_of_groups_is_made_again_row_for_row(mlv: Mlv, journal: bool) -> None:
    templates = ("--language", "de", "--templates", str(mlv.folder / "templates.csv"))
    assert mlv(*placed(mlv, READ[0]), *templates).code == 0
    more = placed(
        mlv, ("ingest", "stereotypes", "said.csv", "--collection", "more", "--groups", "ours", "--add-groups")
    )
    assert mlv(*more).code == 0
    if not journal:
        Path(f"{mlv.store}.journal.jsonl").unlink()
    with connect(mlv.store) as connection:
        before = fingerprints(connection)
    done = mlv("db", "rebuild", "--sources", str(mlv.folder))
    assert done.code == 0, done.err
    with connect(mlv.store) as connection:
        assert fingerprints(connection) == before


def test_another_store_takes_them_over(mlv: Mlv, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    other = Mlv(tmp_path / "other", capsys)
    assert other("db", "upgrade").code == 0
    for _ in range(2):
        done = other("db", "merge", str(mlv.store), "--sources", str(mlv.folder))
        assert done.code == 0, done.err
    assert "nothing that is not here" in done.err
    for view in ("v_group", "v_cloze", "v_stereotype", "v_lexicon"):
        assert other.rows(f"FROM {view} ORDER BY ALL") == mlv.rows(f"FROM {view} ORDER BY ALL")


def test_completions_go_with_what_they_are_about_and_are_made_again(mlv: Mlv) -> None:
    save_encoder(mlv.folder / "encoder")
    done = mlv(
        "compute",
        "complete",
        "--model",
        str(mlv.folder / "encoder"),
        "--groups",
        "ours",
        "--top-k",
        "6",
        "--threads",
        "1",
    )
    assert done.code == 0, done.err
    assert mlv.rows("SELECT count(*) FROM v_completion WHERE rank = 1") == [(24,)]
    # a lexicon of the tokens of this model scores what was said before it came
    (mlv.folder / "tokens.csv").write_text(
        "word,joy,fear\n" + "".join(f"w{number},{number % 2},{int(number < 3)}\n" for number in range(12))
    )
    assert mlv(*placed(mlv, ("ingest", "lexicon", "tokens.csv", "--name", "tokens"))).code == 0
    scored = mlv.rows("SELECT count(DISTINCT group_name) FROM v_emotion_score WHERE lexicon = 'tokens'")
    assert scored == [(4,)]
    assert mlv("db", "check").code == 0
    with connect(mlv.store) as connection:
        before = fingerprints(connection)
    done = mlv("db", "rebuild", "--sources", str(mlv.folder))
    assert done.code == 0, done.err
    with connect(mlv.store) as connection:
        assert fingerprints(connection) == before
    for name in ("ours", "said"):
        refused = mlv("ingest", "delete", name, "--yes")
        assert (refused.code, "complete-" in refused.err) == (ExitCode.DATA, True), refused.err
    assert mlv("ingest", "delete", "tokens", "--yes").code == 0
    assert mlv.rows("SELECT count(*) FROM emotion_score WHERE lexicon_id = 2") == [(0,)]
    ((run,),) = mlv.rows("SELECT run FROM v_completion_run")
    assert mlv("runs", "delete", run, "--yes").code == 0
    assert mlv("ingest", "delete", "ours", "--yes").code == 0
    assert mlv("db", "check").code == 0


@pytest.mark.parametrize(
    ("arguments", "text", "code", "said"),
    [
        (READ[0], "category\ntrade\n", ExitCode.DATA, "has no column group"),
        (READ[0], "category,group\n,\n", ExitCode.DATA, "no group that can be used"),
        (READ[1], "prompt,category,group,attribute\nwhy,trade,barbers,x\n", ExitCode.DATA, "--add-groups"),
        (
            ("ingest", "stereotypes", "said.csv", "--collection", "x", "--groups", "none"),
            STEREOTYPES,
            ExitCode.NOT_FOUND,
            "it has ours",
        ),
        (READ[2], "word\ncold\n", ExitCode.DATA, "not words and emotions"),
        (("ingest", "lexicon", "--from-package", "numpy"), "", ExitCode.USAGE, "There is nrclex"),
        (("ingest", "lexicon"), "", ExitCode.USAGE, "either a file or a package"),
        (("ingest", "lexicon", "words.csv"), LEXICON, ExitCode.USAGE, "has no name"),
        (("ingest", "groups", "groups.csv", "--name", "a/b"), GROUPS, ExitCode.USAGE, "without a slash"),
    ],
)
def test_bad_input_is_refused_in_words(
    mlv: Mlv, arguments: tuple[str, ...], text: str, code: ExitCode, said: str
) -> None:
    if text:
        (mlv.folder / arguments[2]).write_text(text)
    done = mlv(*placed(mlv, arguments))
    assert (done.code, said in done.err) == (code, True), done.err
