"""Webhooks: the URLs that Longhand calls when work ends. The workers call them; see docs/webhooks.md."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from starlette.responses import Response

from api.callers.caller import Caller, CallerDep
from api.forms.pages import page_json
from api.forms.webhooks import delivery_json, webhook_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import AfterEvent, Limit, v1_routes
from api.http.request_bodies import request_body
from api.schemas.webhooks import (
    DeletedWebhook,
    DeliveryList,
    DeliveryObject,
    ReplayedObject,
    WebhookList,
    WebhookObject,
    WebhookWithSecret,
)
from api.services import Services, ServicesDep, reading, writing
from api.submitting.bodies import NO_BODY, SmallBody, read_known_fields, read_value
from api.submitting.fields import check_integer, check_text, invalid, missing
from api.submitting.webhook_orders import read_events, read_url, require_receiver, too_many
from jobs.webhooks import endpoints, past
from jobs.webhooks.endpoints import WebhookEndpoint
from jobs.webhooks.events import DEFAULT_EVENTS, EVENTS

_URL = {"type": "string", "description": "Where events are sent by POST."}
_NAME = {"type": "string", "maxLength": 200, "description": "A note for you."}
_EVENTS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "enum": list(EVENTS)},
    "default": list(DEFAULT_EVENTS),
    "description": "What it hears of.",
}
_STATUS = {"type": "string", "enum": ["enabled", "paused"], "description": "Whether anything is sent to it."}
_NEW = {"url": _URL, "events": _EVENTS, "name": _NAME}
_CHANGES = {**_NEW, "status": _STATUS}
_ROTATION = {
    "old_secret_seconds": {
        "type": "integer",
        "minimum": 0,
        "maximum": 7 * 86400,
        "default": endpoints.ROTATION_SECONDS,
        "description": "How long the old secret signs as well.",
    }
}
_REPLAY = {"event_id": {"type": "string", "description": "One event; without it all that have failed for good."}}

WebhookId = Annotated[str, Path(description="The id of a webhook, `wh_...`.")]
StatusQuery = Annotated[
    Literal["pending", "delivered", "failed"] | None, Query(description="Deliveries in this status.")
]

routes = v1_routes("webhooks")


def _body(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return request_body(schema | ({"required": list(required)} if required else {}), required=bool(required))


@routes.post(
    "/webhooks", status_code=201, responses={201: {"model": WebhookWithSecret}}, openapi_extra=_body(_NEW, ("url",))
)
async def post_webhook(services: ServicesDep, caller: CallerDep, body: SmallBody) -> Response:
    """Make an endpoint that hears of the project's events. The answer has its secret, which is not shown again."""
    given = _read(body, _NEW)
    if "url" not in given:
        raise missing("url", "where the events are sent")
    await require_receiver(services, given["url"], "url")
    wanted = {"events": DEFAULT_EVENTS, **given}
    try:
        made = await services.writes.run(endpoints.create_endpoint, services.database, project=caller.project, **wanted)
    except endpoints.TooManyEndpointsError:
        raise too_many(endpoints.MOST_ENDPOINTS) from None
    return _secret(made, 201)


@routes.get("/webhooks", responses={200: {"model": WebhookList}})
@reading
def list_webhooks(services: ServicesDep, caller: CallerDep) -> Response:
    """The endpoints of the project, the newest first, without those of single batches."""
    found = endpoints.list_endpoints(services.database, project=caller.project)
    return JsonAnswer({"object": "list", "data": [webhook_json(endpoint) for endpoint in found]})


@routes.get("/webhooks/{webhook_id}", responses={200: {"model": WebhookObject}})
@reading
def get_webhook(services: ServicesDep, caller: CallerDep, webhook_id: WebhookId) -> Response:
    """One endpoint, also that of a single batch."""
    return JsonAnswer(webhook_json(_find(services, caller, webhook_id)))


@routes.post("/webhooks/{webhook_id}", responses={200: {"model": WebhookObject}}, openapi_extra=_body(_CHANGES))
async def post_change_webhook(
    services: ServicesDep, caller: CallerDep, webhook_id: WebhookId, body: SmallBody
) -> Response:
    """Change its `url`, `events` or `name`; pause or enable it. What happens meanwhile is sent when it is enabled."""
    await services.reads.run(_find, services, caller, webhook_id)
    changes = _read(body, _CHANGES)
    if "url" in changes:
        await require_receiver(services, changes["url"], "url")
    status = changes.pop("status", None)
    paused = None if status is None else status == "paused"
    change = partial(endpoints.change_endpoint, services.database, webhook_id, project=caller.project, paused=paused)
    found = await services.writes.run(change, **changes)
    return JsonAnswer(webhook_json(_there(found, webhook_id)))


