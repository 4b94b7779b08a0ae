"""The papers' constants, one file per paper, each with its place."""
