"""Input that is nearly right, and what may come of it: what a reader promises, or a refusal that a person can act on.

Every property is tried on few examples, the same ones in every run. ``MLV_FUZZ=100`` tries a hundred times as many, and
others each time.
"""

import gzip
import os
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mlv.schema.errors import MlvError

T = TypeVar("T")

FACTOR = int(os.environ.get("MLV_FUZZ", "1"))

LONGEST_MESSAGE = 10_000
"""Characters of an error that a person still reads, with room for lists."""

NASTY: tuple[bytes, ...] = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x80",
        b"\xed\xa0\x80",
        b"\x1b[31m",
        "\u202e".encode(),
        "\u2028".encode(),
    ),
    *(b"\r", b"\n", b"\r\n", b"\n\n", b"\t", b" ", b",", b";", b"|", b":", b"#", b'"', b"'", b"\\", b"=", b"*", b"?"),
    *(b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"1e-400", b"99999999999999999999", b"7" * 5000, "٣".encode()),
    *(b"<", b">", b"</seg>", b"<seg id='b.MAT.1.1'>", b"&a;", b"&#0;", b"&#xD800;", b"&#" + b"9" * 5000 + b";"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<?xml version='1.1' encoding='utf-16'?>", b"]]>"),
    *(b"[MASK]", b"<range>", b"'; DROP TABLE run; --", b"$1", b"{", b"}", b"[" * 2000, b"{" * 2000, b"null", b"true"),
    *(b"a" * 140_000, b"e\xcc\x81" * 50),
)
"""What is put into a valid file: marks of encodings and formats, numbers that are none, and too much of everything."""

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def examples(count: int) -> settings:
    """How often a property is tried."""
    return settings(
        max_examples=count * FACTOR,
        derandomize=FACTOR == 1,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def outcome(action: Callable[[], T]) -> T | None:
    """What an action gives; None where it is refused in words that a person can act on."""
    try:
        return action()
    except MlvError as error:
        refusal = error
    assert refusal.message.strip(), "no message"
    assert refusal.hint.strip(), f"no hint: {refusal.message}"
    assert len(refusal.line) < LONGEST_MESSAGE, f"an error of {len(refusal.line):,} characters"
    refusal.line.encode()
    return None


@st.composite
def damaged(draw: st.DrawFn, valid: Sequence[bytes], gzipped: bool = True) -> bytes:
    """One of some valid files, damaged once to three times; in the end perhaps gzipped, or gzipped and cut off."""
    content = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        content = draw(st.sampled_from((_put_in, _cut_out, _repeat, _renumber, _recode, _flip)))(draw, content)
    packing = draw(st.sampled_from(("plain", "plain", "gzip", "cut", "twice"))) if gzipped else "plain"
    if packing == "plain":
        return content
    packed = gzip.compress(content, 1, mtime=0)
    if packing == "twice":
        return packed + gzip.compress(b"more\n", 1, mtime=0)
    return packed[: draw(st.integers(3, len(packed)))] if packing == "cut" else packed


def _place(draw: st.DrawFn, content: bytes) -> int:
    return draw(st.integers(0, len(content)))


def _put_in(draw: st.DrawFn, content: bytes) -> bytes:
    at = _place(draw, content)
    return content[:at] + draw(st.sampled_from(NASTY)) + content[at:]


def _cut_out(draw: st.DrawFn, content: bytes) -> bytes:
    start, end = sorted((_place(draw, content), _place(draw, content)))
    return content[:start] + content[end:]


def _repeat(draw: st.DrawFn, content: bytes) -> bytes:
    start, end = sorted((_place(draw, content), _place(draw, content)))
    return content[:end] + content[start:]


def _renumber(draw: st.DrawFn, content: bytes) -> bytes:
    """Another number in place of one of the numbers."""
    found = list(NUMBER.finditer(content))
    if not found:
        return content
    number = draw(st.sampled_from(found))
    other = draw(st.sampled_from((b"nan", b"inf", b"-5", b"1e400", b"2e9", b"-3000000000", b"1" * 5000, b"0.5", b"")))
    return content[: number.start()] + other + content[number.end() :]


def _recode(draw: st.DrawFn, content: bytes) -> bytes:
    """Another encoding, or other line ends."""
    how = draw(st.sampled_from(("utf-16", "utf-32-be", "cp1256", "crlf", "bom", "cr")))
    if how in ("crlf", "cr"):
        return content.replace(b"\n", b"\r\n" if how == "crlf" else b"\r")
    if how == "bom":
        return b"\xef\xbb\xbf" + content
    return content.decode("utf-8", "replace").encode(how, "replace")


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    if not content:
        return content
    at = draw(st.integers(0, len(content) - 1))
    return content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]
