"""In which order jobs are committed."""

from collections.abc import Mapping

from mlv.schema.jobs.spec import Spec


def build_order(jobs: Mapping[str, Spec]) -> list[str]:
    """Names of jobs in their given order, but those that others build on, or hold results of, before these."""
    ordered: dict[str, None] = {}

    def place(name: str) -> None:
        if name in ordered:
            return
        for needed in sorted((jobs[name].builds_on() | jobs[name].takes_from()) & jobs.keys()):
            place(needed)
        ordered[name] = None

    for name in jobs:
        place(name)
    return list(ordered)