@routes.delete("/webhooks/{webhook_id}", responses={200: {"model": DeletedWebhook}})
@writing
def delete_webhook(services: ServicesDep, caller: CallerDep, webhook_id: WebhookId) -> Response:
    """Remove an endpoint with all that is still to be sent to it."""
    if not endpoints.delete_endpoint(services.database, webhook_id, project=caller.project):
        raise ApiError.not_found("webhook", webhook_id)
    return JsonAnswer({"id": webhook_id, "object": "webhook", "deleted": True})


@routes.post(
    "/webhooks/{webhook_id}/rotate_secret",
    responses={200: {"model": WebhookWithSecret}},
    openapi_extra=_body(_ROTATION),
)
@writing
def post_rotate_secret(services: ServicesDep, caller: CallerDep, webhook_id: WebhookId, body: SmallBody) -> Response:
    """Make a new secret, which the answer has. For a day, or `old_secret_seconds`, the old one signs as well."""
    _find(services, caller, webhook_id)
    given = _read(body, _ROTATION)
    seconds = given.get("old_secret_seconds", endpoints.ROTATION_SECONDS)
    rotated = endpoints.rotate_secret(services.database, webhook_id, project=caller.project, old_seconds=seconds)
    return _secret(_there(rotated, webhook_id), 200)


@routes.post(
    "/webhooks/{webhook_id}/test", dependencies=[NO_BODY], status_code=202, responses={202: {"model": DeliveryObject}}
)
@writing
def post_test_webhook(services: ServicesDep, caller: CallerDep, webhook_id: WebhookId) -> Response:
    """Send it a `webhook.test`. Its deliveries show what became of it."""
    _require_enabled(_find(services, caller, webhook_id))
    event_id = past.send_test(services.database, webhook_id)
    sent = past.read_delivery(services.database, webhook_id, event_id)
    if sent is None:  # it was deleted in between
        raise ApiError.not_found("webhook", webhook_id)
    return JsonAnswer(delivery_json(sent), 202)


@routes.post(
    "/webhooks/{webhook_id}/replay",
    status_code=202,
    responses={202: {"model": ReplayedObject}},
    openapi_extra=_body(_REPLAY),
)
@writing
def post_replay(services: ServicesDep, caller: CallerDep, webhook_id: WebhookId, body: SmallBody) -> Response:
    """Send one event again, whatever became of it; or, without `event_id`, all that have failed for good."""
    _require_enabled(_find(services, caller, webhook_id))
    event_id = _read(body, _REPLAY).get("event_id")
    count = past.replay(services.database, webhook_id, event_id)
    if event_id is not None and count == 0:
        raise ApiError.not_found("event", event_id)
    return JsonAnswer({"object": "webhook.replay", "webhook_id": webhook_id, "replayed": count}, 202)


@routes.get("/webhooks/{webhook_id}/deliveries", responses={200: {"model": DeliveryList}})
@reading
def list_deliveries(
    services: ServicesDep,
    caller: CallerDep,
    webhook_id: WebhookId,
    after: AfterEvent,
    status: StatusQuery = None,
    limit: Limit = 20,
) -> Response:
    """What was sent to it and what is to be, the newest first. They are kept for a week."""
    paused = _find(services, caller, webhook_id).paused_at is not None
    found, has_more = past.list_deliveries(services.database, webhook_id, status=status, after=after, limit=limit)
    shown = [delivery_json(delivery, paused=paused) for delivery in found]
    return JsonAnswer(page_json(shown, more=has_more, by="event_id"))


def _find(services: Services, caller: Caller, webhook_id: str) -> WebhookEndpoint:
    return _there(endpoints.read_endpoint(services.database, webhook_id, project=caller.project), webhook_id)


def _there(endpoint: WebhookEndpoint | None, webhook_id: str) -> WebhookEndpoint:
    if endpoint is None:
        raise ApiError.not_found("webhook", webhook_id)
    return endpoint


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.paused_at is not None:
        raise ApiError(409, "webhook_paused", f"the webhook is paused ({endpoint.pause_reason}): enable it first")


def _secret(endpoint: WebhookEndpoint, status: int) -> Response:
    return JsonAnswer(webhook_json(endpoint, with_secret=True), status, headers={"cache-control": "no-store"})


def _read(body: bytes, known: dict[str, Any]) -> dict[str, Any]:
    """The fields of a body, each checked. A null is as good as nothing."""
    given: dict[str, Any] = {}
    for name, text in read_known_fields(body, known).items():
        value = read_value(text, name)
        match name:
            case _ if value is None:
                continue
            case "url":
                given[name] = read_url(value, name)
            case "events":
                given[name] = read_events(value, name)
            case "status":
                if value not in _STATUS["enum"]:
                    raise invalid(name, 'must be "enabled" or "paused"')
                given[name] = value
            case "old_secret_seconds":
                given[name] = check_integer(value, name, 0, 7 * 86400)
            case _:
                given[name] = check_text(value, name, 200, empty=name == "name")
    return given
