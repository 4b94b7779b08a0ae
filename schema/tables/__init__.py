"""The tables of the store, declared with SQLModel, one file per subject."""
