"""Create a watch token."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel
from starlette.responses import Response

from api.callers.caller import CallerDep
from api.callers.watch_tokens import TOKEN_SECONDS, sign_token
from api.finding import find_batch, find_job
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import is_id, v1_routes
from api.http.request_bodies import request_body
from api.services import ServicesDep
from api.submitting.bodies import SmallBody, read_field, read_fields, refuse_unknown
from api.submitting.fields import invalid

_BODY = {
    "type": "object",
    "required": ["channel"],
    "additionalProperties": False,
    "properties": {"channel": {"type": "string", "description": "`jobs/job_...` or `batches/batch_...`."}},
}

routes = v1_routes("watch")


class WatchTokenObject(BaseModel):
    """A token that opens one channel."""

    object: Literal["watch_token"]
    token: str
    channel: str
    expires_at: int


@routes.post("/watch_tokens", responses={200: {"model": WatchTokenObject}}, openapi_extra=request_body(_BODY))
async def post_watch_token(services: ServicesDep, caller: CallerDep, body: SmallBody) -> Response:
    """Make a token for one channel, for clients that cannot send a key with it, as a browser's `EventSource`.

    `{"channel": "jobs/job_..."}` or `{"channel": "batches/batch_..."}`. Within 60 s the token opens
    `/v1/{channel}/events?token=...`, as often as wanted, and nothing else. What it has opened goes on; a client that
    comes back later needs a new token, and sends its cursor as `last_event_id`.
    """
    channel = _read_channel(body)
    room, _, resource_id = channel.partition("/")
    if not is_id(resource_id):
        raise ApiError.not_found("job" if room == "jobs" else "batch", resource_id)
    await services.reads.run(find_job if room == "jobs" else find_batch, services, caller, resource_id)
    expires_at = services.database.now() + timedelta(seconds=TOKEN_SECONDS)
    token = sign_token(await services.keyring.token_secret(), caller, channel, int(expires_at.timestamp()))
    shown = {"object": "watch_token", "token": token, "channel": channel, "expires_at": int(expires_at.timestamp())}
    return JsonAnswer(shown, headers={"cache-control": "no-store"})


def _read_channel(body: bytes) -> str:
    fields = read_fields(body)
    refuse_unknown(fields, ["channel"])
    channel = read_field(fields, "channel")
    if not isinstance(channel, str) or channel.partition("/")[0] not in ("jobs", "batches"):
        raise invalid("channel", "must be jobs/ID or batches/ID")
    return channel
