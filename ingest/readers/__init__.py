"""Readers of source formats. They know nothing of a store."""
