"""What a view is."""

from typing import NamedTuple


class View(NamedTuple):
    """A view with the texts of its ``COMMENT ON``."""

    name: str
    comment: str
    columns: dict[str, str]
    """Column and text, in their order."""

    sql: str
