"""A key first of all: before the path, the query or the body is looked at."""

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers.caller import CALLER, count_for, find_caller
from api.callers.watch_tokens import find_watcher, is_watch
from api.http.errors import ApiError, error_answer
from api.services import Services


class KeyFirst:
    """ASGI middleware: finds the caller of each request to `/v1`, or refuses it.

    Before the layers below have worked for it: they take ten times as long, and strangers may send any number.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _wants_key(scope):
            find = find_watcher if is_watch(scope) else find_caller
            try:
                caller = await find(Request(scope), self._services)
                count_for(scope, caller)
            except ApiError as refused:
                await error_answer(refused)(scope, receive, send)
                return
            except SQLAlchemyError:
                pass  # the layers below ask again, and answer that the database is away
            else:
                scope[CALLER] = caller
        await self._app(scope, receive, send)


def _wants_key(scope: Scope) -> bool:
    # A browser sends OPTIONS before it sends a key. The status must be answered while the database is away, and that
    # has the keys.
    path: str = scope["path"]
    return path.startswith("/v1/") and path != "/v1/status" and scope["method"] != "OPTIONS"
