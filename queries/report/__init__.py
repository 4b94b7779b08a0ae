"""A study's tables and figures as one page."""
