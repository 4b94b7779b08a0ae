"""The packages of mlv: each room of the top level, and the rooms inside it, found rather than listed."""

from setuptools import find_packages, setup

ROOMS = ("schema", "migrations", "ingest", "compute", "queries", "cli")

setup(
    packages=[f"mlv.{name}" for room in ROOMS for name in (room, *(f"{room}.{inner}" for inner in find_packages(room)))],
    package_dir={f"mlv.{room}": room for room in ROOMS},
)
