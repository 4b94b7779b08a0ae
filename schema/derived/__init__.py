"""Rows that are computed from other rows of the store when these enter it."""
