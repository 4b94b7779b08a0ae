"""A store whose fine-tuning run has all that is published: a specification, losses, licences, provenance."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from example_specs import FINETUNE

from mlv.queries.publishing.record import Record, record
from mlv.schema.jobs.identity import canonical_json
from mlv.schema.store.opening import connect, open_store

SECRETS: Final = ("/home/somebody", "--token", "a verse that nobody may see")
"""What must not leave the store: folders, arguments, texts."""

ENVIRONMENT: Final[dict[str, Any]] = {"mlv": "0.1.0", "git_commit": "abc123", "git_dirty": True}


@pytest.fixture(scope="session")
def published_store(hand_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study that is computed by hand, with what jobs write and it does without."""
    path = tmp_path_factory.mktemp("published") / "study.duckdb"
    path.write_bytes(hand_store.read_bytes())
    folder, argument, verse = SECRETS
    provenance = {"environment": ENVIRONMENT, "arguments": [argument], "model_paths": {"alpha": folder}}
    with connect(path, read_only=False) as connection:
        connection.execute(
            "UPDATE run SET spec = ?, provenance = ?, started_at = TIMESTAMP '2024-05-01 10:00', "
            "finished_at = TIMESTAMP '2024-05-01 11:30' WHERE name = 'finetune-fa'",
            [canonical_json(FINETUNE), json.dumps(provenance)],
        )
        connection.execute(
            "INSERT INTO metric SELECT run_id, m.name, m.epoch, m.step, m.value FROM run, "
            "(VALUES ('loss', 0.5, 5, 4.0), ('loss', 1.0, 10, 2.0), ('eval_loss', 1.0, 10, 2.5), "
            "('loss', 2.0, 20, 1.0), ('eval_loss', 2.0, 20, 1.25)) AS m(name, epoch, step, value) "
            "WHERE run.name = 'finetune-fa'"
        )
        connection.execute("UPDATE corpus SET licence = 'CC BY 4.0 | or other', edition = '<new>' WHERE edition = ''")
        connection.execute("UPDATE base_model SET revision = 'r1' WHERE name = 'alpha'")
        connection.execute("UPDATE source SET name = 'Parallel Bible Corpus', citation = 'Mayer and Cysouw (2014)'")
        connection.execute("UPDATE segment SET text = ?", [verse])
    return path


@pytest.fixture(scope="session")
def published(published_store: Path) -> Record:
    """What is published of its run on Persian."""
    with open_store(published_store) as connection:
        return record(connection, "finetune-fa")
