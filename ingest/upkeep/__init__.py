"""Keeping a store: checking, comparing, deleting from and rebuilding it."""
