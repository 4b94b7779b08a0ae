"""Options of how a job is run, made of the fields of :class:`mlv.compute.machine.options.ExecuteOptions`."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any, Final

import typer

from mlv.compute.machine.options import ExecuteOptions, Option, declared_options

_UNITS: Final = "KMGT"


def read_bytes(text: str) -> int:
    """Bytes, e.g. of 512M or 40G. Raises typer.BadParameter."""
    found = re.fullmatch(rf"([1-9]\d{{0,6}})([{_UNITS}])B?", text.strip().upper())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size such as 512M or 40G.")
    return int(found[1]) << 10 * (_UNITS.index(found[2]) + 1)


def keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """A parameter of a command, which typer makes an option."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameter(option: Option) -> inspect.Parameter:
    said = option.said
    if said.size:
        # what typer reads by a parser it reads so by default too
        read = typer.Option(parser=read_bytes, metavar="<size>", help=said.help)
        return keyword(option.name, Annotated[int, read], f"{option.default >> 30}G")
    limits: dict[str, Any] = {"min": 1, "max": said.most} if option.type in (int, int | None) else {}
    # a switch has no opposite
    flags = (option.flag,) if option.type is bool else ()
    return keyword(option.name, Annotated[option.type, typer.Option(*flags, help=said.help, **limits)], option.default)


EXECUTION: Final[Mapping[str, inspect.Parameter]] = {option.name: _parameter(option) for option in declared_options()}
"""Options of how a job is run."""


def with_execution(*names: str, **replaced: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have a command take options of execution in the place of its parameter ``options``, which it is given.

    Those of ``names``, or all if none is named; ``replaced`` are annotations for options that mean something else
    there.
    """
    chosen = [EXECUTION[name] for name in names or EXECUTION]
    execution = [own.replace(annotation=replaced.get(own.name, own.annotation)) for own in chosen]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_options(*arguments: Any, **given: Any) -> None:
            options = execute_options(given)
            command(*arguments, **given, options=options)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            as_keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += execution if parameter.name == "options" else [as_keyword]
        return with_parameters(with_options, parameters)

    return decorate


def with_parameters(command: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """A command with the parameters that typer is to see."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def execute_options(given: dict[str, Any]) -> ExecuteOptions:
    """The options of execution among what a command was given, taken out of it."""
    return ExecuteOptions(**{name: given.pop(name) for name in EXECUTION if name in given})
