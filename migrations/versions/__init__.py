"""One module for each revision of the store's schema, in order."""
