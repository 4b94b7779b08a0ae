"""What a user says in a TOML file about data: codebooks, tasks. Read whole, with all that is wrong with it at once."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from mlv.schema.errors import DataError, NotFoundError, format_validation_errors, listed
from mlv.schema.toml import parse_toml


class Document(BaseModel):
    """Base of what such files say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    WHAT: ClassVar[str]
    """What it is called, for messages."""

    HOW: ClassVar[str]
    """How one is written, for a message."""

    @cached_property
    def content(self) -> str:
        """Everything it says, as JSON: files that differ in comments and white space have the same."""
        return self.model_dump_json(exclude_defaults=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def problems(self) -> Iterator[str]:
        """What is wrong with it although its form is right."""
        raise NotImplementedError

    @classmethod
    def read(cls, path: Path) -> Self:
        """That of a file. Raises NotFoundError, or DataError that says everything that is wrong with it."""
        try:
            return cls.parse(path.name, path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8: {error.reason}.", "Save it as UTF-8.") from error
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(f"There is no {cls.WHAT} {path}.", cls.HOW) from error

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """That of a TOML text; ``name`` is for messages. Raises DataError."""
        try:
            found = cls.model_validate(parse_toml(name, text))
        except ValidationError as error:
            raise cls._wrong(name, format_validation_errors(error, cls)) from error
        if problems := list(found.problems()):
            raise cls._wrong(name, problems)
        return found

    @classmethod
    def _wrong(cls, name: str, problems: list[str]) -> DataError:
        return DataError(f"{name} is no {cls.WHAT} that can be used:{listed(problems)}", "Correct these in the file.")
