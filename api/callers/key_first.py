"""A key first of all: before the path, the query or the body is looked at."""

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers.caller import CALLER, Caller, count_for, find_caller
from api.callers.revoked import KeyInUse
from api.callers.watch_tokens import find_watcher, is_watch
from api.http.errors import ApiError, error_answer
from api.looks import LOOK_SECONDS, within
from api.services import Services

STATUS_PATH = "/v1/status"


class KeyFirst:
    """ASGI middleware: finds the caller of each request to `/v1`, or refuses it.

    Before the layers below have worked for it: they take ten times as long, and strangers may send any number.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A browser sends OPTIONS before it sends a key.
        if scope["type"] == "http" and scope["path"].startswith("/v1/") and scope["method"] != "OPTIONS":
            try:
                caller = await self._find(scope)
                count_for(scope, caller)
            except ApiError as refused:
                await error_answer(refused)(scope, receive, send)
                return
            except (SQLAlchemyError, TimeoutError):
                pass  # the layers below ask again, and answer that the database is away
            else:
                scope[CALLER] = caller
                if caller.key_id is not None:
                    used = KeyInUse(self._services.keyring, caller.key_id, scope, receive, send)
                    receive, send = used.receive, used.send
        await self._app(scope, receive, send)

    async def _find(self, scope: Scope) -> Caller:
        find = find_watcher if is_watch(scope) else find_caller
        found = find(Request(scope), self._services)
        # The status is answered while the database, which has the keys, is away; it says who asks if that is known.
        return await (within(LOOK_SECONDS, found) if scope["path"] == STATUS_PATH else found)
