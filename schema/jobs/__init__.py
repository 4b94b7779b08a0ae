"""Specifications of jobs, one file per kind, and job directories."""
