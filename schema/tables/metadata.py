"""All tables of the store, registered on one metadata."""

import sqlalchemy as sa
from sqlmodel import SQLModel

from mlv.schema.tables import corpora, influence, probing, reference, runs, survey, validation

MODULES = (reference, survey, corpora, runs, probing, influence, validation)

metadata: sa.MetaData = SQLModel.metadata


def table_names() -> list[str]:
    """Names of all tables, parents before children."""
    return [table.name for table in metadata.sorted_tables]
