"""The store's schema: SQLModel tables, views, descriptions, job specifications and the papers' constants.

Imports nothing else of mlv. Importing ``mlv.schema`` registers no table; import the module of a noun
(``mlv.schema.tables.runs``), or ``mlv.schema.tables.metadata`` for all of them.
"""
