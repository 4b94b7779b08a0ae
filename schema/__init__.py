"""The store's schema: SQLModel tables, views, descriptions, job specifications and the papers' constants.

Imports nothing else of mlv. Importing ``mlv.schema`` registers no table; import the module of a noun
(``mlv.schema.runs``), or ``mlv.schema.tables`` for all of them.
"""
