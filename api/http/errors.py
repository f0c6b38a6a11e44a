"""Refusals: every one is `{"error": {"message", "type", "param", "code"}}`, whatever went wrong."""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from logging import getLogger
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jobs.store.database import driver_message, is_transient
from jobs.store.refused_writes import is_disk_full, is_read_only
from jobs.strict_json import as_strict, dump_json

log = getLogger(__name__)


class ApiError(Exception):
    """A request that is refused. `param` names the field, for instance `requests[3].body.messages`; `retryable` counts
    the jobs of a batch that another retry would run again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        retryable: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = headers
        self.retryable = retryable

    @classmethod
    def not_found(cls, what: str, resource_id: str) -> "ApiError":
        """There is no such job or batch."""
        return cls(404, "not_found", f"no {what} has the id {_shown(resource_id)}", param="id")


@dataclass(frozen=True, slots=True)
class RawJson:
    """A value of an answer that is JSON already."""

    text: str


_RAW = secrets.token_hex(16)
"""What stands for such values while the answer is written. Nobody who submits a text can know it."""


class JsonAnswer(Response):
    """JSON in ASCII: a prompt may hold lone surrogates, which UTF-8 cannot carry and an escape can."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        raw: list[str] = []

        def put_off(value: RawJson) -> str:
            raw.append(as_strict(value.text))
            return _RAW

        pieces = dump_json(content, default=put_off).split(f'"{_RAW}"')
        return "".join(part for pair in zip(pieces, [*raw, ""], strict=True) for part in pair).encode("ascii")


def error_answer(error: ApiError) -> Response:
    """The refusal as a response."""
    return JsonAnswer(error_body(error), error.status, headers=dict(error.headers or {}))


def error_body(error: ApiError) -> dict[str, Any]:
    """The refusal as JSON."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    more = {} if error.retryable is None else {"retryable": error.retryable}
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code, **more}}


def whole_answer(error: ApiError) -> bytes:
    """The refusal as it goes over a connection that ends with it."""
    body = dump_json(error_body(error)).encode("ascii")
    head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode("ascii") + body


def add_error_answers(app: FastAPI) -> None:
    """Answer every known kind of failure in the one form. What is not known here, `envelope.py` answers."""
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid_parameter)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in (OperationalError, InterfaceError, InternalError, PoolTimeoutError):
        app.add_exception_handler(kind, _database_away)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  # tells the type checker what Starlette's signature cannot
    return error_answer(error)


def _invalid_parameter(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
    first = error.errors()[0]
    name = str(first["loc"][-1])
    given = first.get("input")
    shown = f" (it is {_shown(given)})" if isinstance(given, str) else ""
    return error_answer(ApiError(400, "invalid_value", f"{name}: {first['msg']}{shown}", param=name))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    path = _shown(request.url.path)
    if error.status_code == 404:
        refused = ApiError(404, "unknown_path", f"there is nothing at {path}; /docs lists what there is")
    elif error.status_code == 405:
        allowed = _methods_at(request)
        message = f"{path} does not take {request.method}; it takes {allowed}"
        refused = ApiError(405, "method_not_allowed", message, headers={"Allow": allowed})
    else:
        phrase = HTTPStatus(error.status_code).phrase.lower()
        refused = ApiError(error.status_code, phrase.replace(" ", "_"), str(error.detail), headers=error.headers)
    return error_answer(refused)


def _database_away(request: Request, error: Exception) -> Response:
    # The path as it came, percent-encoded: a decoded one could forge a line. And only the driver's own words:
    # SQLAlchemy's would add the statement, and with it what the client sent.
    where = f"{request.method} {request.scope['raw_path'].decode('ascii', 'replace')}"
    if not _is_away(error):
        log.error("database refused a statement at %s: %s", where, driver_message(error))
        return error_answer(ApiError(500, "database_error", "the database refused this; the service's log says why"))
    if is_disk_full(error):
        log.error("disk of the database full at %s: %s", where, driver_message(error))
        message = "the disk of the database is full. Free some space there, then try again"
        return error_answer(ApiError(503, "disk_full", message, headers={"Retry-After": "30"}))
    log.error("database away at %s: %s", where, driver_message(error))
    said = "takes no writes at the moment: it is read-only" if is_read_only(error) else "does not answer"
    return error_answer(
        ApiError(
            503,
            "database_unavailable",
            f"the database {said}; try again shortly",
            headers={"Retry-After": "2"},
        )
    )


def _is_away(error: Exception) -> bool:
    """Whether it is worth while to send the request again: not when a table is missing or a statement is too large,
    for which the drivers have the same exception.
    """
    cause = getattr(error, "orig", None)
    too_complex = str(getattr(cause, "sqlstate", None) or "").startswith("54")
    return is_transient(error) and not too_complex and getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR


def _methods_at(request: Request) -> str:
    # Not by `route.matches` for each method: nine milliseconds, for anybody who asks.
    path = request.scope["path"]
    found = {
        method
        for route in _each_of(request.app.routes)
        if route.path_regex.match(path)
        for method in route.methods or ()
    }
    return ", ".join(sorted(found))


def _each_of(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """The routes, and those of the routers that are included."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        else:
            yield from _each_of(getattr(route, "original_router").routes)  # noqa: B009  # FastAPI's own kind


def _shown(value: object) -> str:
    """A value as an error may repeat it: quoted and short."""
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
