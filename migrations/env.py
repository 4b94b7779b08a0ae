"""Alembic's environment: runs on the connection that ``mlv.migrations.engine`` gives it."""

from alembic import context

from mlv.migrations.engine import is_ours
from mlv.schema.store.ledger import LEDGER
from mlv.schema.tables.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=LEDGER,
    include_object=is_ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
