"""All tables of the store, registered on one metadata: those of the modules beside this one."""

import pkgutil
from importlib import import_module

import sqlalchemy as sa
from sqlmodel import SQLModel

import mlv.schema.tables

for _module in pkgutil.iter_modules(mlv.schema.tables.__path__):
    if _module.name not in ("columns", "metadata", "relations"):
        import_module(f"mlv.schema.tables.{_module.name}")

metadata: sa.MetaData = SQLModel.metadata


def table_names() -> list[str]:
    """Names of all tables, parents before children."""
    return [table.name for table in metadata.sorted_tables]
