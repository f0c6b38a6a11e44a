"""JSON as everybody reads it: the one place where Longhand writes it.

Python's `json` also reads and writes NaN and Infinity. Upstreams send them, no browser takes them, and one of them in a
note made a whole batch unreadable.
"""

import json
import math
from collections.abc import Callable
from typing import Any


def dump_json(
    value: object,
    *,
    ascii_only: bool = True,
    indent: int | None = None,
    spaced: bool = False,
    default: Callable[[Any], object] | None = None,
) -> str:
    """The value as JSON, with null for each number that JSON has no form for. Raises as `json.dumps` does."""
    separators = (",", ": " if indent else ":") if not spaced else (", ", ": ")

    def dump(what: object) -> str:
        return json.dumps(
            what, ensure_ascii=ascii_only, indent=indent, separators=separators, default=default, allow_nan=False
        )

    try:
        return dump(value)
    except ValueError:
        return dump(_finite(value))  # a circle ends here too: in a RecursionError


def as_strict(stored: str) -> str:
    """JSON that was stored, for a client: Longhand 0.1 stored NaN and Infinity as they came."""
    return dump_json(json.loads(stored)) if "NaN" in stored or "Infinity" in stored else stored


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {(str(name) if isinstance(name, float) else name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
