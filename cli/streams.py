"""Standard output that is closed, full, or read by a program that goes away; and the other two streams, if closed.

A stream that is closed when a process starts leaves its number to the next file that is opened, such as the store, and
what is printed would be written into that. So the numbers are taken first.
"""

import errno
import io
import os
import sys
from typing import Any

_OUTPUT = 1


class ReaderGoneError(Exception):
    """Whoever read the output has gone, with what it wanted: ``mlv query list | head -1``. No OSError: typer has its
    own end for a broken pipe."""


def install() -> None:
    """Take the numbers of streams that are closed, and have what goes wrong with standard output said as what it is."""
    for number, mode in ((0, os.O_RDONLY), (_OUTPUT, os.O_RDONLY), (2, os.O_WRONLY)):
        if not _is_open(number):
            # in the place of standard output one that cannot be written: it is an error if there is something to write
            os.open(os.devnull, mode)
    before = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(_OUTPUT, "wb", closefd=False)),
        encoding=before.encoding if before else "utf-8",
        errors=before.errors if before else "strict",
        line_buffering=os.isatty(_OUTPUT),
    )
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class _Output(io.FileIO):
    """Standard output, without its buffer."""

    def write(self, data: Any, /) -> int:
        """Write what is possible. Raises ReaderGoneError, or DataError that says what is wrong."""
        try:
            return super().write(data)
        except BrokenPipeError:
            self._drop_the_rest()
            raise ReaderGoneError from None
        except OSError as error:
            self._drop_the_rest()
            raise _cannot_write(error) from error

    def _drop_the_rest(self) -> None:
        """What is in the buffer is written once more when Python ends: that must not fail again."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _cannot_write(error: OSError) -> Exception:
    from mlv.schema.errors import DataError

    why = "it is closed" if error.errno == errno.EBADF else error.strerror
    return DataError(f"Standard output cannot be written: {why}.", "Redirect it to a file on a disk that has space.")
