"""Planning and committing jobs."""
