"""Prompts: how chat models are asked the questions of probes, and which answered questions they are shown before.

Pure functions over texts, tuples and frames (Self-Alignment, sections 8.4.2 and 8.4.3); no store is needed.
"""
