"""Errors of the domain. Each says what, where and the likely cause; ``hint`` says what to do next.

Raised in every package, turned into a message and an exit code once, at the edge of the command line.
"""


class MlvError(Exception):
    """Something that a user can put right. ``hint`` is the next command to type or the thing to change."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def line(self) -> str:
        """Message and hint in one line."""
        return f"{self.message} {self.hint}".strip()


def excerpt(text: str, length: int = 100) -> str:
    """A text for messages, cut off where it is long."""
    return text if len(text) <= length else f"{text[:length]}..."


class UsageError(MlvError):
    """An argument, option, query or parameter that does not exist or does not fit."""


class DataError(MlvError):
    """A file or table whose content cannot be used: encoding, format, missing parts, failed quality gates."""


class NotFoundError(MlvError):
    """A model, checkpoint, run, corpus, language or file that is not there."""


class StoreError(MlvError):
    """A store that is missing, damaged, or from another version of mlv."""


class StoreLockedError(StoreError):
    """A store that another process holds open."""


class JobError(MlvError):
    """A job that failed, or a job directory that is damaged or incomplete."""


class DownloadError(MlvError):
    """An origin that cannot be reached, or a file whose checksum differs from the pinned one."""
