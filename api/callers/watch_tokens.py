"""Watch tokens: each opens one channel within a minute, for an `EventSource`, which cannot send a header.

A token stands in a URL, and URLs end up in the logs of proxies and the histories of browsers. So it opens one stream of
one job or batch and nothing else, and soon not even that. A stream that it has opened goes on after its time.
"""

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.types import Scope

from api.callers.caller import CALLER, Caller, InReference, count_for, find_caller, refuse_strangers
from api.http.errors import ApiError
from api.http.parameters import is_id
from api.services import Services, ServicesDep
from jobs.strict_json import dump_json
from jobs.tables import DEFAULT_PROJECT

TOKEN_SECONDS = 60
"""How long a token can open its stream."""

_NO_KEY = "-"

_WATCHED = re.compile(r"^/v1/(?:jobs|batches)/[^/]+/events$")
"""As Starlette finds its routes, which also takes a line feed at the end."""


async def read_watcher(
    request: Request,
    services: ServicesDep,
    _token: Annotated[
        str | None,
        Query(alias="token", description="From `POST /v1/watch_tokens`, for clients that cannot send a key."),
    ] = None,
    _shown: InReference = None,
) -> Caller:
    """The caller who may watch the job or the batch in the path: one with a key, or with a token for it."""
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        caller = await find_watcher(request, services)
        count_for(request.scope, caller)
    elif caller.key_id is not None and await services.keyring.find_by_id(caller.key_id) is None:
        raise _refused("the API key of this watch was revoked while it waited for its turn to open")
    return caller


def is_watch(scope: Scope) -> bool:
    """Whether this request is for the events of a job or a batch."""
    return scope["method"] == "GET" and _WATCHED.match(scope["path"]) is not None


async def find_watcher(request: Request, services: Services) -> Caller:
    """The caller of such a request. Raises `ApiError`."""
    token = request.query_params.get("token")
    return await (find_caller(request, services) if token is None else _check(request, services, token))


WatcherDep = Annotated[Caller, Depends(read_watcher)]
"""As `CallerDep`, for the endpoints that a watch token opens."""


async def _check(request: Request, services: Services, token: str) -> Caller:
    """The caller that this token was made for. Raises `ApiError`, which says nothing of what was sent."""
    channel = request.scope["path"].removeprefix("/v1/").removesuffix("/events")
    time, _, key_id = token.rpartition(".")[0].partition(".")
    if not time.isdecimal() or not time.isascii() or len(time) > 12 or not (key_id == _NO_KEY or is_id(key_id)):
        raise _refused("this is no watch token")
    if key_id == _NO_KEY:
        if await services.keyring.requires_keys():
            raise _refused("this watch token is from before there was an API key")
        refuse_strangers(request, services.settings.cors_origins)
        caller = Caller(DEFAULT_PROJECT, None)
    else:
        key = await services.keyring.find_by_id(key_id)
        if key is None:
            raise _refused("the API key of this watch token is unknown or was revoked")
        caller = Caller(key.project, key.id)
    signed = sign_token(await services.keyring.token_secret(), caller, channel, int(time))
    if not hmac.compare_digest(signed.encode(), token.encode()):
        raise _refused("this watch token is not for this channel")
    if datetime.fromtimestamp(int(time), UTC) <= services.database.now():
        raise _refused(f"this watch token is older than {TOKEN_SECONDS} s", "watch_token_expired")
    return caller


def sign_token(secret: bytes, caller: Caller, channel: str, expires_at: int) -> str:
    """The token that opens this channel until then (Unix seconds)."""
    # As JSON, so that no two different tokens have the same bytes to sign.
    signed = dump_json(["watch", expires_at, caller.project, caller.key_id, channel], spaced=True).encode()
    digest = hmac.new(secret, signed, sha256).hexdigest()
    return f"{expires_at}.{caller.key_id or _NO_KEY}.{digest}"


def _refused(why: str, code: str = "invalid_watch_token") -> ApiError:
    return ApiError(401, code, f"{why}: ask POST /v1/watch_tokens for a new one", param="token")
