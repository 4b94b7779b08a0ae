"""Views are a promise to released queries and to people: they change with the schema's revision, never under it."""

import hashlib

from mlv.schema.store.opening import SCHEMA_REVISION
from mlv.schema.views.declared import VIEWS

RELEASED = {
    "0002": "84e1189bfe9226ce4b5ab543eb3c384aee8dbc6b376bfa069b24fdb4aff9a16a",
    "0003": "db7a2c73eaa94a5d940f1403ad3035886ba12a61dae4e351f0727775ae916b93",
    "0004": "db1e402ddd9839e43df91b994ff4ffe0acc5e5363bf6c9f6be5602ab4c153cfd",
    "0005": "aa97597971a4a8ce4f7f58a42591fcd2a1ce1ad95464523e52d01e3092276313",
}
"""SHA-256 of the views' SQL, by schema revision."""


def test_views_change_only_with_the_revision_that_an_upgrade_looks_at() -> None:
    text = "\n".join(f"{view.name}\n{' '.join(view.sql.split())}" for view in VIEWS)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert RELEASED[SCHEMA_REVISION] == digest, (
        "stores at this revision have other views: add a migration, so that `mlv db upgrade` is asked for, "
        f"and record {digest} under its revision"
    )
