"""A run in MLflow (extra ``mlflow``). The specification's hash is a tag: published again, a run is completed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from mlv.queries.publishing.card import files
from mlv.queries.publishing.record import Record
from mlv.schema.errors import DownloadError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_AT_ONCE: Final = 1000
"""Metrics that MLflow takes in one request."""


def publish(record: Record, uri: str, experiment: str, study: str = "") -> str:
    """Enter a run in an experiment, which is made if there is none; return MLflow's name of the run.

    ``uri`` is a server or a store of MLflow's: ``http://...``, ``sqlite:///mlflow.db``, a folder.
    Raises DownloadError if MLflow does not take it.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return _publish(MlflowClient(uri), record, experiment, study)
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise DownloadError(f"MLflow does not take it at {uri}: {reason}", "Look at --uri and --project.") from error


def _publish(client: "MlflowClient", record: Record, experiment: str, study: str) -> str:
    from mlflow.entities import Param

    run = _run(client, experiment, record)
    for name, text in record.tags(study).items():
        client.set_tag(run, name, text)
    client.log_batch(run, params=[Param(name, text) for name, text in record.parameters().items()])
    for batch in _batches(_missing(client, run, record)):
        client.log_batch(run, metrics=batch)
    client.log_dict(run, dict(record.spec), "job.json")
    for name, text in files(record).items():
        client.log_text(run, text, name)
    client.set_terminated(run, end_time=_milliseconds(record.finished))
    return run


def _run(client: "MlflowClient", experiment: str, record: Record) -> str:
    """MLflow's name of the run with the specification's hash, entered if there is none."""
    known = client.get_experiment_by_name(experiment)
    key = known.experiment_id if known else client.create_experiment(experiment)
    found = client.search_runs([key], f"tags.`mlv.spec_hash` = '{record.spec_hash}'")
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(key, start_time=_milliseconds(record.started), tags=record.tags(), run_name=record.run)
    return str(made.info.run_id)


def _missing(client: "MlflowClient", run: str, record: Record) -> Iterator[Any]:
    """The metrics that MLflow does not have yet: it would add the others once more. Epochs are one of them."""
    from mlflow.entities import Metric

    measured = record.measured()
    values = [(one.name, one.step, one.value) for one in measured]
    values += [("epoch", step, epoch) for step, epoch in {one.step: one.epoch for one in measured}.items()]
    names = client.get_run(run).data.metrics
    known = {(name, point.step) for name in names for point in client.get_metric_history(run, name)}
    for name, step, value in values:
        if (name, step) not in known:
            yield Metric(name, value, _milliseconds(record.finished), step)


def _batches(metrics: Iterator[Any]) -> Iterator[Sequence[Any]]:
    while batch := list(islice(metrics, _AT_ONCE)):
        yield batch


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
