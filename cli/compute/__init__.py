"""`mlv compute`: plan, run and commit jobs."""
