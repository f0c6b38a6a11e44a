"""Reading what a client sent: no more than allowed, and JSON that can be stored."""

import json
import math
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NoReturn

import msgspec
from fastapi import Depends, Request

from api.errors import ApiError
from api.parts import Given

MAX_DEPTH = 64
"""How deep lists and objects may be nested. The deepest real bodies, JSON schemas, stay under 20."""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECT = "an object"
_LIST = "a list"
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


async def _read_body(request: Request, parts: Given) -> bytes:
    """The body, refused as soon as it is known to be too large, with or without a Content-Length."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError(415, "unsupported_media_type", f"send JSON as application/json, not {kind[:60]!r}")
    limit = parts.settings.max_body_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    pieces, length = [], 0
    async for piece in request.stream():
        length += len(piece)
        if length > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


Body = Annotated[bytes, Depends(_read_body)]


def read_fields(text: bytes | msgspec.Raw, where: str = "") -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, each left as it came: the items of a large batch are decoded one by one, and other
    threads run in between.
    """
    fields: dict[str, msgspec.Raw] = _decode(_FIELDS, text, where, _OBJECT)
    return fields


def read_items(text: msgspec.Raw, where: str) -> list[msgspec.Raw]:
    """The items of a JSON list, each left as it came."""
    items: list[msgspec.Raw] = _decode(_ITEMS, text, where, _LIST)
    return items


def read_value(text: msgspec.Raw, where: str) -> Any:
    """One JSON value. Lone surrogates are let through, which msgspec would refuse; NaN and infinity are not JSON."""
    value = _load(text, where, _read_one)
    _check_depth(value, where)
    return value


def _decode(decoder: msgspec.json.Decoder[Any], text: bytes | msgspec.Raw, where: str, what: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise _too_deep(where) from None
    except msgspec.ValidationError:
        raise ApiError(400, "invalid_type", f"{_at(where)}must be {what}", param=where or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not JSON, or JSON with a lone surrogate somewhere, which only the slower way takes.
        return _split(_load(text, where), where, what)


def _split(value: Any, where: str, what: str) -> Any:
    try:
        if isinstance(value, dict) and what == _OBJECT:
            return {name: msgspec.Raw(json.dumps(inner).encode()) for name, inner in value.items()}
        if isinstance(value, list) and what == _LIST:
            return [msgspec.Raw(json.dumps(inner).encode()) for inner in value]
    except RecursionError:
        raise _too_deep(where) from None
    raise ApiError(400, "invalid_type", f"{_at(where)}must be {what}", param=where or None)


def _load(text: bytes | msgspec.Raw, where: str, read: Callable[[bytes], Any] | None = None) -> Any:
    try:
        return (read or _read_whole)(bytes(text))
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"{_at(where)}not valid JSON: {error}", param=where or None) from None


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(inner for inner in item.values() if isinstance(inner, dict | list))
            elif isinstance(item, list):
                below.extend(inner for inner in item if isinstance(inner, dict | list))
        if not below:
            return
        level = below
    raise _too_deep(where)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _read_whole(text: bytes) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def _read_one(text: bytes) -> Any:
    """A value out of a body that was read already: its encoding is known, and 50,000 lines have 350,000 of them."""
    return _values().decode(text.decode("utf-8", "surrogatepass"))


@cache
def _values() -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _too_deep(where: str) -> ApiError:
    return ApiError(
        413, "nested_too_deep", f"{_at(where)}nested deeper than {MAX_DEPTH} levels: flatten it", param=where or None
    )


def _too_large(limit: int) -> ApiError:
    return ApiError(413, "body_too_large", f"the body is larger than {limit} bytes: split it into several batches")


def _at(where: str) -> str:
    return f"{where}: " if where else "the body: "
