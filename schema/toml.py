"""Reading TOML that a user wrote: study files, codebooks, tasks."""

import tomllib
from typing import Any

from mlv.schema.errors import DataError, excerpt


def parse_toml(name: str, text: str) -> dict[str, Any]:
    """The table of a text; ``name`` is for messages. Raises DataError if it is not TOML."""
    try:
        return tomllib.loads(text)
    # a number of thousands of digits is a plain ValueError
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name} is not valid TOML: {excerpt(str(error), 500)}.",
            "Correct that line; https://toml.io has the syntax.",
        ) from error
