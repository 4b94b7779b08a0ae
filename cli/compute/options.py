"""Commands made of requests: a field of a kind's ``Request`` is an option, and its description the option's help."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, TypeVar, get_args, get_origin

import typer

from mlv.cli import completion
from mlv.cli.edge import DEFAULT_STORE, Store, split_list
from mlv.cli.execution import EXECUTION, execute_options, keyword, with_parameters
from mlv.cli.work import Work, make_work
from mlv.schema.errors import UsageError, format_validation_errors, listed

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from mlv.ingest.jobs.request import Request

    R = TypeVar("R", bound=Request)

PlanOnly = Annotated[
    bool, typer.Option("--plan-only", help="Make the job directory and stop: a worker elsewhere runs it.")
]


Act = Callable[Concatenate[Work, Any, ...], None]
"""What a command does with a request; further parameters are options of its own. Its docstring is the help."""


def make_command(act: Act, request: "type[Request]", execution: Sequence[str]) -> Callable[..., None]:
    """The command that reads a request and gives it to ``act``; ``execution`` names options that it takes beside it."""
    extras = list(inspect.signature(act).parameters.values())[2:]

    def command(**given: Any) -> None:
        db, plan_only = given.pop("db"), given.pop("plan_only")
        work = make_work(db, execute_options(given), plan_only=plan_only)
        own = {extra.name: given.pop(extra.name) for extra in extras}
        act(work, read_request(request, given), **own)

    parameters = [
        *(_parameter(request, name, field) for name, field in request.model_fields.items()),
        *(extra.replace(kind=inspect.Parameter.KEYWORD_ONLY) for extra in extras),
        *(EXECUTION[name] for name in execution),
        keyword("plan_only", PlanOnly, False),
        keyword("db", Store, DEFAULT_STORE),
    ]
    command.__name__, command.__doc__ = act.__name__, act.__doc__
    return with_parameters(command, parameters)


def _parameter(request: "type[Request]", name: str, field: "FieldInfo") -> inspect.Parameter:
    """The parameter of the command that a field of the request is."""
    option, text = request.option(name), field.description
    kind = _type(field.annotation, option.repeated)
    complete = completion.OPTIONS.get(option.flag)
    default = inspect.Parameter.empty if field.is_required() else _default(field.default, option.repeated)
    if option.argument:
        argument = typer.Argument(metavar=option.flag.upper(), help=text, autocompletion=complete)
        return keyword(name, Annotated[kind, argument], default)
    named = typer.Option(f"--{option.flag}", help=text, autocompletion=complete)
    return keyword(name, Annotated[kind, named], default)


def _type(annotation: Any, repeated: bool) -> Any:
    """How an option's value is read; what it may be is the request's business."""
    plain = _plain(annotation)
    if repeated or get_origin(plain) is dict:
        return list[str] | None
    if plain is bool:
        return bool
    return plain | None if plain in (int, float) else str | None


def _plain(annotation: Any) -> Any:
    """A type without None and without what is said about it."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if type(None) in get_args(annotation):
        return _plain(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return annotation


def _default(value: Any, repeated: bool) -> Any:
    if isinstance(value, dict) or repeated:
        return list(value) or None
    return ",".join(map(str, value)) or None if isinstance(value, tuple) else value


def read_request(request: "type[R]", given: Mapping[str, Any]) -> "R":
    """The request that options ask for. Raises UsageError with all that does not fit."""
    from pydantic import ValidationError

    values = {name: _value(request, name, value) for name, value in given.items() if value is not None}
    try:
        return request.model_validate(values)
    except ValidationError as error:
        faults = format_validation_errors(error, request, lambda where: _flag(request, where))
    if len(faults) == 1:
        raise UsageError(faults[0])
    raise UsageError(f"{len(faults)} options do not fit:{listed(faults)}")


def _flag(request: "type[Request]", where: Sequence[int | str]) -> str:
    if not where:
        return ""
    option = request.option(str(where[0]))
    return option.flag.upper() if option.argument else f"--{option.flag}"


def _value(request: "type[Request]", name: str, value: Any) -> Any:
    kind = get_origin(request.model_fields[name].annotation)
    if kind is dict:
        return _pairs(request.option(name).flag, value)
    return split_list(value) if kind is tuple and isinstance(value, str) else value


def _pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = [_pair(flag, text) for text in texts]
    if len(dict(pairs)) < len(pairs):
        raise UsageError(f"--{flag} says something twice of the same: {' '.join(texts)}.", "Say it once.")
    return dict(pairs)


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"--{flag} {text} is not KEY=VALUE.", f"Write it as --{flag} fa=pes-opv")
    return name, value
