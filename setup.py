"""The packages of mlv: each room of the top level, and the rooms inside it, found rather than listed."""

from setuptools import find_packages, setup

ROOMS = ("schema", "migrations", "ingest", "compute", "queries", "cli")
INNER = [f"{room}.{name}" for room in ROOMS for name in find_packages(room)]

setup(
    packages=[f"mlv.{name}" for name in (*ROOMS, *INNER)],
    package_dir={f"mlv.{room}": room for room in ROOMS},
)
