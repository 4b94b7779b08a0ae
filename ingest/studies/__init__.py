"""Studies in one file, against a store: what is there, what is missing, what it will cost."""
