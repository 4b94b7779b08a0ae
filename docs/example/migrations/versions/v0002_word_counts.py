"""Counts of words."""

from alembic import op
from sqlmodel import SQLModel

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table. A revision that stays writes its SQL out: what tables declare may change after it."""
    SQLModel.metadata.tables["word_count"].create(op.get_bind())
