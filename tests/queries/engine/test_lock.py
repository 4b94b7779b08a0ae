"""That what is released never changes: queries, and the macros and views that they rest on."""

import json
from pathlib import Path

import pytest

from mlv.queries import find
from mlv.queries.engine import lock
from mlv.queries.engine.macros import macro_bodies
from mlv.schema.errors import DataError
from mlv.schema.views.declared import VIEWS

ONE = {"a@1": {"query": "x", "macro:m": "y"}}


def test_what_is_released_never_changed() -> None:
    """A failure here is mended by restoring the file, and releasing the change as a new version, macro or view."""
    assert lock.present() == lock.locked()


def test_a_query_holds_what_its_macros_rest_on() -> None:
    assert {"matches", "at_epoch", "kept_lists", "in_place"} <= lock.macros_used(find("unchanged").text)
    held = lock.present()["unchanged@1"]
    assert {"macro:selected_checkpoints", "view:v_checkpoint", "view:v_probe_set"} <= held.keys()
    # found by a default alone
    assert {"macro:default_survey", "macro:alignment_countries", "macro:probed_countries"} <= lock.present()[
        "alignment@1"
    ].keys()


def test_every_macro_is_used_and_its_hash_ends_where_it_does() -> None:
    used = {name.removeprefix("macro:") for entry in lock.present().values() for name in entry}
    assert set(macro_bodies()) <= used
    assert not any(body.endswith((";", "\n")) or "\n--" in body.split("(")[0] for body in macro_bodies().values())


def test_every_view_of_the_lock_exists() -> None:
    held = {
        name.removeprefix("view:") for entry in lock.locked().values() for name in entry if name.startswith("view:")
    }
    assert held <= {view.name for view in VIEWS}


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A lock that holds a@1."""
    monkeypatch.setattr(lock, "LOCK", tmp_path / "lock.json")
    monkeypatch.setattr(lock, "present", lambda: ONE)
    assert lock.update() == ["a@1"]
    return monkeypatch


def test_lock_takes_new_versions(released: pytest.MonkeyPatch) -> None:
    both = {**ONE, "a@2": {"query": "z"}}
    released.setattr(lock, "present", lambda: both)
    assert lock.update() == ["a@2"]
    assert lock.locked() == both


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ({"a@1": {"query": "z", "macro:m": "y"}}, r"a@1 has changed \(query\)"),
        ({"a@1": {"query": "x", "macro:m": "z"}}, r"a@1 has changed \(macro:m\)"),
        ({"a@1": {"query": "x", "macro:m": "y", "view:v": "w"}}, r"a@1 has changed \(view:v\)"),
        ({}, "a@1 is gone"),
    ],
)
def test_lock_refuses_what_changed(
    released: pytest.MonkeyPatch, found: dict[str, dict[str, str]], complaint: str
) -> None:
    before = lock.LOCK.read_bytes()
    released.setattr(lock, "present", lambda: found)
    with pytest.raises(DataError, match=complaint) as caught:
        lock.update()
    assert "new version" in caught.value.hint
    assert lock.LOCK.read_bytes() == before
    assert json.loads(before) == ONE
