"""Alembic's environment: runs on the connection that ``mlv.migrations`` gives it."""

from alembic import context

from mlv.migrations import is_ours
from mlv.schema.tables.metadata import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, include_object=is_ours, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
