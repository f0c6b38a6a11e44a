"""Structured output: what a `response_format` asks of a text, and where a text is not so.

Nothing is ever fetched: a schema that refers to another place is refused when it is submitted. What a check costs has
no bound (25 nested choices are 30 million tries), so `find_mismatch` is called only in a process that may be ended
(`worker/schema_child.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs

LONGEST_SCHEMA = 1 << 20
"""How long a schema may be as JSON, in bytes: compiling a longer one takes seconds."""

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
    return AnswerFormat(json.dumps(schema), f"{path}schema")


def check_format(response_format: Any) -> None:
    """Raises `FormatError` when no text can be held to this format."""
    wanted = read_format(response_format)
    if wanted is None or wanted.schema is None:
        return
    if len(wanted.schema) > LONGEST_SCHEMA:
        raise FormatError(wanted.path, f"is longer than {LONGEST_SCHEMA} bytes")
    fault = _find_fault(wanted.schema)
    if fault is not None:
        path, reason = fault
        raise FormatError(_join(wanted.path, path), reason)


def find_mismatch(schema: str | None, text: str) -> str | None:
    """Where and why a text is not what was asked for; None when it is. A schema must have passed `check_format`."""
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
    except (jsonschema_rs.ValidationError, ValueError) as error:
        return _shorten(f"the text cannot be checked: {error}")
    return None if first is None else _shorten(f"{_join('$', first.instance_path)}: {first.message}")


@lru_cache(maxsize=64)
def _find_fault(schema: str) -> tuple[Sequence[str | int], str] | None:
    """What is wrong with a schema: many jobs of a batch have the same one."""
    try:
        _compile(schema)
    except jsonschema_rs.ValidationError as error:
        return error.instance_path, _shorten(error.message)
    except ValueError as error:
        return (), _shorten(str(error))
    return None


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


def _join(start: str, path: Sequence[str | int]) -> str:
    return start + "".join(f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in path[:32])


def _shorten(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
