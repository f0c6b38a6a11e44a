"""Structured output: what a `response_format` requires of a text, and where a text does not match it.

Nothing is ever fetched: a schema that refers to another place is refused when it is submitted. What a schema costs has
no bound: 25 nested choices are 30 million tries, and some cannot even be compiled in a lifetime. So `find_mismatch`
and `find_schema_fault` are called only in a process that may be ended (`jobs/acceptance/format_check.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs

_BACKTRACK_LIMIT = 100_000
"""Patterns without lookaround are matched in linear time; of the others each gets so many steps."""

_LONGEST_REASON = 500


class FormatError(Exception):
    """A `response_format` that no text can be held to: the place in it, and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The finished text must be JSON, and fit the schema if there is one."""

    schema: str | None
    """As JSON."""
    path: str
    """Where in `response_format` the schema stands."""


def read_format(response_format: Any) -> AnswerFormat | None:
    """What a `response_format` asks for; None when any text will do. Raises `FormatError`.

    Types that Longhand does not know are the upstream's business. Some servers want the schema not below `json_schema`
    but beside `type`, also with `json_object`.
    """
    if not isinstance(response_format, Mapping):
        return None
    kind, inner = response_format.get("type"), response_format.get("json_schema")
    if kind not in ("json_object", "json_schema"):
        return None
    if kind == "json_object" or (inner is None and "schema" in response_format):
        path, schema = "", response_format.get("schema")
    elif isinstance(inner, Mapping):
        path, schema = "json_schema.", inner.get("schema")
    else:
        raise FormatError("json_schema", 'must be an object such as {"name": "article", "schema": {...}}')
    if schema is None:
        return AnswerFormat(None, f"{path}schema")
    if not isinstance(schema, dict | bool):
        raise FormatError(f"{path}schema", "must be an object, a JSON Schema")
    try:
        return AnswerFormat(json.dumps(schema), f"{path}schema")
    except RecursionError:
        raise FormatError(f"{path}schema", "is nested too deep") from None


def find_schema_fault(schema: str) -> tuple[Sequence[str | int], str] | None:
    """The place in a schema that makes it a broken one, and the reason; None for a good one."""
    try:
        _compile(schema)
    except jsonschema_rs.ValidationError as error:
        return error.instance_path, _shorten(error.message)
    except (ValueError, RecursionError) as error:
        return (), _shorten(str(error))
    return None


def find_mismatch(schema: str | None, text: str) -> str | None:
    """Where and why a text is not what was asked for; None when it is. A schema must have no fault."""
    try:
        answer = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        return f"the text is not JSON: {error}"
    except RecursionError:
        return "the text is JSON nested too deep to be checked"
    if schema is None:
        return None
    try:
        first = next(iter(_compile(schema).iter_errors(answer)), None)
    except (jsonschema_rs.ValidationError, ValueError, RecursionError) as error:
        return _shorten(f"the text cannot be checked: {error}")
    return None if first is None else _shorten(f"{join_path('$', first.instance_path)}: {first.message}")


def join_path(start: str, path: Sequence[str | int]) -> str:
    """A place in a document, such as `$.tags[1]`."""
    return start + "".join(f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in path[:32])


@lru_cache(maxsize=16)
def _compile(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        json.loads(schema),
        offline=True,
        validate_formats=True,
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT),
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _shorten(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
