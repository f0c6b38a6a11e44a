"""Reads a request body: not more than allowed, and only JSON that can be stored."""

import json
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, NoReturn

import msgspec
from fastapi import Depends, Request

from api.access.budget import HeldBytes
from api.callers.caller import CallerDep
from api.http.body_bounds import MOST_WITHOUT
from api.http.errors import ApiError
from api.services import ServicesDep
from api.submitting.fields import join, unknown
from api.submitting.slices import MOST_VALUES, TooManyValuesError, require_few_values
from jobs.settings import Settings
from jobs.strict_json import dump_json

MAX_DEPTH = 64
"""How deep lists and objects may be nested. The deepest real bodies, JSON schemas, stay under 20."""

_SMALL_BYTES = 64 * 1024

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def _read_job_body(request: Request, services: ServicesDep, caller: CallerDep) -> AsyncIterator[bytes]:
    with services.body_budget.open(caller.account) as held:
        yield await _read_body(request, held, *job_limit(services.settings))


async def _read_batch_body(request: Request, services: ServicesDep, caller: CallerDep) -> AsyncIterator[bytes]:
    advice = "(LONGHAND_MAX_BODY_BYTES): upload the requests as a file (POST /v1/files), or split the batch"
    with services.body_budget.open(caller.account) as held:
        yield await _read_body(request, held, services.settings.max_body_bytes, advice)


async def _read_small_body(request: Request, services: ServicesDep, caller: CallerDep) -> AsyncIterator[bytes]:
    # It counts as well: a project may have 32,000 connections, and 64 KiB of each are 2 GB.
    with services.body_budget.open(caller.account) as held:
        yield await _read_body(request, held, _SMALL_BYTES, "and this request needs few of them")


async def _refuse_body(request: Request) -> None:
    """Take the little that some clients send with everything; what else came would be kept, uncounted, as long as the
    request waits: 7,000 took a gigabyte.
    """
    came = 0
    async for piece in request.stream():
        came += len(piece)
        if came > MOST_WITHOUT:
            raise ApiError(413, "body_too_large", "this request has no body: send it without one")


NO_BODY = Depends(_refuse_body)
"""For a POST that needs no body."""
JobBody = Annotated[bytes, Depends(_read_job_body)]
"""The body of a POST that makes one job."""
BatchBody = Annotated[bytes, Depends(_read_batch_body)]
SmallBody = Annotated[bytes, Depends(_read_small_body)]
"""The body of a POST that names something and holds no prompt."""


def job_limit(settings: Settings) -> tuple[int, str]:
    """How many bytes one job may have, and what sets that."""
    if settings.max_body_bytes < settings.max_line_bytes:
        return settings.max_body_bytes, "(LONGHAND_MAX_BODY_BYTES)"
    return settings.max_line_bytes, "for one job (LONGHAND_MAX_LINE_BYTES)"


async def _read_body(request: Request, held: HeldBytes, limit: int, advice: str) -> bytes:
    """The body, refused as soon as it is known to be too large, with or without a Content-Length, and as soon as this
    process holds too much of all bodies together.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError(415, "unsupported_media_type", f"send JSON as application/json, not {kind[:60]!r}")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit, advice)
    body = bytearray()  # one block, which is the system's again when it is freed; many pieces are not
    async for piece in request.stream():
        if len(body) + len(piece) > limit:
            raise _too_large(limit, advice)
        held.add(len(piece))
        body += piece
    return bytes(body)


def read_fields(text: bytes | msgspec.Raw, where: str = "") -> dict[str, msgspec.Raw]:
    """The fields of a JSON object with no more values than one job may have, each left as it came.

    Not on the event loop, unless the text is small.
    """
    require_values([bytes(text)], _at(where), where or None)
    fields: dict[str, msgspec.Raw]
    try:
        fields = _FIELDS.decode(text)
    except RecursionError:
        raise _too_deep(where) from None
    except msgspec.ValidationError:
        raise _no_object(where) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not JSON, or JSON with a lone surrogate somewhere, which only the slower way takes.
        fields = _split(_load(text, where), where)
    return fields


def require_values(texts: Iterable[bytes], what: str, param: str | None = None) -> None:
    """Refuse JSON texts that have more values together than one job may have."""
    try:
        require_few_values(b",".join(texts))
    except TooManyValuesError:
        message = f"{what}has more than {MOST_VALUES} values, the most that one job may have"
        raise ApiError(413, "too_many_values", message, param=param) from None


def read_value(text: msgspec.Raw, where: str) -> Any:
    """One JSON value. Lone surrogates are let through, which msgspec would refuse; NaN and infinity are not JSON."""
    value = _load(text, where, _read_one)
    _check_depth(value, where)
    return value


def read_field(fields: Mapping[str, msgspec.Raw], name: str, where: str = "") -> Any:
    """The value of a field; None where it is not."""
    return read_value(fields[name], join(where, name)) if name in fields else None


def read_values(body: bytes) -> dict[str, Any]:
    """The values of all fields of a body."""
    return {name: read_value(text, name) for name, text in read_fields(body).items()}


def read_known_fields(body: bytes, known: Collection[str]) -> dict[str, msgspec.Raw]:
    """The fields of a body that may be empty; none that is not known."""
    fields = read_fields(body) if body.strip() else {}
    refuse_unknown(fields, known)
    return fields


def refuse_unknown(fields: Iterable[str], known: Collection[str], where: str = "") -> None:
    """Refuse the first field that is not known."""
    for name in fields:
        if name not in known:
            raise unknown(join(where, name[:64]), known)


def _split(value: Any, where: str) -> dict[str, msgspec.Raw]:
    if not isinstance(value, dict):
        raise _no_object(where)
    try:
        return {name: msgspec.Raw(dump_json(inner).encode()) for name, inner in value.items()}
    except RecursionError:
        raise _too_deep(where) from None


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
    # Decoded here: `json` would also take UTF-16, in which `require_few_values` counts nothing.
    return json.loads(text.decode("utf-8-sig", "surrogatepass"), parse_constant=_refuse_constant, parse_float=_finite)


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


def _no_object(where: str) -> ApiError:
    return ApiError(400, "invalid_type", f"{_at(where)}must be an object", param=where or None)


def _too_large(limit: int, advice: str) -> ApiError:
    return ApiError(413, "body_too_large", f"the body is larger than {limit} bytes, the most that is taken {advice}")


def _at(where: str) -> str:
    return f"{where}: " if where else "the body: "
