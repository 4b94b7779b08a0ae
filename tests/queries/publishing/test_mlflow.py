"""A run in a store of MLflow's own, published once and again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlv.queries.publishing.mlflow import publish
from mlv.queries.publishing.record import Record
from mlv.schema.errors import DownloadError

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of MLflow's; artifacts lie in the current folder. Nothing is told to its makers, no server awaited."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri)


def _series(client: Any, run: str) -> dict[str, list[tuple[int, float]]]:
    """Values by step of every metric."""
    return {
        name: sorted((point.step, point.value) for point in client.get_metric_history(run, name))
        for name in client.get_run(run).data.metrics
    }


def test_parameters_metrics_and_tags_are_the_records(published: Record, uri: str) -> None:
    run = _client(uri).get_run(publish(published, uri, "echoes", "demo"))
    assert run.data.params == published.parameters()
    assert published.tags("demo").items() <= run.data.tags.items()
    assert run.info.run_name == "finetune-fa"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 90 * 60 * 1000
    series = _series(_client(uri), run.info.run_id)
    assert series["loss"] == [(5, 4.0), (10, 2.0), (20, 1.0)]
    assert series["epoch"] == [(5, 0.5), (10, 1.0), (20, 2.0)]
    assert series["unchanged/ko"] == [(10, 100.0), (20, 75.0)]


def test_artifacts_are_card_specification_and_tables(published: Record, uri: str) -> None:
    client, run = _client(uri), publish(published, uri, "mlv")
    files = {file.path for file in client.list_artifacts(run)}
    assert files == {"README.md", "job.json", "corpora.csv", "shares.csv"}
    table = pl.read_csv(client.download_artifacts(run, "shares.csv"))
    assert table["share"].to_list() == published.shares["share"].to_list()


def test_a_run_that_is_published_again_is_completed(published: Record, uri: str) -> None:
    """What was probed later comes in, and nothing twice."""
    before = publish(replace(published, shares=pl.DataFrame()), uri, "mlv")
    assert not [name for name in _series(_client(uri), before) if name.startswith("unchanged")]
    for study in ("demo", "other"):
        assert publish(published, uri, "mlv", study) == before
    assert len(_client(uri).search_runs(["1"])) == 1
    assert sum(map(len, _series(_client(uri), before).values())) == len(published.measured()) + 3
    assert _client(uri).get_run(before).data.tags["mlv.study"] == "other"


def test_a_run_that_was_broken_off_is_completed(published: Record, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("mlv.queries.publishing.mlflow._missing", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish(published, uri, "mlv")
    run = publish(published, uri, "mlv")
    assert len(_client(uri).search_runs(["1"])) == 1
    assert _series(_client(uri), run)["eval_loss"] == [(10, 2.5), (20, 1.25)]


def test_a_long_run_is_sent_in_parts(published: Record, uri: str) -> None:
    losses = tuple(published.losses[0]._replace(step=step, value=float(step)) for step in range(1, 2501))
    run = publish(replace(published, losses=losses, shares=pl.DataFrame()), uri, "mlv")
    assert _client(uri).get_run(run).data.metrics["loss"] == 2500


def test_a_server_that_is_not_there_is_named(published: Record, uri: str) -> None:
    with pytest.raises(DownloadError, match=r"at http://127\.0\.0\.1:9"):
        publish(published, "http://127.0.0.1:9", "mlv")
