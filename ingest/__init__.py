"""Readers of source formats, quality gates, and the writing of the store: planning and committing of jobs."""
