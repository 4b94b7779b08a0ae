"""A run in a folder of Weights & Biases, without an account."""

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlv.queries.publishing.record import Record
from mlv.queries.publishing.wandb import publish
from mlv.schema.errors import DownloadError, UsageError

from .conftest import SECRETS

wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """wandb keeps what it read of the environment until it is torn down."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    yield
    wandb.teardown()


def _logged(folder: Path) -> Iterator[dict[str, Any]]:
    """What a folder would upload, in order: LevelDB's log of blocks of 32 KiB, after a header of 7 bytes."""
    from google.protobuf import json_format  # type: ignore[import-untyped]
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # its own process writes until it is told to end
    (file,) = folder.glob("*.wandb")
    data, place, content = file.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, part = struct.unpack_from("<IHB", data, place)
        content += data[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):  # all of a record, or its last part
            yield json_format.MessageToDict(
                wandb_internal_pb2.Record.FromString(content), preserving_proto_field_name=True
            )
            content = b""


def test_history_and_settings_are_the_records(published: Record) -> None:
    logged = list(_logged(Path(publish(published, "echoes", "demo"))))
    (run,) = [one["run"] for one in logged if "run" in one]
    assert (run["run_id"], run["project"], run["run_group"], run["job_type"]) == (
        "finetune-fa",
        "echoes",
        "demo",
        "finetune",
    )
    config = {item["key"]: json.loads(item["value_json"]) for item in run["config"]["update"]}
    assert {**published.spec, **published.tags("demo")}.items() <= config.items()
    history = {
        int(one["history"]["step"]["num"]): {
            item["nested_key"][0]: json.loads(item["value_json"]) for item in one["history"]["item"]
        }
        for one in logged
        if "history" in one
    }
    assert history.keys() == {5, 10, 20}
    assert history[5].items() >= {"epoch": 0.5, "loss": 4.0}.items()
    assert history[20].items() >= {"epoch": 2.0, "loss": 1.0, "eval_loss": 1.25, "unchanged/ko": 75.0}.items()


def test_nothing_of_the_machine_goes_along(published: Record) -> None:
    folder = Path(publish(published, "mlv"))
    wandb.teardown()
    (file,) = folder.glob("*.wandb")
    assert not [secret for secret in SECRETS if secret.encode() in file.read_bytes()]
    assert not [path for path in (folder / "files").rglob("*") if path.is_file()]


def test_a_run_is_not_put_into_a_folder_twice(published: Record) -> None:
    publish(published, "mlv")
    with pytest.raises(UsageError, match="has the run") as caught:
        publish(published, "mlv")
    assert "wandb sync wandb/offline-run-" in caught.value.hint
    publish(replace(published, run="finetune-other"), "mlv")
    assert len(list(Path("wandb").glob("offline-run-*"))) == 2


def test_without_an_account_it_is_said_how_to_do(
    published: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(DownloadError, match="does not take it") as caught:
        publish(published, "mlv")
    assert "WANDB_MODE=offline" in caught.value.hint
