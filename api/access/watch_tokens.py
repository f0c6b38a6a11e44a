"""Watch tokens: what opens one channel for a minute, for an `EventSource`, which can send no header.

A token stands in a URL, and URLs end up in the logs of proxies and the histories of browsers. So it opens one stream of
one job or batch and nothing else, and soon not even that. A stream that it has opened goes on after its time.
"""

import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access.caller import Caller, Calling, InReference, read_caller, refuse_strangers
from api.errors import ApiError, JsonAnswer
from api.parameters import STRICT, is_id
from api.parts import Given, Parts
from api.request_bodies import request_body
from api.schemas import REFUSALS
from api.submitting.bodies import SmallBody, read_fields, read_value
from api.submitting.fields import invalid, unknown
from jobs.store.queries import read_batch, read_job
from jobs.tables import DEFAULT_PROJECT

TOKEN_SECONDS = 60
"""How long a token can open its stream."""

_NO_KEY = "-"

_BODY = {
    "type": "object",
    "required": ["channel"],
    "additionalProperties": False,
    "properties": {"channel": {"type": "string", "description": "`jobs/job_...` or `batches/batch_...`."}},
}

routes = APIRouter(prefix="/v1", tags=["watch"], dependencies=STRICT, responses=REFUSALS)


class WatchTokenObject(BaseModel):
    """A token that opens one channel."""

    object: Literal["watch_token"]
    token: str
    channel: str
    expires_at: int


@routes.post("/watch_tokens", responses={200: {"model": WatchTokenObject}}, openapi_extra=request_body(_BODY))
async def post_watch_token(parts: Given, caller: Calling, body: SmallBody) -> Response:
    """Make a token for one channel, for clients that cannot send a key with it, as a browser's `EventSource`.

    `{"channel": "jobs/job_..."}` or `{"channel": "batches/batch_..."}`. Within 60 s the token opens
    `/v1/{channel}/events?token=...`, as often as wanted, and nothing else. What it has opened goes on; a client that
    comes back later needs a new token, and sends its cursor as `last_event_id`.
    """
    channel = _read_channel(body)
    room, _, resource_id = channel.partition("/")
    read = read_job if room == "jobs" else read_batch
    if not is_id(resource_id) or (
        await run_in_threadpool(read, parts.database, resource_id, project=caller.project) is None
    ):
        raise ApiError.not_found("job" if room == "jobs" else "batch", resource_id)
    expires_at = parts.database.now() + timedelta(seconds=TOKEN_SECONDS)
    token = _sign(await parts.keyring.token_secret(), caller, channel, int(expires_at.timestamp()))
    shown = {"object": "watch_token", "token": token, "channel": channel, "expires_at": int(expires_at.timestamp())}
    return JsonAnswer(shown, headers={"cache-control": "no-store"})


async def read_watcher(
    request: Request,
    parts: Given,
    token: Annotated[
        str | None, Query(description="From `POST /v1/watch_tokens`, for clients that cannot send a key.")
    ] = None,
    _shown: InReference = None,
) -> Caller:
    """The caller who may watch the job or the batch in the path: one with a key, or with a token for it."""
    if token is None:
        return await read_caller(request, parts)
    given = request.path_params
    channel = f"jobs/{given['job_id']}" if "job_id" in given else f"batches/{given['batch_id']}"
    return await _check(request, parts, token, channel)


Watching = Annotated[Caller, Depends(read_watcher)]
"""As `Calling`, for the endpoints that a watch token opens."""


async def _check(request: Request, parts: Parts, token: str, channel: str) -> Caller:
    """The caller that this token was made for. Raises `ApiError`, which says nothing of what was sent."""
    time, _, key_id = token.rpartition(".")[0].partition(".")
    if not time.isdecimal() or not time.isascii() or len(time) > 12 or not (key_id == _NO_KEY or is_id(key_id)):
        raise _refused("this is no watch token")
    if key_id == _NO_KEY:
        if await parts.keyring.requires_keys():
            raise _refused("this watch token is from before there was an API key")
        refuse_strangers(request)
        caller = Caller(DEFAULT_PROJECT, None)
    else:
        key = await parts.keyring.find_by_id(key_id)
        if key is None:
            raise _refused("the API key of this watch token is unknown or was revoked")
        caller = Caller(key.project, key.id)
    signed = _sign(await parts.keyring.token_secret(), caller, channel, int(time))
    if not hmac.compare_digest(signed.encode(), token.encode()):
        raise _refused("this watch token is not for this channel")
    if datetime.fromtimestamp(int(time), UTC) <= parts.database.now():
        raise _refused(f"this watch token is older than {TOKEN_SECONDS} s", "watch_token_expired")
    return caller


def _sign(secret: bytes, caller: Caller, channel: str, expires_at: int) -> str:
    # As JSON, so that no two different tokens have the same bytes to sign.
    signed = json.dumps(["watch", expires_at, caller.project, caller.key_id, channel]).encode()
    digest = hmac.new(secret, signed, sha256).hexdigest()
    return f"{expires_at}.{caller.key_id or _NO_KEY}.{digest}"


def _read_channel(body: bytes) -> str:
    fields = read_fields(body)
    for name in fields:
        if name != "channel":
            raise unknown(name[:64], ["channel"])
    channel = read_value(fields["channel"], "channel") if "channel" in fields else None
    if not isinstance(channel, str) or channel.partition("/")[0] not in ("jobs", "batches"):
        raise invalid("channel", "must be jobs/ID or batches/ID")
    return channel


def _refused(why: str, code: str = "invalid_watch_token") -> ApiError:
    return ApiError(401, code, f"{why}: ask POST /v1/watch_tokens for a new one", param="token")
