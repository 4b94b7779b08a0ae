"""The views of the store, one file per subject."""
