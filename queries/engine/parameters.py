"""Values for the parameters of a query: from ``name=value`` texts or Python, checked, with defaults from the store."""

import math
from collections.abc import Iterable, Mapping, Sequence

import duckdb

from mlv.queries.engine.catalogue import INTERVALS, Parameter, Query, Scalar, Value, catalogue, near
from mlv.schema.errors import UsageError, joined

Given = Scalar | Sequence[Scalar] | None
"""What a caller may give: a value, a list, or the text of either."""

_TYPES: dict[str, type[Scalar]] = {"text": str, "integer": int, "real": float, "boolean": bool}
_BOOLEANS = {"true": True, "false": False}


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """Split ``name=value`` texts. Raises UsageError if one has no ``=`` or a name comes twice."""
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"{assignment!r} is not a parameter.", "Write --param NAME=VALUE, a list as --param NAME=A,B,C."
            )
        if name.strip() in values:
            raise UsageError(f"Parameter {name.strip()} is given twice.", "Give a list as --param NAME=A,B,C.")
        values[name.strip()] = value
    return values


def bind(connection: duckdb.DuckDBPyConnection, query: Query, given: Mapping[str, Given]) -> dict[str, Value]:
    """Values for all parameters of ``query``: what was given, else the default.

    Raises UsageError if a name is unknown, or a value does not fit its type or is none of those there are.
    """
    for name in given:
        if name not in query.parameters:
            raise _unknown(query, name)
    _check_varied(query, given.get(INTERVALS))
    values: dict[str, Value] = {}
    for name, parameter in query.parameters.items():
        value = given.get(name)
        if value is None:
            values[name] = _default(connection, parameter, values)
        else:
            values[name] = _convert(name, parameter, value)
            _check(connection, name, parameter, values[name])
    return values


def _unknown(query: Query, name: str) -> UsageError:
    if name == INTERVALS:
        having = ", ".join(other.name for other in catalogue() if INTERVALS in other.parameters)
        return UsageError(f"Query {query.reference} has no intervals.", f"These have: {having}.")
    return UsageError(
        f"Query {query.name} has no parameter {name!r}.",
        near(name, list(query.parameters), f"Show them: mlv query show {query.name}"),
    )


def _check_varied(query: Query, varied: Given) -> None:
    """Raise UsageError if the intervals are to be over what only other queries have intervals over."""
    having = [other.name for other in catalogue() if varied in other.varied]
    if having and query.name not in having:
        raise UsageError(
            f"Query {query.reference} has no intervals over {varied}.",
            f"It has some over {query.varied[0]}. Over {varied} these have: {', '.join(having)}.",
        )


def _default(connection: duckdb.DuckDBPyConnection, parameter: Parameter, before: Mapping[str, Value]) -> Value:
    """The default; an expression is evaluated with the values of earlier parameters."""
    if parameter.default_sql is None:
        return parameter.default
    sql = f"SELECT {parameter.default_sql}"
    named = connection.extract_statements(sql)[0].named_parameters
    row = connection.execute(sql, {name: before[name] for name in named}).fetchone()
    value: Value = None if row is None else row[0]
    return value


def _convert(name: str, parameter: Parameter, given: Given) -> Value:
    """A value of the parameter's type from a value or its text."""
    item_type = parameter.type.removesuffix("[]")
    if item_type == parameter.type:
        return _scalar(name, item_type, given, parameter.values)
    items = given.split(",") if isinstance(given, str) else given
    if not isinstance(items, Sequence):
        raise UsageError(f"{name} takes a list, not {given!r}.", f"Write --param {name}=A,B,C.")
    return [_scalar(name, item_type, item, parameter.values) for item in items if item != ""]  # type: ignore[return-value]


def _scalar(name: str, type_name: str, given: Given, values: Sequence[str]) -> Scalar:
    wanted = _TYPES[type_name]
    try:
        if isinstance(given, str):
            # bytes that are not UTF-8 come as halves of characters
            given.encode()
            return _BOOLEANS[given.strip().lower()] if wanted is bool else _number(wanted, given)
        if type(given) is wanted:
            return wanted(given)
        if wanted is float and type(given) is int:
            return float(given)
    except (ValueError, KeyError):
        pass
    raise UsageError(f"{name} takes {type_name}, not {given!r}.", _example(name, type_name, values))


def _number(wanted: type[Scalar], text: str) -> Scalar:
    value = wanted(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(text)
    return value


def _example(name: str, type_name: str, values: Sequence[str]) -> str:
    example = values[0] if values else {"integer": "1", "real": "0.5", "boolean": "true"}.get(type_name, "TEXT")
    return f"Write for example --param {name}={example}."


def _check(connection: duckdb.DuckDBPyConnection, name: str, parameter: Parameter, value: Value) -> None:
    """Refuse a value that cannot match anything, which would give an empty result without a reason."""
    known = list(parameter.values) or _values_in_store(connection, parameter)
    if known is None:
        return
    for item in value if isinstance(value, list) else [value]:
        if str(item) not in known:
            where = "" if parameter.values else " in this store"
            raise UsageError(
                f"There is no {name} {str(item)!r}{where}.", near(str(item), known, f"There are: {joined(known)}.")
            )


def _values_in_store(connection: duckdb.DuckDBPyConnection, parameter: Parameter) -> list[str] | None:
    """All values that the store has, as text; None if any may be given."""
    if parameter.values_from is None:
        return None
    view, column = parameter.values_from.split(".")
    sql = f"SELECT DISTINCT {column} FROM {view} WHERE {column} IS NOT NULL ORDER BY {column}"
    return [str(row[0]) for row in connection.execute(sql).fetchall()]
