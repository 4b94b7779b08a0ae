"""Jobs planned for model states that tests make up, without a command line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mlv.ingest.jobs import finetune, influence, pca, pretrain, probe, validate
from mlv.ingest.jobs.kinds import kind
from mlv.ingest.jobs.planning import Context, NothingToDoError, write
from mlv.ingest.jobs.request import Request
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.spec import ModelRef


@dataclass(frozen=True)
class Jobs:
    """Where job directories go, beside ``store.duckdb``, and what is recorded of the request."""

    folder: Path
    provenance: dict[str, Any] = field(default_factory=dict)

    def context(self, connection: duckdb.DuckDBPyConnection, *models: ModelRef) -> Context:
        """What jobs are planned with; ``models`` are all that there are."""
        known = {model.name: model for model in models}
        store = self.folder.parent / "store.duckdb"
        return Context(connection, store, self.folder, self.provenance, lambda name: known[name])

    def plan(
        self, connection: duckdb.DuckDBPyConnection, name: str, request: Request, *models: ModelRef
    ) -> JobDirectory:
        """Make the directory of a kind's job."""
        context = self.context(connection, *models)
        return write(context, kind(name).plan(context, request))


def plan_finetune(
    connection: duckdb.DuckDBPyConnection,
    jobs: Jobs,
    model: ModelRef,
    languages: Sequence[str] = ("fa",),
    **settings: Any,
) -> JobDirectory:
    """Fine-tuning of a model on the demo's texts, 20 sentences in each language unless another number is given."""
    asked = {"source": "lines", "sentences": 20 * len(languages)} | settings
    request = finetune.Request.model_validate({"model": model.name, "languages": tuple(languages), **asked})
    return jobs.plan(connection, "finetune", request, model)


def plan_probe(
    connection: duckdb.DuckDBPyConnection, jobs: Jobs, model: ModelRef, **settings: Any
) -> JobDirectory | None:
    """Probing of a model; None if it has answered everything."""
    request = probe.Request.model_validate({"model": model.name, **settings})
    try:
        return jobs.plan(connection, "probe", request, model)
    except NothingToDoError:
        return None


def plan_pretrain(connection: duckdb.DuckDBPyConnection, jobs: Jobs, **settings: Any) -> JobDirectory:
    """Pretraining."""
    return jobs.plan(connection, "pretrain", pretrain.Request.model_validate(settings))


def plan_influence(connection: duckdb.DuckDBPyConnection, jobs: Jobs, run: str, **settings: Any) -> JobDirectory:
    """Tracing of a run."""
    return jobs.plan(connection, "influence", influence.Request.model_validate({"run": run, **settings}))


def plan_validation(connection: duckdb.DuckDBPyConnection, jobs: Jobs, run: str, **settings: Any) -> JobDirectory:
    """Retraining of a run without parts of its examples."""
    return jobs.plan(connection, "validate", validate.Request.model_validate({"run": run, **settings}))


def plan_pca(connection: duckdb.DuckDBPyConnection, jobs: Jobs, **settings: Any) -> JobDirectory:
    """Principal components of profiles."""
    return jobs.plan(connection, "pca", pca.Request.model_validate(settings))
