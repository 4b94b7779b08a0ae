"""Views are a promise to released queries: what a query reads of them, and whether it has changed, can be told."""

import pytest

from mlv.schema.views import hashes
from mlv.schema.views.declared import VIEWS
from mlv.schema.views.hashes import view_hash, views_read

NAMES = [view.name for view in VIEWS]


def test_views_read_what_is_before_them() -> None:
    for place, view in enumerate(VIEWS):
        assert set(views_read(view.sql)) <= set(NAMES[:place]), view.name


def test_what_views_read_is_read_too() -> None:
    assert views_read("SELECT count(*) FROM v_shift") == ["v_run", "v_checkpoint", "v_probe", "v_shift"]
    assert views_read("FROM v_probe JOIN v_run r ON r.run = run") == ["v_run", "v_probe"]


@pytest.mark.parametrize(
    "sql", ["SELECT 1 -- FROM v_run", "/* values_from = v_run.run\n\n */ SELECT 1", "SELECT v_run_id", "FROM run", ""]
)
def test_what_only_looks_like_a_view_is_not_read(sql: str) -> None:
    assert views_read(sql) == []


def test_a_hash_is_of_what_a_view_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: view_hash(name) for name in NAMES}
    assert len(set(before.values())) == len(NAMES)
    sql = hashes._SQL["v_run"]
    monkeypatch.setitem(hashes._SQL, "v_run", sql.replace("\n", "\n    "))
    assert view_hash("v_run") == before["v_run"]
    monkeypatch.setitem(hashes._SQL, "v_run", sql.replace("committed", "deleting"))
    assert [name for name in NAMES if view_hash(name) != before[name]] == ["v_run"]
    with pytest.raises(KeyError):
        view_hash("v_none")
