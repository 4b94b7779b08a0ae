"""Notes."""

import next_revision
from alembic import op

from mlv.schema.errors import StoreError

revision = next_revision.REVISION
down_revision = next_revision.BEFORE
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and fill it."""
    op.execute("CREATE TABLE note AS SELECT training_example_id, md5(position || split) AS text FROM training_example")
    if op.get_bind().exec_driver_sql("SELECT 1 FROM run_event WHERE event = 'unwanted'").first():
        raise StoreError("The store has an unwanted event.", "Delete its run with the mlv that made it.")
