"""Headers: what names stand for, and that a header written out is the same header."""

import tomllib
from pathlib import Path

import pytest

from mlv.queries import Query, all_versions
from mlv.queries.engine.headers import Shared, resolved, shared, written
from mlv.schema.errors import DataError

SHARED = Shared(
    {
        "model": {"type": "text", "about": "Only this model.", "values_from": "v_checkpoint.model"},
        "traced.model": {"type": "text", "about": "Only traced runs of it."},
    },
    {"model": "Pretrained model.", "traced.model": "Model of the traced run.", "p_holm": "Corrected."},
)


def test_names_stand_for_what_is_shared() -> None:
    fields = resolved('parameters = ["model"]\ncolumns = ["model"]\nintervals = ["x_low", "x_high", "p_holm"]', SHARED)
    assert fields == {
        "parameters": {"model": SHARED.parameters["model"]},
        "columns": {"model": "Pretrained model."},
        "intervals": {
            "x_low": "Lower end of the 95% interval of x.",
            "x_high": "Its upper end.",
            "p_holm": "Corrected.",
        },
    }


def test_a_dotted_name_is_called_by_its_last_part() -> None:
    fields = resolved('parameters = ["traced.model"]\ncolumns = ["traced.model"]', SHARED)
    assert fields["parameters"] == {"model": SHARED.parameters["traced.model"]}
    assert fields["columns"] == {"model": "Model of the traced run."}


def test_what_the_header_says_goes_before_key_by_key() -> None:
    header = 'parameters = ["model"]\ncolumns = ["model"]\n[parameter.model]\nabout = "Mine."\n[column]\nmodel = "M."'
    fields = resolved(header, SHARED)
    assert fields["parameters"]["model"] == {**SHARED.parameters["model"], "about": "Mine."}
    assert fields["columns"] == {"model": "M."}


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ('parameters = ["few"]', "describes few"),
        ('columns = ["few", "many"]', "describes few, many"),
        ('[column]\nfew = "F."', "do not name few"),
        ('parameters = ["model"]\n[parameter.few]\ntype = "text"', "do not name few"),
    ],
)
def test_a_name_without_description_and_a_description_without_name_are_refused(header: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        resolved(header, SHARED)


def test_a_later_folder_goes_before(tmp_path: Path) -> None:
    for place, name in enumerate(("all", "own")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "columns.toml").write_text(f'n = "{place}"\n[traced]\nn = "traced {place}"\n')
    (tmp_path / "all" / "parameters.toml").write_text('[score]\ntype = "text"\n[traced.k]\ntype = "integer"\n')
    both = shared((tmp_path / "all", tmp_path / "own"))
    assert both.columns == {"n": "1", "traced.n": "traced 1"}
    assert both.parameters == {"score": {"type": "text"}, "traced.k": {"type": "integer"}}


def test_a_written_header_says_the_same() -> None:
    long = " ".join(['a "quoted" word,', "back\\slash and ünïcode"] * 20)
    fields = {
        "question": "?",
        "parameters": {"score": {"type": "text", "about": long, "default": ["a", "b"]}, "n": {"default": 5e-05}},
        "columns": {"x": long},
        "intervals": {"x_low": "Low."},
    }
    text = written(fields)
    assert resolved(text, SHARED) == tomllib.loads(text) == fields
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_a_query_shows_its_whole_header(query: Query) -> None:
    fields = tomllib.loads(query.text.split("*/")[0].removeprefix("/*"))
    assert fields["columns"] == query.columns
    assert fields["parameters"].keys() == query.parameters.keys()
