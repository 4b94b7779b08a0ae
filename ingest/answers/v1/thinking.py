"""Taking off what a model thought before it answered."""

import re
import tomllib
from importlib.resources import files
from typing import Final

_BLOCKS: Final = tomllib.loads((files(__package__) / "words" / "thinking-blocks.toml").read_text("utf-8"))
_BEGIN, _END = ("|".join(map(re.escape, _BLOCKS[key])) for key in ("begins", "ends"))
_MARK: Final = re.compile(f"(?P<begin>{_BEGIN})|{_END}", re.IGNORECASE)


def without_thinking(text: str) -> tuple[str, bool]:
    """The text without blocks of thinking, and whether the last of them is not closed.

    An end without a beginning closes what stands before it, since some chat templates open the block in the prompt.
    """
    kept: list[str] = []
    depth = end = 0
    for mark in _MARK.finditer(text):
        if depth == 0:
            kept.append(text[end : mark.start()])
        if mark["begin"]:
            depth += 1
        elif depth == 0:
            kept = []
        else:
            depth -= 1
        end = mark.end()
    if depth == 0:
        kept.append(text[end:])
    return "\n".join(kept), depth > 0
