"""What runs a job, one file per kind."""
